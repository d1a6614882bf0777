// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// class says how much is lost if a step waits. As long as there is work of a more urgent class, no other begins.
type class int

const (
	// classDrift is what nobody asked for: a comparison at intervals.
	classDrift class = iota
	// classCreate is what somebody waits for who has changed a resource.
	classCreate
	// classRenewal is for a token that still lives for a while, and for the revocation of one.
	classRenewal
	// classMissing is for an application that has no token.
	classMissing
	// classDying is for an application that has a token and is about to lose it.
	classDying

	classes = iota
)

// gate spreads the requests to one SFS account. Nobody waits inside it: who comes too early is told when to come back, so
// that an account that is slow, throttled or away does not hold the workers that the others need.
//
// Who was sent away has a place in a queue: behind the more urgent classes, and in its own behind those who came before.
// A step may begin when the bucket holds a request for it and for each of those before it. So the places need no upkeep:
// somebody more urgent moves the others back by coming, and who does not come back leaves a request to the next.
//
// A step is admitted as a whole, since it can not stop between a lookup and the create that follows from it: its first
// request has been paid for, and those after it are taken from the bucket without waiting, at the cost of whoever is next.
type gate struct {
	clock clock.PassiveClock
	width int // steps at a time

	mu          sync.Mutex
	bucket      bucket
	pausedUntil time.Time
	pauses      int          // in a row
	inside      map[ref]bool // whether the request that was paid for is still to be made
	silence     int          // requests in a row that got no answer

	places map[visit]*place
	queues [classes][]uint64 // numbers of the places of a class, in order
	last   uint64
	swept  time.Time
}

// visit is a step of a resource that wants to begin.
type visit struct {
	who  ref
	step string
}

// place is that of a visit in the queue.
type place struct {
	class  class
	number uint64
	turn   time.Time // when to come back
}

const (
	// firstPause to longPause are for a 429 that names no time; longestPause bounds what the status can ask for.
	firstPause   = 5 * time.Second
	longPause    = time.Minute
	longestPause = time.Hour
	// placeLife is how late one may come back and still have a place.
	placeLife = 10 * time.Second
	// longestWait is after how long one asks again at the latest.
	longestWait = 10 * time.Minute
	// deafAfter so many requests without an answer, only one at a time is made, to see whether SFS is back.
	deafAfter = 3
	crowded   = time.Second
	deaf      = 5 * time.Second
	// afterPause is over how long the least urgent are spread after a pause; each class above it over half as long.
	afterPause = 8 * time.Second
)

func newGate(clk clock.PassiveClock, requestsPerSecond, burst, width int) *gate {
	g := &gate{clock: clk, width: max(width, 1), inside: map[ref]bool{}, places: map[visit]*place{}}
	g.limit(requestsPerSecond, burst)
	g.bucket.level, g.bucket.at = g.bucket.size, clk.Now()
	return g
}

// limit sets the rate.
func (g *gate) limit(requestsPerSecond, burst int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bucket.perSecond, g.bucket.size = float64(requestsPerSecond), float64(burst)
	g.bucket.level = min(g.bucket.level, g.bucket.size)
}

// admit lets a step of a resource begin, or returns a deferral. A step that was admitted MUST end with leave.
func (g *gate) admit(who ref, step string, c class) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	g.sweep(now)
	v := visit{who, step}
	at := g.queue(v, c)
	if wait := g.wait(v, at, now); wait > 0 {
		at.turn = now.Add(wait)
		return deferred{after: wait}
	}
	g.unqueue(v, at)
	g.bucket.take()
	g.inside[who] = true
	return nil
}

// wait is how long a visit has to wait; 0: it may begin.
func (g *gate) wait(v visit, at *place, now time.Time) time.Duration {
	moreUrgent := 0
	for _, queue := range g.queues[at.class+1:] {
		moreUrgent += len(queue)
	}
	before, _ := slices.BinarySearch(g.queues[at.class], at.number)
	wait := min(g.bucket.until(float64(1+before+moreUrgent), now), longestWait)
	if now.Before(g.pausedUntil) {
		// The bucket is empty at the end of a pause, so they are spread already. But others may share the account, who
		// were told the same time.
		return max(wait, g.pausedUntil.Sub(now)) + time.Duration(v.who.spread()*float64(afterPause>>at.class))
	}
	room, full := g.width, crowded
	if g.silence >= deafAfter {
		room, full = 1, deaf
	}
	if len(g.inside)+moreUrgent >= room {
		return max(wait, full)
	}
	return wait
}

// queue returns the place of a visit. It keeps its number when it becomes more urgent.
func (g *gate) queue(v visit, c class) *place {
	at, has := g.places[v]
	switch {
	case has && at.class == c:
		return at
	case has:
		g.unqueue(v, at)
	default:
		g.last++
		at = &place{number: g.last}
	}
	at.class = c
	g.places[v] = at
	i, _ := slices.BinarySearch(g.queues[c], at.number)
	g.queues[c] = slices.Insert(g.queues[c], i, at.number)
	return at
}

func (g *gate) unqueue(v visit, at *place) {
	delete(g.places, v)
	if i, found := slices.BinarySearch(g.queues[at.class], at.number); found {
		g.queues[at.class] = slices.Delete(g.queues[at.class], i, i+1)
	}
}

// sweep drops the places of those who did not come back: a resource is deleted, or suspended, or wants nothing more.
func (g *gate) sweep(now time.Time) {
	if now.Sub(g.swept) < time.Second {
		return
	}
	g.swept = now
	for v, at := range g.places {
		if at.turn.Before(now.Add(-placeLife)) {
			g.unqueue(v, at)
		}
	}
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
	g.bucket.fill(g.clock.Now())
	g.bucket.take()
}

// paused returns a deferral while SFS wants no requests.
func (g *gate) paused() error {
	if wait := g.pauseEnd().Sub(g.clock.Now()); wait > 0 {
		return deferred{after: wait}
	}
	return nil
}

// pauseEnd is when the last pause ends or has ended.
func (g *gate) pauseEnd() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pausedUntil
}

// throttled stops all requests for the time that SFS asked for, or for a growing one where it named none. What was under
// way when a pause began, and is refused as well, makes no other pause. It returns by how much the pause has become longer.
func (g *gate) throttled(retryAfter time.Duration, named bool) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.silence = 0
	now := g.clock.Now()
	if !named {
		if now.Before(g.pausedUntil) {
			return 0
		}
		retryAfter = min(firstPause<<min(g.pauses, 8), longPause)
		g.pauses++
	}
	return g.pause(now.Add(retryAfter))
}

// resume keeps a pause that another process was asked for.
func (g *gate) resume(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.clock.Now(); until.After(now) {
		g.pause(now.Add(min(until.Sub(now), longestPause)))
	}
}

func (g *gate) pause(until time.Time) time.Duration {
	if !until.After(g.pausedUntil) {
		return 0
	}
	longer := min(until.Sub(g.clock.Now()), until.Sub(g.pausedUntil))
	g.pausedUntil = until
	// SFS wants less, so after the pause there is no burst.
	g.bucket.drain(until)
	return longer
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

// bucket holds requests that may be made. More may be taken than it holds.
type bucket struct {
	perSecond, size float64
	level           float64
	at              time.Time // when it held that many
}

func (b *bucket) fill(now time.Time) {
	if now.After(b.at) {
		b.level = min(b.level+now.Sub(b.at).Seconds()*b.perSecond, b.size)
		b.at = now
	}
}

func (b *bucket) take() { b.level-- }

// drain leaves nothing in the bucket until a time.
func (b *bucket) drain(until time.Time) { b.level, b.at = min(b.level, 0), until }

// until is how long it takes for the bucket to hold so many, as if its size were no limit.
func (b *bucket) until(requests float64, now time.Time) time.Duration {
	const rounding = 1e-6 // of floats, in requests
	b.fill(now)
	missing := requests - rounding - b.level
	if missing <= 0 {
		return max(b.at.Sub(now), 0)
	}
	return b.at.Sub(now) + time.Duration(math.Ceil(missing/b.perSecond*float64(time.Second)))
}

// spread is a number in [0, 1) that is always the same for the same resource.
func (r ref) spread() float64 {
	sum := sha256.Sum256([]byte(r.kind + "/" + r.namespace + "/" + r.name))
	return float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32)
}
