// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"k8s.io/utils/clock"
	"pgregory.net/rapid"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// story is what happens to an operator in some time. Times are counted from when all its clients have their first token.
type story struct {
	clients          int
	span             time.Duration
	life             time.Duration // of tokens
	perSecond, burst int
	rotates          bool          // replaced tokens are revoked
	skew             time.Duration // of the server's clock

	outages  []outage
	restarts []time.Duration
	requests []request
	steps    []clockStep
}

// outage is a time in which SFS, or a part of it, does not do what it should.
type outage struct {
	from, length time.Duration
	how          string // the name of a mode
	part         part
	pause        time.Duration // that a 429 names
}

func (o outage) end() time.Duration { return o.from + o.length }

type part string

const (
	allOfSFS   part = "all"
	onlyTokens part = "tokens"
	butTokens  part = "all but tokens"
)

func (o outage) hits(c *call) bool {
	return o.part == allOfSFS || (o.part == onlyTokens) == (c.resource == "token")
}

// request is one of a user for another token.
type request struct {
	at     time.Duration
	client int
}

// clockStep sets the operator's clock, and nobody else's.
type clockStep struct{ at, by time.Duration }

func (s story) String() string {
	return fmt.Sprintf("%d clients for %s, tokens of %s, %d requests per second and %d at once, rotates: %t, skew %s, outages %v, restarts %v, requests %v, steps %v",
		s.clients, s.span, s.life, s.perSecond, s.burst, s.rotates, s.skew, s.outages, s.restarts, s.requests, s.steps)
}

// seconds draws a time evenly. Of a long range of numbers rapid draws mostly those near its beginning.
func seconds(from, to int) *rapid.Generator[time.Duration] {
	const digits, base = 4, 16
	return rapid.Custom(func(t *rapid.T) time.Duration {
		share, whole := 0, 1
		for range digits {
			share = share*base + rapid.IntRange(0, base-1).Draw(t, "share")
			whole *= base
		}
		return time.Duration(from+(to-from)*share/(whole-1)) * time.Second
	})
}

func hours(from, to int) *rapid.Generator[time.Duration] {
	return rapid.Map(rapid.IntRange(from, to), func(n int) time.Duration { return time.Duration(n) * time.Hour })
}

func drawAccount(t *rapid.T, clients int, span time.Duration) story {
	return story{
		clients: clients, span: span,
		life: rapid.SampledFrom([]time.Duration{
			1800 * time.Second, 1800 * time.Second, 1800 * time.Second, 1800 * time.Second, 600 * time.Second, 300 * time.Second,
		}).Draw(t, "life"),
		perSecond: rapid.SampledFrom([]int{10, 1, 2, 100}).Draw(t, "requests per second"),
		burst:     rapid.SampledFrom([]int{20, 1, 5, 100}).Draw(t, "burst"),
		rotates:   rapid.Bool().Draw(t, "rotates"),
	}
}

func drawWeather(t *rapid.T, clients int, span time.Duration, outages int) story {
	s := drawAccount(t, clients, span)
	within := seconds(0, int(span.Seconds()))
	anOutage := rapid.Custom(func(t *rapid.T) outage {
		o := outage{
			from:   within.Draw(t, "from"),
			length: rapid.OneOf(seconds(1, 60), seconds(60, 15*60), seconds(15*60, 3*60*60)).Draw(t, "length"),
			how:    rapid.SampledFrom([]string{"503", "unreachable", "reset", "lost", "late", "500-done", throttles, throttlesUnnamed}).Draw(t, "how"),
			part:   rapid.SampledFrom([]part{allOfSFS, allOfSFS, onlyTokens, butTokens}).Draw(t, "part"),
		}
		if o.how == throttles {
			o.pause = rapid.OneOf(seconds(1, 60), seconds(60, 900)).Draw(t, "pause")
		}
		return o
	})
	aRequest := rapid.Custom(func(t *rapid.T) request {
		return request{at: within.Draw(t, "at"), client: rapid.IntRange(0, clients-1).Draw(t, "client")}
	})
	s.outages = rapid.SliceOfN(anOutage, outages/2, outages*3/2).Draw(t, "outages")
	s.restarts = rapid.SliceOfN(within, 0, 4).Draw(t, "restarts")
	s.requests = rapid.SliceOfN(aRequest, 0, 4).Draw(t, "requests")
	return s
}

// drawSteps has the operator's clock set now and then, and the server's clock be wrong all the time. SFS is there.
func drawSteps(t *rapid.T) story {
	s := drawAccount(t, rapid.IntRange(1, 4).Draw(t, "clients"), hours(2, 8).Draw(t, "span"))
	within := seconds(0, int(s.span.Seconds()))
	s.skew = rapid.SampledFrom([]time.Duration{0, 2 * time.Minute, -2 * time.Minute}).Draw(t, "skew")
	s.steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) clockStep {
		by := rapid.SampledFrom([]time.Duration{5 * time.Minute, -5 * time.Minute}).Draw(t, "by")
		return clockStep{at: within.Draw(t, "at"), by: by}
	}), 1, 6).Draw(t, "steps")
	s.restarts = rapid.SliceOfN(within, 0, 2).Draw(t, "restarts")
	return s
}

// wallClock is the operator's: it may be set. In a process timers and what is only kept in memory do not notice that; here
// all but the timers does, so that more goes wrong than would.
type wallClock struct {
	clock.PassiveClock
	offset time.Duration
}

func (c *wallClock) Now() time.Time                  { return c.PassiveClock.Now().Add(c.offset) }
func (c *wallClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

const (
	// throttles and throttlesUnnamed ask for a pause, and say or do not say how long.
	throttles        = "429"
	throttlesUnnamed = "429 without a time"
	// calm is how long all goes well at the end. Each token is renewed in it.
	calm = 25 * time.Minute
)

// happens tells the story, and holds the promise against it.
func (l *ledger) happens(t testing.TB) {
	s := l.story
	w := newWorld(t, sfstest.WithTokenLifetime(s.life), sfstest.WithBehaviour(sfstest.Behaviour{ClockSkew: s.skew}))
	w.maxPasses = 1_000_000
	l.w, l.wall = w, &wallClock{PassiveClock: w.clock}
	w.options.Clock, w.options.Concurrency = l.wall, 16
	w.options.Transport = func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) { return l.carry(req, next) })
	}
	w.saw, w.moves = l.saw, l.passing
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) {
		p.Spec.RateLimit = v1alpha1.RateLimit{RequestsPerSecond: int32(s.perSecond), Burst: int32(s.burst)}
	})
	var clients []*v1alpha1.SfsClient
	for i := range s.clients {
		clients = append(clients, w.newSfsClient(fmt.Sprintf("c%d", i), func(c *v1alpha1.SfsClient) {
			if s.rotates && i%2 == 0 {
				onRotate(c)
			}
		}))
	}
	w.restart()
	w.run(time.Duration(4*s.clients/s.perSecond)*time.Second + time.Minute) // a lookup, a create, a token
	l.begin()

	for _, e := range s.occurrences() {
		w.run(l.start.Add(e.at).Sub(w.clock.Now()))
		switch {
		case e.restart:
			l.restarted()
			w.restart()
		case e.step != 0:
			l.stepped(e.step)
		case e.request:
			l.requested(clients[e.client].Name)
			annotate(w, clients[e.client], v1alpha1.RenewRequestedAtAnnotation, strconv.Itoa(int(e.at.Seconds())))
		}
	}
	w.run(calm)
	l.end()
	for _, c := range clients {
		w.wantReady(c)
	}
}

// occurrence is a point in a story.
type occurrence struct {
	at      time.Duration
	restart bool
	request bool
	client  int
	step    time.Duration
}

// occurrences lists a story in order, to its end. Where an outage begins and ends nothing is done, but looked.
func (s story) occurrences() []occurrence {
	all := []occurrence{{at: s.span}}
	for _, o := range s.outages {
		all = append(all, occurrence{at: o.from}, occurrence{at: o.end()})
	}
	for _, at := range s.restarts {
		all = append(all, occurrence{at: at, restart: true})
	}
	for _, r := range s.requests {
		all = append(all, occurrence{at: r.at, request: true, client: r.client})
	}
	for _, step := range s.steps {
		all = append(all, occurrence{at: step.at, step: step.by})
	}
	slices.SortStableFunc(all, func(a, b occurrence) int { return cmp.Compare(a.at, b.at) })
	return all
}

// weather is what the first outage that is there makes of a request.
func (s story) weather(x *exchange, since time.Duration) (*http.Response, error) {
	for _, o := range s.outages {
		if since < o.from || since >= o.end() || !o.hits(x.call) {
			continue
		}
		switch o.how {
		case throttlesUnnamed:
			return x.refusal(http.StatusTooManyRequests)
		case throttles:
			x.call.retryAfter = o.pause
			header := http.Header{"Retry-After": {strconv.Itoa(int(o.pause.Seconds()))}}
			return x.answer(http.StatusTooManyRequests, "application/json", `{"message":"Too many requests","code":429}`, header)
		case "late":
			_, _, _ = x.send()
			x.connected()
			return nil, context.DeadlineExceeded
		}
		return modeNamed(o.how).strike(x)
	}
	resp, _, err := x.send()
	return resp, err
}
