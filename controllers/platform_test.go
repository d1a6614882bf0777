// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

func certPool(pem []byte) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

func (w *world) sfsPlatform() *v1alpha1.SfsPlatform {
	return &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: w.platform}}
}

func TestAPlatformVerifiesItsCredentialsOnce(t *testing.T) {
	w := newWorld(t)
	w.settle()
	w.wantReady(w.sfsPlatform())
	for range 3 {
		w.restart()
		w.run(time.Minute) // less than an interval of the drift check, which needs a platform token
	}
	if n := w.sim.CountCalls("token", "create"); n != 1 {
		t.Errorf("the credentials were tried %d times, want once", n)
	}
}

func TestBadCredentials(t *testing.T) {
	wrong := sendforsign.Credentials{APIKey: "nobody", Secret: "nothing"}
	for name, test := range map[string]struct {
		spoil  func(w *world)
		reason string
		words  []string
	}{
		"the Secret is missing": {
			spoil:  func(w *world) { w.delete(w.credentials(wrong)) },
			reason: v1alpha1.CredentialsSecretNotFoundReason, words: []string{"-operator/credentials", "apiKey"},
		},
		"the Secret lacks a key": {
			spoil: func(w *world) {
				update(w, w.credentials(wrong), func(s *corev1.Secret) { delete(s.Data, "secret") })
			},
			reason: v1alpha1.CredentialsSecretMalformedReason, words: []string{"-operator/credentials", "apiKey and secret"},
		},
		"the API key is wrong": {
			spoil: func(w *world) {
				update(w, w.credentials(wrong), func(s *corev1.Secret) { s.Data = w.credentials(wrong).Data })
			},
			reason: v1alpha1.CredentialsInvalidReason, words: []string{"refuses the API key"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop")
			w.settle()
			w.wantReady(c)
			test.spoil(w)
			w.settle()
			w.wantCondition(w.sfsPlatform(), v1alpha1.CredentialsValidCondition, metav1.ConditionFalse, test.reason, test.words...)
			w.wantCondition(w.sfsPlatform(), v1alpha1.StalledCondition, metav1.ConditionTrue, test.reason)
			w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionTrue, test.reason, test.words...)
			w.tokenOf(c)

			newcomer := w.newSfsClient("newcomer")
			w.sim.ResetCalls()
			w.run(time.Hour)
			w.wantCondition(newcomer, v1alpha1.ReadyCondition, metav1.ConditionFalse, test.reason, test.words...)
			w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.TokenExpiringReason, test.words...)
			if n := len(w.sim.Calls()); n > 25 {
				t.Errorf("%d calls in an hour with credentials that do not work", n)
			}
			if s := w.secret("shop-sfs-token"); s == nil || len(s.Data["token"]) == 0 {
				t.Error("the last token is gone")
			}

			good := w.credentials(w.sim.Credentials())
			if test.reason == v1alpha1.CredentialsSecretNotFoundReason {
				w.create(good)
			} else {
				update(w, w.credentials(wrong), func(s *corev1.Secret) { s.Data = good.Data })
			}
			w.run(5 * time.Second)
			w.wantReady(w.sfsPlatform(), c, newcomer)
			w.tokenOf(c)
		})
	}
}

func TestCredentialsThatAreRotatedAtSFSAreNoticedByUse(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	fresh := w.sim.RotateCredentials()
	w.run(time.Hour)
	w.wantCondition(w.sfsPlatform(), v1alpha1.CredentialsValidCondition, metav1.ConditionFalse, v1alpha1.CredentialsInvalidReason)
	update(w, w.credentials(fresh), func(s *corev1.Secret) { s.Data = w.credentials(fresh).Data })
	w.run(5 * time.Second)
	w.wantReady(w.sfsPlatform(), c)
	w.tokenOf(c)
}

func TestCredentialsThatAreAcceptedAgainAreTakenUpAtOnce(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	heal := w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "create", Status: 403})
	w.run(time.Hour)
	w.wantCondition(w.sfsPlatform(), v1alpha1.CredentialsValidCondition, metav1.ConditionFalse, v1alpha1.CredentialsInvalidReason)
	heal()
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) {
		p.Annotations = map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "now"}
	})
	w.run(time.Second)
	w.wantReady(w.sfsPlatform(), c)
	w.tokenOf(c)
	w.sim.ResetCalls()
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) {
		p.Annotations = map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "once more"}
	})
	w.run(time.Minute)
	if n := w.sim.CountCalls("token", "create"); n != 1 {
		t.Errorf("asked to try the credentials, the operator made %d requests, want 1", n)
	}
}

func TestAnAPIKeyThatIsRefusedForAUserHasTheCredentialsTried(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	fresh := w.sim.RotateCredentials()
	u := w.newSfsClientUser("jane", "shop")
	w.run(time.Second)
	w.wantCondition(w.sfsPlatform(), v1alpha1.CredentialsValidCondition, metav1.ConditionFalse, v1alpha1.CredentialsInvalidReason)
	w.run(time.Minute)
	w.wantCondition(u, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.CredentialsInvalidReason)
	update(w, w.credentials(fresh), func(s *corev1.Secret) { s.Data = w.credentials(fresh).Data })
	w.run(time.Second)
	w.wantReady(w.sfsPlatform(), c, u)
}

func TestPlatformsServeOnlyTheNamespacesThatTheyName(t *testing.T) {
	for name, test := range map[string]struct {
		allow func(w *world) *v1alpha1.AllowedNamespaces
		label map[string]string
		want  bool
	}{
		"nothing is said":      {allow: func(*world) *v1alpha1.AllowedNamespaces { return nil }},
		"another one is named": {allow: func(*world) *v1alpha1.AllowedNamespaces { return &v1alpha1.AllowedNamespaces{Names: []string{"other"}} }},
		"it is named": {allow: func(w *world) *v1alpha1.AllowedNamespaces {
			return &v1alpha1.AllowedNamespaces{Names: []string{"other", w.namespace}}
		}, want: true},
		"all are named":             {allow: func(*world) *v1alpha1.AllowedNamespaces { return &v1alpha1.AllowedNamespaces{Names: []string{"*"}} }, want: true},
		"its labels are selected":   {allow: selects, label: map[string]string{"sfs": "yes"}, want: true},
		"its labels are others":     {allow: selects, label: map[string]string{"sfs": "no"}},
		"it has none of the labels": {allow: selects},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.AllowedNamespaces = test.allow(w) })
			update(w, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}, func(n *corev1.Namespace) {
				for k, v := range test.label {
					n.Labels[k] = v
				}
			})
			c := w.newSfsClient("shop")
			w.settle()
			if test.want {
				w.wantReady(c)
				return
			}
			w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.NamespaceNotAllowedReason, w.platform, w.namespace, "allowedNamespaces")
			w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.NamespaceNotAllowedReason)
			if len(w.sim.Clients()) != 0 || len(c.Finalizers) != 0 {
				t.Error("something was done for a namespace that is not served")
			}
		})
	}
}

func selects(*world) *v1alpha1.AllowedNamespaces {
	return &v1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"sfs": "yes"}}}
}

func TestAnUnknownPlatformIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	platform := w.sfsPlatform()
	w.reload(platform)
	w.delete(platform)
	c := w.newSfsClient("shop")
	w.settle()
	w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.PlatformNotFoundReason, w.platform)
	w.wantCondition(c, v1alpha1.ReconcilingCondition, metav1.ConditionTrue, v1alpha1.PlatformNotFoundReason)
	w.create(&v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: w.platform}, Spec: platform.Spec})
	w.settle()
	w.wantReady(c)
}

func TestA429PausesThePlatform(t *testing.T) {
	w := newWorld(t)
	var clients []object
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		clients = append(clients, w.newSfsClient(name))
	}
	w.settle()
	w.sim.ResetCalls()
	w.sim.Inject(sfstest.Fault{Times: 1, Status: 429, Header: map[string][]string{"Retry-After": {"40"}}})
	for _, o := range clients {
		update(w, o.(*v1alpha1.SfsClient), func(c *v1alpha1.SfsClient) {
			c.Annotations = map[string]string{v1alpha1.RenewRequestedAtAnnotation: "now"}
		})
	}
	w.run(39 * time.Second)
	if n := len(w.sim.Calls()); n != 1 {
		t.Errorf("%d calls in a pause that SFS asked for, want only the one that was throttled: %v", n, w.sim.Calls())
	}
	w.run(10 * time.Second)
	w.wantReady(clients...)
	if n := len(w.sim.Calls()); n != 7 {
		t.Errorf("%d calls in all, want 7: %v", n, w.sim.Calls())
	}
}

func TestAPauseIsKeptThatBeginsWithTheRenewalOfThePlatformToken(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) })
	w.run(25 * time.Minute) // the platform token is due, and serves
	w.sim.ResetCalls()
	w.sim.Inject(sfstest.Fault{Times: 1, Status: 429, Header: map[string][]string{"Retry-After": {"40"}}})
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Annotations = map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "now"}
	})
	w.run(39 * time.Second)
	if n := len(w.sim.Calls()); n != 1 {
		t.Errorf("%d calls in a pause that SFS asked for, want only the one that was throttled: %v", n, w.sim.Calls())
	}
	w.run(10 * time.Second)
	if w.reload(c); c.Status.LastHandledReconcileAt != "now" {
		t.Error("the comparison was not made after the pause")
	}
}

func TestAPlatformIsNotVerifiedInAPause(t *testing.T) {
	w := newWorld(t)
	w.sim.Inject(sfstest.Fault{Times: 1, Status: 429, Header: map[string][]string{"Retry-After": {"3000"}}})
	w.newSfsClient("shop")
	w.run(49 * time.Minute)
	if n := len(w.sim.Calls()); n != 1 {
		t.Errorf("%d calls in a pause that SFS asked for, want only the one that was throttled", n)
	}
	w.run(2 * time.Minute)
	w.wantReady(w.sfsPlatform())
}

func TestARateLimitIsKept(t *testing.T) {
	w := newWorld(t)
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.RateLimit = v1alpha1.RateLimit{RequestsPerSecond: 2, Burst: 1} })
	var clients []object
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		clients = append(clients, w.newSfsClient(name))
	}
	w.sim.ResetCalls()
	w.run(5 * time.Second)
	// A lookup and the create that follows from it are made at once, so there may be two more than the limit says.
	if n := len(w.sim.Calls()); n < 8 || n > 13 {
		t.Errorf("%d calls in 5 s at 2 per second, want about 10", n)
	}
	w.run(20 * time.Second)
	w.wantReady(clients...)
}

// While SFS fails, a platform token that is due is asked for again and again, beside the tokens of the clients.
func TestARequestForAPlatformTokenCountsAgainstTheRate(t *testing.T) {
	w := newWorld(t, sfstest.WithTokenLifetime(5*time.Minute))
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.RateLimit = v1alpha1.RateLimit{RequestsPerSecond: 1, Burst: 1} })
	for i := range 6 {
		w.newSfsClient(fmt.Sprintf("shop-%d", i))
	}
	w.run(2 * time.Minute)
	heal := w.sim.Inject(sfstest.Fault{Endpoint: "token", Status: http.StatusInternalServerError})
	before := len(w.sim.Calls())
	w.run(4 * time.Minute)
	var made []time.Time
	for _, c := range w.sim.Calls()[before:] {
		made = append(made, c.Time)
	}
	if len(made) < 50 {
		t.Errorf("%d requests in the outage, which are too few to tell", len(made))
	}
	// A step that was admitted makes all its requests: three at most, of which one was waited for.
	wantRate(t, made, 1, 1+2)
	heal()
}

// A refusal of the credentials may have any status, which must not be taken for an answer about a client.
func TestRefusedCredentialsAreNoAnswerAboutAClient(t *testing.T) {
	for name, answer := range map[string]sfstest.BadCredentials{
		"404": sfstest.BadCredentials404, "400": sfstest.BadCredentials400, "200 with a code": sfstest.BadCredentials200,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sfstest.WithBehaviour(sfstest.Behaviour{BadCredentials: answer}))
			c := w.newSfsClient("shop")
			w.settle()
			w.sim.RotateCredentials()
			w.restart()
			younger := w.newSfsClient("younger")
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.FullName = "Another" })
			w.run(20 * time.Minute)
			w.wantCondition(c, v1alpha1.SyncedCondition, metav1.ConditionFalse, v1alpha1.CredentialsInvalidReason)
			w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.CredentialsInvalidReason)
			w.wantCondition(younger, v1alpha1.SyncedCondition, metav1.ConditionFalse, v1alpha1.CredentialsInvalidReason)
			if n := w.sim.CountCalls("client", "create"); n != 1 {
				t.Errorf("%d creates, want the 1 from before", n)
			}
		})
	}
}
