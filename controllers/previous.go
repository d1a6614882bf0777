// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
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
		panic(err) // there are strings and times only, and parsePrevious lets none through that can not be encoded
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
		if err := json.Unmarshal(item, &t); err == nil && t.isOurs() {
			list = append(list, previousToken{value: sendforsign.Secret(t.Token), expires: t.ExpiresAt, revoke: t.RevokeAt, requested: t.Requested})
		}
	}
	return list
}

// isOurs says whether the operator can have written this. Somebody else may have put in a time that can not be written again
// in UTC: JSON knows none beyond the year 9999.
func (t wirePrevious) isOurs() bool {
	for _, at := range []time.Time{t.ExpiresAt, t.RevokeAt} {
		if year := at.UTC().Year(); year < 0 || year > 9999 {
			return false
		}
	}
	return t.Token != "" && !t.ExpiresAt.IsZero()
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

func (p *tokenPass) revokesOnRotate() bool {
	return p.spec.revocation == v1alpha1.RevokeOnRotate
}

func (p *tokenPass) gracePeriod() time.Duration {
	if d := p.spec.gracePeriod; d != nil {
		return d.Duration
	}
	return defaultGracePeriod
}

// keepPrevious returns which tokens the minted one leaves to be revoked: the one that it replaces, and those that wait
// already. To know the value it reads the Secret live, and returns what it found in the place of what was known.
func (k *tokenKeeper) keepPrevious(
	ctx context.Context, p *tokenPass, have *published, minted mintedToken,
) (*published, previousTokens, error) {
	var done requests
	name := p.publishedIn() // which may have another name than the one that is about to be written
	if have != nil {
		done, name = handled(have.annotations), p.name
	}
	if !p.revokesOnRotate() && !minted.asked.wantRevocation(done) && (have == nil || !have.listsPrevious()) {
		return have, nil, nil
	}
	secret, live, err := k.secrets.read(ctx, p.object, p.ref, name)
	if err != nil {
		return have, nil, err
	}
	if secret == nil {
		p.tellLost(minted.asked, done)
		return have, nil, nil
	}
	now := k.clock.Now().UTC().Truncate(time.Millisecond)
	seen := p.observed(live)
	var list previousTokens
	if seen.Token != nil && (seen.Damaged || !seen.Foreign || p.issuer.succeeds(live.annotations[v1alpha1.TokenOfAnnotation])) {
		held, known := k.held(p, secret, live, *seen.Token)
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
func (p *tokenPass) tellLost(asked, done requests) {
	last := *p.recorded
	if last == nil || p.tokenIsOver() {
		return
	}
	own := isNew(asked.revoke, done.revoke) && isNew(asked.revoke, *p.lastRevoke)
	// A platform keeps no record for each of its clients. But a token that is younger than the request was made for it.
	at, err := time.Parse(time.RFC3339, asked.platformRevoke)
	platform := isNew(asked.platformRevoke, done.platformRevoke) && err == nil && !last.IssuedTime.IsZero() && at.After(last.IssuedTime.Time)
	if own || platform {
		p.tell(notRevoked("the Secret that held it is gone or was changed"))
	}
}

// supersede puts the token that is held in a Secret to those before it, when it is about to be replaced.
func (p *tokenPass) supersede(held mintedToken, known bool, in *published, minted mintedToken, now time.Time) previousTokens {
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
func (k *tokenKeeper) revokePrevious(ctx context.Context, p *tokenPass, current *token.Token) error {
	if !current.OwesRevocation(p.now) {
		p.wakeForPrevious(current)
		return nil
	}
	name := p.name
	secret, live, err := k.secrets.read(ctx, p.object, p.ref, name)
	if err != nil || secret == nil {
		return err
	}
	seen := p.observed(live)
	if seen.Token == nil || seen.Damaged || seen.Foreign || !seen.Token.Issued.Equal(current.Issued) {
		return p.later(deferred{after: staleRead}) // somebody has written it since it was looked at
	}
	held, known := k.held(p, secret, live, *seen.Token)
	if !known {
		return p.later(deferred{after: staleRead})
	}
	if held.token.OwesRevocation(p.now) {
		if err := k.secrets.mayRepair(ctx, p.object, p.ref, live, name, p.form); err != nil {
			return p.later(err)
		}
		due, waiting := held.previous.split(p.now, p.revokesOnRotate())
		left, told, failure := k.revokeEach(ctx, p, due)
		if failure != nil && len(left) == len(due) {
			return failure
		}
		held.previous = slices.Concat(left, waiting)
		held.token.RevokePrevious = held.previous.next()
		held.token.Revision++
		err := k.publishToken(ctx, p, live, name, p.form, held)
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
func (p *tokenPass) wakeForPrevious(current *token.Token) {
	if !current.RevokePrevious.IsZero() && !current.OwesRevocation(p.now) {
		p.wakeIn(p.until(current.RevokePrevious))
	}
}

// revokeEach revokes tokens until the API can not be asked. It returns those that are left, and what is to be told.
func (k *tokenKeeper) revokeEach(ctx context.Context, p *tokenPass, due previousTokens) (left previousTokens, told []happening, err error) {
	if len(due) == 0 {
		return nil, nil, nil
	}
	connection, err := p.issuer.connect(ctx)
	if err != nil {
		return due, nil, err
	}
	// A new request does not wait for the pause after an old failure.
	s := step{
		name: "revoke previous", circumstances: p.requests().revoke + "/" + p.requests().platformRevoke,
		connection: connection, class: classRenewal, deadline: due[0].expires,
	}
	left = due // all of them, should the step not even begin
	err = p.try(ctx, s, func() error {
		for ; len(left) > 0; left = left[1:] {
			refusal, err := p.issuer.revoke(ctx, left[0].value)
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
