// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// tokenKeys are the keys of a token Secret that are always there.
var tokenKeys = []string{
	v1alpha1.KeyToken, v1alpha1.KeyTokenType, v1alpha1.KeyExpiresAt, v1alpha1.KeyIssuedAt,
	v1alpha1.KeyClientKey, v1alpha1.KeyBaseURL,
}

// preciseTime is RFC 3339 with milliseconds. Whole seconds would make a token of a few seconds look so old when it is new
// that it is due at once, for ever.
const preciseTime = "2006-01-02T15:04:05.000Z07:00"

// tokenKeys are the keys that the content hash of a token Secret sums up.
func (p *published) tokenKeys() []string {
	if p != nil && p.listsPrevious() {
		return append(slices.Clone(tokenKeys), v1alpha1.KeyPreviousTokens)
	}
	return tokenKeys
}

// mintedToken is a client token that SFS gave, with all that stands beside it in its Secret.
type mintedToken struct {
	value     sendforsign.Secret
	tokenType string
	clientKey string
	baseURL   string
	asked     requests // what users had asked for when it was minted
	token     token.Token
	previous  previousTokens
}

// requests are the values of the annotations by which users ask for another token: on the SfsClient, and on its
// SfsPlatform. Each value counts once.
type requests struct{ renew, revoke, platformRevoke string }

func (p *clientPass) requests() requests {
	asked := requests{
		renew:  p.client.Annotations[v1alpha1.RenewRequestedAtAnnotation],
		revoke: p.client.Annotations[v1alpha1.RevokeRequestedAtAnnotation],
	}
	if p.platform != nil {
		asked.platformRevoke = p.platform.Annotations[v1alpha1.RevokeRequestedAtAnnotation]
	}
	return asked
}

// handled are the requests that were there when the token in a Secret was made.
func handled(annotations map[string]string) requests {
	return requests{
		renew:          annotations[v1alpha1.RenewHandledAnnotation],
		revoke:         annotations[v1alpha1.RevokeHandledAnnotation],
		platformRevoke: annotations[v1alpha1.PlatformRevokeHandledAnnotation],
	}
}

func (r requests) wantRenewal(done requests) bool { return isNew(r.renew, done.renew) }

func (r requests) wantRevocation(done requests) bool {
	return isNew(r.revoke, done.revoke) || isNew(r.platformRevoke, done.platformRevoke)
}

func isNew(asked, done string) bool { return asked != "" && asked != done }

// keepToken keeps a living token in its Secret. blocked is what keeps the client from being used, if anything: then no
// token is minted, and the one that is there is judged by its age.
func (r *ClientReconciler) keepToken(ctx context.Context, p *clientPass, blocked error) error {
	if !p.client.TokenEnabled() {
		return r.withdrawToken(ctx, p)
	}
	have, err := r.secrets.observe(ctx, p.ref, p.client.UID, p.client.TokenSecretName())
	if err != nil {
		return err
	}
	seen := r.observed(p, have)
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
		// What comes of the tokens before it does not matter to who uses this one.
		if err := unsettled(r.revokePrevious(ctx, p, current)); err != nil {
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
		p.recordToken(*current, policy)
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
		r.pending.drop(p.ref) // it has been published after all
		return current, nil
	}
	log.FromContext(ctx).V(1).Info("Token is due", "why", reason)
	if blocked != nil {
		return current, blocked
	}
	renewed, err := r.renew(ctx, p, have, current)
	if err != nil {
		return current, err
	}
	p.tellRenewal(reason)
	return renewed, nil
}

func (p *clientPass) tellRenewal(reason token.Reason) {
	switch reason {
	case token.Requested:
		p.tell(renewedOnRequest())
	case token.Missing, token.Damaged:
		if p.client.Status.Token != nil && p.client.Status.Token.SecretRef.Name == p.client.TokenSecretName() {
			p.tell(repaired(p.client.TokenSecretName()))
		}
	case token.Rejected:
		p.tell(replacedRejected())
	case token.NotDue, token.Due, token.Foreign, token.FromFuture, token.RevokeRequested: // told when it is revoked
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
	if have == nil || !have.controlled {
		return token.Observed{}
	}
	issued, err1 := time.Parse(time.RFC3339, have.annotations[v1alpha1.IssuedAtAnnotation])
	expires, err2 := time.Parse(time.RFC3339, have.annotations[v1alpha1.ExpiresAtAnnotation])
	if err1 != nil || err2 != nil || !expires.After(issued) {
		return token.Observed{}
	}
	asked, done := p.requests(), handled(have.annotations)
	return token.Observed{
		Token: &token.Token{
			Issued: issued, Expires: expires, Revision: have.revision, Owner: string(p.client.UID),
			RevokePrevious: have.revokePreviousAt(issued),
		},
		// The times that count stand in annotations; one that was edited does not fit what it repeats.
		Damaged: !holds(have, v1alpha1.KeyExpiresAt, expires.Format(time.RFC3339)) ||
			!have.intact(have.tokenKeys()) && !have.onlyPreviousEdited(issued),
		Foreign:         p.platform != nil && p.client.Status.ClientKey != "" && !r.isFor(p, have),
		Requested:       asked.wantRenewal(done),
		RevokeRequested: asked.wantRevocation(done),
	}
}

// holdsToken says whether the value under the key of the token is the one that the operator wrote there.
func (p *published) holdsToken() bool {
	return p.labelled && p.annotations[v1alpha1.TokenHashAnnotation] == contentHash(p.digests, valueKeys)
}

// onlyPreviousEdited says of a token Secret that is not intact whether that is due to its list of previous tokens: this is
// no reason for another token. Whether clientKey and baseURL are right is asked anyway.
func (p *published) onlyPreviousEdited(issued time.Time) bool {
	return p.listsPrevious() && p.holdsToken() && holds(p, v1alpha1.KeyIssuedAt, issued.Format(time.RFC3339))
}

// isFor says whether the token was made for this client at this API.
func (r *ClientReconciler) isFor(p *clientPass, have *published) bool {
	return holds(have, v1alpha1.KeyClientKey, p.client.Status.ClientKey) && holds(have, v1alpha1.KeyBaseURL, baseURL(p.platform))
}

// holds says whether a Secret has this value under a key.
func holds(have *published, key, value string) bool {
	return bytes.Equal(have.digests[key], digest(key, []byte(value)))
}

// renew mints a token and publishes it.
func (r *ClientReconciler) renew(ctx context.Context, p *clientPass, have *published, current *token.Token) (*token.Token, error) {
	name := p.client.TokenSecretName()
	// Nothing is minted that could not be published.
	if err := r.secrets.mayWrite(have, name); err != nil {
		return nil, p.wrote(ctx, name, err)
	}
	if err := r.secrets.mayRepair(ctx, p.client, p.ref, have, have.tokenKeys(), name); err != nil {
		return nil, p.later(err)
	}
	session, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	limit := func(wait time.Duration) time.Duration { return token.RetryDelay(current, wait, p.now) }
	var minted mintedToken
	err = p.try(ctx, step{name: "token", session: session, class: tokenClass(current, p.now), limit: limit}, func() (err error) {
		minted, err = r.mint(ctx, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	if have, minted.previous, err = r.keepPrevious(ctx, p, have, minted); err != nil {
		return nil, err
	}
	minted.token.Revision = max(revisionOf(have), statusRevision(p.client)) + 1
	minted.token.RevokePrevious = minted.previous.next()
	err = r.secrets.write(ctx, p.client, p.ref, have, tokenSecret(name, minted))
	if err := p.wrote(ctx, name, err); err != nil {
		return nil, err
	}
	r.pending.drop(p.ref)
	return &minted.token, nil
}

func revisionOf(have *published) int64 {
	if have == nil {
		return 0
	}
	return have.revision
}

// statusRevision goes on counting where a Secret was deleted.
func statusRevision(c *v1alpha1.SfsClient) int64 {
	if c.Status.Token == nil || c.Status.Token.SecretRef.Name != c.TokenSecretName() {
		return 0
	}
	return c.Status.Token.Revision
}

func (r *ClientReconciler) mint(ctx context.Context, p *clientPass) (mintedToken, error) {
	clientKey, url, asked := p.client.Status.ClientKey, baseURL(p.platform), p.requests()
	if m, ok := r.pending.get(p.ref); ok && m.clientKey == clientKey && m.baseURL == url && m.asked == asked && m.isFresh(p) {
		return m, nil
	}
	var made sendforsign.Token
	var issued time.Time
	err := p.session.call(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) (err error) {
		// Its life counts from before it was asked for: SFS may have made it at once and answered late.
		issued = r.clock.Now().UTC().Truncate(time.Millisecond)
		made, err = api.CreateClientToken(ctx, platform, clientKey)
		return err
	})
	if sendforsign.IsNotFound(err) {
		return mintedToken{}, remoteMissing("clientKey", clientKey, err)
	}
	if err != nil {
		return mintedToken{}, err
	}
	m := mintedToken{
		value: made.AccessToken, tokenType: made.TokenType, clientKey: clientKey, baseURL: url, asked: asked,
		token: token.Token{Issued: issued, Expires: issued.Add(made.ExpiresIn), Owner: string(p.client.UID)},
	}
	r.pending.put(p.ref, m)
	return m, nil
}

func (m mintedToken) isFresh(p *clientPass) bool {
	return token.Decide(token.Observed{Token: &m.token}, renewalPolicy(p.platform, p.client), p.now) == token.NotDue
}

// valueKeys are the keys of what SFS said of a token, apart from its times.
var valueKeys = []string{v1alpha1.KeyToken, v1alpha1.KeyTokenType}

func tokenSecret(name string, m mintedToken) publication {
	want := publication{
		name: name,
		data: map[string][]byte{
			v1alpha1.KeyToken:     []byte(m.value.Reveal()),
			v1alpha1.KeyTokenType: []byte(m.tokenType),
			v1alpha1.KeyIssuedAt:  []byte(m.token.Issued.Format(time.RFC3339)),
			v1alpha1.KeyExpiresAt: []byte(m.token.Expires.Format(time.RFC3339)),
			v1alpha1.KeyClientKey: []byte(m.clientKey),
			v1alpha1.KeyBaseURL:   []byte(m.baseURL),
		},
		annotations: map[string]string{
			v1alpha1.IssuedAtAnnotation:  m.token.Issued.Format(preciseTime),
			v1alpha1.ExpiresAtAnnotation: m.token.Expires.Format(preciseTime),
			v1alpha1.RevisionAnnotation:  strconv.FormatInt(m.token.Revision, 10),
			// A rotation restarts nobody and is no change of state for Argo CD.
			"reloader.stakater.com/ignore":               "true",
			"argocd.argoproj.io/ignore-resource-updates": "true",
		},
	}
	want.annotations[v1alpha1.TokenHashAnnotation] = contentHash(want.digests(), valueKeys)
	for name, value := range map[string]string{
		v1alpha1.RenewHandledAnnotation:          m.asked.renew,
		v1alpha1.RevokeHandledAnnotation:         m.asked.revoke,
		v1alpha1.PlatformRevokeHandledAnnotation: m.asked.platformRevoke,
	} {
		if value != "" {
			want.annotations[name] = value
		}
	}
	if len(m.previous) > 0 {
		want.data[v1alpha1.KeyPreviousTokens] = m.previous.encode()
		want.annotations[v1alpha1.RevokePreviousAtAnnotation] = m.previous.next().Format(preciseTime)
	}
	return want
}

// withdrawnHash is no digest of any token, also where somebody else holds on to its keys.
const withdrawnHash = "withdrawn"

// withdrawnSecret is the Secret of a token that is about to be revoked and is no longer published.
func withdrawnSecret(name string, m mintedToken) publication {
	want := tokenSecret(name, m)
	for _, key := range tokenKeys {
		delete(want.data, key)
	}
	want.annotations[v1alpha1.TokenHashAnnotation] = withdrawnHash
	return want
}

// heldToken is the token in a Secret that was read with its values. It is not one of those before it, whatever somebody has
// made of their list.
func heldToken(secret *corev1.Secret, known token.Token) mintedToken {
	held := mintedToken{
		value:     sendforsign.Secret(secret.Data[v1alpha1.KeyToken]),
		tokenType: string(secret.Data[v1alpha1.KeyTokenType]),
		clientKey: string(secret.Data[v1alpha1.KeyClientKey]),
		baseURL:   string(secret.Data[v1alpha1.KeyBaseURL]),
		asked:     handled(secret.Annotations),
		token:     known,
		previous:  parsePrevious(secret.Data[v1alpha1.KeyPreviousTokens]),
	}
	held.previous = slices.DeleteFunc(held.previous, func(t previousToken) bool { return t.value == held.value })
	return held
}

// recordToken copies the times of the published token to the status, where kubectl shows them.
func (p *clientPass) recordToken(current token.Token, policy token.Policy) {
	renewal := policy.RenewalTime(current)
	if known := p.client.Status.Token; p.platform == nil && known != nil && known.Revision == current.Revision {
		return // what the platform says of the margin can not be known, so the times stay as they were
	}
	p.client.Status.Token = &v1alpha1.TokenStatus{
		SecretRef:      v1alpha1.SecretReference{Name: p.client.TokenSecretName()},
		IssuedTime:     metav1.NewTime(current.Issued),
		ExpirationTime: metav1.NewTime(current.Expires),
		RenewalTime:    metav1.NewTime(renewal.Truncate(time.Second)),
		Revision:       current.Revision,
	}
	if !current.RevokePrevious.IsZero() {
		p.client.Status.Token.PreviousRevocationTime = &metav1.Time{Time: current.RevokePrevious.Truncate(time.Second)}
	}
	if wait := renewal.Sub(p.now); wait > 0 {
		p.wakeIn(wait) // and where it is past, the attempt that failed has said when to come back
	}
}

// judgeToken sets TokenValid by what applications can do with the token now, not by how the last attempt to renew it went.
func (p *clientPass) judgeToken(current *token.Token, failure error, rejected bool) {
	failed := problemOf(failure)
	before := conditions.Get(p.client, v1alpha1.TokenValidCondition)
	deferral := failure != nil && failed == nil && before != nil
	switch {
	case current == nil && deferral && before.Status == metav1.ConditionFalse:
		p.urgency = urgencyMissing // what was said of the last attempt still holds
	case current == nil:
		p.urgency = urgencyMissing
		if failed == nil {
			failed = &problem{reason: v1alpha1.TokenMissingReason, message: "no token has been published yet"}
		}
		p.set(v1alpha1.TokenValidCondition, metav1.ConditionFalse, failed.reason, failed.message)
	case rejected && current.Usable(p.now):
		p.urgency = urgencyExpired
		said := tokenRejected()
		p.set(v1alpha1.TokenValidCondition, metav1.ConditionFalse, said.reason, said.message)
	case current.Usable(p.now):
		p.urgency = urgencyLiving
		// It must not be said that all is well for longer than it is.
		p.wakeIn(p.until(current.Expires.Add(-token.MinRemaining(current.Life()))) + time.Millisecond)
		p.remarkOnLivingToken(failed, deferral && before.Status == metav1.ConditionTrue)
	default:
		p.urgency = urgencyExpired
		message := "the token is about to expire or has expired, and could not be renewed"
		if failed != nil {
			message += ": " + failed.message
		} else if before != nil && before.Reason == v1alpha1.TokenExpiringReason {
			message = before.Message // the attempt is only deferred
		}
		p.set(v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.TokenExpiringReason, message)
	}
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
