// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
	"github.com/sendforsign/sfs-operator/secret"
)

// oauthWorld is a world with the providers of OAuthTokens.
type oauthWorld struct {
	*world
	providers *oauthtest.Server
}

func newOAuthWorld(t testing.TB, b oauthtest.Behaviour) *oauthWorld {
	t.Helper()
	return withProviders(t, newWorld(t), b)
}

func withProviders(t testing.TB, in *world, b oauthtest.Behaviour) *oauthWorld {
	t.Helper()
	w := &oauthWorld{world: in}
	w.providers = oauthtest.New(oauthtest.WithClock(w.clock), oauthtest.WithBehaviour(b))
	t.Cleanup(w.providers.Close)
	w.options.OAuth = serversOf(w.providers)
	w.restart()
	return w
}

// serversOf lets the operator ask a simulator only.
func serversOf(providers *oauthtest.Server) OAuthServers {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(providers.CABundle())
	of := OAuthServers{
		AllowedHosts: []string{strings.TrimPrefix(providers.URL(), "https://")}, RootCAs: roots, PresetURLs: map[string]string{},
	}
	for name := range presets {
		of.PresetURLs[name] = providers.URL()
	}
	return of
}

// providerFor is the spec of a simulated provider.
func (w *oauthWorld) providerFor(p oauthtest.Provider) v1alpha1.OAuthProvider {
	switch p {
	case oauthtest.SignicatExpress:
		return v1alpha1.OAuthProvider{Signicat: &v1alpha1.SignicatProvider{Environment: v1alpha1.SignicatExpress}}
	case oauthtest.SignicatPlatform:
		return v1alpha1.OAuthProvider{Signicat: &v1alpha1.SignicatProvider{Environment: v1alpha1.SignicatPlatform}}
	case oauthtest.SecuredSigning:
		return v1alpha1.OAuthProvider{SecuredSigning: &v1alpha1.SecuredSigningProvider{}}
	case oauthtest.Generic:
	}
	return v1alpha1.OAuthProvider{Generic: &v1alpha1.GenericProvider{
		TokenURL: w.providers.TokenURL(p), RevocationURL: w.providers.RevocationURL(p), CABundle: w.providers.CABundle(),
	}}
}

// newOAuthToken makes an OAuthToken and its credentials, for a new client of a provider.
func (w *oauthWorld) newOAuthToken(name string, p oauthtest.Provider, change ...func(*v1alpha1.OAuthToken)) (*v1alpha1.OAuthToken, oauthtest.Client) {
	w.t.Helper()
	c := w.providers.AddClient(p)
	w.newCredentials(name+"-client", c)
	o := &v1alpha1.OAuthToken{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: v1alpha1.OAuthTokenSpec{
			Provider: w.providerFor(p), CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: name + "-client"},
		},
	}
	for _, f := range change {
		f(o)
	}
	w.create(o)
	return o, c
}

func (w *oauthWorld) newCredentials(name string, c oauthtest.Client) {
	w.t.Helper()
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Data: credentialsOf(c)})
}

func credentialsOf(c oauthtest.Client) map[string][]byte {
	data := map[string][]byte{}
	for key, value := range map[string]string{
		v1alpha1.KeyClientID: c.ID, v1alpha1.KeyClientSecret: c.Secret.Reveal(), v1alpha1.KeyRefreshToken: c.RefreshToken.Reveal(),
		v1alpha1.KeyAPIKey: c.APIKey.Reveal(), v1alpha1.KeySigningSecret: c.APISecret.Reveal(), v1alpha1.KeyCallbackURL: c.CallbackURL,
	} {
		if value != "" {
			data[key] = []byte(value)
		}
	}
	return data
}

// putCredential changes a value of the credentials, as a user does.
func (w *oauthWorld) putCredential(o *v1alpha1.OAuthToken, key string, value secret.Text) {
	w.t.Helper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: o.Spec.CredentialsSecretRef.Name}}
	update(w.world, s, func(s *corev1.Secret) { s.Data[key] = []byte(value.Reveal()) })
}

// accessToken is the living token that the Secret of an OAuthToken must hold now, with enough life left.
func (w *oauthWorld) accessToken(o *v1alpha1.OAuthToken) (secret.Text, oauthtest.TokenInfo) {
	w.t.Helper()
	s := w.secret(o.TokenSecretName())
	if s == nil {
		w.t.Fatalf("there is no Secret %s", o.TokenSecretName())
	}
	value := secret.Text(s.Data[v1alpha1.KeyToken])
	info, known := w.providers.TokenState(value)
	if !known || !info.Alive {
		w.t.Fatalf("%s: Secret %s holds a token that the provider does not accept: %+v", w.clock.Now().Format(time.TimeOnly), s.Name, info)
	}
	life := info.Expires.Sub(info.Issued)
	if left := info.Expires.Sub(w.clock.Now()); left < token.MinRemaining(life) {
		w.t.Fatalf("%s: the token in Secret %s has only %s of %s left", w.clock.Now().Format(time.TimeOnly), s.Name, left, life)
	}
	return value, info
}

// refreshToken is what the state Secret holds; empty where there is none.
func (w *oauthWorld) refreshToken(o *v1alpha1.OAuthToken) secret.Text {
	w.t.Helper()
	if s := w.secret(o.StateSecretName()); s != nil {
		return secret.Text(s.Data[v1alpha1.KeyRefreshToken])
	}
	return ""
}

// refusingStates is an API server that refuses, as long as it is said to, each write of the state Secret of the OAuthToken it.
func refusingStates(api client.WithWatch, refusing *bool) client.WithWatch {
	return interceptor.NewClient(api, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if *refusing && o.GetName() == "it-oauth-state" {
				return apierrors.NewForbidden(corev1.Resource("secrets"), o.GetName(), errors.New("not now"))
			}
			return c.Patch(ctx, o, p, opts...)
		},
	})
}

// alwaysUsable has a test fail in which an application is without a token it can count on after any pass from now on.
func (w *oauthWorld) alwaysUsable(tokens ...*v1alpha1.OAuthToken) {
	w.each = func() {
		for _, o := range tokens {
			w.accessToken(o)
		}
	}
}

func (w *oauthWorld) isGone(o client.Object) bool {
	w.t.Helper()
	err := w.client.Get(w.t.Context(), client.ObjectKeyFromObject(o), o)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	return err != nil
}
