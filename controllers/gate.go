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
type gate struct {
	clock   clock.PassiveClock
	limiter *rate.Limiter

	mu          sync.Mutex
	pausedUntil time.Time
	pauses      int // in a row
	slots       map[ref]time.Time
}

const (
	firstPause = 5 * time.Second
	longPause  = time.Minute
)

func newGate(clk clock.PassiveClock, requestsPerSecond, burst int) *gate {
	return &gate{
		clock:   clk,
		limiter: rate.NewLimiter(rate.Limit(requestsPerSecond), burst),
		slots:   map[ref]time.Time{},
	}
}

// admit lets one request of a resource pass, or returns a deferral.
func (g *gate) admit(who ref) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	slot, has := g.slots[who]
	if !has || slot.Before(g.pausedUntil) {
		// After a pause all slots are given anew, at the rate of the limiter: else all who waited would come at once.
		if wait := g.pausedUntil.Sub(now); wait > 0 {
			return deferred{after: wait}
		}
		slot = now.Add(g.limiter.ReserveN(now, 1).DelayFrom(now))
	}
	if wait := slot.Sub(now); wait > 0 {
		g.slots[who] = slot
		return deferred{after: wait}
	}
	delete(g.slots, who)
	return nil
}

// forget gives up the slot of a resource.
func (g *gate) forget(who ref) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.slots, who)
}

// throttled stops all requests for the time that SFS asked for, or for a growing one where it named none.
func (g *gate) throttled(retryAfter time.Duration, named bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !named {
		retryAfter = min(firstPause<<min(g.pauses, 8), longPause)
	}
	g.pauses++
	if until := g.clock.Now().Add(retryAfter); until.After(g.pausedUntil) {
		g.pausedUntil = until
	}
}

// passed records that SFS answered without asking for a pause.
func (g *gate) passed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pauses = 0
}
