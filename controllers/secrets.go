// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/metrics"
)

// fieldManager owns what the operator writes.
const fieldManager = "sfs-operator"

// Secrets reads and writes the Secrets of the resources.
type Secrets struct {
	cached client.Reader // serves digests
	// resources serves those that have Secrets.
	resources client.Reader
	live      client.Reader // serves values
	writer    client.Writer

	clock   clock.PassiveClock
	metrics *metrics.Metrics

	mu    sync.Mutex
	known knownSecrets
}

// knownSecret is what this process knows of a Secret beyond what the cache shows.
type knownSecret struct {
	name string
	// hash of the content that was last written or read live; empty where there was no Secret. A cache that shows another
	// one is behind (or somebody wrote after us): only then is a Secret read live.
	hash string
	// writes are the times of the last two, and form is a digest of the form of the last.
	writes [2]time.Time
	form   string
	// confirmed says that the owner was there when this process first wrote.
	confirmed bool
}

// knownSecrets are those of each owner, which are few.
type knownSecrets map[ref][]knownSecret

// find returns one, or nil.
func (k knownSecrets) find(owner ref, name string) *knownSecret {
	of := k[owner]
	if i := slices.IndexFunc(of, func(one knownSecret) bool { return one.name == name }); i >= 0 {
		return &of[i]
	}
	return nil
}

// repairPause is how long a Secret is left as it is that was put right and is missing or damaged again: somebody else keeps
// at it, or its owner is gone and the cache does not show that yet. Each repair of a token Secret costs a token.
const repairPause = 10 * time.Second

// observe returns what is known of a Secret, or nil where there is none.
func (s *Secrets) observe(ctx context.Context, owner ref, uid types.UID, name string) (*published, error) {
	last, wrote := s.lastWritten(owner, name)
	var secret corev1.Secret
	key := types.NamespacedName{Namespace: owner.namespace, Name: name}
	err := s.cached.Get(ctx, key, &secret, client.UnsafeDisableDeepCopy) // it is only looked at
	switch {
	case err == nil:
		if have := seen(&secret, owner, uid); !wrote || have.annotations[v1alpha1.ContentHashAnnotation] == last {
			return have, nil
		}
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
	have := seen(&secret, owner, uid)
	// The string is a part of all that is known of the Secret.
	s.remember(owner, name, func(k *knownSecret) { k.hash = strings.Clone(have.annotations[v1alpha1.ContentHashAnnotation]) })
	return have, nil
}

// ensure writes a Secret where what is there differs. It says whether that put right what somebody else had done to it.
func (s *Secrets) ensure(ctx context.Context, owner client.Object, who ref, want publication) (bool, error) {
	have, err := s.observe(ctx, who, owner.GetUID(), want.name)
	if err != nil {
		return false, err
	}
	if have != nil && have.ours && have.intact() && want.form.wornBy(have) {
		if _, _, hash := want.metadata(who, owner.GetUID()); hash == have.annotations[v1alpha1.ContentHashAnnotation] {
			return false, nil
		}
	}
	if err := s.mayRepair(ctx, owner, who, have, want.name, want.form); err != nil {
		return false, err
	}
	return have == nil || !have.intact(), s.write(ctx, owner, who, have, want)
}

// write publishes a Secret: all in one request, so that nobody sees half of it. have is what observe returned.
func (s *Secrets) write(ctx context.Context, owner client.Object, who ref, have *published, want publication) error {
	if err := s.mayPublish(ctx, owner, have, want); err != nil {
		return err
	}
	revision := int64(1)
	if have != nil {
		revision = have.revision + 1
	}
	if have != nil && have.proven && (have.immutable || have.kind != want.form.kind) {
		// Neither can be undone but by another Secret of this name.
		if err := s.makeWay(ctx, owner, who, have, want); err != nil {
			return err
		}
		have = nil
	}
	labels, annotations, hash := want.metadata(who, owner.GetUID())
	if have != nil && !have.intact() && want.form.merged {
		// What somebody else has set is not taken away by leaving it out.
		for _, name := range sealed {
			if have.annotations[name] != "" && annotations[name] == "" {
				annotations[name] = ""
			}
		}
	}
	if _, counted := annotations[v1alpha1.RevisionAnnotation]; !counted {
		annotations[v1alpha1.RevisionAnnotation] = strconv.FormatInt(revision, 10)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: owner.GetNamespace(), Name: want.name, Labels: labels, Annotations: annotations},
		Data:       want.data,
	}
	if !want.form.merged {
		secret.Type = want.form.kind
	}
	if want.form.owned {
		// blockOwnerDeletion stays unset: it would have the Secret deleted before its owner under foreground deletion, and
		// then the token in it could no longer be revoked.
		secret.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: who.kind, Name: owner.GetName(), UID: owner.GetUID(), Controller: new(true),
		}}
	}
	if have != nil {
		// With the UID the write fails where the Secret has been replaced since it was looked at.
		secret.UID, secret.ResourceVersion = have.uid, have.resourceVersion
	}
	done := metrics.SecretUpdated
	if have == nil {
		done = metrics.SecretCreated
	}
	if err := s.counted(done, s.send(ctx, secret, have, want)); err != nil {
		return explainWrite(err, want.name)
	}
	s.remember(who, want.name, func(k *knownSecret) {
		k.hash, k.writes, k.form = hash, [2]time.Time{s.clock.Now(), k.writes[0]}, shared(want.form.digest())
	})
	return nil
}

// send writes a Secret. One that the operator has made tells by itself what has to go, and is patched: the API server spends
// much of the time of an apply on finding that out, and an apply takes away nothing that was written otherwise.
func (s *Secrets) send(ctx context.Context, secret *corev1.Secret, have *published, want publication) error {
	var err error
	switch {
	case have == nil:
		// An apply would go over what somebody else has made by this name since it was looked at.
		err = s.writer.Create(ctx, secret, client.FieldOwner(fieldManager))
	case want.form.merged:
		if have.made { // and is claimed by somebody: an apply takes away only what was applied
			err = s.rewrite(ctx, emptied(secret.Namespace, secret.Name, have), have)
			secret.ResourceVersion = "" // is another one then
		}
		if err == nil {
			err = s.writer.Apply(ctx, applied(secret), client.FieldOwner(fieldManager), client.ForceOwnership)
		}
	default:
		err = s.rewrite(ctx, secret, have)
	}
	if apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) && have != nil {
		return deferred{after: staleRead} // it has been made or deleted since it was looked at
	}
	return err
}

// emptied is a Secret without what the operator writes.
func emptied(namespace, name string, have *published) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: have.uid, ResourceVersion: have.resourceVersion}}
}

// rewrite has what is wanted take the place of what the operator wrote.
func (s *Secrets) rewrite(ctx context.Context, secret *corev1.Secret, have *published) error {
	last := readShape(have.annotations[v1alpha1.ShapeAnnotation])
	keys, annotations := have.keys(), slices.Concat(last.Annotations, sealed, unsealed)
	if key := have.annotations[v1alpha1.TokenKeyAnnotation]; key != "" {
		keys = append(keys, key, v1alpha1.KeyPreviousTokens)
		for name, value := range tokenAnnotations {
			if have.annotations[name] == value {
				annotations = append(annotations, name)
			}
		}
	}
	metadata := map[string]any{
		"uid":         secret.UID,
		"labels":      instead(append(last.Labels, v1alpha1.OwnerLabel), secret.Labels),
		"annotations": instead(annotations, secret.Annotations),
	}
	if secret.ResourceVersion != "" {
		metadata["resourceVersion"] = secret.ResourceVersion
	}
	switch {
	case len(secret.OwnerReferences) > 0:
		metadata["ownerReferences"] = secret.OwnerReferences
	case have.owned:
		metadata["ownerReferences"] = []any{map[string]any{"$patch": "delete", "uid": ownerOf(secret)}}
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata, "data": instead(keys, secret.Data)})
	if err != nil {
		return fmt.Errorf("encoding Secret %s: %w", secret.Name, err)
	}
	return s.writer.Patch(ctx, bareSecret(secret.Namespace, secret.Name), client.RawPatch(types.StrategicMergePatchType, patch), client.FieldOwner(fieldManager))
}

// applied is what an apply says of keys in a Secret of somebody else.
func applied(secret *corev1.Secret) *corev1ac.SecretApplyConfiguration {
	as := corev1ac.Secret(secret.Name, secret.Namespace).WithUID(secret.UID).
		WithLabels(secret.Labels).WithAnnotations(secret.Annotations).WithData(secret.Data)
	if secret.ResourceVersion != "" {
		as.WithResourceVersion(secret.ResourceVersion)
	}
	return as
}

// instead is the part of a patch that has these values take the place of what may have been there under the given names.
func instead[V any](names []string, of map[string]V) map[string]any {
	part := make(map[string]any, len(of))
	for _, name := range names {
		part[name] = nil
	}
	for name, value := range of {
		part[name] = value
	}
	return part
}

// counted counts a write, if it was one.
func (s *Secrets) counted(w metrics.SecretWrite, err error) error {
	if err == nil {
		s.metrics.SecretWritten(w)
	}
	return err
}

// makeWay deletes the Secret that another one is to take the place of: the one that was looked at, and only if the API server
// would take the other one.
func (s *Secrets) makeWay(ctx context.Context, owner client.Object, who ref, have *published, want publication) error {
	if err := s.rehearse(ctx, owner, who, want); err != nil {
		return err
	}
	secret, live, err := s.read(ctx, owner, who, want.name)
	if err != nil || secret == nil {
		return err
	}
	if secret.DeletionTimestamp != nil {
		return &problem{
			reason: v1alpha1.SecretWriteFailedReason,
			message: fmt.Sprintf("Secret %s has to be replaced, and is not deleted as long as it has the finalizers %s; have them removed",
				want.name, strings.Join(secret.Finalizers, ", ")),
			pace: fast,
		}
	}
	if live.uid != have.uid || live.annotations[v1alpha1.ContentHashAnnotation] != have.annotations[v1alpha1.ContentHashAnnotation] {
		return deferred{after: staleRead}
	}
	return s.delete(ctx, who, owner.GetNamespace(), want.name, client.Preconditions{UID: &live.uid, ResourceVersion: &live.resourceVersion})
}

// rehearse asks the API server whether it would take a Secret of a type that must have certain keys, without writing it. It
// does so for another name, since it takes no other type for a Secret that is there.
func (s *Secrets) rehearse(ctx context.Context, owner client.Object, who ref, want publication) error {
	if want.form.merged || want.form.kind == corev1.SecretTypeOpaque {
		return nil
	}
	labels, annotations, _ := want.metadata(who, owner.GetUID())
	rehearsed := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: owner.GetNamespace(), GenerateName: "rehearsed-", Labels: labels, Annotations: annotations},
		Type:       want.form.kind,
		Data:       want.data,
	}
	if err := s.writer.Create(ctx, rehearsed, client.DryRunAll, client.FieldOwner(fieldManager)); err != nil {
		return explainWrite(err, want.name)
	}
	return nil
}

// mayPublish refuses what would touch a Secret, or a key in one, that is not the owner's.
func (s *Secrets) mayPublish(ctx context.Context, owner client.Object, have *published, want publication) error {
	if err := s.mayWrite(ctx, owner, have, want.name, want.form); err != nil {
		return err
	}
	return want.collides(have)
}

// collides refuses to write a key of a Secret that somebody else has made, where it is theirs.
func (p publication) collides(have *published) error {
	if !p.form.merged || have == nil {
		return nil
	}
	var theirs []string
	for _, key := range slices.Sorted(maps.Keys(p.data)) {
		if _, there := have.digests[key]; there && (!have.ours || !slices.Contains(have.keys(), key)) {
			theirs = append(theirs, key)
		}
	}
	if len(theirs) == 0 {
		return nil
	}
	return &problem{
		reason: v1alpha1.SecretConflictReason,
		message: fmt.Sprintf("Secret %s has the keys %s already, from somebody else; they are left as they are. "+
			"Rename or leave out these keys in the spec (keys), or remove them from the Secret", p.name, strings.Join(theirs, ", ")),
		pace: slow,
	}
}

// mayRepair puts off a repair that would only be undone, and any write for an owner that is gone.
func (s *Secrets) mayRepair(ctx context.Context, owner client.Object, who ref, have *published, name string, as form) error {
	if err := s.confirmFirst(ctx, owner, who, name, as); err != nil {
		return err
	}
	last := s.lastWrite(who, name)
	if last.writes[0].IsZero() || have != nil && have.intact() && (as.wornBy(have) || last.form != as.digest()) {
		return nil // it is no repair
	}
	if wait := last.writes[1].Add(repairPause).Sub(s.clock.Now()); wait > 0 {
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

// confirmFirst confirms the owner once, before the first write of a Secret that Kubernetes does not delete together with it:
// what is written for one that is gone, which the first view of a process may still show, nobody would take away.
func (s *Secrets) confirmFirst(ctx context.Context, owner client.Object, who ref, name string, as form) error {
	if as.owned || s.lastWrite(who, name).confirmed {
		return nil
	}
	if err := s.confirm(ctx, owner); err != nil {
		return err
	}
	s.remember(who, name, func(k *knownSecret) { k.confirmed = true })
	return nil
}

// mayWrite refuses to touch a Secret that is not the owner's.
func (s *Secrets) mayWrite(ctx context.Context, owner client.Object, have *published, name string, as form) error {
	switch {
	case have == nil && as.merged:
		return &problem{
			reason:  v1alpha1.SecretNotFoundReason,
			message: fmt.Sprintf("there is no Secret %s to write into, as creationPolicy Merge has it; create it", name),
			pace:    fast,
		}
	case have == nil:
		return s.mayCreate(ctx, owner, name)
	case as.merged && have.immutable:
		return &problem{
			reason:  v1alpha1.SecretWriteFailedReason,
			message: fmt.Sprintf("Secret %s is immutable, and belongs to somebody else; have it replaced by one that is not", name),
			pace:    slow,
		}
	case have.ours && have.made && !have.proven && !as.merged && (have.immutable || have.kind != as.kind):
		// It would have to be deleted, and nothing but an annotation or a label that anybody can copy says whose it is.
	case have.ours && (have.made != as.merged || !have.proven && as.merged):
		return nil
	case as.merged && !have.ours && have.labels[v1alpha1.OwnerLabel] == "" && have.annotations[v1alpha1.OwnerNameAnnotation] == "":
		return nil
	case have.former:
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

// mayCreate lets the oldest of the resources that name a Secret have it.
func (s *Secrets) mayCreate(ctx context.Context, owner client.Object, name string) error {
	for _, kind := range []string{clientKind, userKind, oauthKind} {
		others, err := namingSecret(ctx, s.resources, kind, owner.GetNamespace(), name)
		if err != nil {
			return err
		}
		for _, other := range others {
			if other.GetUID() != owner.GetUID() && other.GetDeletionTimestamp().IsZero() && isOlder(other, owner) {
				return &problem{
					reason: v1alpha1.SecretConflictReason,
					message: fmt.Sprintf("%s %s, which is older, names Secret %s as well; set another name in the spec of one of the two",
						kind, other.GetName(), name),
					pace: slow,
				}
			}
		}
	}
	return nil
}

// namingSecret returns the resources of a kind that name a Secret: in their spec, or by its default.
func namingSecret(ctx context.Context, r client.Reader, kind, namespace, name string) ([]client.Object, error) {
	var list client.ObjectList = &v1alpha1.SfsClientList{}
	var one client.Object = &v1alpha1.SfsClient{}
	switch kind {
	case userKind:
		list, one = &v1alpha1.SfsClientUserList{}, &v1alpha1.SfsClientUser{}
	case oauthKind:
		list, one = &v1alpha1.OAuthTokenList{}, &v1alpha1.OAuthToken{}
	}
	if err := r.List(ctx, list, client.InNamespace(namespace), client.MatchingFields{secretIndex: name}); err != nil {
		return nil, fmt.Errorf("looking for those that name Secret %s: %w", name, err)
	}
	var found []client.Object
	_ = meta.EachListItem(list, func(o runtime.Object) error {
		found = append(found, o.(client.Object))
		return nil
	})
	for _, suffix := range secretSuffixes(kind) {
		of, isDefault := strings.CutSuffix(name, suffix)
		if !isDefault {
			continue
		}
		err := r.Get(ctx, types.NamespacedName{Namespace: namespace, Name: of}, one)
		switch {
		case err == nil && slices.Contains(secretNames(one), name) && !slices.Contains(namedSecrets(one), name):
			found = append(found, one)
		case client.IgnoreNotFound(err) != nil:
			return nil, fmt.Errorf("looking for those that name Secret %s: %w", name, err)
		}
	}
	return found, nil
}

// secretNames are those of the Secrets of a resource.
func secretNames(o client.Object) []string {
	switch o := o.(type) {
	case *v1alpha1.SfsClient:
		return []string{o.SecretName(), o.TokenSecretName()}
	case *v1alpha1.SfsClientUser:
		return []string{o.SecretName()}
	case *v1alpha1.OAuthToken:
		return []string{o.TokenSecretName(), o.StateSecretName()}
	}
	return nil
}

// namedSecrets are those of them that stand in the spec. There is an index of these only: the others follow from the name.
func namedSecrets(o client.Object) []string {
	switch o := o.(type) {
	case *v1alpha1.SfsClient:
		return append(present(o.Spec.Secret.Name), present(o.Spec.Token.Secret.Name)...)
	case *v1alpha1.SfsClientUser:
		return present(o.Spec.Secret.Name)
	case *v1alpha1.OAuthToken:
		return present(o.Spec.Token.Secret.Name)
	}
	return nil
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
	if !have.ours {
		return nil, nil, nil
	}
	have.resourceVersion = secret.ResourceVersion
	return &secret, have, nil
}

// remove takes what the operator wrote out of the cluster: the Secret, or the keys in a Secret of somebody else. Where it is
// to be retained it only stops to be the owner's.
func (s *Secrets) remove(ctx context.Context, owner client.Object, who ref, name string, policy v1alpha1.SecretDeletionPolicy) error {
	have, err := s.observe(ctx, who, owner.GetUID(), name)
	if err != nil || have == nil {
		return err
	}
	switch {
	case !have.ours: // it is another's now, and need not be looked at again
	case policy == v1alpha1.SecretRetain:
		err = s.retain(ctx, owner, who, have, name)
	case have.proven:
		err = s.delete(ctx, who, owner.GetNamespace(), name, client.Preconditions{UID: &have.uid})
	case have.made: // but somebody claims it: what is not the operator's stays
		err = s.counted(metrics.SecretUpdated, s.rewrite(ctx, emptied(owner.GetNamespace(), name, have), have))
	default:
		// What is applied without anything takes away all that was applied before.
		nothing := corev1ac.Secret(name, owner.GetNamespace()).WithUID(have.uid)
		err = s.counted(metrics.SecretUpdated, s.writer.Apply(ctx, nothing, client.FieldOwner(fieldManager), client.ForceOwnership))
	}
	if client.IgnoreNotFound(err) != nil {
		return orStale(fmt.Errorf("removing Secret %s: %w", name, err))
	}
	s.gone(who, name)
	return nil
}

// retain has a Secret stay for the next resource of this kind and name.
func (s *Secrets) retain(ctx context.Context, owner client.Object, who ref, have *published, name string) error {
	references := ""
	if have.owned {
		references = `"ownerReferences":null,`
	}
	patch := fmt.Sprintf(`{"metadata":{%s"uid":%q,"labels":{%q:null},"annotations":{%q:%q}}}`,
		references, have.uid, v1alpha1.OwnerLabel, v1alpha1.OwnerNameAnnotation, ownerName(who))
	return s.counted(metrics.SecretUpdated, s.writer.Patch(ctx, bareSecret(owner.GetNamespace(), name),
		client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner(fieldManager)))
}

func (s *Secrets) delete(ctx context.Context, who ref, namespace, name string, only client.Preconditions) error {
	err := s.counted(metrics.SecretDeleted, s.writer.Delete(ctx, bareSecret(namespace, name), only))
	if client.IgnoreNotFound(err) != nil {
		return orStale(fmt.Errorf("deleting Secret %s: %w", name, err))
	}
	s.gone(who, name)
	return nil
}

// bareSecret names a Secret for a read or a patch whose answer is to hold no value, and for a delete.
func bareSecret(namespace, name string) *metav1.PartialObjectMetadata {
	secret := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return secret
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
	for _, name := range defaultNames(who.kind, who.name) {
		var secret corev1.Secret
		err := s.cached.Get(ctx, types.NamespacedName{Namespace: who.namespace, Name: name}, &secret)
		switch {
		case err == nil && ownerOf(&secret) == string(owner.GetUID()):
			names[name] = secret.DeletionTimestamp.IsZero()
		case client.IgnoreNotFound(err) != nil:
			return nil, fmt.Errorf("reading Secret %s: %w", name, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.known[who] {
		if k.hash != "" {
			names[k.name] = true
		}
	}
	maps.DeleteFunc(names, func(_ string, there bool) bool { return !there }) // somebody's finalizer holds it
	return slices.Sorted(maps.Keys(names)), nil
}

func (s *Secrets) lastWritten(owner ref, name string) (string, bool) {
	k := s.lastWrite(owner, name)
	return k.hash, k.hash != ""
}

func (s *Secrets) lastWrite(owner ref, name string) knownSecret {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.known.find(owner, name); k != nil {
		return *k
	}
	return knownSecret{}
}

func (s *Secrets) remember(owner ref, name string, change func(*knownSecret)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.known.find(owner, name)
	if k == nil {
		s.known[owner] = append(slices.Clip(s.known[owner]), knownSecret{name: name})
		k = s.known.find(owner, name)
	}
	change(k)
}

// gone records that there is no such Secret.
func (s *Secrets) gone(owner ref, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.known.find(owner, name); k != nil {
		k.hash = ""
	}
}

// forget drops what is kept for an owner that is gone.
func (s *Secrets) forget(owner ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, owner)
}
