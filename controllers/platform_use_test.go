// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

func (w *world) wantClients(total, ready int32) {
	w.t.Helper()
	p := w.sfsPlatform()
	w.reload(p)
	if c := p.Status.Clients; c == nil || *c.Total != total || *c.Ready != ready {
		w.t.Errorf("status.clients is %+v, want %d and %d", c, total, ready)
	}
}

func (w *world) wantHeld(held bool) {
	w.t.Helper()
	p := w.sfsPlatform()
	w.reload(p)
	if slices.Contains(p.Finalizers, v1alpha1.InUseFinalizer) != held {
		w.t.Errorf("the finalizers of the platform are %v", p.Finalizers)
	}
}

func (w *world) isGone(o client.Object) bool {
	w.t.Helper()
	err := w.client.Get(w.t.Context(), client.ObjectKeyFromObject(o), o)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	return apierrors.IsNotFound(err)
}

func TestAPlatformCountsItsClients(t *testing.T) {
	w := newWorld(t)
	w.settle()
	w.wantClients(0, 0)
	w.wantHeld(false)
	a := w.newSfsClient("a")
	w.settle()
	w.wantHeld(true)
	heal := w.sim.Inject(sfstest.Fault{Status: 503})
	b := w.newSfsClient("b")
	w.run(time.Minute)
	w.wantClients(2, 1)
	heal()
	w.run(time.Minute)
	w.wantClients(2, 2)

	version := w.versionsNow()
	for range 3 {
		w.restart()
		w.run(time.Minute)
	}
	if !maps.Equal(version, w.versionsNow()) {
		t.Error("something was written after restarts")
	}
	w.delete(a)
	w.run(10 * time.Second)
	w.wantClients(1, 1)
	w.wantHeld(true)
	w.delete(b)
	w.run(10 * time.Second)
	w.wantClients(0, 0)
	w.wantHeld(false)
}

// A thousand clients that become Ready one after the other bring the platform back a thousand times.
func TestManyClientsAreFewWritesOfThePlatform(t *testing.T) {
	w := newWorld(t)
	w.run(time.Minute)
	const many = 1000
	crowd := w.showCrowd(many)
	for crowd.ready = range many {
		w.due[w.refOf(platformKind, w.platform)] = w.clock.Now()
		w.run(20 * time.Millisecond)
	}
	crowd.ready = many
	w.due[w.refOf(platformKind, w.platform)] = w.clock.Now()
	w.run(time.Minute)
	w.wantClients(many, many)
	if crowd.writes > 8 || crowd.lists > 8 {
		t.Errorf("in 20 s the status was written %d times and the clients were listed %d times, want at most 8", crowd.writes, crowd.lists)
	}
}

// crowd shows many SfsClients, of which some are Ready.
type crowd struct {
	client.Client
	clientLister
	size, ready   int
	lists, writes int
}

// showCrowd has the platform see so many.
func (w *world) showCrowd(size int) *crowd {
	p := w.parts.platforms
	c := &crowd{Client: p.client, clientLister: p.lister, size: size}
	p.client, p.lister = c, c
	return c
}

func (c *crowd) clientsBy(string, string) []*v1alpha1.SfsClient {
	c.lists++
	all := make([]*v1alpha1.SfsClient, c.size)
	for i := range all {
		all[i] = &v1alpha1.SfsClient{}
		if i < c.ready {
			all[i].Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue}}
		}
	}
	return all
}

func (c *crowd) Status() client.SubResourceWriter { return crowdWriter{c.Client.Status(), c} }

type crowdWriter struct {
	client.SubResourceWriter
	crowd *crowd
}

func (w crowdWriter) Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
	w.crowd.writes++
	return w.SubResourceWriter.Patch(ctx, o, p, opts...)
}

func TestAPlatformThatNobodyUsesIsGoneAtOnce(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.Token.RevocationPolicy = v1alpha1.RevokeNever })
	w.run(time.Minute)
	w.wantHeld(true)
	w.delete(w.sfsPlatform())
	w.settle()
	if !w.isGone(w.sfsPlatform()) {
		t.Error("it waits for clients that have nothing to revoke")
	}
	w.wantCondition(c, v1alpha1.SyncedCondition, metav1.ConditionFalse, v1alpha1.PlatformNotFoundReason)
}

func TestAPlatformInUseIsHeldForAMinute(t *testing.T) {
	w := newWorld(t)
	var clients []object
	for _, name := range []string{"e", "d", "c", "b", "a"} {
		clients = append(clients, w.newSfsClient(name))
	}
	w.run(10 * time.Second)
	w.delete(w.sfsPlatform())
	w.run(time.Second)
	ns := w.namespace
	w.wantCondition(w.sfsPlatform(), v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.DeletingReason,
		fmt.Sprintf("%[1]s/a, %[1]s/b, %[1]s/c and 2 more", ns))
	w.restart()
	w.newSfsClient("late") // as any
	w.run(20 * time.Second)
	w.wantCondition(w.sfsPlatform(), v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.DeletingReason, "and 3 more")
	w.wantReady(clients...)
	if n := w.recorder.count(w.platform, "InUse"); n != 1 {
		t.Errorf("%d events tell that the platform is in use, want 1", n)
	}
	w.run(time.Minute)
	if !w.isGone(w.sfsPlatform()) {
		t.Error("the platform is not gone after a minute")
	}
	for _, o := range clients {
		w.tokenOf(o.(*v1alpha1.SfsClient))
	}
}

// Whatever is deleted first, tokens are revoked and all is gone soon.
func TestEverythingIsDeletedInAnyOrder(t *testing.T) {
	for _, test := range []struct {
		order   []string
		between time.Duration
	}{
		{order: []string{"platform", "clients", "credentials"}},
		{order: []string{"platform", "clients", "credentials"}, between: 10 * time.Second},
		{order: []string{"clients", "platform", "credentials"}},
		{order: []string{"clients", "credentials", "platform"}, between: time.Second},
		{order: []string{"credentials", "platform", "clients"}},
		{order: []string{"credentials", "clients", "platform"}, between: time.Second},
		{order: []string{"platform", "credentials", "clients"}, between: time.Second},
	} {
		t.Run(fmt.Sprintf("%v each %s", test.order, test.between), func(t *testing.T) {
			w := newWorld(t)
			var all []client.Object
			var tokens []string
			clients := []*v1alpha1.SfsClient{w.newSfsClient("a"), w.newSfsClient("b"), w.newSfsClient("c")}
			w.run(10 * time.Second)
			for _, c := range clients {
				_, s := w.tokenOf(c)
				tokens = append(tokens, string(s.Data[v1alpha1.KeyToken]))
				all = append(all, c)
			}
			all = append(all, w.sfsPlatform())
			for _, what := range test.order {
				switch what {
				case "platform":
					w.delete(w.sfsPlatform())
				case "credentials":
					w.delete(w.credentials(wrongPair))
				default:
					for _, c := range clients {
						w.delete(c)
						w.watch() // all are deleted before the operator looks
					}
				}
				if test.between > 0 {
					w.run(test.between)
				}
			}
			w.run(time.Minute - time.Duration(len(test.order))*test.between)
			for _, o := range all {
				if !w.isGone(o) {
					t.Errorf("%T %s is there after a minute", o, o.GetName())
				}
			}
			canRevoke := slices.Index(test.order, "clients") < slices.Index(test.order, "credentials") && (test.between > 0)
			for _, token := range tokens {
				if info, _ := w.sim.TokenState(token); info.Alive && canRevoke {
					t.Error("a token lives on")
				}
			}
		})
	}
}

func TestUseChanged(t *testing.T) {
	t.Parallel()
	with := func(ready metav1.ConditionStatus, finalizers ...string) *v1alpha1.SfsClient {
		c := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Finalizers: finalizers}}
		if ready != "" {
			c.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: ready}}
		}
		return c
	}
	renewed := with(metav1.ConditionTrue)
	renewed.Status.Token = &v1alpha1.TokenStatus{Revision: 7}
	renewed.Generation = 3
	checkUpdates(t, useChanged(), map[string]updateCase{
		"it becomes Ready":      {reason: "it is counted", before: with(""), after: with(metav1.ConditionTrue), want: true},
		"it is no longer Ready": {reason: "it is counted", before: with(metav1.ConditionTrue), after: with(metav1.ConditionFalse), want: true},
		"it is looked at first": {reason: "it is not counted", before: with(""), after: with(metav1.ConditionFalse), want: false},
		"a renewal":             {reason: "nothing is counted", before: with(metav1.ConditionTrue), after: renewed, want: false},
		"its token is revoked": {
			reason: "the platform may be waiting for it",
			before: with(metav1.ConditionTrue, v1alpha1.RevokeTokenFinalizer, "other"), after: with(metav1.ConditionTrue, "other"), want: true,
		},
		"it is retired": {
			reason: "the platform may be waiting for it",
			before: with(metav1.ConditionTrue, v1alpha1.RetireFinalizer), after: with(metav1.ConditionTrue), want: true,
		},
		"another finalizer": {reason: "it is not the operator's", before: with(""), after: with("", "other"), want: false},
	})
	if o := with(""); !useChanged().Create(event.CreateEvent{Object: o}) || !useChanged().Delete(event.DeleteEvent{Object: o}) {
		t.Error("a creation or a deletion is not let through")
	}
}

func TestSomeOf(t *testing.T) {
	t.Parallel()
	for want, names := range map[string][]string{
		"":                     {},
		"a":                    {"a"},
		"a, b, c":              {"a", "b", "c"},
		"a, b, c and 1 more":   {"a", "b", "c", "d"},
		"a, b, c and 997 more": append([]string{"a", "b", "c"}, make([]string, 997)...),
	} {
		if got := someOf(names); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func (w *world) refOf(kind, name string) ref {
	if kind == platformKind {
		return ref{kind: kind, name: name}
	}
	return ref{kind: kind, namespace: w.namespace, name: name}
}
