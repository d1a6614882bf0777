// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"

	"github.com/sendforsign/sfs-operator/sendforsign"
)

// snapshot is a list of all clients of the account that many may share for a short time.
type snapshot struct {
	clock   clock.PassiveClock
	loading singleflight.Group

	mu          sync.Mutex
	taken       time.Time
	byCustomKey map[string][]string
}

// snapshotAge is how old a snapshot may be. It serves to notice duplicates that were made by others, long ago.
const snapshotAge = 30 * time.Second

// clientKeys returns the keys of all clients of the account that have this customKey, as of not longer ago than maxAge.
func (s *session) clientKeys(ctx context.Context, who ref, customKey string, maxAge time.Duration) ([]string, error) {
	if keys, age := s.clients.read(customKey); age < maxAge {
		return keys, nil
	}
	loaded, err, _ := s.clients.loading.Do("", func() (any, error) {
		taken := s.clients.clock.Now()
		var all []sendforsign.Client
		err := s.call(context.WithoutCancel(ctx), who, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) (err error) {
			all, err = api.ListClients(ctx, sendforsign.PlatformToken(platform))
			return err
		})
		if err != nil {
			return nil, err
		}
		return s.clients.write(taken, all), nil
	})
	if err != nil {
		return nil, err
	}
	return loaded.(map[string][]string)[customKey], nil
}

func (s *snapshot) read(customKey string) (keys []string, age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byCustomKey[customKey], s.clock.Now().Sub(s.taken)
}

// expire drops what is too old to be used: with each client of the account in it, it takes much room.
func (s *snapshot) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clock.Now().Sub(s.taken) >= snapshotAge {
		s.byCustomKey = nil
	}
}

func (s *snapshot) write(taken time.Time, all []sendforsign.Client) map[string][]string {
	byCustomKey := map[string][]string{}
	for _, c := range all {
		if c.CustomKey != "" {
			byCustomKey[c.CustomKey] = append(byCustomKey[c.CustomKey], c.ClientKey)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken, s.byCustomKey = taken, byCustomKey
	return byCustomKey
}
