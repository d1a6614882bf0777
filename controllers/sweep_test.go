// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

func renamed(c *v1alpha1.SfsClient) { c.Spec.Secret.Name, c.Spec.Token.Secret.Name = "ids", "live" }

func (w *world) wantSwept() {
	w.t.Helper()
	for _, name := range []string{"shop-sfs", "shop-sfs-token"} {
		if w.secret(name) != nil {
			w.t.Errorf("Secret %s is still there", name)
		}
	}
}

func TestSecretsOfFormerNamesAreRemovedWhateverSFSSaysOfTheRest(t *testing.T) {
	for name, test := range map[string]struct {
		fault  sfstest.Fault
		change func(*v1alpha1.SfsClient)
	}{
		"the users may not be listed": {sfstest.Fault{Endpoint: "user", Action: "list", Status: 403}, renamed},
		"the profile is refused": {
			sfstest.Fault{Endpoint: "client", Action: "update", Status: 400},
			func(c *v1alpha1.SfsClient) { renamed(c); c.Spec.FullName = "Jane" },
		},
		"the profile can not be written": {
			sfstest.Fault{Endpoint: "client", Action: "update", Status: 503},
			func(c *v1alpha1.SfsClient) { renamed(c); c.Spec.FullName = "Jane" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop", onRotate)
			w.newSfsClientUser("jane", "shop")
			w.settle()
			w.sim.Inject(test.fault)
			w.run(11 * time.Minute) // so that the users are to be compared
			update(w, c, test.change)
			w.run(formerGracePeriod + time.Minute)
			w.tokenOf(c)
			w.wantSwept()
		})
	}
}

func TestASecretOfAFormerNameThatWasLeftIsRemovedLater(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", onRotate)
	w.settle()
	left := w.secret("shop-sfs-token")
	update(w, c, renamed)
	w.run(formerGracePeriod)
	w.wantReady(c)
	w.wantSwept()
	// As if it had been left by a process before this one: nothing in the status tells of it.
	w.create(&corev1.Secret{ObjectMeta: bare(left), Data: left.Data})
	w.restart()
	w.run(formerGracePeriod)
	w.wantReady(c)
	w.wantSwept()
	w.connect()
	w.restart()
	w.wire.arm(nil)
	w.run(time.Minute)
	for _, call := range w.wire.made(0) {
		if call.plane == planeKubernetes && (call.writes() || call.target.kind == secretKind) && call.target.name != "credentials" {
			t.Errorf("a restart is not free: %v", call)
		}
	}
}

func TestASecretThatSomebodysFinalizerHoldsIsDeletedOnce(t *testing.T) {
	w := newWorld(t)
	w.connect()
	w.restart()
	c := w.newSfsClient("shop")
	w.settle()
	update(w, w.secret("shop-sfs-token"), func(s *corev1.Secret) { s.Finalizers = []string{"example.com/held"} })
	w.settle()
	w.wire.arm(nil)
	update(w, c, renamed)
	w.run(30 * time.Minute)
	w.wantReady(c)
	n := 0
	for _, call := range w.wire.made(0) {
		if call.verb == "delete" && call.target.name == "shop-sfs-token" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("it was deleted %d times", n)
	}
	update(w, w.secret("shop-sfs-token"), func(s *corev1.Secret) { s.Finalizers = nil })
}

// bare is the metadata of an object without what the API server adds.
func bare(s *corev1.Secret) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: s.Namespace, Name: s.Name, Labels: s.Labels, Annotations: s.Annotations, OwnerReferences: s.OwnerReferences,
	}
}
