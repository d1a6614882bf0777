// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// workload is something that users want of the operator.
type workload struct {
	name string
	// setup makes what is there before; all goes well in it.
	setup func(w *world)
	// cold has the platform not been looked at before either.
	cold bool
	// action is what is wanted. Faults hit what the operator does from then on.
	action func(w *world)
	// gap is how long an application may be without a token where the action takes it away and something goes wrong.
	gap time.Duration
	// rotates: tokens that were replaced are revoked, which takes another write and two reads of their Secret.
	rotates bool
	// behaviour of SFS that the workload is about.
	behaviour sfstest.Behaviour
}

// workloads of the campaigns. All resources have the names shop, jane (a user of it) and boss (its default user), so that
// the actions can find them.
var workloads = []*workload{
	{name: "first-client", action: func(w *world) { w.newShop() }},
	{name: "first-sync", action: func(w *world) {
		w.newShop()
		w.newUsers()
	}},
	{name: "first-platform", cold: true, action: func(w *world) { w.newShop() }},
	{name: "two-clients", action: func(w *world) {
		w.newShop()
		w.newSfsClient("mall")
	}},
	{name: "users-of-an-old-client", setup: func(w *world) { w.newShop() }, action: func(w *world) { w.newUsers() }},
	{name: "renewal", setup: func(w *world) {
		w.newShop()
		w.run(16 * time.Minute)
	}, action: func(*world) {}},
	{name: "spec-change", setup: (*world).newTenant, action: func(w *world) {
		update(w, w.shop(), func(c *v1alpha1.SfsClient) { c.Spec.FullName, c.Spec.Email = "Jane Roe", "jane@shop.example" })
		update(w, w.user("jane"), func(u *v1alpha1.SfsClientUser) { u.Spec.FullName = "Jane Roe" })
	}},
	{name: "renew-requested", setup: func(w *world) { w.newShop() }, action: func(w *world) {
		w.annotate(v1alpha1.RenewRequestedAtAnnotation, "now")
	}},
	{name: "reconcile-requested", setup: (*world).newTenant, action: func(w *world) {
		w.annotate(v1alpha1.ReconcileRequestedAtAnnotation, "now")
		update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) {
			metav1.SetMetaDataAnnotation(&p.ObjectMeta, v1alpha1.ReconcileRequestedAtAnnotation, "now")
		})
	}},
	{name: "token-off-and-on", setup: func(w *world) { w.newShop() }, action: func(w *world) {
		update(w, w.shop(), func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) })
		w.run(time.Minute)
		update(w, w.shop(), func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = nil })
	}, gap: 2 * time.Minute},
	{name: "secrets-deleted", setup: (*world).newTenant, action: func(w *world) {
		for _, name := range []string{"shop-sfs", "shop-sfs-token", "jane-sfs-user"} {
			w.delete(w.secret(name))
		}
	}, gap: 2 * time.Minute},
	{name: "secrets-edited", setup: (*world).newTenant, action: func(w *world) {
		for _, name := range []string{"shop-sfs", "shop-sfs-token", "jane-sfs-user"} {
			update(w, w.secret(name), func(s *corev1.Secret) { s.Data["clientKey"], s.Data["token"] = []byte("x"), []byte("y") })
		}
		w.run(time.Minute)
		update(w, w.secret("shop-sfs"), func(s *corev1.Secret) { s.Labels = nil })
		update(w, w.secret("shop-sfs-token"), func(s *corev1.Secret) { s.Labels, s.Annotations = nil, nil })
	}, gap: 2 * time.Minute},
	{name: "secrets-renamed", setup: (*world).newTenant, action: func(w *world) {
		update(w, w.shop(), func(c *v1alpha1.SfsClient) { c.Spec.Secret.Name, c.Spec.Token.Secret.Name = "ids", "live" })
		update(w, w.user("jane"), func(u *v1alpha1.SfsClientUser) { u.Spec.Secret.Name = "jane" })
	}},
	{name: "shapes-changed", setup: (*world).newTenant, action: func(w *world) {
		update(w, w.shop(), func(c *v1alpha1.SfsClient) {
			c.Spec.Secret.Type = "example.com/sfs"
			c.Spec.Secret.Formats = []v1alpha1.SecretFormat{{Format: "env"}}
			c.Spec.Token.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"header": "Bearer {{ .token }}"}
		})
		w.run(30 * time.Second)
		update(w, w.shop(), func(c *v1alpha1.SfsClient) {
			c.Spec.Token.Secret.Type = "example.com/sfs"
			c.Spec.Token.Secret.Keys = map[string]v1alpha1.SecretKey{"issuedAt": ""}
		})
	}, gap: 2 * time.Minute},
	{name: "secrets-merged-and-released", setup: func(w *world) {
		w.newSecretOf("app")
		w.newSecretOf("app-token")
		w.run(time.Second)
	}, action: func(w *world) {
		w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
			c.Spec.Secret.Name, c.Spec.Secret.CreationPolicy = "app", v1alpha1.SecretMerge
			c.Spec.Token.Secret.Name, c.Spec.Token.Secret.CreationPolicy = "app-token", v1alpha1.SecretMerge
		})
		w.run(90 * time.Second)
		w.delete(w.shop())
	}},
	{name: "orphans-renamed", setup: func(w *world) {
		w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
			c.Spec.Secret.CreationPolicy, c.Spec.Token.Secret.CreationPolicy = v1alpha1.SecretOrphan, v1alpha1.SecretOrphan
		})
	}, action: func(w *world) {
		update(w, w.shop(), func(c *v1alpha1.SfsClient) { c.Spec.Secret.Name, c.Spec.Token.Secret.Name = "ids", "live" })
	}},
	{name: "client-deleted", setup: func(w *world) { w.newShop() }, action: func(w *world) { w.delete(w.shop()) }},
	{name: "client-recreated", setup: (*world).newTenant, action: func(w *world) {
		w.delete(w.shop())
		w.run(2 * time.Minute)
		w.newShop()
	}},
	{name: "users-replaced", setup: (*world).newTenant, action: func(w *world) { // in one go, as they have no finalizer
		w.delete(w.user("jane"))
		w.delete(w.user("boss"))
		w.newUsers()
	}},
	{name: "all-replaced", setup: func(w *world) { // in one go, and so perhaps unseen
		w.newSfsClient("shop", neverRevoke)
		w.newUsers()
	}, action: func(w *world) {
		for _, o := range []object{w.shop(), w.user("jane"), w.user("boss")} {
			w.delete(o)
		}
		w.newSfsClient("shop", neverRevoke)
		w.newUsers()
	}, gap: 2 * time.Minute},
	{name: "cluster-rebuilt", setup: (*world).newTenant, action: func(w *world) {
		for _, o := range []object{w.shop(), w.user("jane"), w.user("boss")} {
			w.delete(o)
		}
		w.run(2 * time.Minute)
		w.newTenant()
	}},
	{name: "namespace-refused-and-served", setup: (*world).newTenant, action: func(w *world) {
		update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.AllowedNamespaces = nil })
		w.run(30 * time.Second)
		update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.AllowedNamespaces = selects(w) })
		w.run(30 * time.Second)
		update(w, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}, func(n *corev1.Namespace) { n.Labels["sfs"] = "yes" })
	}},
	{name: "credentials-rotated", setup: (*world).newTenant, action: func(w *world) {
		fresh := w.sim.RotateCredentials()
		w.annotate(v1alpha1.ReconcileRequestedAtAnnotation, "with the old pair")
		w.run(30 * time.Second)
		update(w, w.credentials(fresh), func(s *corev1.Secret) { s.Data = w.credentials(fresh).Data })
		w.run(time.Second)
		w.annotate(v1alpha1.ReconcileRequestedAtAnnotation, "with the new pair")
	}},
	{name: "platform-recreated", setup: (*world).newTenant, action: func(w *world) {
		platform := w.sfsPlatform()
		w.reload(platform)
		w.delete(platform)
		w.run(90 * time.Second) // it is held for its clients, a minute at most
		w.create(&v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: w.platform}, Spec: platform.Spec})
	}},
	{name: "suspended-and-resumed", setup: (*world).newTenant, action: func(w *world) {
		update(w, w.shop(), func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
		w.run(30 * time.Second)
		update(w, w.shop(), func(c *v1alpha1.SfsClient) { c.Spec.Suspend, c.Spec.FullName = false, "Jane Roe" })
	}},
	{name: "adopted", setup: func(w *world) {
		w.adopting(w.legacyRule())
		w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7", FullName: "Old Name"})
	}, action: func(w *world) {
		w.newSfsClient("shop", named("legacy-7"), called("Jane"))
	}},
	{name: "made-under-a-given-key", setup: func(w *world) { w.adopting(w.legacyRule()) }, action: func(w *world) {
		w.newSfsClient("shop", named("legacy-7"))
	}},
	{name: "imported", setup: func(w *world) { w.adopting(w.legacyRule()) }, action: func(w *world) {
		key := w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7", FullName: "Old Name"})
		w.newSfsClient("shop", imported(key), called("Jane"))
		w.newSfsClientUser("jane", "shop")
	}},
	{name: "retired-and-recreated", setup: func(w *world) {
		w.newSfsClient("shop", retiring)
		w.newSfsClientUser("jane", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetire })
	}, action: func(w *world) {
		w.delete(w.user("jane"))
		w.run(90 * time.Second)
		w.delete(w.shop())
	}},
	{name: "drift", setup: func(w *world) {
		w.newTenant()
		w.run(9 * time.Minute)
	}, action: func(w *world) {
		shop := w.shop()
		w.reload(shop)
		w.somebodyElse(shop.Status.ClientKey, sendforsign.ClientFields{FullName: "Hijacked", CustomKey: "mine-now"})
	}},
	{name: "rotation-with-revocation", setup: func(w *world) { w.newSfsClient("shop", onRotate) }, action: func(w *world) {
		w.annotate(v1alpha1.RenewRequestedAtAnnotation, "now")
	}, rotates: true},
	{name: "rotation-where-one-token-lives", setup: func(w *world) { w.newShop() }, action: func(w *world) {
		w.annotate(v1alpha1.RenewRequestedAtAnnotation, "now")
	}, behaviour: sfstest.Behaviour{Renewal: sfstest.RenewalRevokes}, gap: time.Minute},
	{name: "revocation-requested", setup: func(w *world) { w.newShop() }, action: func(w *world) {
		w.annotate(v1alpha1.RevokeRequestedAtAnnotation, "now")
	}, rotates: true},
	{name: "revocation-of-all-requested", setup: func(w *world) {
		w.newShop()
		w.newSfsClient("mall")
	}, action: func(w *world) { annotate(w, w.sfsPlatform(), v1alpha1.RevokeRequestedAtAnnotation, "now") }, rotates: true},
	{name: "next-credentials", setup: func(w *world) { w.newTenant() }, action: func(w *world) {
		w.create(w.pair("next", w.sim.RotateCredentials()))
		w.nameNext("next")
	}},
	{name: "deleted-all-at-once", setup: (*world).newTenant, action: func(w *world) {
		for _, o := range []object{w.sfsPlatform(), w.user("jane"), w.shop(), w.user("boss")} {
			w.delete(o)
		}
	}},
}

func workloadNamed(name string) *workload {
	for _, l := range workloads {
		if l.name == name {
			return l
		}
	}
	return nil
}

func (w *world) newShop() *v1alpha1.SfsClient {
	return w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.FullName = "Jane" })
}

func (w *world) newUsers() {
	w.newSfsClientUser("jane", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.FullName = "Jane" })
	w.newSfsClientUser("boss", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.Default, u.Spec.FullName = true, "The Boss" })
}

// newTenant makes a client with its users.
func (w *world) newTenant() {
	w.newShop()
	w.newUsers()
}

func (w *world) shop() *v1alpha1.SfsClient {
	return &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "shop"}}
}

func (w *world) user(name string) *v1alpha1.SfsClientUser {
	return &v1alpha1.SfsClientUser{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
}

func (w *world) annotate(name, value string) {
	update(w, w.shop(), func(c *v1alpha1.SfsClient) { metav1.SetMetaDataAnnotation(&c.ObjectMeta, name, value) })
}
