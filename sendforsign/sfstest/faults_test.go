package sfstest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// shape lists the names in a JSON object, and those in the objects within.
func shape(v map[string]any) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(v)) {
		names = append(names, fmt.Sprintf("%q", name))
		if inner, ok := v[name].(map[string]any); ok {
			names = append(names, shape(inner))
		}
	}
	return "[" + strings.Join(names, " ") + "]"
}

func TestFaults(t *testing.T) {
	html := http.Header{"Content-Type": {"text/html"}}
	tests := map[string]struct {
		fault  sfstest.Fault
		kind   string
		effect bool
		lost   bool
		status int
	}{
		"throttled":            {sfstest.Fault{Status: 429}, "throttled", false, false, 429},
		"500":                  {sfstest.Fault{Status: 500}, "unknown", false, false, 500},
		"500 after the commit": {sfstest.Fault{Status: 500, Apply: true}, "unknown", true, false, 500},
		"HTML of a gateway":    {sfstest.Fault{Status: 502, Body: "<html>", Header: html}, "unknown", false, false, 502},
		"refused in the body":  {sfstest.Fault{Status: 200, Body: `{"code":403}`}, "unauthorized", false, false, 200},
		"cut before":           {sfstest.Fault{CutBefore: true}, "unknown", false, true, 0},
		"cut after":            {sfstest.Fault{CutAfter: true}, "unknown", true, true, 0},
		"cut during":           {sfstest.Fault{CutDuring: true}, "unknown", true, true, 201},
		"malformed":            {sfstest.Fault{Malformed: true}, "unknown", true, true, 201},
		"oversized":            {sfstest.Fault{Oversized: true}, "unknown", true, true, 201},
		"slow":                 {sfstest.Fault{Latency: time.Millisecond}, "ok", true, false, 201},
		"slow, late":           {sfstest.Fault{Latency: time.Millisecond, Apply: true}, "ok", true, false, 201},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := start(t, sfstest.Behaviour{})
			f.Inject(test.fault)
			_, err := f.api.CreateClient(t.Context(), f.auth, sendforsign.ClientFields{CustomKey: "c"})
			wantKind(t, test.kind, err)
			if made := len(f.Clients()) == 1; made != test.effect {
				t.Errorf("effect: %v, want %v", made, test.effect)
			}
			calls := f.Calls()
			if len(calls) != 1 {
				t.Fatalf("%d calls: the client must not send anything twice", len(calls))
			}
			if c := calls[0]; c.Effect != test.effect || c.Lost != test.lost || c.Status != test.status {
				t.Errorf("logged %+v", c)
			}
		})
	}
}

func TestLatencyEndsWithTheCall(t *testing.T) {
	for name, test := range map[string]struct {
		fault  sfstest.Fault
		effect bool
	}{
		"before the effect": {sfstest.Fault{Latency: time.Hour}, false},
		"after the effect":  {sfstest.Fault{Latency: time.Hour, Apply: true}, true},
		"in the answer":     {sfstest.Fault{Trickle: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, sfstest.Behaviour{})
			ctx, cancel := context.WithCancel(t.Context())
			if test.effect {
				test.fault.After = cancel
			} else {
				test.fault.Before = cancel
			}
			f.Inject(test.fault)
			_, err := f.api.CreateClient(ctx, f.auth, sendforsign.ClientFields{CustomKey: "c"})
			wantKind(t, "unknown", err)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			f.Close() // waits for the handler
			if calls := f.Calls(); len(calls) != 1 || calls[0].Effect != test.effect || !calls[0].Lost {
				t.Errorf("logged %+v", calls)
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	f := start(t, sfstest.Behaviour{}, sendforsign.WithTimeout(time.Second))
	for _, fault := range []sfstest.Fault{{Latency: time.Hour}, {Trickle: true}} {
		remove := f.Inject(fault)
		_, err := f.api.ListClients(t.Context(), f.auth)
		wantKind(t, "unknown", err)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		remove()
	}
}

func TestCloseEndsLatency(t *testing.T) {
	f := start(t, sfstest.Behaviour{})
	closed := make(chan struct{})
	f.Inject(sfstest.Fault{Latency: time.Hour, Before: func() {
		go func() {
			f.Close()
			close(closed)
		}()
	}})
	_, err := f.api.ListClients(t.Context(), f.auth)
	wantKind(t, "unknown", err)
	<-closed
	_, err = f.api.ListClients(t.Context(), f.auth)
	wantKind(t, "not sent", err)
}

func TestFaultsChooseTheirCalls(t *testing.T) {
	f := start(t, sfstest.Behaviour{})
	key := f.create(t, "a")
	token := f.mint(t, key)
	ctx := t.Context()
	create := func(customKey string) error {
		_, err := f.api.CreateClient(ctx, f.auth, sendforsign.ClientFields{CustomKey: customKey})
		return err
	}
	list := func() error {
		_, err := f.api.ListClients(ctx, f.auth)
		return err
	}

	remove := f.Inject(sfstest.Fault{Endpoint: "client", Action: "create", CustomKey: "bad", Status: 400})
	wantKind(t, "invalid", create("bad"))
	wantKind(t, "ok", create("good"))
	wantKind(t, "ok", list())
	remove()
	remove()
	wantKind(t, "ok", create("bad"))

	f.Inject(sfstest.Fault{Action: "list", Skip: 1, Times: 2, Status: 429})
	for _, want := range []string{"ok", "throttled", "throttled", "ok"} {
		wantKind(t, want, list())
	}

	// A client is known by its token, too.
	f.Inject(sfstest.Fault{ClientKey: key, Status: 403})
	_, err := f.api.ListUsers(ctx, sendforsign.ClientToken(token), key)
	wantKind(t, "unauthorized", err)
	_, err = f.read(ctx, sendforsign.ClientQuery{ClientKey: key})
	wantKind(t, "unauthorized", err)
	wantKind(t, "ok", list())
}

func TestHooksMayUseTheServer(t *testing.T) {
	f := start(t, sfstest.Behaviour{})
	var before, after int
	f.Inject(sfstest.Fault{
		Action: "create",
		Before: func() { before = len(f.Clients()) },
		After:  func() { after = len(f.Clients()) },
	})
	f.create(t, "c")
	if before != 0 || after != 1 {
		t.Errorf("%d clients before, %d after", before, after)
	}
}
