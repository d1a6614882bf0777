// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// cluster is the connection to the API server that all worlds share.
var cluster = sync.OnceValues(func() (shared sharedConnection, err error) {
	if shared.user, err = rest.HTTPClientFor(config); err != nil {
		return shared, err
	}
	if shared.operator, err = rest.HTTPClientFor(operatorConfig()); err != nil {
		return shared, err
	}
	shared.mapper, err = apiutil.NewDynamicRESTMapper(config, shared.user)
	return shared, err
})

type sharedConnection struct {
	user, operator *http.Client
	mapper         meta.RESTMapper
}

// connect returns a client of an administrator whose requests go through a transport of one's own.
func connect(t testing.TB, wrap func(http.RoundTripper) http.RoundTripper) client.WithWatch {
	t.Helper()
	shared, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	return shared.connect(t, shared.user, wrap)
}

// connectOperator is the same for the operator of a world, with its rights.
func (w *world) connectOperator(wrap func(http.RoundTripper) http.RoundTripper) client.WithWatch {
	w.t.Helper()
	shared, err := cluster()
	if err != nil {
		w.t.Fatal(err)
	}
	return shared.connect(w.t, shared.operator, func(next http.RoundTripper) http.RoundTripper { return wrap(w.asked.Over(next)) })
}

func (shared sharedConnection) connect(t testing.TB, as *http.Client, wrap func(http.RoundTripper) http.RoundTripper) client.WithWatch {
	t.Helper()
	readable := rest.CopyConfig(config)
	readable.ContentType = "application/json" // so that what is written can be told from the request
	c, err := client.NewWithWatch(readable, client.Options{
		Scheme: scheme, Mapper: shared.mapper, HTTPClient: &http.Client{Transport: wrap(as.Transport)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stored is one state of an object as the API server answered it; without an object it has to be read.
type stored struct {
	of ref
	is client.Object
}

// versions collects what was written since the last look.
type versions struct {
	mu  sync.Mutex
	all []stored
}

func (v *versions) add(one stored) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, one)
}

func (v *versions) take() []stored {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := v.all
	v.all = nil
	return all
}

// noticing notes what is written, by the operator or by the test.
func (w *world) noticing(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodGet || req.URL.Query().Has("dryRun") {
			return next.RoundTrip(req) // nothing is written
		}
		c := describeCall(planeKubernetes, req)
		whole := req.Clone(req.Context())
		whole.Header.Set("Accept", "application/json") // the operator may ask for the metadata only
		resp, body, err := (&exchange{call: c, request: whole, next: next}).send()
		switch {
		case err != nil:
			w.written.add(stored{of: c.target})
		case c.carriedOut:
			w.written.add(stored{c.target, written(c, body)})
		}
		return resp, err
	})
}

// written is what the API server answered to a write. It answers a write that lets an object go with what it was.
func written(c *call, body []byte) client.Object {
	o := newObject(c.target.kind)
	if o == nil || c.verb == "delete" || json.Unmarshal(body, o) != nil || !o.GetDeletionTimestamp().IsZero() {
		return nil
	}
	return o
}

// newObject returns an empty object of a kind that the operator watches, or nil.
func newObject(kind string) client.Object {
	for _, k := range watchedKinds {
		if k.name == kind {
			return k.make()
		}
	}
	return nil
}

// look takes note of what has been written.
func (w *world) look() {
	w.t.Helper()
	for all := w.written.take(); len(all) > 0; all = w.written.take() {
		for _, v := range all {
			if v.is == nil {
				v.is = w.read(v.of)
			}
			w.note(v)
		}
		if w.collects {
			w.collectGarbage()
		}
	}
}

// read returns an object as it is now, or nil.
func (w *world) read(r ref) client.Object {
	w.t.Helper()
	o := newObject(r.kind)
	if o == nil {
		return nil
	}
	err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: r.namespace, Name: r.name}, o)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return o
}

// note keeps a version of an object. Each is searched for secrets.
func (w *world) note(v stored) {
	before := w.there[v.of]
	if v.is == nil {
		delete(w.there, v.of)
	} else {
		w.there[v.of] = v.is
		w.inspect(v.is)
		w.dateDeletion(v.is)
	}
	if w.witness != nil {
		w.witness.saw(delivery{ref: v.of, before: before, after: v.is})
	}
	if w.saw != nil {
		w.saw(delivery{ref: v.of, before: before, after: v.is})
	}
}

// dateDeletion gives the deletion of an object the time of this world. The API server has a clock of its own.
func (w *world) dateDeletion(o client.Object) {
	if o.GetDeletionTimestamp().IsZero() {
		return
	}
	if _, known := w.deleted[o.GetUID()]; !known {
		w.deleted[o.GetUID()] = metav1.NewTime(w.clock.Now())
	}
	at := w.deleted[o.GetUID()]
	o.SetDeletionTimestamp(&at)
}

// collectGarbage deletes the Secrets of owners that are gone. There is nobody else who would.
func (w *world) collectGarbage() {
	w.t.Helper()
	for r, o := range w.there {
		owner := metav1.GetControllerOf(o)
		if owner == nil || r.kind != secretKind {
			continue
		}
		if is := w.there[ref{kind: owner.Kind, namespace: r.namespace, name: owner.Name}]; is == nil || is.GetUID() != owner.UID {
			w.delete(o)
		}
	}
}

// lag is a cache that is behind: it shows nothing new of some kinds for some passes, or until a time.
type lag struct {
	kinds  []string
	passes int
	until  time.Time
	// relists has the cache, when it catches up, see an object that was replaced as one that has changed.
	relists bool
}

func (l *lag) active() bool { return l.passes > 0 }

func (l *lag) holds(kind string) bool { return l.active() && slices.Contains(l.kinds, kind) }

func (l *lag) passed() {
	if l.active() {
		l.passes--
	}
}

func (l *lag) end() { l.passes = 0 }

// fallBehind has the cache show nothing new of some kinds for so many passes, or a time.
func (w *world) fallBehind(passes int, atMost time.Duration, kinds ...string) {
	w.lag = lag{kinds: kinds, passes: passes, until: w.clock.Now().Add(atMost)}
}

// deliver shows the operator what the API server holds, one object after the other.
func (w *world) deliver() {
	w.t.Helper()
	all := w.cache.behind(w.there)
	if w.lag.relists && !w.lag.active() {
		w.lag.relists, all = false, relisted(all)
	}
	for _, d := range all {
		if w.lag.holds(d.ref.kind) {
			continue
		}
		if w.delivers != nil && w.delivers(d) {
			return // the view is another one now
		}
		if w.lag.holds(d.ref.kind) {
			continue
		}
		w.cache.show(d)
		w.wake(d)
	}
}

// relisted joins the end of an object and the beginning of the one that took its place.
func relisted(all []delivery) []delivery {
	var joined []delivery
	for _, d := range all {
		if last := len(joined) - 1; last >= 0 && joined[last].ref == d.ref {
			joined[last].after = d.after
			continue
		}
		joined = append(joined, d)
	}
	return joined
}

// clear removes what the world leaves, which the API server would else hold in memory for the rest of the run: of 20,000
// plans some 9 GB.
func (w *world) clear() {
	bare := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	for _, o := range w.there {
		o = o.DeepCopyObject().(client.Object) // the searches for leaks look at them yet
		if len(o.GetFinalizers()) > 0 {
			_ = w.client.Patch(context.Background(), o, bare)
		}
		_ = w.client.Delete(context.Background(), o)
	}
}

// everything is what the cluster holds of this world, read anew.
func (w *world) everything() []client.Object {
	w.t.Helper()
	all := []client.Object{}
	list := func(into client.ObjectList, opts ...client.ListOption) {
		w.t.Helper()
		if err := w.client.List(context.Background(), into, opts...); err != nil {
			w.t.Fatal(err)
		}
		_ = meta.EachListItem(into, func(o runtime.Object) error {
			all = append(all, o.(client.Object))
			return nil
		})
	}
	list(&v1alpha1.SfsPlatformList{}, client.MatchingFields{"metadata.name": w.platform})
	list(&v1alpha1.SfsClientList{}, client.InNamespace(w.namespace))
	list(&v1alpha1.SfsClientUserList{}, client.InNamespace(w.namespace))
	list(&v1alpha1.OAuthTokenList{}, client.InNamespace(w.namespace))
	list(&corev1.SecretList{}, client.InNamespace(w.namespace))
	list(&corev1.SecretList{}, client.InNamespace(w.operator))
	return all
}

// inspect looks for any secret of the simulator in what an object shows outside of the values of a Secret.
func (w *world) inspect(o client.Object) {
	shown := o.DeepCopyObject()
	if s, ok := shown.(*corev1.Secret); ok {
		s.Data = nil
	}
	text, err := json.Marshal(shown)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, form := range canaries() {
		if bytes.Contains(text, []byte(form)) {
			w.leaks = append(w.leaks, kindOf(o)+" "+o.GetName())
		}
	}
}

// searchForLeaks looks for any secret of the simulator in all that the operator has shown: objects, events and its log.
func (w *world) searchForLeaks() {
	if w.t.Failed() {
		return
	}
	objects := slices.Collect(maps.Values(w.there))
	if w.process {
		objects = w.everything()
		var events corev1.EventList
		if err := w.client.List(context.Background(), &events, client.InNamespace(w.namespace)); err != nil {
			w.t.Error(err)
		}
		for i := range events.Items {
			objects = append(objects, &events.Items[i])
		}
	}
	for _, o := range objects {
		w.inspect(o)
	}
	told, _ := json.Marshal(w.recorder.all())
	for _, form := range canaries() {
		if bytes.Contains(told, []byte(form)) {
			w.leaks = append(w.leaks, "an event")
		}
		if w.log.find(form) != "" {
			w.leaks = append(w.leaks, "the log")
		}
	}
	if len(w.leaks) > 0 {
		w.t.Errorf("a secret of the simulator stands in %v", slices.Compact(w.leaks))
	}
}
