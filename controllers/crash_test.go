// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

func TestAStaleCacheMakesNoSecondTenant(t *testing.T) {
	w := newWorld(t)
	// Without a finalizer the intent is the first thing that is written.
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.Token.RevocationPolicy = v1alpha1.RevokeNever })
	w.watch()
	untouched := maps.Clone(w.cache.objects)
	w.settle()
	// SFS does not show the client yet, and the cache shows the resource as it was before anything was done.
	w.reload(c)
	w.sim.RemoveClient(c.Status.ClientKey)
	w.sim.ResetCalls()
	w.restartWith(untouched)
	w.fallBehind(1_000, 5*time.Minute, clientKind)
	w.run(5 * time.Minute)
	if n := w.sim.CountCalls("client", "create"); n != 0 {
		t.Errorf("%d creates on the ground of a stale read, want none", n)
	}
}

func TestAStaleCacheMintsNoSecondToken(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.fallBehind(1_000, 15*time.Minute, secretKind)
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Annotations = map[string]string{v1alpha1.RenewRequestedAtAnnotation: "now"}
	})
	w.settle()
	w.sim.ResetCalls()
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Annotations[v1alpha1.ReconcileRequestedAtAnnotation] = "now"
	})
	w.run(15 * time.Minute)
	if n := w.sim.CountCalls("token", "create"); n != 0 {
		t.Errorf("%d tokens were minted because the cache showed the one before, want none", n)
	}
}

func TestATokenThatCanNotBeWrittenIsNotMintedEachTime(t *testing.T) {
	w := newWorld(t)
	end := w.refuseSecrets(func(name string, _ map[string]string) bool { return name == "shop-sfs-token" })
	c := w.newSfsClient("shop")
	w.run(10 * time.Minute)
	w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.SecretWriteFailedReason, "shop-sfs-token")
	if n := w.sim.LiveTokens(c.Status.ClientKey); n != 1 {
		t.Errorf("%d tokens were minted for a Secret that can not be written, want 1", n)
	}
	end()
	w.run(time.Minute)
	w.wantReady(c)
	w.tokenOf(c)
	if n := w.sim.LiveTokens(c.Status.ClientKey); n != 1 {
		t.Errorf("%d tokens were minted in all, want the one that is published", n)
	}
}
