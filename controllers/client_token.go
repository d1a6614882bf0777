// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// tokenStep mints a token.
const tokenStep = "token"

// keepToken keeps a living token in its Secret. blocked is what keeps the client from being used, if anything: then no
// token is minted, and the one that is there is judged by its age.
func (r *ClientReconciler) keepToken(ctx context.Context, p *clientPass, blocked error) error {
	if !p.client.TokenEnabled() {
		return r.withdrawToken(ctx, p)
	}
	have, err := r.chooseSecret(ctx, p)
	if unsettled(err) != nil {
		return err
	}
	if err != nil && blocked == nil {
		blocked = err
	}
	seen := r.observed(p, have)
	if seen.Token != nil && seen.Token.OwesRevocation(p.now) && !r.knowsValue(p, have) {
		seen.Reshaped = true // to forget those that have been revoked the Secret must be written, for which the token must be known
	}
	policy := renewalPolicy(p.platform, p.client)
	rejected := p.wasRejected() // and while the work is blocked, this is not asked again
	if blocked == nil && token.Decide(seen, policy, p.now) == token.NotDue {
		if seen.Rejected, rejected, err = r.probe(ctx, p, have, *seen.Token); err != nil {
			return err
		}
	}
	current, failure := r.renewIfDue(ctx, p, have, seen, policy, blocked)
	if unsettled(failure) != nil {
		return failure
	}
	if blocked == nil {
		r.scheduleProbe(p, current, rejected)
	}
	if failure == nil && blocked == nil {
		err := r.refreshFormer(ctx, p, have, *current)
		if err == nil { // else who reads a Secret of a former name would be left with a token that is revoked
			err = r.revokePrevious(ctx, p, current)
		}
		// What comes of the tokens before it does not matter to who uses this one.
		if unsettled(err) != nil {
			return err
		}
	}
	if failure == nil {
		// What was asked for has been done, now or by the token that is there.
		p.client.Status.LastHandledRenewAt = p.requests().renew
		if !current.OwesRevocation(p.now) {
			p.client.Status.LastHandledRevokeAt = p.requests().revoke
		}
		failure = blocked // which keeps the token from being renewed when its time comes
	}
	if current != nil {
		r.recordToken(p, *current, policy)
	}
	p.judgeToken(current, failure, rejected)
	return nil
}

// renewIfDue returns the token that is published in the end, if any, and what kept one that is due from being renewed.
func (r *ClientReconciler) renewIfDue(
	ctx context.Context, p *clientPass, have *published, seen token.Observed, policy token.Policy, blocked error,
) (*token.Token, error) {
	current := seen.Token
	if seen.Damaged {
		current = nil // whatever its times say, the value is not the one that was published
	}
	reason := token.Decide(seen, policy, p.now)
	if reason == token.NotDue {
		r.tokens.published(p.ref, p.tokenForm.shape) // after all
		return current, nil
	}
	log.FromContext(ctx).V(1).Info("Token is due", "why", reason)
	if blocked != nil {
		return current, blocked
	}
	renewed, err := r.renew(ctx, p, have, current, reason)
	if err != nil {
		return current, err
	}
	p.tellRenewal(reason)
	return renewed, nil
}

// countRenewal counts how late a token was replaced, and for how long the one before can still be used.
func (r *ClientReconciler) countRenewal(p *clientPass, before *token.Token, by mintedToken, why token.Reason) {
	if before == nil || before.Issued.Equal(by.token.Issued) {
		return // there was none, or it is the same one in another form
	}
	now := r.clock.Now()
	if ready := conditions.Get(p.began, v1alpha1.ReadyCondition); why == token.Due && (ready == nil || ready.Reason != v1alpha1.SuspendedReason) {
		planned := renewalPolicy(p.platform, p.client).RenewalTime(*before)
		// A margin that has just been made longer does not make anybody late.
		if known := p.client.Status.Token; known != nil && known.RenewalTime.After(planned) && known.Revision == before.Revision {
			planned = known.RenewalTime.Time
		}
		r.metrics.TokenRenewed(now.Sub(planned))
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
	r.metrics.TokenReplaced(end.Sub(now))
}

func (p *clientPass) tellRenewal(reason token.Reason) {
	switch reason {
	case token.Requested:
		p.tell(renewedOnRequest())
	case token.Missing, token.Damaged:
		switch before := p.client.Status.Token; {
		case before == nil:
			p.tell(firstToken(p.tokenName))
		case before.SecretRef.Name == p.tokenName:
			p.tell(repaired(p.tokenName))
		}
	case token.Rejected:
		p.tell(replacedRejected())
	case token.NotDue, token.Due, token.Foreign, token.FromFuture, token.Reshaped, token.RevokeRequested: // told when it is revoked
	}
}

func renewalPolicy(platform *v1alpha1.SfsPlatform, c *v1alpha1.SfsClient) token.Policy {
	switch {
	case c.Spec.Token.RenewBefore != nil:
		return token.Policy{RenewBefore: c.Spec.Token.RenewBefore.Duration}
	case platform != nil && platform.Spec.Token.RenewBefore != nil:
		return token.Policy{RenewBefore: platform.Spec.Token.RenewBefore.Duration}
	}
	return token.Policy{}
}

// observed reads from the Secret what is known of the token.
func (r *ClientReconciler) observed(p *clientPass, have *published) token.Observed {
	found := have.token(p.client)
	if found == nil {
		return token.Observed{}
	}
	asked, done := p.requests(), handled(have.annotations)
	return token.Observed{
		Token:           found,
		Damaged:         !have.intact() || have.annotations[v1alpha1.TokenHashAnnotation] == withdrawnHash,
		Foreign:         p.platform != nil && p.client.Status.ClientKey != "" && !r.isFor(p, have),
		Reshaped:        !p.tokenForm.wornBy(have),
		Requested:       asked.wantRenewal(done),
		RevokeRequested: asked.wantRevocation(done),
	}
}

// token is what the Secret says of the token in it, or nil.
func (p *published) token(owner *v1alpha1.SfsClient) *token.Token {
	if p == nil || !p.ours {
		return nil
	}
	issued, err1 := time.Parse(time.RFC3339, p.annotations[v1alpha1.IssuedAtAnnotation])
	expires, err2 := time.Parse(time.RFC3339, p.annotations[v1alpha1.ExpiresAtAnnotation])
	if err1 != nil || err2 != nil || !expires.After(issued) {
		return nil
	}
	return &token.Token{
		Issued: issued, Expires: expires, Revision: p.revision, Owner: string(owner.UID), RevokePrevious: p.revokePreviousAt(issued),
	}
}

// isFor says whether the token was made for this client at this API.
func (r *ClientReconciler) isFor(p *clientPass, have *published) bool {
	return have.annotations[v1alpha1.TokenOfAnnotation] == tokenOf(p.client.Status.ClientKey, baseURL(p.platform))
}

func tokenOf(clientKey, baseURL string) string {
	return factsHash(map[string][]byte{v1alpha1.KeyClientKey: []byte(clientKey), v1alpha1.KeyBaseURL: []byte(baseURL)})
}

// renew publishes a token: the one at hand where that serves, and else a new one.
func (r *ClientReconciler) renew(
	ctx context.Context, p *clientPass, have *published, current *token.Token, why token.Reason,
) (*token.Token, error) {
	name := p.tokenName
	// Nothing is minted that could not be published.
	if err := r.secrets.mayWrite(ctx, p.client, have, name, p.tokenForm); err != nil {
		return nil, p.wrote(ctx, name, err)
	}
	if err := r.secrets.mayRepair(ctx, p.client, p.ref, have, name, p.tokenForm); err != nil {
		return nil, p.later(err)
	}
	minted, ok, err := r.tokenAtHand(ctx, p, have, why)
	if err != nil {
		return nil, err
	}
	if !ok {
		if minted, err = r.mintInTurn(ctx, p, current); err != nil {
			return nil, err
		}
	}
	if have, minted.previous, err = r.keepPrevious(ctx, p, have, minted); err != nil {
		return nil, err
	}
	if _, err := tokenSecret(name, p.tokenForm, minted); err != nil {
		p.misshapen = err
		if why == token.Reshaped {
			p.tokenForm = formIn(have)
			return current, nil // the last good Secret stays
		}
		p.tokenForm.shape = shapeFor(minted, have, p.tokenForm.shape)
	}
	minted.token.Revision = max(revisionOf(have), p.statusRevision()) + 1
	minted.token.RevokePrevious = minted.previous.next()
	r.tokens.put(p.ref, keptToken{mintedToken: minted}) // the Secret that holds it may have to make way for another
	err = r.publishToken(ctx, p, have, name, p.tokenForm, minted)
	if err := p.wrote(ctx, name, err); err != nil {
		return nil, err
	}
	r.tokens.put(p.ref, keptToken{minted, true, p.tokenForm.shape})
	r.countRenewal(p, current, minted, why)
	return &minted.token, nil
}

func (r *ClientReconciler) publishToken(ctx context.Context, p *clientPass, have *published, name string, as form, m mintedToken) error {
	want, err := tokenSecret(name, as, m)
	if err != nil {
		return err
	}
	return r.secrets.write(ctx, p.client, p.ref, have, want)
}

// tokenAtHand returns a token that has been minted already and still serves: one that could not be written, or the published
// one where only its Secret is missing, damaged or of another shape.
func (r *ClientReconciler) tokenAtHand(ctx context.Context, p *clientPass, have *published, why token.Reason) (m mintedToken, ok bool, err error) {
	serves := func(m mintedToken) bool {
		asked := p.requests()
		return m.token.Owner == string(p.client.UID) && m.of == tokenOf(p.client.Status.ClientKey, baseURL(p.platform)) &&
			!asked.wantRenewal(m.asked) && !asked.wantRevocation(m.asked) && m.isFresh(p)
	}
	lost := why == token.Missing || why == token.Damaged || why == token.Reshaped
	if kept, known := r.tokens.get(p.ref); known && serves(kept.mintedToken) && (lost || !kept.published) {
		return kept.mintedToken, true, nil
	}
	name := p.publishedIn()
	switch {
	case why == token.Missing && name != p.tokenName: // the spec names another Secret
	case have != nil && (why == token.Damaged || why == token.Reshaped):
		name = p.tokenName
	default:
		return m, false, nil
	}
	secret, live, err := r.secrets.read(ctx, p.client, p.ref, name)
	if err != nil || secret == nil {
		return m, false, err
	}
	seen := r.observed(p, live)
	if seen.Token == nil {
		return m, false, nil
	}
	m, ok = r.held(p, secret, live, *seen.Token)
	return m, ok && serves(m), nil
}

// mintInTurn mints a token as a step, when the rate limit lets it.
func (r *ClientReconciler) mintInTurn(ctx context.Context, p *clientPass, current *token.Token) (m mintedToken, err error) {
	session, err := p.connect(ctx)
	if err != nil {
		return m, err
	}
	limit := func(wait time.Duration) time.Duration { return token.RetryDelay(current, wait, p.now) }
	s := step{name: tokenStep, connection: session, class: tokenClass(current, p.now), deadline: p.tokenDeadline(current), limit: limit}
	if s.class != classLosing {
		s.sooner = losing(current).Sub(p.now)
	}
	err = p.try(ctx, s, func() (err error) {
		m, err = r.mint(ctx, p)
		return err
	})
	return m, err
}

// missingWaits is for how long one without a token gives way to tokens that are about to die. So applications that lose their
// tokens together, however many, cost no other its own, and yet have their turn where more tokens die than can be renewed.
const missingWaits = 30 * time.Minute

// tokenDeadline is until when a token is to be there.
func (p *clientPass) tokenDeadline(current *token.Token) time.Time {
	if current != nil {
		return current.Expires
	}
	since := p.now
	if c := conditions.Get(p.client, v1alpha1.TokenValidCondition); c != nil && c.Status == metav1.ConditionFalse {
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
func (p *clientPass) statusRevision() int64 {
	if known := p.client.Status.Token; known != nil && known.SecretRef.Name == p.tokenName {
		return known.Revision
	}
	return 0
}

func (r *ClientReconciler) mint(ctx context.Context, p *clientPass) (mintedToken, error) {
	clientKey, url, asked := p.client.Status.ClientKey, baseURL(p.platform), p.requests()
	var made sendforsign.Token
	var issued time.Time
	err := p.session.call(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) (err error) {
		// Its life counts from before it was asked for: SFS may have made it at once and answered late.
		issued = r.clock.Now().UTC().Truncate(time.Millisecond)
		made, err = api.CreateClientToken(ctx, platform, clientKey)
		r.metrics.TokenRequested(metrics.MintClient, resultOf(err))
		return err
	})
	if sendforsign.IsNotFound(err) {
		return mintedToken{}, remoteMissing("clientKey", clientKey, err)
	}
	if err != nil {
		return mintedToken{}, err
	}
	m := mintedToken{
		value: made.AccessToken, tokenType: made.TokenType, of: tokenOf(clientKey, url), clientKey: clientKey, baseURL: url, asked: asked,
		token: token.Token{Issued: issued, Expires: issued.Add(made.ExpiresIn), Owner: string(p.client.UID)},
	}
	r.tokens.put(p.ref, keptToken{mintedToken: m})
	return m, nil
}

func (m mintedToken) isFresh(p *clientPass) bool {
	return token.Decide(token.Observed{Token: &m.token}, renewalPolicy(p.platform, p.client), p.now) == token.NotDue
}

// recordToken has the status tell of the published token, and the pass come back for its renewal.
func (r *ClientReconciler) recordToken(p *clientPass, current token.Token, policy token.Policy) {
	renewal := policy.RenewalTime(current)
	known := p.client.Status.Token
	isKnown := known != nil && known.Revision == current.Revision && known.SecretRef.Name == p.tokenName
	switch {
	case isKnown && p.platform == nil:
		return // what the platform says of the margin can not be known, so the times stay as they were
	case isKnown && r.omitTimes:
		// They are right, and go with the next token: to take them from all resources at once would be a storm of writes.
	case r.omitTimes:
		p.client.Status.Token = &v1alpha1.TokenStatus{SecretRef: v1alpha1.SecretReference{Name: p.tokenName}}
	default:
		p.client.Status.Token = tokenStatus(p.tokenName, current, renewal)
	}
	if wait := renewal.Sub(p.now); wait > 0 {
		p.wakeIn(wait) // and where it is past, the attempt that failed has said when to come back
	}
}

// tokenStatus copies the times of a token to where kubectl shows them.
func tokenStatus(secret string, t token.Token, renewal time.Time) *v1alpha1.TokenStatus {
	status := &v1alpha1.TokenStatus{
		SecretRef: v1alpha1.SecretReference{Name: secret},
		// In whole seconds, as they are read again: else each pass would find another time.
		IssuedTime:     metav1.NewTime(t.Issued.Truncate(time.Second)),
		ExpirationTime: metav1.NewTime(t.Expires.Truncate(time.Second)),
		RenewalTime:    metav1.NewTime(renewal.Truncate(time.Second)),
		Revision:       t.Revision,
	}
	if !t.RevokePrevious.IsZero() {
		status.PreviousRevocationTime = &metav1.Time{Time: t.RevokePrevious.Truncate(time.Second)}
	}
	return status
}

// judgeToken sets TokenValid by what applications can do with the token now, not by how the last attempt to renew it went.
func (p *clientPass) judgeToken(current *token.Token, failure error, rejected bool) {
	failed := problemOf(failure)
	before := conditions.Get(p.client, v1alpha1.TokenValidCondition)
	deferral := failure != nil && failed == nil && before != nil
	if failed == nil && current != nil && p.waitsForPause(*current) {
		failed = pauseAsked(nil)
	}
	p.urgency = tokenUrgency(current, p.now)
	if current == nil && p.client.Status.Token == nil {
		p.urgency = urgencyDue // it is the first one
	}
	switch {
	case current == nil && deferral && before.Status == metav1.ConditionFalse:
		// What was said of the last attempt still holds.
	case current == nil:
		if failed == nil {
			failed = &problem{reason: v1alpha1.TokenMissingReason, message: "no token has been published yet"}
		}
		p.set(v1alpha1.TokenValidCondition, metav1.ConditionFalse, failed.reason, failed.message)
	case rejected && current.Usable(p.now):
		p.urgency = urgencyExpired
		said := tokenRejected()
		p.set(v1alpha1.TokenValidCondition, metav1.ConditionFalse, said.reason, said.message)
	case current.Usable(p.now):
		// It must not be said that all is well for longer than it is.
		p.wakeIn(p.until(current.Expires.Add(-token.MinRemaining(current.Life()))) + time.Millisecond)
		p.remarkOnLivingToken(failed, deferral && before.Status == metav1.ConditionTrue)
	default:
		message := "the token is about to expire or has expired, and could not be renewed"
		if failed != nil {
			message += ": " + failed.message
		} else if before != nil && before.Reason == v1alpha1.TokenExpiringReason {
			message = before.Message // the attempt is only deferred
		}
		p.set(v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.TokenExpiringReason, message)
	}
}

// waitsForPause says whether a pause that SFS asked for is what keeps a token from being renewed. It does so only when half of
// the time for that is over: a pause is mostly short, and not worth two writes of a status.
func (p *clientPass) waitsForPause(current token.Token) bool {
	if p.session == nil || p.session.gate.paused() == nil {
		return false
	}
	due, last := renewalPolicy(p.platform, p.client).RenewalTime(current), current.Expires.Add(-token.MinRemaining(current.Life()))
	half := due.Add(last.Sub(due) / 2)
	if p.now.Before(half) {
		p.wakeIn(half.Sub(p.now))
		return false
	}
	return true
}

// remarkOnLivingToken says with a token that lives why it will not be renewed, if that is known. A deferral has nothing new
// to say.
func (p *clientPass) remarkOnLivingToken(failed *problem, deferral bool) {
	if failed == nil {
		failed = platformProblem(p.platform)
	}
	before := conditions.Get(p.client, v1alpha1.TokenValidCondition)
	switch {
	case failed != nil:
		p.set(v1alpha1.TokenValidCondition, metav1.ConditionTrue, failed.reason, "the token lives, but can not be renewed: "+failed.message)
	case deferral:
		p.set(v1alpha1.TokenValidCondition, metav1.ConditionTrue, before.Reason, before.Message)
	default:
		p.set(v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason, "the Secret holds a living token, which is renewed in time")
	}
}

// platformProblem is what the SfsPlatform says against its credentials.
func platformProblem(platform *v1alpha1.SfsPlatform) *problem {
	if platform == nil {
		return nil
	}
	c := conditions.Get(platform, v1alpha1.CredentialsValidCondition)
	if c == nil || c.Status != metav1.ConditionFalse {
		return nil
	}
	return &problem{reason: c.Reason, message: fmt.Sprintf("SfsPlatform %s: %s", platform.Name, c.Message), pace: waits}
}
