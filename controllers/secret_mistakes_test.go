// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// Mistakes in a spec, and what others do to Secrets: a living token must not die of it, and nothing of theirs be lost.

// aliveIn fails the test if a key of a Secret does not hold a living token with the life that applications count on.
func (w *world) aliveIn(name, key string) string {
	w.t.Helper()
	s := w.secret(name)
	if s == nil {
		w.t.Fatalf("there is no Secret %s", name)
	}
	value := string(s.Data[key])
	if info, _ := w.sim.TokenState(value); !info.Alive || info.Expires.Sub(w.clock.Now()) < 2*time.Minute {
		w.t.Errorf("%s: %s of Secret %s is no token that lives long enough: %+v", w.clock.Now().Format(time.TimeOnly), key, name, info)
	}
	return value
}

func TestATokenGoesOnWhereTheSpecAsksForASecretThatCanNotBe(t *testing.T) {
	for name, mistake := range map[string]struct {
		edit   func(*v1alpha1.SfsClient)
		reason string
		mend   func(*world)
	}{
		"the name of somebody else's": {
			edit:   func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Name = "theirs" },
			reason: v1alpha1.SecretConflictReason,
			mend:   func(w *world) { w.delete(w.secret("theirs")) },
		},
		"one to merge into that is not there": {
			edit: func(c *v1alpha1.SfsClient) {
				c.Spec.Token.Secret.Name, c.Spec.Token.Secret.CreationPolicy = "app", v1alpha1.SecretMerge
			},
			reason: v1alpha1.SecretNotFoundReason,
			mend:   func(w *world) { w.newSecretOf("app") },
		},
		"one to merge into that has the key": {
			edit: func(c *v1alpha1.SfsClient) {
				c.Spec.Token.Secret.Name, c.Spec.Token.Secret.CreationPolicy = "theirs", v1alpha1.SecretMerge
			},
			reason: v1alpha1.SecretConflictReason,
			mend:   func(w *world) { update(w, w.secret("theirs"), func(s *corev1.Secret) { delete(s.Data, "token") }) },
		},
		"a type that needs other keys": {
			edit:   func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Type = "kubernetes.io/tls" },
			reason: v1alpha1.SecretWriteFailedReason,
		},
		"another name and a type that needs other keys": {
			edit: func(c *v1alpha1.SfsClient) {
				c.Spec.Token.Secret.Name, c.Spec.Token.Secret.Type = "typed", "kubernetes.io/tls"
			},
			reason: v1alpha1.SecretWriteFailedReason,
		},
		"another name and a wrong template": {
			edit: func(c *v1alpha1.SfsClient) {
				c.Spec.Token.Secret.Name = "templated"
				c.Spec.Token.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"x": "{{ .tokn }}"}
			},
			reason: v1alpha1.TemplateErrorReason,
		},
		// The name of a layout stands for itself, so this works for the value with which templates are tried.
		"a template that the token does not fit into": {
			edit: func(c *v1alpha1.SfsClient) {
				c.Spec.Token.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"x": `{{ toDate "token" .token }}`}
			},
			reason: v1alpha1.TemplateErrorReason,
		},
	} {
		for _, restarted := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				w.newSecretOf("theirs")
				update(w, w.secret("theirs"), func(s *corev1.Secret) { s.Data["token"] = []byte("theirs") })
				c := w.newSfsClient("shop", onRotate)
				w.settle()
				first := w.valueOf(c)
				update(w, c, mistake.edit)
				if restarted {
					w.restart()
				}
				for range 50 {
					w.run(time.Minute)
					w.aliveIn("shop-sfs-token", "token")
				}
				w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
				w.wantCondition(c, v1alpha1.SecretReadyCondition, metav1.ConditionFalse, mistake.reason)
				if n := w.sim.LiveTokens(c.Status.ClientKey); n > 2 || w.aliveIn("shop-sfs-token", "token") == first {
					t.Errorf("%d tokens live, want the published one and perhaps the one before it", n)
				}
				if string(w.secret("theirs").Data["token"]) != "theirs" {
					t.Error("what is theirs was changed")
				}
				if mistake.mend != nil {
					mistake.mend(w)
					w.run(20 * time.Minute)
					w.wantReady(c)
					w.aliveIn(c.TokenSecretName(), "token")
				}
			})
		}
	}
}

func TestASecretOfATypeThatIsRefusedStays(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	before := w.secret("shop-sfs")
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Secret.Type = "kubernetes.io/tls" })
	w.run(time.Hour)
	w.wantCondition(c, v1alpha1.SecretReadyCondition, metav1.ConditionFalse, v1alpha1.SecretWriteFailedReason)
	if s := w.secret("shop-sfs"); s == nil || s.UID != before.UID {
		t.Errorf("it was deleted: %v", s)
	}
}

// What keeps the token from being revoked must not be outrun by the removal of the Secret that holds it.
func TestATokenInASecretThatTheOperatorRemovesIsRevokedFirst(t *testing.T) {
	for name, policy := range map[string]v1alpha1.SecretCreationPolicy{"orphan": v1alpha1.SecretOrphan, "merged": v1alpha1.SecretMerge} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.newSecretOf("app")
			c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
				c.Spec.Token.Secret.CreationPolicy = policy
				if policy == v1alpha1.SecretMerge {
					c.Spec.Token.Secret.Name = "app"
				}
			})
			w.settle()
			w.wantReady(c)
			w.restart()
			w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "revoke", Status: 503, Times: 1})
			w.delete(c)
			w.run(time.Minute)
			if n := w.sim.LiveTokens(c.Status.ClientKey); n != 0 {
				t.Errorf("%d tokens live", n)
			}
			if s := w.secret(c.TokenSecretName()); s != nil && s.Data["token"] != nil || w.there[refTo(c)] != nil {
				t.Errorf("the Secret or the resource is still there: %v", s)
			}
			if w.recorder.count("shop", "Revoked") != 1 || w.recorder.count("shop", "NotRevoked") != 0 {
				t.Errorf("events: %v", w.recorder.all())
			}
		})
	}
}

func TestATokenWhoseSecretIsGoneIsRevokedFromMemoryOrTold(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		w := newWorld(t)
		c := w.newSfsClient("shop")
		w.settle()
		w.wantReady(c)
		w.delete(w.secret("shop-sfs-token"))
		if restarted {
			w.restart()
		}
		w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "revoke", Status: 503, Times: 1})
		w.delete(c)
		w.run(2 * time.Minute)
		lives := w.sim.LiveTokens(c.Status.ClientKey)
		if told := w.recorder.count("shop", "NotRevoked"); lives > 0 != (told == 1) || !restarted && lives > 0 {
			t.Errorf("restarted %t: %d tokens live, events %v", restarted, lives, w.recorder.all())
		}
	}
}

func TestNothingOfSomebodyElseIsRevoked(t *testing.T) {
	w := newWorld(t)
	w.newSecretOf("app")
	update(w, w.secret("app"), func(s *corev1.Secret) { s.Data["token"] = []byte("a-secret-of-theirs") })
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.Token.Secret = v1alpha1.SecretSpec{
			Name: "app", CreationPolicy: v1alpha1.SecretMerge,
			Template: v1alpha1.SecretTemplate{
				MergePolicy: v1alpha1.TemplateReplace,
				Data:        map[string]v1alpha1.SecretTemplateText{"config": "token={{ .token }}"},
			},
		}
	})
	w.settle()
	w.wantReady(c)
	w.restart()
	w.sim.ResetCalls()
	w.delete(c)
	w.run(2 * time.Minute)
	if n := w.sim.CountCalls("token", "revoke"); n != 0 {
		t.Errorf("%d requests to revoke what the operator does not know to be its token", n)
	}
	if w.recorder.count("shop", "NotRevoked") != 1 || w.recorder.count("shop", "Revoked") != 0 {
		t.Errorf("events: %v", w.recorder.all())
	}
}

func TestTheAnnotationThatSaysWhoMadeASecretIsPutRight(t *testing.T) {
	w := newWorld(t)
	w.newSecretOf("app")
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Name, c.Spec.Secret.CreationPolicy = "app", v1alpha1.SecretMerge
	})
	w.settle()
	w.wantReady(c)
	w.run(repairPause)
	annotate(w, w.secret("shop-sfs-token"), v1alpha1.CreationPolicyAnnotation, "Merge")
	app := w.secret("app")
	update(w, app, func(s *corev1.Secret) { delete(s.Annotations, v1alpha1.CreationPolicyAnnotation) })
	w.run(time.Minute)
	w.wantReady(c)
	w.tokenOf(c)
	if got := w.secret("shop-sfs-token").Annotations[v1alpha1.CreationPolicyAnnotation]; got != "" {
		t.Errorf("the operator is still said to have been told to %s", got)
	}
	if got := w.secret("app").Annotations[v1alpha1.CreationPolicyAnnotation]; got != "Merge" {
		t.Errorf("the merged Secret says %q", got)
	}
	// Nor is what somebody else has made deleted where that can not be put right.
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
	update(w, w.secret("app"), func(s *corev1.Secret) { delete(s.Annotations, v1alpha1.CreationPolicyAnnotation) })
	w.delete(c)
	w.run(2 * time.Minute)
	if s := w.secret("app"); s == nil || string(s.Data["theirs"]) != "x" || w.there[refTo(c)] != nil {
		t.Errorf("the Secret of somebody else is now %v", s)
	}
}

func TestATokenThatWaitsForItsRevocationSurvivesTwoRenames(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", onRotate)
	w.settle()
	first := w.valueOf(c)
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Name = "other" })
	w.run(time.Second)
	annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
	w.run(time.Second)
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Name = "" })
	w.run(time.Minute)
	w.wantWaiting(c, 1)
	w.run(6 * time.Minute)
	w.wantReady(c)
	w.wantWaiting(c, 0)
	if w.isAlive(first) {
		t.Error("it was not revoked")
	}
}

func TestATokenIsWithdrawnFromASecretOfATypeThatNeedsItsKey(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.Token.Secret.Type = "kubernetes.io/basic-auth"
		c.Spec.Token.Secret.Keys = map[string]v1alpha1.SecretKey{"token": "password"}
	})
	w.settle()
	w.wantReady(c)
	value := w.aliveIn("shop-sfs-token", "password")
	heal := w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "revoke", Status: 503})
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) })
	w.run(10 * time.Second)
	if s := w.secret("shop-sfs-token"); s == nil || string(s.Data["password"]) == value {
		t.Errorf("a token that is to be revoked is still published: %v", s)
	}
	heal()
	w.run(time.Minute)
	if w.isAlive(value) || w.secret("shop-sfs-token") != nil {
		t.Error("it was not revoked, or its Secret not removed")
	}
}

// Somebody else wants a label to be another one, and says so each time that the operator has written it.
func TestAFightOverALabelIsSlow(t *testing.T) {
	w := newWorld(t)
	label := func(o map[string]v1alpha1.SecretLabelValue) map[string]v1alpha1.SecretLabelValue { return o }
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Template.Metadata.Labels = label(map[string]v1alpha1.SecretLabelValue{"team": "a"})
		c.Spec.Token.Secret.Template.Metadata.Labels = label(map[string]v1alpha1.SecretLabelValue{"team": "a"})
	})
	w.settle()
	for _, name := range []string{"shop-sfs", "shop-sfs-token"} {
		w.run(time.Minute)
		writes := 0
		for range 60 { // seconds
			if s := w.secret(name); s.Labels["team"] == "a" {
				writes++
				update(w, s, func(s *corev1.Secret) { s.Labels["team"] = "b" })
			}
			w.run(time.Second)
		}
		if writes > 14 || writes < 2 { // twice in ten seconds
			t.Errorf("Secret %s was written %d times in a minute", name, writes)
		}
	}
	w.run(time.Minute)
	w.wantReady(c)
}

func TestASecretOfAFormerPolicyIsNotForgotten(t *testing.T) {
	w := newWorld(t)
	w.collects = true
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Name, c.Spec.Secret.CreationPolicy = "a", v1alpha1.SecretOrphan
	})
	w.settle()
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Secret.Name, c.Spec.Secret.CreationPolicy = "b", "" })
	w.settle()
	w.delete(c)
	w.run(2 * time.Minute)
	if w.secret("a") != nil || w.there[refTo(c)] != nil {
		t.Errorf("it is left behind: %v", w.recorder.all())
	}
}

func TestWhatOneHasLeftInASecretIsNotTakenByAnother(t *testing.T) {
	w := newWorld(t)
	w.newSecretOf("app")
	merging := func(key string) func(*v1alpha1.SfsClient) {
		return func(c *v1alpha1.SfsClient) {
			c.Spec.Secret = v1alpha1.SecretSpec{
				Name: "app", CreationPolicy: v1alpha1.SecretMerge, DeletionPolicy: v1alpha1.SecretRetain,
				Keys: map[string]v1alpha1.SecretKey{"clientKey": v1alpha1.SecretKey(key), "baseURL": "", "SFS_CLIENT_KEY": "", "userKey": "", "SFS_USER_KEY": ""},
			}
		}
	}
	one := w.newSfsClient("one", merging("one"))
	w.settle()
	w.wantReady(one)
	w.newSecretOf("elsewhere")
	update(w, one, func(c *v1alpha1.SfsClient) { c.Spec.Secret.Name = "elsewhere" })
	w.run(formerGracePeriod + time.Minute)
	w.wantReady(one)
	two := w.newSfsClient("two", merging("two"))
	w.run(time.Minute)
	w.wantCondition(two, v1alpha1.SecretReadyCondition, metav1.ConditionFalse, v1alpha1.SecretConflictReason)
	if s := w.secret("app"); string(s.Data["one"]) != one.Status.ClientKey || !strings.HasPrefix(string(s.Data["theirs"]), "x") {
		t.Errorf("what was retained is gone: %v", s.Data)
	}
}

// TestASecretOfSomebodyElseThatAppearsAtTheLastMoment is made between the look of the operator and its own write.
func TestASecretOfSomebodyElseThatAppearsAtTheLastMoment(t *testing.T) {
	for _, name := range []string{"shop-sfs", "shop-sfs-token"} {
		t.Run(name, func(t *testing.T) {
			w, made := newWorld(t), false
			w.api = interceptor.NewClient(w.api, interceptor.Funcs{
				Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
					if o.GetName() == name && !made {
						made = true
						w.create(&corev1.Secret{
							ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
							Data:       map[string][]byte{v1alpha1.KeyToken: []byte("theirs"), v1alpha1.KeyClientKey: []byte("theirs")},
						})
					}
					return c.Create(ctx, o, opts...)
				},
			})
			w.restart()
			c := w.newSfsClient("shop")
			w.run(time.Minute)
			w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.SecretConflictReason, name)
			theirs := w.secret(name)
			if len(theirs.Labels)+len(theirs.Annotations)+len(theirs.OwnerReferences) > 0 || len(theirs.Data) != 2 ||
				string(theirs.Data[v1alpha1.KeyToken]) != "theirs" || string(theirs.Data[v1alpha1.KeyClientKey]) != "theirs" {
				t.Errorf("the Secret of somebody else is now %v with %d values", theirs.ObjectMeta, len(theirs.Data))
			}
			w.delete(theirs)
			w.run(15 * time.Minute)
			w.wantReady(c)
			w.aliveIn("shop-sfs-token", v1alpha1.KeyToken)
			if n := w.sim.LiveTokens(c.Status.ClientKey); n != 1 {
				t.Errorf("%d tokens were minted, want the one that found no place at first", n)
			}
		})
	}
}

// A Secret that has to be replaced may be kept by a finalizer of somebody else: that is said, and not tried twice a second.
func TestASecretThatIsToBeReplacedAndCanNotBeDeleted(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	update(w, w.secret("shop-sfs-token"), func(s *corev1.Secret) { s.Finalizers, s.Immutable = []string{"example.com/keep"}, ptr.To(true) })
	w.wire.arm(nil)
	w.run(30 * time.Minute)
	w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.TokenExpiringReason, "shop-sfs-token", "example.com/keep")
	if n := len(w.wire.made(0)); n > 200 {
		t.Errorf("%d requests in half an hour", n)
	}
	update(w, w.secret("shop-sfs-token"), func(s *corev1.Secret) { s.Finalizers = nil })
	w.run(5 * time.Minute)
	w.wantReady(c)
	w.aliveIn("shop-sfs-token", v1alpha1.KeyToken)
	if n := w.sim.LiveTokens(c.Status.ClientKey); n > 2 {
		t.Errorf("%d tokens live, want the published one and perhaps the one before it", n)
	}
}

// What the operator has written goes also from a Secret that somebody claims, which is not deleted: no token in it may stay.
func TestASecretThatSomebodyClaimsKeepsNothingOfTheOperator(t *testing.T) {
	claim := func(s *corev1.Secret) {
		s.Labels[v1alpha1.ManagedByLabel], s.Data["theirs"] = "Helm", []byte("x")
	}
	for name, leave := range map[string]func(*world, *v1alpha1.SfsClient, func()){
		"another name": func(w *world, c *v1alpha1.SfsClient, claimed func()) {
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Name, c.Spec.Secret.Name = "token", "ids" })
			w.run(time.Minute)
			claimed()
			w.run(formerGracePeriod)
			w.wantReady(c)
			if len(c.Status.FormerSecrets) > 0 {
				t.Errorf("the status still names %v", c.Status.FormerSecrets)
			}
		},
		"no token": func(w *world, c *v1alpha1.SfsClient, claimed func()) {
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
			w.run(time.Minute)
			claimed()
			update(w, c, func(c *v1alpha1.SfsClient) {
				c.Spec.Suspend, c.Spec.Token.Enabled, c.Spec.Secret.Name = false, ptr.To(false), "ids"
			})
			w.run(formerGracePeriod + time.Minute)
		},
		"deletion": func(w *world, c *v1alpha1.SfsClient, claimed func()) {
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
			w.run(time.Minute)
			claimed()
			w.delete(c)
			w.run(time.Minute)
		},
	} {
		for _, policy := range []v1alpha1.RevocationPolicy{v1alpha1.RevokeNever, v1alpha1.RevokeOnDelete} {
			t.Run(name+" "+string(policy), func(t *testing.T) {
				w := newWorld(t)
				c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
					c.Spec.Token.RevocationPolicy = policy
					c.Spec.Secret.CreationPolicy, c.Spec.Token.Secret.CreationPolicy = v1alpha1.SecretOrphan, v1alpha1.SecretOrphan
				})
				w.settle()
				leave(w, c, func() {
					for _, name := range []string{"shop-sfs", "shop-sfs-token"} {
						update(w, w.secret(name), claim)
					}
				})
				for _, name := range []string{"shop-sfs", "shop-sfs-token"} {
					s := w.secret(name)
					if s == nil {
						t.Fatalf("Secret %s of somebody else is gone", name)
					}
					if len(s.Data) != 1 || s.Data["theirs"] == nil {
						t.Errorf("Secret %s of somebody else has now the keys %v", name, slices.Collect(maps.Keys(s.Data)))
					}
					if len(s.Annotations) > 0 || s.Labels[v1alpha1.OwnerLabel] != "" {
						t.Errorf("Secret %s still has the labels %v and the annotations %v", name, s.Labels, s.Annotations)
					}
				}
			})
		}
	}
}

// A Secret of somebody else may have what says whose one of the operator is: it was copied.
func TestASecretThatIsOnlyCopiedIsNotReplaced(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.Secret.CreationPolicy = v1alpha1.SecretOrphan })
	w.settle()
	was := w.secret("shop-sfs")
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
	w.run(time.Minute)
	w.delete(was)
	w.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: "shop-sfs", Annotations: was.Annotations, Labels: map[string]string{v1alpha1.ManagedByLabel: "Helm"},
		},
		Type: corev1.SecretTypeBasicAuth,
		Data: map[string][]byte{"username": []byte("theirs"), "password": []byte("theirs")},
	})
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = false })
	w.run(10 * time.Minute)
	w.wantCondition(c, v1alpha1.SecretReadyCondition, metav1.ConditionFalse, v1alpha1.SecretConflictReason, "shop-sfs")
	if s := w.secret("shop-sfs"); s.Type != corev1.SecretTypeBasicAuth || string(s.Data["password"]) != "theirs" || len(s.Data) != 2 {
		t.Errorf("the Secret of somebody else is now of the type %s with %d values", s.Type, len(s.Data))
	}
}

// Without the annotation that says so a Secret that a token was merged into looks like one of the operator.
func TestASecretOfSomebodyElseIsNotDeletedForWhatItsAnnotationsLack(t *testing.T) {
	for _, policy := range []v1alpha1.RevocationPolicy{v1alpha1.RevokeNever, v1alpha1.RevokeOnDelete, v1alpha1.RevokeOnRotate} {
		t.Run(string(policy), func(t *testing.T) {
			w := newWorld(t)
			w.newSecretOf("app")
			c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
				c.Spec.Token.RevocationPolicy = policy
				c.Spec.Token.Secret.Name, c.Spec.Token.Secret.CreationPolicy = "app", v1alpha1.SecretMerge
			})
			w.settle()
			w.aliveIn("app", v1alpha1.KeyToken)
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
			w.run(time.Minute)
			update(w, w.secret("app"), func(s *corev1.Secret) { delete(s.Annotations, v1alpha1.CreationPolicyAnnotation) })
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend, c.Spec.Token.Enabled = false, ptr.To(false) })
			w.run(10 * time.Minute)
			w.wantReady(c)
			s := w.secret("app")
			if s == nil {
				t.Fatal("the Secret of somebody else is gone")
			}
			if len(s.Data) != 1 || s.Data["theirs"] == nil || len(s.Labels)+len(s.Annotations) > 0 {
				t.Errorf("it has the keys %v, the labels %v and the annotations %v", slices.Collect(maps.Keys(s.Data)), s.Labels, s.Annotations)
			}
		})
	}
}

// A Secret that was retained, and that somebody has claimed since, is one to merge into. Nothing stays of what was there before.
func TestASecretThatWasRetainedAndClaimedIsMergedInto(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.DeletionPolicy, c.Spec.Token.Enabled = v1alpha1.SecretRetain, ptr.To(false)
	})
	w.settle()
	w.delete(c)
	w.run(time.Minute)
	update(w, w.secret("shop-sfs"), func(s *corev1.Secret) {
		delete(s.Labels, v1alpha1.ManagedByLabel)
		s.Data["theirs"] = []byte("x")
	})
	again := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.Token.Enabled = ptr.To(false)
		c.Spec.Secret.Name, c.Spec.Secret.CreationPolicy = "shop-sfs", v1alpha1.SecretMerge
		c.Spec.Secret.Keys = map[string]v1alpha1.SecretKey{v1alpha1.KeyClientKey: "CLIENT"}
	})
	w.run(time.Minute)
	w.wantReady(again)
	if s := w.secret("shop-sfs"); s.Data["CLIENT"] == nil || s.Data[v1alpha1.KeyClientKey] != nil || s.Data["theirs"] == nil {
		t.Errorf("it has the keys %v", slices.Collect(maps.Keys(s.Data)))
	}
	w.delete(again)
	w.run(time.Minute)
	if s := w.secret("shop-sfs"); s == nil || len(s.Data) != 1 || s.Data["theirs"] == nil {
		t.Errorf("of the Secret of somebody else this is left: %v", s)
	}
}
