// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

var gateStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// gateVisitors come to a gate, and come back when they are told to.
type gateVisitors struct {
	clock *clocktesting.FakePassiveClock
	gate  *gate

	comes map[ref]time.Time
	order comings
	class map[ref]class // of those that are not as everybody
	// deadline of those that have one.
	deadline map[ref]time.Time
	// passed are the times at which somebody began, in order, and when that was for each.
	passed []time.Time
	began  map[ref]time.Time
	// each step makes so many requests; 0 is one.
	requests int
}

func newGateVisitors(requestsPerSecond, burst int) *gateVisitors {
	clk := clocktesting.NewFakePassiveClock(gateStart)
	return &gateVisitors{
		clock: clk, gate: newGate(clk, requestsPerSecond, burst, &workers{size: 1_000_000}),
		comes: map[ref]time.Time{}, class: map[ref]class{}, began: map[ref]time.Time{}, deadline: map[ref]time.Time{},
	}
}

// admit asks for a step of a class, and fails the test if the answer is no deferral.
func (v *gateVisitors) admit(t *testing.T, i int, c class) time.Duration {
	t.Helper()
	return waitOf(t, v.gate.admit(visitor(i), "step", c, time.Time{}))
}

func visitor(i int) ref {
	return ref{kind: "SfsClient", namespace: "shop", name: fmt.Sprintf("c-%05d", i)}
}

func (v *gateVisitors) arrive(n int) { v.arriveAs(classCreate, 0, n) }

// arriveAs lets the visitors of these numbers come now, with steps of a class.
func (v *gateVisitors) arriveAs(c class, from, to int) {
	for i := from; i < to; i++ {
		v.class[visitor(i)] = c
		v.expect(visitor(i), v.clock.Now())
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
		switch wait := waitOf(t, v.gate.admit(who, "step", v.class[who], v.deadline[who])); {
		case wait > 0:
			v.expect(who, at.Add(wait))
		default:
			for range max(v.requests, 1) {
				v.gate.spend(who)
			}
			v.gate.leave(who)
			v.passed, v.began[who] = append(v.passed, at), at
			if again {
				v.expect(who, at)
				continue
			}
			delete(v.comes, who)
		}
	}
}

// next is who comes first; of several, always the same.
func (v *gateVisitors) next() (who ref, at time.Time, found bool) {
	for len(v.order) > 0 {
		first := v.order[0]
		if at, comes := v.comes[first.who]; comes && at.Equal(first.at) {
			return first.who, first.at, true
		}
		heap.Pop(&v.order)
	}
	return ref{}, time.Time{}, false
}

// expect has a visitor come at a time.
func (v *gateVisitors) expect(who ref, at time.Time) {
	v.comes[who] = at
	heap.Push(&v.order, coming{who, at})
}

// coming is a visitor on the way. It does not count when comes says otherwise.
type coming struct {
	who ref
	at  time.Time
}

type comings []coming

func (c comings) Len() int      { return len(c) }
func (c comings) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *comings) Push(x any)   { *c = append(*c, x.(coming)) }
func (c comings) Less(i, j int) bool {
	return cmp.Or(c[i].at.Compare(c[j].at), strings.Compare(c[i].who.name, c[j].who.name)) < 0
}

func (c *comings) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
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
		if wait := v.admit(t, i, classCreate); wait > 0 {
			t.Errorf("visitor %d of a burst of 3 waits for %s", i, wait)
		}
	}
	for i, want := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond} {
		if wait := v.admit(t, 3+i, classCreate); wait.Round(time.Millisecond) != want {
			t.Errorf("the next waits for %s, want %s", wait, want)
		}
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
		if wait := v.admit(t, 0, classCreate); wait > 0 {
			t.Fatalf("the first waits for %s", wait)
		}
		for range requests {
			v.gate.spend(visitor(0))
		}
		if wait := v.admit(t, 1, classCreate); wait.Round(time.Millisecond) != want {
			t.Errorf("after %d requests the next waits for %s, want %s", requests, wait, want)
		}
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

func TestAPlaceIsKept(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(1, 1)
	v.admit(t, 0, classCreate)
	if wait := v.admit(t, 1, classCreate); wait.Round(time.Millisecond) != time.Second {
		t.Fatalf("the turn is in %s, want 1 s", wait)
	}
	// Who asks too early, for whatever reason, neither loses the place nor takes another one.
	v.clock.SetTime(gateStart.Add(600 * time.Millisecond))
	for range 10 {
		if wait := v.admit(t, 1, classCreate); wait.Round(time.Millisecond) != 400*time.Millisecond {
			t.Fatalf("the turn is in %s, want it to stay where it is", wait)
		}
	}
	if wait := v.admit(t, 2, classCreate); wait.Round(time.Millisecond) != 1400*time.Millisecond {
		t.Errorf("the next turn is in %s, want 1.4 s", wait)
	}
	v.clock.SetTime(gateStart.Add(time.Second))
	if wait := v.admit(t, 1, classCreate); wait != 0 {
		t.Errorf("when its turn has come it still waits for %s", wait)
	}
	if len(v.gate.places) != 1 {
		t.Errorf("%d places are kept, want that of visitor 2", len(v.gate.places))
	}
}

func TestWhoDoesNotComeBackHasNoPlaceAnyMore(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(1, 1)
	for i := range 4 {
		v.admit(t, i, classRenewal)
	}
	v.clock.SetTime(gateStart.Add(3*time.Second + placeLife + 1))
	if wait := v.admit(t, 5, classDrift); wait != 0 {
		t.Errorf("behind three who are gone one still waits for %s", wait)
	}
	queued := 0
	for _, queue := range v.gate.queues {
		queued += queue.length
	}
	if len(v.gate.places) != 0 || queued != 0 {
		t.Errorf("%d places and %d numbers are kept", len(v.gate.places), queued)
	}
}

// A namespace that is no longer served, or a deployment that is suspended, leaves places behind. All who had one come
// again an hour later.
func TestPlacesOfLongAgoDoNotExceedTheRate(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	const many = 500
	for i := range many {
		v.admit(t, i, classCreate)
	}
	v.clock.SetTime(gateStart.Add(time.Hour))
	v.arrive(many)
	v.run(t, time.Minute, false)
	wantRate(t, v.passed, 10, 20)
}

func TestTheMoreUrgentClassGoesFirst(t *testing.T) {
	t.Parallel()
	const each = 50
	v := newGateVisitors(10, 1)
	v.admit(t, 99999, classDrift) // empties the bucket
	// The least urgent are there long before the others.
	for c := range class(classes) {
		v.arriveAs(c, int(c)*each, int(c+1)*each)
		v.run(t, 10*time.Millisecond, false)
	}
	v.run(t, time.Minute, false)
	wantRate(t, v.passed, 10, 1)
	if len(v.passed) != each*classes {
		t.Fatalf("%d of %d passed", len(v.passed), each*classes)
	}
	last := func(c class) (last time.Time) {
		for i := range each {
			if at := v.began[visitor(int(c)*each+i)]; at.After(last) {
				last = at
			}
		}
		return last
	}
	for c := range class(classes - 1) {
		early := 0
		for i := range each {
			if at := v.began[visitor(int(c)*each+i)]; at.Before(last(c + 1)) {
				early++
			}
		}
		most := 0
		if c == classCreate { // they have a share
			most = 2 * each / (createShare - 1)
		}
		if early > most {
			t.Errorf("%d of class %d began before all of class %d had, want %d at most", early, c, c+1, most)
		}
	}
}

// An account that has more to renew than it may goes on making what is new, at the cost of a ninth of the rate.
func TestCreatesHaveAShareHoweverMuchIsToBeRenewed(t *testing.T) {
	t.Parallel()
	for requests, creates := range map[int]int{1: 100, 2: 50} { // of each step: so all renewals take 300 or 600 s
		v := newGateVisitors(10, 20)
		const renewals = 3000
		v.requests = requests
		for i := range renewals {
			v.deadline[visitor(i)] = gateStart.Add(20 * time.Minute)
		}
		v.arriveAs(classRenewal, 0, renewals)
		v.arriveAs(classCreate, renewals, renewals+creates)
		begun := func() (n int) {
			for i := range creates {
				if _, began := v.began[visitor(renewals+i)]; began {
					n++
				}
			}
			return n
		}
		v.run(t, 150*time.Second, false)
		wantRate(t, v.passed, 10, 20)
		made := begun()
		if renewed := len(v.passed) - made; made < len(v.passed)/createShare/2 || renewed < (createShare-1)*(made-2) {
			t.Errorf("with %d requests each, beside %d renewals %d creates have begun, want about a ninth", requests, renewed, made)
		}
		v.run(t, 30*time.Minute, false)
		if n := begun(); n != creates {
			t.Errorf("%d of %d creates have had their turn", n, creates)
		}
	}
}

// A request that is left for a create does not stop the others when the create is not wanted any more.
func TestNobodyWaitsForACreateThatDoesNotCome(t *testing.T) {
	t.Parallel()
	for _, burst := range []int{1, 2, 20} {
		v := newGateVisitors(10, burst)
		const many = 300
		v.arriveAs(classRenewal, 0, many)
		v.run(t, time.Second, false)
		for i := range 20 {
			v.admit(t, 1000+i, classCreate)
		}
		v.run(t, (many/10+2)*time.Second, false)
		if len(v.passed) != many {
			t.Errorf("with a burst of %d only %d of %d renewals have begun in their time", burst, len(v.passed), many)
		}
	}
}

func TestOfAClassGoesFirstWhoHasTheLeastTimeLeft(t *testing.T) {
	t.Parallel()
	const many = 200
	v := newGateVisitors(10, 1)
	v.admit(t, 99999, classDrift) // empties the bucket
	for i := range many {         // who comes last has the least time
		v.deadline[visitor(i)] = gateStart.Add(time.Hour - time.Duration(i)*time.Second)
	}
	v.arriveAs(classRenewal, 0, many)
	v.run(t, time.Minute, false)
	wantRate(t, v.passed, 10, 1)
	if len(v.passed) != many {
		t.Fatalf("%d of %d passed", len(v.passed), many)
	}
	for i := range many - 1 {
		if !v.began[visitor(i+1)].Before(v.began[visitor(i)]) {
			t.Fatalf("visitor %d began after visitor %d, who has a second more", i+1, i)
		}
	}
}

// A token that is about to die, and does so while it waits for its turn, does not lose its place to those that live.
func TestWhoGetsAnEarlierDeadlineIsReconsideredAtOnce(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 1)
	v.admit(t, 9999, classDrift)
	at := gateStart.Add(time.Hour)
	for i := range 100 {
		_ = v.gate.admit(visitor(i), "step", classRenewal, at)
	}
	if wait := waitOf(t, v.gate.admit(visitor(99), "step", classRenewal, at)); wait < 9*time.Second {
		t.Fatalf("the last of 100 waits for %s, want about 10 s", wait)
	}
	if wait := waitOf(t, v.gate.admit(visitor(99), "step", classRenewal, at.Add(-1))); wait.Round(time.Millisecond) != 100*time.Millisecond {
		t.Errorf("with the least time left it waits for %s, want 100 ms", wait)
	}
	if n := v.gate.queues[classRenewal].length; n != 100 || len(v.gate.places) != 100 {
		t.Errorf("there are %d places and %d in the queue, want 100", len(v.gate.places), n)
	}
}

func TestDriftGoesOnWhereThereIsRoom(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	v.arriveAs(classDrift, 0, 100)
	for i := range 100 { // five of ten requests a second are for something else
		v.arriveAs(classRenewal, 1000+5*i, 1000+5*(i+1))
		v.run(t, time.Second, false)
		for j := range 5 {
			if at, passed := v.began[visitor(1000+5*i+j)]; !passed || at.After(gateStart.Add(time.Duration(i+1)*time.Second)) {
				t.Fatalf("a renewal that came at %d s waits behind drift", i)
			}
		}
	}
	for i := range 100 {
		if _, passed := v.began[visitor(i)]; !passed {
			t.Fatalf("drift %d has not had its turn", i)
		}
	}
}

func TestWhoBecomesMoreUrgentIsReconsideredAtOnce(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 1)
	v.admit(t, 9999, classDrift)
	for i := range 100 {
		v.admit(t, i, classRenewal)
	}
	if wait := v.admit(t, 99, classRenewal); wait < 9*time.Second {
		t.Fatalf("the last of 100 waits for %s, want about 10 s", wait)
	}
	if wait := v.admit(t, 99, classLosing); wait.Round(time.Millisecond) != 100*time.Millisecond {
		t.Errorf("now that it is urgent it waits for %s, want 100 ms", wait)
	}
	if wait := v.admit(t, 98, classLosing); wait.Round(time.Millisecond) != 100*time.Millisecond {
		t.Errorf("who came before it and is as urgent waits for %s, want 100 ms", wait)
	}
	if len(v.gate.places) != 100 {
		t.Errorf("there are %d places, want 100", len(v.gate.places))
	}
}

func TestStepsOfOneResourceHavePlacesOfTheirOwn(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 1)
	who := visitor(0)
	v.admit(t, 9999, classDrift)
	for i := range 50 {
		v.admit(t, 1+i, classCreate)
	}
	profile := waitOf(t, v.gate.admit(who, "profile", classCreate, time.Time{}))
	token := waitOf(t, v.gate.admit(who, "token", classLosing, time.Time{}))
	if profile < 5*time.Second || token > 200*time.Millisecond {
		t.Errorf("the profile waits for %s, the token for %s", profile, token)
	}
	v.clock.SetTime(gateStart.Add(token))
	if wait := waitOf(t, v.gate.admit(who, "profile", classCreate, time.Time{})); wait == 0 {
		t.Error("the profile takes the turn of the token")
	}
	if wait := waitOf(t, v.gate.admit(who, "token", classLosing, time.Time{})); wait != 0 {
		t.Errorf("the token waits for %s", wait)
	}
}

// Tokens that live for 1800 s are renewed when they have 600 s left, are about to die at 240 s, and can not be counted on
// from 120 s.
func TestNoRenewalIsTooLateBehindMuchOtherWork(t *testing.T) {
	t.Parallel()
	const others, renewals, first = 5000, 60, 100_000
	for name, test := range map[string]struct {
		class class
		most  time.Duration
	}{
		"5000 new clients":           {classCreate, 2 * time.Second},
		"5000 tokens that are lost":  {classLosing, 370 * time.Second},
		"5000 comparisons":           {classDrift, 2 * time.Second},
		"5000 renewals that are due": {classRenewal, 370 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newGateVisitors(10, 20)
			v.requests = 3
			v.arriveAs(test.class, 0, others)
			if test.class == classLosing {
				for i := range others {
					v.deadline[visitor(i)] = gateStart.Add(missingWaits)
				}
			}
			came := map[ref]time.Time{}
			for i := range 10 * renewals {
				if i%10 == 0 && i/10 < renewals {
					who := visitor(first + i/10)
					v.class[who], came[who] = classRenewal, v.clock.Now()
					v.deadline[who] = v.clock.Now().Add(600 * time.Second)
					v.expect(who, v.clock.Now())
				}
				for who, at := range came {
					if _, waits := v.comes[who]; waits && v.class[who] == classRenewal && v.clock.Now().Sub(at) >= 360*time.Second {
						v.class[who] = classLosing
						v.expect(who, v.clock.Now())
					}
				}
				v.run(t, time.Second, false)
			}
			v.run(t, 370*time.Second, false)
			for who, at := range came {
				if began, has := v.began[who]; !has && v.class[who] == classRenewal {
					continue // it came less than 6 minutes ago, and has time
				} else if late := began.Sub(at); !has || late > test.most {
					t.Fatalf("a renewal began after %s, want %s at most", late, test.most)
				}
			}
			v.run(t, 30*time.Minute, false)
			if len(v.passed) != others+renewals {
				t.Errorf("%d of %d have had their turn in the end", len(v.passed), others+renewals)
			}
		})
	}
}

// pauseOf is what is left of a pause.
func (v *gateVisitors) pauseOf() time.Duration { return v.gate.pauseEnd().Sub(v.clock.Now()) }

func TestA429WithATimePausesForIt(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	v.gate.throttled(17*time.Second, true)
	for _, at := range []time.Duration{0, 16 * time.Second, 17*time.Second - 1} {
		v.clock.SetTime(gateStart.Add(at))
		if wait := v.admit(t, 1, classLosing); wait < 17*time.Second-at {
			t.Errorf("after %s one waits for %s, want at least until the end of the pause", at, wait)
		}
		if wait := waitOf(t, v.gate.paused()); wait != 17*time.Second-at {
			t.Errorf("after %s the pause lasts for %s more", at, wait)
		}
	}
	v.clock.SetTime(gateStart.Add(17*time.Second + 100*time.Millisecond))
	if wait := v.admit(t, 1, classLosing); wait != 0 {
		t.Errorf("after the pause one waits for %s", wait)
	}
	if wait := v.admit(t, 2, classLosing); wait.Round(time.Millisecond) != 100*time.Millisecond {
		t.Errorf("after the pause the second waits for %s, want no burst", wait)
	}
}

func TestAShorterPauseDoesNotCutALongerOneShort(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	for _, pause := range []struct {
		length time.Duration
		longer time.Duration
	}{{time.Minute, time.Minute}, {90 * time.Second, 30 * time.Second}, {time.Second, 0}, {0, 0}} {
		if longer := v.gate.throttled(pause.length, pause.length > 0); longer != pause.longer {
			t.Errorf("a pause of %s makes it longer by %s, want %s", pause.length, longer, pause.longer)
		}
	}
	v.gate.resume(gateStart.Add(-time.Hour))
	if wait := v.pauseOf(); wait != 90*time.Second {
		t.Errorf("the pause lasts for %s, want a minute and a half", wait)
	}
}

func TestA429WithoutATimePausesForAGrowingOne(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	pauseOnce := func() time.Duration {
		v.gate.throttled(0, false)
		wait := v.pauseOf()
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
	if wait := v.pauseOf(); wait != 5*time.Second {
		t.Errorf("16 refusals of one moment give a pause of %s, want 5 s", wait)
	}
}

func TestAfterAPauseTheWaitingOnesComeBackSpread(t *testing.T) {
	t.Parallel()
	const many, requestsPerSecond, burst = 300, 10, 20
	v := newGateVisitors(requestsPerSecond, burst)
	v.arrive(many)
	v.arriveAs(classLosing, 1000, 1010)
	v.run(t, 5*time.Second, false)
	v.gate.throttled(time.Minute, true)
	end := v.clock.Now().Add(time.Minute)
	before := len(v.passed)

	v.arriveAs(classLosing, 1010, 1020)
	v.run(t, time.Minute-1, false)
	if len(v.passed) != before {
		t.Fatalf("%d requests passed in the pause", len(v.passed)-before)
	}
	v.run(t, 60*time.Second, false)
	if len(v.passed) != many+20 {
		t.Errorf("%d of %d have passed a minute after the pause", len(v.passed), many+20)
	}
	after := v.passed[before:]
	// There is no burst, nor a request at the very end of the pause.
	wantRate(t, after, requestsPerSecond, 1+requestsPerSecond)
	for i := 1010; i < 1020; i++ {
		if late := v.began[visitor(i)].Sub(end); late <= 0 || late > 2*time.Second {
			t.Errorf("a token that is about to die was served %s after the pause", late)
		}
	}
}

func TestAPauseOfTheProcessBeforeIsKept(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(10, 20)
	v.gate.resume(gateStart.Add(30 * time.Second))
	if wait := v.pauseOf(); wait != 30*time.Second {
		t.Errorf("the pause lasts for %s, want 30 s", wait)
	}
	v.arrive(20)
	v.run(t, 32*time.Second, false)
	if n := len(v.passed); n > 20 {
		t.Errorf("%d requests passed in the 2 s after the pause", n)
	}
}

func TestOnlySoManyAreInsideAtATime(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(1000, 1000)
	v.gate.workers.size = 4
	for i := range 2 {
		if wait := v.admit(t, i, classDrift); wait > 0 {
			t.Fatalf("visitor %d waits for %s", i, wait)
		}
	}
	for i, c := range []class{classDrift, classLosing} {
		if wait := v.admit(t, 2+i, c); wait != firstGuess/2 {
			t.Errorf("one of class %d waits for %s, want half of the time that two others need", c, wait)
		}
	}
	v.gate.leave(visitor(0))
	if wait := v.admit(t, 2, classDrift); wait == 0 {
		t.Errorf("the room that is left goes to who waits only %s, and not to the more urgent", wait)
	}
	if wait := v.admit(t, 3, classLosing); wait > 0 {
		t.Errorf("after one has left, the most urgent waits for %s", wait)
	}
}

// However many accounts are slow, there is room for one more.
func TestAccountsShareTheWorkers(t *testing.T) {
	t.Parallel()
	shared := &workers{size: 64}
	clk := clocktesting.NewFakePassiveClock(gateStart)
	var inside []int
	for account := range 6 {
		g := newGate(clk, 1000, 1000, shared)
		n := 0
		for g.admit(visitor(1000*account+n), "step", classRenewal, time.Time{}) == nil {
			n++
		}
		inside = append(inside, n)
	}
	if want := []int{32, 16, 8, 4, 2, 1}; !slices.Equal(inside, want) {
		t.Errorf("accounts that come one after the other have %v workers of 64, want %v", inside, want)
	}
	g := newGate(clk, 1000, 1000, shared)
	for range 3 {
		if err := g.admit(visitor(1), "step", classRenewal, time.Time{}); err != nil {
			t.Errorf("an account that has no worker gets none: %v", err)
		}
		g.leave(visitor(1))
	}
}

// Those for whom there is no room come back about when there is some, and not each second.
func TestTheWaitForRoomFollowsTheTimeThatStepsTake(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(1000, 1000)
	v.gate.workers.size = 32
	const slow = 10 * time.Second
	for range 10 { // rounds of 16 steps at a time
		for i := range 16 {
			if wait := v.admit(t, i, classRenewal); wait > 0 {
				t.Fatalf("visitor %d waits for %s", i, wait)
			}
		}
		v.clock.SetTime(v.clock.Now().Add(slow))
		for i := range 16 {
			v.gate.leave(visitor(i))
		}
	}
	for i := range 16 {
		v.admit(t, i, classRenewal)
	}
	for i := range 2000 {
		v.admit(t, 1000+i, classRenewal)
	}
	for i := range 16 {
		want := time.Duration(1+i) * slow / 16
		if wait := v.admit(t, 1000+i, classRenewal); wait < want/2 || wait > want {
			t.Errorf("visitor %d of those who wait comes back after %s, want about %s", i, wait, want)
		}
	}
	if wait := v.admit(t, 2999, classRenewal); wait != longestCrowded {
		t.Errorf("the last of 2000 waits for %s, want %s", wait, longestCrowded)
	}
}

func TestAnAccountThatDoesNotAnswerIsTriedByOneAtATime(t *testing.T) {
	t.Parallel()
	v := newGateVisitors(1000, 1000)
	for range deafAfter {
		v.gate.silent()
	}
	if wait := v.admit(t, 0, classCreate); wait > 0 {
		t.Fatalf("the one who tries waits for %s", wait)
	}
	if wait := v.admit(t, 1, classCreate); wait != deaf {
		t.Errorf("the next waits for %s, want %s", wait, deaf)
	}
	v.gate.passed()
	if wait := v.admit(t, 1, classCreate); wait > 0 {
		t.Errorf("after an answer the next waits for %s", wait)
	}
}

// BenchmarkGateAdmit has each of many who wait ask for its turn again.
func BenchmarkGateAdmit(b *testing.B) {
	for _, waiting := range []int{1000, 20_000, 100_000} {
		b.Run(fmt.Sprintf("%d waiting", waiting), func(b *testing.B) {
			clk := clocktesting.NewFakePassiveClock(gateStart)
			g := newGate(clk, 10, 20, &workers{size: 64})
			all := make([]ref, waiting)
			for i := range all {
				all[i] = visitor(i * 7919 % waiting)
				_ = g.admit(all[i], tokenStep, classRenewal, gateStart.Add(time.Duration(i)*time.Millisecond))
			}
			b.ResetTimer()
			for i := range b.N {
				n := i * 104_729 % waiting
				_ = g.admit(all[n], tokenStep, classRenewal, gateStart.Add(time.Duration(n)*time.Millisecond))
			}
		})
	}
}
