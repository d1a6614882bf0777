// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/token"
)

// Urgency of the next pass of a resource, as a priority of the queue. It is always set: by itself the queue gives each
// resource of the first list a low one, which it would keep, and so never be served under overload.
const (
	urgencyRoutine = 0
	urgencyAsked   = 20 // somebody has changed the resource, or wants it to go
	// urgencyDue is for a token that is to be renewed, and for a resource that is served for the first time. They go in the
	// order in which they come: if all of one kind went first, under overload the others would never have their turn.
	urgencyDue     = 40
	urgencyMissing = 60  // an application has lost its token
	urgencyDying   = 80  // an application is about to lose it
	urgencyExpired = 100 // an application has lost it by its age, or SFS does not take it

	// urgencyTurn is added for who comes back for a turn at a gate, and so has waited already.
	urgencyTurn = 10
)

// dueSoon is how long before its renewal a resource of the first list is looked at as one that is due.
const dueSoon = time.Minute

// tokenUrgency is that of a resource that has, or had, a token.
func tokenUrgency(current *token.Token, now time.Time) int {
	switch {
	case current == nil:
		return urgencyMissing
	case !current.Expires.After(now):
		return urgencyExpired
	case tokenClass(current, now) == classLosing:
		return urgencyDying
	}
	return urgencyDue
}

// urgency is that of an SfsClient by what is known before it is looked at.
func (r *ClientReconciler) urgency(ctx context.Context, o client.Object) int {
	c := o.(*v1alpha1.SfsClient)
	asked := urgencyRoutine
	if c.Generation != c.Status.ObservedGeneration || !c.DeletionTimestamp.IsZero() ||
		isNew(c.Annotations[v1alpha1.RenewRequestedAtAnnotation], c.Status.LastHandledRenewAt) ||
		isNew(c.Annotations[v1alpha1.RevokeRequestedAtAnnotation], c.Status.LastHandledRevokeAt) ||
		isNew(c.Annotations[v1alpha1.ReconcileRequestedAtAnnotation], c.Status.LastHandledReconcileAt) {
		asked = urgencyAsked
	}
	switch {
	case c.IsSuspended() || !c.DeletionTimestamp.IsZero():
		return asked
	case c.Status.ClientKey == "" || c.TokenEnabled() && c.Status.Token == nil:
		return urgencyDue
	case !c.TokenEnabled():
		return asked
	}
	who := ref{kind: clientKind, namespace: c.Namespace, name: c.Name}
	return r.keeper.urgency(ctx, who, c.UID, *c.Status.Token, renewalPolicy(nil, c), asked)
}

// urgency is that of a resource with a token, by what the status tells of it; otherwise while it is not due.
func (k *tokenKeeper) urgency(
	ctx context.Context, who ref, owner types.UID, known v1alpha1.TokenStatus, policy token.Policy, otherwise int,
) int {
	current, renewal := k.knownToken(ctx, who, owner, known, policy)
	if current == nil {
		return urgencyDue // nobody knows
	}
	now := k.clock.Now()
	if u := tokenUrgency(current, now); u > urgencyDue || renewal.Before(now.Add(dueSoon)) {
		return u
	}
	return otherwise
}

// knownToken is what the status tells of the token, or, where its times are omitted there, the Secret in the cache; and about
// when it is renewed.
func (k *tokenKeeper) knownToken(
	ctx context.Context, who ref, owner types.UID, known v1alpha1.TokenStatus, policy token.Policy,
) (*token.Token, time.Time) {
	if !known.ExpirationTime.IsZero() {
		return &token.Token{Issued: known.IssuedTime.Time, Expires: known.ExpirationTime.Time}, known.RenewalTime.Time
	}
	var secret corev1.Secret
	if err := k.secrets.cached.Get(ctx, client.ObjectKey{Namespace: who.namespace, Name: known.SecretRef.Name}, &secret); err != nil {
		return nil, time.Time{}
	}
	current := seen(&secret, who, owner).token(owner)
	if current == nil {
		return nil, time.Time{}
	}
	return current, policy.RenewalTime(*current)
}

// urgency is that of an SfsClientUser by what is known before it is looked at.
func (r *UserReconciler) urgency(_ context.Context, o client.Object) int {
	u := o.(*v1alpha1.SfsClientUser)
	switch {
	case u.IsSuspended() || u.Status.UserKey != "" && u.Generation == u.Status.ObservedGeneration:
		return urgencyRoutine
	case u.Status.UserKey == "":
		return urgencyDue
	}
	return urgencyAsked
}

// urgency is the same for all SfsPlatforms: they are few.
func (r *PlatformReconciler) urgency(context.Context, client.Object) int { return urgencyRoutine }

// byUrgency enters the resource that an event is about into the queue, by what is known of it.
func byUrgency(of func(context.Context, client.Object) int) handler.EventHandler {
	enter := func(ctx context.Context, o client.Object, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
		request := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(o)}
		q.(priorityqueue.PriorityQueue[ctrl.Request]).AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(of(ctx, o))}, request)
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
			enter(ctx, e.Object, q)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
			enter(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
			enter(ctx, e.Object, q)
		},
	}
}
