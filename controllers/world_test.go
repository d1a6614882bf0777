// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/rights"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// world is an operator with a clock that moves only when the test says so: the reconcilers against a real
// kube-apiserver and the simulator. In the place of the work queue is a list of what is due when, and in the place of the
// informers a cache that the world fills: what was written is read again, and what differs is led through the tables of
// the controllers, which decide what becomes due. So an hour passes in as many passes as an hour needs, each run is the
// same, and a change that wakes nobody up is noticed.
type world struct {
	t         testing.TB
	client    client.WithWatch // the user's, not the operator's
	sim       *sfstest.Server
	clock     *clocktesting.FakePassiveClock
	namespace string // of the tenants
	platform  string
	operator  string // namespace of the operator

	parts    reconcilers
	recorder *eventLog
	options  Options
	api      client.WithWatch // the operator's, with its rights and without its cache
	asked    rights.Asked     // of the API server, by the operator
	wire     *wire            // of the operator
	log      lockedBuffer     // what the operator logs in its passes
	leaks    []string         // secrets that were seen where none may be
	due      map[ref]time.Time
	failures map[string]workqueue.TypedRateLimiter[reconcile.Request] // by kind
	// each is called after each pass.
	each func()
	// saw is told of each version of each object, and moves of each step of the clock, before it.
	saw   func(delivery)
	moves func(from, to time.Time)
	// delivers is asked before each delivery to the cache, and says whether the operator is another one now.
	delivers func(delivery) bool

	written versions              // since the last look
	there   map[ref]client.Object // what the API server holds
	deleted map[types.UID]metav1.Time
	cache   *informerCache
	lag     lag
	past    []map[ref]client.Object // what the cache held before each delivery, if somebody wants to go back

	process   bool // a manager runs, so there is more to see than the world is told of
	collects  bool // Secrets whose owner is gone are deleted, as the garbage collector does
	maxPasses int  // of one run
	seed      seed
	witness   *witness
}

var worlds atomic.Int64

// newWorld makes a platform with credentials, and a namespace that may use it.
func newWorld(t testing.TB, options ...sfstest.Option) *world {
	t.Helper()
	id := fmt.Sprintf("w%d", worlds.Add(1))
	start := time.Now().Truncate(time.Second)
	w := &world{
		t: t, clock: clocktesting.NewFakePassiveClock(start), maxPasses: 20_000,
		namespace: id + "-tenants", platform: id, operator: id + "-operator",
		due: map[ref]time.Time{}, there: map[ref]client.Object{}, deleted: map[types.UID]metav1.Time{},
	}
	w.wire = &wire{clock: w.clock}
	w.recorder = &eventLog{mute: w.wire.isDead}
	w.sim = sfstest.New(append([]sfstest.Option{sfstest.WithClock(w.clock)}, options...)...)
	t.Cleanup(w.sim.Close)
	t.Cleanup(func() { w.searchForLeaks() })
	t.Cleanup(w.wantNothingRefused)
	t.Cleanup(func() {
		for r := range w.cache.lent {
			if err := w.cache.intact(r); err != nil {
				t.Error(err)
			}
		}
	})
	w.client = connect(t, w.noticing)
	t.Cleanup(w.clear)
	w.connect()
	w.restart()
	for _, name := range []string{w.operator, w.namespace} {
		w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	w.create(w.credentials(w.sim.Credentials()))
	w.create(&v1alpha1.SfsPlatform{
		ObjectMeta: metav1.ObjectMeta{Name: w.platform},
		Spec: v1alpha1.SfsPlatformSpec{
			BaseURL:              w.sim.BaseURL(),
			CABundle:             w.sim.CABundle(),
			CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: "credentials"},
			CustomKeyPrefix:      "acme",
			AllowedNamespaces:    &v1alpha1.AllowedNamespaces{Names: []string{w.namespace}},
			RateLimit:            v1alpha1.RateLimit{RequestsPerSecond: 1000, Burst: 1000},
		},
	})
	return w
}

// connect leads all requests of the operator through the wire.
func (w *world) connect() {
	w.api = w.connectOperator(func(next http.RoundTripper) http.RoundTripper {
		return w.seed.onKubernetes(w, w.wire.on(planeKubernetes, w.noticing(next)))
	})
	w.options = Options{Namespace: w.operator, Clock: w.clock, Transport: func(next http.RoundTripper) http.RoundTripper {
		return w.seed.onSFS(w, w.wire.on(planeSFS, next))
	}}
}

// restart replaces the operator by a new one, which knows nothing but what the cluster holds.
func (w *world) restart() {
	w.look()
	w.restartWith(w.there)
}

// restartWith replaces the operator by one whose first view of the cluster is this one.
func (w *world) restartWith(view map[ref]client.Object) {
	w.wire.tell("    a new process begins")
	w.wire.revive()
	w.cache = newInformerCache(w.operator)
	w.parts = newReconcilers(cachingClient{w.api, w.cache}, w.cache, w.api, w.cache, w.options)
	w.parts.platforms.recorder, w.parts.clients.recorder, w.parts.users.recorder = w.recorder, w.recorder, w.recorder
	w.parts.oauth.recorder = w.recorder
	w.seed.onParts(w, &w.parts)
	clear(w.due)
	w.failures = map[string]workqueue.TypedRateLimiter[reconcile.Request]{
		platformKind: rateLimiter(), clientKind: rateLimiter(), userKind: rateLimiter(), oauthKind: rateLimiter(),
	}
	// The caches are full before the first pass begins.
	first := w.cache.behind(view)
	for _, d := range first {
		w.cache.show(d)
	}
	w.seed.onStart(w)
	for _, d := range first {
		w.wake(d)
	}
}

// settle runs passes until nothing is due now.
func (w *world) settle() { w.run(0) }

// run lets time pass. Each resource has a pass when it asked for one, and when a change has woken it up.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	end := w.clock.Now().Add(d)
	for passes := 0; ; passes++ {
		if passes > w.maxPasses {
			w.t.Fatalf("the operator does not come to rest, last with %v", w.due)
		}
		w.watch()
		who, at := w.next()
		if until := w.lag.until; w.lag.active() && (who == (ref{}) || at.After(until)) && !until.After(end) {
			w.passTo(until)
			w.lag.end()
			continue
		}
		if who == (ref{}) || at.After(end) {
			break
		}
		w.passTo(at)
		w.pass(who)
		w.lag.passed()
		if w.each != nil {
			w.each()
		}
	}
	w.passTo(end)
}

// passTo moves the clock, but never back.
func (w *world) passTo(t time.Time) {
	now := w.clock.Now()
	if !t.After(now) {
		return
	}
	if w.witness != nil {
		w.witness.passing(now, t)
	}
	if w.moves != nil {
		w.moves(now, t)
	}
	w.clock.SetTime(t)
}

// next is what is due first; of several, always the same.
func (w *world) next() (ref, time.Time) {
	order := func(a, b ref) int {
		return cmp.Or(w.due[a].Compare(w.due[b]), strings.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
	}
	if len(w.due) == 0 {
		return ref{}, time.Time{}
	}
	r := slices.MinFunc(slices.Collect(maps.Keys(w.due)), order)
	return r, w.due[r]
}

// pass has one resource looked at. Whatever a killed operator still says is not heard.
func (w *world) pass(who ref) {
	w.t.Helper()
	delete(w.due, who)
	request := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: who.namespace, Name: who.name}}
	logger := logr.FromSlogHandler(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})).
		WithValues("controllerKind", who.kind, "namespace", who.namespace, "name", who.name) // as controller-runtime does
	result, err := w.seed.onPass(w, w.reconcilerOf(who)).Reconcile(log.IntoContext(w.t.Context(), logger), request)
	if w.wire.isDead() {
		w.restart()
		return
	}
	if err != nil {
		w.due[who] = w.clock.Now().Add(w.failures[who.kind].When(request))
		return
	}
	w.failures[who.kind].Forget(request)
	if result.RequeueAfter > 0 {
		w.due[who] = w.clock.Now().Add(result.RequeueAfter)
	}
}

func (w *world) reconcilerOf(who ref) reconcile.Reconciler { return w.controllers()[who.kind] }

// controllers are those of the operator, by kind, as a manager has them.
func (w *world) controllers() map[string]watcher {
	of := w.parts.share.of
	return map[string]watcher{
		platformKind: of(w.parts.platforms), clientKind: of(w.parts.clients), userKind: of(w.parts.users), oauthKind: of(w.parts.oauth),
	}
}

// watch brings the cache up to date, and makes due what the tables of the controllers say.
func (w *world) watch() {
	w.t.Helper()
	for kind, controller := range w.controllers() {
		for signals := controller.signals(); len(signals) > 0; {
			about := (<-signals).Object
			w.due[ref{kind: kind, namespace: about.GetNamespace(), name: about.GetName()}] = w.clock.Now()
		}
	}
	w.look()
	w.deliver()
}

// wake makes due what looks at a delivery.
func (w *world) wake(d delivery) {
	for _, controller := range w.controllers() {
		for _, r := range woken(context.Background(), controller, d) {
			w.due[r] = w.clock.Now()
		}
	}
}
