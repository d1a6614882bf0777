// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// +kubebuilder:rbac:groups=sendforsign.com,resources=sfsclients,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=sendforsign.com,resources=sfsclients/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// ClientReconciler keeps SfsClients: one client at SFS, its identifiers in one Secret, a living token in another.
type ClientReconciler struct {
	client    client.Client
	live      client.Reader
	lister    clientLister
	clock     clock.PassiveClock
	recorder  events.EventRecorder
	sessions  *Sessions
	secrets   *Secrets
	creator   *creator
	attempts  *attempts
	claims    *claims
	drift     *drift
	keeper    *tokenKeeper
	restarter restarter
	share     share
}

const clientKind = "SfsClient"

// clientPass is one pass over one SfsClient.
type clientPass struct {
	*tenantPass
	client *v1alpha1.SfsClient
	token  *tokenPass
}

// Reconcile does what is due for one SfsClient. The steps behind the identity do not wait for one another: a profile
// that SFS refuses must not keep a token from being renewed.
func (r *ClientReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	who := ref{kind: clientKind, namespace: req.Namespace, name: req.Name}
	c := &v1alpha1.SfsClient{}
	if err := r.client.Get(ctx, req.NamespacedName, c); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.forget(who)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading the SfsClient: %w", err)
	}
	if wait := r.attempts.behind(who, c); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	ctx = withGeneration(ctx, c)
	p := r.passOver(who, c)
	if !c.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, p)
	}
	if c.IsSuspended() {
		return p.finish(ctx, r.rest(ctx, p))
	}
	err := r.reconcile(ctx, p)
	if unsettled(err) != nil {
		p.urgency = max(p.urgency, r.urgency(ctx, c)) // the pass may have ended before it was known
	}
	return p.finish(ctx, err)
}

func (r *ClientReconciler) passOver(who ref, c *v1alpha1.SfsClient) *clientPass {
	p := &clientPass{client: c, tenantPass: &tenantPass{
		pass:     newPass(who, c, r.clock, r.client, r.recorder, r.attempts),
		sessions: r.sessions,
		drift:    r.drift,
		at: comparison{
			time: &c.Status.LastSyncTime, handled: &c.Status.LastHandledReconcileAt, pending: &c.Status.PendingChanges,
		},
		policy: profilePolicy{observed: c.IsObserved(), reported: c.Spec.DriftPolicy == v1alpha1.DriftPolicyReport},
	}}
	return p.withToken()
}

// rest does nothing, but does not say either that all is well for longer than it is.
func (r *ClientReconciler) rest(ctx context.Context, p *clientPass) error {
	platform, err := platformFor(ctx, r.client, p.client.Namespace, p.client.Spec.PlatformRef.Name)
	if unsettled(err) != nil {
		return err
	}
	p.platform, p.resting = platform, true
	if p.client.TokenEnabled() {
		if err := r.keeper.keep(ctx, p.token, suspended()); err != nil {
			return err
		}
	}
	p.client.Status.ObservedGeneration = p.client.Generation
	p.summarize(v1alpha1.SyncedCondition, v1alpha1.SecretReadyCondition, v1alpha1.TokenValidCondition)
	p.remarkSuspended()
	return nil
}

func (r *ClientReconciler) reconcile(ctx context.Context, p *clientPass) error {
	defer func() {
		p.client.Status.ObservedGeneration = p.client.Generation
		p.summarize(v1alpha1.SyncedCondition, v1alpha1.SecretReadyCondition, v1alpha1.TokenValidCondition)
	}()
	identity := r.identify(ctx, p)
	if unsettled(identity) != nil {
		return identity
	}
	var failed []error
	var kept error
	if !p.client.TokenEnabled() {
		// First: the identifiers may be given the name of the Secret that holds the token.
		kept = r.keeper.keep(ctx, p.token, identity)
		failed = append(failed, kept)
	}
	published := identity
	if identity != nil {
		p.report(v1alpha1.SyncedCondition, "", "", identity)
	} else {
		published = r.publishIdentity(ctx, p)
		failed = append(failed, p.syncProfile(ctx, clientProfile{r, p}), published, r.checkUsers(ctx, p))
	}
	if p.client.TokenEnabled() {
		kept = r.keeper.keep(ctx, p.token, identity)
		failed = append(failed, kept)
	}
	if published == nil && p.token.misshapen != nil {
		p.report(v1alpha1.SecretReadyCondition, "", "", p.token.misshapen)
	}
	r.restarter.restartConsumers(ctx, p.restarts())
	if published == nil && kept == nil {
		failed = append(failed, r.sweepFormer(ctx, p))
	}
	return firstUnsettled(failed)
}

// restarts is the part of the pass that restarts what reads the two Secrets.
func (p *clientPass) restarts() restartPass {
	return restartPass{
		pass: p.pass, targets: p.client.Spec.RolloutRestartTargets, notes: &p.client.Status.RolloutRestarts, contentIn: p.contentIn,
	}
}

func (p *clientPass) contentIn(look func(name string) (*published, error)) (c content, err error) {
	have, err := look(p.client.SecretName())
	if err != nil {
		return c, err
	}
	c.identifiers = identifiersDigest(have)
	if !p.client.TokenEnabled() || !slices.ContainsFunc(p.client.Spec.RolloutRestartTargets, countsTokens) {
		return c, nil
	}
	if have, err = look(p.token.name); err != nil {
		return c, err
	}
	c.token = tokenDigest(have)
	return c, nil
}

// sweepFormer removes the Secrets of former names. What SFS says of the profile or of the users does not keep it from that.
func (r *ClientReconciler) sweepFormer(ctx context.Context, p *clientPass) error {
	keep := []string{p.client.SecretName()}
	if p.client.TokenEnabled() {
		// Until there is a token in the new Secret, the one in the old Secret serves.
		keep = append(keep, p.client.TokenSecretName(), p.token.publishedIn())
	}
	return p.sweep(ctx, r.secrets, &p.client.Status.FormerSecrets, p.leave, keep...)
}

func firstUnsettled(errs []error) error {
	for _, err := range errs {
		if unsettled(err) != nil {
			return err
		}
	}
	return nil
}

// identify makes sure that the SfsClient may use its platform, has a clientKey, and is the one that may have it.
func (r *ClientReconciler) identify(ctx context.Context, p *clientPass) (err error) {
	p.platform, err = platformFor(ctx, r.client, p.client.Namespace, p.client.Spec.PlatformRef.Name)
	if err != nil {
		return err
	}
	if err := mayName(ctx, r.client, p.platform, p.client); err != nil {
		return err
	}
	if err := r.ensureFinalizers(ctx, p); err != nil && p.client.Status.Token == nil {
		return p.later(err)
	} else if err != nil {
		// A token that is there is kept alive all the same.
		p.wakeIn(staleRead)
		log.FromContext(ctx).Error(err, "Writing the finalizer")
	}
	if err := r.bind(ctx, p); err != nil {
		return err
	}
	return holdsAlone(ctx, r.client, r.lister, p.platform, p.client)
}

func (r *ClientReconciler) forget(who ref) {
	r.forgetWork(who)
	r.attempts.gone(who)
	r.drift.forget(who)
}

// forgetWork forgets all but when the users of a client are to be compared.
func (r *ClientReconciler) forgetWork(who ref) {
	r.secrets.forget(who)
	r.creator.unsaved.drop(who)
	r.attempts.goneBut(who, driftStep)
	r.keeper.forget(who)
	r.drift.cleared(who)
	r.drift.settled(who)
}

// looksOn: the SfsClientUsers that are served here bring back a client that another process serves.
func (*ClientReconciler) looksOn() bool { return false }

// lookOn has the SfsClientUsers compared that are served here, of a client that another process serves. That one compares its
// own.
func (r *ClientReconciler) lookOn(ctx context.Context, o client.Object) (ctrl.Result, error) {
	c := o.DeepCopyObject().(*v1alpha1.SfsClient)
	who := ref{kind: clientKind, namespace: c.Namespace, name: c.Name}
	users, err := r.comparableUsers(ctx, c)
	if err != nil {
		return ctrl.Result{}, err
	}
	if len(users) == 0 || !c.DeletionTimestamp.IsZero() {
		r.forget(who)
		return ctrl.Result{}, nil
	}
	r.forgetWork(who)
	p := r.passOver(who, c)
	if p.platform, err = platformFor(ctx, r.client, c.Namespace, c.Spec.PlatformRef.Name); err == nil {
		err = r.compareUsers(ctx, p, users)
	}
	return p.result(), unsettled(err)
}

func (r *ClientReconciler) signals() <-chan event.GenericEvent { return r.drift.clients }

func (r *ClientReconciler) watches() []watched {
	return []watched{
		{&v1alpha1.SfsClient{}, itself, wantsAttention()},
		{&v1alpha1.SfsClient{}, r.rivalsOf, rivalChanged()},
		{&corev1.Secret{}, r.ownersOf, changedByOthers()},
		{&v1alpha1.SfsPlatform{}, r.clientsOfPlatform, platformChanged()},
		{&v1alpha1.SfsClientUser{}, clientOfDefaultUser, userKeyChanged()},
		{namespaceMetadata(), r.clientsInNamespace, labelsChanged()},
	}
}

// clientsOfPlatform are those that refer to it, and those that name a client which may have its prefix.
func (r *ClientReconciler) clientsOfPlatform(_ context.Context, platform client.Object) []ctrl.Request {
	return requestsOf(append(r.lister.clientsBy(platformIndex, platform.GetName()), r.lister.clientsBy(namingIndex, naming)...))
}

func (r *ClientReconciler) clientsInNamespace(_ context.Context, ns client.Object) []ctrl.Request {
	return requestsOf(r.lister.clientsBy(toolscache.NamespaceIndex, ns.GetName()))
}

func clientOfDefaultUser(_ context.Context, o client.Object) []ctrl.Request {
	user, ok := o.(*v1alpha1.SfsClientUser)
	if !ok || !user.Spec.Default {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: user.Namespace, Name: user.Spec.ClientRef.Name}}}
}

func (r *ClientReconciler) ownersOf(ctx context.Context, secret client.Object) []ctrl.Request {
	return ownersIn(ctx, r.client, clientKind, secret)
}
