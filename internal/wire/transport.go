// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package wire is what the clients of HTTP APIs do alike: a transport with limits, answers that are read up to a bound and
// decoded leniently, and texts of others that are made fit for logs.
package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxConns bounds the connections to the server, busy or idle. Both limits are equal, so that a burst of calls does not
// end in as many TLS handshakes as there were calls.
const maxConns = 64

// defaultTimeout is the deadline of one call.
const defaultTimeout = 15 * time.Second

// Options are those that every client has.
type Options struct {
	RootCAs   *x509.CertPool // nil: those of the system
	Timeout   time.Duration
	UserAgent string
	Proxy     func(*http.Request) (*url.URL, error) // nil: none
	// Wraps are decorators of the transport, the outermost last.
	Wraps []func(http.RoundTripper) http.RoundTripper
}

// DefaultOptions are those of which nobody has changed any.
func DefaultOptions(userAgent string) Options {
	return Options{Timeout: defaultTimeout, UserAgent: userAgent, Proxy: http.ProxyFromEnvironment}
}

// Connect returns a transport for one server, and what its decorators make of it.
func (o Options) Connect() (*http.Transport, http.RoundTripper, error) {
	if o.Timeout <= 0 {
		return nil, nil, errors.New("timeout must be positive")
	}
	transport := newTransport(o.RootCAs, o.Proxy)
	var outer http.RoundTripper = transport
	for _, wrap := range o.Wraps {
		outer = wrap(outer)
	}
	return transport, outer, nil
}

// newTransport returns a keep-alive transport. Nil authorities are those of the system, a nil proxy is none.
func newTransport(rootCAs *x509.CertPool, proxy func(*http.Request) (*url.URL, error)) *http.Transport {
	return &http.Transport{
		Proxy:               proxy,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: rootCAs, MinVersion: tls.VersionTLS12},
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
}

// NewClient returns a client that follows no redirect: it would carry credentials elsewhere.
func NewClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CheckURL parses the URL of a server, which name stands for in errors. They do not quote it: it may hold a password. Nor
// may it have a query or a fragment, since it ends up in logs.
func CheckURL(name, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New(name + " is not a URL")
	case u.Scheme != "https":
		return nil, errors.New(name + " must begin with https://")
	case u.Hostname() == "":
		return nil, errors.New(name + " has no host")
	case u.User != nil || strings.ContainsAny(raw, "?#"):
		return nil, errors.New(name + " must not have a user, a query or a fragment")
	}
	return u, nil
}
