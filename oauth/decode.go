// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/sendforsign/sfs-operator/internal/wire"
	"github.com/sendforsign/sfs-operator/secret"
)

// What is longer is no token: it would fit neither a header nor the places where tokens are kept.
const (
	maxToken     = 16 << 10
	maxTokenType = 32
	maxScope     = 4 << 10
)

// ErrNoLifetime says that an answer has a token, and does not say how long it lives: to guess would be to hand out dead
// tokens, or to let one live on for which nobody looks.
var ErrNoLifetime = errors.New("answer holds no expires_in of a second or more")

// answer is the body of an answer, good or bad. No field of it can fail to decode.
type answer struct {
	AccessToken  exact           `json:"access_token"`
	TokenType    wire.Text       `json:"token_type"`
	ExpiresIn    json.RawMessage `json:"expires_in"`
	RefreshToken exact           `json:"refresh_token"`
	Scope        wire.Text       `json:"scope"`
	Error        exact           `json:"error"`
	Description  wire.Text       `json:"error_description"`
}

// exact is a string; anything else is empty.
type exact string

func (e *exact) UnmarshalJSON(raw []byte) error {
	*e = ""
	if raw[0] == '"' {
		*e = exact(wire.Unquote(raw))
	}
	return nil
}

// decode returns false for what is no JSON object.
func decode(raw []byte) (answer, bool) {
	var a answer
	if !wire.IsObject(raw) || json.Unmarshal(raw, &a) != nil {
		return answer{}, false
	}
	return a, true
}

// token returns the token of the answer. Where it returns an error, the refresh token is set if there is one.
func (a answer) token() (Token, error) {
	t := Token{
		AccessToken: secret.Text(a.AccessToken),
		TokenType:   cmp.Or(string(a.TokenType), "Bearer"), // it is put before the token in headers
		Scope:       a.scope(),
	}
	if len(a.RefreshToken) <= maxToken && isVisible(string(a.RefreshToken)) {
		t.RefreshToken = secret.Text(a.RefreshToken)
	}
	life, ok := wire.TokenLife(a.ExpiresIn)
	t.ExpiresIn = life
	switch {
	case t.RefreshToken == "" && a.RefreshToken != "":
		return t, errors.New("answer holds a refresh token that can not be used")
	case a.AccessToken == "":
		return t, errors.New("answer holds no access token")
	case len(a.AccessToken) > maxToken || !wire.IsHeaderSafe(string(a.AccessToken)):
		return t, errors.New("answer holds an access token that no header can carry")
	case len(t.TokenType) > maxTokenType || !wire.IsHeaderSafe(t.TokenType):
		return t, errors.New("answer holds a token type that no header can carry")
	case !ok:
		return t, ErrNoLifetime
	}
	return t, nil
}

// scope returns the scope of the answer, or nothing where that is none.
func (a answer) scope() string {
	scopes := strings.Fields(string(a.Scope))
	if len(a.Scope) > maxScope || slices.ContainsFunc(scopes, func(s string) bool { return !isScope(s) }) {
		return ""
	}
	return strings.Join(scopes, " ")
}
