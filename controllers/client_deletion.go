// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// ensureFinalizers has each finalizer there exactly while there is something to do on deletion. That for the token is written
// before the first one is minted.
func (r *ClientReconciler) ensureFinalizers(ctx context.Context, p *clientPass) error {
	wanted := p.client.Spec.Token.RevocationPolicy != v1alpha1.RevokeNever && (p.client.TokenEnabled() || p.client.Status.Token != nil)
	specs := []v1alpha1.SecretSpec{p.client.Spec.Secret}
	if p.client.TokenEnabled() {
		specs = append(specs, p.client.Spec.Token.Secret)
	}
	left, err := p.wouldLeave(ctx, r.secrets, p.leave, specs...)
	if err != nil {
		return err
	}
	return p.ensureFinalizers(ctx, map[string]bool{
		v1alpha1.RevokeTokenFinalizer:    wanted,
		v1alpha1.RetireFinalizer:         p.client.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetire,
		v1alpha1.ReleaseSecretsFinalizer: left,
	})
}

// finalize revokes the token, retires the client where that is wanted, and lets the SfsClient go. It needs neither the
// platform nor SFS to be there.
func (r *ClientReconciler) finalize(ctx context.Context, p *clientPass) (ctrl.Result, error) {
	end := p.leaveBy()
	expiry := end
	if t := p.client.Status.Token; t != nil && !t.ExpirationTime.IsZero() && t.ExpirationTime.Time.Before(end) {
		expiry = t.ExpirationTime.Time
	}
	revoking := controllerutil.ContainsFinalizer(p.client, v1alpha1.RevokeTokenFinalizer) && p.now.Before(expiry)
	return p.release(ctx,
		duty{
			finalizer: v1alpha1.RevokeTokenFinalizer, deadline: expiry, missed: notRevoked(notInTime),
			do: func(ctx context.Context) (happening, error) { return r.revokeLast(ctx, p) },
		},
		duty{
			finalizer: v1alpha1.RetireFinalizer, deadline: end, missed: notRetired(notInTime),
			do: func(ctx context.Context) (happening, error) { return r.retire(ctx, p) },
		},
		duty{
			finalizer: v1alpha1.ReleaseSecretsFinalizer, deadline: end, missed: secretsLeft(),
			do: func(ctx context.Context) (happening, error) {
				if revoking { // what is to be revoked stands in a Secret, until it is known that it was
					return happening{}, p.later(deferred{after: staleRead})
				}
				return happening{}, p.later(p.releaseSecrets(ctx, r.secrets, p.leave))
			},
		},
	)
}

// retire changes the customKey of the client, so that it is not found by it again.
func (r *ClientReconciler) retire(ctx context.Context, p *clientPass) (happening, error) {
	// The spec counts, not the finalizer: anybody who edits the resource can add that.
	if p.client.Spec.DeletionPolicy != v1alpha1.DeletionPolicyRetire || p.client.Spec.ClientKey != "" || p.client.IsObserved() ||
		p.client.Status.ClientKey == "" || p.client.Status.CustomKey == "" {
		return happening{}, nil
	}
	session, err := p.connectToLeave(ctx, p.client.Spec.PlatformRef.Name)
	if err != nil {
		return inVain(err, notRetired)
	}
	if !mayHave(ctx, r.client, p.client) {
		return notRetired("this resource may not have the client"), nil
	}
	// Where several stand for the client it stays that of the others.
	others, err := holders(ctx, r.client, p.platform, p.client)
	if err != nil {
		return happening{}, err
	}
	if len(others) > 0 {
		return notRetired("it also belongs to SfsClient " + client.ObjectKeyFromObject(&others[0]).String()), nil
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

// revokeLast revokes the tokens of an SfsClient that is being deleted.
func (r *ClientReconciler) revokeLast(ctx context.Context, p *clientPass) (happening, error) {
	outcome, err := r.revokeToken(ctx, p, p.publishedIn())
	if err == nil && outcome == (happening{}) && p.client.Status.Token != nil && !p.tokenIsOver() {
		return notRevoked("the Secret that held it is gone or was changed"), nil
	}
	return outcome, err
}

// tokenIsOver says of the token that the status tells of whether it is known to have expired.
func (p *clientPass) tokenIsOver() bool {
	t := p.client.Status.Token
	return t != nil && !t.ExpirationTime.IsZero() && !p.now.Before(t.ExpirationTime.Time)
}

// revokeToken revokes the token in a Secret, if there is one, and those before it that wait there. It returns what is to be
// told of it.
func (r *ClientReconciler) revokeToken(ctx context.Context, p *clientPass, name string) (happening, error) {
	if p.tokenIsOver() {
		return happening{}, nil
	}
	values, err := r.tokensIn(ctx, p, name)
	if err != nil || len(values) == 0 {
		return happening{}, err
	}
	session, err := p.connectToLeave(ctx, p.client.Spec.PlatformRef.Name)
	if err != nil {
		return inVain(err, notRevoked)
	}
	outcome := revoked()
	if p.client.DeletionTimestamp.IsZero() {
		r.tokens.drop(p.ref) // one that may have been revoked must not be published again
	}
	err = p.try(ctx, step{name: "revoke", connection: session, class: classRenewal, deadline: p.leaveBy()}, func() error {
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
	case failed != nil && needsPerson(failed.reason) && failed.reason != v1alpha1.CredentialsInvalidReason:
		// SFS has made up its mind; asking again changes nothing. What it says of the credentials says nothing of the token.
		return notRevoked(failed.message), nil
	}
	return happening{}, err
}

// tokensIn returns the published token, if it is the one that the operator wrote, and those that wait for their revocation.
// What somebody else has put there is a secret of theirs, and not for SFS.
func (r *ClientReconciler) tokensIn(ctx context.Context, p *clientPass, name string) ([]sendforsign.Secret, error) {
	secret, have, err := r.secrets.read(ctx, p.client, p.ref, name)
	if err != nil {
		return nil, err
	}
	var values []sendforsign.Secret
	if secret == nil { // as in a namespace that is being deleted
		if kept, known := r.tokens.get(p.ref); known && kept.token.Owner == string(p.client.UID) {
			values = append(values, kept.value)
		}
		return values, nil
	}
	if seen := r.observed(p, have); seen.Token != nil {
		if m, ok := r.held(p, secret, have, *seen.Token); ok {
			values = []sendforsign.Secret{m.value}
		}
	}
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
func (p *clientPass) publishedIn() string { return publishedIn(p.client) }

func publishedIn(c *v1alpha1.SfsClient) string {
	if c.Status.Token != nil {
		return c.Status.Token.SecretRef.Name
	}
	return c.TokenSecretName()
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
	// A token that is wanted again must not be revoked because the cache shows a former spec.
	if err := r.secrets.confirm(ctx, p.client); err != nil {
		return err
	}
	// The status may not tell of a token that was published just before.
	name := p.publishedIn()
	if p.client.Spec.Token.RevocationPolicy != v1alpha1.RevokeNever {
		if err := r.unpublish(ctx, p, name); err != nil {
			return err
		}
		outcome, err := r.revokeToken(ctx, p, name)
		if err != nil {
			return err
		}
		if outcome != (happening{}) {
			p.tell(outcome)
		}
	}
	if err := r.secrets.remove(ctx, p.client, p.ref, name, v1alpha1.SecretDelete); err != nil {
		return err
	}
	r.tokens.drop(p.ref)
	if p.client.Status.Token != nil {
		p.client.Status.Token = nil
		p.wakeIn(staleRead) // the next pass finds the finalizer to be of no more use
	}
	return nil
}

// unpublish has a Secret hold its token only as one that is to be revoked: whatever comes between its revocation and the end
// of the Secret, nobody takes it for a living one, should a token be wanted again.
func (r *ClientReconciler) unpublish(ctx context.Context, p *clientPass, name string) error {
	secret, have, err := r.secrets.read(ctx, p.client, p.ref, name)
	if err != nil || secret == nil {
		return err
	}
	seen := r.observed(p, have)
	if seen.Token == nil || seen.Damaged || !p.now.Before(seen.Token.Expires) {
		return nil // it is not taken for one
	}
	held, ok := r.held(p, secret, have, *seen.Token)
	if !ok {
		return nil // it can not be revoked
	}
	var list previousTokens
	if have.listsPrevious() {
		list = held.previous
	}
	list = append(list, previousToken{value: held.value, expires: held.token.Expires})
	list.atOnce(p.now.UTC().Truncate(time.Millisecond))
	held.previous, held.token.Revision = list, have.revision+1
	return p.wrote(ctx, name, r.secrets.write(ctx, p.client, p.ref, have, withdrawnSecret(name, have, held)))
}

// leave says how the Secrets of former names are given up. A token that is no longer wanted leaves at once.
func (p *clientPass) leave(have *published) (policy v1alpha1.SecretDeletionPolicy, atOnce bool) {
	if have.annotations[v1alpha1.IssuedAtAnnotation] == "" {
		return p.client.Spec.Secret.DeletionPolicy, false
	}
	return p.client.Spec.Token.Secret.DeletionPolicy, !p.client.TokenEnabled()
}
