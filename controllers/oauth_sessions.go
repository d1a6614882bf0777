// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"sync"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/internal/version"
	"github.com/sendforsign/sfs-operator/oauth"
	"github.com/sendforsign/sfs-operator/securedsigning"
)

// oauthSessions holds the connections to the servers of OAuthTokens: one server for all that have the same URLs, and one gate
// for all that have the same client and secret there. Both are there as long as an OAuthToken needs them. Of the workers the
// clients of one host have no more than one client may have: whoever writes OAuthTokens can name as many clients as they like.
type oauthSessions struct {
	clock     clock.PassiveClock
	metrics   *metrics.Metrics
	transport func(http.RoundTripper) http.RoundTripper
	roots     *x509.CertPool
	workers   *workers

	mu      sync.Mutex
	servers map[oauthProvider]*oauthServer
	gates   map[oauthAccount]*usedGate
	open    map[ref]*oauthSession
	at      map[string]*workers // by host; there are no more than presets and allowed hosts
}

// oauthServer is the connection to one server.
type oauthServer struct {
	tokens *oauth.Endpoint
	// resources is nil where there is no API to ask about an account.
	resources *securedsigning.API
	workers   *workers
	users     int
}

// oauthAccount is what a provider counts the requests of. The client is a digest that its secret is a part of: its ID alone is
// no secret, and who has learned it must not be able to have others wait.
type oauthAccount struct{ tokenURL, client string }

type usedGate struct {
	gate  *gate
	users int
}

// oauthSession is the connection for one OAuthToken.
type oauthSession struct {
	provider oauthProvider
	account  oauthAccount
	server   *oauthServer
	gate     *gate
	with     string // see circumstances
}

func (s *oauthSession) entrance() *gate { return s.gate }

// circumstances are a digest of the URLs, the credentials and the scopes: what failed with others is tried at once.
func (s *oauthSession) circumstances() string { return s.with }

// connect returns the session of an OAuthToken. What else is in the credentials, and the scopes, leave the gate as it is: the
// pause that was asked for and the queue stay.
func (s *oauthSessions) connect(who ref, p oauthProvider, client, with string) (*oauthSession, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	account := oauthAccount{p.tokenURL, client}
	last := s.open[who]
	if last != nil && last.provider == p && last.account == account && last.with == with {
		return last, nil
	}
	server, known := s.servers[p]
	if !known {
		var err error
		if server, err = s.dial(p); err != nil {
			return nil, invalidProvider(err.Error())
		}
		s.servers[p] = server
	}
	entrance, known := s.gates[account]
	if !known {
		entrance = &usedGate{gate: newGate(s.clock, defaultRequestsPerSecond, defaultBurst, server.workers)}
		s.gates[account] = entrance
	}
	server.users++
	entrance.users++
	s.close(who)
	s.open[who] = &oauthSession{provider: p, account: account, server: server, gate: entrance.gate, with: with}
	return s.open[who], nil
}

// forget closes what no other OAuthToken needs.
func (s *oauthSessions) forget(who ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close(who)
}

func (s *oauthSessions) close(who ref) {
	last := s.open[who]
	if last == nil {
		return
	}
	delete(s.open, who)
	if last.server.users--; last.server.users == 0 {
		last.server.tokens.Close()
		if last.server.resources != nil {
			last.server.resources.Close()
		}
		delete(s.servers, last.provider)
	}
	entrance := s.gates[last.account]
	if entrance.users--; entrance.users == 0 {
		delete(s.gates, last.account)
	}
}

// paused says whether the provider has asked for a pause, as far as this process knows.
func (s *oauthSessions) paused(who ref) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.open[who]
	return open != nil && open.gate.paused() != nil
}

func (s *oauthSessions) dial(p oauthProvider) (*oauthServer, error) {
	u, err := url.Parse(p.tokenURL)
	if err != nil {
		return nil, err
	}
	host := hostOf(u)
	if s.at[host] == nil {
		s.at[host] = s.workers.atServer()
	}
	roots := s.roots
	if p.caBundle != "" {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(p.caBundle)) {
			return nil, errors.New("generic.caBundle holds no certificate in PEM form")
		}
	}
	options := []oauth.Option{
		oauth.WithUserAgent(version.UserAgent()), oauth.WithRootCAs(roots), oauth.WithObserver(s.observing(p.name)),
	}
	switch {
	case p.revocationURL != "" && p.bearer:
		options = append(options, oauth.WithBearerRevocation(p.revocationURL))
	case p.revocationURL != "":
		options = append(options, oauth.WithRevocation(p.revocationURL))
	}
	if s.transport != nil {
		options = append(options, oauth.WithTransport(s.transport))
	}
	tokens, err := oauth.New(p.tokenURL, options...)
	if err != nil {
		return nil, err
	}
	made := &oauthServer{tokens: tokens, workers: s.at[host]}
	if !p.bearer { // which is that of Secured Signing
		return made, nil
	}
	more := []securedsigning.Option{securedsigning.WithUserAgent(version.UserAgent()), securedsigning.WithRootCAs(roots)}
	if s.transport != nil {
		more = append(more, securedsigning.WithTransport(s.transport))
	}
	made.resources, err = securedsigning.New(p.baseURL, more...)
	return made, err
}

// observing returns what counts a request to a provider, and records it: each of them has made or revoked a token, or was to.
func (s *oauthSessions) observing(provider string) func(context.Context, oauth.Exchange) {
	return func(ctx context.Context, e oauth.Exchange) {
		s.metrics.APIAnswered("oauth", e.Action, e.Status, e.Duration)
		log.FromContext(ctx).Info("Asked a provider", "provider", provider, "action", e.Action,
			"result", oauthResult(e.Err), "code", e.Status, "duration", e.Duration)
	}
}
