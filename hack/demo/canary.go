// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

const (
	canaryInterval = 200 * time.Millisecond
	canaryTimeout  = 5 * time.Second
)

// canaries are the applications: one for each client, from the moment it has a token.
type canaries struct {
	view  *view
	live  client.Reader
	roots *x509.CertPool

	mu sync.Mutex
	of map[types.NamespacedName]*tally
}

// tally is what one application has seen.
type tally struct {
	client    types.NamespacedName
	rotations int
	calls     int
	refused   int
	last      error // of the last refusal
	token     string
}

func newCanaries(v *view, live client.Reader, sim *sfstest.Server) *canaries {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(sim.CABundle())
	return &canaries{view: v, live: live, roots: roots, of: map[types.NamespacedName]*tally{}}
}

// run starts an application for each client that gets a token, until the context is done, and waits for all of them.
func (c *canaries) run(ctx context.Context) error {
	var applications sync.WaitGroup
	defer applications.Wait()
	tick := time.NewTicker(canaryInterval)
	defer tick.Stop()
	for {
		tokens, err := c.view.tokens(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		for name, t := range tokens {
			if !c.add(name) {
				continue
			}
			api, err := sendforsign.New(t.baseURL, sendforsign.WithRootCAs(c.roots), sendforsign.WithTimeout(canaryTimeout))
			if err != nil {
				return fmt.Errorf("reading the token Secret of %s: %w", name, err)
			}
			applications.Go(func() { c.application(ctx, name, api) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *canaries) add(name types.NamespacedName) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[name] != nil {
		return false
	}
	c.of[name] = &tally{client: name}
	return true
}

// application calls Sendforsign with whatever token is in the Secret.
func (c *canaries) application(ctx context.Context, name types.NamespacedName, api *sendforsign.API) {
	defer api.Close()
	tick := time.NewTicker(canaryInterval)
	defer tick.Stop()
	for ctx.Err() == nil {
		if tokens, err := c.view.tokens(ctx); err == nil {
			if t, ok := tokens[name]; ok {
				err := call(ctx, api, t)
				if ctx.Err() != nil || err != nil && c.withdrawn(ctx, name) {
					err = errNotCounted
				}
				c.count(t, err)
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// errNotCounted marks a call that tells nothing.
var errNotCounted = errors.New("not counted")

// call asks Sendforsign whose token it is.
func call(ctx context.Context, api *sendforsign.API, t published) error {
	found, err := api.ReadClient(ctx, sendforsign.ClientToken(t.token), sendforsign.ClientQuery{})
	if err == nil && found.ClientKey != t.clientKey {
		return fmt.Errorf("the token is one of the client %s, not %s", found.ClientKey, t.clientKey)
	}
	return err
}

// withdrawn says whether somebody has deleted the client or switched its token off: then it is meant to be refused.
func (c *canaries) withdrawn(ctx context.Context, name types.NamespacedName) bool {
	var owner v1alpha1.SfsClient
	err := c.live.Get(ctx, name, &owner)
	return apierrors.IsNotFound(err) || err == nil && (!owner.DeletionTimestamp.IsZero() || !owner.TokenEnabled())
}

func (c *canaries) count(t published, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.of[t.client]
	if fingerprint := t.fingerprint(); fingerprint != seen.token {
		if seen.token != "" {
			seen.rotations++
		}
		seen.token = fingerprint
	}
	if errors.Is(err, errNotCounted) {
		return
	}
	seen.calls++
	if err != nil {
		seen.refused++
		seen.last = err
	}
}

// tallies returns what all applications have seen, in the order of the names of the clients.
func (c *canaries) tallies() []tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]tally, 0, len(c.of))
	for _, t := range c.of {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b tally) int { return cmp.Compare(a.client.String(), b.client.String()) })
	return all
}
