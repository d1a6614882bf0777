// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
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

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
	"github.com/sendforsign/sfs-operator/secret"
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

// TestAStateOutlivesAnotherGrant: who tries another grant for an hour needs no person to go back.
func TestAStateOutlivesAnotherGrant(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{Reuse: oauthtest.ReuseRevokesMore})
	grant := func(g v1alpha1.OAuthGrant) func(*v1alpha1.OAuthToken) {
		return func(o *v1alpha1.OAuthToken) { o.Spec.Grant = g }
	}
	o, _ := w.newOAuthToken("it", oauthtest.Generic, grant(v1alpha1.GrantRefreshToken))
	w.run(2 * time.Hour)
	w.alwaysUsable(o)
	last := w.refreshToken(o)
	for range 2 {
		update(w.world, o, grant(v1alpha1.GrantClientCredentials))
		w.run(2 * time.Hour)
		w.wantReady(o)
		if len(o.Status.FormerSecrets) != 0 || w.refreshToken(o) != last {
			t.Fatal("the state is given up, or is another one")
		}
		w.restart()
		update(w.world, o, grant(v1alpha1.GrantRefreshToken))
		w.run(2 * time.Hour)
		w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.AvailableReason)
		if now := w.refreshToken(o); now == last || !w.providers.TakesRefreshToken(now) {
			t.Fatal("the last refresh token is lost")
		}
		last = w.refreshToken(o)
	}
}

// TestARefreshTokenIsStoredWhateverTheGrantIsNow, and the token of the other grant does not wait for that.
func TestARefreshTokenIsStoredWhateverTheGrantIsNow(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	refusing := false
	w.api = refusingStates(w.api, &refusing)
	w.restart()
	o, _ := w.newOAuthToken("it", oauthtest.Generic, func(o *v1alpha1.OAuthToken) { o.Spec.Grant = v1alpha1.GrantRefreshToken })
	w.run(20 * time.Minute)
	w.alwaysUsable(o)
	refusing = true
	update(w.world, o, func(o *v1alpha1.OAuthToken) {
		o.Annotations = map[string]string{v1alpha1.RenewRequestedAtAnnotation: "1"}
	})
	w.settle()
	if w.providers.TakesRefreshToken(w.refreshToken(o)) {
		t.Fatal("there was no renewal")
	}
	update(w.world, o, func(o *v1alpha1.OAuthToken) { o.Spec.Grant = v1alpha1.GrantClientCredentials })
	w.run(2 * time.Hour)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
	refusing = false
	w.run(10 * time.Minute)
	if !w.providers.TakesRefreshToken(w.refreshToken(o)) {
		t.Error("the last refresh token is lost")
	}
}

// TestAStateIsNotShownToAnotherProvider, nor used for another client; and it serves when the spec names its own again.
func TestAStateIsNotShownToAnotherProvider(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{Reuse: oauthtest.ReuseRevokesMore})
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.shortOf(c)
	w.run(2 * time.Hour)
	last := w.refreshToken(o)
	w.alwaysUsable(o)
	spec := o.Spec.DeepCopy()
	for name, change := range map[string]func(){
		"another provider": func() {
			update(w.world, o, func(o *v1alpha1.OAuthToken) {
				o.Spec.Provider, o.Spec.Grant = w.providerFor(oauthtest.Generic), v1alpha1.GrantRefreshToken
			})
		},
		"another client": func() { w.putCredential(o, v1alpha1.KeyClientID, "another") },
	} {
		w.wire.arm(nil)
		asked := w.providers.CountCalls("token", "")
		change()
		w.run(lookInterval + time.Minute)
		if w.providers.CountCalls("token", "") == asked {
			t.Fatalf("%s is not asked", name)
		}
		for _, call := range w.wire.made(0) {
			if call.plane == planeOAuth && bytes.Contains(call.body, []byte(last.Reveal())) {
				t.Errorf("%s is shown the refresh token", name)
			}
		}
		w.putCredential(o, v1alpha1.KeyClientID, secret.Text(c.ID))
		update(w.world, o, func(o *v1alpha1.OAuthToken) { o.Spec = *spec.DeepCopy() })
		w.run(lookInterval + time.Minute)
		w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.AvailableReason)
		last = w.refreshToken(o)
	}
	w.run(2 * time.Hour)
	if now := w.refreshToken(o); now == last || !w.providers.TakesRefreshToken(now) {
		t.Error("the last refresh token is lost")
	}
}

// TestAStateThatVanishesDuringAPass is not taken for one that never was: the refresh token of the user is used up.
// The administrator can replace the URLs of presets, and an upgrade can: the refresh token stays good.
func TestAPresetWhoseURLIsAnotherKeepsItsState(t *testing.T) {
	t.Parallel()
	seed := func(at string, of v1alpha1.OAuthProvider) string {
		p := &oauthPass{oauth: &v1alpha1.OAuthToken{Spec: v1alpha1.OAuthTokenSpec{Provider: of}}}
		p.provider.tokenURL, p.known.clientID, p.known.seed = at, "id", "seed"
		return p.seed()
	}
	preset := v1alpha1.OAuthProvider{SecuredSigning: &v1alpha1.SecuredSigningProvider{}}
	other := v1alpha1.OAuthProvider{SecuredSigning: &v1alpha1.SecuredSigningProvider{Region: v1alpha1.SecuredSigningNewZealand}}
	generic := v1alpha1.OAuthProvider{Generic: &v1alpha1.GenericProvider{}}
	if seed("https://a/token", preset) != seed("https://b/token", preset) {
		t.Error("a preset that has moved loses its refresh token")
	}
	if seed("https://a/token", preset) == seed("https://a/token", other) {
		t.Error("a refresh token is shown to another region")
	}
	if seed("https://a/token", generic) == seed("https://b/token", generic) {
		t.Error("a refresh token is shown to another server")
	}
}

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
