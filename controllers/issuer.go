// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"

	"github.com/sendforsign/sfs-operator/internal/shape"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// issuer gives the tokens of one resource in one pass. It is what a kind of resources brings to the keeping of its tokens,
// and knows its API: the keeper decides, publishes, and comes back in time.
type issuer interface {
	// name is what people call the API, as in "SFS".
	name() string
	// tokenOf is a digest of what a token is for. A published token with another one is replaced. Empty: it can not be known in
	// this pass.
	tokenOf() string
	// succeeds says whether a published token of another digest is of the same account, so that it is to be revoked as others
	// that are replaced are.
	succeeds(of string) bool
	// policy is when a token is renewed. sure: all that it depends on is known in this pass.
	policy() (policy token.Policy, sure bool)
	// revokeAllRequested is the last request to revoke the tokens of all resources that share an account; empty where there is
	// none.
	revokeAllRequested() string
	// shown are the values that stand beside those of the token in its Secret.
	shown() shape.Source
	// objection is what is known to keep the next token from being given, or nil. The present one lives on.
	objection() *problem
	// isPaused says whether the API wants no requests now, as far as that was found out in this pass.
	isPaused() bool

	// connect returns the connection for a step that is about to begin.
	connect(ctx context.Context) (connection, error)
	// connectToLeave does so for giving tokens back: whether the resource may still have one does not matter. A problem means
	// that it is in vain.
	connectToLeave(ctx context.Context) (connection, error)

	// What follows makes requests, each as a part of a step that was admitted by the gate of the connection.

	// mint asks for a token. It sets value and type, and of its times when it was issued, which is before it was asked for,
	// to the millisecond, and when it expires.
	mint(ctx context.Context) (mintedToken, error)
	// revoke has a token revoked; one that is dead already is no error. A refusal is what the API has to say against it, for
	// good.
	revoke(ctx context.Context, value sendforsign.Secret) (refusal *problem, err error)
	// probe makes the cheapest request that a token is good for, and returns what the API answered: a tokenRefusal only where
	// it is sure that the token is not taken.
	probe(ctx context.Context, value sendforsign.Secret) error
}

// tokenRefusal says that an API does not take a token.
type tokenRefusal struct{ cause error }

func (r *tokenRefusal) Error() string { return r.cause.Error() }

func (r *tokenRefusal) Unwrap() error { return r.cause }

func isRefusal(answer error) bool {
	var refused *tokenRefusal
	return errors.As(answer, &refused)
}
