// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// fleet is very many tenants under the queue, the workers, the watch of SfsClients, the sessions and the gates that the
// process has, in the time of a bubble of synctest. Only the ends are made up: SFS takes a while and gives a token, or does
// not, and a pass writes nothing to Kubernetes, but takes as long as if it did.
type fleet struct {
	t        *testing.T
	r        *ClientReconciler
	sessions *Sessions
	// write is how long the writes of a pass take that has minted a token.
	write time.Duration

	tenants map[types.NamespacedName]*tenant
	order   []*tenant // as the first list shows them
	queue   workqueue.TypedRateLimitingInterface[ctrl.Request]
	enter   handler.EventHandler
	passes  atomic.Int64
	// served are those who have had a pass, in order.
	mu     sync.Mutex
	served []*tenant
}

// tenant is one SfsClient and what is published for it.
type tenant struct {
	object   *v1alpha1.SfsClient
	platform *v1alpha1.SfsPlatform
	session  *session
	current  *token.Token
	minted   []time.Time
	late     []time.Duration // of its renewals
	since    time.Time       // when it came
}

// account is an account at SFS.
type account struct {
	latency time.Duration
	away    func() bool
	stalls  time.Duration // an answer while it is away
	limit   int           // requests in a second, after which it answers 429; 0 is none

	mu    sync.Mutex
	began []time.Time // its requests of the last second
}

const fleetLife = 1800 * time.Second

// newFleet returns a fleet and its controller, which is not started.
func newFleet(t *testing.T, concurrency int) (*fleet, controller.Controller) {
	t.Helper()
	clk := clock.RealClock{} // of the bubble
	counted := metrics.New()
	parts := newReconcilers(nil, nil, nil, nil, Options{Clock: clk, Metrics: counted, Concurrency: concurrency})
	f := &fleet{
		t: t, r: parts.clients, sessions: parts.clients.sessions, tenants: map[types.NamespacedName]*tenant{},
	}
	f.r.recorder = &eventLog{}
	f.enter = byUrgency(f.r.urgency)
	c, err := controller.NewUnmanaged("fleet", controller.Options{
		Reconciler: f, MaxConcurrentReconciles: concurrency, RateLimiter: rateLimiter(), SkipNameValidation: ptr.To(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Watch(source.Func(func(ctx context.Context, q workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
		f.queue = q
		for _, n := range f.order {
			f.show(ctx, n, true)
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return f, c
}

// open returns a platform and its session, with an account behind it.
func (f *fleet) open(name string, requestsPerSecond, burst int, at *account) (*v1alpha1.SfsPlatform, *session) {
	f.t.Helper()
	platform := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	f.sessions.transport = func(http.RoundTripper) http.RoundTripper { return at }
	details := sessionDetails{
		platform: platform.UID, baseURL: "https://" + name + ".test/api", requestsPerSecond: requestsPerSecond, burst: burst,
	}
	made, err := f.sessions.connect(name, details, sendforsign.Credentials{APIKey: "key", Secret: "secret"})
	if err != nil {
		f.t.Fatal(err)
	}
	f.sessions.put(platform, "credentials", made)
	return platform, made
}

// RoundTrip answers as SFS does when it is asked for a token.
func (a *account) RoundTrip(req *http.Request) (*http.Response, error) {
	latency, away := a.latency, a.away != nil && a.away()
	if away {
		latency = a.stalls
	}
	select {
	case <-time.After(latency):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	status, body := http.StatusCreated, fmt.Sprintf(`{"access_token":"t","token_type":"Bearer","expires_in":%d}`, int(fleetLife.Seconds()))
	switch {
	case away:
		return nil, errors.New("connection refused")
	case a.isOver():
		status, body = http.StatusTooManyRequests, `{}`
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewBufferString(body)), Request: req}, nil
}

// isOver says whether a request is more than the account takes in a second.
func (a *account) isOver() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.began = slices.DeleteFunc(a.began, func(at time.Time) bool { return now.Sub(at) >= time.Second })
	if a.limit > 0 && len(a.began) >= a.limit {
		return true
	}
	a.began = append(a.began, now)
	return false
}

// add declares tenants of a platform. issued is when the token of each was asked for; zero: it has none.
func (f *fleet) add(n int, platform *v1alpha1.SfsPlatform, s *session, issued func(i int) time.Time) []*tenant {
	var added []*tenant
	for range n {
		i := len(f.order)
		c := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: fmt.Sprintf("c-%06d", i), UID: types.UID(fmt.Sprintf("uid-%d", i)), Generation: 1,
		}}
		c.Spec.PlatformRef.Name = platform.Name
		c.Status.ClientKey, c.Status.ObservedGeneration = c.Name, 1
		one := &tenant{object: c, platform: platform, session: s, since: time.Now()}
		if at := issued(len(added)); !at.IsZero() {
			one.current = &token.Token{Issued: at, Expires: at.Add(fleetLife), Owner: string(c.UID), Revision: 1}
			c.Status.Token = tokenStatus(c.TokenSecretName(), *one.current, renewalPolicy(platform, c).RenewalTime(*one.current))
		}
		f.order, added = append(f.order, one), append(added, one)
		f.tenants[types.NamespacedName{Namespace: c.Namespace, Name: c.Name}] = one
	}
	return added
}

func never(int) time.Time { return time.Time{} }

// evenly spreads the ages of n tokens over the time after which they are renewed at the earliest.
func evenly(n int) func(i int) time.Time {
	const least = 1080 * time.Second
	return func(i int) time.Time { return time.Now().Add(-least * time.Duration(i) / time.Duration(n)) }
}

// show has the watch show a resource.
func (f *fleet) show(ctx context.Context, n *tenant, first bool) {
	e := event.CreateEvent{Object: n.object, IsInInitialList: first}
	if f.r.watches()[0].changes.Create(e) {
		f.enter.Create(ctx, e, f.queue)
	}
}

// start has the workers begin. What end returns has ended when it does.
func (f *fleet) start(c controller.Controller) (end func()) {
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan error)
	go func() { done <- c.Start(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Error(err)
		}
		lapse(time.Minute) // for requests that nobody waits for any more
	}
}

// lapse lets time pass in a bubble.
func lapse(d time.Duration) { <-time.After(d) }

// Reconcile is what of a pass decides about the token of a client, and asks for the next pass.
func (f *fleet) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	f.passes.Add(1)
	n := f.tenants[req.NamespacedName]
	f.mu.Lock()
	f.served = append(f.served, n)
	f.mu.Unlock()
	who := ref{kind: clientKind, namespace: req.Namespace, name: req.Name}
	tenant := &tenantPass{
		pass: newPass(who, n.object, f.r.clock, nil, f.r.recorder, f.r.attempts), sessions: f.sessions, platform: n.platform, session: n.session,
	}
	p := (&clientPass{client: n.object, tenantPass: tenant}).withToken().token
	p.name = n.object.TokenSecretName()
	policy := renewalPolicy(n.platform, n.object)
	var failure error
	if token.Decide(token.Observed{Token: n.current}, policy, p.now) != token.NotDue {
		var minted mintedToken
		if minted, failure = f.r.keeper.mintInTurn(ctx, p, n.current); failure == nil {
			lapse(f.write)
			f.publish(n, minted.token, policy)
		}
	}
	if n.current != nil {
		f.r.keeper.record(p, *n.current)
	}
	p.judge(n.current, failure, false)
	return p.result(), nil
}

func (f *fleet) publish(n *tenant, made token.Token, policy token.Policy) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	made.Revision = 1
	if n.current != nil {
		made.Revision = n.current.Revision + 1
		n.late = append(n.late, now.Sub(policy.RenewalTime(*n.current)))
	}
	n.current, n.minted = &made, append(n.minted, now)
}
