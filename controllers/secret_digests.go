// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// CacheOptions limits what the manager keeps in memory: of Secrets only those of the operator and those in its own
// namespace (where the credentials are), and of those only digests of the values. Where namespaces are named, nothing is
// asked for outside of them but what has no namespace.
func CacheOptions(platformNamespace string, watched ...string) cache.Options {
	var all map[string]cache.Config
	secrets := map[string]cache.Config{cache.AllNamespaces: {LabelSelector: ownedSecrets()}}
	if len(watched) > 0 {
		all, secrets = map[string]cache.Config{}, map[string]cache.Config{}
	}
	for _, namespace := range watched {
		all[namespace] = cache.Config{}
		secrets[namespace] = cache.Config{LabelSelector: ownedSecrets()}
	}
	secrets[platformNamespace] = cache.Config{}
	return cache.Options{
		DefaultTransform:  cache.TransformStripManagedFields(),
		DefaultNamespaces: all,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: {Namespaces: secrets, Transform: digestSecret},
		},
	}
}

// ownedSecrets selects the Secrets that have an owner among the resources, also those that somebody else has made.
func ownedSecrets() labels.Selector {
	has, err := labels.NewRequirement(v1alpha1.OwnerLabel, selection.Exists, nil)
	if err != nil {
		panic(err) // the label is a constant
	}
	return labels.NewSelector().Add(*has)
}

// digestSecret replaces each value of a Secret by its digest, so that no cache holds a value.
func digestSecret(obj any) (any, error) {
	secret, ok := obj.(*corev1.Secret)
	if !ok {
		return obj, nil // a tombstone
	}
	// An informer may pass an object through here twice. The API server never returns stringData, so it can serve as mark.
	if secret.StringData != nil {
		return secret, nil
	}
	secret.StringData = map[string]string{}
	secret.ManagedFields = nil
	// `kubectl apply` repeats the whole Secret there.
	delete(secret.Annotations, corev1.LastAppliedConfigAnnotation)
	for key, value := range secret.Data {
		secret.Data[key] = digest(key, value)
	}
	return secret, nil
}

// digest of one value. The key is part of it, so that equal values under two keys are not seen to be equal.
func digest(key string, value []byte) []byte {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%d:%s:", len(key), key)
	_, _ = h.Write(value)
	return h.Sum(nil)
}

// contentHash sums up the digests of the given keys. A key that is missing gives another sum.
func contentHash(digests map[string][]byte, keys []string) string {
	h := sha256.New()
	for _, key := range slices.Sorted(slices.Values(keys)) {
		_, _ = fmt.Fprintf(h, "%d:%s:%x;", len(key), key, digests[key])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
