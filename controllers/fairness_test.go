// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
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

// latest returns how late the renewals of tenants were, in order.
func latest(all []*tenant) []time.Duration {
	var late []time.Duration
	for _, n := range all {
		late = append(late, n.late...)
	}
	slices.Sort(late)
	return late
}
