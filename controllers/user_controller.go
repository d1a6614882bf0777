// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// +kubebuilder:rbac:groups=sendforsign.com,resources=sfsclientusers,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=sendforsign.com,resources=sfsclientusers/status,verbs=patch

// UserReconciler keeps SfsClientUsers: one user at SFS, and its identifiers in a Secret. A user has a finalizer only with
// deletionPolicy Retire: SFS can not delete users, and there is no token to revoke.
type UserReconciler struct {
	client   client.Client
	lister   clientLister
	clock    clock.PassiveClock
	recorder events.EventRecorder
	sessions *Sessions
	secrets  *Secrets
	creator  *creator
	attempts *attempts
	claims   *claims
	drift    *drift
	share    share
}

const userKind = "SfsClientUser"

// userPass is one pass over one SfsClientUser.
type userPass struct {
	*tenantPass
	user  *v1alpha1.SfsClientUser
	owner *v1alpha1.SfsClient // the client that the user belongs to
}

// Reconcile does what is due for one SfsClientUser.
func (r *UserReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	who := ref{kind: userKind, namespace: req.Namespace, name: req.Name}
	u := &v1alpha1.SfsClientUser{}
	if err := r.client.Get(ctx, req.NamespacedName, u); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.forget(who)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading the SfsClientUser: %w", err)
	}
	if wait := r.attempts.behind(who, u); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	ctx = withGeneration(ctx, u)
	p := &userPass{user: u, tenantPass: &tenantPass{
		pass:     newPass(who, u, r.clock, r.client, r.recorder, r.attempts),
		sessions: r.sessions,
		drift:    r.drift,
		at: comparison{
			time: &u.Status.LastSyncTime, handled: &u.Status.LastHandledReconcileAt, pending: &u.Status.PendingChanges,
		},
		policy: profilePolicy{observed: u.IsObserved(), reported: u.Spec.DriftPolicy == v1alpha1.DriftPolicyReport},
	}}
	if !u.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, p)
	}
	if u.IsSuspended() {
		p.resting = true
		u.Status.ObservedGeneration = u.Generation
		p.summarize(v1alpha1.SyncedCondition, v1alpha1.SecretReadyCondition)
		p.remarkSuspended()
		return p.finish(ctx, nil)
	}
	return p.finish(ctx, r.reconcile(ctx, p))
}

func (r *UserReconciler) reconcile(ctx context.Context, p *userPass) error {
	defer func() {
		p.user.Status.ObservedGeneration = p.user.Generation
		p.summarize(v1alpha1.SyncedCondition, v1alpha1.SecretReadyCondition)
	}()
	if err := r.identify(ctx, p); err != nil {
		p.report(v1alpha1.SyncedCondition, "", "", err)
		return err
	}
	failed := []error{
		p.syncProfile(ctx, userProfile{r, p}),
		r.publishIdentity(ctx, p),
	}
	if err := errors.Join(failed...); err != nil {
		return firstUnsettled(failed)
	}
	return p.sweep(ctx, r.secrets, &p.user.Status.FormerSecrets, p.leave, p.user.SecretName())
}

// identify makes sure that the client is there and that the user has a userKey.
func (r *UserReconciler) identify(ctx context.Context, p *userPass) (err error) {
	if p.owner, err = r.clientOf(ctx, p.user); err != nil {
		return err
	}
	if !r.share.has(p.owner) { // else its own passes have its users compared
		r.drift.bring(ctx, ref{kind: clientKind, namespace: p.owner.Namespace, name: p.owner.Name}, p.owner)
	}
	if p.platform, err = platformFor(ctx, r.client, p.user.Namespace, p.owner.Spec.PlatformRef.Name); err != nil {
		return err
	}
	if err := mayServe(ctx, r.client, r.lister, p.platform, p.owner); err != nil {
		return err
	}
	left, err := p.wouldLeave(ctx, r.secrets, p.leave, p.user.Spec.Secret)
	if err != nil {
		return err
	}
	if err := p.ensureFinalizers(ctx, map[string]bool{
		v1alpha1.RetireFinalizer:         p.user.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetire,
		v1alpha1.ReleaseSecretsFinalizer: left,
	}); err != nil {
		return p.later(err)
	}
	if err := r.bind(ctx, p); err != nil {
		return err
	}
	return r.yield(ctx, p, p.user.Status.UserKey)
}

// clientOf returns the SfsClient of a user once it has a clientKey. Until then a watch brings the user back.
func (r *UserReconciler) clientOf(ctx context.Context, u *v1alpha1.SfsClientUser) (*v1alpha1.SfsClient, error) {
	name := u.Spec.ClientRef.Name
	var owner v1alpha1.SfsClient
	if err := r.client.Get(ctx, types.NamespacedName{Namespace: u.Namespace, Name: name}, &owner); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, &problem{
				reason:  v1alpha1.ClientNotFoundReason,
				message: fmt.Sprintf("there is no SfsClient %s in this namespace", name),
				pace:    waits,
			}
		}
		return nil, fmt.Errorf("reading SfsClient %s: %w", name, err)
	}
	if owner.Status.ClientKey == "" {
		return nil, &problem{
			reason:  v1alpha1.ClientNotReadyReason,
			message: fmt.Sprintf("SfsClient %s has no clientKey yet; see its conditions", name),
			pace:    waits,
		}
	}
	return &owner, nil
}

// mayServe refuses the users of an SfsClient that may not have its client, or not any more.
func mayServe(ctx context.Context, c client.Reader, l clientLister, platform *v1alpha1.SfsPlatform, owner *v1alpha1.SfsClient) error {
	err := mayName(ctx, c, platform, owner)
	if err == nil {
		err = holdsAlone(ctx, c, l, platform, owner)
	}
	if refusal := problemOf(err); refusal != nil {
		return &problem{
			reason:  v1alpha1.ClientNotReadyReason,
			message: fmt.Sprintf("SfsClient %s may not have its client: %s", owner.Name, refusal.message),
			pace:    waits,
		}
	}
	return err
}

func (r *UserReconciler) forget(who ref) {
	r.secrets.forget(who)
	r.creator.unsaved.drop(who)
	r.attempts.gone(who)
	r.drift.forget(who)
}

func (*UserReconciler) looksOn() bool { return false }

// lookOn forgets an SfsClientUser that another process serves.
func (r *UserReconciler) lookOn(_ context.Context, o client.Object) (ctrl.Result, error) {
	r.forget(ref{kind: userKind, namespace: o.GetNamespace(), name: o.GetName()})
	return ctrl.Result{}, nil
}

func (r *UserReconciler) signals() <-chan event.GenericEvent { return r.drift.users }

func (r *UserReconciler) watches() []watched {
	return []watched{
		{&v1alpha1.SfsClientUser{}, itself, wantsAttention()},
		{&v1alpha1.SfsClientUser{}, r.siblingsOf, siblingChanged()},
		{&corev1.Secret{}, r.ownersOf, changedByOthers()},
		{&v1alpha1.SfsClient{}, r.usersOfClient, clientKeyChanged()},
		{&v1alpha1.SfsPlatform{}, r.usersOfPlatform, platformChanged()},
		{namespaceMetadata(), r.usersInNamespace, labelsChanged()},
	}
}

func (r *UserReconciler) usersOfClient(ctx context.Context, c client.Object) []ctrl.Request {
	return requestsFor(ctx, r.client, &v1alpha1.SfsClientUserList{},
		client.InNamespace(c.GetNamespace()), client.MatchingFields{clientIndex: c.GetName()})
}

// siblingsOf are the other users of a client.
func (r *UserReconciler) siblingsOf(ctx context.Context, o client.Object) []ctrl.Request {
	u, ok := o.(*v1alpha1.SfsClientUser)
	if !ok {
		return nil
	}
	requests := requestsFor(ctx, r.client, &v1alpha1.SfsClientUserList{},
		client.InNamespace(u.Namespace), client.MatchingFields{clientIndex: u.Spec.ClientRef.Name})
	itself := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(u)}
	return slices.DeleteFunc(requests, func(other ctrl.Request) bool { return other == itself })
}

func (r *UserReconciler) usersInNamespace(ctx context.Context, ns client.Object) []ctrl.Request {
	return requestsFor(ctx, r.client, &v1alpha1.SfsClientUserList{}, client.InNamespace(ns.GetName()))
}

func (r *UserReconciler) usersOfPlatform(ctx context.Context, platform client.Object) []ctrl.Request {
	var requests []ctrl.Request
	for _, c := range r.lister.clientsBy(platformIndex, platform.GetName()) {
		requests = append(requests, requestsFor(ctx, r.client, &v1alpha1.SfsClientUserList{},
			client.InNamespace(c.Namespace), client.MatchingFields{clientIndex: c.Name})...)
	}
	return requests
}

func (r *UserReconciler) ownersOf(ctx context.Context, secret client.Object) []ctrl.Request {
	return ownersIn(ctx, r.client, userKind, secret)
}
