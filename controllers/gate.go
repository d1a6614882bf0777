// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
)

// gate spreads the requests to one SFS account. Nobody waits inside it: who comes too early gets a slot and is told to
// come back for it, so that a slow account holds no worker.
//
// A step is admitted as a whole, since it can not stop between a lookup and the create that follows from it: its first
// request has been paid for, and those after it are taken from the limiter without waiting, at the cost of whoever is next.
type gate struct {
	clock   clock.PassiveClock
	limiter *rate.Limiter

	mu          sync.Mutex
	pausedUntil time.Time
	pauses      int // in a row
	slots       map[ref]time.Time
	admitted    map[ref]bool // and the request that was paid for has not been made
}

const (
	firstPause = 5 * time.Second
	longPause  = time.Minute
	// slotLife is how late one may come for a slot.
	slotLife = 10 * time.Second
)

func newGate(clk clock.PassiveClock, requestsPerSecond, burst int) *gate {
	return &gate{
		clock:    clk,
		limiter:  rate.NewLimiter(rate.Limit(requestsPerSecond), burst),
		slots:    map[ref]time.Time{},
		admitted: map[ref]bool{},
	}
}

// admit lets a step of a resource begin, or returns a deferral.
func (g *gate) admit(who ref) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	if wait := g.pausedUntil.Sub(now); wait > 0 {
		return deferred{after: wait}
	}
	slot, has := g.slots[who]
	if !has || slot.Before(g.pausedUntil) || slot.Before(now.Add(-slotLife)) {
		// After a pause, or after this process stood still, slots are given anew, at the rate of the limiter: else all who
		// waited would come at once.
		slot = now.Add(g.limiter.ReserveN(now, 1).DelayFrom(now))
	}
	if wait := slot.Sub(now); wait > 0 {
		g.slots[who] = slot
		return deferred{after: wait}
	}
	delete(g.slots, who)
	g.admitted[who] = true
	return nil
}

// spend counts a request that is about to be made.
func (g *gate) spend(who ref) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.admitted[who] {
		delete(g.admitted, who)
		return
	}
	g.limiter.ReserveN(g.clock.Now(), 1)
}

// forget gives up the slot of a resource.
func (g *gate) forget(who ref) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.slots, who)
	delete(g.admitted, who)
}

// throttled stops all requests for the time that SFS asked for, or for a growing one where it named none. What was under
// way when a pause began, and is refused as well, makes no other pause.
func (g *gate) throttled(retryAfter time.Duration, named bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	if !named {
		if now.Before(g.pausedUntil) {
			return
		}
		retryAfter = min(firstPause<<min(g.pauses, 8), longPause)
		g.pauses++
	}
	if until := now.Add(retryAfter); until.After(g.pausedUntil) {
		g.pausedUntil = until
	}
}

// passed records that SFS answered without asking for a pause.
func (g *gate) passed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pauses = 0
}
