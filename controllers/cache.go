// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// limit has a cache hold no more than NewCache says.
func limit(o *cache.Options, platformNamespace string, watched ...string) {
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
	o.DefaultTransform, o.DefaultNamespaces = trim, all
	o.ByObject = map[client.Object]cache.ByObject{&corev1.Secret{}: {Namespaces: secrets, Transform: digestSecret}}
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
	finalizers := o.GetFinalizers()
	for i := range finalizers {
		finalizers[i] = shared(finalizers[i])
	}
	if o, ok := obj.(object); ok {
		all := o.GetConditions()
		*all = slices.Clip(slices.Clone(*all)) // decoding leaves room for more
		for i := range *all {
			c := &(*all)[i]
			c.Type, c.Status, c.Reason, c.Message = shared(c.Type), shared(c.Status), shared(c.Reason), shared(c.Message)
		}
	}
	if c, ok := obj.(*v1alpha1.SfsClient); ok {
		spec, status := &c.Spec, &c.Status
		spec.PlatformRef.Name, status.Origin = shared(spec.PlatformRef.Name), shared(status.Origin)
		spec.AdoptionPolicy, spec.ManagementPolicy = shared(spec.AdoptionPolicy), shared(spec.ManagementPolicy)
		spec.DeletionPolicy, spec.DriftPolicy = shared(spec.DeletionPolicy), shared(spec.DriftPolicy)
		token := &spec.Token
		token.RevocationPolicy, token.Verification = shared(token.RevocationPolicy), shared(token.Verification)
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
	secret.StringData = digested
	if _, err := trim(secret); err != nil {
		return nil, err
	}
	secret.Type = shared(secret.Type)
	digests := make(map[string][]byte, len(secret.Data))
	for key, value := range secret.Data {
		digests[shared(key)] = digest(key, value)
	}
	secret.Data = digests
	if have := seen(secret, ref{}, ""); isPlain(secret, have) {
		secret.GenerateName, secret.Annotations = pack(have)
		secret.Data, secret.Labels = nil, plainLabels
	}
	return secret, nil
}

var digested = map[string]string{}

// byReference stands in the cache for the owner of a plain Secret.
const byReference = "by reference"

// plainLabels are those of all plain Secrets.
var plainLabels = map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedByValue, v1alpha1.OwnerLabel: byReference}

// packedAnnotations are those that the operator gives a Secret.
var packedAnnotations = slices.Concat(sealed, unsealed, slices.Sorted(maps.Keys(tokenAnnotations)))

// isPlain says of a Secret whether it is as the operator wrote it, without anything out of the ordinary. Nearly all are, and
// the cache holds less of them: one digest of all values and the annotations of the operator, in one string that has taken the
// place of a name that no such Secret has, and no labels but those that all have.
func isPlain(secret *corev1.Secret, have *published) bool {
	controller := metav1.GetControllerOf(secret)
	return have.intact() && have.made && have.annotations[v1alpha1.RevokePreviousAtAnnotation] == "" &&
		controller != nil && len(secret.Labels) == len(plainLabels) && secret.Labels[v1alpha1.OwnerLabel] == string(controller.UID) &&
		secret.Labels[v1alpha1.ManagedByLabel] == v1alpha1.ManagedByValue
}

// packed stands between what is packed.
const packed = "\x00"

// pack returns the digest of all values of a plain Secret and the annotations of the operator in one string, and the others.
func pack(plain *published) (string, map[string]string) {
	all, others := []string{plain.values()}, maps.Clone(plain.annotations)
	for _, name := range packedAnnotations {
		value := others[name]
		if strings.Contains(value, packed) {
			value = ""
		}
		if all = append(all, value); value != "" {
			delete(others, name)
		}
	}
	return strings.Join(all, packed), sharingKeys(others)
}

// unpack returns what was packed of a Secret: the digest of all values, and all annotations.
func unpack(secret *corev1.Secret) (values string, annotations map[string]string) {
	values, rest, _ := strings.Cut(secret.GenerateName, packed)
	annotations = make(map[string]string, len(packedAnnotations)+len(secret.Annotations))
	maps.Copy(annotations, secret.Annotations)
	for _, name := range packedAnnotations {
		var value string
		if value, rest, _ = strings.Cut(rest, packed); value != "" {
			annotations[name] = value
		}
	}
	return values, annotations
}

// isCondensed says whether the cache holds less of a Secret.
func isCondensed(secret *corev1.Secret) bool {
	return secret.Labels[v1alpha1.OwnerLabel] == byReference
}

// ownerOf is the UID of the resource that a Secret belongs to by its label.
func ownerOf(secret *corev1.Secret) string {
	if isCondensed(secret) {
		return string(metav1.GetControllerOf(secret).UID)
	}
	return secret.Labels[v1alpha1.OwnerLabel]
}

// oddlyNamed returns the owner of a Secret whose name does not follow from that of its owner. There is an index of these only.
func oddlyNamed(o client.Object) []string {
	secret := o.(*corev1.Secret)
	if isCondensed(secret) {
		controller := metav1.GetControllerOf(secret)
		if slices.Contains(defaultNames(controller.Kind, controller.Name), secret.Name) {
			return nil
		}
	}
	return present(ownerOf(secret))
}

// defaultNames are those of the Secrets of a resource whose spec names none.
func defaultNames(kind, name string) []string {
	var names []string
	for _, suffix := range secretSuffixes(kind) {
		names = append(names, name+suffix)
	}
	return names
}

// secretSuffixes are what the name of a resource is followed by in those of its Secrets.
func secretSuffixes(kind string) []string {
	switch kind {
	case userKind:
		return []string{v1alpha1.UserSecretSuffix}
	case oauthKind:
		return []string{v1alpha1.OAuthTokenSecretSuffix, v1alpha1.OAuthStateSecretSuffix}
	}
	return []string{v1alpha1.SecretSuffix, v1alpha1.TokenSecretSuffix}
}

// digest of one value. The key is part of it, so that equal values under two keys are not seen to be equal.
func digest(key string, value []byte) []byte {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%d:%s:", len(key), key)
	_, _ = h.Write(value)
	return h.Sum(nil)
}

// factsHash sums up facts by their names.
func factsHash(facts map[string][]byte) string {
	return contentHash(facts, slices.Collect(maps.Keys(facts)))
}

// contentHash sums up the digests of the given keys. A key that is missing gives another sum.
func contentHash(digests map[string][]byte, keys []string) string {
	h, line := sha256.New(), []byte(nil)
	for _, key := range slices.Sorted(slices.Values(keys)) {
		line = strconv.AppendInt(line[:0], int64(len(key)), 10)
		line = append(append(append(line, ':'), key...), ':')
		_, _ = h.Write(append(hex.AppendEncode(line, digests[key]), ';'))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
