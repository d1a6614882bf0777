// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// ensureFinalizers has each finalizer there exactly while there is something to do on deletion.
func (r *ClientReconciler) ensureFinalizers(ctx context.Context, p *clientPass) error {
	specs := []v1alpha1.SecretSpec{p.client.Spec.Secret}
	if p.client.TokenEnabled() {
		specs = append(specs, p.client.Spec.Token.Secret)
	}
	left, err := p.wouldLeave(ctx, r.secrets, p.leave, specs...)
	if err != nil {
		return err
	}
	return p.ensureFinalizers(ctx, map[string]bool{
		v1alpha1.RevokeTokenFinalizer:    p.token.needsRevoking(),
		v1alpha1.RetireFinalizer:         p.client.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetire,
		v1alpha1.ReleaseSecretsFinalizer: left,
	})
}

// finalize revokes the token, retires the client where that is wanted, and lets the SfsClient go. It needs neither the
// platform nor SFS to be there.
func (r *ClientReconciler) finalize(ctx context.Context, p *clientPass) (ctrl.Result, error) {
	return p.release(ctx,
		r.keeper.revocation(p.token),
		duty{
			finalizer: v1alpha1.RetireFinalizer, deadline: p.leaveBy(), missed: notRetired(notInTime(sfs)),
			do: func(ctx context.Context) (happening, error) { return r.retire(ctx, p) },
		},
		r.keeper.removal(p.token, p.leave),
	)
}

// retire changes the customKey of the client, so that it is not found by it again.
func (r *ClientReconciler) retire(ctx context.Context, p *clientPass) (happening, error) {
	// The spec counts, not the finalizer: anybody who edits the resource can add that.
	if p.client.Spec.DeletionPolicy != v1alpha1.DeletionPolicyRetire || p.client.Spec.ClientKey != "" || p.client.IsObserved() ||
		p.client.Status.CustomKey == "" {
		return happening{}, nil
	}
	if p.client.Status.ClientKey == "" {
		return neverBound(p.client.Status.CreateIntent), nil
	}
	session, err := p.connectToLeave(ctx, p.client.Spec.PlatformRef.Name)
	if err != nil {
		return inVain(err, notRetired)
	}
	if !mayHave(ctx, r.client, p.client) {
		return notRetired("this resource may not have the client"), nil
	}
	// Where several stand for the client it stays that of the others.
	if others := holders(ctx, r.client, r.lister, p.platform, p.client); len(others) > 0 {
		return notRetired("it also belongs to SfsClient " + client.ObjectKeyFromObject(others[0]).String()), nil
	}
	key, customKey := p.client.Status.ClientKey, retiredKey(p.client.Status.CustomKey, p.client)
	return p.retire(ctx, session, customKey, func() error {
		err := session.call(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) error {
			return api.UpdateClient(ctx, sendforsign.PlatformToken(platform), key, sendforsign.ClientFields{CustomKey: customKey})
		})
		if err != nil {
			return err
		}
		found, err := r.read(ctx, p, key)
		if err != nil {
			return err
		}
		return retiredAs(customKey, found.CustomKey)
	})
}

// leave says how the Secrets of former names are given up. A token that is no longer wanted leaves at once.
func (p *clientPass) leave(have *published) (policy v1alpha1.SecretDeletionPolicy, atOnce bool) {
	if have.annotations[v1alpha1.IssuedAtAnnotation] == "" {
		return p.client.Spec.Secret.DeletionPolicy, false
	}
	return p.client.Spec.Token.Secret.DeletionPolicy, !p.client.TokenEnabled()
}
