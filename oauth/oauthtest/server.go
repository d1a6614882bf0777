// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauthtest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/sendforsign/sfs-operator/internal/simulation"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// CanaryPrefix begins every secret value that the simulator issues.
const CanaryPrefix = sfstest.CanaryPrefix

// maxRequest is how long the body of a request may be.
const maxRequest = 1 << 20

// Clock is where the simulator takes the time from.
type Clock = sfstest.Clock

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

type config struct {
	clock     Clock
	lifetime  time.Duration
	addr      string
	behaviour Behaviour
}

// Option changes a default of New.
type Option func(*config)

// WithClock sets the clock that tokens expire by. Latency is not taken from it. Default: the system's.
func WithClock(c Clock) Option { return func(o *config) { o.clock = c } }

// WithTokenLifetime sets the life of the tokens of all providers, in whole seconds. Default: what each documents. See also
// Server.SetTokenLifetime.
func WithTokenLifetime(d time.Duration) Option { return func(o *config) { o.lifetime = d } }

// WithAddr sets the address to listen on, host:port. The host must be a loopback address: the simulator knows no real
// security. Default: 127.0.0.1:0, any free port.
func WithAddr(addr string) Option { return func(o *config) { o.addr = addr } }

// WithBehaviour chooses among the behaviours that the providers leave open.
func WithBehaviour(b Behaviour) Option { return func(o *config) { o.behaviour = b } }

// Server is a running simulator. It is safe for concurrent use.
type Server struct {
	behaviour Behaviour
	clock     Clock
	lifetime  time.Duration // 0 is what the provider documents
	http      *httptest.Server
	closed    chan struct{} // ends latencies
	closeOnce sync.Once
	faults    simulation.Faults[Fault]

	// mu guards all below. It is never held while time passes or a hook runs.
	mu        sync.Mutex
	clients   []*client
	tokens    map[string]*token
	refreshes map[string]*refresh
	nonces    map[string]bool
	issued    []string
	calls     []Call
}

// New starts a simulator. It panics if it cannot listen, as httptest does; a program that wants the error uses Start.
func New(opts ...Option) *Server {
	s, err := Start(opts...)
	if err != nil {
		panic("oauthtest: " + err.Error())
	}
	return s
}

// Start is New for programs: it returns the error.
func Start(opts ...Option) (*Server, error) {
	c := config{clock: systemClock{}, addr: "127.0.0.1:0"}
	for _, opt := range opts {
		opt(&c)
	}
	if c.lifetime != 0 && c.lifetime < time.Second {
		return nil, errors.New("token lifetime is less than a second")
	}
	s := &Server{
		behaviour: c.behaviour,
		clock:     c.clock,
		lifetime:  c.lifetime,
		closed:    make(chan struct{}),
		tokens:    map[string]*token{},
		refreshes: map[string]*refresh{},
		nonces:    map[string]bool{},
	}
	if s.behaviour.Grace == 0 {
		s.behaviour.Grace = time.Minute
	}
	if s.behaviour.DateTolerance == 0 {
		s.behaviour.DateTolerance = 5 * time.Minute
	}
	var err error
	if s.http, err = simulation.NewServer(c.addr, s.serve); err != nil {
		return nil, err
	}
	s.http.StartTLS()
	return s, nil
}

// Close ends all latencies, answers what is under way, and stops the server. It may be called more than once.
func (s *Server) Close() {
	s.closeOnce.Do(func() {
		close(s.closed)
		s.http.Close()
	})
}

// URL returns https://127.0.0.1:port, which stands for the scheme and host of each provider.
func (s *Server) URL() string { return s.http.URL }

// TokenURL returns the token endpoint of a provider.
func (s *Server) TokenURL(p Provider) string { return s.http.URL + p.paths().token }

// RevocationURL returns the revocation endpoint of a provider; "" if it has none.
func (s *Server) RevocationURL(p Provider) string {
	if path := p.paths().revoke; path != "" {
		return s.http.URL + path
	}
	return ""
}

// ResourceURL returns the base URL of the resources of Secured Signing, which has one: Account/Info.
func (s *Server) ResourceURL() string { return s.http.URL + resources }

// CanaryURL returns a URL that stands for an API: it answers a GET with a living access token of any provider with 200, and
// all others with 401.
func (s *Server) CanaryURL() string { return s.http.URL + canary }

// CABundle returns the authority that vouches for the server, as PEM. It is that of net/http/httptest, whose private key is
// public: trust it in tests only.
func (s *Server) CABundle() []byte { return simulation.CABundle(s.http) }

// Now returns the time of the server's clock.
func (s *Server) Now() time.Time { return s.clock.Now() }

// Issued returns every secret value that was ever issued.
func (s *Server) Issued() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.issued)
}

// issue makes a secret value.
func (s *Server) issue(kind string) string {
	value := CanaryPrefix + kind + "-" + rand.Text()
	s.issued = append(s.issued, value)
	return value
}

// serve handles one request: fault, latency, effect, log, answer.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	q := s.parse(r)
	call := Call{Time: s.Now(), Provider: q.provider, Endpoint: q.endpoint, Action: q.action(), ClientID: q.clientID}

	fault := s.take(call)
	if fault.Before != nil {
		fault.Before()
	}
	inTime := fault.isLate() || s.wait(r, fault.Latency)
	var rep reply
	if inTime && fault.hasEffect() {
		rep = s.handle(r, q)
		call.Effect, call.Error = rep.effect, rep.code()
	}
	if fault.After != nil {
		fault.After()
	}
	if fault.isLate() {
		inTime = s.wait(r, fault.Latency)
	}
	answered := inTime && !fault.CutBefore && !fault.CutAfter
	call.Lost = !answered || fault.CutDuring || fault.Malformed
	if answered {
		call.Status = rep.status
		if fault.Status != 0 {
			call.Status = fault.Status
		}
	}
	s.record(call)
	if !answered {
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	s.answer(w, fault, rep)
}

// handle carries a request out.
func (s *Server) handle(r *http.Request, q request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch q.endpoint {
	case endpointToken:
		return s.serveToken(r, q)
	case endpointRevoke:
		return s.serveRevoke(r, q)
	case endpointAccount:
		return s.serveAccount(r)
	case endpointCanary:
		return s.serveCanary(r)
	}
	return reply{status: http.StatusNotFound}
}
