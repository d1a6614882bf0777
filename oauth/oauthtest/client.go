// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauthtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sendforsign/sfs-operator/secret"
)

// Provider is whose server is simulated.
type Provider uint8

const (
	// SignicatExpress has client credentials, at /oauth/connect/token. Tokens live an hour, and none is revoked.
	SignicatExpress Provider = iota
	// SignicatPlatform is the new one. It has client credentials, at /auth/open/connect/token. Tokens live 600 s, and none is
	// revoked.
	SignicatPlatform
	// SecuredSigning has refresh tokens, at /api/oauth2/token and /revoke, and Account/Info below /web/v1.4. Tokens live a day.
	SecuredSigning
	// Generic has both grants, at /oauth2/token, and the revocation of RFC 7009, at /oauth2/revoke. Tokens live an hour.
	Generic
)

const (
	resources = "/web/v1.4"
	canary    = "/canary"
)

type paths struct{ token, revoke string }

func (p Provider) paths() paths {
	switch p {
	case SignicatPlatform:
		return paths{token: "/auth/open/connect/token"}
	case SecuredSigning:
		return paths{token: "/api/oauth2/token", revoke: "/api/oauth2/revoke"}
	case Generic:
		return paths{token: "/oauth2/token", revoke: "/oauth2/revoke"}
	}
	return paths{token: "/oauth/connect/token"}
}

func (p Provider) lifetime() time.Duration {
	switch p {
	case SignicatPlatform:
		return 600 * time.Second
	case SecuredSigning:
		return 24 * time.Hour
	}
	return time.Hour
}

func (p Provider) scopes() []string {
	switch p {
	case SignicatExpress:
		return []string{"account_read", "document_read", "document_write", "document_file", "event"}
	case SignicatPlatform:
		return []string{"signicat-api"}
	case SecuredSigning:
		return []string{"Basic", "ISign", "WeSign", "SmartTag", "FormDirect", "FormFiller"}
	}
	return []string{"read", "write"}
}

// refreshes reports whether clients have refresh tokens.
func (p Provider) refreshes() bool { return p == SecuredSigning || p == Generic }

// Client is what the user of a provider has of a client.
type Client struct {
	Provider Provider
	ID       string
	// Secret is the first of those that are valid; see AddSecret.
	Secret secret.Text
	// RefreshToken is one that the client was given by the authorization of a user; empty with Signicat.
	RefreshToken secret.Text
	// APIKey, APISecret and CallbackURL sign requests to Secured Signing.
	APIKey, APISecret secret.Text
	CallbackURL       string
}

type client struct {
	provider            Provider
	id                  string
	secrets             []string // that are valid
	scopes              []string
	lifetime            time.Duration
	apiKey, apiSecret   string
	callback            string
	accountStatus, plan string
	locked              bool
}

// AddClient makes a client, which may have all scopes of the provider.
func (s *Server) AddClient(p Provider) Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &client{
		provider: p,
		id:       fmt.Sprintf("sandbox-round-apple-%d", 100+len(s.clients)),
		secrets:  []string{s.issue("CLIENTSECRET")},
		scopes:   p.scopes(),
		lifetime: s.lifetime,
	}
	if c.lifetime == 0 {
		c.lifetime = p.lifetime()
	}
	given := Client{Provider: p, ID: c.id, Secret: secret.Text(c.secrets[0])}
	if p.refreshes() {
		given.RefreshToken = secret.Text(s.newRefresh(c).value)
	}
	if p == SecuredSigning {
		c.apiKey, c.apiSecret = s.issue("APIKEY"), s.issue("APISECRET")
		c.callback = "https://app.example/signed"
		c.accountStatus, c.plan = "Paid", "Simulated"
		given.APIKey, given.APISecret, given.CallbackURL = secret.Text(c.apiKey), secret.Text(c.apiSecret), c.callback
	}
	s.clients = append(s.clients, c)
	return given
}

// client returns the client with an id, or nil.
func (s *Server) client(id string) *client {
	for _, c := range s.clients {
		if c.id == id {
			return c
		}
	}
	return nil
}

// mustClient is for what a test asks for.
func (s *Server) mustClient(id string) *client {
	c := s.client(id)
	if c == nil {
		panic("oauthtest: there is no client " + id)
	}
	return c
}

// AddSecret gives a client another secret. The others stay valid.
func (s *Server) AddSecret(clientID string) secret.Text {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.mustClient(clientID)
	value := s.issue("CLIENTSECRET")
	c.secrets = append(c.secrets, value)
	return secret.Text(value)
}

// WithdrawSecret has a secret of a client refused from now on. What becomes of its tokens is Behaviour.Withdrawal.
func (s *Server) WithdrawSecret(clientID string, value secret.Text) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.mustClient(clientID)
	c.secrets = slices.DeleteFunc(c.secrets, func(other string) bool { return other == value.Reveal() })
	if s.behaviour.Withdrawal == WithdrawalRevokes {
		s.revokeTokens(c)
	}
}

// SetTokenLifetime sets the life of the tokens that a client gets from now on, in whole seconds.
func (s *Server) SetTokenLifetime(clientID string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustClient(clientID).lifetime = d
}

// SetScopes sets the scopes that a client may have from now on.
func (s *Server) SetScopes(clientID string, scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustClient(clientID).scopes = scopes
}

// Reseed has a user authorize a client again, and returns the new refresh token. The others stay as they are.
func (s *Server) Reseed(clientID string) secret.Text {
	s.mu.Lock()
	defer s.mu.Unlock()
	return secret.Text(s.newRefresh(s.mustClient(clientID)).value)
}

// RevokeRefreshTokens revokes all refresh tokens of a client, as a user does who takes the authorization back.
func (s *Server) RevokeRefreshTokens(clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revokeRefreshes(s.mustClient(clientID))
}

// SetAccount sets what Account/Info says of a client's account: a state such as "Paid" or "OnHold", and whether it is locked.
func (s *Server) SetAccount(clientID, status string, locked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.mustClient(clientID)
	c.accountStatus, c.locked = status, locked
}
