// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/token"
)

// record has the status tell of the published token, and the pass come back for its renewal.
func (k *tokenKeeper) record(p *tokenPass, current token.Token) {
	policy, sure := p.issuer.policy()
	renewal := policy.RenewalTime(current)
	known := *p.recorded
	isKnown := known != nil && known.Revision == current.Revision && known.SecretRef.Name == p.name
	switch {
	case isKnown && !sure:
		return // the margin can not be known, so the times stay as they were
	case isKnown && k.omitTimes:
		// They are right, and go with the next token: to take them from all resources at once would be a storm of writes.
	case k.omitTimes:
		*p.recorded = &v1alpha1.TokenStatus{SecretRef: v1alpha1.SecretReference{Name: p.name}}
	default:
		*p.recorded = tokenStatus(p.name, current, renewal)
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

// judge sets TokenValid by what applications can do with the token now, not by how the last attempt to renew it went.
func (p *tokenPass) judge(current *token.Token, failure error, rejected bool) {
	failed := problemOf(failure)
	before := conditions.Get(p.object, v1alpha1.TokenValidCondition)
	deferral := failure != nil && failed == nil && before != nil
	if failed == nil && current != nil && p.waitsForPause(*current) {
		failed = pauseAsked(p.issuer.name(), nil)
	}
	p.urgency = tokenUrgency(current, p.now)
	if current == nil && *p.recorded == nil {
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
		said := tokenRejected(p.issuer.name(), p.spec.doubt)
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

// waitsForPause says whether a pause that the API asked for is what keeps a token from being renewed. It does so only when
// half of the time for that is over: a pause is mostly short, and not worth two writes of a status.
func (p *tokenPass) waitsForPause(current token.Token) bool {
	if !p.issuer.isPaused() {
		return false
	}
	due, last := p.policy().RenewalTime(current), current.Expires.Add(-token.MinRemaining(current.Life()))
	half := due.Add(last.Sub(due) / 2)
	if p.now.Before(half) {
		p.wakeIn(half.Sub(p.now))
		return false
	}
	return true
}

// remarkOnLivingToken says with a token that lives why it will not be renewed, if that is known. A deferral has nothing new
// to say.
func (p *tokenPass) remarkOnLivingToken(failed *problem, deferral bool) {
	if failed == nil {
		failed = p.issuer.objection()
	}
	before := conditions.Get(p.object, v1alpha1.TokenValidCondition)
	switch {
	case failed != nil:
		p.set(v1alpha1.TokenValidCondition, metav1.ConditionTrue, failed.reason, "the token lives, but can not be renewed: "+failed.message)
	case deferral:
		p.set(v1alpha1.TokenValidCondition, metav1.ConditionTrue, before.Reason, before.Message)
	default:
		p.set(v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason, "the Secret holds a living token, which is renewed in time")
	}
}
