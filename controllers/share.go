// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// Several processes may share the resources of a cluster among them, each with a selector of its own: a resource is served by
// the process whose selector matches the resource's own labels. Only what is worked on is divided. Each process has all
// resources in its cache, since what it serves depends on what others serve: rivals for a client, the client of a user, the
// platform of a client.
//
// Each process has for itself, for the same platform:
//
//   - a session: its connections, its platform token, and its gate, so that the rate limit holds for each process, and a 429
//     stops the process that got it;
//   - what SFS last said of the credentials (verdict). The status tells what the process that serves the SfsPlatform knows.
//     The others try refused credentials again by themselves (lookOn), and use the pair that the status names;
//   - the list that drift is found by: who changes something at SFS is noticed by the process that serves the resource;
//   - what it remembers of the resources that it serves: failed steps, tokens that could not be written, claims on clients.
//
// What two processes do to one resource at the same time, since its labels have just changed, is as safe as what two leaders
// do of which one was frozen: the status is written under an optimistic lock, and a create begins with that.

// share is what this process serves.
type share struct {
	selector labels.Selector // nil: all
	reader   client.Reader   // of the cache
}

func (s share) isAll() bool { return s.selector == nil || s.selector.Empty() }

// has says whether this process serves a resource.
func (s share) has(o client.Object) bool {
	return s.isAll() || s.selector.Matches(labels.Set(o.GetLabels()))
}

// sharing is a controller that leaves alone what this process does not serve.
type sharing struct {
	watcher
	share share
	kind  client.Object // an empty one
}

// of returns a controller for this share.
func (s share) of(w watcher) watcher {
	if s.isAll() {
		return w
	}
	return sharing{w, s, w.watches()[0].object}
}

// Reconcile does what is due for a resource, or looks on while another process does. What is gone is forgotten as ever.
func (c sharing) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if o := c.elsewhere(ctx, req); o != nil {
		return c.lookOn(ctx, o)
	}
	return c.watcher.Reconcile(ctx, req)
}

// elsewhere returns a resource, which MUST NOT be changed, if there is one and another process serves it.
func (c sharing) elsewhere(ctx context.Context, req ctrl.Request) client.Object {
	o := c.kind.DeepCopyObject().(client.Object)
	if err := c.share.reader.Get(ctx, req.NamespacedName, o, client.UnsafeDisableDeepCopy); err != nil || c.share.has(o) {
		return nil // an error is for Reconcile, which meets it too
	}
	return o
}

// watches has only resources brought back that this process serves. Those of its own kind are also looked at when they begin
// or cease to be: a label counts for nothing else.
func (c sharing) watches() []watched {
	table := c.watcher.watches()
	table[0].changes = c.relabelled(table[0].changes)
	for i := range table[1:] {
		table[i+1].requests = c.served(table[i+1].requests)
	}
	return table
}

func (c sharing) relabelled(changes predicate.Predicate) predicate.Predicate {
	looksAt := func(o client.Object) bool { return c.share.has(o) || c.looksOn() }
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return looksAt(e.Object) && changes.Create(e) },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return c.share.has(e.ObjectOld) != c.share.has(e.ObjectNew) || looksAt(e.ObjectNew) && changes.Update(e)
		},
		DeleteFunc: changes.Delete, // whatever its labels were last: something may be known of it
	}
}

func (c sharing) served(requests handler.MapFunc) handler.MapFunc {
	return func(ctx context.Context, o client.Object) []ctrl.Request {
		return slices.DeleteFunc(requests(ctx, o), func(r ctrl.Request) bool { return c.elsewhere(ctx, r) != nil })
	}
}
