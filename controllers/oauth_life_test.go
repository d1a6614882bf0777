// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
	"github.com/sendforsign/sfs-operator/secret"
)

func (w *oauthWorld) wantRevoked(values ...secret.Text) {
	w.t.Helper()
	for i, v := range values {
		if info, _ := w.providers.TokenState(v); !info.Revoked {
			w.t.Errorf("token %d is not revoked: %+v", i, info)
		}
	}
}

func TestADeletedOAuthTokenIsRevoked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		provider  oauthtest.Provider
		behaviour oauthtest.Behaviour
		alone     bool // without its credentials
		event     string
	}{
		"Secured Signing":                         {provider: oauthtest.SecuredSigning, event: "Revoked"},
		"Secured Signing with a redirect":         {provider: oauthtest.SecuredSigning, behaviour: oauthtest.Behaviour{RevokeReply: oauthtest.RevokeReply302}, event: "Revoked"},
		"Secured Signing without its credentials": {provider: oauthtest.SecuredSigning, alone: true, event: "Revoked"},
		"generic":                         {provider: oauthtest.Generic, event: "Revoked"},
		"generic without its credentials": {provider: oauthtest.Generic, alone: true, event: "NotRevoked"},
		"Signicat, which can not":         {provider: oauthtest.SignicatPlatform, event: "NotRevoked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newOAuthWorld(t, test.behaviour)
			w.collects = true
			o, _ := w.newOAuthToken("it", test.provider)
			w.settle()
			value, _ := w.accessToken(o)
			if test.alone {
				w.delete(w.secret("it-client"))
			}
			w.restart()
			w.delete(o)
			w.run(10 * time.Second)
			if !w.isGone(o) {
				t.Fatal("the resource is held")
			}
			if test.event == "Revoked" {
				w.wantRevoked(value)
			}
			if n := w.recorder.count("it", test.event); n != 1 {
				t.Errorf("%d events %s, want 1: %q", n, test.event, w.recorder.all())
			}
			if w.secret("it-oauth-token") != nil || w.secret("it-oauth-state") != nil {
				t.Error("a Secret is left")
			}
		})
	}
}

// TestADeletionWaitsAMinuteForTheProvider, and the state is there until then.
func TestADeletionWaitsAMinuteForTheProvider(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	w.collects = true
	o, _ := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.settle()
	w.providers.Inject(oauthtest.Fault{Endpoint: "revoke", Status: 503})
	w.delete(o)
	w.run(50 * time.Second)
	if w.isGone(o) || w.refreshToken(o) == "" {
		t.Fatal("the resource, or its state, is gone although the token may still be revoked")
	}
	w.run(20 * time.Second)
	if !w.isGone(o) || w.recorder.count("it", "NotRevoked") != 1 {
		t.Errorf("the resource is held, or nobody was told: %q", w.recorder.all())
	}
}

func TestTokensThatWereReplacedAreRevoked(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning, func(o *v1alpha1.OAuthToken) {
		o.Spec.Token.RevocationPolicy = v1alpha1.RevokeOnRotate
	})
	w.shortOf(c)
	w.settle()
	first, _ := w.accessToken(o)
	w.alwaysUsable(o)
	w.run(50 * time.Minute)
	w.wantRevoked(first)
	second, _ := w.accessToken(o)
	update(w.world, o, func(o *v1alpha1.OAuthToken) {
		o.Annotations = map[string]string{v1alpha1.RevokeRequestedAtAnnotation: "1"}
	})
	w.settle()
	w.wantRevoked(second)
	third, _ := w.accessToken(o)
	update(w.world, o, func(o *v1alpha1.OAuthToken) { o.Annotations[v1alpha1.RenewRequestedAtAnnotation] = "1" })
	w.settle()
	if now, _ := w.accessToken(o); now == third {
		t.Error("there is no new token although one was asked for")
	}
	w.wantReady(o)
	if o.Status.LastHandledRenewAt != "1" || o.Status.LastHandledRevokeAt != "1" {
		t.Errorf("the status tells of the requests %q and %q", o.Status.LastHandledRenewAt, o.Status.LastHandledRevokeAt)
	}
}

func TestARevocationThatIsAskedForOfWhoHasNone(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("it", oauthtest.SignicatExpress)
	w.settle()
	before, _ := w.accessToken(o)
	update(w.world, o, func(o *v1alpha1.OAuthToken) {
		o.Annotations = map[string]string{v1alpha1.RevokeRequestedAtAnnotation: "1"}
	})
	w.run(time.Minute)
	w.wantReady(o)
	if now, _ := w.accessToken(o); now == before {
		t.Error("there is no new token")
	}
	if n := w.recorder.count("it", "NotRevoked"); n != 1 {
		t.Errorf("%d events say that the token before it was not revoked, want 1", n)
	}
	if w.secret(o.TokenSecretName()).Data[v1alpha1.KeyPreviousTokens] != nil {
		t.Error("the token before it still waits")
	}
}

func TestASuspendedOAuthTokenIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("it", oauthtest.SignicatPlatform)
	w.settle()
	update(w.world, o, func(o *v1alpha1.OAuthToken) { o.Annotations = map[string]string{v1alpha1.PausedAnnotation: "true"} })
	w.settle()
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.SuspendedReason)
	w.providers.ResetCalls()
	w.run(11 * time.Minute)
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.SuspendedReason)
	if n := len(w.providers.Calls()); n != 0 {
		t.Errorf("%d requests", n)
	}
	update(w.world, o, func(o *v1alpha1.OAuthToken) { delete(o.Annotations, v1alpha1.PausedAnnotation) })
	w.settle()
	w.wantReady(o)
	w.accessToken(o)
}

func checked(o *v1alpha1.OAuthToken) {
	o.Spec.Provider.SecuredSigning.AccountCheck = v1alpha1.AccountCheckEnabled
}

func TestASuspendedAccountIsToldFromABadToken(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning, checked)
	w.run(probeInterval + time.Minute)
	w.wantReady(o)
	if w.providers.CountCalls("account", "") == 0 {
		t.Fatal("the account was not asked for")
	}
	w.providers.SetAccount(c.ID, "OnHold", false)
	w.run(probeInterval + time.Second)
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.AccountSuspendedReason, "Secured Signing", "OnHold")
	w.wantCondition(o, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.AccountSuspendedReason)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
	w.restart()
	w.settle()
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.AccountSuspendedReason, "OnHold")
	w.reload(o)
	version := o.ResourceVersion
	w.run(30 * time.Minute)
	w.reload(o)
	if o.ResourceVersion != version {
		t.Error("the status is written although nothing has changed")
	}
	w.providers.SetAccount(c.ID, "Paid", true)
	w.run(probeInterval + time.Second)
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.AccountSuspendedReason, "Locked")
	w.providers.SetAccount(c.ID, "Paid", false)
	w.run(probeInterval + time.Second)
	w.wantReady(o)
	if n := w.providers.CountCalls("token", ""); n != 1 {
		t.Errorf("%d tokens, want 1: the token was good all the time", n)
	}
	update(w.world, o, func(o *v1alpha1.OAuthToken) {
		o.Spec.Provider.SecuredSigning.AccountCheck = v1alpha1.AccountCheckDisabled
	})
	w.providers.ResetCalls()
	w.run(2 * probeInterval)
	if n := len(w.providers.Calls()); n != 0 {
		t.Errorf("%d requests although the account is not to be checked", n)
	}
}

// TestATokenLivesWithoutTheKeysOfTheAccountCheck: what a check lacks keeps no token from being renewed.
func TestATokenLivesWithoutTheKeysOfTheAccountCheck(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning, checked)
	w.shortOf(c)
	take := func(keys ...string) {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "it-client"}}
		update(w.world, s, func(s *corev1.Secret) {
			for _, key := range keys {
				delete(s.Data, key)
			}
		})
	}
	take(v1alpha1.KeyAPIKey, v1alpha1.KeySigningSecret)
	w.run(time.Minute)
	w.alwaysUsable(o)
	w.run(3 * time.Hour)
	unchecked := []string{"the account can not be checked", "Secret it-client must have the keys apiKey, apiSecret,", "see apiKey, apiSecret"}
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.CredentialsSecretMalformedReason, unchecked...)
	w.wantCondition(o, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.CredentialsSecretMalformedReason)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
	if n := w.recorder.count("it", v1alpha1.CredentialsSecretMalformedReason); n != 1 {
		t.Errorf("%d events tell of it, want 1", n)
	}
	w.putCredential(o, v1alpha1.KeyAPIKey, c.APIKey)
	w.putCredential(o, v1alpha1.KeySigningSecret, c.APISecret)
	w.run(soonLook + time.Second)
	w.wantReady(o)
	w.providers.SetAccount(c.ID, "OnHold", false)
	w.run(probeInterval + time.Second)
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.AccountSuspendedReason, "OnHold")

	probing, _ := w.parts.oauth.keeper.probes.get(refTo(o))
	w.run(probing.next.Sub(w.clock.Now()) - time.Second)
	take(v1alpha1.KeySigningSecret) // so that it is noticed in the middle of a check
	asked := w.providers.CountCalls("account", "")
	w.run(3 * probeInterval)
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.CredentialsSecretMalformedReason, "see apiSecret")
	if n := w.providers.CountCalls("account", ""); n != asked {
		t.Errorf("%d requests that can not be signed", n-asked)
	}
	w.putCredential(o, v1alpha1.KeySigningSecret, c.APISecret)
	w.providers.SetAccount(c.ID, "Paid", false)
	w.run(soonLook + probeInterval + time.Second)
	w.wantReady(o)
	w.putCredential(o, v1alpha1.KeySigningSecret, "wrong")
	w.run(3 * probeInterval)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.TokenRejectedReason)
	w.putCredential(o, v1alpha1.KeyCallbackURL, "nowhere")
	w.run(2 * time.Hour)
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.CredentialsSecretMalformedReason, "callback URL is not")
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
}

func TestATokenThatIsRefusedIsReplacedOnce(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("it", oauthtest.SecuredSigning, checked)
	w.run(probeInterval + time.Minute)
	before, _ := w.accessToken(o)
	w.providers.Inject(oauthtest.Fault{Endpoint: "account", Times: 1, Status: 401})
	w.run(probeInterval + time.Second)
	w.wantReady(o)
	if now, _ := w.accessToken(o); now == before {
		t.Fatal("the token was not replaced")
	}
	w.putCredential(o, v1alpha1.KeySigningSecret, "wrong") // which looks the same
	w.run(3 * probeInterval)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.TokenRejectedReason, "Secured Signing takes neither", "apiSecret or callbackURL in Secret it-client")
	if n := w.providers.CountCalls("token", ""); n > 3 {
		t.Errorf("%d tokens, want 3 at most", n)
	}
}

func TestAnotherNameAndAnotherShape(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.settle()
	value, _ := w.accessToken(o)
	update(w.world, o, func(o *v1alpha1.OAuthToken) {
		o.Spec.Token.Secret.Name = "other"
		o.Spec.Token.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"conf": "{{ .token }} for {{ .scope }} at {{ .baseURL }}"}
	})
	w.settle()
	w.wantReady(o)
	if now, _ := w.accessToken(o); now != value {
		t.Error("the token is another one")
	}
	if len(o.Status.FormerSecrets) != 1 || o.Status.FormerSecrets[0].Name != "it-oauth-token" {
		t.Errorf("former Secrets are %v", o.Status.FormerSecrets)
	}
	want := fmt.Sprintf("%s for Basic ISign WeSign SmartTag FormDirect FormFiller at %s", value.Reveal(), w.providers.ResourceURL())
	if got := string(w.secret("other").Data["conf"]); got != want {
		t.Error("the template was not carried out")
	}
	w.run(formerGracePeriod + time.Second)
	if w.secret("it-oauth-token") != nil || w.secret("it-oauth-state") == nil {
		t.Error("the Secret of the former name is there, or the state is not")
	}
	update(w.world, o, func(o *v1alpha1.OAuthToken) {
		o.Spec.Token.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"conf": "{{ .nothing }}"}
	})
	w.settle()
	w.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.TemplateErrorReason, "spec.token.secret.template")
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
	w.accessToken(o)
}

func TestASecretThatIsLostOrDamagedIsWrittenAnew(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("it", oauthtest.SignicatExpress)
	w.run(time.Minute)
	value, _ := w.accessToken(o)
	w.delete(w.secret(o.TokenSecretName()))
	w.run(time.Minute)
	update(w.world, w.secret(o.TokenSecretName()), func(s *corev1.Secret) { s.Data["expiresAt"] = []byte("never") })
	w.restart()
	w.run(time.Minute)
	if now, _ := w.accessToken(o); now != value || w.providers.CountCalls("token", "") != 1 {
		t.Error("another token was asked for")
	}
	if got := string(w.secret(o.TokenSecretName()).Data["expiresAt"]); got == "never" {
		t.Error("the damage was left")
	}
}

func TestConsumersOfAnOAuthTokenAreRestarted(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	app, other := w.newWorkload(v1alpha1.RestartDeployment, "api"), w.newWorkload(v1alpha1.RestartDeployment, "other")
	o, _ := w.newOAuthToken("it", oauthtest.SignicatPlatform, func(o *v1alpha1.OAuthToken) {
		o.Spec.RolloutRestartTargets = []v1alpha1.RestartedWorkload{{Name: "api", Kind: v1alpha1.RestartDeployment}}
	})
	w.run(10 * time.Minute)
	w.wantReady(o)
	w.wantRestarts(app, 0)
	w.asked.TakeRefused() // the right to do that is not bound yet
	if note := o.Status.RolloutRestarts[0]; !note.Pending || !strings.Contains(note.Message, restartRole) {
		t.Errorf("without the right the status says %+v", note)
	}
	w.mayRestart()
	w.run(10 * time.Minute)
	w.reload(o)
	w.reload(app)
	revision, made := o.Status.Token.Revision, app.GetGeneration()-1
	if made == 0 {
		t.Error("nobody was restarted when the right was there")
	}
	w.run(time.Hour)
	w.wantReady(o)
	w.wantRestarts(app, made+o.Status.Token.Revision-revision)
	w.wantRestarts(other, 0)
	fingerprint, _, _ := unstructured.NestedString(app.Object,
		"spec", "template", "metadata", "annotations", v1alpha1.RestartAnnotationPrefix+string(o.UID)[:8])
	note := o.Status.RolloutRestarts[0]
	if note.Fingerprint == "" || note.Fingerprint != fingerprint || note.LastRestartTime == nil || note.Pending || note.Message != "" {
		t.Errorf("the status says %+v, the annotation %q", note, fingerprint)
	}
	if o.Status.Token.Revision < revision+8 {
		t.Error("no token was renewed")
	}
}

// TestWhatARenewalOfAnOAuthTokenCosts holds the requests, to both servers and in their order, to what docs/scaling.md says of
// them.
func TestWhatARenewalOfAnOAuthTokenCosts(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	platform := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: w.platform}}
	update(w.world, platform, func(p *v1alpha1.SfsPlatform) {
		p.Spec.DriftCheckInterval = &metav1.Duration{Duration: 24 * time.Hour}
	})
	o, c := w.newOAuthToken("it", oauthtest.SignicatExpress)
	w.run(time.Minute)
	w.wantReady(o)
	requests := func(d time.Duration) []string {
		w.wire.arm(nil)
		w.run(d)
		var got []string
		for _, call := range w.wire.made(0) {
			if call.plane != planeSFS && call.target.kind != platformKind {
				got = append(got, call.String())
			}
		}
		return got
	}
	if got, want := requests(lookInterval), []string{"api get secrets"}; !slices.Equal(got, want) {
		t.Errorf("an interval without a renewal costs %q, want %q", got, want)
	}
	w.providers.SetTokenLifetime(c.ID, time.Hour)
	var got []string
	for range 8 { // of which one has the renewal
		got = append(got, requests(lookInterval)...)
	}
	got = slices.Compact(got)
	if want := []string{
		"api get secrets", "oauth client_credentials token", "api patch secrets", "api patch oauthtokens/status", "api get secrets",
	}; !slices.Equal(got, want) {
		t.Errorf("a renewal costs %q, want %q", got, want)
	}
	w.reload(o)
	if !conditions.IsTrue(o, v1alpha1.ReadyCondition) || o.Status.Token.Revision != 2 {
		t.Errorf("the status tells of %+v", o.Status.Token)
	}
}

// TestARevocationWaitsForTheCredentials: that they are refused says nothing of the token that is to be revoked.
func TestARevocationWaitsForTheCredentials(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("it", oauthtest.Generic, func(o *v1alpha1.OAuthToken) {
		o.Spec.Token.RevocationPolicy = v1alpha1.RevokeOnRotate
	})
	w.settle()
	first, _ := w.accessToken(o)
	update(w.world, o, func(o *v1alpha1.OAuthToken) {
		o.Annotations = map[string]string{v1alpha1.RenewRequestedAtAnnotation: "1"}
	})
	w.settle()
	heal := w.providers.Inject(oauthtest.Fault{Endpoint: "revoke", Status: 401, Body: `{"error":"invalid_client"}`})
	w.run(defaultGracePeriod + time.Minute)
	heal()
	w.run(30 * time.Minute)
	w.wantRevoked(first)
}

// TestATokenThatExpiresWithinTheGracePeriodIsLeftTo is what the field previousTokenGracePeriod says.
func TestATokenThatExpiresWithinTheGracePeriodIsLeftTo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		grace   *metav1.Duration
		revoked bool
	}{
		"by default it has expired before": {nil, false},
		"after a shorter one it lives":     {&metav1.Duration{Duration: 3 * time.Minute}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newOAuthWorld(t, oauthtest.Behaviour{})
			o, c := w.newOAuthToken("it", oauthtest.Generic, func(o *v1alpha1.OAuthToken) {
				o.Spec.Token.RevocationPolicy, o.Spec.Token.PreviousTokenGracePeriod = v1alpha1.RevokeOnRotate, test.grace
			})
			w.providers.SetTokenLifetime(c.ID, 10*time.Minute)
			w.settle()
			w.alwaysUsable(o)
			w.run(time.Hour)
			w.wantReady(o)
			if n := w.providers.CountCalls("revoke", ""); n > 0 != test.revoked {
				t.Errorf("%d revocations", n)
			}
			if _, waits := w.secret(o.TokenSecretName()).Data[v1alpha1.KeyPreviousTokens]; waits && !test.revoked {
				t.Error("a token waits for its revocation, which will have expired before")
			}
		})
	}
}

// TestATokenOfAnotherClientSecretIsRevoked: it was replaced, and for a secret that has leaked that matters most.
func TestATokenOfAnotherClientSecretIsRevoked(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, c := w.newOAuthToken("it", oauthtest.Generic, func(o *v1alpha1.OAuthToken) {
		o.Spec.Token.RevocationPolicy = v1alpha1.RevokeOnRotate
	})
	w.settle()
	first, _ := w.accessToken(o)
	w.putCredential(o, v1alpha1.KeyClientSecret, w.providers.AddSecret(c.ID))
	w.run(lookInterval + time.Second)
	if now, _ := w.accessToken(o); now == first {
		t.Fatal("the token was not replaced")
	}
	w.run(defaultGracePeriod + time.Minute)
	w.wantRevoked(first)
	w.wantReady(o)
}

// TestATokenIsNotShownToAnotherProvider: who may change the spec must not be able to send a token where they like.
func TestATokenIsNotShownToAnotherProvider(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	w.collects = true
	o, _ := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.settle()
	w.accessToken(o)
	w.providers.Inject(oauthtest.Fault{Endpoint: "token", Status: 503})
	update(w.world, o, func(o *v1alpha1.OAuthToken) { o.Spec.Provider = w.providerFor(oauthtest.Generic) })
	w.run(time.Minute)
	w.restart()
	w.delete(o)
	w.run(10 * time.Second)
	if n := w.providers.CountCalls("revoke", ""); n != 0 || !w.isGone(o) {
		t.Errorf("%d requests show the token of one provider to another, or the resource is held", n)
	}
	if w.recorder.count("it", "NotRevoked") != 1 {
		t.Errorf("nobody was told that the token lives on: %q", w.recorder.all())
	}
}

// TestAClientIDIsNoSecret: who knows that of another must not stand in their queue, nor have them wait for a pause.
func TestAClientIDIsNoSecret(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	victim, c := w.newOAuthToken("victim", oauthtest.SignicatPlatform)
	same := func(name, credentials string) *v1alpha1.OAuthToken {
		o := &v1alpha1.OAuthToken{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: *victim.Spec.DeepCopy()}
		o.Spec.CredentialsSecretRef.Name = credentials
		w.create(o)
		return o
	}
	same("friend", "victim-client")
	c.Secret = "guessed"
	w.newCredentials("foe-client", c)
	same("foe", "foe-client")
	w.settle()
	gateOf := func(name string) *gate {
		open := w.parts.oauth.sessions.open[ref{oauthKind, w.namespace, name}]
		if open == nil {
			t.Fatalf("%s has no session", name)
		}
		return open.gate
	}
	if gateOf("victim") != gateOf("friend") {
		t.Error("who has the same credentials has another gate")
	}
	if gateOf("victim") == gateOf("foe") {
		t.Error("who only knows the client ID shares the gate")
	}
}
