// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
)

// TestAStateOfABackUpIsNotUsed: what a back-up brings back is as the operator wrote it, and long used up.
func TestAStateOfABackUpIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, restore := range map[string]func(w *oauthWorld, now, old *corev1.Secret){
		"in place": func(w *oauthWorld, now, old *corev1.Secret) {
			update(w.world, now, func(s *corev1.Secret) { s.Data, s.Annotations = old.Data, maps.Clone(old.Annotations) })
		},
		"as another": func(w *oauthWorld, now, old *corev1.Secret) {
			w.delete(now)
			old.ObjectMeta = metav1.ObjectMeta{
				Namespace: old.Namespace, Name: old.Name, Labels: old.Labels, Annotations: old.Annotations, OwnerReferences: old.OwnerReferences,
			}
			w.create(old)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newOAuthWorld(t, oauthtest.Behaviour{Reuse: oauthtest.ReuseRevokesMore})
			o, c := w.newOAuthToken("it", oauthtest.SecuredSigning)
			w.shortOf(c)
			w.run(45 * time.Minute)
			old := w.secret(o.StateSecretName()).DeepCopy()
			w.run(40 * time.Minute)
			if w.refreshToken(o) == "" || string(old.Data["refreshToken"]) == w.refreshToken(o).Reveal() {
				t.Fatal("the state is not another one than that of the back-up")
			}
			w.alwaysUsable(o)
			restore(w, w.secret(o.StateSecretName()), old)
			w.run(2 * time.Hour)
			w.wantReady(o)
			if !w.providers.TakesRefreshToken(w.refreshToken(o)) {
				t.Error("the last refresh token is lost")
			}
		})
	}
}

// TestAStateThatVanishesDuringAPass is not taken for one that never was: the refresh token of the user is used up.
func TestAStateThatVanishesDuringAPass(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{Reuse: oauthtest.ReuseRevokesMore})
	armed := false
	w.api = interceptor.NewClient(w.api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			// It is read with its values for a renewal only.
			if _, whole := o.(*corev1.Secret); armed && whole && key.Name == "it-client" {
				armed = false
				w.delete(w.secret("it-oauth-state"))
				w.watch()
			}
			return c.Get(ctx, key, o, opts...)
		},
	})
	w.restart()
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.shortOf(c)
	w.run(20 * time.Minute)
	w.wantReady(o)
	w.alwaysUsable(o)
	armed = true
	w.run(2 * time.Hour)
	if armed {
		t.Fatal("the state did not vanish")
	}
	w.wantReady(o)
	if !w.providers.TakesRefreshToken(w.refreshToken(o)) {
		t.Error("the last refresh token is lost")
	}
}

// TestAStateThatIsTouchedDuringARequest is written all the same before the pass ends: a crash must find it stored.
func TestAStateThatIsTouchedDuringARequest(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.shortOf(c)
	w.run(20 * time.Minute)
	first := w.refreshToken(o)
	w.providers.Inject(oauthtest.Fault{Endpoint: "token", Times: 1, After: func() {
		update(w.world, w.secret(o.StateSecretName()), func(s *corev1.Secret) { s.Annotations["backup"] = "begun" })
	}})
	w.each = func() {
		if now := w.refreshToken(o); !w.providers.TakesRefreshToken(now) {
			t.Error("a pass ended without the last refresh token being stored")
		}
	}
	w.run(30 * time.Minute)
	if w.refreshToken(o) == first {
		t.Fatal("there was no renewal")
	}
	w.wantReady(o)
}

// TestAMalformedAnswerWhoseRefreshTokenCouldNotBeStored has it stored soon: nobody waits until the next request is due.
func TestAMalformedAnswerWhoseRefreshTokenCouldNotBeStored(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{ExpiresIn: oauthtest.ExpiresInAbsent})
	refuses := false
	w.api = interceptor.NewClient(w.api, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if refuses && o.GetName() == "it-oauth-state" {
				refuses = false
				return apierrors.NewForbidden(corev1.Resource("secrets"), o.GetName(), errors.New("not now"))
			}
			return c.Patch(ctx, o, p, opts...)
		},
	})
	w.restart()
	o, _ := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.run(time.Hour)
	refuses = true
	for range 3600 {
		if !refuses {
			break
		}
		w.run(time.Second)
	}
	w.run(2 * time.Second)
	if refuses || !w.providers.TakesRefreshToken(w.refreshToken(o)) {
		t.Error("the refresh token is in memory only")
	}
}
