// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
)

// The stories of OAuthTokens.

func (p *photographer) withProviders(b oauthtest.Behaviour) *oauthWorld {
	p.t.Helper()
	return withProviders(p.t, p.world, b)
}

func otherLife(p *photographer) {
	w := p.withProviders(oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("signicat", oauthtest.SignicatPlatform)
	p.take("unobserved", o)
	w.providers.Inject(oauthtest.Fault{Endpoint: "token", Times: 1, Before: func() { p.take("first-token", o) }})
	p.run(time.Minute)
	p.wantReady(o)
	p.take("ready", o)
	w.providers.Inject(oauthtest.Fault{Endpoint: "token", Times: 1, Before: func() { p.take("renewing", o) }})
	p.reload(o)
	p.saw = func(d delivery) { // no version in between is another state
		if now, ok := d.after.(*v1alpha1.OAuthToken); ok && describe(now) != describe(o) {
			p.t.Errorf("a routine renewal has changed the conditions from%s\nto%s", describe(o), describe(now))
		}
	}
	p.run(7 * time.Minute)
	p.take("renewed", o)
	p.saw = nil
	update(p.world, o, func(o *v1alpha1.OAuthToken) { o.Spec.Token.Secret.Name = "other" })
	p.take("edited", o)
	p.run(time.Minute)
	p.take("secret-renamed", o)
}

func otherAway(p *photographer) {
	w := p.withProviders(oauthtest.Behaviour{})
	first, _ := w.newOAuthToken("first", oauthtest.SignicatPlatform)
	heal := w.providers.Inject(oauthtest.Fault{Endpoint: "token", Status: 503})
	p.run(10 * time.Second)
	p.take("first-provider-away", first)
	heal()
	o, _ := w.newOAuthToken("signicat", oauthtest.SignicatPlatform)
	p.run(time.Minute)
	p.wantReady(o)
	w.providers.Inject(oauthtest.Fault{Endpoint: "token", Status: 503})
	update(p.world, first, func(o *v1alpha1.OAuthToken) { o.Spec.Scopes = []v1alpha1.OAuthScope{"signicat-api"} })
	p.run(10 * time.Second)
	p.take("edited-provider-away", first)
	p.run(6 * time.Minute)
	p.take("renewal-failing", o)
	p.run(6 * time.Minute)
	p.take("token-dead", o)
}

func otherThrottled(p *photographer) {
	w := p.withProviders(oauthtest.Behaviour{})
	o, c := w.newOAuthToken("signicat", oauthtest.SignicatExpress)
	pause := func(seconds string) {
		w.providers.Inject(oauthtest.Fault{Endpoint: "token", ClientID: c.ID, Times: 1, Status: 429, Header: map[string][]string{"Retry-After": {seconds}}})
	}
	pause("60")
	p.run(10 * time.Second)
	p.take("first-throttled", o)
	p.run(3 * time.Minute)
	p.wantReady(o)
	pause("1100")
	p.run(48*time.Minute + 30*time.Second) // more than half of the margin is over, and the pause is not
	p.take("renewal-throttled", o)
}

func otherCredentials(p *photographer) {
	w := p.withProviders(oauthtest.Behaviour{})
	missing, _ := w.newOAuthToken("missing", oauthtest.SignicatPlatform)
	p.delete(p.secret("missing-client"))
	malformed, c := w.newOAuthToken("malformed", oauthtest.SignicatPlatform)
	w.putCredential(malformed, v1alpha1.KeyClientSecret, c.Secret+"\n")
	wrong, _ := w.newOAuthToken("wrong", oauthtest.SignicatPlatform)
	w.putCredential(wrong, v1alpha1.KeyClientSecret, "wrong")
	o, _ := w.newOAuthToken("signicat", oauthtest.SignicatPlatform)
	p.run(time.Minute)
	p.take("credentials-secret-not-found", missing)
	p.take("credentials-secret-malformed", malformed)
	p.take("credentials-invalid-new", wrong)
	w.putCredential(o, v1alpha1.KeyClientSecret, "wrong")
	p.run(lookInterval + time.Second)
	p.take("credentials-invalid", o)
	p.run(10 * time.Minute)
	p.take("credentials-invalid-dead", o)
}

func scopesStory(p *photographer) {
	w := p.withProviders(oauthtest.Behaviour{})
	misspelt := func(o *v1alpha1.OAuthToken) { o.Spec.Scopes = []v1alpha1.OAuthScope{"Signicat-API"} }
	first, _ := w.newOAuthToken("first", oauthtest.SignicatPlatform, misspelt)
	o, _ := w.newOAuthToken("signicat", oauthtest.SignicatPlatform)
	p.run(time.Minute)
	p.take("scope-refused-new", first)
	update(p.world, o, misspelt)
	p.run(time.Minute)
	p.take("scope-refused", o)
}

func refreshTokensStory(p *photographer) {
	w := p.withProviders(oauthtest.Behaviour{})
	first, c := w.newOAuthToken("first", oauthtest.SecuredSigning)
	w.providers.RevokeRefreshTokens(c.ID)
	o, c := w.newOAuthToken("secured-signing", oauthtest.SecuredSigning)
	p.run(time.Minute)
	p.take("refresh-token-refused-new", first)
	p.take("ready-refreshed", o)
	w.providers.RevokeRefreshTokens(c.ID)
	annotate(p.world, o, v1alpha1.RenewRequestedAtAnnotation, asked)
	p.run(time.Minute)
	p.take("refresh-token-refused", o)
}

func otherAnswers(p *photographer) {
	w := p.withProviders(oauthtest.Behaviour{ExpiresIn: oauthtest.ExpiresInAbsent})
	refused, c := w.newOAuthToken("refused", oauthtest.SignicatPlatform)
	w.providers.Inject(oauthtest.Fault{Endpoint: "token", ClientID: c.ID, Status: 400, Body: `{"error":"invalid_request"}`})
	o, _ := w.newOAuthToken("signicat", oauthtest.SignicatPlatform)
	p.run(time.Minute)
	p.take("request-refused", refused)
	p.take("malformed-response", o)
}

func accountStory(p *photographer) {
	w := p.withProviders(oauthtest.Behaviour{})
	o, c := w.newOAuthToken("secured-signing", oauthtest.SecuredSigning, checked)
	rejected, other := w.newOAuthToken("rejected", oauthtest.SecuredSigning, checked)
	unchecked, _ := w.newOAuthToken("unchecked", oauthtest.SecuredSigning, checked)
	w.putCredential(unchecked, v1alpha1.KeySigningSecret, "")
	p.settle()
	p.take("account-unchecked", unchecked)
	w.providers.SetAccount(c.ID, "OnHold", false)
	w.providers.Inject(oauthtest.Fault{Endpoint: "account", ClientID: other.ID, Status: 401})
	p.run(probeInterval + time.Minute)
	p.take("account-suspended", o)
	p.take("token-rejected", rejected)
}

func otherSpecs(p *photographer) {
	w := p.withProviders(oauthtest.Behaviour{})
	elsewhere, _ := w.newOAuthToken("elsewhere", oauthtest.Generic, func(o *v1alpha1.OAuthToken) {
		o.Spec.Provider.Generic = &v1alpha1.GenericProvider{TokenURL: "https://id.example.com/oauth2/token"}
	})
	w.options.OAuth.AllowedHosts = append(w.options.OAuth.AllowedHosts, "login.example.com:443")
	w.restart()
	unusable, _ := w.newOAuthToken("unusable", oauthtest.Generic, func(o *v1alpha1.OAuthToken) {
		o.Spec.Provider.Generic = &v1alpha1.GenericProvider{TokenURL: "https://login.example.com/oauth2/token", CABundle: []byte("no certificate")}
	})
	p.run(time.Minute)
	p.take("host-not-allowed", elsewhere)
	p.take("invalid-configuration", unusable)
}

func otherPauses(p *photographer) {
	w := p.withProviders(oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("signicat", oauthtest.SignicatPlatform)
	p.run(time.Minute)
	annotate(p.world, o, v1alpha1.PausedAnnotation, "true")
	p.run(10 * time.Second)
	p.take("paused", o)
	update(p.world, o, func(o *v1alpha1.OAuthToken) {
		o.Spec.Suspend = true
		delete(o.Annotations, v1alpha1.PausedAnnotation)
	})
	p.run(10 * time.Second)
	p.take("suspended", o)
	p.run(15 * time.Minute)
	p.take("suspended-dead", o)
}

func otherSecrets(p *photographer) {
	w := p.withProviders(oauthtest.Behaviour{})
	p.newSecretOf("foreign-oauth-token")
	conflict, _ := w.newOAuthToken("foreign", oauthtest.SignicatPlatform)
	missing, _ := w.newOAuthToken("merging", oauthtest.SignicatPlatform, func(o *v1alpha1.OAuthToken) {
		o.Spec.Token.Secret.Name, o.Spec.Token.Secret.CreationPolicy = "app", v1alpha1.SecretMerge
	})
	misspelt, _ := w.newOAuthToken("misspelt", oauthtest.SignicatPlatform, func(o *v1alpha1.OAuthToken) {
		o.Spec.Token.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"url": "{{ .baseUrl }}"}
	})
	p.run(time.Minute)
	p.take("secret-conflict", conflict)
	p.take("secret-not-found", missing)
	p.take("template-error", misspelt)
}

func otherDeletion(p *photographer) {
	w := p.withProviders(oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("secured-signing", oauthtest.SecuredSigning)
	p.run(time.Minute)
	w.providers.Inject(oauthtest.Fault{Endpoint: "revoke", Status: 503})
	p.delete(o)
	p.run(10 * time.Second)
	p.take("deleting", o)
}
