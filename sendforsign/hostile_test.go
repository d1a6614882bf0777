// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sendforsign_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sendforsign/sfs-operator/sendforsign"
)

// oddKeys are, as JSON, what stands in the place of a key and is none. Taken for a key it would end up in Secrets, in the
// environment of applications and in requests; taken for absent it would have the object created a second time.
var oddKeys = map[string]string{
	"an object":             `{"id":"k"}`,
	"an array":              `["k"]`,
	"a boolean":             `true`,
	"a slash":               `"a/b"`,
	"a line break":          `"k\n"`,
	"a NUL":                 `"k\u0000"`,
	"a space":               `"k 1"`,
	"a letter beyond ASCII": `"ké"`,
	"a direction mark":      `"\u202ek"`,
	"a control character":   `"\u007f"`,
	"more than any key has": `"` + strings.Repeat("k", 129) + `"`,
}

func TestKeysThatAreNone(t *testing.T) {
	auth := sendforsign.PlatformToken("t")
	calls := map[string]struct {
		answer string // %s is the key
		call   func(context.Context, *sendforsign.API) error
	}{
		"client create": {`{"client":{"clientKey":%s}}`, func(ctx context.Context, a *sendforsign.API) error {
			_, err := a.CreateClient(ctx, auth, sendforsign.ClientFields{CustomKey: "c"})
			return err
		}},
		"client read": {`{"client":{"clientKey":%s,"customKey":"c"}}`, func(ctx context.Context, a *sendforsign.API) error {
			_, err := a.ReadClient(ctx, auth, sendforsign.ClientQuery{CustomKey: "c"})
			return err
		}},
		"client list": {`{"clients":[{"clientKey":"good"},{"clientKey":%s}]}`, func(ctx context.Context, a *sendforsign.API) error {
			_, err := a.ListClients(ctx, auth)
			return err
		}},
		"user create": {`{"user":{"userKey":%s}}`, func(ctx context.Context, a *sendforsign.API) error {
			_, err := a.CreateUser(ctx, auth, "k", sendforsign.UserFields{CustomKey: "c"})
			return err
		}},
		"user read": {`{"user":{"userKey":%s,"customKey":"c"}}`, func(ctx context.Context, a *sendforsign.API) error {
			_, err := a.ReadUser(ctx, auth, "k", sendforsign.UserQuery{CustomKey: "c"})
			return err
		}},
		"user list": {`{"users":[{"userKey":%s}]}`, func(ctx context.Context, a *sendforsign.API) error {
			_, err := a.ListUsers(ctx, auth, "k")
			return err
		}},
	}
	for name, test := range calls {
		for what, key := range oddKeys {
			t.Run(name+" with "+what, func(t *testing.T) {
				api := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, test.answer, key) })
				if err := test.call(t.Context(), api); kindOf(t, err) != "unknown" {
					t.Errorf("%v is %q, want it to be unknown", err, kindOf(t, err))
				}
			})
		}
		for _, key := range []string{`"0b0e1a52-0c5c-4b6d-9d5f-6f0e2a1b3c4d"`, `42`, `"a_b.C-9"`, `"` + strings.Repeat("k", 128) + `"`} {
			api := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, test.answer, key) })
			if err := test.call(t.Context(), api); err != nil {
				t.Errorf("%s with the key %s: %v", name, key, err)
			}
		}
	}
}

// A client that was made with a user whose key is none has been made all the same.
func TestAUserOfANewClientWithoutAKeyIsLeftOut(t *testing.T) {
	api := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"client":{"clientKey":"k","users":[{"default":true,"userKey":"a\nb"},{"userKey":"u"}]}}`)
	})
	made, err := api.CreateClient(t.Context(), sendforsign.PlatformToken("t"), sendforsign.ClientFields{CustomKey: "c"})
	if err != nil || made.ClientKey != "k" || len(made.Users) != 1 || made.Users[0].UserKey != "u" {
		t.Errorf("got %+v, %v", made, err)
	}
}

func TestTokensThatNobodyCanUse(t *testing.T) {
	for what, answer := range map[string]string{
		"a token longer than headers may be": `{"access_token":"` + strings.Repeat("t", 16<<10+1) + `","expires_in":1800}`,
		"a token of a megabyte":              `{"access_token":"` + strings.Repeat("t", 1<<20-64) + `","expires_in":1800}`,
		"a token with a line break":          `{"access_token":"t\r\nX-Admin: 1","expires_in":1800}`,
		"a token with a NUL":                 `{"access_token":"t\u0000","expires_in":1800}`,
		"a type with a line break":           `{"access_token":"t","token_type":"Bearer\r\nX-Admin: 1","expires_in":1800}`,
		"a type of several words":            `{"access_token":"t","token_type":"Bearer of news","expires_in":1800}`,
		"a type of a kilobyte":               `{"access_token":"t","token_type":"` + strings.Repeat("B", 1<<10) + `","expires_in":1800}`,
		// It would be dead before it is in its Secret, and the next one as well.
		"a life of less than a second": `{"access_token":"t","expires_in":0.999}`,
		"a negative life":              `{"access_token":"t","expires_in":-1800}`,
	} {
		api := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		if token, err := api.CreateClientToken(t.Context(), "p", "k"); kindOf(t, err) != "unknown" || token != (sendforsign.Token{}) {
			t.Errorf("%s: got a token, %v", what, err)
		}
	}
	for answer, want := range map[string]string{
		`{"access_token":"t","expires_in":1}`:                       "Bearer",
		`{"access_token":"t","expires_in":1,"token_type":null}`:     "Bearer",
		`{"access_token":"t","expires_in":1,"token_type":"bearer"}`: "bearer",
	} {
		api := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		if token, err := api.CreateClientToken(t.Context(), "p", "k"); err != nil || token.TokenType != want {
			t.Errorf("%s: got the type %q, %v, want %q", answer, token.TokenType, err, want)
		}
	}
}

// A server knows the credentials of the account, also in answers to calls that do not carry them.
func TestServersThatEchoSecretsOfOtherCalls(t *testing.T) {
	api := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			_, _ = io.WriteString(w, `{"access_token":"platform","expires_in":1800}`)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"message":"hunter2-a and hunter2-b and hunter2-f"}`)
	})
	if _, err := api.CreatePlatformToken(t.Context(), sendforsign.Credentials{APIKey: "hunter2-a", Secret: "hunter2-b"}); err != nil {
		t.Fatal(err)
	}
	_, err1 := api.ListUsers(t.Context(), sendforsign.APIKey("hunter2-f"), "k")
	_, err2 := api.ReadClient(t.Context(), sendforsign.PlatformToken("platform"), sendforsign.ClientQuery{CustomKey: "c"})
	for _, err := range []error{err1, err2} {
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Count(err.Error(), "[redacted]") != 3 {
			t.Errorf("got %v", err)
		}
	}
	if out := fmt.Sprintf("%v %+v %#v", api, api, api); strings.Contains(out, "hunter2") {
		t.Errorf("the API shows what it has sent: %s", out)
	}
}
