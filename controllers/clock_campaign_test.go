// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sendforsign/sfs-operator/internal/campaign"
)

// tales are the kinds of stories, by the name that stands in their plans.
var tales = map[string]func(*rapid.T) story{
	// A few clients over some hours, with all that goes wrong outside of the operator.
	"weather": func(t *rapid.T) story {
		return drawWeather(t, rapid.IntRange(1, 8).Draw(t, "clients"), hours(2, 8).Draw(t, "span"), 4)
	},
	// The same over two days.
	"days": func(t *rapid.T) story {
		return drawWeather(t, rapid.IntRange(1, 3).Draw(t, "clients"), 48*time.Hour, 12)
	},
	"fleet": func(t *rapid.T) story {
		s := drawWeather(t, 200, 8*time.Hour, 4) // some minutes: each renewal is two writes to a real API server
		s.perSecond, s.life = max(s.perSecond, 10), max(s.life, 600*time.Second)
		return s
	},
	// Clocks that are wrong.
	"steps": drawSteps,
}

// clockPlan is a story as it is replayed: weather/17 is what rapid makes of the seed 17.
type clockPlan struct {
	tale string
	seed uint64
}

func (p clockPlan) String() string { return p.tale + "/" + strconv.FormatUint(p.seed, 10) }

func parseClockPlan(line string) (clockPlan, error) {
	tale, seed, _ := strings.Cut(line, "/")
	n, err := strconv.ParseUint(seed, 10, 64)
	if err != nil || tales[tale] == nil {
		return clockPlan{}, fmt.Errorf("%q is not the name of a story and a seed", line)
	}
	return clockPlan{tale, n}, nil
}

// TestCampaignClock lets days pass over an operator: SFS goes away and comes back, the operator is restarted, users ask for
// tokens, and clocks are wrong. At every instant the published tokens must have the life that applications count on.
func TestCampaignClock(t *testing.T) {
	c := campaign.Start(t, "clock")
	var plans []clockPlan
	random := rand.New(rand.NewPCG(c.Seed, 2))
	draw := func(tale string, n int) {
		for range n {
			plans = append(plans, clockPlan{tale, uint64(random.Uint32()) + 1}) // rapid takes 0 for any
		}
	}
	switch {
	case c.Plan != "":
		p, err := parseClockPlan(c.Plan)
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, p)
	case c.Full:
		draw("fleet", 1)
		draw("days", 4)
		draw("weather", 40)
		draw("steps", 30)
	default:
		draw("days", 1)
		draw("weather", 3)
		draw("steps", 3)
	}
	var broken atomic.Int32
	inParallel(plans, func(p clockPlan) {
		const enough = 3 // each is told again and again to make it smaller
		if broken.Load() >= enough {
			return
		}
		smallest, first, wrong := p.try(t)
		if first != nil {
			for kind, n := range first.account {
				c.Tried(kind, n)
			}
			t.Logf("%s: %d clients for %s with tokens of %s, longest wait %s of %s, and after trouble %s of %s", p, first.story.clients, first.story.span, first.story.life,
				first.worstCalm.Round(time.Second), first.story.longestWait(false), first.worst.Round(time.Second), first.story.longestWait(true))
		}
		if len(wrong) > 0 {
			broken.Add(1)
			c.Broken(t, p.String(), "%s, of which is left %s: %s", p, smallest, strings.Join(wrong, "\n    "))
		}
	})
}

// rapidFlags guards the flags of rapid, which are how it takes its seed.
var rapidFlags sync.Mutex

// try has rapid draw the story of a plan, and make it smaller if something is wrong in it. It returns the last story that was told, and the
// ledger of the first.
//
// UIDs, which spread the renewals, are new each time, so what depends on a few seconds may not come again. Then rapid calls
// it flaky, and it has failed all the same.
func (p clockPlan) try(t testing.TB) (last story, first *ledger, wrong []string) {
	rapidFlags.Lock()
	for name, value := range map[string]string{
		"checks": "1", "seed": strconv.FormatUint(p.seed, 10), "nofailfile": "true", "shrinktime": "20s",
	} {
		if err := flag.Set("rapid."+name, value); err != nil {
			t.Fatal(err)
		}
	}
	flagsRead := sync.OnceFunc(rapidFlags.Unlock)
	defer flagsRead()
	ran := judged(t, func(t testing.TB) {
		rapid.Check(t, func(rt *rapid.T) {
			flagsRead()
			told := tales[p.tale](rt)
			var found *ledger
			findings := judged(t, func(t testing.TB) {
				found = newLedger(told)
				found.happens(t)
			})
			if first == nil {
				first = found
			}
			last = told
			if len(findings) > 0 {
				wrong = findings
				kind, _, _ := strings.Cut(findings[0], ":") // what does not differ from run to run
				rt.Fatalf("%s", kind)
			}
		})
	})
	if len(ran) > 0 && len(wrong) == 0 {
		wrong = ran
	}
	return last, first, wrong
}

func TestTheWaitThatIsAllowedIsShorterThanTheMargin(t *testing.T) {
	// Else the campaign would excuse a token that dies under a blue sky.
	for _, life := range []time.Duration{1800 * time.Second, 600 * time.Second, 300 * time.Second} {
		margin := life - latestRenewal(life) - leastLeft(life)
		for _, s := range []story{{clients: 8, perSecond: 1}, {clients: 200, perSecond: 10}} {
			if wait := s.longestWait(false); wait >= margin {
				t.Errorf("%d clients at %d requests per second may wait for %s, and there are only %s for it", s.clients, s.perSecond, wait, margin)
			}
		}
	}
}
