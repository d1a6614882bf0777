// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

func probed(c *v1alpha1.SfsClient) { c.Spec.Token.Verification = v1alpha1.TokenVerificationProbe }

// revokeOutside revokes the token of a client as somebody else who has the account does.
func (w *world) revokeOutside(value string) {
	w.t.Helper()
	api, _ := w.apiOfSFS()
	platform, err := api.CreatePlatformToken(w.t.Context(), w.sim.Credentials())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := api.RevokeClientToken(w.t.Context(), platform.AccessToken, sendforsign.Secret(value)); err != nil {
		w.t.Fatal(err)
	}
}

// mints counts the tokens that were asked for: for clients, and for the platform.
func (w *world) mints() (clients, platform int) {
	for _, c := range w.sim.Calls() {
		switch {
		case c.Endpoint != "token" || c.Action != "create":
		case c.ClientKey != "":
			clients++
		default:
			platform++
		}
	}
	return clients, platform
}

func TestATokenThatWasRevokedOutsideIsReplaced(t *testing.T) {
	for name, unknown := range map[string]sfstest.UnknownBearer{
		"answered 401": sfstest.UnknownBearer401, "answered 403": sfstest.UnknownBearer403, "answered as expired": sfstest.UnknownBearerExpired,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sfstest.WithBehaviour(sfstest.Behaviour{UnknownBearer: unknown}))
			c := w.newSfsClient("shop", probed)
			w.settle()
			first := w.valueOf(c)
			w.run(time.Minute)
			w.revokeOutside(first)
			w.sim.ResetCalls()
			w.run(probeInterval)
			if w.valueOf(c) == first {
				t.Fatal("the dead token is still published")
			}
			w.wantReady(c)
			if n := w.recorder.count("shop", "TokenRejected"); n != 1 {
				t.Errorf("%d events tell of it, want 1: %v", n, w.recorder.all())
			}
			if clients, platform := w.mints(); clients != 1 || platform != 0 {
				t.Errorf("%d tokens of the client and %d of the platform were minted, want 1 and none", clients, platform)
			}
			w.wantCondition(w.sfsPlatform(), v1alpha1.CredentialsValidCondition, metav1.ConditionTrue, v1alpha1.VerifiedReason)

			// The new one is good, so if it is revoked as well it is replaced as well.
			w.run(time.Minute)
			w.revokeOutside(w.valueOf(c))
			w.run(probeInterval)
			w.tokenOf(c)
			w.wantReady(c)
		})
	}
}

func TestAnswersThatSayNothingOfTheTokenAreIgnored(t *testing.T) {
	for name, fault := range map[string]sfstest.Fault{
		"503":             {Status: 503},
		"500":             {Status: 500},
		"408":             {Status: 408},
		"404":             {Status: 404},
		"400":             {Status: 400},
		"429":             {Status: 429, Header: http.Header{"Retry-After": {"60"}}},
		"lost connection": {CutBefore: true},
		"garbage":         {Malformed: true},
		"page of a proxy": {Status: 404, Body: "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop", probed)
			w.settle()
			first := w.valueOf(c)
			w.sim.ResetCalls()
			fault.Endpoint, fault.Action = "client", "read"
			w.sim.Inject(fault)
			w.each = func() { w.wantReady(c) }
			w.run(16 * time.Minute)
			w.each = nil
			if w.valueOf(c) != first {
				t.Error("the token was replaced")
			}
			w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
			if n := w.sim.CountCalls("client", "read"); n < 3 || n > 4 {
				t.Errorf("%d probes in 16 minutes, want 3 or 4", n)
			}
		})
	}
}

func TestATokenThatNoMintHelpsIsLeftToAPerson(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", probed)
	w.settle()
	w.sim.ResetCalls()
	heal := w.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "read", Status: 401})
	w.run(probeInterval + time.Minute)
	w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.TokenRejectedReason)
	w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.TokenRejectedReason)
	if clients, platform := w.mints(); clients != 1 || platform != 0 {
		t.Errorf("%d tokens of the client and %d of the platform were minted, want 1 and none", clients, platform)
	}
	w.step("also after restarts", func(t *testing.T) {
		w.sim.ResetCalls()
		for range 3 {
			w.restart()
			w.run(probeInterval)
			w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.TokenRejectedReason)
		}
		w.run(15 * time.Minute)
		w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.TokenRejectedReason)
		if clients, _ := w.mints(); clients < 1 || clients > 2 {
			t.Errorf("%d tokens were minted in half an hour, want those that were due", clients)
		}
		if n := w.sim.CountCalls("client", "read"); n > 9 {
			t.Errorf("%d probes in half an hour", n)
		}
	})
	w.step("a new one is asked about soon", func(t *testing.T) {
		annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
		w.settle()
		w.sim.ResetCalls()
		w.run(secondLook)
		if n := w.sim.CountCalls("client", "read"); n != 1 {
			t.Errorf("%d probes in %s after the mint, want 1", n, secondLook)
		}
	})
	w.step("until SFS takes it", func(*testing.T) {
		heal()
		w.run(probeInterval)
		w.wantReady(c)
		w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
	})
}

func TestARejectedTokenIsReplacedAfterAnOutageOfTheMint(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", probed)
	w.settle()
	first := w.valueOf(c)
	w.revokeOutside(first)
	heal := w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "create", Status: 503})
	w.run(probeInterval + time.Minute)
	w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.APIUnavailableReason)
	heal()
	w.run(time.Minute)
	w.wantReady(c)
	if w.valueOf(c) == first {
		t.Error("the dead token is still published")
	}
}

func TestProbesAreSpreadAndARestartCostsNone(t *testing.T) {
	w := newWorld(t)
	const clients = 20
	var all []object
	for i := range clients {
		all = append(all, w.newSfsClient(fmt.Sprintf("shop-%02d", i), probed))
	}
	w.settle()
	w.wantReady(all...)
	before := w.versionsNow()
	w.sim.ResetCalls()
	w.restart()
	w.settle()
	if len(w.sim.Calls()) != 0 {
		t.Errorf("calls after a restart: %v", w.sim.Calls())
	}
	w.run(probeInterval)
	perMinute := map[time.Duration]int{}
	for _, call := range w.sim.Calls() {
		perMinute[call.Time.Sub(w.clock.Now().Add(-probeInterval)).Truncate(time.Minute)]++
	}
	if n := len(w.sim.Calls()); n != clients || w.sim.CountCalls("client", "read") != n {
		t.Errorf("%d calls in an interval, want a probe of each of %d clients", n, clients)
	}
	for minute, n := range perMinute {
		if n > clients/2 {
			t.Errorf("%d of %d probes in minute %s of the interval", n, clients, minute)
		}
	}
	if fmt.Sprint(w.versionsNow()) != fmt.Sprint(before) {
		t.Error("a good probe wrote something")
	}
}

func TestASuspendedClientIsNotProbed(t *testing.T) {
	w := newWorld(t)
	w.checkDriftEvery(time.Hour)
	c := w.newSfsClient("shop", probed)
	w.settle()
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
	w.sim.ResetCalls()
	w.run(15 * time.Minute)
	if len(w.sim.Calls()) != 0 {
		t.Errorf("calls were made: %v", w.sim.Calls())
	}
}

func TestAfterAProbe(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	refusal := &tokenRefusal{&sendforsign.Error{Status: http.StatusUnauthorized}}
	issued, before := now.Add(-10*time.Minute), now.Add(-20*time.Minute)
	tests := map[string]struct {
		reason       string
		state        probing
		wasRejected  bool
		answer       error
		want         probing
		replace, bad bool
	}{
		"taken":                        {reason: "all is well", want: probing{next: now.Add(probeInterval)}},
		"refused":                      {reason: "it is replaced, and the next one looked at soon", answer: refusal, want: probing{next: now.Add(secondLook), refused: issued}, replace: true},
		"refused as the one before":    {reason: "another does not help", state: probing{refused: before}, answer: refusal, want: probing{next: now.Add(probeInterval), refused: issued}, bad: true},
		"refused after a restart":      {reason: "the status tells of the one before", wasRejected: true, answer: refusal, want: probing{next: now.Add(probeInterval), refused: issued}, bad: true},
		"taken after a refusal":        {reason: "all is well again", state: probing{refused: before}, wasRejected: true, want: probing{next: now.Add(probeInterval)}},
		"no answer":                    {reason: "it says nothing", answer: &sendforsign.Error{Status: 503}, want: probing{next: now.Add(probeInterval)}},
		"no answer after one refusal":  {reason: "it says nothing", state: probing{refused: before}, answer: &sendforsign.Error{Status: 503}, want: probing{next: now.Add(probeInterval), refused: before}},
		"no answer after two refusals": {reason: "it says nothing", state: probing{refused: before}, wasRejected: true, answer: &sendforsign.Error{Status: 429}, want: probing{next: now.Add(probeInterval), refused: before}, bad: true},
	}
	for name, test := range tests {
		got, replace, bad := test.state.after(test.answer, issued, now, test.wasRejected)
		if got != test.want || replace != test.replace || bad != test.bad {
			t.Errorf("%s: got %v, replaced %t, rejected %t: %s", name, got, replace, bad, test.reason)
		}
	}
}
