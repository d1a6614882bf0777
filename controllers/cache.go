// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"unique"

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
		DefaultTransform:  trim,
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

// trim takes from an object what nobody reads, and has what many objects share in memory once: there may be a hundred
// thousand of each kind.
func trim(obj any) (any, error) {
	o, ok := obj.(client.Object)
	if !ok {
		return obj, nil // a tombstone
	}
	o.SetManagedFields(nil)
	// `kubectl apply` repeats the whole object there.
	annotations := o.GetAnnotations()
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	o.SetAnnotations(sharingKeys(annotations))
	o.SetLabels(sharingKeys(o.GetLabels()))
	o.SetNamespace(shared(o.GetNamespace()))
	owners := o.GetOwnerReferences()
	for i := range owners {
		owners[i].APIVersion, owners[i].Kind = shared(owners[i].APIVersion), shared(owners[i].Kind)
	}
	if o, ok := obj.(object); ok {
		all := o.GetConditions()
		*all = slices.Clip(slices.Clone(*all)) // decoding leaves room for more
		for i := range *all {
			c := &(*all)[i]
			c.Type, c.Status, c.Reason, c.Message = shared(c.Type), shared(c.Status), shared(c.Reason), shared(c.Message)
		}
	}
	return obj, nil
}

// shared returns the same string, which all that are equal share.
func shared[S ~string](s S) S { return unique.Make(s).Value() }

// sharingKeys returns the same map, which takes no more room than it needs.
func sharingKeys(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	small := make(map[string]string, len(m))
	for k, v := range m {
		small[shared(k)] = v
	}
	return small
}

// Marks of a Secret that has been digested. The API server never returns stringData.
var (
	markDigested = map[string]string{}
	// found to hold what the operator wrote, so that the digests are of no more use.
	markIntact = map[string]string{"intact": ""}
)

// digestSecret replaces each value of a Secret by its digest, so that no cache holds a value.
func digestSecret(obj any) (any, error) {
	secret, ok := obj.(*corev1.Secret)
	if !ok {
		return obj, nil // a tombstone
	}
	// An informer may pass an object through here twice.
	if secret.StringData != nil {
		return secret, nil
	}
	secret.StringData = markDigested
	if _, err := trim(secret); err != nil {
		return nil, err
	}
	secret.Type = shared(secret.Type)
	digests := make(map[string][]byte, len(secret.Data))
	for key, value := range secret.Data {
		digests[shared(key)] = digest(key, value)
	}
	secret.Data = digests
	if isRotating(secret) && seen(secret, ref{}, "").intact() {
		secret.Data, secret.StringData = nil, markIntact
	}
	return secret, nil
}

// isRotating says of a Secret whether it is the operator's own, for a token alone.
func isRotating(secret *corev1.Secret) bool {
	return secret.Labels[v1alpha1.ManagedByLabel] == v1alpha1.ManagedByValue && secret.Annotations[v1alpha1.IssuedAtAnnotation] != "" &&
		secret.Annotations[v1alpha1.RevokePreviousAtAnnotation] == ""
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
