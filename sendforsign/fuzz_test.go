// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sendforsign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/sendforsign/sfs-operator/internal/wire"
)

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"t","token_type":"Bearer","expires_in":1800}`,
		`{"access_token":"t","expires_in":"1e3"}`,
		`{"client":{"createTime":"2023-12-01 12:18:55","clientKey":"k","users":[{"default":true,"userKey":"u"}]},"code":"201"}`,
		`{"clients":[{"clientKey":"k","multiple":true}],"users":null}`,
		`{"client":{"clientKey":"a/b"},"user":{"userKey":{}}}`,
		`{"client":{"clientKey":"a"},"client":{"clientKey":"b"}}`,
		`{"message":"Token expired","code":401}`,
		`{"error":{"message":"The token has been expired."}}`,
		strings.Repeat(`{"client":`, 64), `<html>`, `{"code":{}}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		said := decodeRefusal(body)
		checkText(t, wire.Clean(said.message(), []Secret{"t"}))
		if said.isExpired2024() && said.Code != 0 {
			t.Error("an answer with a code is taken for one without")
		}
		ans, err := decodeAnswer(body)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Error("what is no JSON was taken for an answer")
		}
		client := ans.Client.client()
		keys := []string{client.ClientKey, ans.User.user().UserKey}
		for _, u := range client.Users {
			keys = append(keys, u.UserKey)
		}
		for _, key := range keys {
			if !isKey(key) || strings.ContainsFunc(key, unicode.IsControl) {
				t.Errorf("the key %q is taken", key)
			}
		}
		token, ok := ans.token()
		if !ok {
			return
		}
		checkToken(t, token)
	})
}

// FuzzList wants a list that is decoded item by item to be what it is when decoded as a whole.
func FuzzList(f *testing.F) {
	for _, seed := range []string{
		`{"clients":[{"clientKey":"a","fullname":"x  y","users":[{"userKey":"u"}]}, {"clientKey":"b"}],"code":"200"}`,
		`{"users":[{"userKey":"u","default":1}],"clients":null}`, `{"clients":["a",1]}`, `{"clients":[{}]}`,
		`{"code":404,"clients":{}}`, "{\"clients\":[\t\n{\"clientKey\":\"a\\\"\"}]} ", `{"x":{"clients":[]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, rest, err := decodeList(bytes.NewReader(body))
		if !json.Valid(rest) || len(rest) > 2*wire.MaxAnswer {
			t.Errorf("the rest of %d bytes is %.100q", len(rest), rest)
		}
		if err != nil {
			return
		}
		whole, problem := decodeAnswer(body)
		if problem != nil {
			t.Fatalf("it is taken for a list, and whole: %v", problem)
		}
		text := strings.ToLower(string(body))
		if strings.Contains(text, `\`) || strings.Count(text, `"clients"`) > 1 || strings.Count(text, `"users"`) > 1 || strings.Count(text, `"code"`) > 1 {
			return // of two of the same name the last one counts, also where encoding/json mixes both
		}
		if len(a.Clients.items) != len(whole.Clients.items) || len(a.Users.items) != len(whole.Users.items) ||
			a.Clients.present != whole.Clients.present || a.Users.present != whole.Users.present || a.Code != whole.Code {
			t.Errorf("in parts %+v, as a whole %+v", a, whole)
		}
		for i, c := range a.Clients.items {
			if !reflect.DeepEqual(c.client(), whole.Clients.items[i].client()) || c.ClientKey.value == "" {
				t.Errorf("in parts %+v, as a whole %+v", c, whole.Clients.items[i])
			}
		}
	})
}

func checkToken(t *testing.T, token Token) {
	t.Helper()
	for _, s := range []string{token.AccessToken.Reveal(), token.TokenType} {
		if s == "" || len(s) > maxToken || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("a token or type of %d bytes that no header can carry is taken", len(s))
		}
	}
	if token.ExpiresIn < wire.MinTokenLife || token.ExpiresIn > wire.MaxTokenLife {
		t.Errorf("a token is taken that lives %v", token.ExpiresIn)
	}
}

// checkText wants a text from outside to be fit for a log and a condition.
func checkText(t *testing.T, text string) {
	t.Helper()
	if n := utf8.RuneCountInString(text); n > wire.MaxMessage {
		t.Errorf("a message of %d characters", n)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("the message %q is not printable", text)
	}
}

// canned answers each request with what it holds.
type canned struct {
	status int
	header http.Header
	body   string
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: c.status, Header: c.header, Body: io.NopCloser(strings.NewReader(c.body)), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
	}, nil
}

// FuzzAnswer tries what each call makes of an answer: a server must not be able to have an object created twice, to put
// a secret into an error, or to silence the client.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []struct {
		status            int
		body, wait, token string
	}{
		{201, `{"access_token":"t","token_type":"Bearer","expires_in":1800}`, "", "long"},
		{201, `{"client":{"clientKey":"k"},"user":{"userKey":"u"}}`, "", "long"},
		{200, `{"client":{"clientKey":{}},"clients":[{"clientKey":"k"}],"users":[]}`, "", "long"},
		{200, `{"code":"404"}`, "", "long"},
		{201, `{"code":1001}`, "", "long"},
		{400, `{"message":"the key hunter2-long is bad","code":404}`, "", "long"},
		{400, `{"error":{"message":"The token has been expired."}}`, "", "long"},
		{404, `<html>hunter2-long</html>`, "", "long"},
		{429, `{"message":"hunter2-longhunter2-long"}`, "99999999999", "long"},
		{307, ``, "7", "long"},
		{500, `{"code":404}`, "-1", "long"},
		{502, "<html>\x00", "Thu, 01 Jan 2026 12:00:00 GMT", "long"},
		{408, `{"code":"400"}`, "", "long"},
	} {
		f.Add(seed.status, []byte(seed.body), seed.wait, seed.token)
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, wait, secret string) {
		if status < 200 || status > 599 {
			t.Skip() // net/http lets nothing else through
		}
		api, err := New("https://sfs.example.com", WithTransport(func(http.RoundTripper) http.RoundTripper {
			return canned{status, http.Header{"Retry-After": {wait}}, string(body)}
		}))
		if err != nil {
			t.Fatal(err)
		}
		secret = "hunter2-" + secret // no text of this package holds that
		for name, err := range callAll(t, api, Secret(secret)) {
			checkError(t, name, err, status, body, secret)
		}
	})
}

// callAll makes each call and returns its error. What succeeds must be of use.
func callAll(t *testing.T, api *API, secret Secret) map[string]error {
	t.Helper()
	ctx, auth := context.Background(), PlatformToken(secret)
	failed := map[string]error{}
	var err error
	var token Token
	for name, mint := range map[string]func() (Token, error){
		"platform token": func() (Token, error) {
			return api.CreatePlatformToken(ctx, Credentials{APIKey: secret, Secret: secret})
		},
		"client token": func() (Token, error) { return api.CreateClientToken(ctx, secret, "k") },
	} {
		if token, err = mint(); err == nil {
			checkToken(t, token)
		}
		failed[name] = err
	}
	made, err := api.CreateClient(ctx, auth, ClientFields{CustomKey: "c"})
	failed["client create"] = err
	found, err := api.ReadClient(ctx, auth, ClientQuery{CustomKey: "c"})
	failed["client read"] = err
	clients, err := api.ListClients(ctx, auth)
	failed["client list"] = err
	user, err := api.CreateUser(ctx, APIKey(secret), "k", UserFields{CustomKey: "c"})
	failed["user create"] = err
	users, err := api.ListUsers(ctx, auth, "k")
	failed["user list"] = err
	failed["client update"] = api.UpdateClient(ctx, auth, "k", ClientFields{Email: "e"})
	failed["revoke"] = api.RevokeClientToken(ctx, secret, secret)
	for name, key := range map[string]string{"client create": made.ClientKey, "client read": found.ClientKey, "user create": user.UserKey} {
		if (failed[name] == nil) != (key != "") || !isKey(key) {
			t.Errorf("%s: the key %q with the error %v", name, key, failed[name])
		}
	}
	for _, c := range clients {
		if c.ClientKey == "" || !isKey(c.ClientKey) {
			t.Errorf("a client with the key %q is listed", c.ClientKey)
		}
	}
	for _, u := range users {
		if u.UserKey == "" || !isKey(u.UserKey) {
			t.Errorf("a user with the key %q is listed", u.UserKey)
		}
	}
	return failed
}

func checkError(t *testing.T, name string, err error, status int, body []byte, secret string) {
	t.Helper()
	if err == nil {
		if !wire.IsSuccess(status) {
			t.Errorf("%s: %d is a success", name, status)
		}
		return
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: the error %v is of another type", name, err)
	}
	checkText(t, e.Message)
	if strings.Contains(err.Error(), secret) {
		t.Errorf("%s: the error holds the secret", name)
	}
	if wait, ok := RetryAfter(err); ok && (wait <= 0 || wait > wire.MaxRetryAfter) {
		t.Errorf("%s: it asks for a pause of %v", name, wait)
	}
	meaning := meaningOf(err)
	if e.kind == kindUnsendable {
		return
	}
	switch {
	case meaning == meansNothing, meaning == meansNotSent:
		t.Errorf("%s: an answer means %d", name, meaning)
	case meaning == meansUnknown:
	// All others are sure refusals: who creates goes on as if nothing had been made.
	case status >= 500:
		t.Errorf("%s: %d is taken for a sure refusal: %v", name, status, err)
	case wire.IsSuccess(status) && e.kind == kindAbsent:
		if name != "client read" {
			t.Errorf("%s: a success is taken for an absent object", name)
		}
	case wire.IsSuccess(status):
		var said struct {
			Code code `json:"code"`
		}
		_ = json.Unmarshal(body, &said)
		if said.Code < 400 || said.Code > 499 {
			t.Errorf("%s: a success with code %d is taken for a sure refusal: %v", name, said.Code, err)
		}
	}
}

// FuzzCredential tries what a header makes of a credential: it is refused, without being told, or sent as it is.
func FuzzCredential(f *testing.F) {
	for _, seed := range []string{"", "long", "long\n", " long", "\r\nX-Admin: 1", "\x00", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		value = "hunter2-" + value
		for _, auth := range []Auth{PlatformToken(Secret(value)), ClientToken(Secret(value)), APIKey(Secret(value))} {
			header := http.Header{}
			if err := auth.apply(header); err != nil {
				if len(header) > 0 || strings.Contains(err.Error(), value) {
					t.Errorf("refused, and sent or told all the same: %v", err)
				}
				continue
			}
			sent := strings.TrimPrefix(header.Get("Authorization")+header.Get(keyHeader), "Bearer ")
			if len(header) != 1 || sent != value || strings.ContainsFunc(sent, unicode.IsControl) || sent == "" {
				t.Errorf("%d headers", len(header))
			}
		}
	})
}
