// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
)

// attempts remembers which steps failed and when each may be tried again, so that an unrelated event does not bring a
// failed request forward; which steps of a deletion need not be done again; which failure has been told of; and what was written
// of a resource itself. It is kept in memory: after a restart each step is tried once.
type attempts struct {
	clock      clock.PassiveClock
	fast, slow workqueue.TypedRateLimiter[attemptKey]
	fulfilled  *memory[fulfilled]
	ailing     *memory[string] // of what is not well: the reason that was told of last, or none
	written    *memory[ownWrite]

	mu   sync.Mutex
	next map[ref]map[attemptKey]time.Time
}

// attemptKey names a step in the circumstances under which it failed: with another spec, or another session with SFS, it
// is another step, and tried at once.
type attemptKey struct {
	ref           ref
	step          string
	generation    int64
	session       string
	circumstances string
}

// ref names a resource.
type ref struct{ kind, namespace, name string }

func newAttempts(clk clock.PassiveClock) *attempts {
	return &attempts{
		clock: clk,
		// A renewal has a third of the life of a token for its attempts: a longer wait than this would turn a short
		// outage into a long one.
		fast: workqueue.NewTypedItemExponentialFailureRateLimiter[attemptKey](time.Second, 30*time.Second),
		slow: workqueue.NewTypedItemExponentialFailureRateLimiter[attemptKey](30*time.Second, 10*time.Minute),
		next: map[ref]map[attemptKey]time.Time{}, fulfilled: newMemory[fulfilled](), ailing: newMemory[string](),
		written: newMemory[ownWrite](),
	}
}

// due returns a deferral while the step must wait.
func (a *attempts) due(key attemptKey) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if wait := a.next[key.ref][key].Sub(a.clock.Now()); wait > 0 {
		return deferred{after: wait}
	}
	return nil
}

// failed records a failure and returns how long to wait, cut short by limit (which may be nil).
func (a *attempts) failed(key attemptKey, p pace, limit func(time.Duration) time.Duration) time.Duration {
	limiter := a.fast
	if p == slow {
		limiter = a.slow
	}
	wait := limiter.When(key)
	if limit != nil {
		wait = limit(wait)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next[key.ref] == nil {
		a.next[key.ref] = map[attemptKey]time.Time{}
	}
	for k := range a.next[key.ref] {
		if k.step == key.step && k != key { // of circumstances that are over
			a.drop(k)
		}
	}
	a.next[key.ref][key] = a.clock.Now().Add(wait)
	return wait
}

// failures is how often a step of a resource has failed in a row.
func (a *attempts) failures(r ref, step string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for k := range a.next[r] {
		if k.step == step {
			n = max(n, a.fast.NumRequeues(k), a.slow.NumRequeues(k))
		}
	}
	return n
}

// succeeded forgets the failures of a step.
func (a *attempts) succeeded(key attemptKey) {
	a.forget(key.ref, func(k attemptKey) bool { return k.step == key.step })
}

// gone forgets all of a resource.
func (a *attempts) gone(r ref) {
	a.goneBut(r, "") // which no step is called
}

// goneBut forgets all of a resource but the failures of one step.
func (a *attempts) goneBut(r ref, step string) {
	a.fulfilled.drop(r)
	a.ailing.drop(r)
	a.written.drop(r)
	a.forget(r, func(k attemptKey) bool { return k.step != step })
}

func (a *attempts) forget(r ref, which func(attemptKey) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k := range a.next[r] {
		if which(k) {
			a.drop(k)
		}
	}
	if len(a.next[r]) == 0 {
		delete(a.next, r)
	}
}

func (a *attempts) drop(k attemptKey) {
	a.fast.Forget(k)
	a.slow.Forget(k)
	delete(a.next[k.ref], k)
}
