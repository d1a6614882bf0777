// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

var wrongPair = sendforsign.Credentials{APIKey: "nobody", Secret: "nothing"}

// pair is a credentials Secret of another name.
func (w *world) pair(name string, pair sendforsign.Credentials) *corev1.Secret {
	s := w.credentials(pair)
	s.Name = name
	return s
}

// nameNext names the pair that is to follow; none where the name is empty.
func (w *world) nameNext(name string) {
	w.t.Helper()
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) {
		p.Spec.NextCredentialsSecretRef = nil
		if name != "" {
			p.Spec.NextCredentialsSecretRef = &v1alpha1.CredentialsSecretReference{Name: name}
		}
	})
}

func (w *world) wantActive(name string) {
	w.t.Helper()
	p := w.sfsPlatform()
	w.reload(p)
	if active := p.Status.ActiveCredentialsSecretRef; active == nil || active.Name != name {
		w.t.Errorf("the pair in use is that of %v, want %s", active, name)
	}
}

func (w *world) wantCalls(n int, why string) {
	w.t.Helper()
	if calls := w.sim.Calls(); len(calls) != n {
		w.t.Errorf("%d calls, want %d, since %s: %v", len(calls), n, why, calls)
	}
	w.sim.ResetCalls()
}

// countWrites counts what the operator writes to the status of the platform from now on.
func (w *world) countWrites() *int {
	n := 0
	w.api = interceptor.NewClient(w.api, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if o.GetObjectKind().GroupVersionKind().Kind == platformKind {
				n++
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	})
	w.restart()
	return &n
}

func TestTheNextCredentialsTakeOver(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.run(time.Minute)
	w.wantActive("credentials")
	w.create(w.pair("next", w.sim.RotateCredentials()))
	w.sim.ResetCalls()

	w.nameNext("next")
	w.run(time.Second)
	w.wantCondition(w.sfsPlatform(), v1alpha1.NextCredentialsValidCondition, metav1.ConditionTrue, v1alpha1.VerifiedReason,
		"put next into spec.credentialsSecretRef", "remove spec.nextCredentialsSecretRef and Secret credentials")
	w.wantActive("next")
	w.wantReady(w.sfsPlatform(), c)
	w.wantCalls(1, "the platform token with which they are tried is then used")

	for range 2 {
		w.restart()
		w.run(time.Minute)
	}
	w.wantCalls(0, "that they are accepted stands in the status")

	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.RateLimit.Burst = 999 })
	w.run(time.Second) // after the restart there is no platform token
	w.sim.ResetCalls()
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.CredentialsSecretRef.Name = "next" })
	w.run(time.Minute)
	w.wantCalls(0, "it is the same Secret, whatever it is named by")
	w.nameNext("")
	w.delete(w.pair("credentials", wrongPair))
	w.run(time.Minute)
	w.wantCalls(0, "it is the same Secret, whatever it is named by")
	w.wantActive("next")
	platform := w.sfsPlatform()
	w.wantReady(platform, c)
	if conditions.Get(platform, v1alpha1.NextCredentialsValidCondition) != nil {
		t.Error("something is said of a pair that is no longer named")
	}
	w.run(time.Hour)
	w.tokenOf(c)
}

func TestNextCredentialsThatAreNoGoodDisturbNobody(t *testing.T) {
	for name, test := range map[string]struct {
		next   func(w *world) *corev1.Secret // nil: there is none
		reason string
		words  []string
	}{
		"SFS refuses them": {
			next:   func(w *world) *corev1.Secret { return w.pair("next", wrongPair) },
			reason: v1alpha1.CredentialsInvalidReason, words: []string{"Secret next", "spec.credentialsSecretRef is in use"},
		},
		"the Secret is missing": {
			next:   func(*world) *corev1.Secret { return nil },
			reason: v1alpha1.CredentialsSecretNotFoundReason, words: []string{"-operator/next"},
		},
		"the Secret lacks a key": {
			next: func(w *world) *corev1.Secret {
				s := w.pair("next", wrongPair)
				delete(s.Data, v1alpha1.KeyAPISecret)
				return s
			},
			reason: v1alpha1.CredentialsSecretMalformedReason, words: []string{"-operator/next", "apiKey and secret"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop")
			w.run(time.Minute)
			spoilt := test.next(w)
			if spoilt != nil {
				w.create(spoilt)
			}
			w.sim.ResetCalls()
			w.nameNext("next")
			w.run(time.Hour)
			w.wantCondition(w.sfsPlatform(), v1alpha1.NextCredentialsValidCondition, metav1.ConditionFalse, test.reason, test.words...)
			w.wantCondition(w.sfsPlatform(), v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.AvailableReason)
			w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.AvailableReason)
			w.wantActive("credentials")
			w.tokenOf(c)
			if n := w.sim.CountCalls("token", "create"); n > 25 {
				t.Errorf("%d tokens were asked for in an hour with a pair that does not work", n)
			}

			good := w.pair("next", w.sim.RotateCredentials())
			if spoilt == nil {
				w.create(good)
			} else {
				update(w, spoilt, func(s *corev1.Secret) { s.Data = good.Data })
			}
			w.run(time.Second)
			w.wantCondition(w.sfsPlatform(), v1alpha1.NextCredentialsValidCondition, metav1.ConditionTrue, v1alpha1.VerifiedReason)
			w.wantActive("next")
			w.wantReady(w.sfsPlatform(), c)
		})
	}
}

func TestNextCredentialsThatAreRefusedLaterAreNoLongerUsed(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.run(time.Minute)
	w.create(w.pair("next", w.sim.Credentials()))
	w.nameNext("next")
	w.run(time.Minute)
	w.wantActive("next")

	// The pair is taken back at SFS, and the former one is given anew.
	fresh := w.sim.RotateCredentials()
	update(w, w.credentials(fresh), func(s *corev1.Secret) { s.Data = w.credentials(fresh).Data })
	w.run(time.Hour)
	w.wantCondition(w.sfsPlatform(), v1alpha1.NextCredentialsValidCondition, metav1.ConditionFalse, v1alpha1.CredentialsInvalidReason)
	w.wantActive("credentials")
	w.wantReady(w.sfsPlatform(), c)
	w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.AvailableReason)
	w.tokenOf(c)

	// And when the Secret that is in use is deleted.
	update(w, w.pair("next", fresh), func(s *corev1.Secret) { s.Data = w.credentials(fresh).Data })
	w.run(time.Second)
	w.wantActive("next")
	w.delete(w.pair("next", fresh))
	w.run(time.Second)
	w.wantCondition(w.sfsPlatform(), v1alpha1.NextCredentialsValidCondition, metav1.ConditionFalse, v1alpha1.CredentialsSecretNotFoundReason)
	w.wantActive("credentials")
	w.wantReady(w.sfsPlatform(), c)
}

func TestNextCredentialsSaveAPlatformWhosePairIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.run(time.Minute)
	fresh := w.sim.RotateCredentials()
	w.run(time.Hour)
	w.wantCondition(w.sfsPlatform(), v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.CredentialsInvalidReason)
	w.create(w.pair("next", fresh))
	w.nameNext("next")
	w.run(5 * time.Second)
	w.wantReady(w.sfsPlatform(), c)
	w.tokenOf(c)
}

func TestNextCredentialsWaitForTheEndOfAPause(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.run(time.Minute)
	w.sim.Inject(sfstest.Fault{Times: 1, Status: 429, Header: map[string][]string{"Retry-After": {"300"}}})
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Annotations = map[string]string{v1alpha1.RenewRequestedAtAnnotation: "now"}
	})
	w.run(time.Second)
	w.sim.ResetCalls()
	w.create(w.pair("next", w.sim.RotateCredentials()))
	w.nameNext("next")
	w.run(298 * time.Second)
	w.wantCalls(0, "SFS wants a pause, whatever the pair")
	w.wantCondition(w.sfsPlatform(), v1alpha1.NextCredentialsValidCondition, metav1.ConditionUnknown, v1alpha1.ProgressingReason)
	w.wantActive("credentials")
	w.run(5 * time.Second)
	w.wantCondition(w.sfsPlatform(), v1alpha1.NextCredentialsValidCondition, metav1.ConditionTrue, v1alpha1.VerifiedReason)
	w.wantActive("next")
}

// A wrong pair is tried at the slow pace, whatever else brings the platform back.
func TestWhatBringsThePlatformBackTriesNoCredentials(t *testing.T) {
	for name, fault := range map[string]*sfstest.Fault{
		"SFS refuses them":           nil,
		"SFS does not answer":        {Endpoint: "token", Action: "create", Status: 503},
		"SFS refuses with a message": {Endpoint: "token", Action: "create", Status: 422},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.run(time.Minute)
			if fault != nil {
				w.sim.Inject(*fault)
			}
			w.create(w.pair("next", wrongPair))
			w.nameNext("next")
			update(w, w.credentials(wrongPair), func(s *corev1.Secret) { s.Data = w.credentials(wrongPair).Data })
			update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) {
				p.Annotations = map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "now"}
			})
			w.settle()
			w.sim.ResetCalls()
			for range 100 {
				w.due[ref{kind: platformKind, name: w.platform}] = w.clock.Now()
				w.settle()
			}
			w.wantCalls(0, "nothing is new")
		})
	}
}

func TestALabelOnTheCredentialsIsNoNews(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.run(time.Minute)
	before := w.parts.platforms.sessions.open[sessionKey{w.platform, "credentials"}]
	platform := w.sfsPlatform()
	w.reload(platform)
	w.reload(c)
	w.sim.ResetCalls()
	update(w, w.credentials(wrongPair), func(s *corev1.Secret) { s.Labels = map[string]string{"team": "a"} })
	w.run(time.Minute)
	w.wantCalls(0, "the pair is the same")
	if after := w.parts.platforms.sessions.open[sessionKey{w.platform, "credentials"}]; after != before {
		t.Error("there is another session")
	}
	for _, o := range []object{platform, c} {
		version := o.GetResourceVersion()
		if w.reload(o); o.GetResourceVersion() != version {
			t.Errorf("%T was written", o)
		}
	}
}

func TestSessionsOfSecretsThatAreNoLongerNamedAreClosed(t *testing.T) {
	w := newWorld(t)
	w.run(time.Minute)
	w.create(w.pair("next", w.sim.Credentials()))
	w.nameNext("next")
	w.run(time.Minute)
	sessions := w.parts.platforms.sessions
	if len(sessions.open) != 2 {
		t.Fatalf("%d sessions are open, want 2", len(sessions.open))
	}
	if sessions.open[sessionKey{w.platform, "next"}].gate != sessions.open[sessionKey{w.platform, "credentials"}].gate {
		t.Error("two pairs of one account have gates of their own")
	}
	w.nameNext("")
	w.run(time.Minute)
	if len(sessions.open) != 1 {
		t.Errorf("%d sessions are open, want 1", len(sessions.open))
	}
	w.delete(w.sfsPlatform())
	w.run(time.Minute)
	if len(sessions.open) != 0 {
		t.Errorf("%d sessions are open after the deletion", len(sessions.open))
	}
}
