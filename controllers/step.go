// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/internal/token"
)

// connection is one with an account of an API, as far as steps have to do with it.
type connection interface {
	// entrance is the gate that spreads the requests to the account.
	entrance() *gate
	// circumstances name the connection for the record of failures: what failed with another one was another step.
	circumstances() string
}

// step is a part of a pass that makes requests to an API.
type step struct {
	name string
	// circumstances beside the generation and those of the connection, with which it is another step, and not held up by a
	// failure of the one before.
	circumstances string
	connection    connection
	class         class
	// deadline, which may be zero, is until when the step is of use, or what it replaces: it says who of a class goes first.
	deadline time.Time
	// limit, which may be nil, shortens the wait after a failure.
	limit func(time.Duration) time.Duration
	// sooner, which may be 0, is when the step becomes more urgent: whoever waits for a turn must notice.
	sooner time.Duration
}

// tokenClass is that of a step that replaces a token, or makes the first one. What has died of its age goes by how long ago
// before what is about to: of work that takes the same time each, the order of the deadlines has applications wait for the
// least time in all.
func tokenClass(current *token.Token, now time.Time) class {
	if current == nil || !now.Before(losing(current)) {
		return classLosing
	}
	return classRenewal
}

// losing is from when on a token is about to die.
func losing(t *token.Token) time.Time { return t.Expires.Add(-2*token.MinRemaining(t.Life()) + 1) }

func (p *pass) key(s step) attemptKey {
	key := attemptKey{ref: p.ref, step: s.name, generation: p.object.GetGeneration(), circumstances: s.circumstances}
	if s.connection != nil {
		key.session = s.connection.circumstances()
	}
	return key
}

// try takes a step, unless it failed a short time ago or the rate limit does not let it begin, and records how it went.
func (p *pass) try(ctx context.Context, s step, do func() error) error {
	key := p.key(s)
	if err := p.attempts.due(key); err != nil {
		return p.later(err)
	}
	gate := s.connection.entrance()
	if err := gate.admit(p.ref, s.name, s.class, s.deadline); err != nil {
		p.hasTurn = true
		return p.later(s.inTime(err))
	}
	err := func() error {
		defer gate.leave(p.ref) // also if it panics, which ends only the pass
		return explain(do())
	}()
	failed := problemOf(err)
	switch {
	case err == nil:
		p.attempts.succeeded(key)
	case failed != nil:
		logFailure(ctx, s.name, failed)
		if failed.pace != waits {
			p.wakeIn(p.attempts.failed(key, failed.pace, s.limit))
		}
	default:
		err = p.later(err)
	}
	return err
}

// inTime cuts a deferral short that would last until after the step has become more urgent.
func (s step) inTime(err error) error {
	var wait deferred
	if s.sooner > 0 && errors.As(err, &wait) {
		return deferred{after: min(wait.after, s.sooner)}
	}
	return err
}

// logFailure tells the operators of the operator what the message of a condition, which must not change from attempt to
// attempt, leaves out.
func logFailure(ctx context.Context, step string, failed *problem) {
	log.FromContext(ctx).Info("Step failed", "step", step, "reason", failed.reason, "error", failed.Error())
}
