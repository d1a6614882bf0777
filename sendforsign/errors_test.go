package sendforsign_test

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

	"github.com/sendforsign/sfs-operator/sendforsign"
)

// kindOf names the one predicate that is true for err: "" is none.
func kindOf(t *testing.T, err error) string {
	t.Helper()
	kind := ""
	for name, is := range map[string]func(error) bool{
		"not found":    sendforsign.IsNotFound,
		"unauthorized": sendforsign.IsUnauthorized,
		"throttled":    sendforsign.IsThrottled,
		"invalid":      sendforsign.IsInvalid,
		"unknown":      sendforsign.IsUnknownOutcome,
		"not sent":     sendforsign.IsNotSent,
	} {
		if !is(err) {
			continue
		}
		if kind != "" {
			t.Errorf("%v is both %s and %s", err, kind, name)
		}
		if !is(fmt.Errorf("reading client: %w", err)) {
			t.Errorf("%v is not %s any more when wrapped", err, name)
		}
		kind = name
	}
	return kind
}

func TestPredicatesByAnswer(t *testing.T) {
	type outcome = struct{ read, create string }
	same := func(kind string) outcome { return outcome{kind, kind} }
	tests := []struct {
		status int
		body   string
		want   outcome
	}{
		{300, ``, same("")},
		{301, ``, same("")},
		{307, ``, same("")},
		{304, ``, same("")},
		{400, `{"message":"email is invalid","code":400}`, same("invalid")},
		{400, `{"message":"no such client","code":"404"}`, same("not found")},
		{400, `{"message":"expired","code":401}`, same("unauthorized")},
		{400, `{"message":"application code","code":1001}`, same("invalid")},
		{400, `{"error":{"message":"The token has been expired."}}`, same("unauthorized")},
		{400, `{"message":"The token has been expired."}`, same("invalid")}, // not that form
		{400, `{"error":{"message":"email is invalid"}}`, same("invalid")},
		{401, `{"message":"Token expired","code":401}`, same("unauthorized")},
		{401, `<html>`, same("unauthorized")},
		{403, ``, same("unauthorized")},
		{404, `{}`, same("not found")},
		{404, ``, same("")}, // of a gateway, as likely as of the API
		{404, `<html>`, same("")},
		{404, `{"code":401}`, same("unauthorized")},
		{405, ``, same("invalid")},
		{408, ``, same("unknown")},
		{409, `{"message":"customKey exists"}`, same("invalid")},
		{413, ``, same("invalid")},
		{415, ``, same("invalid")},
		{418, ``, same("invalid")},
		{422, ``, same("invalid")},
		{425, ``, same("")},
		{429, `{"message":"slow down","code":429}`, same("throttled")},
		{400, `{"code":429}`, same("throttled")},
		{500, `{"message":"oops","code":404}`, same("unknown")},
		{502, `<html>`, same("unknown")},
		{503, ``, same("unknown")},
		{504, ``, same("unknown")},
		{599, ``, same("unknown")},

		{200, `{"code":400}`, same("invalid")},
		{200, `{"code":"403"}`, same("unauthorized")},
		{200, `{"code":401}`, same("unauthorized")},
		{200, `{"code":404}`, same("not found")},
		{200, `{"code":408}`, same("unknown")},
		{200, `{"code":425}`, same("")},
		{200, `{"code":429}`, same("throttled")},
		{201, `{"code":500}`, same("unknown")},
		{201, `{"code":1001}`, same("unknown")},
		{200, `{"code":404,"client":{"clientKey":"k"}}`, same("not found")},
		{200, `{"code":404,"client":[]}`, same("not found")},
		{200, `{"code":200}`, outcome{read: "not found", create: "unknown"}},
		{200, `{"client":{}}`, outcome{read: "not found", create: "unknown"}},
		{200, `{"client":null}`, outcome{read: "not found", create: "unknown"}},
		{200, `{"client":[]}`, same("unknown")},
		{200, ``, same("unknown")},
		{204, ``, same("unknown")},
		{201, `{"client":{"clientKey":"k"}`, same("unknown")},
		{200, `<html>`, same("unknown")},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d %s", test.status, test.body), func(t *testing.T) {
			api := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "https://example.com/")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			auth := sendforsign.PlatformToken("t")
			_, err := api.ReadClient(t.Context(), auth, sendforsign.ClientQuery{CustomKey: "c"})
			if got := kindOf(t, err); got != test.want.read || err == nil {
				t.Errorf("read: %v is %q, want %q", err, got, test.want.read)
			}
			_, err = api.CreateClient(t.Context(), auth, sendforsign.ClientFields{CustomKey: "c"})
			if got := kindOf(t, err); got != test.want.create || err == nil {
				t.Errorf("create: %v is %q, want %q", err, got, test.want.create)
			}
		})
	}
}

func TestAnswersWithoutWhatTheyAreFor(t *testing.T) {
	auth := sendforsign.APIKey("k")
	tests := map[string]struct {
		body string
		call func(context.Context, *sendforsign.API) error
		want string
	}{
		"list without clients": {`{"code":200}`, func(c context.Context, a *sendforsign.API) error {
			_, err := a.ListClients(c, auth)
			return err
		}, "unknown"},
		"list of a client without key": {`{"clients":[{"fullname":"a"}]}`, func(c context.Context, a *sendforsign.API) error {
			_, err := a.ListClients(c, auth)
			return err
		}, "unknown"},
		"list of users without users": {`{"clients":[]}`, func(c context.Context, a *sendforsign.API) error {
			_, err := a.ListUsers(c, auth, "k")
			return err
		}, "unknown"},
		"list of a user without key": {`{"users":[null]}`, func(c context.Context, a *sendforsign.API) error {
			_, err := a.ListUsers(c, auth, "k")
			return err
		}, "unknown"},
		"user created without key": {`{"user":{}}`, func(c context.Context, a *sendforsign.API) error {
			_, err := a.CreateUser(c, auth, "k", sendforsign.UserFields{Email: "e"})
			return err
		}, "unknown"},
		"user read without key": {`{"code":"200"}`, func(c context.Context, a *sendforsign.API) error {
			_, err := a.ReadUser(c, auth, "k", sendforsign.UserQuery{Email: "e"})
			return err
		}, "not found"},
		"token without life": {`{"access_token":"t"}`, func(c context.Context, a *sendforsign.API) error {
			_, err := a.CreateClientToken(c, "p", "k")
			return err
		}, "unknown"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			api := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, test.body) })
			if err := test.call(t.Context(), api); kindOf(t, err) != test.want {
				t.Errorf("%v is %q, want %q", err, kindOf(t, err), test.want)
			}
		})
	}
	for _, body := range []string{`{"clients":[]}`, `{"clients":null,"code":200}`} {
		api := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		if clients, err := api.ListClients(t.Context(), auth); err != nil || clients == nil || len(clients) != 0 {
			t.Errorf("%s: got %v, %v, want an empty list", body, clients, err)
		}
	}
}

func TestErrorsThatNoServerMade(t *testing.T) {
	for want, err := range map[string]error{
		"":             errors.New("another error"),
		"unknown":      &sendforsign.Error{Endpoint: "client", Action: "create"},
		"not found":    &sendforsign.Error{Status: 404},
		"unauthorized": &sendforsign.Error{Code: 403},
	} {
		if got := kindOf(t, err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
	if kindOf(t, nil) != "" {
		t.Error("nil is an error")
	}
}

func TestErrorText(t *testing.T) {
	for want, err := range map[string]error{
		"client create: 400: email is invalid": &sendforsign.Error{
			Endpoint: "client", Action: "create", Status: 400, Code: 400, Message: "email is invalid",
		},
		"client read: 200 with code 404: Not Found": &sendforsign.Error{
			Endpoint: "client", Action: "read", Status: 200, Code: 404, Message: "Not Found",
		},
		"user list: 200: cut":           &sendforsign.Error{Endpoint: "user", Action: "list", Status: 200, Err: errors.New("cut")},
		"token revoke: connection lost": &sendforsign.Error{Endpoint: "token", Action: "revoke", Err: errors.New("connection lost")},
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestRetryAfterOfErrors(t *testing.T) {
	for value, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "0": 0, "-1": 0, "999999": time.Hour} {
		for _, status := range []int{429, 503, 200} {
			api := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", value)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"code":429}`)
			})
			err := api.RevokePlatformToken(t.Context(), "t")
			if got, ok := sendforsign.RetryAfter(err); got != want || ok != (want > 0) {
				t.Errorf("%d with Retry-After %q: got %v, %v", status, value, got, ok)
			}
		}
	}
	if _, ok := sendforsign.RetryAfter(errors.New("another")); ok {
		t.Error("another error asks to wait")
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var strayed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		api := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/?secret", status)
		})
		err := api.RevokePlatformToken(t.Context(), "t")
		if err == nil || kindOf(t, err) != "" || strings.Contains(err.Error(), other.URL) {
			t.Errorf("%d: got %v", status, err)
		}
	}
	if strayed.Load() > 0 {
		t.Error("followed a redirect")
	}
}

func TestNotSent(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = refused.Close() // nobody listens there any more
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	done, cancel := context.WithCancel(t.Context())
	cancel()

	tests := map[string]struct {
		url   string
		ctx   context.Context
		opts  []sendforsign.Option
		cause func(error) bool
	}{
		"connection refused": {url: "https://" + refused.Addr().String(), ctx: t.Context(), cause: func(err error) bool {
			var op *net.OpError
			return errors.As(err, &op)
		}},
		"unknown authority": {url: server.URL, ctx: t.Context(), cause: func(err error) bool {
			var unknown x509.UnknownAuthorityError
			return errors.As(err, &unknown)
		}},
		"context done": {url: server.URL, ctx: done, cause: func(err error) bool { return errors.Is(err, context.Canceled) }},
		"broken proxy": {
			url: server.URL, ctx: t.Context(),
			opts: []sendforsign.Option{sendforsign.WithProxy(func(*http.Request) (*url.URL, error) {
				return nil, errors.New("no proxy for hunter2")
			})},
			cause: func(err error) bool { return strings.Contains(err.Error(), "no proxy for [redacted]") },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			api, err := sendforsign.New(test.url, test.opts...)
			if err != nil {
				t.Fatal(err)
			}
			defer api.Close()
			_, err = api.CreateClientToken(test.ctx, "hunter2", "k")
			if kindOf(t, err) != "not sent" || !test.cause(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// roundTripper makes a RoundTripper of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestLostAnswersAreUnknown(t *testing.T) {
	lost := errors.New("reset by hunter2")
	api := newAPI(t,
		func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"code":201}`) },
		sendforsign.WithTransport(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				if err != nil {
					return nil, err
				}
				_ = resp.Body.Close()
				return nil, lost
			})
		}),
	)
	err := api.RevokeClientToken(t.Context(), "platform", "hunter2")
	if kindOf(t, err) != "unknown" || !errors.Is(err, lost) || err.Error() != "token revoke: reset by [redacted]" {
		t.Errorf("got %v", err)
	}
}

func TestServersThatEchoSecrets(t *testing.T) {
	api := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"message":%q}`, r.Header.Get("Authorization")+r.Header.Get("X-Sendforsign-Key")+string(body))
	})
	_, err1 := api.CreatePlatformToken(t.Context(), sendforsign.Credentials{APIKey: "hunter2-a", Secret: "hunter2-b"})
	_, err2 := api.CreateClientToken(t.Context(), "hunter2-c", "k")
	err3 := api.RevokeClientToken(t.Context(), "hunter2-d", "hunter2-e")
	_, err4 := api.ListClients(t.Context(), sendforsign.APIKey("hunter2-f"))
	for _, err := range []error{err1, err2, err3, err4} {
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			if out := fmt.Sprintf(verb, err); strings.Contains(out, "hunter2") || !strings.Contains(out, "[redacted]") {
				t.Errorf("got %s", out)
			}
		}
	}
}

func TestArgumentsThatMustNotBeSent(t *testing.T) {
	api := newAPI(t, func(http.ResponseWriter, *http.Request) { t.Error("sent") })
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"no credentials": func() error {
			_, err := api.CreatePlatformToken(ctx, sendforsign.Credentials{APIKey: "k"})
			return err
		},
		// A server might make a token of the whole account.
		"no clientKey": func() error {
			_, err := api.CreateClientToken(ctx, "p", "")
			return err
		},
		// A server would revoke the platform token.
		"no client token":       func() error { return api.RevokeClientToken(ctx, "p", "") },
		"a client token of air": func() error { return api.RevokeClientToken(ctx, "p", " ") },
		"empty token":           func() error { return api.RevokePlatformToken(ctx, "") },
		"no auth": func() error {
			_, err := api.ListClients(ctx, sendforsign.Auth{})
			return err
		},
		"a line break": func() error {
			_, err := api.ListClients(ctx, sendforsign.APIKey("key\n"))
			return err
		},
	} {
		if err := call(); kindOf(t, err) != "invalid" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestBaseURLs(t *testing.T) {
	for _, good := range []string{"https://api.sendforsign.com/api", "https://[::1]:8443", "https://host/a/b"} {
		for _, slash := range []string{"", "/"} {
			api, err := sendforsign.New(good + slash)
			if err != nil || api.BaseURL() != good {
				t.Errorf("%s: got %v, %v", good+slash, api, err)
			}
		}
	}
	for _, bad := range []string{
		"", "api.sendforsign.com", "http://api.sendforsign.com", "HTTP://x", "ftp://x", "https://", "https:///api", "https://:443",
		"https://hunter2@x", "https://u:hunter2@x", "https://u:hunter2@x%zz", "https://x?hunter2", "https://x?",
		"https://x#hunter2", "https://x#",
	} {
		if _, err := sendforsign.New(bad); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	if _, err := sendforsign.New("https://x", sendforsign.WithTimeout(-1)); err == nil {
		t.Error("took a negative timeout")
	}
}
