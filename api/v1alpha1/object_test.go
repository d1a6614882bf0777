// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

const (
	platformKind = "SfsPlatform"
	clientKind   = "SfsClient"
	userKind     = "SfsClientUser"
	oauthKind    = "OAuthToken"
)

var kinds = []string{platformKind, clientKind, userKind, oauthKind}

var namesGiven atomic.Int64

// newObject is the least that is accepted of a kind, under a name that no other test has. It is not typed, since a Go
// struct cannot tell a field that is absent from one that is empty.
func newObject(kind string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{}}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	o.SetName(strings.ToLower(kind) + "-" + strconv.FormatInt(namesGiven.Add(1), 10))
	switch kind {
	case platformKind:
		o.Object["spec"] = map[string]any{
			"credentialsSecretRef": map[string]any{"name": "sendforsign"},
			"customKeyPrefix":      "acme-prod",
		}
	case clientKind:
		o.SetNamespace(metav1.NamespaceDefault)
	case userKind:
		o.SetNamespace(metav1.NamespaceDefault)
		o.Object["spec"] = map[string]any{"clientRef": map[string]any{"name": "umbrella"}}
	case oauthKind:
		o.SetNamespace(metav1.NamespaceDefault)
		o.Object["spec"] = map[string]any{
			"provider":             map[string]any{"securedSigning": map[string]any{}},
			"credentialsSecretRef": map[string]any{"name": "credentials"},
		}
	}
	return o
}

// change edits an object.
type change func(o *unstructured.Unstructured)

// set gives the field at a path, such as spec.token.enabled, a value.
func set(path string, value any) change {
	return func(o *unstructured.Unstructured) {
		fields := strings.Split(path, ".")
		at := o.Object
		for _, name := range fields[:len(fields)-1] {
			next, ok := at[name].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[name] = next
			}
			at = next
		}
		at[fields[len(fields)-1]] = value
	}
}

// unset takes the field at a path away.
func unset(path string) change {
	return func(o *unstructured.Unstructured) {
		unstructured.RemoveNestedField(o.Object, strings.Split(path, ".")...)
	}
}

func all(changes ...change) change {
	return func(o *unstructured.Unstructured) {
		for _, c := range changes {
			c(o)
		}
	}
}

func unchanged(*unstructured.Unstructured) {}

// create stores an object for the time of a test.
func create(t *testing.T, o client.Object) {
	t.Helper()
	if err := cluster.strict.Create(t.Context(), o); err != nil {
		t.Fatalf("creating %s: %v", o.GetName(), err)
	}
	t.Cleanup(func() {
		// The context of the test has ended by now.
		if err := client.IgnoreNotFound(cluster.strict.Delete(context.WithoutCancel(t.Context()), o)); err != nil {
			t.Errorf("deleting %s: %v", o.GetName(), err)
		}
	})
}

// field reads the value at a path; an absent one is nil.
func field(t *testing.T, o *unstructured.Unstructured, path string) any {
	t.Helper()
	value, _, err := unstructured.NestedFieldNoCopy(o.Object, strings.Split(path, ".")...)
	if err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
	return value
}

func manyNames(n int) []any {
	names := make([]any, n)
	for i := range names {
		names[i] = "ns-" + strconv.Itoa(i)
	}
	return names
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
