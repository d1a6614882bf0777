// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/oauth"
	"github.com/sendforsign/sfs-operator/secret"
)

// serve starts a TLS server.
func serve(t *testing.T, handler http.HandlerFunc) (string, oauth.Option) {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return server.URL, oauth.WithRootCAs(pool)
}

func connect(t *testing.T, tokenURL string, opts ...oauth.Option) *oauth.Endpoint {
	t.Helper()
	endpoint, err := oauth.New(tokenURL, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(endpoint.Close)
	return endpoint
}

// newEndpoint starts a TLS server and makes a client of it. Its revocation is the one of RFC 7009.
func newEndpoint(t *testing.T, handler http.HandlerFunc, opts ...oauth.Option) *oauth.Endpoint {
	t.Helper()
	url, authorities := serve(t, handler)
	return connect(t, url+"/token", append(opts, authorities, oauth.WithRevocation(url+"/revoke"))...)
}

var client = oauth.Client{ID: "sandbox-round-apple-123", Secret: "hunter2 +/=&%"}

func TestRequests(t *testing.T) {
	form := oauth.Client{ID: client.ID, Secret: client.Secret, Authentication: oauth.Form}
	const basic = "Basic c2FuZGJveC1yb3VuZC1hcHBsZS0xMjM6aHVudGVyMislMkIlMkYlM0QlMjYlMjU="
	const asForm = "client_id=sandbox-round-apple-123&client_secret=hunter2+%2B%2F%3D%26%25&"
	mint := func(c oauth.Client, scopes ...string) func(context.Context, *oauth.Endpoint) error {
		return func(ctx context.Context, e *oauth.Endpoint) error {
			_, err := e.ClientCredentials(ctx, c, scopes)
			return err
		}
	}
	refresh := func(c oauth.Client, scopes ...string) func(context.Context, *oauth.Endpoint) error {
		return func(ctx context.Context, e *oauth.Endpoint) error {
			_, err := e.Refresh(ctx, c, "r/1", scopes)
			return err
		}
	}
	revoke := func(c oauth.Client) func(context.Context, *oauth.Endpoint) error {
		return func(ctx context.Context, e *oauth.Endpoint) error { return e.Revoke(ctx, c, "t/1") }
	}
	for name, test := range map[string]struct {
		call                func(context.Context, *oauth.Endpoint) error
		path, authorization string
		body                string
	}{
		"client credentials":         {mint(client), "/token", basic, "grant_type=client_credentials"},
		"client credentials, form":   {mint(form), "/token", "", asForm + "grant_type=client_credentials"},
		"scopes keep order and case": {mint(client, "z_Write", "a_read"), "/token", basic, "grant_type=client_credentials&scope=z_Write+a_read"},
		"refresh":                    {refresh(client), "/token", basic, "grant_type=refresh_token&refresh_token=r%2F1"},
		"refresh, form":              {refresh(form), "/token", "", asForm + "grant_type=refresh_token&refresh_token=r%2F1"},
		"refresh with scopes":        {refresh(client, "Basic"), "/token", basic, "grant_type=refresh_token&refresh_token=r%2F1&scope=Basic"},
		"revoke":                     {revoke(client), "/revoke", basic, "token=t%2F1&token_type_hint=access_token"},
		"revoke, form":               {revoke(form), "/revoke", "", asForm + "token=t%2F1&token_type_hint=access_token"},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			endpoint := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
				calls++
				body, _ := io.ReadAll(r.Body)
				if r.Method != http.MethodPost || r.URL.Path != test.path || string(body) != test.body ||
					r.Header.Get("Authorization") != test.authorization || r.Header.Get("Accept") != "application/json" ||
					r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.UserAgent() != "me" {
					t.Errorf("got %s %s %v %s", r.Method, r.URL, r.Header, body)
				}
				_, _ = io.WriteString(w, `{"access_token":"t","expires_in":600}`)
			}, oauth.WithUserAgent("me"))
			if err := test.call(t.Context(), endpoint); err != nil || calls != 1 {
				t.Errorf("got %v after %d calls", err, calls)
			}
		})
	}
}

func TestBearerRevocation(t *testing.T) {
	for status, want := range map[int]oauth.Kind{200: ok, 302: ok, 401: ok, 403: oauth.KindRefused, 429: oauth.KindThrottled, 503: oauth.KindUnavailable} {
		url, authorities := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/api/oauth2/revoke" || r.Header.Get("Authorization") != "Bearer t" || r.ContentLength != 0 {
				t.Errorf("got %s %s %v", r.Method, r.URL, r.Header)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{}`)
		})
		endpoint := connect(t, url, authorities, oauth.WithBearerRevocation(url+"/api/oauth2/revoke"))
		if got := kindOf(endpoint.Revoke(t.Context(), oauth.Client{}, "t")); got != want {
			t.Errorf("%d: got %v, want %v", status, got, want)
		}
	}
}

// ok is the kind of no error.
const ok = oauth.Kind(255)

func kindOf(err error) oauth.Kind {
	if err == nil {
		return ok
	}
	return oauth.KindOf(fmt.Errorf("minting: %w", err))
}

func TestWhatAnswersAskFor(t *testing.T) {
	const good = `{"access_token":"t","expires_in":600}`
	for name, test := range map[string]struct {
		status int
		body   string
		want   oauth.Kind
	}{
		"a token":                          {200, good, ok},
		"a token, 201":                     {201, good, ok},
		"invalid_client, 400":              {400, `{"error":"invalid_client"}`, oauth.KindInvalidClient},
		"invalid_client, 401":              {401, `{"error":"invalid_client"}`, oauth.KindInvalidClient},
		"invalid_client, 403":              {403, `{"error":"invalid_client"}`, oauth.KindInvalidClient},
		"invalid_client, 200":              {200, `{"error":"invalid_client"}`, oauth.KindInvalidClient},
		"an error beside a token":          {200, `{"error":"invalid_client","access_token":"t","expires_in":600}`, oauth.KindInvalidClient},
		"401 without a code":               {401, `{"ResponseStatus":{"Message":"no"}}`, oauth.KindInvalidClient},
		"401 of a gateway":                 {401, `<html>`, oauth.KindUnavailable},
		"unauthorized_client":              {400, `{"error":"unauthorized_client"}`, oauth.KindUnauthorizedClient},
		"invalid_scope, 400":               {400, `{"error":"invalid_scope"}`, oauth.KindInvalidScope},
		"invalid_scope, 401":               {401, `{"error":"invalid_scope"}`, oauth.KindInvalidScope},
		"an invalid scope in other words":  {400, `{"error":"Invalid scope"}`, oauth.KindInvalidScope},
		"INVALID_GRANT":                    {400, `{"error":"INVALID_GRANT"}`, oauth.KindInvalidGrant},
		"invalid_grant, 401":               {401, `{"error":"invalid_grant"}`, oauth.KindInvalidGrant},
		"unsupported_grant_type":           {400, `{"error":"unsupported_grant_type"}`, oauth.KindRefused},
		"400 without a code":               {400, `{}`, oauth.KindRefused},
		"an object for a code":             {400, `{"error":{"code":7}}`, oauth.KindRefused},
		"400 of a gateway":                 {400, `bad`, oauth.KindUnavailable},
		"404":                              {404, `<html>`, oauth.KindUnavailable},
		"400 longer than the bound":        {400, `{"error":"invalid_client"}` + strings.Repeat(" ", 1<<20), oauth.KindUnavailable},
		"temporarily_unavailable":          {400, `{"error":"temporarily_unavailable"}`, oauth.KindUnavailable},
		"429":                              {429, `{"error":"invalid_client"}`, oauth.KindThrottled},
		"429 of a gateway":                 {429, `<html>`, oauth.KindThrottled},
		"500":                              {500, `{"error":"invalid_client"}`, oauth.KindUnavailable},
		"408":                              {408, `{"error":"invalid_client"}`, oauth.KindUnavailable},
		"redirect":                         {302, `{"error":"invalid_client"}`, oauth.KindUnavailable},
		"redirect that keeps the body":     {307, ``, oauth.KindUnavailable},
		"HTML":                             {200, `<html>`, oauth.KindMalformed},
		"nothing":                          {200, ``, oauth.KindMalformed},
		"half an answer":                   {200, good[:20], oauth.KindMalformed},
		"an array":                         {200, `[` + good + `]`, oauth.KindMalformed},
		"a form":                           {200, `access_token=t&expires_in=600`, oauth.KindMalformed},
		"no token":                         {200, `{"expires_in":600}`, oauth.KindMalformed},
		"a number for a token":             {200, `{"access_token":7,"expires_in":600}`, oauth.KindMalformed},
		"a token with a line break":        {200, `{"access_token":"t\n","expires_in":600}`, oauth.KindMalformed},
		"a token longer than headers":      {200, `{"access_token":"` + strings.Repeat("t", 16<<10+1) + `","expires_in":600}`, oauth.KindMalformed},
		"a type with a line break":         {200, `{"access_token":"t","token_type":"B\n","expires_in":600}`, oauth.KindMalformed},
		"a refresh token with a line feed": {200, `{"access_token":"t","refresh_token":"r\n","expires_in":600}`, oauth.KindMalformed},
		"no life":                          {200, `{"access_token":"t"}`, oauth.KindMalformed},
		"a life of null":                   {200, `{"access_token":"t","expires_in":null}`, oauth.KindMalformed},
		"a life of zero":                   {200, `{"access_token":"t","expires_in":0}`, oauth.KindMalformed},
		"a life in words":                  {200, `{"access_token":"t","expires_in":"soon"}`, oauth.KindMalformed},
		"an answer without an end":         {200, good + strings.Repeat(" ", 1<<20), oauth.KindUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			endpoint := newEndpoint(t, func(w http.ResponseWriter, _ *http.Request) {
				calls++
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			for what, call := range map[string]func() (oauth.Token, error){
				"client credentials": func() (oauth.Token, error) { return endpoint.ClientCredentials(t.Context(), client, nil) },
				"refresh":            func() (oauth.Token, error) { return endpoint.Refresh(t.Context(), client, "r", nil) },
			} {
				calls = 0
				token, err := call()
				if got := kindOf(err); got != test.want || calls != 1 {
					t.Errorf("%s: got %v of kind %d, want %d, after %d calls", what, err, got, test.want, calls)
				}
				if err != nil && (token != oauth.Token{}) {
					t.Errorf("%s: a token beside %v", what, err)
				}
			}
		})
	}
}

func TestTokens(t *testing.T) {
	for body, want := range map[string]oauth.Token{
		`{"access_token":"t","expires_in":600}`:                                              {AccessToken: "t", TokenType: "Bearer", ExpiresIn: 10 * time.Minute},
		`{"access_token":"t","expires_in":"3600","token_type":"bearer"}`:                     {AccessToken: "t", TokenType: "bearer", ExpiresIn: time.Hour},
		`{"access_token":"t","expires_in":86400.0,"refresh_token":"r"}`:                      {AccessToken: "t", TokenType: "Bearer", ExpiresIn: 24 * time.Hour, RefreshToken: "r"},
		`{"access_token":"t","expires_in":1e300,"refresh_token":null}`:                       {AccessToken: "t", TokenType: "Bearer", ExpiresIn: 24 * time.Hour},
		`{"access_token":"t","expires_in":1,"scope":"a  b","error":""}`:                      {AccessToken: "t", TokenType: "Bearer", ExpiresIn: time.Second, Scope: "a b"},
		`{"access_token":"t","expires_in":1,"scope":["a"],"error":null}`:                     {AccessToken: "t", TokenType: "Bearer", ExpiresIn: time.Second},
		`{"access_token":"t","expires_in":1,"scope":"a\"b"}`:                                 {AccessToken: "t", TokenType: "Bearer", ExpiresIn: time.Second},
		"\n" + `{"access_token":"t","expires_in":1,"extra":{"expires_in":"x"},"id_token":7}`: {AccessToken: "t", TokenType: "Bearer", ExpiresIn: time.Second},
	} {
		// Whatever an answer is called, it is JSON.
		for _, contentType := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded", ""} {
			endpoint := newEndpoint(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{contentType}
				_, _ = io.WriteString(w, body)
			})
			got, err := endpoint.Refresh(t.Context(), client, "old", nil)
			if err != nil || got != want {
				t.Errorf("%s as %q: got %+v, %v", body, contentType, reveal(got), err)
			}
		}
	}
}

// reveal is what a failing test prints.
func reveal(t oauth.Token) string {
	return fmt.Sprintf("%q %q %v %q %q", t.AccessToken.Reveal(), t.TokenType, t.ExpiresIn, t.RefreshToken.Reveal(), t.Scope)
}

// A server that rotates has forgotten the old one, whatever else is wrong with its answer.
func TestARefreshTokenIsNotLostWithTheRestOfTheAnswer(t *testing.T) {
	for name, body := range map[string]string{
		"no life":            `{"access_token":"t","refresh_token":"new"}`,
		"a life in words":    `{"access_token":"t","refresh_token":"new","expires_in":"1 hour"}`,
		"an object for one":  `{"access_token":"t","refresh_token":"new","expires_in":{}}`,
		"no token":           `{"refresh_token":"new","expires_in":600}`,
		"a token that is 7":  `{"access_token":7,"refresh_token":"new","expires_in":600}`,
		"a token of no use":  `{"access_token":"a b","refresh_token":"new","expires_in":600}`,
		"a type of no use":   `{"access_token":"t","token_type":"a b","refresh_token":"new","expires_in":600}`,
		"a number for scope": `{"scope":{},"refresh_token":"new"}`,
	} {
		endpoint := newEndpoint(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		token, err := endpoint.Refresh(t.Context(), client, "old", nil)
		if kindOf(err) != oauth.KindMalformed || token != (oauth.Token{RefreshToken: "new"}) {
			t.Errorf("%s: got %s, %v", name, reveal(token), err)
		}
		if missing := errors.Is(err, oauth.ErrNoLifetime); missing != strings.Contains(name, "life") && name != "an object for one" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorsHoldNoSecrets(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		all := strings.Join([]string{
			strings.TrimPrefix(r.Header.Get("Authorization"), "Basic "), string(body), form.Get("client_secret"),
			form.Get("refresh_token"), "the new hunter2-token\x00\u202e", form.Get("token"),
		}, " ")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":%q,"error_description":%q,"error_uri":"hunter2","access_token":"hunter2-token","x":"hunter2"}`,
			form.Get("client_secret"), strings.ReplaceAll(all, "\x00", " "))
	}
	html := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.Copy(w, r.Body)
		_ = r.Header.Write(w)
	}
	broken := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"hunter2\n","refresh_token":7,"expires_in":"hunter2"}`)
	}
	for name, handler := range map[string]http.HandlerFunc{"echo": echo, "HTML": html, "broken": broken} {
		for _, style := range []oauth.Authentication{oauth.Basic, oauth.Form} {
			endpoint := newEndpoint(t, handler)
			c := oauth.Client{ID: "me", Secret: "hunter2 +/=&%", Authentication: style}
			_, err1 := endpoint.ClientCredentials(t.Context(), c, nil)
			_, err2 := endpoint.Refresh(t.Context(), c, "hunter2/refresh", nil)
			errs := []error{err1, err2}
			if name != "broken" {
				errs = append(errs, endpoint.Revoke(t.Context(), c, "hunter2/token"))
			}
			for _, err := range errs {
				var e *oauth.Error
				if !errors.As(err, &e) {
					t.Fatalf("%s: got %v", name, err)
				}
				for _, verb := range []string{"%v", "%+v", "%#v"} {
					for _, leak := range []string{"hunter2", "bWU6aHVudGVyM", "\u202e"} { // the second is "me:hunter" in Base64
						if out := fmt.Sprintf(verb, err) + fmt.Sprintf(verb, *e); strings.Contains(out, leak) {
							t.Errorf("%s: got %s", name, out)
						}
					}
				}
				if len([]rune(e.Description)) > 200 || name == "echo" && !strings.Contains(e.Description, secret.Redacted) {
					t.Errorf("the description is %q", e.Description)
				}
			}
			if out := fmt.Sprintf("%v %+v %#v", endpoint, c, endpoint); strings.Contains(out, "hunter2") {
				t.Errorf("printed %s", out)
			}
		}
	}
}

// roundTripper makes a RoundTripper of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestLostAnswers(t *testing.T) {
	lost := errors.New("reset by hunter2")
	endpoint := newEndpoint(t, func(http.ResponseWriter, *http.Request) {},
		oauth.WithTransport(func(http.RoundTripper) http.RoundTripper {
			return roundTripper(func(*http.Request) (*http.Response, error) { return nil, lost })
		}))
	_, err := endpoint.Refresh(t.Context(), oauth.Client{ID: "me", Secret: "hunter2"}, "hunter3", nil)
	if kindOf(err) != oauth.KindUnavailable || !errors.Is(err, lost) || err.Error() != "refresh_token: reset by [redacted]" {
		t.Errorf("got %v", err)
	}

	waiting := newEndpoint(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client has gone
		<-r.Context().Done()
	}, oauth.WithTimeout(100*time.Millisecond))
	if _, err := waiting.ClientCredentials(t.Context(), client, nil); kindOf(err) != oauth.KindUnavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	half := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, oauth.WithTimeout(100*time.Millisecond))
	if _, err := half.ClientCredentials(t.Context(), client, nil); kindOf(err) != oauth.KindUnavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := endpoint.Revoke(done, client, "t"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest) // an error must not cost a connection
		_, _ = io.WriteString(w, strings.Repeat("<p>", 10_000))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	endpoint := connect(t, server.URL, oauth.WithRootCAs(pool), oauth.WithRevocation(server.URL))
	for range 5 {
		_, err := endpoint.ClientCredentials(t.Context(), client, nil)
		if kindOf(err) != oauth.KindUnavailable || kindOf(endpoint.Revoke(t.Context(), client, "t")) != oauth.KindUnavailable {
			t.Fatal(err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for 10 calls", n)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Now()
	for value, want := range map[string]time.Duration{
		"":     0,
		"7":    7 * time.Second,
		"9999": time.Hour,
		now.Add(time.Minute).UTC().Format(http.TimeFormat): time.Minute,
	} {
		for _, status := range []int{429, 503} {
			endpoint := newEndpoint(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", value)
				w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
				w.WriteHeader(status)
			})
			_, err := endpoint.ClientCredentials(t.Context(), client, nil)
			if got, asked := oauth.RetryAfter(err); got != want || asked != (want > 0) {
				t.Errorf("%d, %q: got %v", status, value, got)
			}
		}
	}
	if _, asked := oauth.RetryAfter(errors.New("7")); asked {
		t.Error("an error of others asks for patience")
	}
}

func TestWhatIsNotSent(t *testing.T) {
	endpoint := newEndpoint(t, func(http.ResponseWriter, *http.Request) { t.Error("sent") })
	none, err := oauth.New("https://localhost")
	if err != nil || none.CanRevoke() {
		t.Fatal(err)
	}
	mint := func(c oauth.Client, scopes ...string) error {
		_, err := endpoint.ClientCredentials(t.Context(), c, scopes)
		return err
	}
	refresh := func(token secret.Text) error {
		_, err := endpoint.Refresh(t.Context(), client, token, nil)
		return err
	}
	for name, test := range map[string]struct {
		err  error
		want oauth.Kind
	}{
		"no ID":                       {mint(oauth.Client{Secret: "s"}), oauth.KindInvalidClient},
		"no secret":                   {mint(oauth.Client{ID: "i"}), oauth.KindInvalidClient},
		"an ID with a line break":     {mint(oauth.Client{ID: "i\n", Secret: "s"}), oauth.KindInvalidClient},
		"a secret with a line break":  {mint(oauth.Client{ID: "i", Secret: "hunter2\n"}), oauth.KindInvalidClient},
		"an empty scope":              {mint(client, ""), oauth.KindInvalidScope},
		"two scopes in one":           {mint(client, "a b"), oauth.KindInvalidScope},
		"no refresh token":            {refresh(""), oauth.KindInvalidGrant},
		"a refresh token with a feed": {refresh("hunter2\n"), oauth.KindInvalidGrant},
		"no token":                    {endpoint.Revoke(t.Context(), client, ""), oauth.KindRefused},
		"a token with a line break":   {endpoint.Revoke(t.Context(), client, "hunter2\n"), oauth.KindRefused},
		"revoked without a client":    {endpoint.Revoke(t.Context(), oauth.Client{}, "t"), oauth.KindInvalidClient},
		"revoked nowhere":             {none.Revoke(t.Context(), client, "t"), oauth.KindRefused},
	} {
		if kindOf(test.err) != test.want || strings.Contains(fmt.Sprint(test.err), "hunter2") {
			t.Errorf("%s: got %v", name, test.err)
		}
	}
	if err := none.Revoke(t.Context(), client, "t"); !errors.Is(err, oauth.ErrNoRevocation) {
		t.Errorf("got %v", err)
	}
}

func TestEachCallIsObserved(t *testing.T) {
	status := 200
	var seen []oauth.Exchange
	endpoint := newEndpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"access_token":"t","expires_in":600}`)
	}, oauth.WithObserver(func(_ context.Context, e oauth.Exchange) { seen = append(seen, e) }))
	_, err1 := endpoint.ClientCredentials(t.Context(), client, nil)
	status = 400
	_, err2 := endpoint.Refresh(t.Context(), client, "r", nil)
	err3 := endpoint.Revoke(t.Context(), client, "t")
	for i, want := range []oauth.Exchange{
		{Action: "client_credentials", Status: 200, Err: err1},
		{Action: "refresh_token", Status: 400, Err: err2},
		{Action: "revoke", Status: 400, Err: err3},
	} {
		got := seen[i]
		if got.Duration < 0 || got.Action != want.Action || got.Status != want.Status || !errors.Is(got.Err, want.Err) {
			t.Errorf("observed %+v, want %+v", got, want)
		}
	}
	if err1 != nil || err2 == nil || err3 == nil || len(seen) != 3 {
		t.Errorf("got %v, %v, %v", err1, err2, err3)
	}
}

func TestURLs(t *testing.T) {
	for _, bad := range []string{"http://x", "https://u:hunter2@x", "https://x?hunter2", "https://x#hunter2", "x"} {
		_, err1 := oauth.New(bad)
		_, err2 := oauth.New("https://x", oauth.WithRevocation(bad))
		_, err3 := oauth.New("https://x", oauth.WithBearerRevocation(bad))
		for _, err := range []error{err1, err2, err3} {
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: got %v", bad, err)
			}
		}
	}
	if _, err := oauth.New(""); err == nil {
		t.Error("took no URL")
	}
	if _, err := oauth.New("https://x", oauth.WithTimeout(0)); err == nil {
		t.Error("took a timeout of nothing")
	}
}
