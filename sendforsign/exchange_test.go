package sendforsign_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/sendforsign/sfs-operator/sendforsign"
)

// caller marks the context of a call.
type caller struct{}

func TestEachCallIsObserved(t *testing.T) {
	type told struct {
		endpoint, action string
		status           int
		change           bool
	}
	var status int
	var body string
	var seen []sendforsign.Exchange
	var callers []any
	api := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}, sendforsign.WithObserver(func(ctx context.Context, e sendforsign.Exchange) {
		seen, callers = append(seen, e), append(callers, ctx.Value(caller{}))
	}))
	mint := func(ctx context.Context) error {
		_, err := api.CreateClientToken(ctx, "platform", "client")
		return err
	}
	read := func(ctx context.Context) error {
		_, err := api.ReadClient(ctx, sendforsign.APIKey("k"), sendforsign.ClientQuery{CustomKey: "c"})
		return err
	}
	list := func(ctx context.Context) error {
		_, err := api.ListUsers(ctx, sendforsign.APIKey("k"), "c")
		return err
	}
	update := func(ctx context.Context) error {
		return api.UpdateClient(ctx, sendforsign.APIKey("k"), "c", sendforsign.ClientFields{Email: "a@b.example"})
	}
	gone, cancel := context.WithCancel(context.WithValue(t.Context(), caller{}, "late"))
	cancel()
	for name, test := range map[string]struct {
		ctx    context.Context
		status int
		body   string
		call   func(context.Context) error
		want   told
	}{
		"a token":                     {status: 200, body: `{"access_token":"t","token_type":"Bearer","expires_in":1800}`, call: mint, want: told{"token", "create", 200, true}},
		"an answer without the token": {status: 200, body: `{}`, call: mint, want: told{"token", "create", 200, true}},
		"a read that finds nothing":   {status: 200, body: `{"client":{}}`, call: read, want: told{"client", "read", 200, false}},
		"a list":                      {status: 200, body: `{"users":[]}`, call: list, want: told{"user", "list", 200, false}},
		"a refusal":                   {status: 422, body: `{"message":"no"}`, call: update, want: told{"client", "update", 422, true}},
		"no answer":                   {ctx: gone, call: update, want: told{"client", "update", 0, true}},
	} {
		status, body, seen, callers = test.status, test.body, nil, nil
		ctx := test.ctx
		if ctx == nil {
			ctx = context.WithValue(t.Context(), caller{}, "late")
		}
		err := test.call(ctx)
		if len(seen) != 1 {
			t.Fatalf("%s: observed %d times", name, len(seen))
		}
		got := seen[0]
		if (told{got.Endpoint, got.Action, got.Status, got.IsChange()}) != test.want || !errors.Is(got.Err, err) || got.Duration < 0 {
			t.Errorf("%s: observed %+v, returned %v", name, got, err)
		}
		if callers[0] != "late" {
			t.Errorf("%s: the context is not the caller's", name)
		}
	}
}
