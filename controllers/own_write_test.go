// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
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
	if wait := a.behind(it, at("5")); wait != 0 {
		t.Errorf("what was never written is waited for for %s", wait)
	}
	a.wrote(it, at("1000"))
	for _, step := range []struct{ after, want time.Duration }{
		{0, catchUp}, {50 * time.Millisecond, catchUp}, {3 * time.Second, 3 * time.Second}, {14 * time.Second, time.Second},
		{longestCatchUp, 0}, {time.Hour, 0},
	} {
		clk.SetTime(gateStart.Add(step.after))
		if wait := a.behind(it, at("999")); wait != step.want {
			t.Errorf("%s after 1000 was written, 999 is left alone for %s, want %s", step.after, wait, step.want)
		}
	}
	for _, read := range []string{"1000", "1001", "abc", ""} {
		a.wrote(it, at("1000"))
		if wait := a.behind(it, at(read)); wait != 0 {
			t.Errorf("%q is said to be older than 1000, and left alone for %s", read, wait)
		}
		if _, kept := a.written.get(it); kept {
			t.Errorf("after %q was read the write is still remembered", read)
		}
	}
	// What was refused is older than what there is, and the more often, the longer it is left alone.
	a.refused(it, at("1000"))
	for _, want := range []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, time.Minute} {
		refused := clk.Now()
		clk.SetTime(refused.Add(want - time.Millisecond))
		if wait := a.behind(it, at("1000")); wait != time.Millisecond {
			t.Errorf("%s after it was refused 1000 is left alone for %s", want-time.Millisecond, wait)
		}
		clk.SetTime(refused.Add(want))
		if wait := a.behind(it, at("1000")); wait != 0 {
			t.Errorf("%s after it was refused 1000 is left alone for %s", want, wait)
		}
		a.refused(it, at("1000"))
	}
	if wait := a.behind(it, at("1001")); wait != 0 {
		t.Errorf("what was read after a refusal is left alone for %s", wait)
	}
	a.refused(it, at("1001"))
	if wait := a.behind(it, at("1001")); wait != catchUp {
		t.Errorf("it is left alone for %s", wait)
	}
	if last, _ := a.written.get(it); last.patience != longestCatchUp {
		t.Errorf("after it was up to date it is waited for for %s", last.patience)
	}
}

// A watch that begins anew with very many resources takes minutes, the longer the more is asked of the API server meanwhile.
func TestACacheThatStaysBehindCostsLessAndLess(t *testing.T) {
	w := newWorld(t)
	w.settle()
	c := w.newSfsClient("shop")
	w.watch()
	w.fallBehind(100_000, 10*time.Minute, clientKind)
	w.wire.arm(nil)
	for range 600 {
		w.due[refTo(c)] = w.clock.Now()
		w.run(time.Second)
	}
	var writes []string
	for _, call := range w.wire.made(0) {
		if strings.Contains(call.String(), "patch sfsclients") {
			writes = append(writes, call.String())
		}
	}
	want := slices.Concat([]string{"api patch sfsclients", "api patch sfsclients/status", "api patch sfsclients/status", "api patch sfsclients/status"},
		slices.Repeat([]string{"api patch sfsclients"}, 11)) // after 15, 30 s, and then each minute
	if !slices.Equal(writes, want) {
		t.Errorf("got %d writes, want %d: %v", len(writes), len(want), writes)
	}
	w.run(2 * time.Minute)
	w.wantReady(c)
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
