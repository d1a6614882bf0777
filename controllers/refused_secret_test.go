// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// refuseSecrets has the API server refuse to write some Secrets, as a quota or an admission policy does. It returns what ends
// that.
func (w *world) refuseSecrets(which func(name string, labels map[string]string) bool) (end func()) {
	ended := false
	refused := func(name string, labels map[string]string) error {
		if ended || !which(name, labels) {
			return nil
		}
		return apierrors.NewForbidden(corev1.Resource("secrets"), name, errors.New("exceeded quota"))
	}
	w.api = interceptor.NewClient(w.api, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if s, ok := o.(*corev1.Secret); ok {
				if err := refused(s.Name, s.Labels); err != nil {
					return err
				}
			}
			return c.Create(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if o.GetObjectKind().GroupVersionKind().Kind == "Secret" {
				var asked metav1.PartialObjectMetadata
				raw, err := p.Data(o)
				if err == nil {
					err = json.Unmarshal(raw, &asked)
				}
				if err == nil {
					err = refused(o.GetName(), asked.Labels)
				}
				if err != nil {
					return err
				}
			}
			return c.Patch(ctx, o, p, opts...)
		},
	})
	w.restart()
	return func() { ended = true }
}

func TestATokenGoesOnWhereTheAPIServerRefusesTheSecretThatTheSpecAsksFor(t *testing.T) {
	for name, test := range map[string]struct {
		edit    func(*v1alpha1.SfsClient)
		refused func(name string, labels map[string]string) bool
	}{
		"another name": {
			func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Name = "renamed" },
			func(name string, _ map[string]string) bool { return name == "renamed" },
		},
		"another label": {
			func(c *v1alpha1.SfsClient) {
				c.Spec.Token.Secret.Template.Metadata.Labels = map[string]v1alpha1.SecretLabelValue{"team": "x"}
			},
			func(name string, labels map[string]string) bool {
				return name == "shop-sfs-token" && labels["team"] != ""
			},
		},
	} {
		for _, policy := range []v1alpha1.RevocationPolicy{v1alpha1.RevokeOnDelete, v1alpha1.RevokeOnRotate} {
			for _, restarted := range []bool{false, true} {
				t.Run(name, func(t *testing.T) {
					w := newWorld(t)
					end := w.refuseSecrets(test.refused)
					c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.Token.RevocationPolicy = policy })
					w.settle()
					first := w.valueOf(c)
					update(w, c, test.edit)
					if restarted {
						w.restart()
					}
					for range 50 {
						w.run(time.Minute)
						w.aliveIn("shop-sfs-token", "token")
					}
					w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
					w.wantCondition(c, v1alpha1.SecretReadyCondition, metav1.ConditionFalse, v1alpha1.SecretWriteFailedReason)
					if w.aliveIn("shop-sfs-token", "token") == first {
						t.Error("the token was not renewed")
					}
					if n := w.sim.LiveTokens(c.Status.ClientKey); n > 2 {
						t.Errorf("%d tokens live, want the published one and perhaps the one before it", n)
					}
					end()
					w.run(20 * time.Minute)
					w.wantReady(c)
					w.aliveIn(c.TokenSecretName(), "token")
				})
			}
		}
	}
}

// What is to go from a Secret goes also where somebody has edited it: the token under its former key would soon be dead.
func TestASecretThatWasEditedAndIsToHaveOtherKeysKeepsNone(t *testing.T) {
	for name, edit := range map[string]func(*corev1.Secret){
		"its hash":   func(s *corev1.Secret) { delete(s.Annotations, v1alpha1.ContentHashAnnotation) },
		"its owner":  func(s *corev1.Secret) { delete(s.Labels, v1alpha1.OwnerLabel) },
		"its keys":   func(s *corev1.Secret) { delete(s.Annotations, v1alpha1.KeysAnnotation) },
		"its values": func(s *corev1.Secret) { s.Data[v1alpha1.KeyToken] = []byte("x") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop")
			w.settle()
			w.run(25 * time.Minute)
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
			w.run(time.Minute)
			update(w, w.secret("shop-sfs-token"), func(s *corev1.Secret) { edit(s); s.Data["theirs"] = []byte("x") })
			update(w, c, func(c *v1alpha1.SfsClient) {
				c.Spec.Suspend, c.Spec.Token.Secret.Keys = false, map[string]v1alpha1.SecretKey{v1alpha1.KeyToken: "apiToken"}
			})
			w.run(time.Minute)
			w.wantReady(c)
			w.aliveIn("shop-sfs-token", "apiToken")
			if s := w.secret("shop-sfs-token"); s.Data[v1alpha1.KeyToken] != nil || s.Data["theirs"] == nil {
				t.Errorf("want no token under its former key, and what is theirs: %v", slices.Sorted(maps.Keys(s.Data)))
			}
		})
	}
}

// A back-up that is put back has Secrets of a resource that went, and whose token was revoked then.
func TestATokenFromABackUpIsNotPublishedForTheNextResource(t *testing.T) {
	w := newWorld(t)
	orphan := func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.CreationPolicy, c.Spec.Token.Secret.CreationPolicy = v1alpha1.SecretOrphan, v1alpha1.SecretOrphan
	}
	c := w.newSfsClient("shop", orphan)
	w.settle()
	first, copied := w.valueOf(c), w.secret("shop-sfs-token")
	w.delete(c)
	w.run(time.Minute)
	if w.isAlive(first) || w.secret("shop-sfs-token") != nil {
		t.Fatal("the token was not revoked, or its Secret is still there")
	}
	copied.ObjectMeta = metav1.ObjectMeta{
		Namespace: copied.Namespace, Name: copied.Name, Labels: copied.Labels, Annotations: copied.Annotations,
	}
	w.create(copied)
	next := w.newSfsClient("shop", orphan)
	w.run(time.Minute)
	w.wantReady(next)
	w.aliveIn("shop-sfs-token", "token")
}
