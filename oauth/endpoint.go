// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/url"
	"time"

	"github.com/sendforsign/sfs-operator/internal/wire"
)

const defaultUserAgent = "sendforsign-oauth-go"

type options struct {
	wire.Options

	observe    func(context.Context, Exchange)
	revocation string
	bearer     bool
}

// Option changes a default of New.
type Option func(*options)

// WithRootCAs sets the authorities that may vouch for the server. Default, and for nil: those of the system.
func WithRootCAs(pool *x509.CertPool) Option { return func(o *options) { o.RootCAs = pool } }

// WithTimeout sets the deadline of one call, from the first byte sent to the last byte read. It must be positive. The
// context of a call may shorten it. Default: 15 s.
func WithTimeout(d time.Duration) Option { return func(o *options) { o.Timeout = d } }

// WithUserAgent sets the User-Agent header. Default: "sendforsign-oauth-go".
func WithUserAgent(ua string) Option { return func(o *options) { o.UserAgent = ua } }

// WithProxy chooses the proxy of a request. Default: http.ProxyFromEnvironment; nil means none.
func WithProxy(proxy func(*http.Request) (*url.URL, error)) Option {
	return func(o *options) { o.Proxy = proxy }
}

// WithTransport puts a decorator around the transport, for metrics or fault injection; the last one given is outermost.
// A decorator must not send a request twice: a refresh token may be good for one request. It sees credentials.
func WithTransport(wrap func(http.RoundTripper) http.RoundTripper) Option {
	return func(o *options) { o.Wraps = append(o.Wraps, wrap) }
}

// WithObserver has a function told of each call when it is over, with the context of the call. It must be quick and safe for
// concurrent use. Default: none.
func WithObserver(observe func(context.Context, Exchange)) Option {
	return func(o *options) { o.observe = observe }
}

// WithRevocation sets a revocation endpoint as RFC 7009 has it: a form is posted, and the client authenticates.
func WithRevocation(revocationURL string) Option {
	return func(o *options) { o.revocation, o.bearer = revocationURL, false }
}

// WithBearerRevocation sets a revocation endpoint as the SDK of Secured Signing uses it: GET with the token as bearer.
func WithBearerRevocation(revocationURL string) Option {
	return func(o *options) { o.revocation, o.bearer = revocationURL, true }
}

// Exchange is what can be told of a call: nothing that was sent, and nothing that came back.
type Exchange struct {
	// Action is as in Error.
	Action string
	// Status is the HTTP status; 0 if there was no answer.
	Status int
	// Duration is how long the call took, as this machine measures it.
	Duration time.Duration
	// Err is what the call returned.
	Err error
}

// Endpoint is a token endpoint, and the revocation endpoint beside it. It owns one keep-alive transport: make one per server
// and share it; it is safe for concurrent use, and keeps no secret.
type Endpoint struct {
	tokenURL  string
	revokeURL string // empty if there is none
	bearer    bool
	transport *http.Transport
	outer     http.RoundTripper // transport with its decorators
	timeout   time.Duration
	userAgent string
	observe   func(context.Context, Exchange)
}

// New returns a client of the token endpoint at tokenURL. Both URLs must begin with https. A user, a query or a fragment
// is refused: it would end up in logs.
func New(tokenURL string, opts ...Option) (*Endpoint, error) {
	o := options{Options: wire.DefaultOptions(defaultUserAgent)}
	for _, opt := range opts {
		opt(&o)
	}
	if _, err := wire.CheckURL("token URL", tokenURL); err != nil {
		return nil, err
	}
	if o.revocation != "" {
		if _, err := wire.CheckURL("revocation URL", o.revocation); err != nil {
			return nil, err
		}
	}
	transport, outer, err := o.Connect()
	if err != nil {
		return nil, err
	}
	return &Endpoint{
		tokenURL:  tokenURL,
		revokeURL: o.revocation,
		bearer:    o.bearer,
		transport: transport,
		outer:     outer,
		timeout:   o.Timeout,
		userAgent: o.UserAgent,
		observe:   o.observe,
	}, nil
}

// Close closes the idle connections. Calls under way go on.
func (e *Endpoint) Close() { e.transport.CloseIdleConnections() }
