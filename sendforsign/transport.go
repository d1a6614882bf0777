package sendforsign

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	defaultTimeout   = 15 * time.Second
	defaultUserAgent = "sendforsign-go"

	// maxConns bounds the connections to the server, busy or idle. Both limits are equal, so that a burst of
	// calls does not end in as many TLS handshakes as there were calls.
	maxConns = 64
)

// Envelope is the form of the bodies of the token calls. The vendor documents a mixture; what the server enforces is
// not known. The client and user calls are always wrapped.
type Envelope uint8

const (
	// EnvelopeDocumented wraps the creation of a platform token in "data", and sends the creation of a client token and
	// both revocations bare, as https://about.sendforsign.com/api-reference/authentication has it.
	EnvelopeDocumented Envelope = iota
	// EnvelopeWrapped wraps all token calls in "data".
	EnvelopeWrapped
	// EnvelopeBare wraps none of the token calls.
	EnvelopeBare
)

type options struct {
	rootCAs   *x509.CertPool
	timeout   time.Duration
	userAgent string
	envelope  Envelope
	proxy     func(*http.Request) (*url.URL, error)
	wraps     []func(http.RoundTripper) http.RoundTripper
	observe   func(context.Context, Exchange)
}

// Option changes a default of New.
type Option func(*options)

// WithRootCAs sets the authorities that may vouch for the server. Default, and for nil: those of the system.
func WithRootCAs(pool *x509.CertPool) Option { return func(o *options) { o.rootCAs = pool } }

// WithTimeout sets the deadline of one call, from the first byte sent to the last byte read. It must be positive. The
// context of a call may shorten it. Default: 15 s.
func WithTimeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// WithUserAgent sets the User-Agent header. Default: "sendforsign-go".
func WithUserAgent(ua string) Option { return func(o *options) { o.userAgent = ua } }

// WithEnvelope sets the form of the token calls. Default: EnvelopeDocumented.
func WithEnvelope(e Envelope) Option { return func(o *options) { o.envelope = e } }

// WithProxy chooses the proxy of a request. Default: http.ProxyFromEnvironment; nil means none.
func WithProxy(proxy func(*http.Request) (*url.URL, error)) Option {
	return func(o *options) { o.proxy = proxy }
}

// WithTransport puts a decorator around the transport, for metrics or fault injection; the last one given is outermost.
// A decorator must keep the context of the request, from which IsNotSent is told, and must not send a request
// twice: the calls are not idempotent. It sees credentials.
func WithTransport(wrap func(http.RoundTripper) http.RoundTripper) Option {
	return func(o *options) { o.wraps = append(o.wraps, wrap) }
}

// WithObserver has a function told of each call when it is over, with the context of the call: for metrics, and for a record
// of what was changed. It must be quick and safe for concurrent use. Default: none.
func WithObserver(observe func(context.Context, Exchange)) Option {
	return func(o *options) { o.observe = observe }
}

// API is one Sendforsign server. It owns one keep-alive transport: make one per server and share it; it is safe for
// concurrent use. Of credentials it remembers the last few that it sent, only to keep them out of errors.
type API struct {
	base      string
	client    *http.Client
	transport *http.Transport
	timeout   time.Duration
	userAgent string
	envelope  Envelope
	observe   func(context.Context, Exchange)
	sent      *remembered // behind a pointer, which package fmt does not follow
}

// New returns a client of the API below baseURL, for example "https://api.sendforsign.com/api". The scheme must be https,
// and a trailing slash is tolerated. A user, a query or a fragment is refused: it would end up in logs.
func New(baseURL string, opts ...Option) (*API, error) {
	o := options{timeout: defaultTimeout, userAgent: defaultUserAgent, proxy: http.ProxyFromEnvironment}
	for _, opt := range opts {
		opt(&o)
	}
	// The errors do not quote the URL, which may hold a password.
	u, err := url.Parse(baseURL)
	switch {
	case err != nil:
		return nil, errors.New("base URL is not a URL")
	case u.Scheme != "https":
		return nil, errors.New("base URL must begin with https://")
	case u.Hostname() == "":
		return nil, errors.New("base URL has no host")
	case u.User != nil || strings.ContainsAny(baseURL, "?#"):
		return nil, errors.New("base URL must not have a user, a query or a fragment")
	case o.timeout <= 0:
		return nil, errors.New("timeout must be positive")
	}

	transport := &http.Transport{
		Proxy:               o.proxy,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: o.rootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true, // a TLS configuration of one's own turns it off otherwise
		// All requests may share one connection, which a box in between can forget without a word. Without pings each of
		// them would time out on it for as long as the kernel has patience.
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		MaxIdleConns:           maxConns,
		MaxIdleConnsPerHost:    maxConns,
		MaxConnsPerHost:        maxConns,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	var rt http.RoundTripper = transport
	for _, wrap := range o.wraps {
		rt = wrap(rt)
	}
	return &API{
		base:      strings.TrimRight(u.String(), "/"),
		transport: transport,
		client: &http.Client{
			Transport:     rt,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		timeout:   o.timeout,
		userAgent: o.userAgent,
		envelope:  o.envelope,
		observe:   o.observe,
		sent:      &remembered{},
	}, nil
}

// BaseURL returns the base URL without a trailing slash.
func (a *API) BaseURL() string { return a.base }

// Close closes the idle connections. Calls under way go on.
func (a *API) Close() { a.transport.CloseIdleConnections() }
