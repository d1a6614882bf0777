// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// apply does what kubectl apply --server-side does.
func (w *world) apply(manager string, o client.Object, fields map[string]any) {
	w.t.Helper()
	applied := &unstructured.Unstructured{Object: fields}
	applied.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kindOf(o)))
	applied.SetNamespace(o.GetNamespace())
	applied.SetName(o.GetName())
	if err := w.client.Apply(w.t.Context(), client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner(manager)); err != nil {
		w.t.Fatalf("%s applies %s: %v", manager, o.GetName(), err)
	}
}

// ownedBy are the fields of an object that a manager owns, as paths.
func ownedBy(t *testing.T, o client.Object, manager string) []string {
	t.Helper()
	var paths []string
	var walk func(path string, fields map[string]any)
	walk = func(path string, fields map[string]any) {
		for name, below := range fields {
			field, isField := strings.CutPrefix(name, "f:")
			inner, _ := below.(map[string]any)
			if !isField || len(inner) == 0 {
				paths = append(paths, strings.TrimPrefix(path+"."+field, "."))
				continue
			}
			walk(path+"."+field, inner)
		}
	}
	for _, entry := range o.GetManagedFields() {
		if entry.Manager != manager {
			continue
		}
		var fields map[string]any
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
			t.Fatal(err)
		}
		walk("", fields)
	}
	return paths
}

// A tool that applies from Git and somebody else each say a part of a spec, and the operator writes the status.
func TestTwoManagersAndTheOperatorShareAResource(t *testing.T) {
	w := newWorld(t)
	c := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "shop"}}
	u := &v1alpha1.SfsClientUser{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "jane"}}
	p := w.sfsPlatform()
	fromGit := func(fullName string) {
		w.apply("gitops", c, map[string]any{"spec": map[string]any{
			"platformRef": map[string]any{"name": w.platform}, "fullName": fullName, "deletionPolicy": "Retire",
		}})
		w.apply("gitops", u, map[string]any{"spec": map[string]any{"clientRef": map[string]any{"name": "shop"}, "fullName": "Jane"}})
	}
	fromGit("The Shop")
	w.apply("team", c, map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"team": "blue"}},
		"spec":     map[string]any{"organization": "Shop Ltd", "token": map[string]any{"renewBefore": "15m"}},
	})
	w.apply("team", u, map[string]any{"spec": map[string]any{"email": "jane@shop.example"}})
	w.apply("team", p, map[string]any{"spec": map[string]any{"token": map[string]any{"renewBefore": "12m"}}})
	w.run(time.Hour) // with renewals
	w.wantReady(p, c, u)
	fromGit("The Best Shop")
	w.run(time.Minute)
	w.wantReady(p, c, u)
	if s := c.Spec; s.FullName != "The Best Shop" || s.Organization != "Shop Ltd" || s.Token.RenewBefore.Duration != 15*time.Minute || c.Labels["team"] != "blue" {
		t.Errorf("the spec is %+v with the labels %v, want what both have applied", s, c.Labels)
	}
	if u.Spec.FullName != "Jane" || u.Spec.Email != "jane@shop.example" || p.Spec.Token.RenewBefore.Duration != 12*time.Minute {
		t.Errorf("the specs are %+v and %+v, want what both have applied", u.Spec, p.Spec)
	}
	if got := w.sim.Clients()[0]; got.FullName != "The Best Shop" || got.Organization != "Shop Ltd" {
		t.Errorf("SFS has %+v, want what both have applied", got)
	}
	for _, o := range []client.Object{p, c, u} {
		owned := ownedBy(t, o, fieldManager)
		if !slices.ContainsFunc(owned, func(path string) bool { return strings.HasPrefix(path, "status.") }) {
			t.Errorf("%s: the operator owns %v, want the status", o.GetName(), owned)
		}
		for _, path := range owned {
			if !strings.HasPrefix(path, "status.") && !strings.HasPrefix(path, "metadata.finalizers") {
				t.Errorf("%s: the operator has taken %s", o.GetName(), path)
			}
		}
		for _, manager := range []string{"gitops", "team"} {
			for _, path := range ownedBy(t, o, manager) {
				if strings.HasPrefix(path, "status") || strings.HasPrefix(path, "metadata.finalizers") {
					t.Errorf("%s: %s has got %s, which is the operator's", o.GetName(), manager, path)
				}
			}
		}
	}
}

// waited says whether kubectl wait --for=condition=Ready ends with this version of an object.
func waited(o object) bool {
	ready := conditions.Get(o, v1alpha1.ReadyCondition)
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration >= o.GetGeneration()
}

// Whoever edits a spec and waits for Ready goes on when SFS has the edit, and never at a Ready of before.
func TestKubectlWaitIsNotEndedByAReadyOfBefore(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", called("name 0"))
	u := w.newSfsClientUser("jane", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.FullName = "name 0" })
	seen := map[bool]int{} // whether it may go on
	w.saw = func(d delivery) {
		var wanted string
		held := map[string]bool{}
		switch o := d.after.(type) {
		case *v1alpha1.SfsClient:
			wanted = o.Spec.FullName
			for _, at := range w.sim.Clients() {
				held[at.FullName] = true
			}
		case *v1alpha1.SfsClientUser:
			wanted = o.Spec.FullName
			for _, at := range w.sim.Users(o.Status.ClientKey) {
				held[at.FullName] = true
			}
		default:
			return
		}
		ends := waited(d.after.(object))
		seen[ends]++
		if ends && !held[wanted] {
			t.Errorf("%s is Ready with %q, and SFS has %v: %s", d.ref.name, wanted, slices.Collect(maps.Keys(held)), describe(d.after.(object)))
		}
	}
	edit := func(name string) {
		update(w, c, called(name))
		update(w, u, func(u *v1alpha1.SfsClientUser) { u.Spec.FullName = name })
		for _, o := range []object{c, u} {
			if ready := conditions.Get(o, v1alpha1.ReadyCondition); waited(o) || ready == nil || ready.ObservedGeneration >= o.GetGeneration() {
				t.Errorf("%s: right after an edit Ready is of generation %v, want one of before %d", o.GetName(), ready, o.GetGeneration())
			}
		}
	}
	w.run(time.Minute)
	w.wantReady(c, u)
	edit("name 1")
	w.run(time.Minute)
	w.wantReady(c, u)
	for i, trouble := range []sfstest.Fault{
		{Status: 503}, {Status: 429}, {Action: "update", Status: 400}, {Action: "update", CutBefore: true},
	} {
		name := fmt.Sprintf("name %d", i+2)
		heal := w.sim.Inject(trouble)
		edit(name)
		w.run(time.Minute)
		w.reload(c)
		w.reload(u)
		if waited(c) || waited(u) {
			t.Errorf("%s: they are Ready: %s%s", name, describe(c), describe(u))
		}
		heal()
		w.run(15 * time.Minute)
		w.wantReady(c, u)
	}
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("this saw %v", seen)
	}
}
