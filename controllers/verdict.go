// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// refusedCredentials says that SFS does not give a platform token for the API key and secret. It does not unwrap to the
// answer: where SFS says so by a 404, that must not be taken for one about a client.
type refusedCredentials struct{ cause error }

func (r *refusedCredentials) Error() string { return "the credentials are refused: " + r.cause.Error() }

// verdict is what SFS last said of the credentials. Credentials that were refused are tried again at a slow pace
// however many tenants ask: many wrong attempts might lock the account.
type verdict struct {
	clock   clock.PassiveClock
	changed func()

	mu       sync.Mutex
	refusal  *refusedCredentials
	refusals int
	retry    time.Time
	turns    int // how often the verdict has changed
	doubted  bool
	doubtAt  time.Time
}

const (
	firstRefusalPause = 15 * time.Second
	longRefusalPause  = 5 * time.Minute
)

// standing returns the refusal that still stands.
func (v *verdict) standing() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.refusal != nil && v.clock.Now().Before(v.retry) {
		return v.refusal
	}
	return nil
}

// last returns the refusal with which the last attempt ended, or nil, and in what time the next attempt may be made.
func (v *verdict) last() (time.Duration, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.refusal == nil {
		return 0, nil
	}
	return v.retry.Sub(v.clock.Now()), v.refusal
}

// doubt has the credentials tried, since a request with the API key was refused. It may have been for another reason, so
// this is done once in a while only.
func (v *verdict) doubt() {
	v.mu.Lock()
	now := v.clock.Now()
	if now.Sub(v.doubtAt) < longRefusalPause {
		v.mu.Unlock()
		return
	}
	v.doubted, v.doubtAt = true, now
	v.mu.Unlock()
	v.changed()
}

// isDoubted says whether the credentials are to be tried.
func (v *verdict) isDoubted() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.doubted
}

// again has refused credentials tried without waiting.
func (v *verdict) again() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.retry = time.Time{}
}

func (v *verdict) record(refusal *refusedCredentials) {
	v.mu.Lock()
	v.doubted = false
	changed := (v.refusal == nil) != (refusal == nil)
	if changed {
		v.turns++
	}
	v.refusal = refusal
	if refusal == nil {
		v.refusals = 0
	} else {
		v.retry = v.clock.Now().Add(min(firstRefusalPause<<min(v.refusals, 8), longRefusalPause))
		v.refusals++
	}
	v.mu.Unlock()
	if changed {
		v.changed()
	}
}
