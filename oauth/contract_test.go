// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/oauth"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
	"github.com/sendforsign/sfs-operator/secret"
)

// clock is a clock that the test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

var providers = map[string]oauthtest.Provider{
	"Signicat Express":  oauthtest.SignicatExpress,
	"Signicat Platform": oauthtest.SignicatPlatform,
	"Secured Signing":   oauthtest.SecuredSigning,
	"generic":           oauthtest.Generic,
}

// tenant is a client at a simulator.
type tenant struct {
	*oauthtest.Server
	clock    *clock
	endpoint *oauth.Endpoint
	given    oauthtest.Client
	client   oauth.Client
}

func simulate(t *testing.T, b oauthtest.Behaviour, p oauthtest.Provider) *tenant {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	server := oauthtest.New(oauthtest.WithBehaviour(b), oauthtest.WithClock(c))
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(server.CABundle())
	opts := []oauth.Option{oauth.WithRootCAs(pool), oauth.WithRevocation(server.RevocationURL(p))}
	if p == oauthtest.SecuredSigning {
		opts = append(opts, oauth.WithBearerRevocation(server.RevocationURL(p)))
	}
	given := server.AddClient(p)
	client := oauth.Client{ID: given.ID, Secret: given.Secret}
	if p == oauthtest.SecuredSigning {
		client.Authentication = oauth.Form
	}
	return &tenant{Server: server, clock: c, endpoint: connect(t, server.TokenURL(p), opts...), given: given, client: client}
}

// mint asks for a token by the grant of the provider, for which the generic one has the refresh token.
func (n *tenant) mint(t *testing.T, scopes ...string) (oauth.Token, error) {
	t.Helper()
	if n.given.RefreshToken == "" {
		return n.endpoint.ClientCredentials(t.Context(), n.client, scopes)
	}
	token, err := n.endpoint.Refresh(t.Context(), n.client, n.given.RefreshToken, scopes)
	if token.RefreshToken != "" {
		n.given.RefreshToken = token.RefreshToken
	}
	return token, err
}

func (n *tenant) mustMint(t *testing.T) oauth.Token {
	t.Helper()
	token, err := n.mint(t)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// isAccepted asks the canary.
func (n *tenant) isAccepted(t *testing.T, token secret.Text) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.CanaryURL(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(n.CABundle())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// wantKind wants an error of a kind, without a secret in it.
func wantKind(t *testing.T, what string, err error, want oauth.Kind) {
	t.Helper()
	if kindOf(err) != want || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), oauthtest.CanaryPrefix) {
		t.Errorf("%s: got %v of kind %d, want %d", what, err, kindOf(err), want)
	}
}

func TestContractOfErrors(t *testing.T) {
	for _, status := range []oauthtest.Errors{oauthtest.Errors400, oauthtest.ErrorsRFC, oauthtest.Errors401} {
		for _, description := range []oauthtest.Descriptions{oauthtest.DescriptionsAbsent, oauthtest.DescriptionsGiven, oauthtest.DescriptionsEchoed} {
			for name, provider := range providers {
				t.Run(fmt.Sprintf("%s, status %d, description %d", name, status, description), func(t *testing.T) {
					n := simulate(t, oauthtest.Behaviour{Errors: status, Descriptions: description}, provider)
					mint := func(change func(*tenant), scopes ...string) error {
						other := *n
						change(&other)
						_, err := other.mint(t, scopes...)
						return err
					}
					wantKind(t, "wrong secret", mint(func(n *tenant) { n.client.Secret = oauthtest.CanaryPrefix + "wrong" }), oauth.KindInvalidClient)
					wantKind(t, "wrong ID", mint(func(n *tenant) { n.client.ID = "nobody" }), oauth.KindInvalidClient)
					wantKind(t, "wrong scope", mint(func(*tenant) {}, "BASIC"), oauth.KindInvalidScope)
					_, err := n.endpoint.Refresh(t.Context(), n.client, oauthtest.CanaryPrefix+"r", nil)
					if want := oauth.KindInvalidGrant; n.given.RefreshToken != "" {
						wantKind(t, "wrong refresh token", err, want)
					} else {
						wantKind(t, "no such grant", err, oauth.KindRefused)
					}
					if provider == oauthtest.SecuredSigning {
						_, err := n.endpoint.ClientCredentials(t.Context(), n.client, nil)
						wantKind(t, "a grant of others", err, oauth.KindUnauthorizedClient)
					}
					wantKind(t, "all is well", mint(func(*tenant) {}), ok)
				})
			}
		}
	}
}

func TestContractOfTokens(t *testing.T) {
	lives := map[string]time.Duration{
		"Signicat Express": time.Hour, "Signicat Platform": 10 * time.Minute, "Secured Signing": 24 * time.Hour, "generic": time.Hour,
	}
	for _, expires := range []oauthtest.ExpiresIn{oauthtest.ExpiresInDocumented, oauthtest.ExpiresInNumber, oauthtest.ExpiresInString, oauthtest.ExpiresInAbsent} {
		for _, scope := range []oauthtest.ScopeAnswer{oauthtest.ScopeAnswerDocumented, oauthtest.ScopeAnswerGiven, oauthtest.ScopeAnswerAbsent} {
			for name, provider := range providers {
				t.Run(fmt.Sprintf("%s, expires_in %d, scope %d", name, expires, scope), func(t *testing.T) {
					n := simulate(t, oauthtest.Behaviour{ExpiresIn: expires, ScopeAnswer: scope}, provider)
					seed := n.given.RefreshToken
					token, err := n.mint(t)
					if seed != "" && (n.TakesRefreshToken(seed) || !n.TakesRefreshToken(token.RefreshToken)) {
						t.Error("the refresh token has not been replaced by the one of the answer")
					}
					if expires == oauthtest.ExpiresInAbsent {
						if !errors.Is(err, oauth.ErrNoLifetime) || token.AccessToken != "" {
							t.Errorf("got %v", err)
						}
						return
					}
					if err != nil || token.ExpiresIn != lives[name] || token.TokenType != "Bearer" || !n.isAccepted(t, token.AccessToken) {
						t.Errorf("got %s, %v", reveal(token), err)
					}
					given := scope == oauthtest.ScopeAnswerGiven || scope == oauthtest.ScopeAnswerDocumented && provider != oauthtest.SignicatExpress
					if (token.Scope != "") != given {
						t.Errorf("the scope is %q", token.Scope)
					}
					n.clock.now = n.clock.now.Add(token.ExpiresIn - time.Second)
					if !n.isAccepted(t, token.AccessToken) {
						t.Error("it has died before its time")
					}
					n.clock.now = n.clock.now.Add(time.Second)
					if n.isAccepted(t, token.AccessToken) || n.Refusals() != 1 {
						t.Error("it lives on")
					}
				})
			}
		}
	}
}

func TestContractOfClientAuthentication(t *testing.T) {
	for name, provider := range providers {
		for way, takes := range map[oauthtest.ClientAuth]map[oauth.Authentication]bool{
			oauthtest.ClientAuthDocumented: {oauth.Basic: provider != oauthtest.SecuredSigning, oauth.Form: true},
			oauthtest.ClientAuthBasic:      {oauth.Basic: true},
			oauthtest.ClientAuthForm:       {oauth.Form: true},
		} {
			for _, authentication := range []oauth.Authentication{oauth.Basic, oauth.Form} {
				n := simulate(t, oauthtest.Behaviour{ClientAuth: way}, provider)
				n.client.Authentication = authentication
				want := oauth.KindInvalidClient
				if takes[authentication] {
					want = ok
				}
				_, err := n.mint(t)
				wantKind(t, fmt.Sprintf("%s, authenticated by %d, takes %d", name, authentication, way), err, want)
				if calls := n.CountCalls("token", ""); calls != 1 {
					t.Errorf("%s: %d calls", name, calls)
				}
			}
		}
	}
}

func TestContractOfScopes(t *testing.T) {
	n := simulate(t, oauthtest.Behaviour{Scopes: oauthtest.ScopesPartial}, oauthtest.Generic)
	token, err := n.mint(t, "write", "unknown")
	if err != nil || token.Scope != "write" {
		t.Errorf("got %s, %v", reveal(token), err)
	}
	n.SetScopes(n.given.ID, "read")
	token, err = n.mint(t)
	if err != nil || token.Scope != "read" {
		t.Errorf("got %s, %v", reveal(token), err)
	}
}

func TestContractOfSeveralClientSecrets(t *testing.T) {
	for withdrawal, lives := range map[oauthtest.Withdrawal]bool{oauthtest.WithdrawalKeeps: true, oauthtest.WithdrawalRevokes: false} {
		n := simulate(t, oauthtest.Behaviour{Withdrawal: withdrawal}, oauthtest.SignicatPlatform)
		first := n.mustMint(t)
		next := n.AddSecret(n.given.ID)
		n.mustMint(t) // with the old one
		n.client.Secret = next
		n.mustMint(t)
		n.WithdrawSecret(n.given.ID, n.given.Secret)
		if n.isAccepted(t, first.AccessToken) != lives {
			t.Errorf("with %d the tokens are not as they should be", withdrawal)
		}
		n.mustMint(t)
		n.client.Secret = n.given.Secret
		_, err := n.mint(t)
		wantKind(t, "withdrawn", err, oauth.KindInvalidClient)
	}
}

func TestContractOfRenewal(t *testing.T) {
	for renewal, lives := range map[oauthtest.Renewal]bool{oauthtest.RenewalKeeps: true, oauthtest.RenewalRevokes: false} {
		n := simulate(t, oauthtest.Behaviour{Renewal: renewal}, oauthtest.SignicatExpress)
		old, next := n.mustMint(t), n.mustMint(t)
		if n.isAccepted(t, old.AccessToken) != lives || !n.isAccepted(t, next.AccessToken) {
			t.Errorf("with %d the tokens are not as they should be", renewal)
		}
	}
}

func TestContractOfRotation(t *testing.T) {
	for _, provider := range []oauthtest.Provider{oauthtest.SecuredSigning, oauthtest.Generic} {
		for name, test := range map[string]struct {
			behaviour                 oauthtest.Behaviour
			given, another            bool // a refresh token is in the answer, and it is not the one that was used
			oldNow, oldLater, newLast bool // which are taken: the old one at once and after a minute, the new one after both were tried
		}{
			"always":         {oauthtest.Behaviour{}, true, true, false, false, true},
			"grace":          {oauthtest.Behaviour{Rotation: oauthtest.RotateGrace}, true, true, true, false, true},
			"never":          {oauthtest.Behaviour{Rotation: oauthtest.RotateNever}, true, false, true, true, true},
			"never, absent":  {oauthtest.Behaviour{Rotation: oauthtest.RotateNever, Unrotated: oauthtest.UnrotatedAbsent}, false, false, true, true, true},
			"reuse is theft": {oauthtest.Behaviour{Reuse: oauthtest.ReuseRevokesMore}, true, true, false, false, false},
		} {
			n := simulate(t, test.behaviour, provider)
			old := n.given.RefreshToken
			token := n.mustMint(t)
			if (token.RefreshToken != "") != test.given || test.given && (token.RefreshToken != old) != test.another {
				t.Errorf("%s: got %s", name, reveal(token))
			}
			for _, taken := range []bool{test.oldNow, test.oldLater} {
				want := oauth.KindInvalidGrant
				if taken {
					want = ok
				}
				_, err := n.endpoint.Refresh(t.Context(), n.client, old, nil)
				wantKind(t, name, err, want)
				n.clock.now = n.clock.now.Add(time.Minute)
			}
			if n.TakesRefreshToken(n.given.RefreshToken) != test.newLast {
				t.Errorf("%s: the new one is not as it should be", name)
			}
		}
	}
}

func TestContractOfRefreshTokensThatEnd(t *testing.T) {
	n := simulate(t, oauthtest.Behaviour{RefreshLife: time.Hour}, oauthtest.SecuredSigning)
	n.clock.now = n.clock.now.Add(time.Hour)
	_, err := n.mint(t)
	wantKind(t, "expired", err, oauth.KindInvalidGrant)
	n.given.RefreshToken = n.Reseed(n.given.ID)
	n.mustMint(t)
	n.RevokeRefreshTokens(n.given.ID)
	_, err = n.mint(t)
	wantKind(t, "revoked", err, oauth.KindInvalidGrant)
}

func TestContractOfRevocation(t *testing.T) {
	for name, provider := range providers {
		for _, behaviour := range []oauthtest.Behaviour{
			{},
			{Revocation: oauthtest.RevocationOfRefresh},
			{RevokeReply: oauthtest.RevokeReply302},
		} {
			n := simulate(t, behaviour, provider)
			token := n.mustMint(t)
			err := n.endpoint.Revoke(t.Context(), n.client, token.AccessToken)
			if n.RevocationURL(provider) == "" {
				if !errors.Is(err, oauth.ErrNoRevocation) || n.CountCalls("revoke", "") != 0 || n.LiveTokens(n.given.ID) != 1 {
					t.Errorf("%s: got %v", name, err)
				}
				continue
			}
			wantKind(t, name, err, ok)
			state, _ := n.TokenState(token.AccessToken)
			if state.Alive || !state.Revoked || n.isAccepted(t, token.AccessToken) {
				t.Errorf("%s: the token lives on: %+v", name, state)
			}
			if lives := behaviour.Revocation == oauthtest.RevocationOfToken; n.TakesRefreshToken(n.given.RefreshToken) != lives {
				t.Errorf("%s: the refresh token is not as it should be", name)
			}
			wantKind(t, name+", once more", n.endpoint.Revoke(t.Context(), n.client, token.AccessToken), ok)
		}
	}
	n := simulate(t, oauthtest.Behaviour{}, oauthtest.Generic)
	token := n.mustMint(t)
	n.client.Secret = oauthtest.CanaryPrefix + "wrong"
	wantKind(t, "by a stranger", n.endpoint.Revoke(t.Context(), n.client, token.AccessToken), oauth.KindInvalidClient)
	if !n.isAccepted(t, token.AccessToken) {
		t.Error("a stranger has revoked the token")
	}
}

func TestContractOfFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault  oauthtest.Fault
		want   oauth.Kind
		effect bool
	}{
		"throttled":            {oauthtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, oauth.KindThrottled, false},
		"throttled until":      {oauthtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"Fri, 02 Jan 2026 03:04:12 GMT"}}}, oauth.KindThrottled, false},
		"500":                  {oauthtest.Fault{Status: 500}, oauth.KindUnavailable, false},
		"500 after the commit": {oauthtest.Fault{Status: 500, Apply: true}, oauth.KindUnavailable, true},
		"HTML of a gateway":    {oauthtest.Fault{Status: 502, Body: "<html>"}, oauth.KindUnavailable, false},
		"lost before":          {oauthtest.Fault{CutBefore: true}, oauth.KindUnavailable, false},
		"lost after":           {oauthtest.Fault{CutAfter: true}, oauth.KindUnavailable, true},
		"cut":                  {oauthtest.Fault{CutDuring: true}, oauth.KindUnavailable, true},
		"malformed":            {oauthtest.Fault{Malformed: true}, oauth.KindMalformed, true},
		"slow":                 {oauthtest.Fault{Latency: time.Millisecond}, ok, true},
	} {
		for where, provider := range providers {
			n := simulate(t, oauthtest.Behaviour{}, provider)
			seed := n.given.RefreshToken
			test.fault.Times = 1
			n.Inject(test.fault)
			_, err := n.mint(t)
			wantKind(t, name+" at "+where, err, test.want)
			calls := n.Calls()
			if len(calls) != 1 || calls[0].Effect != test.effect || calls[0].ClientID != n.given.ID {
				t.Errorf("%s at %s: logged %+v", name, where, calls)
			}
			if after, asked := oauth.RetryAfter(err); asked != (test.want == oauth.KindThrottled) || asked && after != 7*time.Second {
				t.Errorf("%s at %s: to be asked again after %v", name, where, after)
			}
			// What is lost of a strict rotation is lost, and is known for it.
			want := ok
			if seed != "" && test.effect && test.want != ok {
				want = oauth.KindInvalidGrant
			}
			_, err = n.mint(t)
			wantKind(t, "after "+name+" at "+where, err, want)
		}
	}
}
