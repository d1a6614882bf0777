package sendforsign

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sendforsign/sfs-operator/internal/wire"
)

// Error is the error of every call. Ask the predicates (IsNotFound and the others) what it means, not its fields: the same
// meaning comes in several forms.
type Error struct {
	// Endpoint is "token", "client" or "user".
	Endpoint string
	// Action is "create", "read", "list", "update" or "revoke".
	Action string
	// Status is the HTTP status; 0 if there was no answer.
	Status int
	// Code is the code in the body of the answer; 0 if there was none. It need not equal Status.
	Code int
	// Message is what the server said, else the text of the status: printable, 200 characters at most, and without the
	// secrets of the request.
	Message string
	// RetryAfter is what the Retry-After header asked for, at most an hour; 0 if nothing.
	RetryAfter time.Duration
	// Err is the cause, where there is one. Its text is free of the secrets of the request.
	Err error

	kind kind
}

// kind says what Status and Code cannot.
type kind uint8

const (
	kindAnswered   kind = iota // Status and Code tell; without both the outcome is unknown
	kindNotSent                // no connection was ever obtained
	kindUnsendable             // refused here, before sending
	kindNoAnswer               // sent, and no usable answer came back
	kindAbsent                 // a good answer to a read that holds no object
	kindExpired                // the token expired, said in the form of 2024: 400, without a code
	kindForeign                // a 404 that is not in the words of the API: of a gateway, or of a wrong URL
)

// Error reads as a path, for example "client create: 400: email is invalid".
func (e *Error) Error() string {
	parts := []string{e.Endpoint + " " + e.Action}
	switch {
	case e.Status != 0 && e.Code >= http.StatusBadRequest && e.Code != e.Status:
		parts = append(parts, fmt.Sprintf("%d with code %d", e.Status, e.Code))
	case e.Status != 0:
		parts = append(parts, strconv.Itoa(e.Status))
	}
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause, so that errors.Is(err, context.Canceled) works.
func (e *Error) Unwrap() error { return e.Err }

// meaning is what an error says about the effect of the request. Every error has exactly one.
type meaning uint8

const (
	meansNothing meaning = iota // not an *Error
	meansRefused                // a sure refusal without a predicate of its own: redirects, 425, a foreign 404
	meansNotSent
	meansInvalid
	meansUnauthorized
	meansNotFound
	meansThrottled
	meansUnknown
)

// decisive returns what tells whether the request was refused: the HTTP status, or where that says nothing against it the
// code in the body.
func (e *Error) decisive() int {
	if e.Status == 0 || wire.IsSuccess(e.Status) {
		return e.Code
	}
	return e.Status
}

func meaningOf(err error) meaning {
	var e *Error
	if !errors.As(err, &e) {
		return meansNothing
	}
	switch e.kind {
	case kindNotSent:
		return meansNotSent
	case kindUnsendable:
		return meansInvalid
	case kindNoAnswer:
		return meansUnknown
	case kindAbsent:
		return meansNotFound
	case kindExpired:
		return meansUnauthorized
	case kindForeign:
		return meansRefused
	}

	// The other number may narrow a refusal down: 400 with code 404 is "not found".
	decisive := e.decisive()
	is := func(codes ...int) bool { return slices.Contains(codes, e.Status) || slices.Contains(codes, e.Code) }
	switch {
	case decisive >= 300 && decisive < 400:
		return meansRefused
	case decisive < 400 || decisive >= 500 || decisive == http.StatusRequestTimeout:
		return meansUnknown
	case is(http.StatusTooManyRequests):
		return meansThrottled
	case is(http.StatusUnauthorized, http.StatusForbidden):
		return meansUnauthorized
	case is(http.StatusNotFound):
		return meansNotFound
	case decisive == http.StatusTooEarly:
		return meansRefused
	}
	return meansInvalid
}

// IsNotFound reports that the server does not know the object: 404 as status or as code, or a good answer to a read that
// holds no key. A 404 whose body is not a JSON object does not count: it comes from a gateway or a wrong base URL, and
// who took it for "there is none" would create the object a second time.
func IsNotFound(err error) bool { return meaningOf(err) == meansNotFound }

// IsUnauthorized reports that the server refused the credential: 401 or 403 as status or as code, or an expired token in
// the form of 2024. Which of them stands for a missing, an unknown, a revoked and an expired token is not documented
// (https://about.sendforsign.com/api-reference/authentication), so they are not told apart: mint a new token once, and
// if that is refused too, the credentials are bad.
func IsUnauthorized(err error) bool { return meaningOf(err) == meansUnauthorized }

// IsThrottled reports 429. See RetryAfter.
func IsThrottled(err error) bool { return meaningOf(err) == meansThrottled }

// IsInvalid reports any other 4xx, a sure refusal without effect: trying the same again is in vain. It is also true for a
// call that was refused before it was sent, because an argument that must not be empty was.
func IsInvalid(err error) bool { return meaningOf(err) == meansInvalid }

// IsUnknownOutcome reports that the request may have taken effect: a timeout or a lost connection after a connection was
// obtained, 5xx, 408, or a success whose answer cannot be read or lacks the key of what was created.
func IsUnknownOutcome(err error) bool { return meaningOf(err) == meansUnknown }

// IsNotSent reports that the request certainly never reached the server: no address, connection refused, failed TLS
// handshake, or a context that was done before a connection was obtained.
func IsNotSent(err error) bool { return meaningOf(err) == meansNotSent }

// RetryAfter returns how long the server asked to wait, at most an hour, with 429 or with any other error answer. It is
// false where the server asked for nothing, or for no time at all: the caller's own backoff applies.
func RetryAfter(err error) (time.Duration, bool) {
	var e *Error
	if !errors.As(err, &e) || e.RetryAfter <= 0 {
		return 0, false
	}
	return e.RetryAfter, true
}
