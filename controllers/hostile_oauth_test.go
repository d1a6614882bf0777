// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/campaign"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
)

// hostileProvider is a request of the operator to a provider of OAuthTokens. The same answers do harm to it.
type hostileProvider struct {
	hostileSite
	provider oauthtest.Provider
	// provoke has the request made.
	provoke func(w *oauthWorld, o *v1alpha1.OAuthToken, turn int)
}

const oauthAnswer = `{"access_token":"SFSTEST-TOKEN-hostile","token_type":"Bearer","expires_in":3600}`

func askAgain(w *oauthWorld, o *v1alpha1.OAuthToken, turn int) {
	annotate(w.world, o, v1alpha1.RenewRequestedAtAnnotation, fmt.Sprint("turn ", turn))
}

var hostileProviders = []hostileProvider{
	{
		provider: oauthtest.SignicatExpress, provoke: askAgain,
		hostileSite: hostileSite{
			name: "OAuthToken by secret", endpoint: "token", action: "client_credentials",
			answer: oauthAnswer, essential: []string{"access_token", "expires_in"},
		},
	},
	{
		provider: oauthtest.SecuredSigning, provoke: askAgain,
		hostileSite: hostileSite{
			name: "OAuthToken by refresh token", endpoint: "token", action: "refresh_token",
			answer: oauthAnswer, essential: []string{"access_token", "expires_in"},
		},
	},
	{
		provider: oauthtest.SecuredSigning, hostileSite: hostileSite{name: "account of an OAuthToken", endpoint: "account"},
		provoke: func(w *oauthWorld, _ *v1alpha1.OAuthToken, _ int) { w.run(probeInterval) }, // it comes by itself
	},
	{
		provider: oauthtest.SecuredSigning, hostileSite: hostileSite{name: "revocation of the OAuthToken before", endpoint: "revoke"},
		provoke: func(w *oauthWorld, o *v1alpha1.OAuthToken, turn int) {
			askAgain(w, o, turn)
			w.run(defaultGracePeriod)
		},
	},
}

// answers are those that the simulator of the providers can give. A code in the body, which the answers with a name twice are
// about, means nothing to a client of OAuth.
func (p hostileProvider) answers(elsewhere string) []hostileAnswer {
	return slices.DeleteFunc(hostileAnswers(p.hostileSite, elsewhere), func(a hostileAnswer) bool { return a.name == oversized || strings.HasSuffix(a.name, " twice") })
}

// attack gives one answer for three minutes. What is there must stay, what is said of it must be clear, and once the answers are
// good again all must be well.
func (p hostileProvider) attack(h *hostility, w *oauthWorld, o *v1alpha1.OAuthToken, turn int, plan string, a hostileAnswer) {
	f := a.fault(h.w)
	before := w.secret(o.TokenSecretName())
	stop := w.providers.Inject(oauthtest.Fault{Endpoint: p.endpoint, Action: p.action, Status: f.Status, Body: f.Body, Header: f.Header})
	w.providers.ResetCalls()
	used := peak(func() {
		p.provoke(w, o, turn)
		w.run(3 * time.Minute)
	})
	if used > mostMemory {
		h.c.Broken(h.t, plan, "the operator used %d MiB, want at most %d", used>>20, mostMemory>>20)
	}
	if w.providers.CountCalls(p.endpoint, p.action) == 0 {
		h.c.Broken(h.t, plan, "the request was not made, so nothing was tried")
	}
	w.reload(o)
	h.checkConditions(plan, o)
	if c := conditions.Get(o, v1alpha1.TokenValidCondition); c.Status != metav1.ConditionTrue {
		h.c.Broken(h.t, plan, "nothing is wrong with the token, and it is said: %s: %s", c.Reason, c.Message)
	}
	now := w.secret(o.TokenSecretName())
	if now == nil || string(now.Data[v1alpha1.KeyToken]) != string(before.Data[v1alpha1.KeyToken]) && p.endpoint == "token" {
		h.c.Broken(h.t, plan, "the Secret of the token was lost, or holds another one")
	}
	stop()
	w.run(12 * time.Minute) // what a person is needed for is tried again after ten minutes at the latest
	w.wantReady(o)
	w.accessToken(o)
	if o.Status.LastHandledRenewAt != o.Annotations[v1alpha1.RenewRequestedAtAnnotation] {
		h.c.Broken(h.t, plan, "the token that was asked for has not come")
	}
}

// campaign gives these answers, one after the other.
func (p hostileProvider) campaign(t *testing.T, c *campaign.Campaign, answers []hostileAnswer) {
	t.Helper()
	h := &hostility{t: t, c: c, w: newWorld(t)}
	w := withProviders(t, h.w, strict)
	o, _ := w.newOAuthToken("it", p.provider, func(o *v1alpha1.OAuthToken) {
		if p.provider == oauthtest.SecuredSigning {
			o.Spec.Token.RevocationPolicy = v1alpha1.RevokeOnRotate
			o.Spec.Provider.SecuredSigning.AccountCheck = v1alpha1.AccountCheckEnabled
		}
	})
	w.run(time.Minute)
	w.wantReady(o)
	for i, a := range answers {
		plan := p.name + "/" + a.name
		if c.Plan == "" || c.Plan == plan {
			p.attack(h, w, o, i, plan, a)
			c.Tried(p.name, 1)
		}
	}
}
