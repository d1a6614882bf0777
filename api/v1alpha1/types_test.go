// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

func TestNamesOfSecrets(t *testing.T) {
	t.Parallel()
	named := metav1.ObjectMeta{Name: "globex"}
	tests := map[string]struct{ got, want string }{
		"the identifiers of a client, by default": {(&v1alpha1.SfsClient{ObjectMeta: named}).SecretName(), "globex-sfs"},
		"the token of a client, by default":       {(&v1alpha1.SfsClient{ObjectMeta: named}).TokenSecretName(), "globex-sfs-token"},
		"the identifiers of a user, by default":   {(&v1alpha1.SfsClientUser{ObjectMeta: named}).SecretName(), "globex-sfs-user"},
		"the identifiers of a client, as chosen": {
			(&v1alpha1.SfsClient{ObjectMeta: named, Spec: v1alpha1.SfsClientSpec{Secret: v1alpha1.SecretSpec{Name: "keys"}}}).SecretName(), "keys",
		},
		"the token of a client, as chosen": {
			(&v1alpha1.SfsClient{ObjectMeta: named, Spec: v1alpha1.SfsClientSpec{
				Token: v1alpha1.TokenSpec{Secret: v1alpha1.SecretSpec{Name: "token"}},
			}}).TokenSecretName(), "token",
		},
		"the identifiers of a user, as chosen": {
			(&v1alpha1.SfsClientUser{ObjectMeta: named, Spec: v1alpha1.SfsClientUserSpec{Secret: v1alpha1.SecretSpec{Name: "ann"}}}).SecretName(), "ann",
		},
		"an access token, by default": {(&v1alpha1.OAuthToken{ObjectMeta: named}).TokenSecretName(), "globex-oauth-token"},
		"an access token, as chosen": {
			(&v1alpha1.OAuthToken{ObjectMeta: named, Spec: v1alpha1.OAuthTokenSpec{
				Token: v1alpha1.OAuthAccessTokenSpec{Secret: v1alpha1.SecretSpec{Name: "access"}},
			}}).TokenSecretName(), "access",
		},
		"the refresh token of the operator": {(&v1alpha1.OAuthToken{ObjectMeta: named}).StateSecretName(), "globex-oauth-state"},
	}
	for name, test := range tests {
		if test.got != test.want {
			t.Errorf("%s: got %q, want %q", name, test.got, test.want)
		}
	}
}

func TestATokenIsWantedUnlessSwitchedOff(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, test := range []struct {
		enabled *bool
		want    bool
	}{{nil, true}, {&yes, true}, {&no, false}} {
		c := v1alpha1.SfsClient{Spec: v1alpha1.SfsClientSpec{Token: v1alpha1.TokenSpec{Enabled: test.enabled}}}
		if got := c.TokenEnabled(); got != test.want {
			t.Errorf("got %t, want %t", got, test.want)
		}
	}
}

func TestSuspension(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spec       bool
		annotation string
		want       bool
	}{
		"neither":                   {false, "", false},
		"by the spec":               {true, "", true},
		"by the annotation":         {false, "true", true},
		"by both":                   {true, "true", true},
		"another annotation":        {false, "false", false},
		"an annotation in capitals": {false, "True", false},
		"the spec is the stronger":  {true, "false", true},
	}
	for name, test := range tests {
		meta := metav1.ObjectMeta{}
		if test.annotation != "" {
			meta.Annotations = map[string]string{"sendforsign.com/paused": test.annotation}
		}
		c := v1alpha1.SfsClient{ObjectMeta: meta, Spec: v1alpha1.SfsClientSpec{Suspend: test.spec}}
		u := v1alpha1.SfsClientUser{ObjectMeta: meta, Spec: v1alpha1.SfsClientUserSpec{Suspend: test.spec}}
		o := v1alpha1.OAuthToken{ObjectMeta: meta, Spec: v1alpha1.OAuthTokenSpec{Suspend: test.spec}}
		if c.IsSuspended() != test.want || u.IsSuspended() != test.want || o.IsSuspended() != test.want {
			t.Errorf("%s: a client is %t, a user %t, an access token %t, want %t",
				name, c.IsSuspended(), u.IsSuspended(), o.IsSuspended(), test.want)
		}
	}
}

func TestWhoNamesItsClientIsKnown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		spec v1alpha1.SfsClientSpec
		want bool
	}{
		{v1alpha1.SfsClientSpec{}, false},
		{v1alpha1.SfsClientSpec{FullName: "Globex"}, false},
		{v1alpha1.SfsClientSpec{CustomKey: "crm-1"}, true},
		{v1alpha1.SfsClientSpec{ClientKey: "key-1"}, true},
	} {
		if got := (&v1alpha1.SfsClient{Spec: test.spec}).NamesItsClient(); got != test.want {
			t.Errorf("%+v: got %t, want %t", test.spec, got, test.want)
		}
	}
}

func TestObservation(t *testing.T) {
	t.Parallel()
	for policy, want := range map[v1alpha1.ManagementPolicy]bool{"": false, "Manage": false, "Observe": true} {
		c := v1alpha1.SfsClient{Spec: v1alpha1.SfsClientSpec{ManagementPolicy: policy}}
		u := v1alpha1.SfsClientUser{Spec: v1alpha1.SfsClientUserSpec{ManagementPolicy: policy}}
		if c.IsObserved() != want || u.IsObserved() != want {
			t.Errorf("%q: a client is %t, a user %t, want %t", policy, c.IsObserved(), u.IsObserved(), want)
		}
	}
}

// What the spec leaves out is as the provider has it.
func TestProvidersHavePresets(t *testing.T) {
	t.Parallel()
	type facts struct {
		preset         string
		grant          v1alpha1.OAuthGrant
		authentication v1alpha1.OAuthClientAuthentication
		checks         bool
	}
	for name, test := range map[string]struct {
		spec v1alpha1.OAuthTokenSpec
		want facts
	}{
		"Signicat Express": {
			v1alpha1.OAuthTokenSpec{Provider: v1alpha1.OAuthProvider{Signicat: &v1alpha1.SignicatProvider{Environment: v1alpha1.SignicatExpress}}},
			facts{"Signicat/Express", "ClientCredentials", "Basic", false},
		},
		"Signicat Platform, in the form": {
			v1alpha1.OAuthTokenSpec{
				Provider:             v1alpha1.OAuthProvider{Signicat: &v1alpha1.SignicatProvider{Environment: v1alpha1.SignicatPlatform}},
				ClientAuthentication: v1alpha1.ClientAuthenticationForm,
			},
			facts{"Signicat/Platform", "ClientCredentials", "Form", false},
		},
		"Secured Signing": {
			v1alpha1.OAuthTokenSpec{Provider: v1alpha1.OAuthProvider{SecuredSigning: &v1alpha1.SecuredSigningProvider{}}},
			facts{"SecuredSigning/Global", "RefreshToken", "Form", false},
		},
		"Secured Signing in New Zealand, with its account": {
			v1alpha1.OAuthTokenSpec{Provider: v1alpha1.OAuthProvider{SecuredSigning: &v1alpha1.SecuredSigningProvider{
				Region: v1alpha1.SecuredSigningNewZealand, AccountCheck: v1alpha1.AccountCheckEnabled,
			}}},
			facts{"SecuredSigning/NewZealand", "RefreshToken", "Form", true},
		},
		"another": {
			v1alpha1.OAuthTokenSpec{Provider: v1alpha1.OAuthProvider{Generic: &v1alpha1.GenericProvider{}}},
			facts{"", "ClientCredentials", "Basic", false},
		},
		"another, with a refresh token": {
			v1alpha1.OAuthTokenSpec{Provider: v1alpha1.OAuthProvider{Generic: &v1alpha1.GenericProvider{}}, Grant: v1alpha1.GrantRefreshToken},
			facts{"", "RefreshToken", "Basic", false},
		},
	} {
		o := v1alpha1.OAuthToken{Spec: test.spec}
		got := facts{o.Spec.Provider.Preset(), o.Grant(), o.ClientAuthentication(), o.Spec.Provider.ChecksAccount()}
		if got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestWorkloadsOfAnAccessTokenAreRestartedWithEach(t *testing.T) {
	t.Parallel()
	o := v1alpha1.OAuthToken{Spec: v1alpha1.OAuthTokenSpec{RolloutRestartTargets: []v1alpha1.RestartedWorkload{
		{Name: "web", Kind: v1alpha1.RestartDeployment}, {Name: "db", Kind: v1alpha1.RestartStatefulSet},
	}}}
	targets := o.RestartTargets()
	if len(targets) != 2 {
		t.Fatalf("got %d targets, want 2", len(targets))
	}
	for i, target := range targets {
		if target.RestartedWorkload != o.Spec.RolloutRestartTargets[i] || target.When != v1alpha1.RestartWhenTokenChanged {
			t.Errorf("got %+v, want %+v with each token", target, o.Spec.RolloutRestartTargets[i])
		}
	}
}

// Applications, manifests in Git and buttons are written against these words: to change one breaks them.
func TestPublicWords(t *testing.T) {
	t.Parallel()
	for _, word := range []struct{ got, want string }{
		{v1alpha1.KeyClientKey, "clientKey"},
		{v1alpha1.KeyUserKey, "userKey"},
		{v1alpha1.KeyBaseURL, "baseURL"},
		{v1alpha1.KeyEnvClientKey, "SFS_CLIENT_KEY"},
		{v1alpha1.KeyEnvUserKey, "SFS_USER_KEY"},
		{v1alpha1.KeyToken, "token"},
		{v1alpha1.KeyTokenType, "tokenType"},
		{v1alpha1.KeyExpiresAt, "expiresAt"},
		{v1alpha1.KeyIssuedAt, "issuedAt"},
		{v1alpha1.KeyAPIKey, "apiKey"},
		{v1alpha1.KeyAPISecret, "secret"},
		{v1alpha1.KeyScope, "scope"},
		{v1alpha1.KeyClientID, "clientID"},
		{v1alpha1.KeyClientSecret, "clientSecret"},
		{v1alpha1.KeyRefreshToken, "refreshToken"},
		{v1alpha1.KeySigningSecret, "apiSecret"},
		{v1alpha1.KeyCallbackURL, "callbackURL"},
		{v1alpha1.KeySeed, "seed"},
		{v1alpha1.ManagedByLabel, "app.kubernetes.io/managed-by"},
		{v1alpha1.ManagedByValue, "sfs-operator"},
		{v1alpha1.ReconcileRequestedAtAnnotation, "sendforsign.com/reconcile-requested-at"},
		{v1alpha1.RenewRequestedAtAnnotation, "sendforsign.com/renew-requested-at"},
		{v1alpha1.PausedAnnotation, "sendforsign.com/paused"},
		{v1alpha1.RevokeTokenFinalizer, "sendforsign.com/revoke-token"},
		{v1alpha1.ContentHashAnnotation, "sendforsign.com/content-hash"},
		{v1alpha1.RevisionAnnotation, "sendforsign.com/revision"},
		{v1alpha1.IssuedAtAnnotation, "sendforsign.com/issued-at"},
		{v1alpha1.ExpiresAtAnnotation, "sendforsign.com/expires-at"},
		{v1alpha1.RenewHandledAnnotation, "sendforsign.com/renew-handled"},
		{v1alpha1.TokenHashAnnotation, "sendforsign.com/token-hash"},
		{v1alpha1.RevokeRequestedAtAnnotation, "sendforsign.com/revoke-requested-at"},
		{v1alpha1.RevokeHandledAnnotation, "sendforsign.com/revoke-handled"},
		{v1alpha1.PlatformRevokeHandledAnnotation, "sendforsign.com/platform-revoke-handled"},
		{v1alpha1.RevokePreviousAtAnnotation, "sendforsign.com/revoke-previous-at"},
		{v1alpha1.KeyPreviousTokens, "previousTokens"},
		{v1alpha1.OwnerLabel, "sendforsign.com/owner-uid"},
		{v1alpha1.RetireFinalizer, "sendforsign.com/retire"},
		{v1alpha1.InUseFinalizer, "sendforsign.com/in-use"},
		{v1alpha1.ReleaseSecretsFinalizer, "sendforsign.com/release-secrets"},
		{v1alpha1.OwnerNameAnnotation, "sendforsign.com/owner"},
		{v1alpha1.KeysAnnotation, "sendforsign.com/keys"},
		{v1alpha1.ShapeAnnotation, "sendforsign.com/shape"},
		{v1alpha1.TokenKeyAnnotation, "sendforsign.com/token-key"},
		{v1alpha1.TokenTypeAnnotation, "sendforsign.com/token-type"},
		{v1alpha1.TokenOfAnnotation, "sendforsign.com/token-of"},
		{v1alpha1.CreationPolicyAnnotation, "sendforsign.com/creation-policy"},
	} {
		if word.got != word.want {
			t.Errorf("got %q, want %q", word.got, word.want)
		}
	}
}
