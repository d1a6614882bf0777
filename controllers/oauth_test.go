// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
)

func TestATokenOfEachProviderIsKeptAlive(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	all := map[string]*v1alpha1.OAuthToken{}
	for name, p := range map[string]oauthtest.Provider{
		"express": oauthtest.SignicatExpress, "platform": oauthtest.SignicatPlatform,
		"secured": oauthtest.SecuredSigning, "generic": oauthtest.Generic,
	} {
		all[name], _ = w.newOAuthToken(name, p)
	}
	all["refreshed"], _ = w.newOAuthToken("refreshed", oauthtest.Generic, func(o *v1alpha1.OAuthToken) {
		o.Spec.Grant, o.Spec.ClientAuthentication = v1alpha1.GrantRefreshToken, v1alpha1.ClientAuthenticationForm
		o.Spec.Scopes = []v1alpha1.OAuthScope{"read"}
	})
	w.settle()
	tokens := slices.Collect(maps.Values(all))
	for _, o := range tokens {
		w.wantReady(o)
		w.accessToken(o)
	}
	w.alwaysUsable(tokens...)
	w.run(25 * time.Hour)
	for name, want := range map[string][]string{
		"express":   {"baseURL", "expiresAt", "issuedAt", "token", "tokenType"},
		"platform":  {"baseURL", "expiresAt", "issuedAt", "scope", "token", "tokenType"},
		"secured":   {"baseURL", "expiresAt", "issuedAt", "scope", "token", "tokenType"},
		"generic":   {"expiresAt", "issuedAt", "scope", "token", "tokenType"},
		"refreshed": {"expiresAt", "issuedAt", "scope", "token", "tokenType"},
	} {
		w.wantReady(all[name])
		_, info := w.accessToken(all[name])
		data := w.secret(all[name].TokenSecretName()).Data
		if got := slices.Sorted(maps.Keys(data)); !slices.Equal(got, want) {
			t.Errorf("%s: the Secret has the keys %v, want %v", name, got, want)
		}
		if got := w.providers.LiveTokens(info.ClientID); got > 2 {
			t.Errorf("%s: %d tokens live at the provider", name, got)
		}
	}
	if got := string(w.secret("refreshed-oauth-token").Data["scope"]); got != "read" {
		t.Errorf("the scope is %q", got)
	}
	if n := w.providers.CountCalls("revoke", ""); n != 0 {
		t.Errorf("%d revocations", n)
	}
}

func TestShortLivesAreObeyed(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{time.Minute, 10 * time.Minute} {
		t.Run(life.String(), func(t *testing.T) {
			t.Parallel()
			w := newOAuthWorld(t, oauthtest.Behaviour{})
			o, c := w.newOAuthToken("short", oauthtest.SignicatPlatform)
			w.providers.SetTokenLifetime(c.ID, life)
			w.settle()
			w.wantReady(o)
			w.alwaysUsable(o)
			w.providers.ResetCalls()
			w.run(10 * life)
			w.wantReady(o)
			// A third of the life is the margin, but at least three minutes and at most four fifths; the jitter takes a tenth.
			least, most := 14, 18
			if life == time.Minute {
				least, most = 48, 57
			}
			if n := w.providers.CountCalls("token", ""); n < least || n > most {
				t.Errorf("%d tokens in ten lives, want %d to %d", n, least, most)
			}
		})
	}
}

func TestEachRefusalSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		provider  oauthtest.Provider
		behaviour oauthtest.Behaviour
		fault     oauthtest.Fault
		change    func(*oauthWorld, *v1alpha1.OAuthToken, oauthtest.Client)
		spec      func(*v1alpha1.OAuthToken)
		reason    string
		words     []string
		// restored has it well again, within a minute and a half.
		restored func(*oauthWorld, *v1alpha1.OAuthToken, oauthtest.Client)
	}{
		"invalid_client": {
			provider: oauthtest.SignicatPlatform,
			change: func(w *oauthWorld, o *v1alpha1.OAuthToken, _ oauthtest.Client) {
				w.putCredential(o, v1alpha1.KeyClientSecret, "wrong")
			},
			reason: v1alpha1.CredentialsInvalidReason, words: []string{"Signicat", "invalid_client", "Secret it-client"},
			restored: func(w *oauthWorld, o *v1alpha1.OAuthToken, c oauthtest.Client) {
				w.putCredential(o, v1alpha1.KeyClientSecret, c.Secret)
			},
		},
		"invalid_client with 401": {
			provider: oauthtest.SignicatExpress, behaviour: oauthtest.Behaviour{Errors: oauthtest.Errors401, Descriptions: oauthtest.DescriptionsEchoed},
			change: func(w *oauthWorld, o *v1alpha1.OAuthToken, _ oauthtest.Client) {
				w.putCredential(o, v1alpha1.KeyClientSecret, "wrong")
			},
			reason: v1alpha1.CredentialsInvalidReason, words: []string{"Signicat"},
		},
		"unauthorized_client": {
			provider: oauthtest.SignicatPlatform, fault: oauthtest.Fault{Endpoint: "token", Status: 400, Body: `{"error":"unauthorized_client"}`},
			reason: v1alpha1.CredentialsInvalidReason, words: []string{"grant ClientCredentials"},
		},
		"invalid_scope": {
			provider: oauthtest.SignicatPlatform,
			spec:     func(o *v1alpha1.OAuthToken) { o.Spec.Scopes = []v1alpha1.OAuthScope{"SIGNICAT-API"} },
			reason:   v1alpha1.ScopeRefusedReason, words: []string{"spec.scopes"},
			restored: func(w *oauthWorld, o *v1alpha1.OAuthToken, _ oauthtest.Client) {
				update(w.world, o, func(o *v1alpha1.OAuthToken) { o.Spec.Scopes = []v1alpha1.OAuthScope{"signicat-api"} })
			},
		},
		"invalid_scope with 401": {
			provider: oauthtest.Generic, behaviour: oauthtest.Behaviour{Errors: oauthtest.Errors401},
			spec:   func(o *v1alpha1.OAuthToken) { o.Spec.Scopes = []v1alpha1.OAuthScope{"nothing"} },
			reason: v1alpha1.ScopeRefusedReason, words: []string{"127.0.0.1", "spec.scopes"},
		},
		"invalid_grant": {
			provider: oauthtest.SecuredSigning,
			change: func(w *oauthWorld, _ *v1alpha1.OAuthToken, c oauthtest.Client) {
				w.providers.RevokeRefreshTokens(c.ID)
			},
			reason: v1alpha1.RefreshTokenRefusedReason, words: []string{"Secured Signing", "another OAuthToken or program uses the same one", "refreshToken into Secret it-client"},
			restored: func(w *oauthWorld, o *v1alpha1.OAuthToken, c oauthtest.Client) {
				w.putCredential(o, v1alpha1.KeyRefreshToken, w.providers.Reseed(c.ID))
			},
		},
		"no life": {
			provider: oauthtest.SignicatPlatform, behaviour: oauthtest.Behaviour{ExpiresIn: oauthtest.ExpiresInAbsent},
			reason: v1alpha1.MalformedResponseReason, words: []string{"expires_in"},
		},
		"another refusal": {
			provider: oauthtest.Generic, fault: oauthtest.Fault{Endpoint: "token", Status: 400, Body: `{"error":"invalid_request"}`},
			reason: v1alpha1.RequestRefusedReason, words: []string{"invalid_request"},
		},
		"a code of the provider's own": {
			provider: oauthtest.Generic, fault: oauthtest.Fault{Endpoint: "token", Status: 403, Body: `{"error":"quota_4711"}`},
			reason: v1alpha1.RequestRefusedReason, words: []string{"HTTP status 403", "log of the operator"},
		},
		"no credentials": {
			provider: oauthtest.SignicatPlatform,
			spec:     func(o *v1alpha1.OAuthToken) { o.Spec.CredentialsSecretRef.Name = "nothing" },
			reason:   v1alpha1.CredentialsSecretNotFoundReason, words: []string{"Secret nothing", "clientID, clientSecret"},
			restored: func(w *oauthWorld, _ *v1alpha1.OAuthToken, c oauthtest.Client) {
				w.newCredentials("nothing", c)
			},
		},
		"credentials with a line break": {
			provider: oauthtest.SecuredSigning,
			change: func(w *oauthWorld, o *v1alpha1.OAuthToken, c oauthtest.Client) {
				w.putCredential(o, v1alpha1.KeyRefreshToken, c.RefreshToken+"\n")
			},
			reason: v1alpha1.CredentialsSecretMalformedReason, words: []string{"clientID, clientSecret, refreshToken", "see refreshToken"},
			restored: func(w *oauthWorld, o *v1alpha1.OAuthToken, c oauthtest.Client) {
				w.putCredential(o, v1alpha1.KeyRefreshToken, c.RefreshToken)
			},
		},
		"another host": {
			provider: oauthtest.Generic,
			spec: func(o *v1alpha1.OAuthToken) {
				o.Spec.Provider.Generic.TokenURL = "https://metadata.internal/token"
			},
			reason: v1alpha1.HostNotAllowedReason, words: []string{"metadata.internal", "--oauth-allowed-hosts"},
		},
		"another host for the revocation": {
			provider: oauthtest.Generic,
			spec: func(o *v1alpha1.OAuthToken) {
				o.Spec.Provider.Generic.RevocationURL = "https://127.0.0.1/revoke" // of another port
			},
			reason: v1alpha1.HostNotAllowedReason, words: []string{"127.0.0.1, so"},
		},
		"authorities that are none": {
			provider: oauthtest.Generic,
			spec:     func(o *v1alpha1.OAuthToken) { o.Spec.Provider.Generic.CABundle = []byte("none") },
			reason:   v1alpha1.InvalidConfigurationReason, words: []string{"caBundle"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newOAuthWorld(t, test.behaviour)
			if test.fault.Status != 0 {
				w.providers.Inject(test.fault)
			}
			o, c := w.newOAuthToken("it", test.provider, func(o *v1alpha1.OAuthToken) {
				if test.spec != nil {
					test.spec(o)
				}
			})
			if test.change != nil {
				test.change(w, o, c)
			}
			w.run(time.Minute)
			w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionFalse, test.reason, test.words...)
			w.wantCondition(o, v1alpha1.StalledCondition, metav1.ConditionTrue, test.reason)
			asked := w.providers.CountCalls("token", "")
			if test.reason == v1alpha1.HostNotAllowedReason && asked != 0 {
				t.Errorf("%d requests to a host that is not allowed", asked)
			}
			if asked > 3 {
				t.Errorf("%d requests in a minute", asked)
			}
			if n := w.recorder.count("it", test.reason); n != 1 {
				t.Errorf("%d events tell of it, want 1", n)
			}
			if test.restored == nil {
				return
			}
			test.restored(w, o, c)
			w.run(90 * time.Second)
			w.wantReady(o)
			w.accessToken(o)
		})
	}
}

// TestACodeThatChangesChangesNoStatus: a provider may put another number into its errors each time.
func TestACodeThatChangesChangesNoStatus(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	for n := range 20 {
		w.providers.Inject(oauthtest.Fault{Endpoint: "token", Times: 1, Status: 400, Body: fmt.Sprintf(`{"error":"request_%d_refused"}`, n)})
	}
	o, _ := w.newOAuthToken("it", oauthtest.Generic)
	w.run(time.Minute)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.RequestRefusedReason)
	version, asked := o.ResourceVersion, w.providers.CountCalls("token", "")
	w.run(30 * time.Minute)
	w.reload(o)
	if w.providers.CountCalls("token", "") < asked+2 {
		t.Fatal("it is not tried again")
	}
	if o.ResourceVersion != version {
		t.Error("each attempt writes the status")
	}
}

// TestTwoOAuthTokensWithOneRefreshToken: where it is replaced, the second is told what to look for.
func TestTwoOAuthTokensWithOneRefreshToken(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.run(time.Minute)
	second := &v1alpha1.OAuthToken{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "second"}, Spec: *o.Spec.DeepCopy()}
	w.create(second)
	w.run(time.Minute)
	w.wantReady(o)
	w.wantCondition(second, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.RefreshTokenRefusedReason,
		"another OAuthToken or program uses the same one")
}

// TestCredentialsThatChange has a token live on while they are wrong, and be replaced without a gap when they are other ones.
func TestCredentialsThatChange(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, c := w.newOAuthToken("it", oauthtest.SignicatExpress)
	w.settle()
	first, _ := w.accessToken(o)
	w.alwaysUsable(o)

	next := w.providers.AddSecret(c.ID)
	w.putCredential(o, v1alpha1.KeyClientSecret, next)
	w.run(lookInterval + time.Second)
	second, _ := w.accessToken(o)
	if second == first {
		t.Fatalf("the token that was given for another secret is still published after %s", lookInterval)
	}
	w.providers.WithdrawSecret(c.ID, c.Secret)
	w.run(time.Hour)
	w.wantReady(o)

	w.putCredential(o, v1alpha1.KeyClientSecret, "wrong")
	w.run(lookInterval + time.Second)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.CredentialsInvalidReason, "the token lives")
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.CredentialsInvalidReason)
	w.putCredential(o, v1alpha1.KeyClientSecret, next)
	w.run(soonLook + time.Second)
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.AvailableReason)

	w.delete(w.secret("it-client"))
	w.run(lookInterval + time.Second)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.CredentialsSecretNotFoundReason, "the token lives")
	w.newCredentials("it-client", c)
	w.putCredential(o, v1alpha1.KeyClientSecret, next)
	w.run(soonLook + time.Second)
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.AvailableReason)
}

func TestScopesThatChange(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("it", oauthtest.Generic, func(o *v1alpha1.OAuthToken) { o.Spec.Scopes = []v1alpha1.OAuthScope{"read"} })
	w.settle()
	first, _ := w.accessToken(o)
	w.alwaysUsable(o)
	update(w.world, o, func(o *v1alpha1.OAuthToken) { o.Spec.Scopes = []v1alpha1.OAuthScope{"read", "nothing"} })
	w.run(time.Minute)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.ScopeRefusedReason, "the token lives")
	if now, _ := w.accessToken(o); now != first {
		t.Error("the token is another one")
	}
	update(w.world, o, func(o *v1alpha1.OAuthToken) { o.Spec.Scopes = []v1alpha1.OAuthScope{"write", "read"} })
	w.settle()
	w.wantReady(o)
	if got := string(w.secret(o.TokenSecretName()).Data["scope"]); got != "write read" {
		t.Errorf("the scope is %q", got)
	}
}

func TestAProviderThatIsAwayOrWantsAPause(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("it", oauthtest.SignicatExpress)
	other, _ := w.newOAuthToken("other", oauthtest.SignicatExpress)
	heal := w.providers.Inject(oauthtest.Fault{Endpoint: "token", Status: 503})
	w.run(time.Minute)
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.APIUnavailableReason, "Signicat")
	heal()
	w.run(time.Minute)
	w.wantReady(o, other)
	w.alwaysUsable(o, other)
	w.providers.Inject(oauthtest.Fault{Endpoint: "token", Times: 1, Status: 429, Header: map[string][]string{"Retry-After": {"60"}}})
	w.providers.ResetCalls()
	w.run(50 * time.Minute)
	w.wantReady(o, other)
	var refused time.Time
	var of string
	for _, call := range w.providers.Calls() {
		switch {
		case call.Status == 429:
			refused, of = call.Time, call.ClientID
		case call.ClientID == of && call.Time.Before(refused.Add(time.Minute)):
			t.Errorf("a request %s after a pause of a minute was asked for", call.Time.Sub(refused))
		}
	}
	if refused.IsZero() {
		t.Error("there was no pause")
	}
}
