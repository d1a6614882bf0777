// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/internal/campaign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// blow is what happens to the leader, at a moment that its own progress decides: a call that it makes of the simulator.
type blow struct {
	// how is kill or freeze. Who is frozen thaws once another one has taken over, and hold later.
	how  string
	hold time.Duration
	// endpoint is that of the create call, of which it is the one with this number.
	endpoint string
	number   int
	// when is before (the call takes effect while the leader is gone), lost (it never arrives) or after (it has taken effect,
	// and nobody gets the answer).
	when string
}

func (b blow) String() string {
	return fmt.Sprintf("%s+%s@%s#%d/%s", b.how, b.hold, b.endpoint, b.number, b.when)
}

// parseBlows is the inverse of String, for a plan that is replayed.
func parseBlows(t *testing.T, plan string) []blow {
	t.Helper()
	var blows []blow
	for _, word := range strings.Fields(plan) {
		var b blow
		how, rest, _ := strings.Cut(word, "+")
		hold, rest, _ := strings.Cut(rest, "@")
		endpoint, rest, _ := strings.Cut(rest, "#")
		b.how, b.endpoint = how, endpoint
		var err error
		if b.hold, err = time.ParseDuration(hold); err == nil {
			_, err = fmt.Sscanf(rest, "%d/%s", &b.number, &b.when)
		}
		if err != nil {
			t.Fatalf("CAMPAIGN_PLAN: %q: %v", word, err)
		}
		blows = append(blows, b)
	}
	return blows
}

const (
	// shops is how many clients are made in a round.
	shops = 100
	// unseen is how many calls a moment may not count, since others have hit them: with fewer calls after it, it may not come.
	unseen = 10
	// mints is among how many calls for a client token the moments are drawn: until each token has been renewed twice.
	mints = 3 * shops
)

// drawBlows draws moments among the creates of the clients and among the calls for their tokens.
func drawBlows(random *rand.Rand, how string, creates, renewals int) []blow {
	var blows []blow
	add := func(endpoint string, among, n int) {
		for i := range n {
			b := blow{
				how: how, endpoint: endpoint,
				number: 1 + i*among/n + random.IntN(among/n), // one in each part, so that they do not coincide
				when:   []string{"before", "lost", "after"}[random.IntN(3)],
			}
			if how == "freeze" {
				b.hold = time.Duration(random.IntN(8)) * time.Second
			}
			blows = append(blows, b)
		}
	}
	add("client", shops-unseen, creates)
	add("token", mints, renewals)
	return blows
}

// TestTwoProcesses kills and freezes the leader of two while it makes clients and renews tokens.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	c := campaign.Start(t, "processes")
	random := rand.New(rand.NewPCG(c.Seed, 0))
	var plans [][]blow
	switch {
	case c.Plan != "":
		plans = append(plans, parseBlows(t, c.Plan))
	case c.Full:
		for range 3 {
			plans = append(plans, drawBlows(random, "kill", 5, 5), drawBlows(random, "freeze", 3, 3),
				append(drawBlows(random, "kill", 2, 2), drawBlows(random, "freeze", 2, 2)...))
		}
		// So long that a request that was decided on is not made any more, and that a create has settled.
		long := drawBlows(random, "freeze", 2, 0)
		long[0].hold, long[1].hold = 20*time.Second, 70*time.Second
		plans = append(plans, long)
	default:
		// One who resolves a create that got no answer waits for a minute, so there is but one round.
		plans = append(plans, append(drawBlows(random, "kill", 2, 1), drawBlows(random, "freeze", 1, 1)...))
	}
	for i, plan := range plans {
		t.Run(fmt.Sprint(i), func(t *testing.T) { twoProcesses(t, c, plan) })
	}
}

func twoProcesses(t *testing.T, of *campaign.Campaign, blows []blow) {
	// Renewed after 12 to 24 s, since a token that lives so short is renewed when a fifth of its life is over.
	sim := newSimulator(t, sfstest.WithTokenLifetime(2*time.Minute))
	c := newCluster(t, of, strings.Trim(fmt.Sprint(blows), "[]"), sim)
	c.create(c.platform()...)
	operators := c.deploy(2, leaseDuration)
	c.await(time.Minute, "a leader", func(ctx context.Context) string {
		if operators.leader(ctx) == nil {
			return "nobody leads"
		}
		return ""
	})

	var landed sync.WaitGroup
	for _, b := range blows {
		landed.Add(1)
		hit := func() {
			if operators.strike(b, landed.Done) {
				of.Tried(b.how+" at "+b.endpoint, 1)
			}
		}
		fault := sfstest.Fault{Endpoint: b.endpoint, Action: "create", Skip: b.number - 1, Times: 1, CutBefore: b.when == "lost"}
		if b.when == "after" {
			fault.After = hit
		} else {
			fault.Before = hit
		}
		sim.Inject(fault)
	}
	began := time.Now()
	c.create(sfsClients(0, shops)...)
	all := make(chan struct{})
	go func() {
		landed.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-time.After(4 * time.Minute):
		t.Fatal("the moments that the plan names have not come")
	}
	c.await(150*time.Second, "all to be Ready", c.unready(shops, 0))
	t.Logf("all were Ready after %s", time.Since(began).Round(time.Second))
	c.judgeTenants(shops)
	c.judgeSecrecy(operators.awake()...)
	operators.end()
	c.judgeTenants(shops)
	c.judgeSecrecy()
}

// strike hits the leader, and calls done when it is over. It returns whether it did: the call may be the last of one that
// another blow has hit already, and where all stand still, nobody can take over.
func (r *replicas) strike(b blow, done func()) bool {
	ctx := context.WithoutCancel(r.t.Context())
	leader := r.leader(ctx)
	if leader == nil || b.how == "freeze" && r.someFrozen() {
		done()
		return false
	}
	if b.how == "kill" {
		if err := leader.Kill(); err != nil {
			r.t.Error(err)
		}
		done()
		return true
	}
	r.note(leader, true)
	if err := leader.Freeze(); err != nil {
		r.t.Error(err)
	}
	go func() {
		defer done()
		defer r.thaw(leader)
		limit := time.After(time.Minute)
		for r.leader(ctx) == nil {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-limit:
				r.t.Errorf("%s: nobody took over", b)
				return
			}
		}
		time.Sleep(b.hold) // which is what the plan says, and no wait for anything
	}()
	return true
}
