// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package securedsigning

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sendforsign/sfs-operator/internal/wire"
)

// Kind is what an error means to the caller.
type Kind uint8

// The kinds of errors.
const (
	// KindUnavailable: the server could not be asked, or did not answer for itself. It may go by itself.
	KindUnavailable Kind = iota
	// KindUnauthorized: the access token is bad, or the signature; the API does not tell which.
	KindUnauthorized
	// KindSuspended: the account is on hold, inactive, cancelled, expired, disabled or locked. The token is good.
	KindSuspended
	// KindThrottled: the server asks for patience; see RetryAfter.
	KindThrottled
	// KindRefused: the server refuses for another reason, such as a wrong base URL.
	KindRefused
	// KindMalformed: a success without an account in it.
	KindMalformed
)

// Error is the error of each call. Its text is free of the secrets of the request, and quotes nothing of a refusal.
type Error struct {
	Kind Kind
	// Status is the HTTP status; 0 if there was no answer.
	Status int
	// RetryAfter is what the Retry-After header asked for, at most an hour; 0 if nothing.
	RetryAfter time.Duration
	// Err is the cause, where there is one.
	Err error
}

// Error reads as a path, for example "reading Account/Info: 401: Unauthorized".
func (e *Error) Error() string {
	parts := []string{"reading Account/Info"}
	if e.Status != 0 {
		parts = append(parts, strconv.Itoa(e.Status))
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	} else if text := http.StatusText(e.Status); text != "" {
		parts = append(parts, text)
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause, so that errors.Is(err, context.Canceled) works.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns what an error means; KindUnavailable for one that is not of this package.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindUnavailable
}

// IsUnauthorized reports that the server refused the token or the signature.
func IsUnauthorized(err error) bool { return KindOf(err) == KindUnauthorized }

// IsSuspended reports that the token is good, and the account is not.
func IsSuspended(err error) bool { return KindOf(err) == KindSuspended }

// refusal is the error of an answer that is not a success.
func refusal(resp *http.Response) *Error {
	e := &Error{Status: resp.StatusCode, RetryAfter: wire.RetryAfter(resp.Header, time.Now())}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized:
		e.Kind = KindUnauthorized
	case code == http.StatusTooManyRequests:
		e.Kind = KindThrottled
	case code >= 400 && code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooEarly:
		e.Kind = KindRefused
	default: // a redirect is never followed: it would carry credentials elsewhere
		e.Kind = KindUnavailable
	}
	return e
}
