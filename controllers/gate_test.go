// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

var gateStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// gateVisitors come to a gate, and come back when they are told to.
type gateVisitors struct {
	clock *clocktesting.FakePassiveClock
	gate  *gate

	comes  map[ref]time.Time
	passed []time.Time
}

func newGateVisitors(requestsPerSecond, burst int) *gateVisitors {
	clk := clocktesting.NewFakePassiveClock(gateStart)
	return &gateVisitors{clock: clk, gate: newGate(clk, requestsPerSecond, burst, 1_000_000), comes: map[ref]time.Time{}}
}

func visitor(i int) ref {
	return ref{kind: "SfsClient", namespace: "shop", name: fmt.Sprintf("c-%05d", i)}
}

func (v *gateVisitors) arrive(n int) {
	for i := range n {
		v.comes[visitor(i)] = v.clock.Now()
	}
}

// run lets time pass, from one visit to the next. With again each who has passed comes back at once.
func (v *gateVisitors) run(t *testing.T, d time.Duration, again bool) {
	t.Helper()
	end := v.clock.Now().Add(d)
	for {
		who, at, found := v.next()
		if !found || at.After(end) {
			v.clock.SetTime(end)
			return
		}
		v.clock.SetTime(at)
		switch wait := waitOf(t, v.gate.admit(who, false)); {
		case wait > 0:
			v.comes[who] = at.Add(wait)
		default:
			v.gate.spend(who)
			v.gate.leave(who)
			v.passed = append(v.passed, at)
			if !again {
				delete(v.comes, who)
			}
		}
	}
}

func (v *gateVisitors) next() (who ref, at time.Time, found bool) {
	for w, when := range v.comes {
		if !found || when.Before(at) || when.Equal(at) && w.name < who.name {
			who, at, found = w, when, true
		}
	}
	return who, at, found
}

// waitOf is how long the gate wants one to wait; 0: it let it pass.
func waitOf(t *testing.T, err error) time.Duration {
	t.Helper()
	if err == nil {
		return 0
	}
	var d deferred
	if !errors.As(err, &d) || d.after <= 0 {
		t.Fatalf("got %v, want a deferral", err)
	}
	return d.after
}

// wantRate checks each window of the times: never more than the burst and what the rate allows in it.
func wantRate(t *testing.T, passed []time.Time, requestsPerSecond, burst int) {
	t.Helper()
	for i := range passed {
		for j := i; j < len(passed); j++ {
			window := passed[j].Sub(passed[i])
			// The limiter counts in floats, so a window may be short by some nanoseconds.
			if most := burst + int((window+time.Microsecond).Seconds()*float64(requestsPerSecond)); j-i+1 > most {
				t.Fatalf("%d requests passed within %s, want at most %d", j-i+1, window, most)
			}
		}
	}
}

func TestTheRateIsNeverExceeded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ visitors, requestsPerSecond, burst int }{
		{1, 1, 1}, {50, 1, 1}, {50, 10, 20}, {200, 10, 1}, {20, 10, 20}, {200, 100, 50},
	} {
		t.Run(fmt.Sprintf("%d visitors with %d per second and a burst of %d", test.visitors, test.requestsPerSecond, test.burst), func(t *testing.T) {
			t.Parallel()
			v := newGateVisitors(test.requestsPerSecond, test.burst)
			v.arrive(test.visitors)
			v.run(t, time.Minute, false)
			wantRate(t, v.passed, test.requestsPerSecond, test.burst)
			if len(v.passed) != test.visitors {
				t.Errorf("%d of %d passed within a minute", len(v.passed), test.visitors)
			}
			// They come again after the burst has filled up, all at once.
			v.arrive(test.visitors)
			v.run(t, time.Minute, false)
			wantRate(t, v.passed, test.requestsPerSecond, test.burst)
		})
	}
}

func TestTheRateIsUsedToTheFull(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	v.arrive(40)
	v.run(t, 10*time.Second, true)
	wantRate(t, v.passed, 10, 20)
	if want := 20 + 10*10; len(v.passed) < want-1 {
		t.Errorf("%d requests passed in 10 s, want %d", len(v.passed), want)
	}
}

func TestTheBurstPassesAtOnce(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 3)
	for i := range 3 {
		if wait := waitOf(t, v.gate.admit(visitor(i), false)); wait > 0 {
			t.Errorf("visitor %d of a burst of 3 waits for %s", i, wait)
		}
	}
	for i, want := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond} {
		if wait := waitOf(t, v.gate.admit(visitor(3+i), false)); wait.Round(time.Millisecond) != want {
			t.Errorf("the next waits for %s, want %s", wait, want)
		}
	}
}

func TestASlotIsKept(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(1, 1)
	waitOf(t, v.gate.admit(visitor(0), false))
	first := waitOf(t, v.gate.admit(visitor(1), false))
	if first.Round(time.Millisecond) != time.Second {
		t.Fatalf("the slot is in %s, want 1 s", first)
	}
	// Who asks too early, for whatever reason, neither loses the slot nor takes another one.
	v.clock.SetTime(gateStart.Add(600 * time.Millisecond))
	for range 10 {
		if wait := waitOf(t, v.gate.admit(visitor(1), false)); wait != first-600*time.Millisecond {
			t.Fatalf("the slot is in %s, want it to stay where it is", wait)
		}
	}
	if wait := waitOf(t, v.gate.admit(visitor(2), false)); wait.Round(time.Millisecond) != 1400*time.Millisecond {
		t.Errorf("the next slot is in %s, want 1.4 s", wait)
	}
	v.clock.SetTime(gateStart.Add(first))
	if wait := waitOf(t, v.gate.admit(visitor(1), false)); wait != 0 {
		t.Errorf("at the slot it still waits for %s", wait)
	}
	if len(v.gate.slots) != 1 {
		t.Errorf("%d slots are kept, want that of visitor 2", len(v.gate.slots))
	}
}

func TestASlotThatIsForgottenIsNotKept(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(1, 1)
	for i := range 3 {
		waitOf(t, v.gate.admit(visitor(i), false))
	}
	for i := range 4 {
		v.gate.forget(visitor(i))
	}
	if len(v.gate.slots) != 0 || len(v.gate.waiting) != 0 {
		t.Errorf("%d slots and %d places are kept", len(v.gate.slots), len(v.gate.waiting))
	}
}

func TestTheOtherRequestsOfAStepAreAtTheCostOfWhoIsNext(t *testing.T) {
	t.Parallel()
	for requests, want := range map[int]time.Duration{
		0: 100 * time.Millisecond, // it was admitted, and paid for what it did not use
		1: 100 * time.Millisecond,
		2: 200 * time.Millisecond,
		5: 500 * time.Millisecond,
	} {
		v := newGateVisitors(10, 1)
		if wait := waitOf(t, v.gate.admit(visitor(0), false)); wait > 0 {
			t.Fatalf("the first waits for %s", wait)
		}
		for range requests {
			v.gate.spend(visitor(0))
		}
		if wait := waitOf(t, v.gate.admit(visitor(1), false)); wait.Round(time.Millisecond) != want {
			t.Errorf("after %d requests the next waits for %s, want %s", requests, wait, want)
		}
	}
}

// A namespace that is no longer served, or a deployment that is suspended, leaves slots behind. If they were good for
// ever, all who had one could pass at once an hour later.
func TestSlotsOfLongAgoDoNotExceedTheRate(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	const many = 500
	for i := range many {
		waitOf(t, v.gate.admit(visitor(i), false))
	}
	v.clock.SetTime(gateStart.Add(time.Hour))
	v.passed = nil
	v.arrive(many)
	v.run(t, time.Minute, false)
	wantRate(t, v.passed, 10, 20)
}

func TestA429WithATimePausesForIt(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	v.gate.throttled(17*time.Second, true)
	for _, at := range []time.Duration{0, 16 * time.Second, 17*time.Second - 1} {
		v.clock.SetTime(gateStart.Add(at))
		if wait := waitOf(t, v.gate.admit(visitor(1), false)); wait != 17*time.Second-at {
			t.Errorf("after %s one waits for %s, want until the end of the pause", at, wait)
		}
	}
	v.clock.SetTime(gateStart.Add(17 * time.Second))
	if wait := waitOf(t, v.gate.admit(visitor(1), false)); wait != 0 {
		t.Errorf("after the pause one waits for %s", wait)
	}
}

func TestAShorterPauseDoesNotCutALongerOneShort(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	v.gate.throttled(time.Minute, true)
	v.gate.throttled(time.Second, true)
	v.gate.throttled(0, false)
	if wait := waitOf(t, v.gate.admit(visitor(1), false)); wait != time.Minute {
		t.Errorf("the pause lasts for %s, want a minute", wait)
	}
}

func TestA429WithoutATimePausesForAGrowingOne(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	pauseOnce := func() time.Duration {
		v.gate.throttled(0, false)
		wait := waitOf(t, v.gate.admit(visitor(1), false))
		v.clock.SetTime(v.clock.Now().Add(wait))
		return wait
	}
	var got []time.Duration
	for range 6 {
		got = append(got, pauseOnce())
	}
	want := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute}
	if !slices.Equal(got, want) {
		t.Errorf("got pauses of %v, want %v", got, want)
	}
	for range 100 {
		if wait := pauseOnce(); wait != time.Minute {
			t.Fatalf("after many pauses there is one of %s", wait)
		}
	}
	v.gate.passed()
	if wait := pauseOnce(); wait != 5*time.Second {
		t.Errorf("after an answer the pause is %s, want the first one again", wait)
	}
}

// Requests that were under way together are refused together: that is one pause.
func TestManyRefusalsAtATimeAreOnePause(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	for range 16 {
		v.gate.throttled(0, false)
	}
	if wait := waitOf(t, v.gate.admit(visitor(1), false)); wait != 5*time.Second {
		t.Errorf("16 refusals of one moment give a pause of %s, want 5 s", wait)
	}
}

func TestAfterAPauseTheWaitingOnesComeBackSpread(t *testing.T) {
	t.Parallel()
	const many, requestsPerSecond, burst = 300, 10, 20
	v := newGateVisitors(requestsPerSecond, burst)
	v.arrive(many)
	v.run(t, 5*time.Second, false)
	v.gate.throttled(time.Minute, true)
	paused := v.clock.Now()
	before := len(v.passed)

	v.run(t, time.Minute-1, false)
	if len(v.passed) != before {
		t.Fatalf("%d requests passed in the pause", len(v.passed)-before)
	}
	v.run(t, 75*time.Second, false)
	after := v.passed[before:]
	if len(v.passed) != many {
		t.Errorf("%d of %d have passed 75 s after the pause", len(v.passed), many)
	}
	if len(after) > 0 && after[0].Before(paused.Add(time.Minute)) {
		t.Errorf("the first passed %s after the refusal", after[0].Sub(paused))
	}
	wantRate(t, after, requestsPerSecond, burst)
}

// A slot beyond the end of the pause is given at a rate that was kept already.
func TestASlotAfterThePauseIsKept(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(1, 1)
	for i := range 11 {
		waitOf(t, v.gate.admit(visitor(i), true))
	}
	v.gate.throttled(5*time.Second, true)
	for _, i := range []int{2, 10} {
		if wait := waitOf(t, v.gate.admit(visitor(i), true)); wait < 5*time.Second {
			t.Errorf("in the pause visitor %d waits for %s, want at least until its end", i, wait)
		}
	}
	v.clock.SetTime(gateStart.Add(5 * time.Second))
	if wait := waitOf(t, v.gate.admit(visitor(10), true)); wait.Round(time.Millisecond) != 5*time.Second {
		t.Errorf("after the pause the slot is in %s, want 5 s as before", wait)
	}
	if wait := waitOf(t, v.gate.admit(visitor(2), true)); wait < 5*time.Second {
		t.Errorf("a slot in the pause is given anew in %s, want it after those that were given", wait)
	}
}

func TestWhatIsUrgentDoesNotWaitBehindWhatIsNot(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	for i := range 5000 {
		waitOf(t, v.gate.admit(visitor(i), false))
	}
	if wait := waitOf(t, v.gate.admit(visitor(9999), true)); wait > horizon+200*time.Millisecond {
		t.Errorf("what is urgent waits for %s behind 5000 others, want at most %s", wait, horizon)
	}
}

func TestAllGetTheirTurn(t *testing.T) {
	t.Parallel()
	const many = 3000
	v := newGateVisitors(10, 20)
	v.arrive(many)
	v.run(t, 6*time.Minute, false)
	wantRate(t, v.passed, 10, 20)
	if len(v.passed) != many {
		t.Errorf("%d of %d passed in the time of %d requests", len(v.passed), many, 10*360)
	}
}

func TestOnlySoManyAreInsideAtATime(t *testing.T) {
	t.Parallel()
	g := newGate(clocktesting.NewFakePassiveClock(gateStart), 1000, 1000, 2)
	for i := range 2 {
		if wait := waitOf(t, g.admit(visitor(i), true)); wait > 0 {
			t.Fatalf("visitor %d waits for %s", i, wait)
		}
	}
	if wait := waitOf(t, g.admit(visitor(2), true)); wait != crowded {
		t.Errorf("the third waits for %s, want %s", wait, crowded)
	}
	g.leave(visitor(0))
	if wait := waitOf(t, g.admit(visitor(2), true)); wait > 0 {
		t.Errorf("after one has left, the third waits for %s", wait)
	}
}

func TestAnAccountThatDoesNotAnswerIsTriedByOneAtATime(t *testing.T) {
	t.Parallel()
	g := newGate(clocktesting.NewFakePassiveClock(gateStart), 1000, 1000, 8)
	for range deafAfter {
		g.silent()
	}
	if wait := waitOf(t, g.admit(visitor(0), true)); wait > 0 {
		t.Fatalf("the one who tries waits for %s", wait)
	}
	if wait := waitOf(t, g.admit(visitor(1), true)); wait != deaf {
		t.Errorf("the next waits for %s, want %s", wait, deaf)
	}
	g.passed()
	if wait := waitOf(t, g.admit(visitor(1), true)); wait > 0 {
		t.Errorf("after an answer the next waits for %s", wait)
	}
}
