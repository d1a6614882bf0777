// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"maps"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// What is done with the last token of a resource: when the resource is deleted, and when it wants no token any more.

// needsRevoking says whether there is, or will be, a token that is to be revoked in the end. The finalizer for that is written
// before the first one is minted.
func (p *tokenPass) needsRevoking() bool {
	return p.spec.revocation != v1alpha1.RevokeNever && (p.spec.wanted || *p.recorded != nil)
}

// revocation is the duty to revoke the tokens of a resource that is being deleted.
func (k *tokenKeeper) revocation(p *tokenPass) duty {
	return duty{
		finalizer: v1alpha1.RevokeTokenFinalizer, deadline: p.revokeBy(), missed: notRevoked(notInTime(p.issuer.name())),
		do: func(ctx context.Context) (happening, error) { return k.revokeLast(ctx, p) },
	}
}

// revokeBy is until when the revocation of the last token is waited for: no longer than it lives.
func (p *tokenPass) revokeBy() time.Time {
	end := p.leaveBy()
	if t := *p.recorded; t != nil && !t.ExpirationTime.IsZero() && t.ExpirationTime.Time.Before(end) {
		end = t.ExpirationTime.Time
	}
	return end
}

// isRevoking says whether the tokens of a resource that is being deleted are still to be revoked.
func (p *tokenPass) isRevoking() bool {
	return controllerutil.ContainsFinalizer(p.object, v1alpha1.RevokeTokenFinalizer) && p.now.Before(p.revokeBy())
}

// removal is the duty to remove the Secrets of such a resource that Kubernetes leaves behind.
func (k *tokenKeeper) removal(p *tokenPass, leave departure) duty {
	return duty{
		finalizer: v1alpha1.ReleaseSecretsFinalizer, deadline: p.leaveBy(), missed: secretsLeft(),
		do: func(ctx context.Context) (happening, error) {
			if p.isRevoking() { // what is to be revoked stands in a Secret, until it is known that it was
				return happening{}, p.later(deferred{after: staleRead})
			}
			return happening{}, p.later(p.releaseSecrets(ctx, k.secrets, leave))
		},
	}
}

// revokeLast revokes the tokens of a resource that is being deleted.
func (k *tokenKeeper) revokeLast(ctx context.Context, p *tokenPass) (happening, error) {
	outcome, err := k.revokeToken(ctx, p, p.publishedIn())
	if err == nil && outcome == (happening{}) && *p.recorded != nil && !p.tokenIsOver() {
		return notRevoked("the Secret that held it is gone or was changed"), nil
	}
	return outcome, err
}

// tokenIsOver says of the token that the status tells of whether it is known to have expired.
func (p *tokenPass) tokenIsOver() bool {
	t := *p.recorded
	return t != nil && !t.ExpirationTime.IsZero() && !p.now.Before(t.ExpirationTime.Time)
}

// revokeToken revokes the token in a Secret, if there is one, and those before it that wait there. It returns what is to be
// told of it.
func (k *tokenKeeper) revokeToken(ctx context.Context, p *tokenPass, name string) (happening, error) {
	if p.tokenIsOver() {
		return happening{}, nil
	}
	values, err := k.tokensIn(ctx, p, name)
	if err != nil || len(values) == 0 {
		return happening{}, err
	}
	connection, err := p.issuer.connectToLeave(ctx)
	if err != nil {
		return inVain(err, notRevoked)
	}
	outcome := revoked()
	if p.object.GetDeletionTimestamp().IsZero() {
		k.tokens.drop(p.ref) // one that may have been revoked must not be published again
	}
	err = p.try(ctx, step{name: "revoke", connection: connection, class: classRenewal, deadline: p.leaveBy()}, func() error {
		for _, value := range values {
			refusal, err := p.issuer.revoke(ctx, value)
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
		// The API has made up its mind; asking again changes nothing. What it says of the credentials says nothing of the token.
		return notRevoked(failed.message), nil
	}
	return happening{}, err
}

// tokensIn returns the published token, if it is the one that the operator wrote, and those that wait for their revocation.
// What somebody else has put there is a secret of theirs, and not for the API.
func (k *tokenKeeper) tokensIn(ctx context.Context, p *tokenPass, name string) ([]sendforsign.Secret, error) {
	secret, have, err := k.secrets.read(ctx, p.object, p.ref, name)
	if err != nil {
		return nil, err
	}
	var values []sendforsign.Secret
	if secret == nil { // as in a namespace that is being deleted
		if kept, known := k.tokens.get(p.ref); known && kept.token.Owner == p.owner() {
			values = append(values, kept.value)
		}
		return values, nil
	}
	if seen := p.observed(have); seen.Token != nil {
		if m, ok := k.held(p, secret, have, *seen.Token); ok {
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
func (p *tokenPass) publishedIn() string { return publishedIn(*p.recorded, p.spec.secretName) }

// publishedIn is that by what the status tells, and before it tells anything by the spec.
func publishedIn(recorded *v1alpha1.TokenStatus, wanted string) string {
	if recorded != nil {
		return recorded.SecretRef.Name
	}
	return wanted
}

// withdraw takes back a token that is no longer wanted.
func (k *tokenKeeper) withdraw(ctx context.Context, p *tokenPass) error {
	c := conditions.Get(p.object, v1alpha1.TokenValidCondition)
	if c != nil && c.Reason == v1alpha1.DisabledReason && c.ObservedGeneration == p.object.GetGeneration() && *p.recorded == nil {
		return nil
	}
	err := p.later(k.takeBack(ctx, p))
	p.report(v1alpha1.TokenValidCondition, v1alpha1.DisabledReason, "no token is wanted", err)
	return err
}

func (k *tokenKeeper) takeBack(ctx context.Context, p *tokenPass) error {
	// A token that is wanted again must not be revoked because the cache shows a former spec.
	if err := k.secrets.confirm(ctx, p.object); err != nil {
		return err
	}
	// The status may not tell of a token that was published just before.
	name := p.publishedIn()
	if p.spec.revocation != v1alpha1.RevokeNever {
		former, err := k.formerTokens(ctx, p, name)
		if err != nil {
			return err
		}
		for _, one := range append(slices.Sorted(maps.Keys(former)), name) {
			if err := k.unpublish(ctx, p, one); err != nil {
				return err
			}
		}
		outcome, err := k.revokeToken(ctx, p, name)
		if err != nil {
			return err
		}
		if outcome != (happening{}) {
			p.tell(outcome)
		}
	}
	if err := k.secrets.remove(ctx, p.object, p.ref, name, v1alpha1.SecretDelete); err != nil {
		return err
	}
	k.tokens.drop(p.ref)
	if *p.recorded != nil {
		*p.recorded = nil
		p.wakeIn(staleRead) // the next pass finds the finalizer to be of no more use
	}
	return nil
}

// unpublish has a Secret hold its token only as one that is to be revoked: whatever comes between its revocation and the end
// of the Secret, nobody takes it for a living one, should a token be wanted again.
func (k *tokenKeeper) unpublish(ctx context.Context, p *tokenPass, name string) error {
	secret, have, err := k.secrets.read(ctx, p.object, p.ref, name)
	if err != nil || secret == nil {
		return err
	}
	seen := p.observed(have)
	if seen.Token == nil || have.annotations[v1alpha1.TokenHashAnnotation] == withdrawnHash || !p.now.Before(seen.Token.Expires) {
		return nil // it is not taken for one
	}
	held, ok := k.held(p, secret, have, *seen.Token)
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
	return p.wrote(ctx, name, k.secrets.write(ctx, p.object, p.ref, have, withdrawnSecret(name, have, held)))
}
