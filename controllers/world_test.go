// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// world is an operator with a clock that moves only when the test says so: the reconcilers against a real
// kube-apiserver and the simulator, and in the place of the work queue a list of what is due when. An hour passes in it in
// as many passes as an hour needs.
//
// Where the operator has a cache, the world has none, so that each run is the same; what a cache that is behind does to
// the operator is told by tests of its own.
type world struct {
	t         *testing.T
	client    client.WithWatch // the user's, not the operator's
	sim       *sfstest.Server
	clock     *clocktesting.FakePassiveClock
	namespace string // of the tenants
	platform  string
	operator  string // namespace of the operator

	parts    reconcilers
	recorder *eventLog
	options  Options
	api      client.Client // the operator's
	due      map[ref]time.Time
	known    map[ref]client.Object
	written  atomic.Bool // something has been written since the last look
	// each is called after each pass.
	each func()
}

var worlds struct {
	sync.Mutex
	n int
}

// newWorld makes a platform with credentials, and a namespace that may use it.
func newWorld(t *testing.T, options ...sfstest.Option) *world {
	t.Helper()
	worlds.Lock()
	worlds.n++
	id := fmt.Sprintf("w%d", worlds.n)
	worlds.Unlock()
	start := time.Now().Truncate(time.Second)
	w := &world{
		t: t, clock: clocktesting.NewFakePassiveClock(start),
		namespace: id + "-tenants", platform: id, operator: id + "-operator",
		recorder: &eventLog{}, due: map[ref]time.Time{}, known: map[ref]client.Object{},
	}
	w.client = w.noticing(newClient(t))
	w.sim = sfstest.New(append([]sfstest.Option{sfstest.WithClock(w.clock)}, options...)...)
	t.Cleanup(w.sim.Close)
	t.Cleanup(func() { w.searchForLeaks() })
	w.api = w.client
	w.options = Options{Namespace: w.operator, Clock: w.clock}
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

// noticing notes each write, by the operator or by the test.
func (w *world) noticing(c client.WithWatch) client.WithWatch {
	return interceptor.NewClient(c, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			w.written.Store(true)
			return c.Create(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			w.written.Store(true)
			return c.Delete(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			w.written.Store(true)
			return c.Patch(ctx, o, p, opts...)
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			w.written.Store(true)
			return c.Apply(ctx, o, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			w.written.Store(true)
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	})
}

func (w *world) credentials(pair sendforsign.Credentials) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.operator, Name: "credentials"},
		Data: map[string][]byte{
			v1alpha1.KeyAPIKey:    []byte(pair.APIKey.Reveal()),
			v1alpha1.KeyAPISecret: []byte(pair.Secret.Reveal()),
		},
	}
}

// restart replaces the operator by a new one, which knows nothing but what the cluster holds.
func (w *world) restart() {
	w.parts = newReconcilers(w.api, digestingReader{w.api}, w.api, w.options)
	w.parts.platforms.recorder, w.parts.clients.recorder, w.parts.users.recorder = w.recorder, w.recorder, w.recorder
	for r := range w.due {
		w.due[r] = w.clock.Now()
	}
}

// digestingReader serves Secrets as the operator's cache does.
type digestingReader struct{ client.Reader }

func (d digestingReader) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if err := d.Reader.Get(ctx, key, o, opts...); err != nil {
		return err
	}
	_, err := digestSecret(o)
	return err
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.client.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
	}
}

// newSfsClient makes an SfsClient for the platform of this world.
func (w *world) newSfsClient(name string, change ...func(*v1alpha1.SfsClient)) *v1alpha1.SfsClient {
	w.t.Helper()
	c := &v1alpha1.SfsClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       v1alpha1.SfsClientSpec{PlatformRef: v1alpha1.PlatformReference{Name: w.platform}},
	}
	for _, f := range change {
		f(c)
	}
	w.create(c)
	return c
}

func (w *world) newSfsClientUser(name, of string, change ...func(*v1alpha1.SfsClientUser)) *v1alpha1.SfsClientUser {
	w.t.Helper()
	u := &v1alpha1.SfsClientUser{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       v1alpha1.SfsClientUserSpec{ClientRef: v1alpha1.ClientReference{Name: of}},
	}
	for _, f := range change {
		f(u)
	}
	w.create(u)
	return u
}

// update changes an object as a user would.
func update[T client.Object](w *world, o T, change func(T)) {
	w.t.Helper()
	w.reload(o)
	before := o.DeepCopyObject().(T)
	change(o)
	if err := w.client.Patch(w.t.Context(), o, client.MergeFrom(before)); err != nil {
		w.t.Fatalf("changing %T %s: %v", o, o.GetName(), err)
	}
}

func (w *world) reload(o client.Object) {
	w.t.Helper()
	if err := w.client.Get(w.t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		w.t.Fatalf("reading %T %s: %v", o, o.GetName(), err)
	}
}

func (w *world) delete(o client.Object) {
	w.t.Helper()
	if err := w.client.Delete(w.t.Context(), o); err != nil {
		w.t.Fatalf("deleting %T %s: %v", o, o.GetName(), err)
	}
}

// secret returns a Secret of the tenants' namespace, or nil.
func (w *world) secret(name string) *corev1.Secret {
	w.t.Helper()
	var s corev1.Secret
	err := w.client.Get(w.t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, &s)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return &s
}

// settle runs passes until nothing is due now.
func (w *world) settle() { w.run(0) }

// run lets time pass. Each resource has a pass when it asked for one, and when it, or anything that it may depend on,
// has changed.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	end := w.clock.Now().Add(d)
	for passes := 0; ; passes++ {
		if passes > 20_000 {
			w.t.Fatalf("the operator does not come to rest, last with %v", w.due)
		}
		w.watch()
		who, at := w.next()
		if who == (ref{}) || at.After(end) {
			break
		}
		if at.After(w.clock.Now()) {
			w.clock.SetTime(at)
		}
		w.pass(who)
		if w.each != nil {
			w.each()
		}
	}
	w.clock.SetTime(end)
}

// next is what is due first; of several, always the same.
func (w *world) next() (ref, time.Time) {
	order := func(a, b ref) int {
		return cmp.Or(w.due[a].Compare(w.due[b]), strings.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
	}
	all := slices.SortedFunc(maps.Keys(w.due), order)
	for _, r := range all {
		if !w.due[r].IsZero() {
			return r, w.due[r]
		}
	}
	return ref{}, time.Time{}
}

func (w *world) pass(who ref) {
	w.t.Helper()
	result, err := w.reconcilerOf(who).Reconcile(w.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: who.namespace, Name: who.name}})
	switch {
	case err != nil:
		w.due[who] = w.clock.Now().Add(time.Second)
	case result.RequeueAfter > 0:
		w.due[who] = w.clock.Now().Add(result.RequeueAfter)
	default:
		w.due[who] = time.Time{}
	}
}

func (w *world) reconcilerOf(who ref) reconcile.Reconciler {
	switch who.kind {
	case clientKind:
		return w.parts.clients
	case userKind:
		return w.parts.users
	}
	return w.parts.platforms
}

// watch makes due what the operator's watches would bring back, or a little more: a pass that finds nothing to do must
// cost nothing anyway.
func (w *world) watch() {
	w.t.Helper()
	for kind, signals := range map[string]<-chan event.GenericEvent{
		platformKind: w.parts.platforms.signals(), clientKind: w.parts.clients.signals(), userKind: w.parts.users.signals(),
	} {
		for len(signals) > 0 {
			w.enqueue(kind, (<-signals).Object.GetName())
		}
	}
	if !w.written.Swap(false) {
		return
	}
	seen := map[ref]client.Object{}
	for _, o := range w.everything() {
		seen[ref{kind: fmt.Sprintf("%T", o), namespace: o.GetNamespace(), name: o.GetName()}] = o
	}
	for r, o := range w.known {
		if now, still := seen[r]; !still || now.GetUID() != o.GetUID() {
			w.notify(o)
		}
	}
	for r, o := range seen {
		if before, known := w.known[r]; !known || before.GetResourceVersion() != o.GetResourceVersion() {
			w.notify(o)
		}
	}
	w.known = seen
}

func (w *world) enqueue(kind, name string) {
	r := ref{kind: kind, namespace: w.namespace, name: name}
	if kind == platformKind {
		r.namespace = ""
	}
	w.due[r] = w.clock.Now()
}

// notify makes due what depends on an object that has changed.
func (w *world) notify(o client.Object) {
	switch o := o.(type) {
	case *v1alpha1.SfsClient:
		w.enqueue(clientKind, o.Name)
		w.enqueue(platformKind, w.platform)
		for _, other := range w.known {
			if user, ok := other.(*v1alpha1.SfsClientUser); ok && user.Spec.ClientRef.Name == o.Name {
				w.enqueue(userKind, user.Name)
			}
		}
	case *v1alpha1.SfsClientUser:
		w.enqueue(userKind, o.Name)
		w.enqueue(clientKind, o.Spec.ClientRef.Name)
	case *corev1.Secret:
		if owner := metav1.GetControllerOf(o); owner != nil {
			w.enqueue(owner.Kind, owner.Name)
			return
		}
		w.notifyAll()
	default:
		w.notifyAll()
	}
}

func (w *world) notifyAll() {
	w.enqueue(platformKind, w.platform)
	for _, o := range w.known {
		switch o.(type) {
		case *v1alpha1.SfsClient:
			w.enqueue(clientKind, o.GetName())
		case *v1alpha1.SfsClientUser:
			w.enqueue(userKind, o.GetName())
		}
	}
}

// everything is what the cluster holds of this world.
func (w *world) everything() []client.Object {
	w.t.Helper()
	var all []client.Object
	var platform v1alpha1.SfsPlatform
	if err := w.client.Get(w.t.Context(), types.NamespacedName{Name: w.platform}, &platform); err == nil {
		all = append(all, &platform)
	}
	var clients v1alpha1.SfsClientList
	var users v1alpha1.SfsClientUserList
	var secrets, credentials corev1.SecretList
	for list, namespace := range map[client.ObjectList]string{&clients: w.namespace, &users: w.namespace, &secrets: w.namespace, &credentials: w.operator} {
		if err := w.client.List(w.t.Context(), list, client.InNamespace(namespace)); err != nil {
			w.t.Fatal(err)
		}
	}
	for i := range clients.Items {
		all = append(all, &clients.Items[i])
	}
	for i := range users.Items {
		all = append(all, &users.Items[i])
	}
	for i := range secrets.Items {
		all = append(all, &secrets.Items[i])
	}
	for i := range credentials.Items {
		all = append(all, &credentials.Items[i])
	}
	return all
}

// tokenOf returns the living token that the Secret of an SfsClient must hold now, and fails the test if it holds none
// with enough life left.
func (w *world) tokenOf(c *v1alpha1.SfsClient) (sfstest.TokenInfo, *corev1.Secret) {
	w.t.Helper()
	s := w.secret(c.TokenSecretName())
	if s == nil {
		w.t.Fatalf("there is no Secret %s", c.TokenSecretName())
	}
	info, known := w.sim.TokenState(string(s.Data[v1alpha1.KeyToken]))
	if !known || !info.Alive {
		w.t.Fatalf("%s: Secret %s holds a token that SFS does not accept: %+v", w.clock.Now().Format(time.TimeOnly), s.Name, info)
	}
	life := info.Expires.Sub(info.Issued)
	if left := info.Expires.Sub(w.clock.Now()); left < token.MinRemaining(life) {
		w.t.Fatalf("%s: the token in Secret %s has only %s of %s left", w.clock.Now().Format(time.TimeOnly), s.Name, left, life)
	}
	return info, s
}

func (w *world) wantReady(objects ...object) {
	w.t.Helper()
	for _, o := range objects {
		w.reload(o)
		if !conditions.IsTrue(o, v1alpha1.ReadyCondition) {
			w.t.Errorf("%T %s is not Ready: %s", o, o.GetName(), describe(o))
		}
		for _, c := range *o.GetConditions() {
			if c.ObservedGeneration > o.GetGeneration() {
				w.t.Errorf("%T %s: %s has observedGeneration %d, the object has generation %d", o, o.GetName(), c.Type, c.ObservedGeneration, o.GetGeneration())
			}
		}
	}
}

// wantCondition checks a condition and that its message holds all the words.
func (w *world) wantCondition(o object, conditionType string, status metav1.ConditionStatus, reason string, words ...string) {
	w.t.Helper()
	w.reload(o)
	c := conditions.Get(o, conditionType)
	if c == nil || c.Status != status || c.Reason != reason {
		w.t.Errorf("%T %s: want %s=%s %s, have %s", o, o.GetName(), conditionType, status, reason, describe(o))
		return
	}
	for _, word := range words {
		if !strings.Contains(c.Message, word) {
			w.t.Errorf("%T %s: the message of %s should say %q: %s", o, o.GetName(), conditionType, word, c.Message)
		}
	}
}

func describe(o object) string {
	var b strings.Builder
	for _, c := range *o.GetConditions() {
		fmt.Fprintf(&b, "\n  %s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message)
	}
	return b.String()
}

// searchForLeaks looks for any secret of the simulator in all that the cluster shows outside of Secrets, and in events.
func (w *world) searchForLeaks() {
	if w.t.Failed() {
		return
	}
	var shown bytes.Buffer
	ctx := context.Background()
	for _, list := range []client.ObjectList{&v1alpha1.SfsPlatformList{}, &v1alpha1.SfsClientList{}, &v1alpha1.SfsClientUserList{}, &corev1.EventList{}} {
		if err := w.client.List(ctx, list); err != nil {
			w.t.Error(err)
		}
		_ = json.NewEncoder(&shown).Encode(list)
	}
	var secrets corev1.SecretList
	if err := w.client.List(ctx, &secrets); err != nil {
		w.t.Error(err)
	}
	for i := range secrets.Items {
		secrets.Items[i].Data = nil
	}
	_ = json.NewEncoder(&shown).Encode(secrets)
	_ = json.NewEncoder(&shown).Encode(w.recorder.all())
	for _, form := range canaries() {
		if bytes.Contains(shown.Bytes(), []byte(form)) {
			w.t.Error("a secret of the simulator stands in a status, an annotation or an event")
		}
	}
}

// eventLog keeps events.
type eventLog struct {
	mu     sync.Mutex
	events []string
}

func (l *eventLog) Eventf(regarding, _ runtime.Object, eventType, reason, _, note string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := regarding.(client.Object).GetName()
	l.events = append(l.events, fmt.Sprintf("%s %s %s: %s", name, eventType, reason, fmt.Sprintf(note, args...)))
}

func (l *eventLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

func (l *eventLog) count(name, reason string) int {
	n := 0
	for _, e := range l.all() {
		if strings.HasPrefix(e, name+" ") && strings.Contains(e, " "+reason+": ") {
			n++
		}
	}
	return n
}
