// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

var failingStep = attemptKey{
	ref: ref{kind: "SfsClient", namespace: "shop", name: "globex"}, step: "token", generation: 3, session: "1",
}

func newFakeAttempts() (*clocktesting.FakePassiveClock, *attempts) {
	clk := clocktesting.NewFakePassiveClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	return clk, newAttempts(clk)
}

func wantDueIn(t *testing.T, a *attempts, key attemptKey, want time.Duration) {
	t.Helper()
	var d deferred
	switch err := a.due(key); {
	case err == nil && want == 0:
	case !errors.As(err, &d) || d.after != want:
		t.Errorf("step %v: got %v, want it due in %s", key, err, want)
	}
}

func TestWaitsGrow(t *testing.T) {
	t.Parallel()
	second, minute := time.Second, time.Minute
	for name, test := range map[string]struct {
		pace pace
		want []time.Duration
	}{
		"fast": {fast, []time.Duration{second, 2 * second, 4 * second, 8 * second, 16 * second, 30 * second, 30 * second}},
		"slow": {slow, []time.Duration{30 * second, minute, 2 * minute, 4 * minute, 8 * minute, 10 * minute, 10 * minute}},
		// What waits is woken by a watch. Should it be woken in vain, it has lost nothing.
		"waits": {waits, []time.Duration{second, 2 * second, 4 * second, 8 * second}},
	} {
		clk, a := newFakeAttempts()
		var got []time.Duration
		for range test.want {
			wait := a.failed(failingStep, test.pace, nil)
			wantDueIn(t, a, failingStep, wait)
			clk.SetTime(clk.Now().Add(wait))
			wantDueIn(t, a, failingStep, 0)
			got = append(got, wait)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got waits of %v, want %v", name, got, test.want)
		}
		for range 2000 {
			if wait := a.failed(failingStep, test.pace, nil); wait > 10*minute {
				t.Fatalf("%s: a wait of %s after many failures", name, wait)
			}
		}
	}
}

func TestAStepWaitsUntilItIsDue(t *testing.T) {
	t.Parallel()
	clk, a := newFakeAttempts()
	wantDueIn(t, a, failingStep, 0)
	a.failed(failingStep, slow, nil)
	wantDueIn(t, a, failingStep, 30*time.Second)
	clk.SetTime(clk.Now().Add(30*time.Second - 1))
	wantDueIn(t, a, failingStep, 1)
	clk.SetTime(clk.Now().Add(1))
	wantDueIn(t, a, failingStep, 0)
}

func TestAWaitIsCutShort(t *testing.T) {
	t.Parallel()
	_, a := newFakeAttempts()
	var asked time.Duration
	got := a.failed(failingStep, slow, func(wait time.Duration) time.Duration { asked = wait; return 7 * time.Second })
	if got != 7*time.Second || asked != 30*time.Second {
		t.Errorf("got %s of %s", got, asked)
	}
	wantDueIn(t, a, failingStep, 7*time.Second)
}

func TestAnotherStepIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*attemptKey){
		"another generation":  func(k *attemptKey) { k.generation++ },
		"another session":     func(k *attemptKey) { k.session = "2" },
		"other circumstances": func(k *attemptKey) { k.circumstances = "fullName" },
		"another step":        func(k *attemptKey) { k.step = "profile" },
		"another name":        func(k *attemptKey) { k.ref.name = "umbrella" },
		"another namespace":   func(k *attemptKey) { k.ref.namespace = "office" },
		"another kind":        func(k *attemptKey) { k.ref.kind = "SfsClientUser" },
	}
	for name, change := range tests {
		_, a := newFakeAttempts()
		for range 3 {
			a.failed(failingStep, fast, nil)
		}
		other := failingStep
		change(&other)
		wantDueIn(t, a, other, 0)
		if wait := a.failed(other, fast, nil); wait != time.Second {
			t.Errorf("%s: the first failure waits for %s", name, wait)
		}
		if other.ref != failingStep.ref || other.step != failingStep.step {
			wantDueIn(t, a, failingStep, 4*time.Second)
		} else if len(a.next[failingStep.ref]) != 1 {
			t.Errorf("%s: what failed in circumstances that are over is still kept", name)
		}
	}
}

func TestASuccessForgetsTheFailuresOfItsStep(t *testing.T) {
	t.Parallel()
	_, a := newFakeAttempts()
	older, otherStep, otherRef := failingStep, failingStep, failingStep
	older.generation, older.session = 2, "0"
	otherStep.step = "profile"
	otherRef.ref.name = "umbrella"
	for _, key := range []attemptKey{failingStep, older, otherStep, otherRef} {
		a.failed(key, fast, nil)
		a.failed(key, slow, nil)
	}
	a.succeeded(failingStep)
	for _, key := range []attemptKey{failingStep, older} {
		wantDueIn(t, a, key, 0)
		if n := a.fast.NumRequeues(key) + a.slow.NumRequeues(key); n != 0 {
			t.Errorf("step %v has %d failures left", key, n)
		}
		if wait := a.failed(key, fast, nil); wait != time.Second {
			t.Errorf("step %v: the first failure after a success waits for %s", key, wait)
		}
	}
	wantDueIn(t, a, otherStep, 30*time.Second)
	wantDueIn(t, a, otherRef, 30*time.Second)
}

func TestAResourceThatIsGoneLeavesNothing(t *testing.T) {
	t.Parallel()
	_, a := newFakeAttempts()
	other := failingStep
	other.ref.name = "umbrella"
	a.failed(other, slow, nil)
	var keys []attemptKey
	for generation := range int64(5) {
		for _, step := range []string{"token", "profile", "secret"} {
			key := attemptKey{ref: failingStep.ref, step: step, generation: generation, session: "1"}
			a.failed(key, fast, nil)
			a.failed(key, slow, nil)
			keys = append(keys, key)
		}
	}
	a.gone(failingStep.ref)
	for _, key := range keys {
		if n := a.fast.NumRequeues(key) + a.slow.NumRequeues(key); n != 0 {
			t.Errorf("step %v has %d failures left", key, n)
		}
	}
	if _, left := a.next[failingStep.ref]; left || len(a.next) != 1 {
		t.Errorf("there is left %v", a.next)
	}
	wantDueIn(t, a, other, 30*time.Second)
	a.succeeded(other)
	if len(a.next) != 0 {
		t.Errorf("after the last success there is left %v", a.next)
	}
	a.gone(other.ref) // is no mistake
}
