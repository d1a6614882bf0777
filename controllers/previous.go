// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// A token that was replaced, and is to be revoked, stands in the Secret beside the one that replaced it, from the very
// write that replaced it: no crash can come between, and there is no other object to lose or to clean up.

// defaultGracePeriod is what a kubelet (90 s) and an application (60 s) need to take up a new token, twice.
const defaultGracePeriod = 5 * time.Minute

// mostPrevious tokens wait in a Secret; of more the oldest are left to expire. One is usual, and a list that somebody has
// made long must not use up the rate of the account.
const mostPrevious = 20

// previousToken is a token that was replaced and waits for its revocation.
type previousToken struct {
	value   sendforsign.Secret
	expires time.Time
	revoke  time.Time
	// requested by a user, and so done whatever the policy has become.
	requested bool
}

// previousTokens wait for their revocation, the oldest first.
type previousTokens []previousToken

// wirePrevious is a previousToken as it stands in the Secret.
type wirePrevious struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
	RevokeAt  time.Time `json:"revokeAt"`
	Requested bool      `json:"requested,omitempty"`
}

func (l previousTokens) encode() []byte {
	wire := make([]wirePrevious, len(l))
	for i, t := range l {
		wire[i] = wirePrevious{Token: t.value.Reveal(), ExpiresAt: t.expires.UTC(), RevokeAt: t.revoke.UTC(), Requested: t.requested}
	}
	raw, err := json.Marshal(wire)
	if err != nil {
		panic(err) // only strings and times of this century are encoded
	}
	return raw
}

// parsePrevious drops what it does not understand: such a token expires by itself.
func parsePrevious(raw []byte) previousTokens {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil
	}
	var list previousTokens
	for _, item := range items[max(0, len(items)-mostPrevious):] {
		var t wirePrevious
		if err := json.Unmarshal(item, &t); err == nil && t.Token != "" && !t.ExpiresAt.IsZero() {
			list = append(list, previousToken{value: sendforsign.Secret(t.Token), expires: t.ExpiresAt, revoke: t.RevokeAt, requested: t.Requested})
		}
	}
	return list
}

// next is when the first of them is to be revoked; zero where there is none.
func (l previousTokens) next() time.Time {
	var first time.Time
	for _, t := range l {
		if first.IsZero() || t.revoke.Before(first) {
			first = t.revoke
		}
	}
	return first
}

// split returns those that are to be revoked now and those that wait. What has expired is in neither, nor what is due only
// by a policy that no longer holds.
func (l previousTokens) split(now time.Time, onRotate bool) (due, waiting previousTokens) {
	for _, t := range l {
		switch {
		case !now.Before(t.expires):
		case now.Before(t.revoke):
			waiting = append(waiting, t)
		case t.requested || onRotate:
			due = append(due, t)
		}
	}
	return due, waiting
}

// wanted returns those that are still to be revoked, now or later.
func (l previousTokens) wanted(now time.Time, onRotate bool) previousTokens {
	var kept previousTokens
	for _, t := range l {
		if now.Before(t.expires) && t.revoke.Before(t.expires) && (t.requested || onRotate) {
			kept = append(kept, t)
		}
	}
	return kept
}

// atOnce has all of them revoked now, as a user asked for.
func (l previousTokens) atOnce(now time.Time) {
	for i := range l {
		l[i].revoke, l[i].requested = now, true
	}
}

// listsPrevious says of a token Secret whether the operator put previous tokens into it. A key or an annotation of that name
// beside what the operator wrote is somebody else's.
func (p *published) listsPrevious() bool {
	if slices.Contains(p.keys(), v1alpha1.KeyPreviousTokens) {
		return true
	}
	_, there := p.digests[v1alpha1.KeyPreviousTokens]
	if !there || p.annotations[v1alpha1.RevokePreviousAtAnnotation] == "" {
		return false
	}
	without := maps.Clone(p.annotations)
	delete(without, v1alpha1.RevokePreviousAtAnnotation)
	return p.annotations[v1alpha1.ContentHashAnnotation] != sealOf(p.digests, p.keys(), without)
}

// revokePreviousAt is when the next of the previous tokens is to be revoked. A list that is not as the operator wrote it
// has its turn as soon as the token was issued, which is now.
func (p *published) revokePreviousAt(issued time.Time) time.Time {
	if !p.listsPrevious() {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, p.annotations[v1alpha1.RevokePreviousAtAnnotation])
	if err != nil || !p.intact() {
		return issued
	}
	return at
}

func (p *clientPass) revokesOnRotate() bool {
	return p.client.Spec.Token.RevocationPolicy == v1alpha1.RevokeOnRotate
}

func (p *clientPass) gracePeriod() time.Duration {
	if d := p.client.Spec.Token.PreviousTokenGracePeriod; d != nil {
		return d.Duration
	}
	return defaultGracePeriod
}

// keepPrevious returns which tokens the minted one leaves to be revoked: the one that it replaces, and those that wait
// already. To know the value it reads the Secret live, and returns what it found in the place of what was known.
func (r *ClientReconciler) keepPrevious(
	ctx context.Context, p *clientPass, have *published, minted mintedToken,
) (*published, previousTokens, error) {
	var done requests
	name := p.publishedIn() // which may have another name than the one that is about to be written
	if have != nil {
		done, name = handled(have.annotations), p.tokenName
	}
	if !p.revokesOnRotate() && !minted.asked.wantRevocation(done) && (have == nil || !have.listsPrevious()) {
		return have, nil, nil
	}
	secret, live, err := r.secrets.read(ctx, p.client, p.ref, name)
	if err != nil {
		return have, nil, err
	}
	if secret == nil {
		p.tellLost(minted.asked, done)
		return have, nil, nil
	}
	now := r.clock.Now().UTC().Truncate(time.Millisecond)
	seen := r.observed(p, live)
	var list previousTokens
	if seen.Token != nil && (seen.Damaged || !seen.Foreign) {
		held, known := r.held(p, secret, live, *seen.Token)
		list = p.supersede(held, known, live, minted, now)
	} else {
		p.tellLost(minted.asked, handled(live.annotations))
	}
	if have != nil {
		have = live
	}
	return have, list.wanted(now, p.revokesOnRotate()), nil
}

// tellLost says of a revocation that was asked for that there is no token to revoke although the last one lives. done is what
// the Secret tells of requests that were handled: nothing, if it is gone.
func (p *clientPass) tellLost(asked, done requests) {
	last := p.client.Status.Token
	if last == nil || p.tokenIsOver() {
		return
	}
	own := isNew(asked.revoke, done.revoke) && isNew(asked.revoke, p.client.Status.LastHandledRevokeAt)
	// A platform keeps no record for each of its clients. But a token that is younger than the request was made for it.
	at, err := time.Parse(time.RFC3339, asked.platformRevoke)
	platform := isNew(asked.platformRevoke, done.platformRevoke) && err == nil && !last.IssuedTime.IsZero() && at.After(last.IssuedTime.Time)
	if own || platform {
		p.tell(notRevoked("the Secret that held it is gone or was changed"))
	}
}

// supersede puts the token that is held in a Secret to those before it, when it is about to be replaced.
func (p *clientPass) supersede(held mintedToken, known bool, in *published, minted mintedToken, now time.Time) previousTokens {
	var list previousTokens
	if in.listsPrevious() {
		list = held.previous
	}
	if held.value == minted.value {
		return list // it was written before, by an attempt whose answer was lost
	}
	atOnce := minted.asked.wantRevocation(held.asked)
	switch {
	case known:
		list = append(list, previousToken{value: held.value, expires: held.token.Expires, revoke: now.Add(p.gracePeriod())})
	case atOnce:
		p.tell(notRevoked("its value is not in the Secret, or was changed there by somebody"))
	}
	if atOnce {
		list.atOnce(now)
	}
	return list
}

// revokePrevious revokes the previous tokens whose time has come, and has the Secret forget them. It updates what is known
// of the current token.
func (r *ClientReconciler) revokePrevious(ctx context.Context, p *clientPass, current *token.Token) error {
	if !current.OwesRevocation(p.now) {
		p.wakeForPrevious(current)
		return nil
	}
	name := p.tokenName
	secret, live, err := r.secrets.read(ctx, p.client, p.ref, name)
	if err != nil || secret == nil {
		return err
	}
	seen := r.observed(p, live)
	if seen.Token == nil || seen.Damaged || seen.Foreign || !seen.Token.Issued.Equal(current.Issued) {
		return p.later(deferred{after: staleRead}) // somebody has written it since it was looked at
	}
	held, known := r.held(p, secret, live, *seen.Token)
	if !known {
		return p.later(deferred{after: staleRead})
	}
	if held.token.OwesRevocation(p.now) {
		if err := r.secrets.mayRepair(ctx, p.client, p.ref, live, name, p.tokenForm); err != nil {
			return p.later(err)
		}
		due, waiting := held.previous.split(p.now, p.revokesOnRotate())
		left, told, failure := r.revokeEach(ctx, p, due)
		if failure != nil && len(left) == len(due) {
			return failure
		}
		held.previous = slices.Concat(left, waiting)
		held.token.RevokePrevious = held.previous.next()
		held.token.Revision++
		err := r.publishToken(ctx, p, live, name, p.tokenForm, held)
		if err := p.wrote(ctx, name, err); err != nil {
			return err
		}
		for _, h := range told {
			p.tell(h)
		}
	}
	*current = held.token
	p.wakeForPrevious(current)
	return nil
}

// wakeForPrevious asks to come back when a previous token is to be revoked. For one that could not be, the attempt has said
// when to come back.
func (p *clientPass) wakeForPrevious(current *token.Token) {
	if !current.RevokePrevious.IsZero() && !current.OwesRevocation(p.now) {
		p.wakeIn(p.until(current.RevokePrevious))
	}
}

// revokeEach revokes tokens until SFS can not be asked. It returns those that are left, and what is to be told.
func (r *ClientReconciler) revokeEach(ctx context.Context, p *clientPass, due previousTokens) (left previousTokens, told []happening, err error) {
	if len(due) == 0 {
		return nil, nil, nil
	}
	session, err := p.connect(ctx)
	if err != nil {
		return due, nil, err
	}
	// A new request does not wait for the pause after an old failure.
	s := step{
		name: "revoke previous", circumstances: p.requests().revoke + "/" + p.requests().platformRevoke,
		connection: session, class: classRenewal, deadline: due[0].expires,
	}
	left = due // all of them, should the step not even begin
	err = p.try(ctx, s, func() error {
		for ; len(left) > 0; left = left[1:] {
			refusal, err := session.revoke(ctx, p.ref, left[0].value)
			switch {
			case err != nil:
				return err
			case refusal != nil:
				told = append(told, notRevoked(refusal.message))
			case left[0].requested:
				told = append(told, revoked())
			}
		}
		return nil
	})
	return left, told, err
}

// revoke has a client token revoked, as part of a step that has been admitted. A refusal is what SFS has to say against it,
// for good.
func (s *session) revoke(ctx context.Context, who ref, value sendforsign.Secret) (refusal *problem, err error) {
	err = s.call(ctx, who, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) error {
		err := api.RevokeClientToken(ctx, platform, value)
		s.metrics.TokenRequested(metrics.Revoke, resultOf(err))
		return err
	})
	var credentials *refusedCredentials
	switch {
	case errors.As(err, &credentials):
		return nil, err // it was not even asked
	case sendforsign.IsNotFound(err):
		return nil, nil // revoked before: by an attempt that was not recorded, or by SFS when it gave the next one
	case sendforsign.IsUnauthorized(err), sendforsign.IsInvalid(err):
		return problemOf(explain(err)), nil
	}
	return nil, err
}
