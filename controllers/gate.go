// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"
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
	// classLosing is for an application that is about to lose its token, has lost it by its age, or has none.
	classLosing

	classes = iota
)

// gate spreads the requests to one account of an API. Nobody waits inside it: who comes too early is told when to come back, so
// that an account that is slow, throttled or away does not hold the workers that the others need.
//
// Who was sent away has a place in a queue: behind the more urgent classes, and in its own behind those whose deadline is
// earlier, or who came before. A step may begin when the bucket holds a request for it and for each of those before it. So
// the places need no upkeep: somebody more urgent moves the others back by coming, and who does not come back leaves a
// request to the next.
//
// A step is admitted as a whole, since it can not stop between a lookup and the create that follows from it: its first
// request has been paid for, and those after it are taken from the bucket without waiting, at the cost of whoever is next.
type gate struct {
	clock   clock.PassiveClock
	workers *workers

	mu          sync.Mutex
	bucket      bucket
	pausedUntil time.Time
	pauses      int // in a row
	inside      map[ref]stay
	silence     int           // requests in a row that got no answer
	took        time.Duration // a step, of late and on average

	places map[visit]*place
	queues [classes]line
	turns  turns
	last   uint64
	owed   int // to creates: requests of other classes that were made while they wait
}

// stay is a step that has begun.
type stay struct {
	class class
	since time.Time
	spent bool // the request that was paid for has been made
}

// workers are those that the gates of all accounts share.
type workers struct {
	size int
	busy atomic.Int64 // with steps
	all  *workers     // if these are only those with steps at one server: the ones of all servers. Nil: these are all.
}

// atServer returns workers for the gates of the accounts at one server. If anybody can have accounts there, many of them must
// not have more of the workers than one could: when the server hangs, all do.
func (w *workers) atServer() *workers { return &workers{all: w} }

func (w *workers) take(n int64) {
	w.busy.Add(n)
	if w.all != nil {
		w.all.take(n)
	}
}

// room is how many of them one account may have, if so many more begin: as many as no account has then. So one that is slow
// has half of them at most, two have a third each, and however many do not answer, some are left for the next.
func (w *workers) room(more int) int {
	if w.all != nil {
		return w.all.room(more)
	}
	return max(w.size-int(w.busy.Load())-more, 1)
}

// isFull says whether the accounts of the server together have as many as one may have.
func (w *workers) isFull() bool { return w.all != nil && int(w.busy.Load()) >= w.room(0) }

// visit is a step of a resource that wants to begin.
type visit struct {
	who  ref
	step string
}

// place is that of a visit in the queue.
type place struct {
	visit
	position
	class class
	turn  time.Time // when to come back
	index int       // in turns
}

// turns is a heap of all places, of which the one whose turn is first is at hand.
type turns []*place

func (t turns) Len() int           { return len(t) }
func (t turns) Less(i, j int) bool { return t[i].turn.Before(t[j].turn) }
func (t turns) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

func (t *turns) Push(x any) {
	at := x.(*place)
	at.index = len(*t)
	*t = append(*t, at)
}

func (t *turns) Pop() any {
	last := len(*t) - 1
	at := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	return at
}

const (
	// firstPause to longPause are for a 429 that names no time; longestPause bounds what the status can ask for.
	firstPause   = 5 * time.Second
	longPause    = time.Minute
	longestPause = time.Hour
	// placeLife is how late one may come back and still have a place.
	placeLife = 10 * time.Second
	// createShare: one of so many requests is for a create, if any waits, whatever else there is to do.
	createShare = 9
	// longestWait is after how long one asks again at the latest.
	longestWait = 10 * time.Minute
	// deafAfter so many requests without an answer, only one at a time is made, to see whether the API is back.
	deafAfter = 3
	deaf      = 5 * time.Second
	// firstGuess is how long a step is thought to take before one has ended. The others bound how long one waits for room: who
	// comes too often is looked at for nothing, and who is away for long does not see that the API has become faster.
	firstGuess, leastCrowded, longestCrowded = time.Second, 20 * time.Millisecond, time.Minute
	// afterPause is over how long the least urgent are spread after a pause; each class above it over half as long.
	afterPause = 8 * time.Second
)

func newGate(clk clock.PassiveClock, requestsPerSecond, burst int, w *workers) *gate {
	g := &gate{clock: clk, workers: w, inside: map[ref]stay{}, took: firstGuess, places: map[visit]*place{}}
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

// admit lets a step of a resource begin, or returns a deferral. A step that was admitted MUST end with leave. Of a class goes
// first whose deadline is the earliest, and those without one before the others, as they came.
func (g *gate) admit(who ref, step string, c class, deadline time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	g.sweep(now)
	v := visit{who, step}
	at := g.queue(v, c, deadline)
	if wait := g.wait(v, at, now); wait > 0 {
		at.turn = now.Add(wait)
		heap.Fix(&g.turns, at.index)
		return deferred{after: wait}
	}
	g.unqueue(at)
	g.owe(c)
	g.bucket.take()
	g.inside[who] = stay{class: c, since: now}
	g.workers.take(1)
	return nil
}

// owe counts the requests of other classes while creates wait, and those of creates.
func (g *gate) owe(to class) {
	switch {
	case to == classCreate:
		g.owed = max(g.owed-(createShare-1), -2*createShare)
	case g.queues[classCreate].length > 0:
		g.owed = min(g.owed+1, createShare*int(g.bucket.size))
	}
}

// wait is how long a visit has to wait; 0: it may begin.
func (g *gate) wait(v visit, at *place, now time.Time) time.Duration {
	moreUrgent := 0
	for _, queue := range g.queues[at.class+1:] {
		moreUrgent += queue.length
	}
	before := g.queues[at.class].before(at.position)
	ahead := before + moreUrgent
	switch due := g.owed >= createShare-1 && g.queues[classCreate].length > 0; {
	case due && at.class == classCreate:
		ahead, moreUrgent = before, 0
	case due && at.class > classCreate && g.bucket.size > 1:
		ahead++ // one request is left for the create that comes next; nobody waits until it does
	case at.class == classCreate:
		ahead = min(ahead, createShare*(1+before))
	}
	wait := min(g.bucket.until(float64(1+ahead), now), longestWait)
	if now.Before(g.pausedUntil) {
		// The bucket is empty at the end of a pause, so they are spread already. But others may share the account, who
		// were told the same time.
		return max(wait, g.pausedUntil.Sub(now)) + time.Duration(v.who.spread()*float64(afterPause>>at.class))
	}
	room := g.workers.room(moreUrgent)
	full := min(max(g.took*time.Duration(1+ahead)/time.Duration(g.workers.room(0)), leastCrowded), longestCrowded)
	if g.silence >= deafAfter {
		room, full = 1, deaf
		if ahead > 0 { // who will not be the next to try need not ask so often, if all come soon enough when the API is back
			full = min(max(full, wait+g.bucket.lasts(len(g.places))/20), longestWait)
		}
	}
	if len(g.inside)+moreUrgent >= room || g.workers.isFull() {
		return max(wait, full)
	}
	return wait
}

// queue returns the place of a visit. It keeps its number when it becomes more urgent.
func (g *gate) queue(v visit, c class, deadline time.Time) *place {
	at, has := g.places[v]
	if !has {
		g.last++
		at = &place{visit: v, position: position{number: g.last}}
		g.places[v] = at
		heap.Push(&g.turns, at)
	}
	is := positionOf(deadline, at.number)
	switch {
	case has && at.class == c && at.position == is:
		return at
	case has:
		g.queues[at.class].remove(at.position)
	}
	at.class, at.position = c, is
	g.queues[c].insert(is)
	return at
}

func (g *gate) unqueue(at *place) {
	delete(g.places, at.visit)
	g.queues[at.class].remove(at.position)
	heap.Remove(&g.turns, at.index)
}

// sweep drops the places of those who did not come back: a resource is deleted, or suspended, or wants nothing more. It drops
// a few at a time, and more than one visit adds.
func (g *gate) sweep(now time.Time) {
	const most = 100
	for range most {
		if len(g.turns) == 0 || !g.turns[0].turn.Before(now.Add(-placeLife)) {
			return
		}
		g.unqueue(g.turns[0])
	}
}

// leave ends a step.
func (g *gate) leave(who ref) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.took += (g.clock.Now().Sub(g.inside[who].since) - g.took) / 8
	delete(g.inside, who)
	g.workers.take(-1)
}

// spend counts a request that is about to be made.
func (g *gate) spend(who ref) {
	g.mu.Lock()
	defer g.mu.Unlock()
	in, is := g.inside[who]
	if is && !in.spent {
		in.spent = true
		g.inside[who] = in
		return
	}
	g.owe(in.class)
	g.bucket.fill(g.clock.Now())
	g.bucket.take()
}

// paused returns a deferral while the API wants no requests.
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

// throttled stops all requests for the time that the API asked for, or for a growing one where it named none. What was under
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
	// The API wants less, so after the pause there is no burst.
	g.bucket.drain(until)
	return longer
}

// passed records that the API answered without asking for a pause.
func (g *gate) passed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pauses, g.silence = 0, 0
}

// silent records that the API did not answer.
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

// lasts is how long so many requests take.
func (b *bucket) lasts(requests int) time.Duration {
	return time.Duration(float64(requests) / b.perSecond * float64(time.Second))
}

// spread is a number in [0, 1) that is always the same for the same resource.
func (r ref) spread() float64 {
	sum := sha256.Sum256([]byte(r.kind + "/" + r.namespace + "/" + r.name))
	return float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32)
}
