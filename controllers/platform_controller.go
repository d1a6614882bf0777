// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// +kubebuilder:rbac:groups=sendforsign.com,resources=sfsplatforms,verbs=get;list;watch
// +kubebuilder:rbac:groups=sendforsign.com,resources=sfsplatforms/status,verbs=get;patch

// PlatformReconciler says of each SfsPlatform whether SFS accepts its credentials. It asks SFS only when there is
// something new to ask.
type PlatformReconciler struct {
	client   client.Client
	clock    clock.PassiveClock
	recorder events.EventRecorder
	sessions *Sessions
	attempts *attempts
	drift    *drift
	// changed brings a platform back when a request made for one of its clients shows that its credentials have been
	// refused or are accepted again.
	changed chan event.GenericEvent
}

const platformKind = "SfsPlatform"

// platformPass is one pass over one SfsPlatform.
type platformPass struct {
	*pass
	platform *v1alpha1.SfsPlatform
}

// Reconcile does what is due for one SfsPlatform.
func (r *PlatformReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	who := ref{kind: platformKind, name: req.Name}
	platform := &v1alpha1.SfsPlatform{}
	if err := r.client.Get(ctx, req.NamespacedName, platform); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.sessions.close(req.Name)
			r.attempts.gone(who)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading the SfsPlatform: %w", err)
	}
	if !platform.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	p := &platformPass{pass: newPass(who, platform, r.clock, r.client, r.recorder, r.attempts), platform: platform}
	return p.finish(ctx, r.reconcile(ctx, p))
}

func (r *PlatformReconciler) reconcile(ctx context.Context, p *platformPass) error {
	defer func() {
		p.platform.Status.ObservedGeneration = p.platform.Generation
		p.summarize(v1alpha1.CredentialsValidCondition)
	}()
	session, err := r.sessions.forPlatform(ctx, p.platform)
	if err == nil && !r.isVerified(p.platform, session) {
		err = r.verify(ctx, p, session)
	}
	if failed := problemOf(err); failed != nil && !needsPerson(failed.reason) {
		// SFS could not be asked, which says nothing about the credentials.
		p.set(v1alpha1.CredentialsValidCondition, metav1.ConditionUnknown, failed.reason, failed.message)
		return err
	}
	p.report(v1alpha1.CredentialsValidCondition, v1alpha1.VerifiedReason, "SFS accepts the API key and secret", err)
	if err != nil {
		return err
	}
	return r.checkDrift(ctx, p, session)
}

// isVerified says whether what the status says of the credentials is still all that is known of them.
func (r *PlatformReconciler) isVerified(platform *v1alpha1.SfsPlatform, s *session) bool {
	known := conditions.Get(platform, v1alpha1.CredentialsValidCondition)
	_, refusal := s.verdict.last()
	return known != nil && known.Status == metav1.ConditionTrue && refusal == nil && !s.verdict.isDoubted() &&
		known.ObservedGeneration == platform.Generation &&
		platform.Status.CredentialsRevision == s.details.credentials &&
		platform.Status.LastHandledReconcileAt == platform.Annotations[v1alpha1.ReconcileRequestedAtAnnotation]
}

// verify asks SFS for a platform token, or takes it from the session if there is one.
func (r *PlatformReconciler) verify(ctx context.Context, p *platformPass, s *session) error {
	if p.platform.Status.LastHandledReconcileAt != p.platform.Annotations[v1alpha1.ReconcileRequestedAtAnnotation] {
		s.verdict.again()
		s.tokens.Forget()
	} else if s.verdict.isDoubted() {
		s.tokens.Forget()
	}
	_, err := s.tokens.Get(ctx)
	key := p.key(step{name: "verify", session: s})
	if wait, refusal := s.verdict.last(); refusal != nil {
		// It is so also while an older platform token still serves. The session sets the pace of the attempts.
		err = refusal
		p.wakeIn(wait)
	} else if err == nil {
		p.attempts.succeeded(key)
	} else if err = p.later(explain(err)); problemOf(err) != nil {
		p.wakeIn(p.attempts.failed(key, fast, nil))
	} else {
		return err // a pause that SFS asked for
	}
	err = explain(err)
	if failed := problemOf(err); failed == nil || needsPerson(failed.reason) {
		// SFS has given its verdict on these credentials.
		p.platform.Status.CredentialsRevision = s.details.credentials
		p.platform.Status.LastHandledReconcileAt = p.platform.Annotations[v1alpha1.ReconcileRequestedAtAnnotation]
	}
	return err
}

func (r *PlatformReconciler) signals() <-chan event.GenericEvent { return r.changed }

func (r *PlatformReconciler) watches() []watched {
	return []watched{
		{&v1alpha1.SfsPlatform{}, itself, specOrAnnotationChanged()},
		{&corev1.Secret{}, r.platformsOfSecret, predicate.Funcs{}},
	}
}

func (r *PlatformReconciler) platformsOfSecret(ctx context.Context, secret client.Object) []ctrl.Request {
	if secret.GetNamespace() != r.sessions.namespace {
		return nil
	}
	return requestsFor(ctx, r.client, &v1alpha1.SfsPlatformList{}, client.MatchingFields{credentialsIndex: secret.GetName()})
}
