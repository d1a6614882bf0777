// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/sendforsign/sfs-operator/internal/wire"
	"github.com/sendforsign/sfs-operator/secret"
)

// FuzzAnswer wants every answer to be a token that can be used, or an error that can be shown.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"t","token_type":"Bearer","expires_in":600,"scope":"a b"}`,
		`{"access_token":"t","expires_in":"86400","refresh_token":"r"}`,
		`{"access_token":"t","refresh_token":"r"}`,
		`{"error":"invalid_client","error_description":"hunter2 is bad"}`,
		`{"error":{"code":1}}`, `<html>`, `[]`, ``,
	} {
		for _, status := range []int{200, 302, 400, 401, 429, 500} {
			f.Add(status, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		c := &call{action: ActionRefresh, secrets: []secret.Text{"hunter2"}, status: status, header: http.Header{}, body: body}
		token, err := c.token()
		if token.RefreshToken != "" && !isVisible(token.RefreshToken.Reveal()) {
			t.Error("a refresh token that can not be stored")
		}
		if err == nil {
			checkToken(t, status, body, token)
			return
		}
		if token != (Token{RefreshToken: token.RefreshToken}) {
			t.Error("a token beside an error")
		}
		e, ok := err.(*Error) //nolint:errorlint // none is wrapped
		text := err.Error()
		if !ok || strings.Contains(text, "hunter2") || len([]rune(text)) > 600 ||
			strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("got %q", text)
		}
		switch e.Kind {
		case KindUnavailable, KindThrottled:
		case KindMalformed:
			if !wire.IsSuccess(status) {
				t.Errorf("%d is no success", status)
			}
		default: // a person is to see to it: the server must have said so, in the words of OAuth
			if status >= 500 || status >= 300 && status < 400 || !json.Valid(body) && e.Code != "" {
				t.Errorf("%d is taken for a refusal of kind %d", status, e.Kind)
			}
		}
	})
}

func checkToken(t *testing.T, status int, body []byte, token Token) {
	t.Helper()
	if !wire.IsSuccess(status) || !json.Valid(body) {
		t.Errorf("%d with %q is taken for a token", status, body)
	}
	if token.AccessToken == "" || !wire.IsHeaderSafe(token.AccessToken.Reveal()) || len(token.AccessToken) > maxToken ||
		!wire.IsHeaderSafe(token.TokenType) || token.ExpiresIn < time.Second || token.ExpiresIn > 24*time.Hour {
		t.Errorf("the token %q %q for %v is of no use", token.AccessToken.Reveal(), token.TokenType, token.ExpiresIn)
	}
	if strings.ContainsFunc(token.Scope, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("the scope is %q", token.Scope)
	}
}
