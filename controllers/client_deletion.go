// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// deletionDeadline bounds how long a deletion waits for SFS. What can not be revoked by then expires by itself.
const deletionDeadline = time.Minute

// ensureFinalizer has the finalizer there exactly while there may be a token to revoke. It is written before the first
// token is minted.
func (r *ClientReconciler) ensureFinalizer(ctx context.Context, p *clientPass) error {
	wanted := p.client.Spec.Token.RevocationPolicy != v1alpha1.RevokeNever && (p.client.TokenEnabled() || p.client.Status.Token != nil)
	if wanted == controllerutil.ContainsFinalizer(p.client, v1alpha1.RevokeTokenFinalizer) {
		return nil
	}
	return p.patchFinalizer(ctx, wanted)
}

func (p *clientPass) patchFinalizer(ctx context.Context, wanted bool) error {
	changed := p.client.DeepCopy()
	if wanted {
		controllerutil.AddFinalizer(changed, v1alpha1.RevokeTokenFinalizer)
	} else {
		controllerutil.RemoveFinalizer(changed, v1alpha1.RevokeTokenFinalizer)
	}
	patch := client.MergeFromWithOptions(p.client.DeepCopy(), client.MergeFromWithOptimisticLock{})
	if err := p.pass.client.Patch(ctx, changed, patch, client.FieldOwner(fieldManager)); err != nil {
		return orStale(fmt.Errorf("writing the finalizers: %w", err))
	}
	for _, o := range []object{p.object, p.saved} {
		o.SetFinalizers(changed.Finalizers)
		o.SetResourceVersion(changed.ResourceVersion)
	}
	return nil
}

// finalize revokes the token and lets the SfsClient go. It never waits longer than the deadline, and needs neither the
// platform nor SFS to be there.
func (r *ClientReconciler) finalize(ctx context.Context, p *clientPass) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(p.client, v1alpha1.RevokeTokenFinalizer) {
		return ctrl.Result{}, nil
	}
	outcome, err := r.revokeToken(ctx, p, p.publishedIn())
	deadline := p.client.DeletionTimestamp.Add(deletionDeadline)
	if t := p.client.Status.Token; t != nil && t.ExpirationTime.Time.Before(deadline) {
		deadline = t.ExpirationTime.Time
	}
	if err != nil && p.now.Before(deadline) {
		p.wakeIn(p.until(deadline))
		if err = unsettled(err); err != nil {
			return ctrl.Result{}, err
		}
		return p.result(), nil
	}
	if err != nil {
		outcome = notRevoked("SFS could not be asked in time")
	}
	if err := p.patchFinalizer(ctx, false); client.IgnoreNotFound(err) != nil {
		if err = unsettled(p.later(err)); err != nil {
			return ctrl.Result{}, err
		}
		return p.result(), nil
	}
	if outcome != (happening{}) {
		outcome.tell(p.recorder, p.client)
	}
	return ctrl.Result{}, nil
}

// revokeToken revokes the token in a Secret, if there is one, and those before it that wait there. It returns what is to be
// told of it.
func (r *ClientReconciler) revokeToken(ctx context.Context, p *clientPass, name string) (happening, error) {
	if p.client.Status.Token != nil && !p.now.Before(p.client.Status.Token.ExpirationTime.Time) {
		return happening{}, nil
	}
	values, err := r.tokensIn(ctx, p, name)
	if err != nil || len(values) == 0 {
		return happening{}, err
	}
	// Whether the namespace may still use the platform does not matter for giving a token back.
	p.platform = &v1alpha1.SfsPlatform{}
	if err := r.client.Get(ctx, client.ObjectKey{Name: p.client.Spec.PlatformRef.Name}, p.platform); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return notRevoked("its SfsPlatform is gone"), nil
		}
		return happening{}, fmt.Errorf("reading the SfsPlatform: %w", err)
	}
	session, err := p.connect(ctx)
	if err != nil {
		if failed := problemOf(err); failed != nil {
			return notRevoked(failed.message), nil //nolint:nilerr // without credentials there is nothing to wait for
		}
		return happening{}, err
	}
	outcome := revoked()
	err = p.try(ctx, step{name: "revoke", session: session, urgent: true}, func() error {
		for _, value := range values {
			refusal, err := session.revoke(ctx, p.ref, value)
			if err != nil {
				return err
			}
			if refusal != nil {
				outcome = notRevoked(refusal.message)
			}
		}
		return nil
	})
	failed := problemOf(err)
	switch {
	case err == nil:
		return outcome, nil
	case failed != nil && needsPerson(failed.reason):
		// SFS has made up its mind; asking again changes nothing.
		return notRevoked(failed.message), nil
	}
	return happening{}, err
}

// tokensIn returns the published token and those that wait for their revocation.
func (r *ClientReconciler) tokensIn(ctx context.Context, p *clientPass, name string) ([]sendforsign.Secret, error) {
	secret, have, err := r.secrets.read(ctx, p.client, p.ref, name)
	if err != nil || secret == nil || len(secret.Data[v1alpha1.KeyToken]) == 0 {
		return nil, err
	}
	values := []sendforsign.Secret{sendforsign.Secret(secret.Data[v1alpha1.KeyToken])}
	if have.listsPrevious() {
		for _, t := range parsePrevious(secret.Data[v1alpha1.KeyPreviousTokens]) {
			if p.now.Before(t.expires) {
				values = append(values, t.value)
			}
		}
	}
	return values, nil
}

// publishedIn is the name of the Secret that holds the token.
func (p *clientPass) publishedIn() string {
	if p.client.Status.Token != nil {
		return p.client.Status.Token.SecretRef.Name
	}
	return p.client.TokenSecretName()
}

// withdrawToken takes back a token that is no longer wanted.
func (r *ClientReconciler) withdrawToken(ctx context.Context, p *clientPass) error {
	c := conditions.Get(p.client, v1alpha1.TokenValidCondition)
	if c != nil && c.Reason == v1alpha1.DisabledReason && c.ObservedGeneration == p.client.Generation && p.client.Status.Token == nil {
		return nil
	}
	err := p.later(r.takeBack(ctx, p))
	p.report(v1alpha1.TokenValidCondition, v1alpha1.DisabledReason, "no token is wanted", err)
	return err
}

func (r *ClientReconciler) takeBack(ctx context.Context, p *clientPass) error {
	// The status may not tell of a token that was published just before.
	name := p.publishedIn()
	if p.client.Spec.Token.RevocationPolicy != v1alpha1.RevokeNever {
		outcome, err := r.revokeToken(ctx, p, name)
		if err != nil {
			return err
		}
		if outcome != (happening{}) {
			p.tell(outcome)
		}
	}
	if err := r.secrets.remove(ctx, p.client, p.ref, name); err != nil {
		return err
	}
	r.pending.drop(p.ref)
	if p.client.Status.Token != nil {
		p.client.Status.Token = nil
		p.wakeIn(staleRead) // the next pass finds the finalizer to be of no more use
	}
	return nil
}
