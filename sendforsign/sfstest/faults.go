package sfstest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/sendforsign/sfs-operator/internal/simulation"
)

// oversize is how much white space an oversized answer is followed by: more than any client should read.
const oversize = 80 << 20

// Fault is something that goes wrong. It is inserted with Server.Inject; the first fault that matches a call decides it.
type Fault struct {
	// Endpoint ("token", "client", "user") and Action ("create", …) choose the calls; empty is any.
	Endpoint, Action string
	// CustomKey and ClientKey choose the calls that carry this key, in the body or by a client token; empty is any.
	CustomKey, ClientKey string
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
	// Body is the body that goes with Status. Default: a JSON object with message and code.
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
	// Oversized goes on with 80 MiB of white space after the answer.
	Oversized bool
	// Trickle goes on with white space after half of the answer, a byte at a time and without an end.
	Trickle bool
}

// hasEffect reports whether the call is carried out under the fault.
func (f Fault) hasEffect() bool {
	return !f.CutBefore && (f.Status == 0 || f.Apply)
}

// isLate reports whether the latency comes after the effect.
func (f Fault) isLate() bool { return f.Apply || f.CutAfter }

func (f Fault) matches(c Call) bool {
	match := func(want, got string) bool { return want == "" || want == got }
	return match(f.Endpoint, c.Endpoint) && match(f.Action, c.Action) &&
		match(f.CustomKey, c.CustomKey) && match(f.ClientKey, c.ClientKey)
}

// Inject adds a fault. It stays until it is used up or remove is called, which may happen more than once.
func (s *Server) Inject(f Fault) (remove func()) { return s.faults.Inject(f, f.Skip, f.Times) }

// take returns the fault that hits the call; the zero Fault is none.
func (s *Server) take(c Call) Fault {
	return s.faults.Take(func(f Fault) bool { return f.matches(c) })
}

// answer writes what the fault makes of the answer.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, f Fault, rep reply) {
	if f.Status != 0 {
		rep = reply{status: f.Status, body: map[string]any{"message": http.StatusText(f.Status), "code": f.Status}}
	}
	status, body := rep.status, encode(rep.body)
	if f.Status != 0 && f.Body != "" {
		body = []byte(f.Body)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
	maps.Copy(w.Header(), f.Header)

	half := body[:len(body)/2]
	switch {
	case f.CutDuring:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(half)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case f.Malformed:
		w.WriteHeader(status)
		_, _ = w.Write(half)
	case f.Oversized:
		w.WriteHeader(status)
		_, _ = w.Write(body)
		padding := bytes.Repeat([]byte(" "), 1<<20)
		for range oversize / len(padding) {
			if _, err := w.Write(padding); err != nil {
				return
			}
		}
	case f.Trickle:
		w.WriteHeader(status)
		_, _ = w.Write(half)
		for s.wait(r, 10*time.Millisecond) {
			_, _ = w.Write([]byte(" "))
			_ = http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler) // to return would end the answer in good order
	default:
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // only types of this package are encoded
	}
	return body
}

// wait lets d pass. It returns false if the client gave up or the server was closed.
func (s *Server) wait(r *http.Request, d time.Duration) bool { return simulation.Wait(r, d, s.closed) }
