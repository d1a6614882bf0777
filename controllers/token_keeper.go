// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/internal/token"
)

// tokenKeeper keeps a living token in a Secret for each resource, of whatever kind: it decides when there has to be another
// one, has it issued, publishes it, and has those before it revoked. All of it stands in the Secret, its annotations among
// it. What is in memory can be lost.
type tokenKeeper struct {
	clock   clock.PassiveClock
	metrics *metrics.Metrics
	secrets *Secrets
	tokens  keptTokens
	probes  *memory[probing]
	// omitTimes leaves the times of the tokens to their Secrets.
	omitTimes bool
}

// forget drops what is kept for a resource that is gone.
func (k *tokenKeeper) forget(who ref) {
	k.tokens.drop(who)
	k.probes.drop(who)
}

// tokenPass is the part of a pass that keeps a token.
type tokenPass struct {
	*pass
	issuer issuer
	spec   tokenSpec
	// recorded is where the status tells of the token; lastRenew and lastRevoke are where it tells of the requests of users that
	// were handled.
	recorded              **v1alpha1.TokenStatus
	lastRenew, lastRevoke *string
	// name and form are those of the token Secret in this pass, and misshapen is what is wrong with the one that the spec asks
	// for.
	name      string
	form      form
	misshapen error
	// last is the Secret that goes on where that one can not be; nil where there is none, or it is as the spec asks for.
	last     *published
	lastName string
}

// tokenSpec is what a resource says of its token.
type tokenSpec struct {
	wanted      bool
	secretName  string
	secret      v1alpha1.SecretSpec
	revocation  v1alpha1.RevocationPolicy
	gracePeriod *metav1.Duration
	probed      bool // the API is asked whether it still takes the token
	// doubt is a sentence, and a space, on what else a refusal of the token may mean; empty: nothing.
	doubt string
}

// owner is whose token it is.
func (p *tokenPass) owner() string { return string(p.object.GetUID()) }

func (p *tokenPass) policy() token.Policy {
	policy, _ := p.issuer.policy()
	return policy
}

// keep keeps a living token in its Secret. blocked is what keeps the resource from being served, if anything: then no
// token is minted, and the one that is there is judged by its age.
func (k *tokenKeeper) keep(ctx context.Context, p *tokenPass, blocked error) error {
	if !p.spec.wanted {
		return k.withdraw(ctx, p)
	}
	have, err := k.chooseSecret(ctx, p)
	if unsettled(err) != nil {
		return err
	}
	if err != nil && blocked == nil {
		blocked = err
	}
	seen := p.observed(have)
	if seen.Token != nil && seen.Token.OwesRevocation(p.now) && !k.knowsValue(p, have) {
		seen.Reshaped = true // to forget those that have been revoked the Secret must be written, for which the token must be known
	}
	policy := p.policy()
	rejected := p.wasRejected() // and while the work is blocked, this is not asked again
	if blocked == nil && token.Decide(seen, policy, p.now) == token.NotDue {
		if seen.Rejected, rejected, err = k.probe(ctx, p, have, *seen.Token); err != nil {
			return err
		}
	}
	current, failure := k.renewIfDue(ctx, p, have, seen, policy, blocked)
	if unsettled(failure) != nil {
		return failure
	}
	if blocked == nil {
		k.scheduleProbe(p, current, rejected)
	}
	if failure == nil && blocked == nil {
		err := k.refreshFormer(ctx, p, have, *current)
		if err == nil { // else who reads a Secret of a former name would be left with a token that is revoked
			err = k.revokePrevious(ctx, p, current)
		}
		// What comes of the tokens before it does not matter to who uses this one.
		if unsettled(err) != nil {
			return err
		}
	}
	if failure == nil {
		// What was asked for has been done, now or by the token that is there.
		*p.lastRenew = p.requests().renew
		if !current.OwesRevocation(p.now) {
			*p.lastRevoke = p.requests().revoke
		}
		failure = blocked // which keeps the token from being renewed when its time comes
	}
	if current != nil {
		k.record(p, *current)
	}
	p.judge(current, failure, rejected)
	return nil
}

// renewIfDue returns the token that is published in the end, if any, and what kept one that is due from being renewed.
func (k *tokenKeeper) renewIfDue(
	ctx context.Context, p *tokenPass, have *published, seen token.Observed, policy token.Policy, blocked error,
) (*token.Token, error) {
	current := seen.Token
	if seen.Damaged {
		current = nil // whatever its times say, the value is not the one that was published
	}
	reason := token.Decide(seen, policy, p.now)
	if reason == token.NotDue {
		k.tokens.published(p.ref, p.form.shape) // after all
		return current, nil
	}
	log.FromContext(ctx).V(1).Info("Token is due", "why", reason)
	if blocked != nil {
		return current, blocked
	}
	renewed, err := k.renew(ctx, p, have, current, reason)
	if err != nil {
		return current, err
	}
	p.tellRenewal(reason)
	return renewed, nil
}

// observed reads from the Secret what is known of the token.
func (p *tokenPass) observed(have *published) token.Observed {
	found := have.token(p.object.GetUID())
	if found == nil {
		return token.Observed{}
	}
	of, asked, done := p.issuer.tokenOf(), p.requests(), handled(have.annotations)
	return token.Observed{
		Token:           found,
		Damaged:         !have.intact() || have.annotations[v1alpha1.TokenHashAnnotation] == withdrawnHash,
		Foreign:         of != "" && of != have.annotations[v1alpha1.TokenOfAnnotation],
		Reshaped:        !p.form.wornBy(have),
		Requested:       asked.wantRenewal(done),
		RevokeRequested: asked.wantRevocation(done),
	}
}

// token is what the Secret says of the token in it, or nil.
func (p *published) token(owner types.UID) *token.Token {
	if p == nil || !p.ours {
		return nil
	}
	issued, err1 := time.Parse(time.RFC3339, p.annotations[v1alpha1.IssuedAtAnnotation])
	expires, err2 := time.Parse(time.RFC3339, p.annotations[v1alpha1.ExpiresAtAnnotation])
	if err1 != nil || err2 != nil || !expires.After(issued) {
		return nil
	}
	return &token.Token{
		Issued: issued, Expires: expires, Revision: p.revision, Owner: string(owner), RevokePrevious: p.revokePreviousAt(issued),
	}
}
