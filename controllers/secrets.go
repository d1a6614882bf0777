// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// fieldManager owns what the operator applies.
const fieldManager = "sfs-operator"

// CacheOptions limits what the manager keeps in memory: of Secrets only those of the operator and those in its own
// namespace (where the credentials are), and of those only digests of the values.
func CacheOptions(platformNamespace string) cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: {
				Namespaces: map[string]cache.Config{
					cache.AllNamespaces: {LabelSelector: labels.SelectorFromSet(labels.Set{v1alpha1.ManagedByLabel: v1alpha1.ManagedByValue})},
					platformNamespace:   {},
				},
				Transform: digestSecret,
			},
		},
	}
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

// publication is a Secret as it should be.
type publication struct {
	name string
	data map[string][]byte
	// annotations beside those that each publication has.
	annotations map[string]string
}

func (p publication) digests() map[string][]byte {
	digests := make(map[string][]byte, len(p.data))
	for key, value := range p.data {
		digests[key] = digest(key, value)
	}
	return digests
}

func (p publication) keys() []string { return slices.Collect(maps.Keys(p.data)) }

// published is what is known of a Secret in the cluster: never its values.
type published struct {
	uid         types.UID
	digests     map[string][]byte
	annotations map[string]string
	labelled    bool
	controlled  bool // by the owner who asked
	former      bool // controlled by a resource of the same kind and name that is gone
	revision    int64
	// resourceVersion is known of a Secret that was read with its values: what is written from them must not go over
	// what somebody has written since.
	resourceVersion string
}

// intact says whether the values under these keys are those that the operator wrote.
func (p *published) intact(keys []string) bool {
	return p.labelled && p.annotations[v1alpha1.ContentHashAnnotation] == contentHash(p.digests, keys)
}

// Secrets reads and writes the Secrets of the resources.
type Secrets struct {
	cached client.Reader // serves digests
	live   client.Reader // serves values
	writer client.Writer

	clock clock.PassiveClock

	mu    sync.Mutex
	known map[ref]map[string]*knownSecret
}

// knownSecret is what this process knows of a Secret beyond what the cache shows.
type knownSecret struct {
	// hash of the content that was last written or read live; empty where there was no Secret. A cache that shows another
	// one is behind (or somebody wrote after us): only then is a Secret read live.
	hash string
	// writes are the times of the last two.
	writes [2]time.Time
}

// repairPause is how long a Secret is left as it is that was put right and is missing or damaged again: somebody else keeps
// at it, or its owner is gone and the cache does not show that yet. Each repair of a token Secret costs a token.
const repairPause = 10 * time.Second

// observe returns what is known of a Secret, or nil where there is none.
func (s *Secrets) observe(ctx context.Context, owner ref, uid types.UID, name string) (*published, error) {
	last, wrote := s.lastWritten(owner, name)
	var secret corev1.Secret
	key := types.NamespacedName{Namespace: owner.namespace, Name: name}
	err := s.cached.Get(ctx, key, &secret)
	switch {
	case err == nil && (!wrote || secret.Annotations[v1alpha1.ContentHashAnnotation] == last):
		return seen(&secret, owner, uid), nil
	case client.IgnoreNotFound(err) != nil:
		return nil, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	// The cache knows no such Secret, or not the one we wrote. It may be behind, and does not show Secrets without our
	// label, so look.
	secret = corev1.Secret{}
	err = s.live.Get(ctx, key, &secret)
	if apierrors.IsNotFound(err) {
		s.gone(owner, name)
		return nil, nil //nolint:nilnil // no Secret is a fact, not a failure
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	if _, err := digestSecret(&secret); err != nil {
		return nil, err
	}
	s.remember(owner, name, func(k *knownSecret) { k.hash = secret.Annotations[v1alpha1.ContentHashAnnotation] })
	return seen(&secret, owner, uid), nil
}

func seen(secret *corev1.Secret, who ref, owner types.UID) *published {
	revision, _ := strconv.ParseInt(secret.Annotations[v1alpha1.RevisionAnnotation], 10, 64) // 0 where there is none
	controller := metav1.GetControllerOf(secret)
	return &published{
		uid:         secret.UID,
		digests:     secret.Data,
		annotations: secret.Annotations,
		labelled:    secret.Labels[v1alpha1.ManagedByLabel] == v1alpha1.ManagedByValue,
		controlled:  controller != nil && controller.UID == owner,
		former:      controller != nil && controller.UID != owner && controller.Kind == who.kind && controller.Name == who.name,
		revision:    revision,
	}
}

// ensure writes a Secret where what is there differs. It says whether it wrote.
func (s *Secrets) ensure(ctx context.Context, owner client.Object, who ref, want publication) (bool, error) {
	have, err := s.observe(ctx, who, owner.GetUID(), want.name)
	if err != nil {
		return false, err
	}
	if have != nil && have.controlled && have.intact(want.keys()) &&
		have.annotations[v1alpha1.ContentHashAnnotation] == contentHash(want.digests(), want.keys()) {
		return false, nil
	}
	if err := s.mayRepair(ctx, owner, who, have, want.keys(), want.name); err != nil {
		return false, err
	}
	return true, s.write(ctx, owner, who, have, want)
}

// write applies a Secret: all in one request, so that nobody sees half of it. have is what observe returned.
func (s *Secrets) write(ctx context.Context, owner client.Object, who ref, have *published, want publication) error {
	if err := s.mayWrite(have, want.name); err != nil {
		return err
	}
	hash := contentHash(want.digests(), want.keys())
	annotations := map[string]string{
		v1alpha1.ContentHashAnnotation: hash,
		v1alpha1.RevisionAnnotation:    "1",
	}
	maps.Copy(annotations, want.annotations)
	apply := corev1ac.Secret(want.name, owner.GetNamespace()).
		WithLabels(map[string]string{
			v1alpha1.ManagedByLabel: v1alpha1.ManagedByValue,
			v1alpha1.OwnerLabel:     string(owner.GetUID()),
		}).
		// blockOwnerDeletion stays unset: it would have the Secret deleted before its owner under foreground deletion, and
		// then the token in it could no longer be revoked.
		WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind(who.kind).
			WithName(owner.GetName()).WithUID(owner.GetUID()).WithController(true)).
		WithType(corev1.SecretTypeOpaque).
		WithData(want.data)
	if have != nil {
		// With the UID the write fails where the Secret has been replaced since it was looked at.
		apply.WithUID(have.uid)
		if have.resourceVersion != "" {
			apply.WithResourceVersion(have.resourceVersion)
		}
		if _, counted := want.annotations[v1alpha1.RevisionAnnotation]; !counted {
			annotations[v1alpha1.RevisionAnnotation] = strconv.FormatInt(have.revision+1, 10)
		}
	}
	apply.WithAnnotations(annotations)
	if err := s.writer.Apply(ctx, apply, client.FieldOwner(fieldManager), client.ForceOwnership); err != nil {
		return explainWrite(err, want.name)
	}
	s.remember(who, want.name, func(k *knownSecret) {
		k.hash, k.writes = hash, [2]time.Time{s.clock.Now(), k.writes[0]}
	})
	return nil
}

// mayRepair puts off a repair that would only be undone.
func (s *Secrets) mayRepair(ctx context.Context, owner client.Object, who ref, have *published, want []string, name string) error {
	writes := s.lastTwo(who, name)
	if writes[0].IsZero() || have != nil && have.intact(want) {
		return nil // it is no repair
	}
	if wait := writes[1].Add(repairPause).Sub(s.clock.Now()); wait > 0 {
		return deferred{after: wait}
	}
	if have != nil {
		return nil
	}
	// The garbage collector takes the Secrets of a resource that is gone, which the cache may not show yet.
	return s.confirm(ctx, owner)
}

// confirm puts off what can not be taken back, where the cache shows an owner that is another one by now, or that wants
// something else.
func (s *Secrets) confirm(ctx context.Context, owner client.Object) error {
	now := owner.DeepCopyObject().(client.Object)
	err := s.live.Get(ctx, client.ObjectKeyFromObject(owner), now)
	if apierrors.IsNotFound(err) || err == nil && (now.GetUID() != owner.GetUID() || now.GetGeneration() != owner.GetGeneration()) {
		return deferred{after: staleRead}
	}
	if err != nil {
		return fmt.Errorf("reading the owner of the Secrets: %w", err)
	}
	return nil
}

// mayWrite refuses to touch a Secret that is not the owner's.
func (s *Secrets) mayWrite(have *published, name string) error {
	if have == nil || have.controlled {
		return nil
	}
	if have.former {
		return &problem{
			reason:  v1alpha1.ProgressingReason,
			message: fmt.Sprintf("Secret %s belongs to the former resource of this name and waits for the garbage collector", name),
			pace:    fast,
		}
	}
	return &problem{
		reason: v1alpha1.SecretConflictReason,
		message: fmt.Sprintf("Secret %s exists and does not belong to this resource; it is left as it is. "+
			"Delete or rename it, or set another name in the spec", name),
		pace: slow,
	}
}

// explainWrite puts the API server's refusal of a Secret in words. Its text can not hold a value of the Secret: it is
// taken only from the kinds of refusal that name fields and policies.
func explainWrite(err error, name string) error {
	var status apierrors.APIStatus
	switch {
	case apierrors.IsConflict(err):
		return orStale(err)
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		reason := metav1.StatusReasonUnknown
		if errors.As(err, &status) {
			reason = status.Status().Reason
		}
		return &problem{
			reason:  v1alpha1.SecretWriteFailedReason,
			message: fmt.Sprintf("the API server refuses to write Secret %s (%s); see the log of the operator", name, reason),
			pace:    fast, cause: fmt.Errorf("writing Secret %s: %w", name, err),
		}
	}
	return fmt.Errorf("writing Secret %s: %w", name, err)
}

// read returns a Secret that belongs to the owner as it is now, with its values, and what is known of it. Both are nil where
// there is none.
func (s *Secrets) read(ctx context.Context, owner client.Object, who ref, name string) (*corev1.Secret, *published, error) {
	var secret corev1.Secret
	at := types.NamespacedName{Namespace: owner.GetNamespace(), Name: name}
	if err := s.live.Get(ctx, at, &secret); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil, nil
		}
		return nil, nil, fmt.Errorf("reading Secret %s: %w", at, err)
	}
	digested := secret.DeepCopy()
	if _, err := digestSecret(digested); err != nil {
		return nil, nil, err
	}
	have := seen(digested, who, owner.GetUID())
	if !have.controlled {
		return nil, nil, nil
	}
	have.resourceVersion = secret.ResourceVersion
	return &secret, have, nil
}

// remove deletes a Secret if it belongs to the owner.
func (s *Secrets) remove(ctx context.Context, owner client.Object, who ref, name string) error {
	have, err := s.observe(ctx, who, owner.GetUID(), name)
	if err != nil || have == nil {
		return err
	}
	if !have.controlled {
		s.gone(who, name) // it is another's now, and need not be looked at again
		return nil
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: owner.GetNamespace(), Name: name}}
	if err := s.writer.Delete(ctx, secret, client.Preconditions{UID: &have.uid}); client.IgnoreNotFound(err) != nil {
		return orStale(fmt.Errorf("deleting Secret %s: %w", name, err))
	}
	s.gone(who, name)
	return nil
}

// sweep deletes the Secrets of an owner but those of the given names.
func (s *Secrets) sweep(ctx context.Context, owner client.Object, who ref, keep ...string) error {
	names, err := s.owned(ctx, owner, who)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(keep, name) })
	if len(names) == 0 {
		return nil
	}
	// By a former spec the Secret that serves today is of another name.
	if err := s.confirm(ctx, owner); err != nil {
		return err
	}
	for _, name := range names {
		if err := s.remove(ctx, owner, who, name); err != nil {
			return err
		}
	}
	return nil
}

// owned returns the names of the Secrets that an owner has or may have: those in the cache, and those that were written
// and that a cache that is behind does not show yet.
func (s *Secrets) owned(ctx context.Context, owner client.Object, who ref) ([]string, error) {
	var secrets corev1.SecretList
	if err := s.cached.List(ctx, &secrets, client.InNamespace(owner.GetNamespace()), client.MatchingFields{ownerIndex: string(owner.GetUID())}); err != nil {
		return nil, fmt.Errorf("listing Secrets: %w", err)
	}
	names := map[string]bool{}
	for i := range secrets.Items {
		names[secrets.Items[i].Name] = secrets.Items[i].DeletionTimestamp.IsZero()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, k := range s.known[who] {
		if k.hash != "" {
			names[name] = true
		}
	}
	maps.DeleteFunc(names, func(_ string, there bool) bool { return !there }) // somebody's finalizer holds it
	return slices.Sorted(maps.Keys(names)), nil
}

func (s *Secrets) lastWritten(owner ref, name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, known := s.known[owner][name]
	if !known || k.hash == "" {
		return "", false
	}
	return k.hash, true
}

func (s *Secrets) lastTwo(owner ref, name string) [2]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, known := s.known[owner][name]; known {
		return k.writes
	}
	return [2]time.Time{}
}

func (s *Secrets) remember(owner ref, name string, change func(*knownSecret)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[owner] == nil {
		s.known[owner] = map[string]*knownSecret{}
	}
	if s.known[owner][name] == nil {
		s.known[owner][name] = &knownSecret{}
	}
	change(s.known[owner][name])
}

// gone records that there is no such Secret.
func (s *Secrets) gone(owner ref, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, known := s.known[owner][name]; known {
		k.hash = ""
	}
}

// forget drops what is kept for an owner that is gone.
func (s *Secrets) forget(owner ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, owner)
}
