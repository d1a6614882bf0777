// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/token"
)

// renew publishes a token: the one at hand where that serves, and else a new one.
func (k *tokenKeeper) renew(
	ctx context.Context, p *tokenPass, have *published, current *token.Token, why token.Reason,
) (*token.Token, error) {
	name := p.name
	// Nothing is minted that could not be published.
	if err := k.secrets.mayWrite(ctx, p.object, have, name, p.form); err != nil {
		return nil, p.wrote(ctx, name, err)
	}
	if err := k.secrets.mayRepair(ctx, p.object, p.ref, have, name, p.form); err != nil {
		return nil, p.later(err)
	}
	minted, ok, err := k.tokenAtHand(ctx, p, have, why)
	if err != nil {
		return nil, err
	}
	if !ok {
		if minted, err = k.mintInTurn(ctx, p, current); err != nil {
			return nil, err
		}
	}
	if have, minted.previous, err = k.keepPrevious(ctx, p, have, minted); err != nil {
		return nil, err
	}
	if _, err := tokenSecret(name, p.form, p.source(minted), minted); err != nil {
		p.misshapen = err
		if why == token.Reshaped {
			p.form = formIn(have)
			return current, nil // the last good Secret stays
		}
		p.form.shape = p.shapeFor(minted, have)
	}
	minted.token.Revision = max(revisionOf(have), p.statusRevision()) + 1
	minted.token.RevokePrevious = minted.previous.next()
	k.tokens.put(p.ref, keptToken{mintedToken: minted}) // the Secret that holds it may have to make way for another
	err = k.publishToken(ctx, p, have, name, p.form, minted)
	err = p.wrote(ctx, name, err)
	if failed := problemOf(err); failed != nil && p.last != nil {
		// No rehearsal shows what a quota or an admission policy says of a Secret.
		p.goOnWithLast(failed)
		if held := p.observed(p.last); held.Token != nil && !held.Damaged && minted.hash() == p.last.annotations[v1alpha1.TokenHashAnnotation] {
			return held.Token, nil
		}
		minted.token.Revision = p.last.revision + 1
		err = p.wrote(ctx, p.name, k.publishToken(ctx, p, p.last, p.name, p.form, minted))
	}
	if err != nil {
		return nil, err
	}
	k.tokens.put(p.ref, keptToken{minted, true, p.form.shape})
	k.countRenewal(p, current, minted, why)
	return &minted.token, nil
}

func (k *tokenKeeper) publishToken(ctx context.Context, p *tokenPass, have *published, name string, as form, m mintedToken) error {
	want, err := tokenSecret(name, as, p.source(m), m)
	if err != nil {
		return err
	}
	return k.secrets.write(ctx, p.object, p.ref, have, want)
}

// tokenAtHand returns a token that has been minted already and still serves: one that could not be written, or the published
// one where only its Secret is missing, damaged or of another shape.
func (k *tokenKeeper) tokenAtHand(ctx context.Context, p *tokenPass, have *published, why token.Reason) (m mintedToken, ok bool, err error) {
	serves := func(m mintedToken) bool {
		asked := p.requests()
		return m.token.Owner == p.owner() && m.of == p.issuer.tokenOf() &&
			!asked.wantRenewal(m.asked) && !asked.wantRevocation(m.asked) && m.isFresh(p)
	}
	lost := why == token.Missing || why == token.Damaged || why == token.Reshaped
	if kept, known := k.tokens.get(p.ref); known && serves(kept.mintedToken) && (lost || !kept.published) {
		return kept.mintedToken, true, nil
	}
	name := p.publishedIn()
	switch {
	case why == token.Missing && name != p.name: // the spec names another Secret
	case have != nil && (why == token.Damaged || why == token.Reshaped):
		name = p.name
	default:
		return m, false, nil
	}
	secret, live, err := k.secrets.read(ctx, p.object, p.ref, name)
	if err != nil || secret == nil {
		return m, false, err
	}
	if of := secret.Labels[v1alpha1.OwnerLabel]; of != "" && of != p.owner() {
		return m, false, nil // from a back-up: the token was revoked when that resource went
	}
	seen := p.observed(live)
	if seen.Token == nil {
		return m, false, nil
	}
	m, ok = k.held(p, secret, live, *seen.Token)
	return m, ok && serves(m), nil
}

// tokenStep mints a token.
const tokenStep = "token"

// mintInTurn mints a token as a step, when the rate limit lets it.
func (k *tokenKeeper) mintInTurn(ctx context.Context, p *tokenPass, current *token.Token) (m mintedToken, err error) {
	connection, err := p.issuer.connect(ctx)
	if err != nil {
		return m, err
	}
	limit := func(wait time.Duration) time.Duration { return token.RetryDelay(current, wait, p.now) }
	s := step{name: tokenStep, connection: connection, class: tokenClass(current, p.now), deadline: p.tokenDeadline(current), limit: limit}
	if s.class != classLosing {
		s.sooner = losing(current).Sub(p.now)
	}
	err = p.try(ctx, s, func() (err error) {
		m, err = k.mint(ctx, p)
		return err
	})
	return m, err
}

// mint has a token issued. It is kept in memory before anything else is done with it.
func (k *tokenKeeper) mint(ctx context.Context, p *tokenPass) (mintedToken, error) {
	m, err := p.issuer.mint(ctx)
	if err != nil {
		return mintedToken{}, err
	}
	m.of, m.asked, m.token.Owner = p.issuer.tokenOf(), p.requests(), p.owner()
	k.tokens.put(p.ref, keptToken{mintedToken: m})
	return m, nil
}

// missingWaits is for how long one without a token gives way to tokens that are about to die. So applications that lose their
// tokens together, however many, cost no other its own, and yet have their turn where more tokens die than can be renewed.
const missingWaits = 30 * time.Minute

// tokenDeadline is until when a token is to be there.
func (p *tokenPass) tokenDeadline(current *token.Token) time.Time {
	if current != nil {
		return current.Expires
	}
	since := p.now
	if c := conditions.Get(p.object, v1alpha1.TokenValidCondition); c != nil && c.Status == metav1.ConditionFalse {
		since = c.LastTransitionTime.Time
	}
	return since.Add(missingWaits)
}

func revisionOf(have *published) int64 {
	if have == nil {
		return 0
	}
	return have.revision
}

// statusRevision goes on counting where a Secret was deleted.
func (p *tokenPass) statusRevision() int64 {
	if known := *p.recorded; known != nil && known.SecretRef.Name == p.name {
		return known.Revision
	}
	return 0
}

func (m mintedToken) isFresh(p *tokenPass) bool {
	return token.Decide(token.Observed{Token: &m.token}, p.policy(), p.now) == token.NotDue
}

// countRenewal counts how late a token was replaced, and for how long the one before can still be used.
func (k *tokenKeeper) countRenewal(p *tokenPass, before *token.Token, by mintedToken, why token.Reason) {
	if before == nil || before.Issued.Equal(by.token.Issued) {
		return // there was none, or it is the same one in another form
	}
	now := k.clock.Now()
	if ready := conditions.Get(p.began, v1alpha1.ReadyCondition); why == token.Due && (ready == nil || ready.Reason != v1alpha1.SuspendedReason) {
		planned := p.policy().RenewalTime(*before)
		// A margin that has just been made longer does not make anybody late.
		if known := *p.recorded; known != nil && known.RenewalTime.After(planned) && known.Revision == before.Revision {
			planned = known.RenewalTime.Time
		}
		k.metrics.TokenRenewed(now.Sub(planned))
	}
	end := before.Expires
	if why == token.Rejected {
		end = now
	}
	for _, replaced := range by.previous {
		if replaced.expires.Equal(before.Expires) && replaced.revoke.Before(end) {
			end = replaced.revoke
		}
	}
	k.metrics.TokenReplaced(end.Sub(now))
}

func (p *tokenPass) tellRenewal(reason token.Reason) {
	switch reason {
	case token.Requested:
		p.tell(renewedOnRequest())
	case token.Missing, token.Damaged:
		switch before := *p.recorded; {
		case before == nil:
			p.tell(firstToken(p.name))
		case before.SecretRef.Name == p.name:
			p.tell(repaired(p.name))
		}
	case token.Rejected:
		p.tell(replacedRejected(p.issuer.name()))
	case token.NotDue, token.Due, token.Foreign, token.FromFuture, token.Reshaped, token.RevokeRequested: // told when it is revoked
	}
}
