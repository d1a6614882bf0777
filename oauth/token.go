// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/sendforsign/sfs-operator/internal/wire"
	"github.com/sendforsign/sfs-operator/secret"
)

// Authentication is how a client authenticates.
type Authentication uint8

const (
	// Basic: by HTTP Basic, id and secret encoded as a form is, as RFC 6749 wants it.
	Basic Authentication = iota
	// Form: by client_id and client_secret in the form.
	Form
)

func (a Authentication) style() oauth2.AuthStyle {
	if a == Form {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// Client is who asks.
type Client struct {
	// ID is no secret, and may be in errors.
	ID             string
	Secret         secret.Text
	Authentication Authentication
}

// check returns what is wrong with a client that no server can know. Most often it is a line break at the end of a file.
func (c Client) check() error {
	switch {
	case c.ID == "":
		return errors.New("client ID is empty")
	case c.Secret == "":
		return errors.New("client secret is empty")
	case !isVisible(c.ID):
		return errors.New("client ID holds a line break or another character that none has")
	case !isVisible(c.Secret.Reveal()):
		return errors.New("client secret holds a line break or another character that none has")
	}
	return nil
}

// sent returns the secret in each form in which it is sent.
func (c Client) sent() []secret.Text {
	id, value := url.QueryEscape(c.ID), url.QueryEscape(c.Secret.Reveal())
	basic := base64.StdEncoding.EncodeToString([]byte(id + ":" + value))
	return append([]secret.Text{secret.Text(basic)}, asSent(c.Secret)...)
}

// asSent returns a secret as it is, and as a form has it.
func asSent(s secret.Text) []secret.Text {
	return []secret.Text{secret.Text(url.QueryEscape(s.Reveal())), s}
}

// Token is what a token endpoint gives.
type Token struct {
	// AccessToken is printable ASCII without spaces.
	AccessToken secret.Text
	// TokenType is "Bearer" with all servers that this package was made for.
	TokenType string
	// ExpiresIn is the life of the token from the moment it was issued: always positive, and 24 h at most. Count it from
	// the local time before the request, and no clock skew matters.
	ExpiresIn time.Duration
	// RefreshToken is empty if the answer has none: the one that was used stays good. Another one replaces it, and MUST be
	// stored before the access token is used. Beside an error it may be all that is set, and MUST be stored all the same.
	RefreshToken secret.Text
	// Scope is what the answer says was granted, with spaces between; empty if it says nothing.
	Scope string
}

// ClientCredentials asks for a token of the client itself.
func (e *Endpoint) ClientCredentials(ctx context.Context, client Client, scopes []string) (Token, error) {
	return e.mint(ctx, &call{action: ActionClientCredentials}, client, scopes, nil)
}

// Refresh asks for a token by a refresh token. Scopes, which can be none, narrow what was granted with it. See Token for
// what becomes of the refresh token.
func (e *Endpoint) Refresh(ctx context.Context, client Client, refreshToken secret.Text, scopes []string) (Token, error) {
	c := &call{action: ActionRefresh, secrets: asSent(refreshToken)}
	if refreshToken == "" || !isVisible(refreshToken.Reveal()) {
		return Token{}, c.fail(KindInvalidGrant, errors.New("refresh token is empty, or holds a line break or another character that none has"))
	}
	return e.mint(ctx, c, client, scopes, url.Values{"refresh_token": {refreshToken.Reveal()}})
}

func (e *Endpoint) mint(ctx context.Context, c *call, client Client, scopes []string, params url.Values) (Token, error) {
	if err := client.check(); err != nil {
		return Token{}, c.fail(KindInvalidClient, err)
	}
	if slices.ContainsFunc(scopes, func(scope string) bool { return !isScope(scope) }) {
		return Token{}, c.fail(KindInvalidScope, errors.New("a scope is empty or holds a character that no scope has"))
	}
	c.secrets = append(c.secrets, client.sent()...)
	config := clientcredentials.Config{
		ClientID:       client.ID,
		ClientSecret:   client.Secret.Reveal(),
		TokenURL:       e.tokenURL,
		Scopes:         scopes,
		EndpointParams: url.Values{"grant_type": {c.action}},
		AuthStyle:      client.Authentication.style(),
	}
	for name, values := range params {
		config.EndpointParams[name] = values
	}
	var token Token
	err := e.do(ctx, c, func(ctx context.Context, hc *http.Client) error {
		_, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, hc))
		return err
	}, func() (err error) {
		token, err = c.token()
		return err
	})
	return token, err
}

// token returns what an answer holds.
func (c *call) token() (Token, error) {
	said, ok := decode(c.body)
	switch {
	case !wire.IsSuccess(c.status) || said.Error != "":
		return Token{}, c.refusal(said)
	case !ok && c.late != nil: // a server can end half an answer in good order when its client gives up
		return Token{}, c.fail(KindUnavailable, fmt.Errorf("%w: %w", wire.ErrUnreadable, c.late))
	case !ok:
		return Token{}, c.fail(KindMalformed, errors.New("answer is malformed"))
	}
	token, err := said.token()
	if err != nil {
		return Token{RefreshToken: token.RefreshToken}, c.fail(KindMalformed, err)
	}
	return token, nil
}

// isScope reports whether a text is a scope-token of RFC 6749.
func isScope(s string) bool {
	return s != "" && isVisible(s) && !strings.ContainsAny(s, ` "\`)
}

// isVisible reports whether a text has only the characters that RFC 6749 knows for ids, secrets and tokens.
func isVisible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
