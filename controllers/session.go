// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"strconv"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// session is the connection to one SFS account. All requests to SFS go through it.
type session struct {
	id          string
	platform    string
	details     sessionDetails
	revision    string // resourceVersion with which the pair was first seen
	api         *sendforsign.API
	credentials sendforsign.Credentials
	tokens      *token.Source[sendforsign.Secret]
	gate        *gate
	clients     *snapshot
	verdict     *verdict
	metrics     *metrics.Metrics
	changed     func() // brings the platform back
	// asked is the last request of a user to try the credentials. Only the platform's own passes look at it.
	asked string
}

func (s *session) entrance() *gate { return s.gate }

// circumstances name the session for the record of failures. What failed before the credentials were accepted again is
// not held up by it.
func (s *session) circumstances() string {
	s.verdict.mu.Lock()
	defer s.verdict.mu.Unlock()
	return s.id + "/" + strconv.Itoa(s.verdict.turns)
}

func (s *session) mintPlatformToken(ctx context.Context) (token.Minted[sendforsign.Secret], error) {
	var none token.Minted[sendforsign.Secret]
	if err := errors.Join(s.gate.paused(), s.verdict.standing()); err != nil {
		return none, err
	}
	s.gate.spend(ref{}) // it was asked for by nobody who has waited for it
	// The resource that happened to need it first has not got it.
	ctx = log.IntoContext(ctx, log.FromContext(ctx).WithValues("tokenOf", "platform"))
	made, err := s.api.CreatePlatformToken(ctx, s.credentials)
	s.note(err)
	s.metrics.TokenRequested(metrics.MintPlatform, resultOf(err))
	switch {
	case err == nil:
		s.verdict.record(nil)
		return token.Minted[sendforsign.Secret]{Value: made.AccessToken, Life: made.ExpiresIn}, nil
	// Which status tells of bad credentials is not documented, so any sure refusal does.
	case sendforsign.IsUnauthorized(err), sendforsign.IsInvalid(err), sendforsign.IsNotFound(err):
		refusal := &refusedCredentials{cause: err}
		s.verdict.record(refusal)
		return none, refusal
	}
	return none, err
}

// note passes what an answer says of the rate on to the gate.
func (s *session) note(err error) {
	switch {
	case sendforsign.IsThrottled(err):
		if longer := s.gate.throttled(sendforsign.RetryAfter(err)); longer > 0 {
			s.metrics.APIThrottled(s.platform, longer)
			s.changed()
		}
	case sendforsign.IsNotSent(err), sendforsign.IsUnknownOutcome(err):
		s.gate.silent()
	case err == nil:
		s.gate.passed()
	}
}

// call makes a request with the platform token, as part of a step that has been admitted. A platform token that SFS does
// not take is replaced once: whether SFS says 401 or 403 to one that was revoked is not documented, and after both
// nothing has happened.
func (s *session) call(ctx context.Context, who ref, do func(context.Context, *sendforsign.API, sendforsign.Secret) error) error {
	platform, err := s.tokens.Get(ctx)
	if err != nil {
		return explain(err)
	}
	// SFS may have asked for a pause just now, when the platform token was to be renewed while it still serves.
	if err := s.gate.paused(); err != nil {
		return err
	}
	s.clients.expire()
	s.gate.spend(who)
	err = do(ctx, s.api, platform)
	if sendforsign.IsUnauthorized(err) && s.tokens.Refused(func(t sendforsign.Secret) bool { return t == platform }) {
		if platform, err = s.tokens.Get(ctx); err == nil {
			s.gate.spend(who)
			err = do(ctx, s.api, platform)
		}
	}
	s.note(err)
	return err
}

// callWithKey makes a request with the API key, as SFS documents it for users, as part of a step that has been admitted.
func (s *session) callWithKey(ctx context.Context, who ref, do func(context.Context, *sendforsign.API, sendforsign.Auth) error) error {
	if err := s.verdict.standing(); err != nil {
		return explain(err)
	}
	s.gate.spend(who)
	err := do(ctx, s.api, sendforsign.APIKey(s.credentials.APIKey))
	s.note(err)
	if sendforsign.IsUnauthorized(err) {
		s.verdict.doubt()
	}
	return err
}

// callWithToken makes a request with a client token, as part of a step that has been admitted. What SFS says against that
// token says nothing of the platform token.
func (s *session) callWithToken(
	ctx context.Context, who ref, value sendforsign.Secret, do func(context.Context, *sendforsign.API, sendforsign.Auth) error,
) error {
	s.gate.spend(who)
	err := do(ctx, s.api, sendforsign.ClientToken(value))
	s.note(err)
	return err
}
