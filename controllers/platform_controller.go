// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// +kubebuilder:rbac:groups=sendforsign.com,resources=sfsplatforms,verbs=list;watch;patch
// +kubebuilder:rbac:groups=sendforsign.com,resources=sfsplatforms/status,verbs=patch

// PlatformReconciler says of each SfsPlatform whether SFS accepts its credentials, which pair is in use, and who uses it.
// It asks SFS only when there is something new to ask.
type PlatformReconciler struct {
	client   client.Client
	lister   clientLister
	clock    clock.PassiveClock
	recorder events.EventRecorder
	sessions *Sessions
	attempts *attempts
	drift    *drift
	// namespaces are those that are watched; none stands for all.
	namespaces []string
	// changed brings a platform back when a request made for one of its clients shows that its credentials have been
	// refused or are accepted again, or that SFS wants a pause.
	changed chan event.GenericEvent
	// counted is when the clients of a platform were last counted.
	counted *memory[time.Time]
	share   share
	// followed is what was last known of a platform that another process serves.
	followed *memory[followed]
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
			r.sessions.retain(req.Name)
			r.attempts.gone(who)
			r.counted.drop(who)
			r.followed.drop(who)
			r.drift.forget(who)
			r.sessions.metrics.PlatformGone(req.Name)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading the SfsPlatform: %w", err)
	}
	if wait := r.attempts.behind(who, platform); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	ctx = withGeneration(ctx, platform)
	p := &platformPass{pass: newPass(who, platform, r.clock, r.client, r.recorder, r.attempts), platform: platform}
	if !platform.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, p)
	}
	return p.finish(ctx, r.reconcile(ctx, p))
}

func (r *PlatformReconciler) reconcile(ctx context.Context, p *platformPass) error {
	defer func() {
		p.platform.Status.ObservedGeneration = p.platform.Generation
		p.summarize(v1alpha1.CredentialsValidCondition)
	}()
	failed := []error{r.countClients(ctx, p), r.tryNextCredentials(ctx, p)}
	session, err := r.useCredentials(ctx, p)
	if err == nil {
		failed = append(failed, r.checkDrift(ctx, p, session))
	}
	p.reportPause(session)
	r.sessions.retain(p.platform.Name, credentialSecrets(p.platform)...)
	return firstUnsettled(append(failed, err))
}

// useCredentials has SFS asked about the pair that is in use, if that is not known.
func (r *PlatformReconciler) useCredentials(ctx context.Context, p *platformPass) (*session, error) {
	session, err := r.sessions.forPlatform(ctx, p.platform)
	if err == nil {
		p.platform.Status.ActiveCredentialsSecretRef = &v1alpha1.SecretReference{Name: activeSecret(p.platform)}
		if !p.isVerified(session) {
			err = r.verify(ctx, p, session)
		}
	}
	if failed := problemOf(err); failed != nil && !needsPerson(failed.reason) {
		// SFS could not be asked, which says nothing about the credentials.
		p.set(v1alpha1.CredentialsValidCondition, metav1.ConditionUnknown, failed.reason, failed.message)
		return session, err
	}
	p.report(v1alpha1.CredentialsValidCondition, v1alpha1.VerifiedReason, "SFS accepts the API key and secret", err)
	return session, err
}

// isVerified says whether what the status says of the credentials is still all that is known of them.
func (p *platformPass) isVerified(s *session) bool {
	known := conditions.Get(p.platform, v1alpha1.CredentialsValidCondition)
	_, refusal := s.verdict.last()
	return known != nil && known.Status == metav1.ConditionTrue && refusal == nil && !s.verdict.isDoubted() &&
		known.ObservedGeneration == p.platform.Generation &&
		p.platform.Status.CredentialsRevision == s.revision &&
		p.platform.Status.LastHandledReconcileAt == p.requested()
}

// requested is the last request of a user to try the credentials.
func (p *platformPass) requested() string {
	return p.platform.Annotations[v1alpha1.ReconcileRequestedAtAnnotation]
}

// verify asks SFS for its verdict on the pair that is in use.
func (r *PlatformReconciler) verify(ctx context.Context, p *platformPass, s *session) error {
	err := r.ask(ctx, p, "verify", s)
	if failed := problemOf(err); err == nil || failed != nil && needsPerson(failed.reason) {
		p.platform.Status.CredentialsRevision = s.revision
		p.platform.Status.LastHandledReconcileAt = p.requested()
	}
	return err
}

// ask asks SFS for a platform token, or takes it from the session if there is one.
func (r *PlatformReconciler) ask(ctx context.Context, p *platformPass, name string, s *session) error {
	key := p.key(step{name: name, circumstances: p.requested(), connection: s})
	if err := p.attempts.due(key); err != nil {
		return p.later(err)
	}
	switch {
	case p.requested() != p.platform.Status.LastHandledReconcileAt && p.requested() != s.asked:
		s.asked = p.requested()
		s.verdict.again()
		s.tokens.Forget()
	case s.verdict.isDoubted():
		s.tokens.Forget()
	}
	_, err := s.tokens.Get(ctx)
	if wait, refusal := s.verdict.last(); refusal != nil {
		// It is so also while an older platform token still serves. The session sets the pace of the attempts.
		p.wakeIn(wait)
		return explain(refusal)
	}
	err = p.later(explain(err))
	switch {
	case err == nil:
		p.attempts.succeeded(key)
	case problemOf(err) != nil:
		p.wakeIn(p.attempts.failed(key, fast, nil))
	}
	return err
}

func (r *PlatformReconciler) signals() <-chan event.GenericEvent { return r.changed }

// pauseTolerance is by how much the end of a pause may move before the status says so: requests that are refused together
// move it a little each.
const pauseTolerance = 5 * time.Second

// reportPause says until when SFS wants no requests. Without a session that is not known, and stays as it was.
func (p *platformPass) reportPause(s *session) {
	known := p.platform.Status.ThrottledUntil
	var until time.Time
	switch {
	case s != nil:
		until = s.gate.pauseEnd()
	case known != nil:
		until = known.Time
	}
	was := conditions.Get(p.platform, v1alpha1.ThrottledCondition) != nil
	if !until.After(p.now) {
		p.platform.Status.ThrottledUntil = nil
		conditions.Remove(p.platform, v1alpha1.ThrottledCondition)
		if was {
			p.tell(resolved(v1alpha1.ThrottledReason))
		}
		return
	}
	p.wakeIn(until.Sub(p.now))
	asked := pauseAsked(sfs, nil)
	p.set(v1alpha1.ThrottledCondition, metav1.ConditionTrue, asked.reason, asked.message)
	if !was {
		p.tell(failing(conditions.Get(p.platform, v1alpha1.ThrottledCondition)))
	}
	if known == nil || until.Sub(known.Time).Abs() > pauseTolerance {
		p.platform.Status.ThrottledUntil = &metav1.Time{Time: until.Add(time.Second - 1).Truncate(time.Second)} // never too early
	}
}

func (r *PlatformReconciler) watches() []watched {
	return []watched{
		{&v1alpha1.SfsPlatform{}, itself, wantsAttention()},
		{&corev1.Secret{}, r.platformsOfSecret, predicate.Funcs{}},
		{&v1alpha1.SfsClient{}, platformOfClient, useChanged()},
	}
}

func (r *PlatformReconciler) platformsOfSecret(ctx context.Context, secret client.Object) []ctrl.Request {
	if secret.GetNamespace() != r.sessions.namespace {
		return nil
	}
	return requestsFor(ctx, r.client, &v1alpha1.SfsPlatformList{}, client.MatchingFields{credentialsIndex: secret.GetName()})
}

func platformOfClient(_ context.Context, c client.Object) []ctrl.Request {
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Name: c.(*v1alpha1.SfsClient).Spec.PlatformRef.Name}}}
}
