// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// countingMapper counts what it is asked, and knows one kind from some time on.
type countingMapper struct {
	meta.RESTMapper

	asked int
	known bool
}

func (m *countingMapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	if m.asked++; !m.known {
		return nil, &meta.NoKindMatchError{GroupKind: kind, SearchedVersions: versions}
	}
	return &meta.RESTMapping{GroupVersionKind: kind.WithVersion(versions[0]), Scope: meta.RESTScopeNamespace}, nil
}

func TestTheMapperIsAskedOnceForAKindThatIsThere(t *testing.T) {
	t.Parallel()
	asks := &countingMapper{}
	m := &mapper{RESTMapper: asks}
	secrets := corev1.SchemeGroupVersion.WithKind("Secret")
	for range 2 {
		if _, err := m.RESTMapping(secrets.GroupKind(), secrets.Version); !meta.IsNoMatchError(err) {
			t.Fatalf("got the error %v of a kind that is not there", err)
		}
	}
	asks.asked, asks.known = 0, true
	for range 3 {
		found, err := m.RESTMapping(secrets.GroupKind(), secrets.Version)
		if err != nil || found.GroupVersionKind != secrets {
			t.Fatalf("got %v, %v", found, err)
		}
	}
	if asks.asked != 1 {
		t.Errorf("it was asked %d times", asks.asked)
	}
	if found, err := m.RESTMapping(secrets.GroupKind(), "v2"); err != nil || found.GroupVersionKind.Version != "v2" {
		t.Errorf("of another version: %v, %v", found, err)
	}
}
