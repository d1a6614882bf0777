// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// tokenKeys are the keys of a token Secret.
var tokenKeys = []string{
	v1alpha1.KeyToken, v1alpha1.KeyTokenType, v1alpha1.KeyExpiresAt, v1alpha1.KeyIssuedAt,
	v1alpha1.KeyClientKey, v1alpha1.KeyBaseURL,
}

// preciseTime is RFC 3339 with milliseconds. Whole seconds would make a token of a few seconds look so old when it is new
// that it is due at once, for ever.
const preciseTime = "2006-01-02T15:04:05.000Z07:00"

// mintedToken is a client token that SFS gave and that is not yet in its Secret.
type mintedToken struct {
	value     sendforsign.Secret
	tokenType string
	clientKey string
	baseURL   string
	requested string // the request of a user that it was minted for
	token     token.Token
}

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
	current := seen.Token
	if seen.Damaged {
		current = nil // whatever its times say, the value is not the one that was published
	}
	var failure error
	reason := token.Decide(seen, policy, p.now)
	if reason == token.NotDue {
		r.pending.drop(p.ref) // it has been published after all
	} else {
		log.FromContext(ctx).V(1).Info("Token is due", "why", reason)
		failure = blocked
		if failure == nil {
			var renewed *token.Token
			renewed, failure = r.renew(ctx, p, have, current)
			if renewed != nil {
				current = renewed
				p.tellRenewal(reason)
			}
		}
	}
	if unsettled(failure) != nil {
		return failure
	}
	if failure == nil {
		// What was asked for has been done, now or by the token that is there.
		p.client.Status.LastHandledRenewAt = p.client.Annotations[v1alpha1.RenewRequestedAtAnnotation]
		failure = blocked // which keeps the token from being renewed when its time comes
	}
	if current != nil {
		p.recordToken(*current, policy)
	}
	p.judgeToken(current, failure)
	return nil
}

func (p *clientPass) tellRenewal(reason token.Reason) {
	switch reason {
	case token.Requested:
		p.tell(renewedOnRequest())
	case token.Missing, token.Damaged:
		if p.client.Status.Token != nil && p.client.Status.Token.SecretRef.Name == p.client.TokenSecretName() {
			p.tell(repaired(p.client.TokenSecretName()))
		}
	case token.NotDue, token.Due, token.Foreign, token.FromFuture:
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
	requested := p.client.Annotations[v1alpha1.RenewRequestedAtAnnotation]
	return token.Observed{
		Token: &token.Token{Issued: issued, Expires: expires, Revision: have.revision, Owner: string(p.client.UID)},
		// The times that count stand in annotations; one that was edited does not fit what it repeats.
		Damaged:   !have.intact(tokenKeys) || !holds(have, v1alpha1.KeyExpiresAt, expires.Format(time.RFC3339)),
		Foreign:   p.platform != nil && p.client.Status.ClientKey != "" && !r.isFor(p, have),
		Requested: requested != "" && requested != have.annotations[v1alpha1.RenewHandledAnnotation],
	}
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
	minted.token.Revision = max(revisionOf(have), statusRevision(p.client)) + 1
	err = r.secrets.write(ctx, p.client, p.ref, have, tokenSecret(name, p.client, minted))
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
	clientKey, url := p.client.Status.ClientKey, baseURL(p.platform)
	requested := p.client.Annotations[v1alpha1.RenewRequestedAtAnnotation]
	if m, ok := r.pending.get(p.ref); ok && m.clientKey == clientKey && m.baseURL == url && m.requested == requested && m.isFresh(p) {
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
		value: made.AccessToken, tokenType: made.TokenType, clientKey: clientKey, baseURL: url, requested: requested,
		token: token.Token{Issued: issued, Expires: issued.Add(made.ExpiresIn), Owner: string(p.client.UID)},
	}
	r.pending.put(p.ref, m)
	return m, nil
}

func (m mintedToken) isFresh(p *clientPass) bool {
	return token.Decide(token.Observed{Token: &m.token}, renewalPolicy(p.platform, p.client), p.now) == token.NotDue
}

func tokenSecret(name string, c *v1alpha1.SfsClient, m mintedToken) publication {
	annotations := map[string]string{
		v1alpha1.IssuedAtAnnotation:  m.token.Issued.Format(preciseTime),
		v1alpha1.ExpiresAtAnnotation: m.token.Expires.Format(preciseTime),
		v1alpha1.RevisionAnnotation:  strconv.FormatInt(m.token.Revision, 10),
		// A rotation restarts nobody and is no change of state for Argo CD.
		"reloader.stakater.com/ignore":               "true",
		"argocd.argoproj.io/ignore-resource-updates": "true",
	}
	if requested := c.Annotations[v1alpha1.RenewRequestedAtAnnotation]; requested != "" {
		annotations[v1alpha1.RenewHandledAnnotation] = requested
	}
	return publication{name: name, annotations: annotations, data: map[string][]byte{
		v1alpha1.KeyToken:     []byte(m.value.Reveal()),
		v1alpha1.KeyTokenType: []byte(m.tokenType),
		v1alpha1.KeyIssuedAt:  []byte(m.token.Issued.Format(time.RFC3339)),
		v1alpha1.KeyExpiresAt: []byte(m.token.Expires.Format(time.RFC3339)),
		v1alpha1.KeyClientKey: []byte(m.clientKey),
		v1alpha1.KeyBaseURL:   []byte(m.baseURL),
	}}
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
	if wait := renewal.Sub(p.now); wait > 0 {
		p.wakeIn(wait) // and where it is past, the attempt that failed has said when to come back
	}
}

// judgeToken sets TokenValid by what applications can do with the token now, not by how the last attempt to renew it went.
func (p *clientPass) judgeToken(current *token.Token, failure error) {
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
