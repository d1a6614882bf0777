// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauthtest

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sendforsign/sfs-operator/secret"
)

const (
	endpointToken   = "token"
	endpointRevoke  = "revoke"
	endpointAccount = "account"
	endpointCanary  = "canary"
)

type token struct {
	value           string
	client          *client
	issued, expires time.Time
	revoked         bool
}

func (t *token) expired(now time.Time) bool { return !now.Before(t.expires) }

func (t *token) alive(now time.Time) bool { return !t.revoked && !t.expired(now) }

type refresh struct {
	value    string
	client   *client
	expires  time.Time // zero is never
	replaced bool
	revoked  bool
}

func (r *refresh) alive(now time.Time) bool {
	return !r.revoked && (r.expires.IsZero() || now.Before(r.expires))
}

// TokenInfo is what the simulator knows about an access token.
type TokenInfo struct {
	ClientID string
	// Issued and Expires are times of the server's clock.
	Issued, Expires time.Time
	// Alive is neither Expired nor Revoked.
	Alive, Expired, Revoked bool
}

// TokenState tells about an access token; false if it was never issued.
func (s *Server) TokenState(value secret.Text) (TokenInfo, bool) {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[value.Reveal()]
	if !ok {
		return TokenInfo{}, false
	}
	return TokenInfo{
		ClientID: t.client.id,
		Issued:   t.issued,
		Expires:  t.expires,
		Alive:    t.alive(now),
		Expired:  t.expired(now),
		Revoked:  t.revoked,
	}, true
}

// LiveTokens counts the living access tokens of a client.
func (s *Server) LiveTokens(clientID string) int {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, t := range s.tokens {
		if t.client.id == clientID && t.alive(now) {
			n++
		}
	}
	return n
}

// TakesRefreshToken reports whether a refresh token would be taken now.
func (s *Server) TakesRefreshToken(value secret.Text) bool {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.refreshes[value.Reveal()]
	return ok && r.alive(now)
}

func (s *Server) newRefresh(c *client) *refresh {
	r := &refresh{value: s.issue("REFRESH"), client: c}
	if s.behaviour.RefreshLife > 0 {
		r.expires = s.Now().Add(s.behaviour.RefreshLife)
	}
	s.refreshes[r.value] = r
	return r
}

func (s *Server) revokeTokens(c *client) {
	for _, t := range s.tokens {
		t.revoked = t.revoked || t.client == c
	}
}

func (s *Server) revokeRefreshes(c *client) {
	for _, r := range s.refreshes {
		r.revoked = r.revoked || r.client == c
	}
}

// request is what can be read of a request before it is carried out.
type request struct {
	provider Provider
	endpoint string
	form     url.Values
	formErr  error
	clientID string
	secret   string
	basic    bool
}

func (q request) action() string {
	if q.endpoint == endpointToken {
		return q.form.Get("grant_type")
	}
	return ""
}

func (s *Server) parse(r *http.Request) request {
	q := request{form: url.Values{}}
	for _, p := range []Provider{SignicatExpress, SignicatPlatform, SecuredSigning, Generic} {
		switch r.URL.Path {
		case p.paths().token:
			q.provider, q.endpoint = p, endpointToken
		case p.paths().revoke:
			q.provider, q.endpoint = p, endpointRevoke
		}
	}
	switch r.URL.Path {
	case resources + "/Account/Info":
		q.provider, q.endpoint = SecuredSigning, endpointAccount
	case canary:
		q.endpoint = endpointCanary
	}
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType == "application/x-www-form-urlencoded" {
		q.formErr = r.ParseForm()
		q.form = r.PostForm
	}
	q.clientID, q.secret = q.form.Get("client_id"), q.form.Get("client_secret")
	if id, value, ok := r.BasicAuth(); ok {
		q.basic = true
		q.clientID, _ = url.QueryUnescape(id)
		q.secret, _ = url.QueryUnescape(value)
	}
	if value, ok := bearerOf(r); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		if t := s.tokens[value]; t != nil {
			q.clientID = t.client.id
			if q.endpoint == endpointCanary {
				q.provider = t.client.provider
			}
		}
	}
	return q
}

// refuse is an OAuth error.
func (s *Server) refuse(q request, code, description string) reply {
	status := http.StatusBadRequest
	if s.behaviour.Errors == Errors401 || s.behaviour.Errors == ErrorsRFC && code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	body := map[string]any{"error": code}
	switch s.behaviour.Descriptions {
	case DescriptionsGiven:
		body["error_description"] = description
	case DescriptionsEchoed:
		body["error_description"] = description + ": " + q.secret + " " + q.form.Encode()
	}
	return reply{status: status, body: body}
}

// authenticate returns the client of a request, or why it is none.
func (s *Server) authenticate(r *http.Request, q request) (*client, *reply) {
	refuse := func(code, description string) (*client, *reply) {
		rep := s.refuse(q, code, description)
		return nil, &rep
	}
	for _, values := range q.form {
		if len(values) > 1 {
			return refuse("invalid_request", "a parameter is there twice")
		}
	}
	basic := s.behaviour.ClientAuth == ClientAuthBasic || s.behaviour.ClientAuth == ClientAuthDocumented && q.provider != SecuredSigning
	form := s.behaviour.ClientAuth != ClientAuthBasic
	c := s.client(q.clientID)
	switch {
	case r.Method != http.MethodPost:
		return nil, &reply{status: http.StatusMethodNotAllowed}
	case q.formErr != nil || len(q.form) == 0:
		return refuse("invalid_request", "body is no form")
	case q.basic && q.form.Has("client_secret"):
		return refuse("invalid_request", "client authenticates twice")
	case q.basic && !basic, !q.basic && !form,
		c == nil, c.provider != q.provider, !slices.Contains(c.secrets, q.secret):
		return refuse("invalid_client", "client authentication failed")
	}
	return c, nil
}

func (s *Server) serveToken(r *http.Request, q request) reply {
	c, refused := s.authenticate(r, q)
	if refused != nil {
		return *refused
	}
	scopes, known := s.scopes(c, q.form.Get("scope"))
	switch grant := q.form.Get("grant_type"); {
	case grant == "client_credentials" && c.provider == SecuredSigning:
		return s.refuse(q, "unauthorized_client", "client may not use this grant")
	case grant == "client_credentials" && !known, grant == "refresh_token" && c.provider.refreshes() && !known:
		return s.refuse(q, "invalid_scope", "client does not have this scope")
	case grant == "client_credentials":
		return s.issueToken(c, scopes, "")
	case grant == "refresh_token" && c.provider.refreshes():
		return s.refresh(q, c, scopes)
	}
	return s.refuse(q, "unsupported_grant_type", "no such grant")
}

// scopes returns what is granted of what is asked for: nothing asked for is all. It is false for a scope to be refused.
func (s *Server) scopes(c *client, asked string) ([]string, bool) {
	var granted []string
	for scope := range strings.FieldsSeq(asked) {
		if slices.Contains(c.scopes, scope) {
			granted = append(granted, scope)
		} else if s.behaviour.Scopes == ScopesRefused {
			return nil, false
		}
	}
	if asked == "" {
		granted = c.scopes
	}
	return granted, true
}

func (s *Server) refresh(q request, c *client, scopes []string) reply {
	used := s.refreshes[q.form.Get("refresh_token")]
	if used == nil || used.client != c || !used.alive(s.Now()) {
		if used != nil && used.client == c && used.replaced && s.behaviour.Reuse == ReuseRevokesMore {
			s.revokeTokens(c)
			s.revokeRefreshes(c)
		}
		return s.refuse(q, "invalid_grant", "refresh token is not valid")
	}
	answered := used.value
	switch s.behaviour.Rotation {
	case RotateAlways:
		used.replaced, used.revoked = true, true
		answered = s.newRefresh(c).value
	case RotateGrace:
		if until := s.Now().Add(s.behaviour.Grace); !used.replaced && (used.expires.IsZero() || until.Before(used.expires)) {
			used.expires = until
		}
		used.replaced = true
		answered = s.newRefresh(c).value
	case RotateNever:
		if s.behaviour.Unrotated == UnrotatedAbsent {
			answered = ""
		}
	}
	return s.issueToken(c, scopes, answered)
}

// issueToken makes an access token. An empty refresh token is not in the answer.
func (s *Server) issueToken(c *client, scopes []string, refreshToken string) reply {
	if s.behaviour.Renewal == RenewalRevokes {
		s.revokeTokens(c)
	}
	now := s.Now()
	t := &token{value: s.issue("TOKEN"), client: c, issued: now, expires: now.Add(c.lifetime)}
	s.tokens[t.value] = t

	seconds := int(c.lifetime / time.Second)
	body := map[string]any{"access_token": t.value, "token_type": "Bearer"}
	expires := s.behaviour.ExpiresIn
	if expires == ExpiresInDocumented && c.provider == SecuredSigning {
		expires = ExpiresInString
	}
	switch expires {
	case ExpiresInString:
		body["expires_in"] = strconv.Itoa(seconds)
	case ExpiresInDocumented, ExpiresInNumber:
		body["expires_in"] = seconds
	}
	if refreshToken != "" {
		body["refresh_token"] = refreshToken
	}
	if s.behaviour.ScopeAnswer == ScopeAnswerGiven || s.behaviour.ScopeAnswer == ScopeAnswerDocumented && c.provider != SignicatExpress {
		body["scope"] = strings.Join(scopes, " ")
	}
	return reply{status: http.StatusOK, body: body, effect: true}
}

// serveRevoke revokes an access token: by GET and bearer at Secured Signing, else as RFC 7009 has it.
func (s *Server) serveRevoke(r *http.Request, q request) reply {
	if q.provider == SecuredSigning {
		if r.Method != http.MethodGet {
			return reply{status: http.StatusMethodNotAllowed}
		}
		t, refused := s.bearer(r, SecuredSigning)
		if refused != nil {
			return *refused
		}
		s.revoke(t)
		if s.behaviour.RevokeReply == RevokeReply302 {
			return reply{status: http.StatusFound, location: "/", effect: true}
		}
		return reply{status: http.StatusOK, effect: true}
	}
	c, refused := s.authenticate(r, q)
	if refused != nil {
		return *refused
	}
	t := s.tokens[q.form.Get("token")]
	if t == nil || t.client != c || !t.alive(s.Now()) {
		return reply{status: http.StatusOK} // as RFC 7009 wants it
	}
	s.revoke(t)
	return reply{status: http.StatusOK, effect: true}
}

func (s *Server) revoke(t *token) {
	t.revoked = true
	if s.behaviour.Revocation == RevocationOfRefresh {
		s.revokeRefreshes(t.client)
	}
}
