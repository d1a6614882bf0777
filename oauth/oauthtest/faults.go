// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauthtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sendforsign/sfs-operator/internal/simulation"
)

// Call is one request that reached the server. It holds no secrets.
type Call struct {
	// Time is the time of the server's clock when the request arrived.
	Time time.Time
	// Provider is whose endpoint it was.
	Provider Provider
	// Endpoint is "token", "revoke", "account" or "canary"; empty for any other path.
	Endpoint string
	// Action is the grant type of a token call.
	Action string
	// ClientID is that of the request, or of the client that its access token belongs to.
	ClientID string
	// Status is the HTTP status of the answer; 0 if none was given.
	Status int
	// Error is the OAuth error of the answer.
	Error string
	// Effect says that the call changed something: a token was made or revoked.
	Effect bool
	// Lost says that the client could not have read the answer: cut, malformed, or given up.
	Lost bool
}

// Calls returns all calls since the start or ResetCalls, in the order in which they were answered. A call is listed
// before its answer is sent.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// ResetCalls forgets the calls.
func (s *Server) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// CountCalls counts the calls of an endpoint and action; empty is any.
func (s *Server) CountCalls(endpoint, action string) int {
	return s.count(func(c Call) bool { return Fault{Endpoint: endpoint, Action: action}.matches(c) })
}

// Refusals counts the calls of the canary that were refused.
func (s *Server) Refusals() int {
	return s.count(func(c Call) bool { return c.Endpoint == endpointCanary && c.Status == http.StatusUnauthorized })
}

func (s *Server) count(counts func(Call) bool) int {
	n := 0
	for _, c := range s.Calls() {
		if counts(c) {
			n++
		}
	}
	return n
}

func (s *Server) record(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
}

// Fault is something that goes wrong. It is inserted with Server.Inject; the first fault that matches a call decides it.
type Fault struct {
	// Endpoint, Action and ClientID choose the calls, as Call has them; empty is any.
	Endpoint, Action, ClientID string
	// Skip lets the first matching calls pass.
	Skip int
	// Times is how many calls are hit after that; 0 is all until the fault is removed.
	Times int

	// Before runs before the call does anything, and After when the effect, if any, took place, before the answer. No lock is
	// held; they may use the Server.
	Before, After func()
	// Latency passes before the effect; with Apply or CutAfter, after it. It ends when the client gives up.
	Latency time.Duration

	// Status answers with this status and without effect: 429, 500 …
	Status int
	// Apply lets the effect take place all the same: a 500 after the commit, or with Latency an answer that comes too late.
	Apply bool
	// Body is the body that goes with Status. Default: none.
	Body string
	// Header is added to the answer: Retry-After, Location …
	Header http.Header

	// CutBefore closes the connection without effect and answer.
	CutBefore bool
	// CutAfter closes the connection without an answer, after the effect took place.
	CutAfter bool
	// CutDuring closes the connection in the middle of the answer.
	CutDuring bool
	// Malformed ends the answer in the middle as if it were whole.
	Malformed bool
}

// hasEffect reports whether the call is carried out under the fault.
func (f Fault) hasEffect() bool { return !f.CutBefore && (f.Status == 0 || f.Apply) }

// isLate reports whether the latency comes after the effect.
func (f Fault) isLate() bool { return f.Apply || f.CutAfter }

func (f Fault) matches(c Call) bool {
	match := func(want, got string) bool { return want == "" || want == got }
	return match(f.Endpoint, c.Endpoint) && match(f.Action, c.Action) && match(f.ClientID, c.ClientID)
}

// Inject adds a fault. It stays until it is used up or remove is called, which may happen more than once.
func (s *Server) Inject(f Fault) (remove func()) { return s.faults.Inject(f, f.Skip, f.Times) }

// take returns the fault that hits the call; the zero Fault is none.
func (s *Server) take(c Call) Fault {
	return s.faults.Take(func(f Fault) bool { return f.matches(c) })
}

// reply is an answer before a fault spoils it.
type reply struct {
	status   int
	body     map[string]any
	location string
	effect   bool
}

func (r reply) code() string {
	code, _ := r.body["error"].(string)
	return code
}

// answer writes what the fault makes of the answer.
func (s *Server) answer(w http.ResponseWriter, f Fault, rep reply) {
	status, body := rep.status, []byte{}
	if rep.body != nil {
		body, _ = json.Marshal(rep.body) // texts and numbers can be encoded
	}
	if f.Status != 0 {
		status, body = f.Status, []byte(f.Body)
	} else if rep.location != "" {
		w.Header().Set("Location", rep.location)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
	maps.Copy(w.Header(), f.Header)

	half := body[:len(body)/2]
	switch {
	case f.CutDuring:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
		w.WriteHeader(status)
		_, _ = w.Write(half)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case f.Malformed:
		w.WriteHeader(status)
		_, _ = w.Write(half)
	default:
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

// wait lets d pass. It returns false if the client gave up or the server was closed.
func (s *Server) wait(r *http.Request, d time.Duration) bool { return simulation.Wait(r, d, s.closed) }
