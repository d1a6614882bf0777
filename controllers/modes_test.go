// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1 "k8s.io/api/core/v1"

	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// mode is one way in which a call goes wrong.
type mode struct {
	name string
	// fits says for which calls it makes sense.
	fits   func(*call) bool
	strike func(*exchange) (*http.Response, error)
	// rewrites is how many writes of one Secret the fault excuses beside those of an undisturbed run, and mints how many
	// tokens that nobody gets to see.
	rewrites, mints int
	// customKeys is how SFS treats one that is taken, without which the fault has no good end.
	customKeys sfstest.CustomKeys
}

const (
	// pause is what SFS asks for with a 429.
	pause = 40 * time.Second
	// lateness is how long SFS may take to show what it has made. It is shorter than the settling time.
	lateness = 30 * time.Second
)

func anyCall(*call) bool        { return true }
func ofSFS(c *call) bool        { return c.plane == planeSFS }
func ofKube(c *call) bool       { return c.plane == planeKubernetes }
func writesKube(c *call) bool   { return ofKube(c) && c.writes() }
func createsAtSFS(c *call) bool { return ofSFS(c) && c.verb == "create" && c.resource != "token" }

// crashModes end the process at a call.
var crashModes = []*mode{
	{name: "crash-before", fits: anyCall, mints: 1, strike: func(x *exchange) (*http.Response, error) {
		x.wire.kill()
		return nil, errKilled
	}},
	{name: "crash-after", fits: anyCall, mints: 1, strike: func(x *exchange) (*http.Response, error) {
		_, _, _ = x.send()
		x.wire.kill()
		return nil, errKilled
	}},
	{name: "crash-after-unseen", fits: createsAtSFS, strike: func(x *exchange) (*http.Response, error) {
		_, body, _ := x.send()
		x.wire.hide(body, lateness)
		x.wire.kill()
		return nil, errKilled
	}},
}

// sfsModes are failures of SFS and of the way to it.
var sfsModes = []*mode{
	{name: "unreachable", fits: ofSFS, strike: func(*exchange) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}},
	{name: "reset", fits: ofSFS, strike: func(x *exchange) (*http.Response, error) {
		x.connected()
		return nil, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
	}},
	{name: "lost", fits: ofSFS, mints: 1, strike: func(x *exchange) (*http.Response, error) {
		_, _, _ = x.send()
		return nil, io.ErrUnexpectedEOF
	}},
	{name: "lost-unseen", fits: createsAtSFS, strike: func(x *exchange) (*http.Response, error) {
		_, body, _ := x.send()
		x.wire.hide(body, lateness)
		return nil, io.ErrUnexpectedEOF
	}},
	{name: "late", fits: ofSFS, mints: 1, strike: func(x *exchange) (*http.Response, error) {
		_, _, _ = x.send()
		return nil, context.DeadlineExceeded
	}},
	{name: "500-done", fits: ofSFS, mints: 1, strike: func(x *exchange) (*http.Response, error) {
		_, _, _ = x.send()
		return x.refusal(http.StatusInternalServerError)
	}},
	{name: "malformed", fits: ofSFS, mints: 1, strike: func(x *exchange) (*http.Response, error) {
		resp, body, err := x.send()
		if err != nil {
			return nil, err
		}
		return x.answer(resp.StatusCode, "application/json", string(body[:len(body)/2]), nil)
	}},
	{name: "empty", fits: ofSFS, mints: 1, strike: func(x *exchange) (*http.Response, error) {
		_, _, _ = x.send()
		return x.answer(http.StatusOK, "application/json", "", nil)
	}},
	{name: "500", fits: ofSFS, strike: refusing(http.StatusInternalServerError)},
	{name: "503", fits: ofSFS, strike: refusing(http.StatusServiceUnavailable)},
	{name: "401", fits: ofSFS, strike: refusing(http.StatusUnauthorized)},
	{name: "403", fits: ofSFS, strike: refusing(http.StatusForbidden)},
	{name: "429", fits: ofSFS, strike: func(x *exchange) (*http.Response, error) {
		x.call.retryAfter = pause
		header := http.Header{"Retry-After": {fmt.Sprint(int(pause.Seconds()))}}
		return x.answer(http.StatusTooManyRequests, "application/json", `{"message":"Too many requests","code":429}`, header)
	}},
	{name: "html-502", fits: ofSFS, strike: page(http.StatusBadGateway)},
	{name: "html-404", fits: ofSFS, strike: page(http.StatusNotFound)},
	// The network may repeat a request. An SFS that does not keep customKeys unique has two objects then, of which nobody can
	// say which is the right one; so for clients it keeps them unique here, and for users doubled is not tried.
	{name: "doubled", fits: func(c *call) bool { return ofSFS(c) && (c.verb != "create" || c.resource != "user") }, mints: 1,
		customKeys: sfstest.CustomKeysExisting,
		strike: func(x *exchange) (*http.Response, error) {
			_, _, _ = x.send()
			resp, _, err := x.send()
			return resp, err
		}},
}

// kubernetesModes are failures of the API server and of the way to it.
var kubernetesModes = []*mode{
	{name: "down", fits: ofKube, strike: func(*exchange) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}},
	{name: "broken", fits: ofKube, strike: func(*exchange) (*http.Response, error) {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}},
	{name: "busy", fits: ofKube, strike: status(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests)},
	{name: "internal", fits: ofKube, strike: status(http.StatusInternalServerError, metav1.StatusReasonInternalError)},
	{name: "forbidden", fits: ofKube, strike: status(http.StatusForbidden, metav1.StatusReasonForbidden)},
	{name: "conflict", fits: writesKube, strike: status(http.StatusConflict, metav1.StatusReasonConflict)},
	{name: "internal-done", fits: writesKube, rewrites: 1,
		strike: afterwards(status(http.StatusInternalServerError, metav1.StatusReasonInternalError))},
	{name: "timeout-done", fits: writesKube, rewrites: 1,
		strike: afterwards(status(http.StatusGatewayTimeout, metav1.StatusReasonTimeout))},
	{name: "lost-done", fits: writesKube, rewrites: 1, strike: afterwards(func(*exchange) (*http.Response, error) {
		return nil, context.DeadlineExceeded
	})},
	{name: "terminating", fits: func(c *call) bool { return c.publishes() && c.verb == "create" },
		strike: status(http.StatusForbidden, metav1.StatusReasonForbidden, metav1.StatusCause{
			Type: corev1.NamespaceTerminatingCause, Field: "metadata.namespace",
		})},
}

// connected tells the API client that its request has left: what did not leave can not have had an effect.
func (x *exchange) connected() {
	if trace := httptrace.ContextClientTrace(x.request.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
}

func (x *exchange) refusal(status int) (*http.Response, error) {
	return x.answer(status, "application/json", fmt.Sprintf(`{"message":%q,"code":%d}`, http.StatusText(status), status), nil)
}

// refusing answers without an effect.
func refusing(status int) func(*exchange) (*http.Response, error) {
	return func(x *exchange) (*http.Response, error) { return x.refusal(status) }
}

// page answers as a gateway does that knows nothing of the API behind it.
func page(status int) func(*exchange) (*http.Response, error) {
	return func(x *exchange) (*http.Response, error) {
		return x.answer(status, "text/html", "<html><body>"+http.StatusText(status)+"</body></html>", nil)
	}
}

// status answers as the API server does.
func status(code int32, reason metav1.StatusReason, causes ...metav1.StatusCause) func(*exchange) (*http.Response, error) {
	text, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: code, Reason: reason, Message: "this is a test",
		Details: &metav1.StatusDetails{Causes: causes},
	})
	if err != nil {
		panic(err)
	}
	return func(x *exchange) (*http.Response, error) {
		return x.answer(int(code), "application/json", string(text), nil)
	}
}

// afterwards has the request carried out, and answered so all the same.
func afterwards(answer func(*exchange) (*http.Response, error)) func(*exchange) (*http.Response, error) {
	return func(x *exchange) (*http.Response, error) {
		_, _, _ = x.send()
		return answer(x)
	}
}

func modeNamed(name string) *mode {
	for _, m := range slices.Concat(crashModes, sfsModes, kubernetesModes) {
		if m.name == name {
			return m
		}
	}
	return nil
}
