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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

const (
	canaryInterval = 200 * time.Millisecond
	canaryTimeout  = 5 * time.Second
)

// canaries are the applications: one for each resource with a token, from the moment it has one.
type canaries struct {
	view   *view
	live   client.Reader
	roots  *x509.CertPool
	others *providers

	mu sync.Mutex
	of map[owner]*tally
}

// caller calls the API that a token is for.
type caller interface {
	call(ctx context.Context, t published) error
	close()
}

// tally is what one application has seen.
type tally struct {
	of        string // whose application it is
	rotations int
	calls     int
	refused   int
	last      error // of the last refusal
	token     string
}

func newCanaries(v *view, live client.Reader, sim *sfstest.Server, others *providers) *canaries {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(sim.CABundle())
	return &canaries{view: v, live: live, roots: roots, others: others, of: map[owner]*tally{}}
}

// run starts an application for each resource that gets a token, until the context is done, and waits for all of them.
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
		for who, t := range tokens {
			if !c.add(who) {
				continue
			}
			api, err := c.newCaller(t)
			if err != nil {
				return fmt.Errorf("reading the token Secret of %s: %w", who, err)
			}
			applications.Go(func() { c.application(ctx, who, api) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *canaries) add(who owner) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[who] != nil {
		return false
	}
	c.of[who] = &tally{of: who.String()}
	return true
}

func (c *canaries) newCaller(t published) (caller, error) {
	if t.owner.kind == oauthTokenKind {
		return c.others.newCaller()
	}
	api, err := sendforsign.New(t.baseURL, sendforsign.WithRootCAs(c.roots), sendforsign.WithTimeout(canaryTimeout))
	return sfsCaller{api}, err
}

// application calls the API with whatever token is in the Secret.
func (c *canaries) application(ctx context.Context, who owner, api caller) {
	defer api.close()
	tick := time.NewTicker(canaryInterval)
	defer tick.Stop()
	for ctx.Err() == nil {
		if tokens, err := c.view.tokens(ctx); err == nil {
			if t, ok := tokens[who]; ok {
				err := api.call(ctx, t)
				if ctx.Err() != nil || err != nil && c.withdrawn(ctx, who) {
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

type sfsCaller struct{ *sendforsign.API }

// call asks Sendforsign whose token it is.
func (c sfsCaller) call(ctx context.Context, t published) error {
	found, err := c.ReadClient(ctx, sendforsign.ClientToken(t.token), sendforsign.ClientQuery{})
	if err == nil && found.ClientKey != t.clientKey {
		return fmt.Errorf("the token is one of the client %s, not %s", found.ClientKey, t.clientKey)
	}
	return err
}

func (c sfsCaller) close() { c.Close() }

// withdrawn says whether somebody has deleted the resource or switched its token off: then it is meant to be refused.
func (c *canaries) withdrawn(ctx context.Context, who owner) bool {
	var of client.Object = &v1alpha1.SfsClient{}
	if who.kind == oauthTokenKind {
		of = &v1alpha1.OAuthToken{}
	}
	err := c.live.Get(ctx, who.NamespacedName, of)
	if sfsClient, ok := of.(*v1alpha1.SfsClient); ok && err == nil && !sfsClient.TokenEnabled() {
		return true
	}
	return apierrors.IsNotFound(err) || err == nil && !of.GetDeletionTimestamp().IsZero()
}

func (c *canaries) count(t published, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.of[t.owner]
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

// tallies returns what all applications have seen, in the order of the names of whose they are.
func (c *canaries) tallies() []tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]tally, 0, len(c.of))
	for _, t := range c.of {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b tally) int { return cmp.Compare(a.of, b.of) })
	return all
}
