// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
)

// step is a part of a pass that makes requests to SFS.
type step struct {
	name string
	// circumstances beside the generation and the session, with which it is another step, and not held up by a failure of
	// the one before.
	circumstances string
	session       *session
	// urgent is what gives a token to an application: nothing else matters as much to it.
	urgent bool
	// limit, which may be nil, shortens the wait after a failure.
	limit func(time.Duration) time.Duration
}

func (p *pass) key(s step) attemptKey {
	key := attemptKey{ref: p.ref, step: s.name, generation: p.object.GetGeneration(), circumstances: s.circumstances}
	if s.session != nil {
		key.session = s.session.circumstances()
	}
	return key
}

// try takes a step, unless it failed a short time ago or the rate limit does not let it begin, and records how it went.
func (p *pass) try(ctx context.Context, s step, do func() error) error {
	key := p.key(s)
	if err := p.attempts.due(key); err != nil {
		return p.later(err)
	}
	if err := s.session.gate.admit(p.ref, s.urgent); err != nil {
		return p.later(err)
	}
	err := func() error {
		defer s.session.gate.leave(p.ref) // also if it panics, which ends only the pass
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

// logFailure tells the operators of the operator what the message of a condition, which must not change from attempt to
// attempt, leaves out.
func logFailure(ctx context.Context, step string, failed *problem) {
	log.FromContext(ctx).Info("Step failed", "step", step, "reason", failed.reason, "error", failed.Error())
}
