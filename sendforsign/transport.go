package sendforsign

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sendforsign/sfs-operator/internal/wire"
)

const defaultUserAgent = "sendforsign-go"

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
	wire.Options

	envelope Envelope
	observe  func(context.Context, Exchange)
}

// Option changes a default of New.
type Option func(*options)

// WithRootCAs sets the authorities that may vouch for the server. Default, and for nil: those of the system.
func WithRootCAs(pool *x509.CertPool) Option { return func(o *options) { o.RootCAs = pool } }

// WithTimeout sets the deadline of one call, from the first byte sent to the last byte read. It must be positive. The
// context of a call may shorten it. Default: 15 s.
func WithTimeout(d time.Duration) Option { return func(o *options) { o.Timeout = d } }

// WithUserAgent sets the User-Agent header. Default: "sendforsign-go".
func WithUserAgent(ua string) Option { return func(o *options) { o.UserAgent = ua } }

// WithEnvelope sets the form of the token calls. Default: EnvelopeDocumented.
func WithEnvelope(e Envelope) Option { return func(o *options) { o.envelope = e } }

// WithProxy chooses the proxy of a request. Default: http.ProxyFromEnvironment; nil means none.
func WithProxy(proxy func(*http.Request) (*url.URL, error)) Option {
	return func(o *options) { o.Proxy = proxy }
}

// WithTransport puts a decorator around the transport, for metrics or fault injection; the last one given is outermost.
// A decorator must keep the context of the request, from which IsNotSent is told, and must not send a request
// twice: the calls are not idempotent. It sees credentials.
func WithTransport(wrap func(http.RoundTripper) http.RoundTripper) Option {
	return func(o *options) { o.Wraps = append(o.Wraps, wrap) }
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
	o := options{Options: wire.DefaultOptions(defaultUserAgent)}
	for _, opt := range opts {
		opt(&o)
	}
	u, err := wire.CheckURL("base URL", baseURL)
	if err != nil {
		return nil, err
	}
	transport, outer, err := o.Connect()
	if err != nil {
		return nil, err
	}
	return &API{
		base:      strings.TrimRight(u.String(), "/"),
		transport: transport,
		client:    wire.NewClient(outer),
		timeout:   o.Timeout,
		userAgent: o.UserAgent,
		envelope:  o.envelope,
		observe:   o.observe,
		sent:      &remembered{},
	}, nil
}

// BaseURL returns the base URL without a trailing slash.
func (a *API) BaseURL() string { return a.base }

// Close closes the idle connections. Calls under way go on.
func (a *API) Close() { a.transport.CloseIdleConnections() }
