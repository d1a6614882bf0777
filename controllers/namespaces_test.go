// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/rights"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// ofTheCluster are the resources of the operator's role that have no namespace.
var ofTheCluster = []string{"namespaces", "sfsplatforms", "sfsplatforms/status"}

// startInSomeNamespaces starts an operator for the namespaces that it is given, with the shipped rights in these and in its
// own, and in the whole cluster with those only that are about what has no namespace.
func (w *world) startInSomeNamespaces(watched ...string) *process {
	w.t.Helper()
	w.process = true
	w.allowInNamespaces(append(slices.Clone(watched), w.operator, metav1.NamespaceDefault)...)
	as := rest.CopyConfig(config)
	as.Impersonate.UserName = userOf(w.account())
	as.Wrap(w.asked.Over)
	p := &process{done: make(chan error, 1)}
	var err error
	p.mgr, err = ctrl.NewManager(as, ctrl.Options{
		Scheme: scheme, NewCache: NewCache(w.operator, watched...), MapperProvider: NewMapper, Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: crconfig.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := Setup(w.t.Context(), p.mgr, Options{Namespace: w.operator, WatchNamespaces: watched, Concurrency: 2}); err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() { p.done <- p.mgr.Start(ctx) }()
	w.t.Cleanup(stop)
	return p
}

// account is one that no role is bound to in the whole cluster.
func (w *world) account() types.NamespacedName {
	return types.NamespacedName{Namespace: w.operator, Name: operatorAccount.Name}
}

// allowInNamespaces binds the operator's role in some namespaces.
func (w *world) allowInNamespaces(namespaces ...string) {
	w.t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: operatorAccount.Name}}
	w.reload(role)
	outside := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "cluster-of-" + w.platform}}
	for _, rule := range role.Rules {
		rule.Resources = slices.DeleteFunc(slices.Clone(rule.Resources), func(r string) bool { return !slices.Contains(ofTheCluster, r) })
		if len(rule.Resources) > 0 {
			outside.Rules = append(outside.Rules, rule)
		}
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: w.account().Namespace, Name: w.account().Name}}
	reference := func(role *rbacv1.ClusterRole) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name}
	}
	objects := []client.Object{outside, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: outside.Name}, RoleRef: reference(outside), Subjects: subjects,
	}}
	awaited := []rights.Right{{Verb: "patch", Group: v1alpha1.GroupVersion.Group, Resource: "sfsplatforms"}}
	for _, namespace := range namespaces {
		objects = append(objects, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: w.platform}, RoleRef: reference(role), Subjects: subjects,
		})
		awaited = append(awaited, rights.Right{Verb: "patch", Resource: "secrets", Namespace: namespace})
	}
	for _, o := range objects {
		w.create(o)
		w.t.Cleanup(func() { _ = w.client.Delete(context.Background(), o) })
	}
	if err := awaitRights(w.t.Context(), w.client, userOf(w.account()), awaited...); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnOperatorForSomeNamespacesLeavesTheOthersAlone(t *testing.T) {
	w := newWorld(t, sfstest.WithClock(systemClock{}))
	second, elsewhere := w.namespace+"-second", w.namespace+"-elsewhere"
	for _, name := range []string{second, elsewhere} {
		w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) {
		p.Spec.AllowedNamespaces.Names = []string{w.namespace, second, elsewhere}
		p.Spec.Adoption = []v1alpha1.AdoptionRule{
			{Name: "old", Namespaces: []string{w.namespace, elsewhere}, CustomKeyPatterns: []string{"old-*"}},
		}
	})
	// It was there before the other one that names the same client, but there is nobody to make anything of it.
	unseen := w.newSfsClient("unseen", func(c *v1alpha1.SfsClient) { c.Namespace, c.Spec.CustomKey = elsewhere, "old-1" })
	p := w.startInSomeNamespaces(w.namespace, second)
	w.newSfsClient("shop")
	w.newSfsClient("far", func(c *v1alpha1.SfsClient) { c.Namespace = second })
	w.newSfsClient("naming", func(c *v1alpha1.SfsClient) { c.Spec.CustomKey = "old-1" }) // looks for rivals at the API server
	w.newSfsClientUser("jane", "shop")
	w.await(&v1alpha1.SfsClientList{}, 2, "Ready", isReady)
	w.await(&v1alpha1.SfsClientUserList{}, 1, "Ready", isReady)
	w.awaitPlatform("counted the clients of its namespaces", hasClients(3, 3))
	// Both wake up whoever is concerned in that namespace, in which there is nothing to be looked up.
	update(w, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: elsewhere}}, func(n *corev1.Namespace) { n.Labels["a"] = "b" })
	fresh := w.sim.RotateCredentials()
	update(w, w.credentials(fresh), func(s *corev1.Secret) { s.Data = map[string][]byte{"apiKey": []byte("x"), "secret": []byte("y")} })
	w.awaitPlatform("noticed", hasCredentials(metav1.ConditionFalse))
	p.end(t)

	w.reload(unseen)
	if len(unseen.Finalizers) > 0 || len(unseen.Status.Conditions) > 0 {
		t.Errorf("the operator has written to a resource of another namespace: %+v", unseen)
	}
	if n := len(w.sim.Clients()); n != 3 {
		t.Errorf("SFS has %d clients, want 3", n)
	}
	for _, complaint := range []string{"unable to list: " + elsewhere, "unable to list: " + w.operator} {
		if line := logs.find(complaint); line != "" {
			t.Errorf("the operator complains: %s", line)
		}
	}
}
