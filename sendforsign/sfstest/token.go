package sfstest

import (
	"net/http"
	"strconv"
	"time"
)

type token struct {
	value           string
	account         *account
	clientKey       string // empty for a platform token
	issued, expires time.Time
	revoked         bool
	children        []*token // client tokens made with this platform token
}

func (t *token) expired(now time.Time) bool { return !now.Before(t.expires) }

func (t *token) alive(now time.Time) bool { return !t.revoked && !t.expired(now) }

// subject is whose token it is.
func (t *token) subject() string {
	if t.clientKey != "" {
		return t.clientKey
	}
	return t.account.id
}

// TokenInfo is what the simulator knows about a token.
type TokenInfo struct {
	// ClientKey is empty for a platform token.
	ClientKey string
	// Issued and Expires are times of the server's clock.
	Issued, Expires time.Time
	// Alive is neither Expired nor Revoked.
	Alive, Expired, Revoked bool
}

// TokenState tells about a token; false if it was never issued.
func (s *Server) TokenState(tok string) (TokenInfo, bool) {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[tok]
	if !ok {
		return TokenInfo{}, false
	}
	return TokenInfo{
		ClientKey: t.clientKey,
		Issued:    t.issued,
		Expires:   t.expires,
		Alive:     t.alive(now),
		Expired:   t.expired(now),
		Revoked:   t.revoked,
	}, true
}

// LiveTokens counts the living tokens of a client.
func (s *Server) LiveTokens(clientKey string) int {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(living(s.subjects[clientKey], now))
}

// RevokeTokens revokes the living tokens of a client, as somebody who finds one where it should not be has them revoked.
func (s *Server) RevokeTokens(clientKey string) {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range living(s.subjects[clientKey], now) {
		s.revoke(t)
	}
}

func living(tokens []*token, now time.Time) []*token {
	var alive []*token
	for _, t := range tokens {
		if t.alive(now) {
			alive = append(alive, t)
		}
	}
	return alive
}

func (s *Server) serveToken(r *http.Request, p parsed) reply {
	switch {
	case p.Action == "create" && (p.APIKey.set || p.Secret.set):
		return s.createPlatformToken(p)
	case p.Action != "create" && p.Action != "revoke":
		return s.unknownAction(p.Action)
	case p.wrapped && s.behaviour.Envelope == AcceptBare, !p.wrapped && s.behaviour.Envelope == AcceptWrapped:
		return s.badRequest("Wrong envelope")
	}
	who, rep := s.byToken(r)
	switch {
	case who.account == nil:
		return rep
	case who.isClient():
		return s.forbidden()
	case p.Action == "create":
		return s.createClientToken(who, p)
	case !p.AccessToken.set:
		s.revoke(who.token)
		return s.revoked(true)
	}
	return s.revokeClientToken(who, p)
}

func (s *Server) createPlatformToken(p parsed) reply {
	if p.APIKey.value == "" || p.Secret.value == "" {
		return s.badRequest("apiKey and secret are required")
	}
	a := s.accountOf(p.APIKey.value)
	if a != nil && a.credentials.Secret.Reveal() == p.Secret.value {
		return s.issueToken(&token{account: a}, nil)
	}
	const message = "Invalid API key or secret"
	switch s.behaviour.BadCredentials {
	case BadCredentials401:
		return s.refuse(http.StatusUnauthorized, message)
	case BadCredentials400:
		return s.refuse(http.StatusBadRequest, message)
	case BadCredentials404:
		return s.refuse(http.StatusNotFound, message)
	case BadCredentials200:
		return refuseInBody(http.StatusForbidden, message)
	}
	return s.refuse(http.StatusForbidden, message)
}

func (s *Server) createClientToken(who caller, p parsed) reply {
	if p.ClientKey.value == "" {
		return s.badRequest("clientKey is required")
	}
	if c := s.byKey[p.ClientKey.value]; c != nil && c.account == who.account {
		return s.issueToken(&token{account: who.account, clientKey: p.ClientKey.value}, who.token)
	}
	const message = "Client not found"
	switch s.behaviour.GoneClientToken {
	case GoneClientToken403:
		return s.refuse(http.StatusForbidden, message)
	case GoneClientToken400:
		return s.refuse(http.StatusBadRequest, message)
	}
	return s.refuse(http.StatusNotFound, message)
}

// issueToken gives t its value and life, and makes room for it among the older ones. platform is what it was made with.
func (s *Server) issueToken(t *token, platform *token) reply {
	now := s.Now()
	t.value = s.issue("TOKEN")
	t.issued, t.expires = now, now.Add(t.account.lifetime)
	if platform != nil {
		platform.children = append(platform.children, t)
		if s.behaviour.ClientTokenLife == ClientTokenLifeCapped && platform.expires.Before(t.expires) {
			t.expires = platform.expires
		}
	}

	peers := living(s.subjects[t.subject()], now)
	keep := len(peers)
	switch s.behaviour.Renewal {
	case RenewalRevokes:
		keep = 0
	case RenewalCaps:
		keep = min(keep, max(s.behaviour.TokenCap-1, 0))
	}
	for _, old := range peers[:len(peers)-keep] {
		s.revoke(old)
	}
	s.subjects[t.subject()] = append(peers[len(peers)-keep:], t)
	s.tokens[t.value] = t

	seconds := int(t.expires.Sub(now) / time.Second)
	body := map[string]any{"access_token": t.value, "token_type": "Bearer", "expires_in": seconds}
	if s.behaviour.ExpiresIn == ExpiresInString {
		body["expires_in"] = strconv.Itoa(seconds)
	}
	return reply{status: s.successStatus(http.StatusCreated), body: body, effect: true}
}

func (s *Server) revoke(t *token) {
	t.revoked = true
	if s.behaviour.PlatformRevoke == PlatformRevokeCascades {
		for _, child := range t.children {
			child.revoked = true
		}
	}
}

func (s *Server) revoked(effect bool) reply {
	body := map[string]any{"message": "Token revoked"}
	s.putCode(body, http.StatusCreated, CodesNumber)
	return reply{status: s.successStatus(http.StatusCreated), body: body, effect: effect}
}

func (s *Server) revokeClientToken(who caller, p parsed) reply {
	if p.AccessToken.value == "" {
		return s.badRequest("access_token is empty")
	}
	t := s.tokens[p.AccessToken.value]
	if t != nil && t.account == who.account && t.clientKey != "" && t.alive(s.Now()) {
		s.revoke(t)
		return s.revoked(true)
	}
	const message = "Token not found"
	switch s.behaviour.RevokeUnknown {
	case RevokeUnknown404:
		return s.refuse(http.StatusNotFound, message)
	case RevokeUnknown401:
		return s.refuse(http.StatusUnauthorized, message)
	case RevokeUnknown400:
		return s.refuse(http.StatusBadRequest, message)
	}
	return s.revoked(false)
}
