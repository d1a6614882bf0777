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
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// cluster is the connection to the API server that all worlds share.
var cluster = sync.OnceValues(func() (shared sharedConnection, err error) {
	if shared.http, err = rest.HTTPClientFor(config); err != nil {
		return shared, err
	}
	shared.mapper, err = apiutil.NewDynamicRESTMapper(config, shared.http)
	return shared, err
})

type sharedConnection struct {
	http   *http.Client
	mapper meta.RESTMapper
}

// connect returns a client whose requests go through a transport of one's own.
func connect(t testing.TB, wrap func(http.RoundTripper) http.RoundTripper) client.WithWatch {
	t.Helper()
	shared, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	readable := rest.CopyConfig(config)
	readable.ContentType = "application/json" // so that what is written can be told from the request
	c, err := client.NewWithWatch(readable, client.Options{
		Scheme: scheme, Mapper: shared.mapper, HTTPClient: &http.Client{Transport: wrap(shared.http.Transport)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// changedRefs collects what may have changed.
type changedRefs struct {
	mu   sync.Mutex
	refs map[ref]client.Object
}

func (c *changedRefs) add(r ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refs == nil {
		c.refs = map[ref]client.Object{}
	}
	c.refs[r] = nil
}

func (c *changedRefs) take() []ref {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := sortedRefs(c.refs, nil)
	c.refs = nil
	return all
}

// look reads again what has been written.
func (w *world) look() {
	w.t.Helper()
	for written := w.touched.take(); len(written) > 0; written = w.touched.take() {
		for _, r := range written {
			w.read(r)
		}
		if w.collects {
			w.collectGarbage()
		}
	}
}

// read reads one object. Each version that is seen is searched for secrets.
func (w *world) read(r ref) {
	w.t.Helper()
	before := w.there[r]
	var now client.Object
	for _, k := range watchedKinds {
		if k.name == r.kind {
			now = k.make()
		}
	}
	if now == nil {
		return
	}
	err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: r.namespace, Name: r.name}, now)
	switch {
	case client.IgnoreNotFound(err) != nil:
		w.t.Fatal(err)
	case err != nil:
		delete(w.there, r)
		now = nil
	default:
		w.there[r] = now
		w.inspect(now)
	}
	if w.witness != nil {
		w.witness.saw(delivery{ref: r, before: before, after: now})
	}
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
	for _, d := range w.cache.behind(w.there) {
		if w.lag.holds(d.ref.kind) {
			continue
		}
		if w.witness != nil && w.witness.delivering(d) {
			return // the view is another one now
		}
		if w.lag.holds(d.ref.kind) {
			continue
		}
		w.cache.show(d)
		w.wake(d)
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
