// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// Whatever wakes a resource whose own last write the cache does not show yet, no request is made until it does.
func TestACacheThatIsBehindCostsNothing(t *testing.T) {
	w := newWorld(t)
	w.settle()
	c := w.newSfsClient("shop")
	w.watch()
	w.fallBehind(1_000, 5*time.Second, clientKind)
	w.wire.arm(nil)
	w.run(0)
	if len(w.wire.made(0)) == 0 {
		t.Fatal("nothing was done yet")
	}
	w.wire.arm(nil)
	for range 4 {
		w.due[refTo(c)] = w.clock.Now()
		w.run(time.Second)
	}
	if made := w.wire.made(0); len(made) > 0 {
		t.Errorf("over a resource that is known to be out of date these requests were made: %v", made)
	}
	w.run(time.Minute)
	w.wantReady(c)
}

// Versions begin anew where etcd was restored from a back-up, and are not always numbers.
func TestAVersionThatDoesNotComeIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	clk := clocktesting.NewFakePassiveClock(gateStart)
	a := newAttempts(clk)
	at := func(version string) *v1alpha1.SfsClient {
		return &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version}}
	}
	it := ref{kind: clientKind, name: "it"}
	if a.behind(it, at("5")) {
		t.Error("it is said to be behind what was never written")
	}
	a.wrote(it, at("1000"))
	if !a.behind(it, at("999")) {
		t.Error("999 is not said to be older than 1000")
	}
	clk.SetTime(gateStart.Add(longestCatchUp))
	if a.behind(it, at("999")) {
		t.Errorf("what was written is waited for longer than %s", longestCatchUp)
	}
	for _, read := range []string{"1000", "1001", "abc", ""} {
		a.wrote(it, at("1000"))
		if a.behind(it, at(read)) {
			t.Errorf("%q is said to be older than 1000", read)
		}
		if _, kept := a.written.get(it); kept {
			t.Errorf("after %q was read the write is still remembered", read)
		}
	}
}

// Of very many that are made at once each would have its status written once more, only to say that it waits.
func TestANewResourceWhoseTurnIsNearHasNoStatusYet(t *testing.T) {
	for name, test := range map[string]struct {
		clients int
		waiting bool // some say meanwhile that they wait
	}{
		"soon":     {clients: 5},
		"not soon": {clients: 15, waiting: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.settle()
			platform := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: w.platform}}
			update(w, platform, func(p *v1alpha1.SfsPlatform) {
				p.Spec.RateLimit = v1alpha1.RateLimit{RequestsPerSecond: 1, Burst: 1}
			})
			w.settle()
			var made []*v1alpha1.SfsClient
			for i := range test.clients {
				made = append(made, w.newSfsClient(fmt.Sprint("shop-", i)))
			}
			w.settle()
			waiting := slices.ContainsFunc(made, func(c *v1alpha1.SfsClient) bool {
				w.reload(c)
				return conditions.Get(c, v1alpha1.ReadyCondition) != nil
			})
			if waiting != test.waiting {
				t.Errorf("that some say that they wait is %t, want %t", waiting, test.waiting)
			}
			w.run(time.Minute)
			for _, c := range made {
				w.wantReady(c)
			}
		})
	}
}
