// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/shape"
	"github.com/sendforsign/sfs-operator/internal/token"
)

// benchmarkToken is a token as SFS gives it.
func benchmarkToken() mintedToken {
	issued := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return mintedToken{
		value: "SFS-TOKEN-0123456789abcdefghijklmnopqrstuvwxyz", tokenType: "Bearer", of: "digest",
		token: token.Token{Issued: issued, Expires: issued.Add(30 * time.Minute), Owner: "3f0f4f5e-6c5c-4c1b-9c6e-0a6f3f1d2b7a", Revision: 7},
	}
}

// benchmarkSecret is the Secret of that token.
func benchmarkSecret(as form, m mintedToken) (publication, error) {
	return tokenSecret("shop-sfs-token", as, m.beside(shape.Source{
		Values: map[string]string{
			v1alpha1.KeyClientKey: "d6f2a0f4-9a2b-4d6e-8c1f-1a2b3c4d5e6f", v1alpha1.KeyBaseURL: "https://api.sendforsign.com/api",
		},
		URLKey: v1alpha1.KeyBaseURL, EnvPrefix: envPrefix,
	}), m)
}

// BenchmarkTokenSecret is what is computed for the write of each renewal: the data, and all that is sealed by digests.
func BenchmarkTokenSecret(b *testing.B) {
	as, m := formOf(v1alpha1.SecretSpec{}, tokenAnnotations), benchmarkToken()
	b.ReportAllocs()
	for b.Loop() {
		want, err := benchmarkSecret(as, m)
		if err != nil {
			b.Fatal(err)
		}
		if _, annotations, _ := want.metadata(ref{kind: clientKind, namespace: "team-a", name: "shop"}, "uid"); len(annotations) == 0 {
			b.Fatal("there are no annotations")
		}
	}
}

// BenchmarkDigestSecret is what the cache does with each Secret that comes over the watch.
func BenchmarkDigestSecret(b *testing.B) {
	want, err := benchmarkSecret(formOf(v1alpha1.SecretSpec{}, tokenAnnotations), benchmarkToken())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: want.name, Annotations: maps.Clone(want.annotations)}, Data: maps.Clone(want.data),
		}
		if _, err := digestSecret(secret); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkContentHash compares what is in a Secret with what was written.
func BenchmarkContentHash(b *testing.B) {
	digests := map[string][]byte{}
	for _, key := range []string{"baseURL", "clientKey", "expiresAt", "issuedAt", "token", "tokenType"} {
		digests[key] = digest(key, []byte(strings.Repeat("v", 40)))
	}
	keys := slices.Collect(maps.Keys(digests))
	want := contentHash(digests, keys)
	b.ReportAllocs()
	for b.Loop() {
		if contentHash(digests, keys) != want {
			b.Fatal("the hash depends on the order")
		}
	}
}
