// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/internal/rights"
)

// may is one answer to the question who may do what. The resources are those of this operator, but for secrets.
type may struct {
	verb, resource, name string
	want                 bool
}

// wantAnswers asks the API server what somebody may do in a namespace.
func (w *world) wantAnswers(who person, namespace string, answers ...may) {
	w.t.Helper()
	for _, a := range answers {
		right := rights.Right{Verb: a.verb, Resource: a.resource, Namespace: namespace}
		if strings.HasPrefix(a.resource, "sfs") || strings.HasPrefix(a.resource, "oauth") {
			right.Group = v1alpha1.GroupVersion.Group
		}
		got, err := isAllowed(w.t.Context(), w.client, who, right, a.name)
		if err != nil {
			w.t.Fatal(err)
		}
		if got != a.want {
			w.t.Errorf("%s %v may %s %q: %t, want %t", who.user, who.groups, right, a.name, got, a.want)
		}
	}
}

// as returns a client of somebody.
func (w *world) as(who person) client.Client {
	w.t.Helper()
	them := rest.CopyConfig(config)
	them.Impersonate = rest.ImpersonationConfig{UserName: who.user, Groups: who.groups}
	c, err := client.New(them, client.Options{Scheme: scheme, Mapper: w.client.RESTMapper()})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// installSampleRoles applies the roles of config/samples, in the namespace of this world.
func (w *world) installSampleRoles() {
	w.t.Helper()
	samples, err := localcluster.ReadKustomization(filepath.Join("..", "config", "samples"))
	if err != nil {
		w.t.Fatal(err)
	}
	applied := 0
	for _, o := range samples {
		if o.GroupVersionKind().Group != rbacv1.GroupName {
			continue
		}
		applied++
		o.SetNamespace(w.namespace)
		subjects, _, _ := unstructured.NestedSlice(o.Object, "subjects")
		for _, s := range subjects {
			if subject := s.(map[string]any); subject["kind"] == rbacv1.ServiceAccountKind {
				subject["namespace"] = w.namespace
			}
		}
		if len(subjects) > 0 {
			_ = unstructured.SetNestedSlice(o.Object, subjects, "subjects")
		}
		w.create(o)
		w.t.Cleanup(func() { _ = w.client.Delete(context.Background(), o) })
	}
	if applied != 4 {
		w.t.Fatalf("config/samples has %d roles and bindings, want 4", applied)
	}
}

func TestTheSampleRolesLetTenantsDoWhatTheySay(t *testing.T) {
	w := newWorld(t)
	w.installSampleRoles()
	developer := person{user: "jane", groups: []string{"team-a-developers", "system:authenticated"}}
	app := person{user: "system:serviceaccount:" + w.namespace + ":globex-app"}
	w.eventually(func() bool {
		token := rights.Right{Verb: "get", Resource: "secrets", Namespace: w.namespace}
		reads, err := isAllowed(t.Context(), w.client, app, token, "globex-sfs-token")
		creates := rights.Right{Verb: "create", Group: v1alpha1.GroupVersion.Group, Resource: "sfsclients", Namespace: w.namespace}
		made, madeErr := isAllowed(t.Context(), w.client, developer, creates, "")
		return reads && made && err == nil && madeErr == nil
	})

	// A developer makes a client, and an application reads its token: each what is its part, and no more.
	globex := &v1alpha1.SfsClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "globex"},
		Spec:       v1alpha1.SfsClientSpec{PlatformRef: v1alpha1.PlatformReference{Name: w.platform}},
	}
	if err := w.as(developer).Create(t.Context(), globex.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	w.written.add(stored{of: refTo(globex)}) // by another hand than the world knows
	w.newSfsClient("other")
	w.settle()
	w.wantReady(globex)
	var token corev1.Secret
	if err := w.as(app).Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: globex.TokenSecretName()}, &token); err != nil {
		t.Error(err)
	}
	if info, known := w.sim.TokenState(string(token.Data[v1alpha1.KeyToken])); !known || !info.Alive {
		t.Errorf("the application has read a token that SFS does not take: %+v", info)
	}
	for who, name := range map[*person]string{&developer: globex.TokenSecretName(), &app: "other-sfs-token"} {
		err := w.as(*who).Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, &corev1.Secret{})
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s reads Secret %s: %v", who.user, name, err)
		}
	}

	w.wantAnswers(developer, w.namespace,
		may{"create", "sfsclientusers", "", true}, may{"patch", "sfsclients", "", true}, may{"delete", "sfsclients", "", true},
		may{"patch", "sfsclients/status", "", false}, may{"update", "sfsclientusers/status", "", false},
		may{"list", "secrets", "", false}, may{"patch", "secrets", "globex-sfs-token", false}, may{"list", "events", "", true},
	)
	w.wantAnswers(app, w.namespace,
		may{"get", "secrets", "globex-sfs-token", true}, may{"get", "secrets", "globex-sfs", false}, may{"get", "secrets", "", false},
		may{"list", "secrets", "", false}, may{"watch", "secrets", "", false}, may{"patch", "secrets", "globex-sfs-token", false},
		may{"get", "sfsclients", "", false},
	)
	for _, who := range []person{developer, app} {
		w.wantAnswers(who, w.operator, may{"get", "secrets", "globex-sfs-token", false}, may{"create", "sfsclients", "", false})
		w.wantAnswers(who, "", may{"get", "sfsplatforms", "", false}, may{"create", "sfsplatforms", "", false})
	}
}

// rulesOf returns the rules of a role as they are once the controller that puts roles together from others, which does not
// run here, has seen all of them.
func (w *world) rulesOf(role *rbacv1.ClusterRole) []rbacv1.PolicyRule {
	w.t.Helper()
	if role.AggregationRule == nil {
		return role.Rules
	}
	var all []rbacv1.PolicyRule
	for _, which := range role.AggregationRule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&which)
		if err != nil {
			w.t.Fatal(err)
		}
		var parts rbacv1.ClusterRoleList
		if err := w.client.List(w.t.Context(), &parts, client.MatchingLabelsSelector{Selector: selector}); err != nil {
			w.t.Fatal(err)
		}
		for i := range parts.Items {
			all = append(all, w.rulesOf(&parts.Items[i])...)
		}
	}
	return all
}

// given returns somebody who has a role of Kubernetes in the namespace of this world.
func (w *world) given(name string) person {
	w.t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}}
	w.reload(role)
	whole := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name + "-of-" + w.platform}, Rules: w.rulesOf(role)}
	who := person{user: fmt.Sprintf("who has the role %s in %s", name, w.namespace)}
	for _, o := range []client.Object{whole, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: whole.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: who.user}},
	}} {
		w.create(o)
		w.t.Cleanup(func() { _ = w.client.Delete(context.Background(), o) })
	}
	// Something that Kubernetes itself lets each of them do.
	if err := awaitRights(w.t.Context(), w.client, who.user, rights.Right{Verb: "get", Resource: "configmaps", Namespace: w.namespace}); err != nil {
		w.t.Fatal(err)
	}
	return who
}

func TestTheRolesOfKubernetesReachTenantsButNoPlatformAndNoStatus(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		role          string
		reads, writes bool
		readsSecrets  bool
	}{
		{role: "view", reads: true},
		{role: "edit", reads: true, writes: true, readsSecrets: true},
		{role: "admin", reads: true, writes: true, readsSecrets: true},
	} {
		who := w.given(c.role)
		for _, resource := range []string{"sfsclients", "sfsclientusers", "oauthtokens"} {
			for _, verb := range []string{"get", "list", "watch"} {
				w.wantAnswers(who, w.namespace, may{verb, resource, "", c.reads})
			}
			for _, verb := range []string{"create", "update", "patch", "delete", "deletecollection"} {
				w.wantAnswers(who, w.namespace, may{verb, resource, "", c.writes})
			}
			w.wantAnswers(who, w.namespace, may{"update", resource + "/status", "", false}, may{"patch", resource + "/status", "", false})
			w.wantAnswers(who, w.operator, may{"get", resource, "", false}, may{"create", resource, "", false})
		}
		w.wantAnswers(who, w.namespace, may{"get", "secrets", "", c.readsSecrets})
		w.wantAnswers(who, w.operator, may{"get", "secrets", "", false})
		w.wantAnswers(who, "", may{"get", "sfsplatforms", "", false}, may{"list", "sfsplatforms", "", false}, may{"create", "sfsplatforms", "", false})
	}
}
