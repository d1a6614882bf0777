// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
)

// gate spreads the requests to one SFS account. Nobody waits inside it: who comes too early is told when to come back, so
// that an account that is slow, throttled or away does not hold the workers that the others need.
//
// A step is admitted as a whole, since it can not stop between a lookup and the create that follows from it: its first
// request has been paid for, and those after it are taken from the limiter without waiting, at the cost of whoever is next.
type gate struct {
	clock   clock.PassiveClock
	limiter *rate.Limiter
	width   int // steps at a time

	mu          sync.Mutex
	pausedUntil time.Time
	pauses      int // in a row
	slots       map[ref]time.Time
	waiting     map[ref]time.Time // when each that has no slot is to ask again
	inside      map[ref]bool      // whether the request that was paid for is still to be made
	silence     int               // requests in a row that got no answer
}

const (
	firstPause = 5 * time.Second
	longPause  = time.Minute
	// slotLife is how late one may come for a slot.
	slotLife = 10 * time.Second
	// horizon is how far ahead slots are given for work that can wait. What is due soon never waits longer behind it.
	horizon = 2 * time.Second
	// longestWait is after how long those ask again at the latest who have no slot.
	longestWait = 10 * time.Minute
	// deafAfter so many requests without an answer, only one at a time is made, to see whether SFS is back.
	deafAfter = 3
	crowded   = time.Second
	deaf      = 5 * time.Second
)

func newGate(clk clock.PassiveClock, requestsPerSecond, burst, width int) *gate {
	return &gate{
		clock:   clk,
		limiter: rate.NewLimiter(rate.Limit(requestsPerSecond), burst),
		width:   max(width, 1),
		slots:   map[ref]time.Time{},
		waiting: map[ref]time.Time{},
		inside:  map[ref]bool{},
	}
}

// admit lets a step of a resource begin, or returns a deferral. A step that was admitted MUST end with leave. Urgent is
// what gives a token to an application; the rest waits behind it.
func (g *gate) admit(who ref, urgent bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	if wait := g.pausedUntil.Sub(now); wait > 0 {
		return deferred{after: wait}
	}
	switch {
	case g.silence >= deafAfter && len(g.inside) >= 1:
		return deferred{after: deaf}
	case len(g.inside) >= g.width:
		return deferred{after: crowded}
	}
	if wait := g.slot(who, urgent, now).Sub(now); wait > 0 {
		return deferred{after: wait}
	}
	delete(g.slots, who)
	g.inside[who] = true
	return nil
}

// slot is when a step may begin, or when to ask again.
func (g *gate) slot(who ref, urgent bool, now time.Time) time.Time {
	slot, has := g.slots[who]
	// After a pause, or after this process stood still, slots are given anew, at the rate of the limiter: else all who
	// waited would come at once.
	if has && !slot.Before(g.pausedUntil) && !slot.Before(now.Add(-slotLife)) {
		return slot
	}
	if turn := g.waiting[who]; turn.After(now) && !urgent {
		return turn // asked too early, for whatever reason
	}
	delete(g.slots, who)
	reservation := g.limiter.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if delay > horizon && !urgent {
		reservation.CancelAt(now)
		delete(g.waiting, who)
		ahead := time.Duration(float64(len(g.waiting)) / float64(g.limiter.Limit()) * float64(time.Second))
		g.waiting[who] = now.Add(min(horizon/2+ahead, longestWait))
		return g.waiting[who]
	}
	delete(g.waiting, who)
	if delay > 0 {
		g.slots[who] = now.Add(delay)
	}
	return now.Add(delay)
}

// leave ends a step.
func (g *gate) leave(who ref) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.inside, who)
}

// spend counts a request that is about to be made.
func (g *gate) spend(who ref) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[who] {
		g.inside[who] = false
		return
	}
	g.limiter.ReserveN(g.clock.Now(), 1)
}

// forget gives up the place of a resource.
func (g *gate) forget(who ref) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.slots, who)
	delete(g.waiting, who)
}

// paused returns a deferral while SFS wants no requests.
func (g *gate) paused() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.pausedUntil.Sub(g.clock.Now()); wait > 0 {
		return deferred{after: wait}
	}
	return nil
}

// throttled stops all requests for the time that SFS asked for, or for a growing one where it named none. What was under
// way when a pause began, and is refused as well, makes no other pause.
func (g *gate) throttled(retryAfter time.Duration, named bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.silence = 0
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
	g.pauses, g.silence = 0, 0
}

// silent records that SFS did not answer.
func (g *gate) silent() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.silence++
}
