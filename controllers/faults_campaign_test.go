// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sendforsign/sfs-operator/internal/campaign"
)

// atOnce is how many plans are run at a time. They wait for the API server most of the time.
const atOnce = 6

// reference is an undisturbed run of a workload, to which the others are compared and whose calls are where they fail.
type reference struct {
	once   sync.Once
	record *record
	wrong  []string
}

var references sync.Map // of *reference by name of the workload

func referenceOf(t testing.TB, l *workload) *record {
	t.Helper()
	found, _ := references.LoadOrStore(l.name, &reference{})
	ref := found.(*reference)
	ref.once.Do(func() {
		ref.wrong = judged(t, func(t testing.TB) { ref.record = plan{workload: l}.run(t, seed{}, nil) })
	})
	if len(ref.wrong) > 0 {
		t.Errorf("workload %s fails without any fault: %s", l.name, strings.Join(ref.wrong, "\n"))
		return nil
	}
	return ref.record
}

// try carries a plan out and returns what was wrong.
func (p plan) try(t testing.TB, planted seed) []string {
	want := referenceOf(t, p.workload)
	if want == nil {
		return nil // said before
	}
	return judged(t, func(t testing.TB) { p.run(t, planted, want) })
}

// inParallel calls do with each item.
func inParallel[T any](items []T, do func(T)) {
	var wait sync.WaitGroup
	next := make(chan T)
	for range atOnce {
		wait.Go(func() {
			for item := range next {
				do(item)
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	wait.Wait()
}

// singles lists all plans of all workloads in which one thing goes wrong.
func singles(t testing.TB, modes []*mode, stale []*staleMode) []plan {
	t.Helper()
	inParallel(workloads, func(l *workload) { referenceOf(t, l) })
	var all []plan
	for _, l := range workloads {
		want := referenceOf(t, l)
		if want == nil {
			continue
		}
		for _, c := range want.calls {
			for _, m := range modes {
				if m.fits(c) {
					all = append(all, plan{l, []point{{mode: m, at: c.n}}})
				}
			}
		}
		for i := range want.deliveries {
			for _, m := range stale {
				all = append(all, plan{l, []point{{stale: m, at: i + 1}}})
			}
		}
	}
	return all
}

// campaigned tries plans: all of them in a whole campaign, and else so many, drawn evenly by the seed.
func campaigned(t *testing.T, name string, bounded int, all func(c *campaign.Campaign) []plan) {
	t.Helper()
	c := campaign.Start(t, name)
	if c.Plan != "" {
		p, err := parsePlan(c.Plan)
		if err != nil {
			t.Fatal(err)
		}
		tryPlans(t, c, []plan{p})
		return
	}
	plans := all(c)
	t.Logf("there are %d plans", len(plans))
	if !c.Full && len(plans) > bounded {
		plans = sampled(plans, bounded, c.Seed)
	}
	tryPlans(t, c, plans)
}

// sampled draws one of each n-th part of the plans.
func sampled(all []plan, n int, seed uint64) []plan {
	random := rand.New(rand.NewPCG(seed, 0))
	drawn := make([]plan, n)
	for i := range drawn {
		from, to := i*len(all)/n, (i+1)*len(all)/n
		drawn[i] = all[from+random.IntN(to-from)]
	}
	return drawn
}

func tryPlans(t *testing.T, c *campaign.Campaign, plans []plan) {
	t.Helper()
	inParallel(plans, func(p plan) {
		wrong := p.try(t, seed{})
		kind := "single"
		if len(p.points) > 1 {
			kind = "pair"
		} else if len(p.points) == 1 {
			kind = strings.SplitN(strings.SplitN(p.String(), "/", 2)[1], "@", 2)[0]
		}
		c.Tried(kind, 1)
		if len(wrong) == 0 {
			return
		}
		if smaller := p.alone(t); smaller != nil {
			p = *smaller
		}
		c.Broken(t, p.String(), "%s: %s", p, strings.Join(wrong, "\n    "))
	})
}

// alone returns the one point of several that fails by itself, if there is one.
func (p plan) alone(t *testing.T) *plan {
	if len(p.points) < 2 {
		return nil
	}
	for _, q := range p.points {
		one := plan{p.workload, []point{q}}
		if len(one.try(t, seed{})) > 0 {
			return &one
		}
	}
	return nil
}

func TestCampaignCrash(t *testing.T) {
	campaigned(t, "crash", 50, func(*campaign.Campaign) []plan { return singles(t, crashModes, nil) })
}

func TestCampaignFaults(t *testing.T) {
	campaigned(t, "faults", 60, func(*campaign.Campaign) []plan { return singles(t, slices.Concat(sfsModes, kubernetesModes), nil) })
}

func TestCampaignStale(t *testing.T) {
	campaigned(t, "stale", 25, func(*campaign.Campaign) []plan { return singles(t, nil, staleModes) })
}

func TestCampaignPairs(t *testing.T) {
	const whole, bounded = 20_000, 20
	campaigned(t, "pairs", bounded, func(c *campaign.Campaign) []plan { return pairs(t, whole, c.Seed) })
}

// pairs draws plans in which two things go wrong.
func pairs(t testing.TB, n int, seed uint64) []plan {
	t.Helper()
	one := singles(t, slices.Concat(crashModes, sfsModes, kubernetesModes), staleModes)
	of := map[*workload][]plan{}
	for _, p := range one {
		of[p.workload] = append(of[p.workload], p)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	all := make([]plan, n)
	for i := range all {
		first := one[random.IntN(len(one))]
		others := of[first.workload]
		second := others[random.IntN(len(others))]
		all[i] = plan{first.workload, []point{first.points[0], second.points[0]}}
	}
	return all
}

func TestPlansCanBeReadBack(t *testing.T) {
	for _, line := range []string{"renewal/", "first-sync/crash-before@3", "first-sync/503@7+held@2"} {
		p, err := parsePlan(line)
		if err != nil || p.String() != line {
			t.Errorf("%q is read as %q: %v", line, p, err)
		}
	}
	for _, line := range []string{"", "nothing/503@1", "renewal/nothing@1", "renewal/503@x", "renewal/503"} {
		if _, err := parsePlan(line); err == nil {
			t.Errorf("%q is taken for a plan", line)
		}
	}
}
