package sfstest

import (
	"net/http"
	"strings"
)

// caller is who sent a request: an account by its API key, or the owner of a token.
type caller struct {
	account *account
	token   *token // nil for an API key
}

func (c caller) isClient() bool { return c.token != nil && c.token.clientKey != "" }

func bearerOf(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// clientKeyOf returns the clientKey of the client token that the request carries, or "".
func (s *Server) clientKeyOf(r *http.Request) string {
	value, _ := bearerOf(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.tokens[value]; ok {
		return t.clientKey
	}
	return ""
}

// byToken finds the caller of a request that must carry a token. The reply counts if the caller is zero.
func (s *Server) byToken(r *http.Request) (caller, reply) {
	value, ok := bearerOf(r)
	if !ok {
		return caller{}, s.missingAuth()
	}
	t, ok := s.tokens[value]
	switch {
	case !ok || t.revoked:
		return caller{}, s.unknownBearer()
	case t.expired(s.Now()):
		return caller{}, s.expiredBearer()
	}
	return caller{account: t.account, token: t}, reply{}
}

// byAny finds the caller of a client or user call.
func (s *Server) byAny(r *http.Request) (caller, reply) {
	_, bearer := bearerOf(r)
	if bearer && s.behaviour.Auth != AuthAPIKeyOnly {
		return s.byToken(r)
	}
	key := r.Header.Get("X-Sendforsign-Key")
	if key == "" || s.behaviour.Auth == AuthBearerOnly {
		return caller{}, s.missingAuth()
	}
	if a := s.accountOf(key); a != nil {
		return caller{account: a}, reply{}
	}
	return caller{}, s.refuse(http.StatusForbidden, "Invalid API key")
}

func (s *Server) missingAuth() reply {
	if s.behaviour.MissingAuth == MissingAuth403 {
		return s.refuse(http.StatusForbidden, "Unauthorized")
	}
	return s.refuse(http.StatusUnauthorized, "Unauthorized")
}

func (s *Server) unknownBearer() reply {
	switch s.behaviour.UnknownBearer {
	case UnknownBearer403:
		return s.refuse(http.StatusForbidden, "Invalid token")
	case UnknownBearerExpired:
		return s.refuse(http.StatusUnauthorized, "Token expired")
	}
	return s.refuse(http.StatusUnauthorized, "Invalid token")
}

func (s *Server) expiredBearer() reply {
	if s.behaviour.ExpiredBearer == ExpiredBearer2024 {
		return reply{status: http.StatusBadRequest, body: map[string]any{
			"error": map[string]any{"message": "The token has been expired."},
		}}
	}
	return s.refuse(http.StatusUnauthorized, "Token expired")
}

// forbidden is the answer to a good credential of the wrong kind.
func (s *Server) forbidden() reply { return s.refuse(http.StatusForbidden, "Forbidden") }
