// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
	"github.com/sendforsign/sfs-operator/secret"
)

// shortOf has the tokens of a client of Secured Signing live for an hour.
func (w *oauthWorld) shortOf(c oauthtest.Client) { w.providers.SetTokenLifetime(c.ID, time.Hour) }

func TestRefreshTokensThatRotate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		behaviour oauthtest.Behaviour
		rotates   bool
	}{
		"always":            {oauthtest.Behaviour{Reuse: oauthtest.ReuseRevokesMore}, true},
		"with grace":        {oauthtest.Behaviour{Rotation: oauthtest.RotateGrace}, true},
		"never, and echoed": {oauthtest.Behaviour{Rotation: oauthtest.RotateNever}, false},
		"never, and absent": {oauthtest.Behaviour{Rotation: oauthtest.RotateNever, Unrotated: oauthtest.UnrotatedAbsent}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newOAuthWorld(t, test.behaviour)
			o, c := w.newOAuthToken("it", oauthtest.SecuredSigning)
			w.shortOf(c)
			w.settle()
			w.wantReady(o)
			w.alwaysUsable(o)
			last := w.refreshToken(o)
			for range 5 {
				w.run(40 * time.Minute)
				w.restart() // what is to be known stands in the cluster
				now := w.refreshToken(o)
				switch {
				case !test.rotates && now != "":
					t.Fatal("there is a state Secret, and nothing to keep")
				case test.rotates && (now == last || !w.providers.TakesRefreshToken(now)):
					t.Fatal("the state Secret does not hold the last refresh token")
				}
				last = now
			}
			w.settle()
			w.wantReady(o)
			s := w.secret("it-client")
			if got := secret.Text(s.Data[v1alpha1.KeyRefreshToken]); got != c.RefreshToken || len(s.ManagedFields) != 1 {
				t.Error("the Secret of the user was written")
			}
		})
	}
}

// TestARefreshTokenIsStoredBeforeItsTokenIsUsed holds the order of the requests of a renewal.
func TestARefreshTokenIsStoredBeforeItsTokenIsUsed(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.shortOf(c)
	w.run(30 * time.Minute)
	w.wantReady(o)
	w.wire.arm(nil)
	w.run(15 * time.Minute)
	want := []string{
		"api get it-client", "api get it-oauth-state", "oauth refresh_token ", "api patch it-oauth-state",
		"api patch it-oauth-token", "api patch it",
	}
	var got []string
	for _, call := range w.wire.made(0) {
		if call.plane == planeSFS || call.target.kind == platformKind {
			continue // the platform of this world is served as well
		}
		got = append(got, fmt.Sprintf("%s %s %s", call.plane, call.verb, call.target.name))
	}
	for len(got) > 1 && got[0] == want[0] && got[1] == want[0] {
		got = got[1:] // it is looked at between renewals as well
	}
	for len(got) > 0 && got[len(got)-1] == want[0] {
		got = got[:len(got)-1]
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestARefreshTokenThatCanNotBeStored is kept in memory, and nothing is published or asked for until it is stored.
func TestARefreshTokenThatCanNotBeStored(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	end := w.refuseSecrets(func(name string, _ map[string]string) bool { return name == "it-oauth-state" })
	o, _ := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.run(10 * time.Minute)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.SecretWriteFailedReason, "it-oauth-state")
	if n := w.providers.CountCalls("token", ""); n != 1 {
		t.Errorf("%d requests while the refresh token could not be stored, want 1", n)
	}
	if w.secret(o.TokenSecretName()) != nil {
		t.Error("the token was published before its refresh token was stored")
	}
	update(w.world, o, func(o *v1alpha1.OAuthToken) { o.Spec.Suspend = true })
	end()
	w.run(time.Minute)
	if now := w.refreshToken(o); !w.providers.TakesRefreshToken(now) {
		t.Error("the refresh token was not stored while the work is suspended")
	}
	update(w.world, o, func(o *v1alpha1.OAuthToken) { o.Spec.Suspend = false })
	w.run(time.Minute)
	w.wantReady(o)
	w.accessToken(o)
	if n := w.providers.CountCalls("token", ""); n != 1 {
		t.Errorf("%d requests for the token that was there already, want 1", n)
	}
}

func TestAnotherRefreshTokenOfTheUserWins(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.shortOf(c)
	w.run(2 * time.Hour)
	first, _ := w.accessToken(o)
	seed := w.providers.Reseed(c.ID)
	w.putCredential(o, v1alpha1.KeyRefreshToken, seed)
	w.run(lookInterval + time.Second)
	w.wantReady(o)
	second, _ := w.accessToken(o)
	if second == first || w.providers.TakesRefreshToken(seed) {
		t.Fatal("the refresh token that the user has put in was not used")
	}
	w.alwaysUsable(o)
	w.run(2 * time.Hour)
	if !w.providers.TakesRefreshToken(w.refreshToken(o)) {
		t.Error("the last refresh token is lost")
	}
}

// TestALostAnswerNeedsAPerson: where refresh tokens are replaced at once nobody knows the next one.
func TestALostAnswerNeedsAPerson(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.shortOf(c)
	w.settle()
	w.providers.Inject(oauthtest.Fault{Endpoint: "token", Times: 1, CutAfter: true})
	w.run(45 * time.Minute)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.RefreshTokenRefusedReason, "the token lives", "it-client")
	w.putCredential(o, v1alpha1.KeyRefreshToken, w.providers.Reseed(c.ID))
	w.run(soonLook + 2*time.Second)
	w.wantReady(o)
	w.accessToken(o)
}

// TestAMalformedAnswerLosesNoRefreshToken: a token that can not be used may come with the only refresh token that is good.
func TestAMalformedAnswerLosesNoRefreshToken(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{ExpiresIn: oauthtest.ExpiresInAbsent})
	o, _ := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.run(3 * time.Minute)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.MalformedResponseReason, "expires_in")
	if n := w.providers.CountCalls("token", ""); n < 2 {
		t.Fatalf("it was tried %d times", n)
	}
	if !w.providers.TakesRefreshToken(w.refreshToken(o)) {
		t.Error("the last refresh token is lost")
	}
}

// TestTheStateIsRestored: somebody deletes or damages it.
func TestTheStateIsRestored(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.settle()
	last := w.refreshToken(o)
	w.run(time.Minute)
	w.delete(w.secret(o.StateSecretName()))
	w.run(time.Minute)
	if w.refreshToken(o) != last {
		t.Error("the state Secret was not restored after it was deleted")
	}
	update(w.world, w.secret(o.StateSecretName()), func(s *corev1.Secret) { s.Data[v1alpha1.KeyRefreshToken] = []byte("nonsense") })
	w.run(time.Minute)
	if w.refreshToken(o) != last {
		t.Error("the state Secret was not restored after it was damaged")
	}
}

func TestAStateSecretOfSomebodyElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	w.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "it-oauth-state"}, Data: map[string][]byte{"theirs": []byte("1")},
	})
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.run(time.Minute)
	w.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.SecretConflictReason, "it-oauth-state")
	if !w.providers.TakesRefreshToken(c.RefreshToken) {
		t.Error("the refresh token was used although the next one could not be stored")
	}
	if s := w.secret("it-oauth-state"); string(s.Data["theirs"]) != "1" || len(s.Data) != 1 {
		t.Error("it was changed")
	}
}

// TestAProcessThatIsAskedToEndStoresWhatItIsGiven: the request and the write go on.
func TestAProcessThatIsAskedToEndStoresWhatItIsGiven(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, _ := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.watch()
	ctx, end := context.WithCancel(t.Context())
	w.providers.Inject(oauthtest.Fault{Endpoint: "token", Times: 1, Before: end})
	_, _ = w.parts.oauth.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(o)})
	if ctx.Err() == nil {
		t.Fatal("no token was asked for")
	}
	if !w.providers.TakesRefreshToken(w.refreshToken(o)) {
		t.Error("the refresh token that was given is lost")
	}
}

// TestNoCrashLosesARefreshToken kills the operator before and after each request of a first token and of a renewal.
func TestNoCrashLosesARefreshToken(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"before", "after"} {
		for n := 1; ; n++ {
			if !crashAtRequest(t, n, moment == "after") {
				if n < 10 {
					t.Errorf("only %d requests are made", n)
				}
				break
			}
		}
	}
}

// crashAtRequest says whether so many requests are made at all.
func crashAtRequest(t *testing.T, n int, after bool) (struck bool) {
	t.Helper()
	w := newOAuthWorld(t, oauthtest.Behaviour{})
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.shortOf(c)
	crash := &mode{name: "crash", fits: anyCall, strike: func(x *exchange) (*http.Response, error) {
		struck = true
		if after {
			if resp, _, err := x.send(); err == nil {
				_ = resp.Body.Close()
			}
		}
		x.wire.kill()
		return nil, errKilled
	}}
	w.each = func() {
		if s := w.secret(o.TokenSecretName()); s != nil {
			w.accessToken(o) // whatever is published is alive
		}
	}
	w.wire.arm(map[int]*mode{n: crash})
	w.run(45 * time.Minute)
	if !struck {
		return false
	}
	// Between the answer and the write that stores it the process has the only copy. All else must lose nothing.
	last := w.wire.made(0)[n-1]
	if !after && n > 1 {
		last = w.wire.made(0)[n-2]
	}
	if last.plane == planeOAuth && last.verb == "refresh_token" {
		w.putCredential(o, v1alpha1.KeyRefreshToken, w.providers.Reseed(c.ID))
		w.run(lookInterval + time.Minute)
	} else if !w.providers.TakesRefreshToken(w.refreshToken(o)) {
		t.Errorf("after a crash at request %d, after it: %t, the last refresh token is lost", n, after)
	}
	w.wantReady(o)
	w.accessToken(o)
	return true
}
