package sendforsign

import (
	"context"
	"errors"
	"time"

	"github.com/sendforsign/sfs-operator/internal/wire"
)

// Token is an access token. The API has no refresh: a new token is made the same way as the first.
type Token struct {
	// AccessToken is opaque. It is printable ASCII without spaces.
	AccessToken Secret
	// TokenType is "Bearer" in all documentation.
	TokenType string
	// ExpiresIn is the life of the token from the moment it was issued: always positive, and 24 h at most. Count it from
	// the local time before the request, and no clock skew matters.
	ExpiresIn time.Duration
}

type tokenRequest struct {
	Action      string `json:"action"`
	APIKey      string `json:"apiKey,omitempty"`
	Secret      string `json:"secret,omitempty"`
	ClientKey   string `json:"clientKey,omitempty"`
	AccessToken string `json:"access_token,omitempty"`
}

// enclosed puts the body of a client or user call into the "data" that they always have.
func enclosed(body any) any {
	return struct {
		Data any `json:"data"`
	}{body}
}

// tokenCall is a call of the token endpoint. wrapped says whether the vendor's documentation wraps this one in "data".
func (a *API) tokenCall(auth *Auth, r tokenRequest, wrapped bool, secrets ...Secret) call {
	c := call{endpoint: "token", action: r.Action, auth: auth, body: r, secrets: secrets}
	if a.envelope == EnvelopeWrapped || a.envelope == EnvelopeDocumented && wrapped {
		c.body = enclosed(r)
	}
	return c
}

// CreatePlatformToken makes a token of the account.
func (a *API) CreatePlatformToken(ctx context.Context, cred Credentials) (Token, error) {
	r := tokenRequest{Action: "create", APIKey: cred.APIKey.Reveal(), Secret: cred.Secret.Reveal()}
	c := a.tokenCall(nil, r, true, cred.APIKey, cred.Secret)
	if cred.APIKey == "" || cred.Secret == "" {
		return Token{}, c.fail(kindUnsendable, 0, errors.New("API key or secret is empty"))
	}
	return a.createToken(ctx, c)
}

// CreateClientToken makes a token of one client. An empty clientKey is refused here: what the server would make of it is
// not documented, and a token of the whole account in the hands of a tenant is the worst that could come of it.
func (a *API) CreateClientToken(ctx context.Context, platform Secret, clientKey string) (Token, error) {
	auth := PlatformToken(platform)
	c := a.tokenCall(&auth, tokenRequest{Action: "create", ClientKey: clientKey}, false)
	if clientKey == "" {
		return Token{}, c.fail(kindUnsendable, 0, errors.New("clientKey is empty"))
	}
	return a.createToken(ctx, c)
}

func (a *API) createToken(ctx context.Context, c call) (Token, error) {
	var token Token
	c.holds = func(ans *answer) error {
		var ok bool
		token, ok = ans.token()
		return presence(ok)
	}
	if _, err := a.do(ctx, c); err != nil {
		return Token{}, err
	}
	return token, nil
}

// RevokePlatformToken revokes the token that it is called with. Whether the client tokens made with it die too is not
// documented.
func (a *API) RevokePlatformToken(ctx context.Context, platform Secret) error {
	auth := PlatformToken(platform)
	_, err := a.do(ctx, a.tokenCall(&auth, tokenRequest{Action: "revoke"}, false))
	return err
}

// RevokeClientToken revokes a client token. An empty one is refused here, because the server would take the call for the
// revocation of the platform token, and so is one that it might trim to that.
func (a *API) RevokeClientToken(ctx context.Context, platform, clientToken Secret) error {
	auth := PlatformToken(platform)
	c := a.tokenCall(&auth, tokenRequest{Action: "revoke", AccessToken: clientToken.Reveal()}, false, clientToken)
	if clientToken == "" || !wire.IsHeaderSafe(clientToken.Reveal()) {
		return c.fail(kindUnsendable, 0, errors.New("client token is empty, or has characters that no token has"))
	}
	_, err := a.do(ctx, c)
	return err
}
