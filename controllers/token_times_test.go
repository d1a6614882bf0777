// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// restartWithTimes goes on with an operator that records the times of tokens, or does not.
func (w *world) restartWithTimes(record bool) {
	w.options.OmitTokenTimes = !record
	w.restart()
}

func (w *world) wantTimes(c *v1alpha1.SfsClient, recorded bool) {
	w.t.Helper()
	w.reload(c)
	got := c.Status.Token
	if got == nil || got.SecretRef.Name != c.TokenSecretName() {
		w.t.Fatalf("the status does not name the Secret of the token: %+v", got)
	}
	if none := (v1alpha1.TokenStatus{SecretRef: got.SecretRef}); recorded == (*got == none) {
		w.t.Errorf("the status tells %+v of the token, want times: %v", *got, recorded)
	}
}

func TestTheTimesOfATokenMayStandOnItsSecretOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.restartWithTimes(false)
	c := w.newSfsClient("shop")
	w.settle()
	w.wantReady(c)
	w.wantTimes(c, false)

	version := c.ResourceVersion
	first, _ := w.tokenOf(c)
	w.run(20 * time.Minute)
	w.wantTimes(c, false)
	if next, _ := w.tokenOf(c); !next.Issued.After(first.Issued) || c.ResourceVersion != version {
		t.Errorf("the token was renewed: %v, and the SfsClient written: %v", next.Issued.After(first.Issued), c.ResourceVersion != version)
	}

	w.restartWithTimes(true)
	w.settle()
	w.wantTimes(c, true)

	w.restartWithTimes(false)
	w.settle()
	w.wantTimes(c, true) // they are right until the next token
	w.run(20 * time.Minute)
	w.wantTimes(c, false)
}

func TestATokenIsRevokedWhoseTimesTheStatusDoesNotTell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.restartWithTimes(false)
	c, lost := w.newSfsClient("shop"), w.newSfsClient("lost")
	w.settle()
	_, secret := w.tokenOf(c)
	w.delete(w.secret(lost.TokenSecretName()))
	w.restart() // else the token is still at hand
	w.delete(lost)
	w.delete(c)
	w.settle()
	if info, _ := w.sim.TokenState(string(secret.Data[v1alpha1.KeyToken])); info.Alive {
		t.Error("the token of a client that was deleted lives on")
	}
	w.wantGone(c)
	w.wantGone(lost)
	if w.recorder.count("lost", "NotRevoked") != 1 {
		t.Errorf("nobody is told that the token of the other could not be revoked: %v", w.recorder.all())
	}
}
