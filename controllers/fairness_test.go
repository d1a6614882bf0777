// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Twice as many renewals come due as there are workers for. Whoever has no token yet must get one all the same.
func TestUnderOverloadEveryTenantIsServed(t *testing.T) {
	const workers, pass, tenants = 8, 4 * time.Second, 4560 // each is renewed after 1080 to 1200 s
	const capacity = float64(workers) / float64(pass/time.Second)
	bound := time.Duration(1.5 * tenants / capacity * float64(time.Second))
	for name, existing := range map[string]int{"all are new": 0, "half of them were there before": tenants / 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, c := newFleet(t, workers)
				f.write = pass
				platform, s := f.open("busy", 1000, 1000, &account{})
				f.add(existing, platform, s, evenly(existing))
				f.add(tenants-existing, platform, s, never)
				end := f.start(c)
				time.Sleep(bound)
				synctest.Wait()
				end()
				t.Logf("%d passes", f.passes.Load())
				unserved := 0
				var minted int
				for _, n := range f.order {
					minted += len(n.minted)
					if n.current == nil {
						unserved++
					}
				}
				if unserved > 0 {
					t.Errorf("after %s %d of %d have never been served", bound, unserved, tenants)
				}
				if want := int(0.95 * capacity * bound.Seconds()); minted < want {
					t.Errorf("%d tokens were minted, want the capacity to be used: %d", minted, want)
				}
			})
		})
	}
}

// A platform whose API is slow, or wants few requests, has a thousand clients, and they all come due at once. Those of another
// platform do not notice.
func TestASlowPlatformDelaysNoOther(t *testing.T) {
	const each, workers, cycles = 1000, 64, 2
	slow, refusing := &account{latency: 10 * time.Second}, &account{latency: 50 * time.Millisecond, limit: 1}
	for name, others := range map[string][]*account{
		"one takes ten seconds for each answer": {slow},
		"one wants a request in a second":       {refusing},
		"four take ten seconds":                 {slow, slow, slow, slow},
		"two take ten seconds, one never answers, one wants a request in a second": {
			slow, slow, {latency: time.Hour}, refusing,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, c := newFleet(t, workers)
				f.write = 50 * time.Millisecond
				platform, s := f.open("good", 10, 20, &account{latency: 50 * time.Millisecond})
				good := f.add(each, platform, s, evenly(each))
				var bad []*tenant
				for i, at := range others {
					platform, s := f.open(fmt.Sprintf("bad-%d", i), 10, 20, at)
					bad = append(bad, f.add(each, platform, s, func(int) time.Time { return time.Now().Add(-20 * time.Minute) })...)
				}
				end := f.start(c)
				time.Sleep(cycles * 20 * time.Minute)
				synctest.Wait()
				end()
				late := latest(good)
				if n := len(late); n < cycles*each*9/10 {
					t.Fatalf("%d renewals in %d cycles of %d tokens", n, cycles, each)
				}
				p99, most := late[len(late)*99/100], late[len(late)-1]
				t.Logf("of %d renewals 99 %% are at most %s late, all at most %s; %d passes; %d tokens of the others", len(late), p99, most, f.passes.Load(), len(latest(bad)))
				if p99 > 2*time.Second {
					t.Errorf("1 %% of the renewals of the other platform are more than %s late", p99)
				}
			})
		})
	}
}

// latest returns how late the renewals of tenants were, in order.
func latest(all []*tenant) []time.Duration {
	var late []time.Duration
	for _, n := range all {
		late = append(late, n.late...)
	}
	slices.Sort(late)
	return late
}
