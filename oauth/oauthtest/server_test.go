// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauthtest_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
	"github.com/sendforsign/sfs-operator/secret"
)

// clock is a clock that the test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func start(t *testing.T, b oauthtest.Behaviour) (*oauthtest.Server, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	server := oauthtest.New(oauthtest.WithBehaviour(b), oauthtest.WithClock(c))
	t.Cleanup(server.Close)
	return server, c
}

// send sends a request that a client would not send.
func send(t *testing.T, server *oauthtest.Server, method, target, body string, header ...string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(server.CABundle())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	_ = json.Unmarshal(raw, &answer)
	return resp.StatusCode, answer
}

func form(c oauthtest.Client, pairs ...string) string {
	values := url.Values{"client_id": {c.ID}, "client_secret": {c.Secret.Reveal()}}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

func TestRequestsAreValidated(t *testing.T) {
	server, _ := start(t, oauthtest.Behaviour{Errors: oauthtest.ErrorsRFC})
	generic, other := server.AddClient(oauthtest.Generic), server.AddClient(oauthtest.Generic)
	signicat := server.AddClient(oauthtest.SignicatPlatform)
	signing := server.AddClient(oauthtest.SecuredSigning)
	at := server.TokenURL(oauthtest.Generic)
	mint := []string{"grant_type", "client_credentials"}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(generic.ID+":"+generic.Secret.Reveal()))
	for name, test := range map[string]struct {
		method, url, body string
		header            []string
		status            int
		code              any
	}{
		"all is well":           {"POST", at, form(generic, mint...), nil, 200, nil},
		"GET":                   {"GET", at, "", nil, 405, nil},
		"parameters in the URL": {"POST", at + "?" + form(generic, mint...), "", nil, 400, "invalid_request"},
		"JSON":                  {"POST", at, form(generic, mint...), []string{"Content-Type", "application/json"}, 400, "invalid_request"},
		"two secrets":           {"POST", at, form(generic, mint...), []string{"Authorization", basic}, 400, "invalid_request"},
		"a parameter twice":     {"POST", at, form(generic, "grant_type", "client_credentials", "grant_type", "x"), nil, 400, "invalid_request"},
		"no grant":              {"POST", at, form(generic), nil, 400, "unsupported_grant_type"},
		"no secret":             {"POST", at, "grant_type=client_credentials&client_id=" + generic.ID, nil, 401, "invalid_client"},
		"of another provider":   {"POST", at, form(signicat, mint...), nil, 401, "invalid_client"},
		"refresh token of others": {
			"POST", at, form(generic, "grant_type", "refresh_token", "refresh_token", other.RefreshToken.Reveal()), nil, 400, "invalid_grant",
		},
		"refresh at Signicat": {
			"POST", server.TokenURL(signicat.Provider), form(signicat, "grant_type", "refresh_token", "refresh_token", "r"), nil, 400, "unsupported_grant_type",
		},
		"POST to revoke at Secured Signing": {"POST", server.RevocationURL(signing.Provider), form(signing, "token", "t"), nil, 405, nil},
		"GET to revoke":                     {"GET", server.RevocationURL(oauthtest.Generic), "", nil, 405, nil},
		"POST to the account":               {"POST", server.ResourceURL() + "/Account/Info", "a=b", nil, 405, nil},
		"the account without a token":       {"GET", server.ResourceURL() + "/Account/Info", "", nil, 401, nil},
		"the canary without a token":        {"GET", server.CanaryURL(), "", nil, 401, nil},
		"another path":                      {"GET", server.URL() + "/", "", nil, 404, nil},
	} {
		status, answer := send(t, server, test.method, test.url, test.body, test.header...)
		if status != test.status || answer["error"] != test.code {
			t.Errorf("%s: got %d, %v", name, status, answer)
		}
	}
	if n := server.Refusals(); n != 1 {
		t.Errorf("the canary was refused %d times", n)
	}
}

// No client of one provider has a token revoked that is another's, nor the account of another with its own.
func TestTokensAreOfOneClient(t *testing.T) {
	server, _ := start(t, oauthtest.Behaviour{})
	generic, other := server.AddClient(oauthtest.Generic), server.AddClient(oauthtest.Generic)
	_, answer := send(t, server, "POST", server.TokenURL(oauthtest.Generic), form(generic, "grant_type", "client_credentials"))
	token := answer["access_token"].(string)
	bearer := []string{"Authorization", "Bearer " + token}
	if status, _ := send(t, server, "POST", server.RevocationURL(oauthtest.Generic), form(other, "token", token)); status != 200 || server.LiveTokens(generic.ID) != 1 {
		t.Errorf("a stranger: got %d", status)
	}
	if status, _ := send(t, server, "GET", server.RevocationURL(oauthtest.SecuredSigning), "", bearer...); status != 401 || server.LiveTokens(generic.ID) != 1 {
		t.Errorf("another provider: got %d", status)
	}
	if status, _ := send(t, server, "GET", server.ResourceURL()+"/Account/Info", "", bearer...); status != 401 {
		t.Errorf("the account: got %d", status)
	}
	if status, _ := send(t, server, "GET", server.CanaryURL(), "", bearer...); status != 200 {
		t.Errorf("the canary: got %d", status)
	}
	if calls := server.Calls(); calls[len(calls)-1].ClientID != generic.ID {
		t.Errorf("logged %+v", calls)
	}
}

func TestFormsOfADate(t *testing.T) {
	for dates, takesFraction := range map[oauthtest.Dates]bool{oauthtest.DatesAny: true, oauthtest.DatesInteger: false} {
		server, clock := start(t, oauthtest.Behaviour{Dates: dates})
		c := server.AddClient(oauthtest.SecuredSigning)
		_, answer := send(t, server, "POST", server.TokenURL(c.Provider), form(c, "grant_type", "refresh_token", "refresh_token", c.RefreshToken.Reveal()))
		token, _ := answer["access_token"].(string)
		whole := clock.now.Format("20060102") // is no date of theirs, but a number
		for date, want := range map[string]bool{"1767323045": true, "1767323045.123": takesFraction, "NaN": false, "": false, whole: false, "+Inf": false} {
			mac := hmac.New(sha256.New, []byte(c.APISecret.Reveal()))
			mac.Write([]byte(c.APIKey.Reveal() + "\n" + date + "\nn" + date))
			status, _ := send(t, server, "GET", server.ResourceURL()+"/Account/Info", "", "Authorization", "Bearer "+token,
				"X-CUSTOM-API-KEY", c.APIKey.Reveal(), "X-CUSTOM-DATE", date, "X-CUSTOM-NONCE", "n"+date,
				"X-CUSTOM-SIGNATURE", base64.StdEncoding.EncodeToString(mac.Sum(nil)), "Referer", c.CallbackURL)
			if (status == 200) != want {
				t.Errorf("with %d the date %q: got %d", dates, date, status)
			}
		}
	}
}

func TestWhatIsIssuedIsKnown(t *testing.T) {
	server, _ := start(t, oauthtest.Behaviour{})
	c := server.AddClient(oauthtest.SecuredSigning)
	values := []secret.Text{c.Secret, c.RefreshToken, c.APIKey, c.APISecret, server.AddSecret(c.ID), server.Reseed(c.ID)}
	_, answer := send(t, server, "POST", server.TokenURL(c.Provider), form(c, "grant_type", "refresh_token", "refresh_token", c.RefreshToken.Reveal()))
	for _, name := range []string{"access_token", "refresh_token"} {
		value, _ := answer[name].(string)
		values = append(values, secret.Text(value))
	}
	issued := server.Issued()
	for i, value := range values {
		if !strings.HasPrefix(value.Reveal(), oauthtest.CanaryPrefix) || !slices.Contains(issued, value.Reveal()) {
			t.Errorf("value %d is not among those that were issued", i)
		}
	}
	if len(issued) != len(values) || strings.Contains(c.ID, oauthtest.CanaryPrefix) {
		t.Errorf("%d values for %d", len(issued), len(values))
	}
}

func TestFaultsHitTheCallsThatTheyName(t *testing.T) {
	server, _ := start(t, oauthtest.Behaviour{})
	a, b := server.AddClient(oauthtest.SignicatExpress), server.AddClient(oauthtest.SignicatExpress)
	at := server.TokenURL(oauthtest.SignicatExpress)
	mint := func(c oauthtest.Client) int {
		status, _ := send(t, server, "POST", at, form(c, "grant_type", "client_credentials"))
		return status
	}
	var before, after int
	remove := server.Inject(oauthtest.Fault{
		Endpoint: "token", Action: "client_credentials", ClientID: a.ID, Skip: 1, Times: 2, Status: 503, Apply: true,
		Before: func() { before = server.LiveTokens(a.ID) }, After: func() { after = server.LiveTokens(a.ID) },
	})
	var got []int
	for _, c := range []oauthtest.Client{b, a, a, b, a, a} {
		got = append(got, mint(c))
	}
	if !slices.Equal(got, []int{200, 200, 503, 200, 503, 200}) || before != 2 || after != 3 {
		t.Errorf("got %v, %d, %d", got, before, after)
	}
	remove()
	remove = server.Inject(oauthtest.Fault{CutBefore: true})
	if got := mint(a); got != 0 {
		t.Errorf("got %d", got)
	}
	remove()
	if got := mint(a); got != 200 {
		t.Errorf("got %d", got)
	}
	if lost := server.Calls()[6]; !lost.Lost || lost.Status != 0 || lost.Effect {
		t.Errorf("logged %+v", lost)
	}
	server.ResetCalls()
	if server.CountCalls("", "") != 0 {
		t.Error("calls are not forgotten")
	}
}

func TestOptions(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "example.com:0", "127.0.0.1", ""} {
		if _, err := oauthtest.Start(oauthtest.WithAddr(addr)); err == nil {
			t.Errorf("listens on %q", addr)
		}
	}
	if _, err := oauthtest.Start(oauthtest.WithTokenLifetime(time.Millisecond)); err == nil {
		t.Error("took a life of a millisecond")
	}
	server := oauthtest.New(oauthtest.WithTokenLifetime(7 * time.Second))
	defer server.Close()
	c := server.AddClient(oauthtest.SignicatPlatform)
	for _, want := range []float64{7, 600} {
		_, answer := send(t, server, "POST", server.TokenURL(c.Provider), form(c, "grant_type", "client_credentials"))
		if answer["expires_in"] != want {
			t.Errorf("got %v, want %v", answer["expires_in"], want)
		}
		server.SetTokenLifetime(c.ID, 10*time.Minute)
	}
}

func TestCallsHoldNoSecrets(t *testing.T) {
	server, _ := start(t, oauthtest.Behaviour{})
	c := server.AddClient(oauthtest.SecuredSigning)
	send(t, server, "POST", server.TokenURL(c.Provider), form(c, "grant_type", "refresh_token", "refresh_token", c.RefreshToken.Reveal()))
	raw, err := json.Marshal(server.Calls())
	if err != nil || !bytes.Contains(raw, []byte(c.ID)) || bytes.Contains(raw, []byte(oauthtest.CanaryPrefix)) {
		t.Errorf("logged %s, %v", raw, err)
	}
}
