// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What is done by a call. The first two are the grants, as they are sent.
const (
	ActionClientCredentials = "client_credentials"
	ActionRefresh           = "refresh_token"
	ActionRevoke            = "revoke"
)

// Kind is what an error asks for.
type Kind uint8

// The kinds of errors.
const (
	// KindUnavailable: there is no answer, or not one of the server itself: it may go by itself. The request may have taken
	// effect: a refresh token that rotates may be used up.
	KindUnavailable Kind = iota
	// KindThrottled: the server asks for patience; see RetryAfter.
	KindThrottled
	// KindInvalidClient: the server does not know the client, or its secret is wrong.
	KindInvalidClient
	// KindUnauthorizedClient: the client may not use this grant.
	KindUnauthorizedClient
	// KindInvalidScope: the client may not have a scope, or the server does not know it.
	KindInvalidScope
	// KindInvalidGrant: the refresh token is used up, expired, revoked, or of another client.
	KindInvalidGrant
	// KindRefused: a sure refusal for another reason, such as a grant that the server does not have.
	KindRefused
	// KindMalformed: a success without a token that can be used. See Token.RefreshToken.
	KindMalformed
)

// Error is the error of every call. Its text is free of the secrets of the request, and holds no body of an answer.
type Error struct {
	// Action is ActionClientCredentials, ActionRefresh or ActionRevoke.
	Action string
	Kind   Kind
	// Status is the HTTP status; 0 if there was no answer.
	Status int
	// Code and Description are "error" and "error_description" of the answer: printable, 200 characters at most, and without
	// the secrets of the request.
	Code, Description string
	// RetryAfter is what the Retry-After header asked for, at most an hour; 0 if nothing.
	RetryAfter time.Duration
	// Err is the cause, where there is one.
	Err error
}

// Error reads as a path, for example "client_credentials: 400: invalid_scope: no such scope".
func (e *Error) Error() string {
	parts := []string{e.Action}
	if e.Status != 0 {
		parts = append(parts, strconv.Itoa(e.Status))
	}
	for _, text := range []string{e.Code, e.Description} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	if text := http.StatusText(e.Status); len(parts) == 2 && text != "" {
		parts = append(parts, text)
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause, so that errors.Is(err, context.Canceled) works.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns what an error asks for; KindUnavailable for one that is not of this package.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindUnavailable
}

// RetryAfter returns how long the server asked to wait, at most an hour, with 429 or with any other error answer. It is
// false where the server asked for nothing, or for no time at all: the caller's own backoff applies.
func RetryAfter(err error) (time.Duration, bool) {
	var e *Error
	if !errors.As(err, &e) || e.RetryAfter <= 0 {
		return 0, false
	}
	return e.RetryAfter, true
}

// kindOf tells what a refusal asks for. Servers differ in the status that they give with a code; IdentityServer, which
// Signicat resembles, has 400 for all. Older pages of Signicat have codes in capitals, and one speaks of an "invalid scope".
func kindOf(status int, code string, object bool) Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return KindThrottled
	case status >= 300 && status < 400, status >= 500,
		status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return KindUnavailable
	}
	switch strings.ReplaceAll(strings.ToLower(code), " ", "_") {
	case "invalid_client":
		return KindInvalidClient
	case "unauthorized_client":
		return KindUnauthorizedClient
	case "invalid_scope":
		return KindInvalidScope
	case "invalid_grant":
		return KindInvalidGrant
	case "temporarily_unavailable", "server_error":
		return KindUnavailable
	}
	switch {
	case !object: // a gateway, or a wrong URL: nobody has refused
		return KindUnavailable
	case status == http.StatusUnauthorized && code == "":
		return KindInvalidClient // RFC 6749 has 401 for nothing else
	}
	return KindRefused
}
