// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// throttle has SFS answer the next calls with 429.
func (w *world) throttle(times int, retryAfter string) {
	w.sim.Inject(sfstest.Fault{Times: times, Status: 429, Header: http.Header{"Retry-After": {retryAfter}}})
}

func (w *world) renew(clients ...object) {
	w.t.Helper()
	for _, o := range clients {
		update(w, o.(*v1alpha1.SfsClient), func(c *v1alpha1.SfsClient) {
			c.Annotations = map[string]string{v1alpha1.RenewRequestedAtAnnotation: w.clock.Now().String()}
		})
	}
}

func (w *world) wantNotThrottled() {
	w.t.Helper()
	p := w.sfsPlatform()
	w.reload(p)
	if c := conditions.Get(p, v1alpha1.ThrottledCondition); c != nil || p.Status.ThrottledUntil != nil {
		w.t.Errorf("the status still tells of a pause: %v %v", c, p.Status.ThrottledUntil)
	}
}

func TestAPauseStandsInTheStatus(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.run(time.Minute)
	writes := w.countWrites()
	w.run(time.Minute)
	*writes = 0
	w.throttle(1, "300")
	w.renew(c)
	began := w.clock.Now()
	w.run(time.Second)
	w.wantCondition(w.sfsPlatform(), v1alpha1.ThrottledCondition, metav1.ConditionTrue, v1alpha1.ThrottledReason)
	platform := w.sfsPlatform()
	w.wantReady(platform, c)
	if until := platform.Status.ThrottledUntil; until == nil || !until.Equal(&metav1.Time{Time: began.Add(300 * time.Second)}) {
		t.Errorf("throttledUntil is %v, want %v", until, began.Add(300*time.Second))
	}
	w.run(299 * time.Second)
	w.wantNotThrottled()
	w.run(10 * time.Second)
	w.wantReady(c)
	if *writes != 2 {
		t.Errorf("a pause had the status of the platform written %d times, want 2", *writes)
	}
}

func TestAPauseThatIsExtendedIsWrittenOnce(t *testing.T) {
	w := newWorld(t)
	w.run(time.Minute)
	writes := w.countWrites()
	w.run(time.Minute)
	*writes = 0
	session := w.parts.platforms.sessions.open[sessionKey{w.platform, "credentials"}]
	extend := func(by time.Duration) {
		session.gate.throttled(by, true)
		session.changed()
		w.settle()
	}
	for range 20 { // answers that come in one after the other
		extend(60 * time.Second)
		w.run(200 * time.Millisecond)
	}
	if *writes != 1 {
		t.Errorf("%d writes for one pause that grew by 4 s, want 1", *writes)
	}
	w.wantCondition(w.sfsPlatform(), v1alpha1.ThrottledCondition, metav1.ConditionTrue, v1alpha1.ThrottledReason)
	extend(300 * time.Second)
	if *writes != 2 {
		t.Errorf("%d writes, want another one for minutes more", *writes)
	}
	w.run(299 * time.Second)
	if *writes != 2 {
		t.Errorf("%d writes before the end of the pause, want 2", *writes)
	}
	w.run(2 * time.Second)
	w.wantNotThrottled()
	if *writes != 3 {
		t.Errorf("%d writes in all, want 3", *writes)
	}
}

func TestNoCallIsMadeBeforeRetryAfter(t *testing.T) {
	for name, test := range map[string]struct {
		header func(now time.Time) string
		least  time.Duration
		most   time.Duration
	}{
		"seconds": {
			header: func(time.Time) string { return "120" }, least: 2 * time.Minute, most: 125 * time.Second,
		},
		"a date": {
			header: func(now time.Time) string { return now.Add(3 * time.Minute).UTC().Format(http.TimeFormat) },
			least:  3*time.Minute - time.Second, most: 185 * time.Second,
		},
		"an absurd time is bounded": {
			header: func(time.Time) string { return "99999999999999999999" }, least: time.Hour, most: time.Hour + 5*time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var clients []object
			for _, name := range []string{"a", "b", "c"} {
				clients = append(clients, w.newSfsClient(name))
			}
			w.run(time.Minute)
			w.throttle(1, test.header(w.clock.Now()))
			w.sim.ResetCalls()
			began := w.clock.Now()
			w.renew(clients...)
			w.newSfsClient("new")
			w.run(test.most)
			calls := w.sim.Calls()
			if len(calls) < 2 {
				t.Fatalf("%d calls in %s", len(calls), test.most)
			}
			for _, call := range calls[1:] {
				if after := call.Time.Sub(began); after < test.least {
					t.Errorf("%s %s %s after the answer that asked for a pause", call.Endpoint, call.Action, after)
				}
			}
		})
	}
}

func TestAPauseIsKeptOverARestart(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.run(time.Minute)
	w.throttle(1, "600")
	w.renew(c)
	w.run(time.Second)
	w.sim.ResetCalls()
	newcomer := w.newSfsClient("new")
	for range 5 {
		w.run(110 * time.Second)
		w.restart()
	}
	w.run(45 * time.Second)
	w.wantCalls(0, "the pause is not over")
	w.run(20 * time.Second)
	w.wantReady(c, newcomer)
	w.wantNotThrottled()
}

// Another pair of credentials is no way around a pause.
func TestAPauseIsKeptWithOtherCredentials(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.run(time.Minute)
	w.throttle(1, "600")
	w.renew(c)
	w.run(time.Second)
	w.sim.ResetCalls()
	fresh := w.credentials(w.sim.RotateCredentials())
	update(w, w.credentials(wrongPair), func(s *corev1.Secret) { s.Data = fresh.Data })
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.RateLimit.Burst = 17 })
	w.run(590 * time.Second)
	w.wantCalls(0, "the pause is not over")
	w.run(20 * time.Second)
	w.wantReady(w.sfsPlatform(), c)
}

func TestAPauseInTheStatusIsBounded(t *testing.T) {
	w := newWorld(t)
	w.settle()
	platform := w.sfsPlatform()
	w.reload(platform)
	before := platform.DeepCopy()
	platform.Status.ThrottledUntil = &metav1.Time{Time: w.clock.Now().Add(1000 * time.Hour)}
	if err := w.client.Status().Patch(t.Context(), platform, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	w.restart()
	c := w.newSfsClient("shop")
	w.run(time.Hour + 10*time.Second)
	w.wantReady(c)
	w.wantNotThrottled()
}

func TestATokenThatAPauseKeepsFromBeingRenewedSaysSo(t *testing.T) {
	w := newWorld(t)
	w.checkDriftEvery(time.Hour)
	// Before the platform token is due, which would else be what the pause is asked for; and so far from one another that
	// whichever jitter they have, one comes first.
	before := func(margin time.Duration) func(*v1alpha1.SfsClient) {
		return func(c *v1alpha1.SfsClient) { c.Spec.Token.RenewBefore = &metav1.Duration{Duration: margin} }
	}
	asks, waits := w.newSfsClient("one", before(16*time.Minute+30*time.Second)), w.newSfsClient("two", before(15*time.Minute))
	w.settle()
	w.reload(waits)
	// The first of them is told to wait, and the other is not even let ask.
	w.throttle(1, "1100")
	due := waits.Status.Token.RenewalTime.Time
	w.run(due.Add(2 * time.Minute).Sub(w.clock.Now()))
	w.wantCondition(asks, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.ThrottledReason)
	w.wantCondition(waits, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
	w.run(6 * time.Minute)
	w.wantCondition(waits, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.ThrottledReason, "the token lives", "asked for a pause")
	w.wantCondition(waits, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.ThrottledReason)
	w.run(7 * time.Minute)
	w.wantCondition(waits, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.TokenExpiringReason, "asked for a pause")
	w.run(20 * time.Minute)
	w.wantReady(asks, waits)
}
