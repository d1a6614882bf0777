// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// What the operator promises of its renewals is written down here once more, in numbers, and not taken from the operator: a
// margin that became too small by mistake must be noticed.

// latestRenewal is the age at which a token is renewed at the latest: when a third of its life is left, but three minutes.
func latestRenewal(life time.Duration) time.Duration {
	return life - min(max(life/3, 3*time.Minute), life*8/10)
}

// earliestRenewal is the age at which it is renewed at the earliest, so that not all are at once.
func earliestRenewal(life time.Duration) time.Duration { return latestRenewal(life) * 9 / 10 }

// leastLeft is the life that applications count on.
func leastLeft(life time.Duration) time.Duration { return min(2*time.Minute, life/5) }

// longestWait is for how long a token that is due may go without being renewed while SFS can be reached.
//
// It has to wait for its turn: each client may have a renewal and a revocation in the queue, the platform some lookups, and
// who stands behind somebody more urgent looks again after a second. If something went wrong since it was due, or SFS asked
// for a pause, then also for its next attempt (30 s), for the others while it is not known whether SFS is back (5 s), and
// after a pause for its share of the time over which renewals are spread (2 s) and, in a new process, for what the status
// may be wrong about the end of it (6 s).
func (s story) longestWait(troubled bool) time.Duration {
	wait := time.Duration(2*s.clients+5)*time.Second/time.Duration(s.perSecond) + time.Second
	if troubled {
		wait += (30 + 5 + 2 + 6) * time.Second
	}
	return wait
}

const (
	// unnamedPause is how long the operator pauses at most after a 429 that names no time.
	unnamedPause = time.Minute
	// beyondBucket is how many requests may be made that the bucket does not hold: the second one of a step, and those for
	// a platform token.
	beyondBucket = 4
)

// tenancy is what the ledger knows of one client. Times are those of the true clock.
type tenancy struct {
	value           string
	issued, expires time.Time
	// offset is how wrong the operator's clock was when the token was issued, and back by how much it has been behind that
	// since, at most: for so long the operator takes the token for younger than it is.
	offset, back time.Duration
	// excused: a request of a user, or a step of the clock, explains that the token is replaced before its time.
	excused bool
	told    bool // that it is late

	minted, explained int
	asked             time.Time // last
	refused           bool      // then, with a 401
}

func (t *tenancy) life() time.Duration { return t.expires.Sub(t.issued) }

// ledger holds the promise against each request and each instant of a story.
type ledger struct {
	w     *world
	story story
	wall  *wallClock
	start time.Time // zero until all is set up

	tenants map[string]*tenancy // by clientKey
	keys    map[string]string   // of clients by the names of their Secrets

	paused    time.Time // until then SFS wants no requests
	mayPause  time.Time // until then the operator may think so
	bucket    float64
	bucketAt  time.Time
	account   map[string]int
	worstCalm time.Duration // the longest time that a token was due and SFS was there, and nothing had gone wrong
	worst     time.Duration // and if something had
}

func newLedger(s story) *ledger {
	return &ledger{story: s, tenants: map[string]*tenancy{}, keys: map[string]string{}, account: map[string]int{}}
}

// begin ends the setup.
func (l *ledger) begin() {
	l.start = l.w.clock.Now()
	l.bucket, l.bucketAt = float64(l.story.burst), l.start
	if len(l.tenants) != l.story.clients {
		l.w.t.Fatalf("setup: %d of %d clients have a token", len(l.tenants), l.story.clients)
	}
	for _, t := range l.tenants {
		t.minted = 0
	}
}

func (l *ledger) told() bool { return !l.start.IsZero() }

// restarted: a new process has a full bucket, and tries at once what failed before.
func (l *ledger) restarted() {
	l.account["restart"]++
	l.bucket, l.bucketAt = float64(l.story.burst), l.w.clock.Now()
	if l.w.clock.Now().Before(l.paused) {
		l.bucket = 0
	}
	for _, t := range l.tenants {
		t.asked = time.Time{}
	}
}

func (l *ledger) stepped(by time.Duration) {
	l.account["step of the clock"]++
	l.wall.offset += by
	for _, t := range l.tenants {
		t.excused, t.asked = true, time.Time{}
		t.explained++
		t.back = max(t.back, t.offset-l.wall.offset)
	}
}

func (l *ledger) requested(client string) {
	l.account["request"]++
	if t := l.tenants[l.keys[client]]; t != nil {
		t.excused, t.asked = true, time.Time{}
		t.explained++
	}
}

// carry has one request to SFS made, and judges it.
func (l *ledger) carry(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	x := &exchange{call: describeCall(planeSFS, req), request: req, next: next}
	now := l.w.clock.Now()
	if !l.told() {
		resp, _, err := x.send()
		return resp, err
	}
	l.account["request to SFS"]++
	if now.Before(l.paused) {
		l.w.t.Errorf("pause: %s at %s, which SFS wanted none for another %s", x.call, now.Sub(l.start), l.paused.Sub(now))
	}
	l.spend(x.call, now)
	t := l.tenantOf(x.call)
	if t != nil {
		l.justify(t, now)
	}
	resp, err := l.story.weather(x, now.Sub(l.start))
	switch {
	case x.call.retryAfter > 0:
		l.paused = later(l.paused, now.Add(x.call.retryAfter))
		l.bucket, l.bucketAt = min(l.bucket, 0), l.paused
	case err == nil && resp.StatusCode == http.StatusTooManyRequests:
		l.mayPause = now.Add(unnamedPause)
	}
	if t != nil {
		t.refused = err == nil && resp.StatusCode == http.StatusUnauthorized
		if x.call.carriedOut {
			t.minted++
			if err != nil || resp.StatusCode >= http.StatusBadRequest {
				t.explained++ // nobody has seen it
			}
		}
	}
	return resp, err
}

// spend holds the rate limit against a request.
func (l *ledger) spend(c *call, now time.Time) {
	if now.After(l.bucketAt) {
		l.bucket = min(l.bucket+now.Sub(l.bucketAt).Seconds()*float64(l.story.perSecond), float64(l.story.burst))
		l.bucketAt = now
	}
	l.bucket--
	if l.bucket < -beyondBucket {
		l.w.t.Errorf("rate: %s at %s is %.1f requests more than the limit allows", c, now.Sub(l.start), -l.bucket)
	}
}

// tenantOf is the client that a request wants a token for, or nil.
func (l *ledger) tenantOf(c *call) *tenancy {
	var said struct {
		ClientKey string `json:"clientKey"`
		Data      struct {
			ClientKey string `json:"clientKey"`
		} `json:"data"`
	}
	if c.resource != "token" || c.verb != "create" || json.Unmarshal(c.body, &said) != nil {
		return nil
	}
	return l.tenants[said.ClientKey+said.Data.ClientKey]
}

// justify asks why a token is wanted, and why now.
func (l *ledger) justify(t *tenancy, now time.Time) {
	if age := now.Sub(t.issued); age < earliestRenewal(t.life()) && !t.excused {
		l.w.t.Errorf("early: at %s a token is asked for that replaces one of %s, which was made %s before", now.Sub(l.start), t.life(), age)
	}
	if !t.refused && now.Sub(t.asked) < time.Second {
		l.w.t.Errorf("hot: at %s a token is asked for %s after the last attempt", now.Sub(l.start), now.Sub(t.asked))
	}
	t.asked = now
}

// saw notes which token applications can read.
func (l *ledger) saw(d delivery) {
	s, ok := d.after.(*corev1.Secret)
	if !ok || s.Annotations[v1alpha1.IssuedAtAnnotation] == "" {
		if before, ok := d.before.(*corev1.Secret); ok && d.after == nil && before.Annotations[v1alpha1.IssuedAtAnnotation] != "" {
			l.w.t.Errorf("gone: Secret %s was deleted", before.Name)
		}
		return
	}
	key, value := string(s.Data[v1alpha1.KeyClientKey]), string(s.Data[v1alpha1.KeyToken])
	t := l.tenants[key]
	if t == nil {
		t = &tenancy{}
		l.tenants[key] = t
		l.keys[s.OwnerReferences[0].Name] = key
	}
	if t.value == value {
		return
	}
	info, known := l.w.sim.TokenState(value)
	if !known || !info.Alive || info.ClientKey != key {
		l.w.t.Errorf("dead: Secret %s was published with a token that SFS does not accept: %+v", s.Name, info)
	}
	l.account["token"]++
	t.value, t.issued, t.expires = value, info.Issued.Add(-l.story.skew), info.Expires.Add(-l.story.skew)
	t.offset, t.back, t.excused, t.told = l.wall.offset, 0, false, false
}

// passing looks at all tokens at the end of a time in which nothing happened.
func (l *ledger) passing(_, to time.Time) {
	if !l.told() {
		return
	}
	unreachable, troubled := later(l.paused, l.mayPause), later(l.paused, l.mayPause)
	for _, o := range l.story.outages {
		if !l.start.Add(o.from).Before(to) {
			continue
		}
		end := l.start.Add(o.end())
		troubled = later(troubled, end)
		if o.part != butTokens {
			unreachable = later(unreachable, end)
		}
	}
	for key, t := range l.tenants {
		l.account["instant of a token"]++
		if info, _ := l.w.sim.TokenState(t.value); info.Revoked {
			l.w.t.Errorf("revoked: at %s the token in the Secret of %s is revoked", to.Sub(l.start), key)
		}
		l.inTime(t, to, unreachable, troubled)
	}
}

// inTime: a token that is due is renewed as soon as SFS can be reached for as long as the operator may wait. As this leaves
// each token the life that applications count on, if nothing goes wrong, it is the promise, and says more than it.
//
// While the operator takes a token for younger than it is, it can not know that it is due.
func (l *ledger) inTime(t *tenancy, to, unreachable, troubled time.Time) {
	due := t.issued.Add(latestRenewal(t.life()) + t.back)
	waited := to.Sub(later(due, unreachable))
	hadTrouble := troubled.After(t.issued.Add(earliestRenewal(t.life())))
	if waited <= 0 || t.told {
		return
	}
	if hadTrouble {
		l.worst = max(l.worst, waited)
	} else {
		l.worstCalm = max(l.worstCalm, waited)
	}
	if most := l.story.longestWait(hadTrouble); waited > most {
		t.told = true
		l.w.t.Errorf("late: at %s a token of %s has been due for %s, SFS could be reached for the last %s of it, want at most %s; %s are left",
			to.Sub(l.start), t.life(), to.Sub(due), waited, most, t.expires.Sub(to))
	}
}

// end asks whether all is well, and was not more than had to be.
func (l *ledger) end() {
	now := l.w.clock.Now()
	for key, t := range l.tenants {
		if left := t.expires.Sub(now); left < leastLeft(t.life()) {
			l.w.t.Errorf("end: the token of %s has only %s left", key, left)
		}
		most := int(now.Sub(l.start)/earliestRenewal(l.story.life)) + 1 + t.explained
		if t.minted > most {
			l.w.t.Errorf("many: %d tokens were made for %s in %s, want at most %d", t.minted, key, now.Sub(l.start), most)
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
