package sfstest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sendforsign/sfs-operator/internal/simulation"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// CanaryPrefix begins every token, API key and secret that the simulator issues.
const CanaryPrefix = "SFSTEST-"

// defaultLifetime is the life of a token that the vendor's pages state.
const defaultLifetime = 1800 * time.Second

// maxRequest is how long the body of a request may be.
const maxRequest = 1 << 20

// Server is a running simulator. It is safe for concurrent use.
type Server struct {
	behaviour Behaviour
	clock     Clock
	http      *httptest.Server
	plain     *httptest.Server // nil unless PlainHTTPRedirected
	closed    chan struct{}    // ends latencies
	closeOnce sync.Once
	conns     connections
	faults    simulation.Faults[Fault]

	// mu guards all below. It is never held while time passes or a hook runs.
	mu       sync.Mutex
	accounts []*account
	clients  []*tenant // in the order of creation
	byKey    map[string]*tenant
	tokens   map[string]*token
	subjects map[string][]*token // by clientKey, or id of the account; in the order of issue
	issued   []string
	calls    []Call
}

// New starts a simulator with one account. It panics if it cannot listen, as httptest does; a program that wants the error
// uses Start.
func New(opts ...Option) *Server {
	s, err := Start(opts...)
	if err != nil {
		panic("sfstest: " + err.Error())
	}
	return s
}

// Start is New for programs: it returns the error.
func Start(opts ...Option) (*Server, error) {
	c := config{clock: systemClock{}, lifetime: defaultLifetime, addr: "127.0.0.1:0"}
	for _, opt := range opts {
		opt(&c)
	}
	if c.lifetime < time.Second {
		return nil, errors.New("token lifetime is less than a second")
	}
	s := &Server{
		behaviour: c.behaviour,
		clock:     c.clock,
		closed:    make(chan struct{}),
		byKey:     map[string]*tenant{},
		tokens:    map[string]*token{},
		subjects:  map[string][]*token{},
	}
	s.addAccount(c.lifetime)
	var err error
	if s.http, err = simulation.NewServer(c.addr, s.serve); err != nil {
		return nil, err
	}
	s.http.Config.ConnState = s.conns.changed
	s.http.EnableHTTP2 = c.http2
	s.http.StartTLS()
	if c.behaviour.PlainHTTP == PlainHTTPRedirected {
		s.plain = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, s.http.URL+r.URL.Path, http.StatusMovedPermanently)
		}))
	}
	return s, nil
}

// Close ends all latencies, answers what is under way, and stops the server. It may be called more than once.
func (s *Server) Close() {
	s.closeOnce.Do(func() {
		close(s.closed)
		s.http.Close()
		if s.plain != nil {
			s.plain.Close()
		}
	})
}

// BaseURL returns https://127.0.0.1:port/api.
func (s *Server) BaseURL() string { return s.http.URL + "/api" }

// PlainURL returns the base URL of a server that redirects plain HTTP to BaseURL, with PlainHTTPRedirected, else "".
func (s *Server) PlainURL() string {
	if s.plain == nil {
		return ""
	}
	return s.plain.URL + "/api"
}

// CABundle returns the authority that vouches for the server, as PEM. It is that of net/http/httptest, whose private key is
// public: trust it in tests only.
func (s *Server) CABundle() []byte { return simulation.CABundle(s.http) }

// Now returns the time of the server's clock, which Behaviour.ClockSkew moves.
func (s *Server) Now() time.Time { return s.clock.Now().Add(s.behaviour.ClockSkew) }

// Issued returns every secret value that was ever issued: tokens, API keys and secrets.
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

// newKey makes a UUID v4, the form of the vendor's keys.
func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// account is one customer of the vendor.
type account struct {
	id          string
	credentials sendforsign.Credentials
	lifetime    time.Duration
	byCustomKey map[string][]*tenant // in the order of creation
}

func (s *Server) newCredentials() sendforsign.Credentials {
	return sendforsign.Credentials{
		APIKey: sendforsign.Secret(s.issue("APIKEY")),
		Secret: sendforsign.Secret(s.issue("SECRET")),
	}
}

func (s *Server) addAccount(lifetime time.Duration) *account {
	a := &account{
		id:          newKey(),
		credentials: s.newCredentials(),
		lifetime:    lifetime,
		byCustomKey: map[string][]*tenant{},
	}
	s.accounts = append(s.accounts, a)
	return a
}

// accountOf returns the account with this API key, or nil.
func (s *Server) accountOf(apiKey string) *account {
	for _, a := range s.accounts {
		if a.credentials.APIKey.Reveal() == apiKey {
			return a
		}
	}
	return nil
}

// Credentials returns those of the account that was made at the start.
func (s *Server) Credentials() sendforsign.Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[0].credentials
}

// AddAccount adds an account, with clients of its own, and the token lifetime of the first.
func (s *Server) AddAccount() sendforsign.Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addAccount(s.accounts[0].lifetime).credentials
}

// RotateCredentials gives the first account a new pair, as the dashboard does. The old pair is refused from now on; the
// living tokens live on unless RotationKillsTokens.
func (s *Server) RotateCredentials() sendforsign.Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[0]
	a.credentials = s.newCredentials()
	if s.behaviour.Rotation == RotationKillsTokens {
		for _, t := range s.tokens {
			t.revoked = t.revoked || t.account == a
		}
	}
	return a.credentials
}

// SetTokenLifetime sets the life of the tokens that the account with this API key gets from now on, as a setting in the
// dashboard would. Unknown keys are ignored.
func (s *Server) SetTokenLifetime(apiKey sendforsign.Secret, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.accountOf(apiKey.Reveal()); a != nil {
		a.lifetime = d
	}
}

// serve handles one request: fault, latency, effect, log, answer.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	p, parseErr := parse(body)
	call := Call{
		Time:      s.Now(),
		Endpoint:  strings.TrimPrefix(r.URL.Path, "/api/"),
		Action:    p.Action,
		ClientKey: p.clientKey(),
		CustomKey: p.customKey(),
	}
	if call.ClientKey == "" {
		call.ClientKey = s.clientKeyOf(r)
	}

	fault := s.take(call)
	if fault.Before != nil {
		fault.Before()
	}
	inTime := fault.isLate() || s.wait(r, fault.Latency)
	var rep reply
	if inTime && fault.hasEffect() {
		rep = s.handle(r, call.Endpoint, p, errors.Join(readErr, parseErr))
		call.Effect = rep.effect
		if rep.clientKey != "" {
			call.ClientKey = rep.clientKey
		}
	}
	if fault.After != nil {
		fault.After()
	}
	if fault.isLate() {
		inTime = s.wait(r, fault.Latency)
	}

	answered := inTime && !fault.CutBefore && !fault.CutAfter
	call.Lost = !answered || fault.CutDuring || fault.Malformed || fault.Oversized || fault.Trickle
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
	s.answer(w, r, fault, rep)
}

// handle carries a request out.
func (s *Server) handle(r *http.Request, endpoint string, p parsed, bad error) reply {
	handlers := map[string]func(*http.Request, parsed) reply{
		"token":  s.serveToken,
		"client": s.serveClient,
		"user":   s.serveUser,
	}
	handler, ok := handlers[endpoint]
	var tooLarge *http.MaxBytesError
	switch {
	case !ok || !strings.HasPrefix(r.URL.Path, "/api/"):
		return s.refuse(http.StatusNotFound, "No such resource")
	case r.Method != http.MethodPost:
		return s.refuse(http.StatusMethodNotAllowed, "Method not allowed")
	case !s.takesContentType(r.Header.Get("Content-Type")):
		return s.refuse(http.StatusUnsupportedMediaType, "Unsupported media type")
	case errors.As(bad, &tooLarge):
		return s.refuse(http.StatusRequestEntityTooLarge, "Request too large")
	case bad != nil:
		return s.badRequest(bad.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return handler(r, p)
}

func (s *Server) takesContentType(header string) bool {
	switch mediaType, _, _ := mime.ParseMediaType(header); mediaType {
	case "application/json":
		return true
	case "application/vnd.api+json":
		return s.behaviour.ContentTypes == ContentTypesBoth
	}
	return false
}
