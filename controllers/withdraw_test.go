// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// withdrawStory has a token withdrawn and wanted again at once, while the operator is killed, or not served, at one of its
// calls. It returns how many there are.
func withdrawStory(t *testing.T, at int, how string) int {
	t.Helper()
	w := newWorld(t)
	w.connect()
	w.restart()
	c := w.newSfsClient("shop")
	w.settle()
	first := w.valueOf(c)
	var faults map[int]*mode
	if at > 0 {
		faults = map[int]*mode{at: modeNamed(how)}
	}
	w.wire.arm(faults)
	died := false
	w.each = func() {
		// As soon as anything has gone wrong, the token is wanted again.
		if calls := w.wire.made(0); !died && at > 0 && len(calls) >= at {
			died = true
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = nil })
		}
	}
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) })
	w.run(5 * time.Second)
	calls := len(w.wire.made(0))
	w.each = nil
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = nil })
	w.run(time.Minute)
	w.wantReady(c)
	w.tokenOf(c)
	w.wantWaiting(c, 0)
	if w.isAlive(first) && w.valueOf(c) != first {
		t.Error("the token that was withdrawn lives")
	}
	return calls
}

func TestATokenThatWasWithdrawnIsNotPublishedAgain(t *testing.T) {
	calls := withdrawStory(t, 0, "")
	if calls < 4 {
		t.Fatalf("the story has only %d calls", calls)
	}
	for at := 1; at <= calls; at++ {
		for _, how := range []string{"crash-before", "crash-after"} {
			t.Run(fmt.Sprintf("%s %d", how, at), func(t *testing.T) { withdrawStory(t, at, how) })
		}
	}
}

func TestAWithdrawalIsRevokedWhenSFSIsBack(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	first := w.valueOf(c)
	heal := w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "revoke", Status: 503})
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) })
	w.run(time.Minute)
	if s := w.secret("shop-sfs-token"); s == nil || len(s.Data[v1alpha1.KeyToken]) != 0 {
		t.Error("want the Secret to remember the token, and not to publish it")
	}
	w.restart()
	w.run(time.Minute)
	heal()
	w.run(time.Minute)
	w.wantReady(c)
	if w.isAlive(first) || w.secret("shop-sfs-token") != nil || w.recorder.count("shop", "Revoked") != 1 {
		t.Errorf("want the token revoked and its Secret removed: %v", w.recorder.all())
	}
}

func TestAWithdrawalEndsWithTheTokenAtTheLatest(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "revoke", Status: 503})
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) })
	w.run(31 * time.Minute)
	w.wantReady(c)
	if w.secret("shop-sfs-token") != nil {
		t.Error("the Secret is still there")
	}
}

// A token that was revoked, or may have been, stands nowhere where it could be taken for a living one.
func TestATokenThatWasWithdrawnComesBackFromNoSecret(t *testing.T) {
	for name, prepare := range map[string]func(w *world, c *v1alpha1.SfsClient){
		"of a former name": func(w *world, c *v1alpha1.SfsClient) {
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Name = "renamed" })
			w.run(time.Minute)
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) })
		},
		"that was edited": func(w *world, c *v1alpha1.SfsClient) {
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
			w.run(time.Minute)
			update(w, w.secret("shop-sfs-token"), func(s *corev1.Secret) { delete(s.Annotations, v1alpha1.ContentHashAnnotation) })
			w.run(time.Second)
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend, c.Spec.Token.Enabled = false, ptr.To(false) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop")
			w.settle()
			first := w.valueOf(c)
			heal := w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "revoke", Status: 503, Apply: true})
			prepare(w, c)
			w.run(5 * time.Second)
			if w.isAlive(first) {
				t.Fatal("the token was not revoked")
			}
			heal()
			w.restart()
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token = v1alpha1.TokenSpec{} })
			w.run(time.Minute)
			w.wantReady(c)
			w.aliveIn("shop-sfs-token", "token")
		})
	}
}

func TestTheIdentifiersMayHaveTheNameOfATokenThatIsWithdrawn(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Name = "creds" })
	w.settle()
	_, s := w.tokenOf(c)
	first := string(s.Data[v1alpha1.KeyToken])
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Name, c.Spec.Token = "creds", v1alpha1.TokenSpec{Enabled: ptr.To(false)}
	})
	w.run(time.Minute)
	w.wantReady(c)
	if w.isAlive(first) || w.recorder.count("shop", "Revoked") != 1 {
		t.Error("the token was not revoked")
	}
	if s := w.secret("creds"); s == nil || string(s.Data[v1alpha1.KeyClientKey]) != c.Status.ClientKey || s.Data[v1alpha1.KeyToken] != nil {
		t.Errorf("want the identifiers in the Secret creds, have %v", s)
	}
}

func TestAFormerSpecTakesNothingBack(t *testing.T) {
	for name, test := range map[string]struct{ before, after func(*v1alpha1.SfsClient) }{
		"the token was not wanted": {
			func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) },
			func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = nil },
		},
		"the Secrets had other names": {
			func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Name, c.Spec.Secret.Name = "former-token", "former" },
			func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Name, c.Spec.Secret.Name = "", "" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop")
			w.settle()
			update(w, c, test.before)
			w.run(time.Minute)
			former := w.cache.objects[refTo(c)]
			update(w, c, test.after)
			w.run(time.Minute)
			served, mints := w.valueOf(c), w.sim.CountCalls("token", "create")

			// A new process reads the SfsClient from an API server that is behind, and the Secrets from one that is not.
			view := maps.Clone(w.there)
			view[refTo(c)] = former
			w.restartWith(view)
			w.fallBehind(5, 5*time.Second, clientKind)
			w.run(4 * time.Second)
			if w.valueOf(c) != served || !w.isAlive(served) {
				t.Error("the token that serves was taken back")
			}
			w.run(time.Minute)
			w.wantReady(c)
			if w.valueOf(c) != served || !w.isAlive(served) {
				t.Error("the token that served was replaced")
			}
			if n := w.sim.CountCalls("token", "create") - mints; n > 2 {
				t.Errorf("%d tokens were minted", n)
			}
		})
	}
}
