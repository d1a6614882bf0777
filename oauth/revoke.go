// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sendforsign/sfs-operator/internal/wire"
	"github.com/sendforsign/sfs-operator/secret"
)

// ErrNoRevocation says that there is no revocation endpoint: a token lives until it expires.
var ErrNoRevocation = errors.New("server has no revocation endpoint")

// CanRevoke reports whether there is a revocation endpoint.
func (e *Endpoint) CanRevoke() bool { return e.revokeURL != "" }

// Revoke revokes an access token. One that is dead already is no error. What becomes of the refresh token is not said by
// RFC 7009, nor by Secured Signing.
func (e *Endpoint) Revoke(ctx context.Context, client Client, token secret.Text) error {
	c := &call{action: ActionRevoke, secrets: asSent(token)}
	if !e.CanRevoke() {
		return c.fail(KindRefused, ErrNoRevocation)
	}
	if token == "" || !wire.IsHeaderSafe(token.Reveal()) {
		return c.fail(KindRefused, errors.New("access token is empty, or none that a header can carry"))
	}
	request := e.bearerRevocation
	if !e.bearer {
		if err := client.check(); err != nil {
			return c.fail(KindInvalidClient, err)
		}
		c.secrets = append(c.secrets, client.sent()...)
		request = e.formRevocation
	}
	return e.do(ctx, c, func(ctx context.Context, hc *http.Client) error {
		req, err := request(ctx, client, token)
		if err != nil {
			return errors.New("request cannot be made")
		}
		resp, err := hc.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}, func() error {
		if e.isRevoked(c.status) {
			return nil
		}
		said, _ := decode(c.body)
		return c.refusal(said)
	})
}

// isRevoked reports whether the token is dead after an answer.
func (e *Endpoint) isRevoked(status int) bool {
	if e.bearer { // the SDK of Secured Signing ignores the reply; 401 says that the token was dead before
		return status >= 200 && status < 400 || status == http.StatusUnauthorized
	}
	return wire.IsSuccess(status)
}

func (e *Endpoint) bearerRevocation(ctx context.Context, _ Client, token secret.Text) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.revokeURL, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	return req, nil
}

func (e *Endpoint) formRevocation(ctx context.Context, client Client, token secret.Text) (*http.Request, error) {
	form := url.Values{"token": {token.Reveal()}, "token_type_hint": {"access_token"}}
	if client.Authentication == Form {
		form.Set("client_id", client.ID)
		form.Set("client_secret", client.Secret.Reveal())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.revokeURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client.Authentication == Basic {
		req.SetBasicAuth(url.QueryEscape(client.ID), url.QueryEscape(client.Secret.Reveal()))
	}
	return req, nil
}
