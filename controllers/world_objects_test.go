// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

func (w *world) credentials(pair sendforsign.Credentials) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.operator, Name: "credentials"},
		Data: map[string][]byte{
			v1alpha1.KeyAPIKey:    []byte(pair.APIKey.Reveal()),
			v1alpha1.KeyAPISecret: []byte(pair.Secret.Reveal()),
		},
	}
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

// eventLog keeps events.
type eventLog struct {
	mu     sync.Mutex
	events []string
	// mute says that nobody is there any more to tell.
	mute func() bool
}

func (l *eventLog) Eventf(regarding, _ runtime.Object, eventType, reason, _, note string, args ...any) {
	if l.mute != nil && l.mute() {
		return
	}
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
