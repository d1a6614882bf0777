// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/token"
)

const (
	// probeInterval is for how long a token that was revoked outside of the operator may go unnoticed. A thousand tenants
	// are three requests in a second.
	probeInterval = 5 * time.Minute
	// secondLook is when a token is probed that has replaced a rejected one: soon, since nobody knows whether it is any
	// better.
	secondLook = 30 * time.Second
)

// probing is when a token is next probed, and which was refused last. It is kept in memory: a restart costs no request, and
// puts a probe off by one interval at most.
type probing struct {
	next time.Time
	// refused is when the token was issued that was refused; zero once one after it was taken.
	refused time.Time
}

// after is what an answer makes of it. Only a sure refusal of the token counts. refused: the token is to be replaced.
// rejected: the one before it was refused as well, so that another would not help.
func (s probing) after(answer error, issued, now time.Time, wasRejected bool) (after probing, refused, rejected bool) {
	s.next = now.Add(probeInterval)
	switch again := wasRejected || !s.refused.IsZero(); {
	case answer == nil:
		s.refused = time.Time{}
		return s, false, false
	case !isRefusal(answer):
		return s, false, wasRejected
	case again:
		s.refused = issued
		return s, false, true
	}
	s.refused, s.next = issued, now.Add(secondLook)
	return s, true, false
}

// wasRejected says whether the API took neither the token nor the one before it when it was last asked. That stands in the
// status, so that no restart has another token minted.
func (p *tokenPass) wasRejected() bool {
	c := conditions.Get(p.object, v1alpha1.TokenValidCondition)
	return p.spec.probed && c != nil && c.Reason == v1alpha1.TokenRejectedReason
}

// probe asks the API, when it is time to, with the token whether it takes it.
func (k *tokenKeeper) probe(ctx context.Context, p *tokenPass, have *published, current token.Token) (refused, rejected bool, err error) {
	state, known := k.probes.get(p.ref)
	rejected = p.wasRejected()
	switch {
	case !p.spec.probed || !known:
		return false, rejected, nil
	case !rejected && state.refused.Equal(current.Issued):
		return true, false, nil // the attempt to replace it has failed
	case p.now.Before(state.next):
		return false, rejected, nil
	}
	answer, err := k.ask(ctx, p, have, current)
	if err != nil {
		return false, rejected, unsettled(err) // it was not asked
	}
	state, refused, rejected = state.after(answer, current.Issued, p.now, rejected)
	k.probes.put(p.ref, state)
	if refused || rejected {
		log.FromContext(ctx).Info("Token is refused", "replaced", refused, "error", answer.Error())
	}
	return refused, rejected, nil
}

// scheduleProbe says when the next probe is to be. current is the token that is published by now.
func (k *tokenKeeper) scheduleProbe(p *tokenPass, current *token.Token, rejected bool) {
	if !p.spec.probed || current == nil {
		k.probes.drop(p.ref)
		return
	}
	state, known := k.probes.get(p.ref)
	if !known {
		state.next = p.now.Add(token.Phase(p.owner(), probeInterval))
	}
	if soon := p.now.Add(secondLook); rejected && !state.refused.Equal(current.Issued) && state.next.After(soon) {
		state.next = soon // another token, so there is news to come
	}
	k.probes.put(p.ref, state)
	if wait := p.until(state.next); wait > 0 {
		p.wakeIn(wait) // and one that is due, and was put off, has said when to come back
	}
}

// ask has the published token tried, and returns what the API answered.
func (k *tokenKeeper) ask(ctx context.Context, p *tokenPass, have *published, current token.Token) (answer, err error) {
	secret, live, err := k.secrets.read(ctx, p.object, p.ref, p.name)
	if err != nil {
		return nil, err
	}
	if secret == nil || live.annotations[v1alpha1.TokenHashAnnotation] != have.annotations[v1alpha1.TokenHashAnnotation] {
		return nil, p.later(deferred{after: staleRead}) // somebody has written it since it was looked at
	}
	held, ok := k.held(p, secret, live, current)
	if !ok {
		return nil, p.later(deferred{after: probeInterval}) // its shape shows no token, and this process has not minted it
	}
	connection, err := p.issuer.connect(ctx)
	if err != nil {
		return nil, err
	}
	err = p.try(ctx, step{name: "probe", connection: connection}, func() error {
		answer = p.issuer.probe(ctx, held.value)
		return nil // whatever the API says, the step is done
	})
	return answer, err
}

// tokenRejected says that a token is taken no more than the one before it.
func tokenRejected(by, doubt string) *problem {
	return &problem{
		reason: v1alpha1.TokenRejectedReason,
		message: fmt.Sprintf("%s takes neither this token nor the one before it, although it gave both, so it is not replaced again at once. "+
			"%[2]sAsk %[1]s why; this clears up by itself when %[1]s takes the token", by, doubt),
	}
}
