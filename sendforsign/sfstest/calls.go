package sfstest

import (
	"slices"
	"time"
)

// Call is one request that reached the server. It holds no secrets.
type Call struct {
	// Time is the time of the server's clock when the request arrived.
	Time time.Time
	// Endpoint is "token", "client" or "user", or whatever the path was.
	Endpoint string
	// Action is empty where the body could not be read.
	Action string
	// ClientKey is that of the body, or the one of the client token; for a creation it is the new one.
	ClientKey string
	// CustomKey is that of the client or user in the body.
	CustomKey string
	// Status is the HTTP status of the answer; 0 if none was given.
	Status int
	// Effect says that the call changed something: a token, client or user was made, changed or revoked.
	Effect bool
	// Lost says that the client could not have read the answer: cut, malformed, oversized, trickling, or given up.
	Lost bool
}

// Calls returns all calls since the start or ResetCalls, in the order in which they were answered. A call is listed
// before its answer is sent.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// ResetCalls forgets the calls, and how many connections were open at most.
func (s *Server) ResetCalls() {
	s.conns.reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// CountCalls counts the calls of an endpoint and action; empty is any.
func (s *Server) CountCalls(endpoint, action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if (Fault{Endpoint: endpoint, Action: action}).matches(c) {
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
