// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// +kubebuilder:rbac:groups=sendforsign.com,resources=oauthtokens,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=sendforsign.com,resources=oauthtokens/status,verbs=patch

// OAuthReconciler keeps OAuthTokens: a living token of another API in a Secret.
type OAuthReconciler struct {
	client      client.Client
	live        client.Reader
	clock       clock.PassiveClock
	recorder    events.EventRecorder
	servers     OAuthServers
	sessions    *oauthSessions
	secrets     *Secrets
	attempts    *attempts
	keeper      *tokenKeeper
	restarter   restarter
	credentials *memory[oauthCredentials]
	states      refreshStates
	// accounts tells of each that was asked for why it is suspended; empty: it is not.
	accounts *memory[string]
}

const oauthKind = "OAuthToken"

// oauthPass is one pass over one OAuthToken.
type oauthPass struct {
	*pass
	oauth      *v1alpha1.OAuthToken
	kept       *tokenPass
	reconciler *OAuthReconciler
	sessions   *oauthSessions

	provider oauthProvider
	refused  error // why the provider may not be asked
	known    oauthCredentials
	hasRead  bool        // the credentials, with
	values   oauthValues // where nothing is wrong with them
	session  *oauthSession
}

// Reconcile does what is due for one OAuthToken.
func (r *OAuthReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	who := ref{kind: oauthKind, namespace: req.Namespace, name: req.Name}
	o := &v1alpha1.OAuthToken{}
	if err := r.client.Get(ctx, req.NamespacedName, o); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.forget(who)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading the OAuthToken: %w", err)
	}
	if wait := r.attempts.behind(who, o); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	ctx = withGeneration(ctx, o)
	p := r.passOver(who, o)
	if !o.DeletionTimestamp.IsZero() {
		return p.release(ctx, r.keeper.revocation(p.kept), r.keeper.removal(p.kept, p.leave))
	}
	// Also while the work is suspended: what was not stored is lost with this process.
	state := r.settleState(ctx, p)
	if unsettled(state) != nil {
		return p.finish(ctx, state)
	}
	if o.IsSuspended() {
		return p.finish(ctx, r.rest(ctx, p))
	}
	err := r.reconcile(ctx, p, state)
	if unsettled(err) != nil {
		p.urgency = max(p.urgency, r.urgency(ctx, o)) // the pass may have ended before it was known
	}
	return p.finish(ctx, err)
}

func (r *OAuthReconciler) passOver(who ref, o *v1alpha1.OAuthToken) *oauthPass {
	p := &oauthPass{
		pass:  newPass(who, o, r.clock, r.client, r.recorder, r.attempts),
		oauth: o, reconciler: r, sessions: r.sessions,
	}
	p.provider, p.refused = r.servers.providerOf(o)
	p.kept = &tokenPass{
		pass: p.pass, issuer: oauthIssuer{p},
		spec: tokenSpec{
			wanted: true, secretName: o.TokenSecretName(), secret: o.Spec.Token.Secret,
			revocation: o.Spec.Token.RevocationPolicy, gracePeriod: o.Spec.Token.PreviousTokenGracePeriod,
			probed: o.Spec.Provider.ChecksAccount(),
			doubt: "It answers the same where apiKey, apiSecret or callbackURL in Secret " + o.Spec.CredentialsSecretRef.Name +
				" is not what it knows: look at these first. ",
		},
		recorded: &o.Status.Token, lastRenew: &o.Status.LastHandledRenewAt, lastRevoke: &o.Status.LastHandledRevokeAt,
	}
	return p
}

// rest does nothing, but does not say either that all is well for longer than it is.
func (r *OAuthReconciler) rest(ctx context.Context, p *oauthPass) error {
	p.resting = true
	if err := r.keeper.keep(ctx, p.kept, suspended()); err != nil {
		return err
	}
	p.oauth.Status.ObservedGeneration = p.oauth.Generation
	p.summarize(v1alpha1.TokenValidCondition)
	p.remarkSuspended()
	return nil
}

func (r *OAuthReconciler) reconcile(ctx context.Context, p *oauthPass, state error) error {
	defer func() {
		p.oauth.Status.ObservedGeneration = p.oauth.Generation
		p.summarize(v1alpha1.TokenValidCondition)
	}()
	blocked, err := r.prepare(ctx, p)
	if err != nil {
		return err
	}
	if blocked == nil && p.oauth.Grant() == v1alpha1.GrantRefreshToken {
		blocked = state
	}
	p.kept.spec.probed = p.kept.spec.probed && p.known.unchecked == nil
	kept := r.keeper.keep(ctx, p.kept, blocked)
	if !p.known.next.IsZero() {
		p.wakeIn(p.until(p.known.next))
	}
	p.objectTo()
	r.restarter.restartConsumers(ctx, p.restarts())
	failed := []error{kept}
	if kept == nil {
		failed = append(failed, p.sweep(ctx, r.secrets, &p.oauth.Status.FormerSecrets, p.leave, p.secretNames()...))
	}
	return firstUnsettled(failed)
}

// prepare finds out what the pass has to know before the token is looked at. blocked is why none can be asked for.
func (r *OAuthReconciler) prepare(ctx context.Context, p *oauthPass) (blocked, err error) {
	left, err := p.wouldLeave(ctx, r.secrets, p.leave, p.oauth.Spec.Token.Secret)
	if err != nil {
		return nil, err
	}
	err = p.ensureFinalizers(ctx, map[string]bool{
		v1alpha1.RevokeTokenFinalizer: p.kept.needsRevoking(), v1alpha1.ReleaseSecretsFinalizer: left,
	})
	switch {
	case err != nil && p.oauth.Status.Token == nil:
		blocked = p.later(err)
		return blocked, unsettled(blocked)
	case err != nil:
		// A token that is there is kept alive all the same.
		p.wakeIn(staleRead)
		log.FromContext(ctx).Error(err, "Writing the finalizer")
	}
	if p.refused != nil {
		return p.refused, nil
	}
	return nil, r.lookAtCredentials(ctx, p)
}

// objectTo has Ready say what is wrong although the token lives.
func (p *oauthPass) objectTo() {
	if p.kept.misshapen != nil {
		p.against = problemOf(p.kept.misshapen)
		return
	}
	if !p.oauth.Spec.Provider.ChecksAccount() || p.known.unchecked != nil {
		p.reconciler.accounts.drop(p.ref)
		p.against = p.known.unchecked
		return
	}
	const message = "%s takes the token, but has suspended the account, which is %s; set the account right there"
	state, known := p.reconciler.accounts.get(p.ref)
	ready := conditions.Get(p.began, v1alpha1.ReadyCondition)
	switch {
	case state != "":
		p.against = &problem{reason: v1alpha1.AccountSuspendedReason, message: fmt.Sprintf(message, p.provider.name, state), pace: slow}
	case !known && ready != nil && ready.Reason == v1alpha1.AccountSuspendedReason:
		p.against = &problem{reason: ready.Reason, message: ready.Message, pace: slow} // until it is asked for again
	}
}

// secretNames are those of the Secrets that are not given up.
func (p *oauthPass) secretNames() []string {
	// The state stays also where it is of no use now: should it be needed again, only a person could make another.
	return []string{p.oauth.TokenSecretName(), p.kept.publishedIn(), p.oauth.StateSecretName()}
}

// restarts is the part of the pass that restarts what reads the Secret.
func (p *oauthPass) restarts() restartPass {
	return restartPass{
		pass: p.pass, targets: p.oauth.RestartTargets(), notes: &p.oauth.Status.RolloutRestarts,
		contentIn: func(look func(name string) (*published, error)) (content, error) {
			have, err := look(p.kept.name)
			return content{identifiers: tokenDigest(have)}, err
		},
	}
}

// leave says how the Secrets of former names are given up. The state is of no use without the resource.
func (p *oauthPass) leave(have *published) (policy v1alpha1.SecretDeletionPolicy, atOnce bool) {
	if have.annotations[v1alpha1.IssuedAtAnnotation] == "" {
		return v1alpha1.SecretDelete, false
	}
	return p.oauth.Spec.Token.Secret.DeletionPolicy, false
}

func (r *OAuthReconciler) forget(who ref) {
	r.secrets.forget(who)
	r.attempts.gone(who)
	r.keeper.forget(who)
	r.sessions.forget(who)
	r.credentials.drop(who)
	r.states.drop(who)
	r.accounts.drop(who)
}

func (*OAuthReconciler) looksOn() bool { return false }

// lookOn forgets an OAuthToken that another process serves, once the refresh token is stored that was given to this one: it has
// the only copy.
func (r *OAuthReconciler) lookOn(ctx context.Context, o client.Object) (ctrl.Result, error) {
	who := ref{kind: oauthKind, namespace: o.GetNamespace(), name: o.GetName()}
	if r.states.mustStore(who) && o.GetDeletionTimestamp().IsZero() {
		p := r.passOver(who, o.DeepCopyObject().(*v1alpha1.OAuthToken))
		if err := r.settleState(ctx, p); r.states.mustStore(who) {
			return p.result(), unsettled(err)
		}
	}
	r.forget(who)
	return ctrl.Result{}, nil
}

func (*OAuthReconciler) signals() <-chan event.GenericEvent { return nil }

func (r *OAuthReconciler) watches() []watched {
	return []watched{
		{&v1alpha1.OAuthToken{}, itself, wantsAttention()},
		{&corev1.Secret{}, r.ownersOf, changedByOthers()},
	}
}

func (r *OAuthReconciler) ownersOf(ctx context.Context, secret client.Object) []ctrl.Request {
	return ownersIn(ctx, r.client, oauthKind, secret)
}

// urgency is that of an OAuthToken by what is known before it is looked at.
func (r *OAuthReconciler) urgency(ctx context.Context, object client.Object) int {
	o := object.(*v1alpha1.OAuthToken)
	asked := urgencyRoutine
	if o.Generation != o.Status.ObservedGeneration || !o.DeletionTimestamp.IsZero() ||
		isNew(o.Annotations[v1alpha1.RenewRequestedAtAnnotation], o.Status.LastHandledRenewAt) ||
		isNew(o.Annotations[v1alpha1.RevokeRequestedAtAnnotation], o.Status.LastHandledRevokeAt) {
		asked = urgencyAsked
	}
	switch {
	case o.IsSuspended() || !o.DeletionTimestamp.IsZero():
		return asked
	case o.Status.Token == nil:
		return urgencyDue
	}
	who := ref{kind: oauthKind, namespace: o.Namespace, name: o.Name}
	return r.keeper.urgency(ctx, who, o.UID, *o.Status.Token, oauthPolicy(o), asked)
}
