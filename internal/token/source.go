// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"
)

// Minted is a token as it comes from its issuer.
type Minted[T any] struct {
	Value T
	// Life is how long it lives, counted from before it was asked for.
	Life time.Duration
}

// Source hands one token to many users and replaces it before it dies. It keeps the token in memory only.
//
// However many ask, one request to the issuer is under way at a time; no lock is held meanwhile.
type Source[T any] struct {
	mint  func(context.Context) (Minted[T], error)
	clock clock.PassiveClock

	flight singleflight.Group

	mu      sync.Mutex
	current *held[T]
	retry   time.Time // not before, after a renewal that failed while the token at hand still served
}

type held[T any] struct {
	value T
	token Token
}

// NewSource makes a Source that gets its tokens from mint, which MUST bound its own time.
func NewSource[T any](clk clock.PassiveClock, mint func(context.Context) (Minted[T], error)) *Source[T] {
	return &Source[T]{mint: mint, clock: clk}
}

// Get returns a living token. Where a renewal fails and the token at hand can still be counted on, that one is returned.
func (s *Source[T]) Get(ctx context.Context) (T, error) {
	h, due := s.held()
	if h != nil && !due {
		return h.value, nil
	}
	// The one who happens to be first must not take the others down by giving up, so its cancellation is not passed on.
	ch := s.flight.DoChan("", func() (any, error) { return s.renew(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	case r := <-ch:
		if value, ok := r.Val.(T); ok && r.Err == nil {
			return value, nil
		}
		if h != nil && h.token.Usable(s.clock.Now()) {
			s.postpone()
			return h.value, nil
		}
		var none T
		return none, r.Err
	}
}

// Forget has the next Get mint a token, whatever is at hand.
func (s *Source[T]) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = nil
}

func (s *Source[T]) renew(ctx context.Context) (T, error) {
	// Whoever saw the token to be due before the last flight ended need not mint another one.
	if h, due := s.held(); h != nil && !due {
		return h.value, nil
	}
	issued := s.clock.Now()
	minted, err := s.mint(ctx)
	if err != nil {
		var none T
		return none, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = &held[T]{value: minted.Value, token: Token{Issued: issued, Expires: issued.Add(minted.Life)}}
	return minted.Value, nil
}

// renewalPause is the time between attempts to renew a token that still serves.
const renewalPause = 5 * time.Second

// refusedTooSoon is the age under which a token that was refused is not replaced: an API that refuses fresh tokens
// would otherwise be asked for a new one with each request.
const refusedTooSoon = 10 * time.Second

// Refused tells the source that the API did not accept this token, and says whether it is worth to get another one.
func (s *Source[T]) Refused(same func(T) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || !same(s.current.value) {
		return true // somebody else noticed before, and there is another one now or soon
	}
	if s.clock.Now().Sub(s.current.token.Issued) < refusedTooSoon {
		return false
	}
	s.current = nil
	return true
}

// held returns the token at hand and whether it should be replaced now.
func (s *Source[T]) held() (*held[T], bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return nil, true
	}
	now := s.clock.Now()
	due := Decide(Observed{Token: &s.current.token}, Policy{}, now) != NotDue
	if due && s.current.token.Usable(now) && now.Before(s.retry) {
		due = false
	}
	return s.current, due
}

// postpone keeps an issuer that is away from being asked before each use of a token that still serves.
func (s *Source[T]) postpone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retry = s.clock.Now().Add(renewalPause)
}
