// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/shape"
)

// form is what a spec says of a Secret, whatever it holds.
type form struct {
	kind   corev1.SecretType
	merged bool // into a Secret that somebody else has made
	owned  bool // has an owner reference
	// labels and annotations that users want on it, and the defaults of the operator that they can change.
	labels, annotations map[string]string
	// shape is how the values are shown, and which labels and annotations users want, as it is kept in ShapeAnnotation;
	// empty is the default.
	shape string
}

// formOf returns the form of a Secret. annotations are those that it has unless the spec says otherwise.
func formOf(spec v1alpha1.SecretSpec, annotations map[string]string) form {
	f := form{
		kind:   corev1.SecretType(spec.Type),
		merged: spec.CreationPolicy == v1alpha1.SecretMerge,
		// The garbage collector would take a Secret that is to be retained.
		owned:  spec.CreationPolicy != v1alpha1.SecretMerge && spec.CreationPolicy != v1alpha1.SecretOrphan && spec.DeletionPolicy != v1alpha1.SecretRetain,
		labels: map[string]string{}, annotations: map[string]string{},
		shape: encodeShape(spec),
	}
	if f.kind == "" {
		f.kind = corev1.SecretTypeOpaque
	}
	if !f.merged {
		maps.Copy(f.annotations, annotations)
	}
	for k, v := range spec.Template.Metadata.Labels {
		f.labels[k] = string(v)
	}
	for k, v := range spec.Template.Metadata.Annotations {
		f.annotations[k] = string(v)
	}
	return f
}

// formIn is the form that a Secret has. One that somebody claims is one of somebody else: it would be deleted with all that is in
// it, if it were made one of the operator.
func formIn(have *published) form {
	f := form{
		kind: have.kind, merged: !have.made || !have.proven, owned: have.owned, shape: have.annotations[v1alpha1.ShapeAnnotation],
		labels: map[string]string{}, annotations: map[string]string{},
	}
	if !f.merged { // else they are somebody else's
		maps.Copy(f.labels, have.labels)
		maps.Copy(f.annotations, have.annotations)
		maps.DeleteFunc(f.annotations, func(name, _ string) bool { return strings.HasPrefix(name, "sendforsign.com/") })
	}
	return f
}

func (f form) digest() string {
	return factsHash(map[string][]byte{"form": fmt.Appendf(nil, "%+v", f)})
}

// wornBy says whether a Secret has this form.
func (f form) wornBy(have *published) bool {
	return (f.merged || f.kind == have.kind) && f.merged == !have.made && f.owned == have.owned &&
		f.shape == have.annotations[v1alpha1.ShapeAnnotation] && holdsAll(have.labels, f.labels) && holdsAll(have.annotations, f.annotations)
}

func holdsAll(have, want map[string]string) bool {
	for k, v := range want {
		if got, ok := have[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// encodedShape is a shape as it is kept with the Secret.
type encodedShape struct {
	Keys    map[string]v1alpha1.SecretKey          `json:"keys,omitempty"`
	Formats []v1alpha1.SecretFormat                `json:"formats,omitempty"`
	Data    map[string]v1alpha1.SecretTemplateText `json:"data,omitempty"`
	Replace bool                                   `json:"replace,omitempty"`
	// Labels and Annotations are names. One that the spec names no more is else seen nowhere.
	Labels      []string `json:"labels,omitempty"`
	Annotations []string `json:"annotations,omitempty"`
}

// encodeShape returns what a spec says of a Secret; nothing where it says nothing.
func encodeShape(spec v1alpha1.SecretSpec) string {
	e := encodedShape{
		Keys: spec.Keys, Formats: spec.Formats, Data: spec.Template.Data,
		Replace:     spec.Template.MergePolicy == v1alpha1.TemplateReplace,
		Labels:      slices.Sorted(maps.Keys(spec.Template.Metadata.Labels)),
		Annotations: slices.Sorted(maps.Keys(spec.Template.Metadata.Annotations)),
	}
	if len(e.Keys)+len(e.Formats)+len(e.Data)+len(e.Labels)+len(e.Annotations) == 0 {
		return ""
	}
	raw, err := json.Marshal(e)
	if err != nil {
		panic(err) // only strings are encoded
	}
	return string(raw)
}

// keysOf returns the part of a shape that any value can have.
func keysOf(raw string) string {
	return encodeShape(v1alpha1.SecretSpec{Keys: readShape(raw).Keys})
}

// readShape reads what encodeShape wrote. What somebody has made of it in a Secret may be nonsense: then it is the default.
func readShape(raw string) (e encodedShape) {
	if raw == "" || json.Unmarshal([]byte(raw), &e) != nil {
		return encodedShape{}
	}
	return e
}

// decodeShape returns what encodeShape wrote as what renders.
func decodeShape(raw string) shape.Shape {
	e := readShape(raw)
	s := shape.Shape{Keys: map[string]string{}, Formats: map[shape.Format]string{}, Template: map[string]string{}, Replace: e.Replace}
	for k, v := range e.Keys {
		s.Keys[k] = string(v)
	}
	for _, f := range e.Formats {
		s.Formats[shape.Format(f.Format)] = f.Key
	}
	for k, v := range e.Data {
		s.Template[k] = string(v)
	}
	return s
}

// render shows values in a form.
func (f form) render(src shape.Source) (map[string][]byte, error) {
	data, err := decodeShape(f.shape).Render(src)
	if err == nil && data[v1alpha1.KeyPreviousTokens] != nil {
		err = &shape.Error{Field: "keys", Message: v1alpha1.KeyPreviousTokens + " is a key of the operator"}
	}
	return data, err
}

// templateError says what is wrong with the content that a field of the spec asks for.
func templateError(field string, err error) error {
	var wrong *shape.Error
	if !errors.As(err, &wrong) {
		return err
	}
	at := field + "." + wrong.Field
	if wrong.Line > 0 {
		at += fmt.Sprintf(", line %d", wrong.Line)
	}
	return &problem{reason: v1alpha1.TemplateErrorReason, message: at + ": " + wrong.Message, pace: waits}
}

// publication is a Secret as it should be.
type publication struct {
	name string
	form form
	data map[string][]byte
	// annotations of the operator beside those that each publication has.
	annotations map[string]string
}

func (p publication) digests() map[string][]byte {
	digests := make(map[string][]byte, len(p.data))
	for key, value := range p.data {
		digests[key] = digest(key, value)
	}
	return digests
}

// metadata returns all labels and annotations of the publication, and its hash, which stands in one of them.
func (p publication) metadata(who ref, owner types.UID) (labels, annotations map[string]string, hash string) {
	labels, annotations = maps.Clone(p.form.labels), maps.Clone(p.form.annotations)
	maps.Copy(annotations, p.annotations)
	labels[v1alpha1.OwnerLabel] = string(owner)
	annotations[v1alpha1.KeysAnnotation] = strings.Join(slices.Sorted(maps.Keys(p.data)), ",")
	if p.form.merged {
		annotations[v1alpha1.CreationPolicyAnnotation] = string(v1alpha1.SecretMerge)
	} else {
		labels[v1alpha1.ManagedByLabel] = v1alpha1.ManagedByValue
	}
	if !p.form.owned {
		annotations[v1alpha1.OwnerNameAnnotation] = ownerName(who)
	}
	if p.form.shape != "" {
		annotations[v1alpha1.ShapeAnnotation] = p.form.shape
	}
	hash = sealOf(p.digests(), slices.Collect(maps.Keys(p.data)), annotations)
	annotations[v1alpha1.ContentHashAnnotation] = hash
	return labels, annotations, hash
}

func ownerName(who ref) string { return who.kind + "/" + who.name }

// sealed are the annotations by which the operator goes. An edit of one is noticed as one of a value is.
var sealed = []string{
	v1alpha1.KeysAnnotation, v1alpha1.ShapeAnnotation, v1alpha1.CreationPolicyAnnotation, v1alpha1.TokenKeyAnnotation,
	v1alpha1.TokenTypeAnnotation, v1alpha1.TokenScopeAnnotation, v1alpha1.TokenHashAnnotation, v1alpha1.TokenOfAnnotation,
	v1alpha1.IssuedAtAnnotation, v1alpha1.ExpiresAtAnnotation, v1alpha1.RevokePreviousAtAnnotation,
	v1alpha1.RenewHandledAnnotation, v1alpha1.RevokeHandledAnnotation, v1alpha1.PlatformRevokeHandledAnnotation,
}

// unsealed are the others that the operator writes.
var unsealed = []string{v1alpha1.OwnerNameAnnotation, v1alpha1.ContentHashAnnotation, v1alpha1.RevisionAnnotation}

// sealOf sums up what the operator wrote: values, and annotations that speak of them. An empty annotation is none.
func sealOf(digests map[string][]byte, keys []string, annotations map[string]string) string {
	all := map[string][]byte{}
	names := make([]string, 0, len(keys)+len(sealed))
	for _, key := range keys {
		name := "data " + key
		all[name], names = digests[key], append(names, name)
	}
	for _, name := range sealed {
		if value := annotations[name]; value != "" {
			all[name], names = []byte(value), append(names, name)
		}
	}
	return contentHash(all, names)
}

// published is what is known of a Secret in the cluster: never its values.
type published struct {
	uid         types.UID
	kind        corev1.SecretType
	immutable   bool
	digests     map[string][]byte
	condensed   bool   // it was found to hold what the operator wrote, and there are no digests any more,
	allValues   string // but one of all values
	labels      map[string]string
	annotations map[string]string
	labelled    bool
	ours        bool // belongs to the owner who asked
	made        bool // by the operator, and not by somebody else into whose Secret it writes
	proven      bool // to be made so, by what no edit of an annotation changes
	owned       bool // has an owner reference to who asked
	former      bool // controlled by a resource of the same kind and name that is gone
	revision    int64
	// resourceVersion is known of a Secret that was read with its values: what is written from them must not go over
	// what somebody has written since.
	resourceVersion string
}

func seen(secret *corev1.Secret, who ref, owner types.UID) *published {
	condensed, allValues, annotations := isCondensed(secret), "", secret.Annotations
	if condensed {
		allValues, annotations = unpack(secret)
	}
	revision, _ := strconv.ParseInt(annotations[v1alpha1.RevisionAnnotation], 10, 64) // 0 where there is none
	controller := metav1.GetControllerOf(secret)
	owned := controller != nil && controller.UID == owner
	proven := owned || secret.Labels[v1alpha1.ManagedByLabel] == v1alpha1.ManagedByValue
	merged := !proven && annotations[v1alpha1.CreationPolicyAnnotation] == string(v1alpha1.SecretMerge)
	label := ownerOf(secret)
	// One without an owner reference that somebody has taken the label from, or that a former resource has left.
	named := annotations[v1alpha1.OwnerNameAnnotation] == ownerName(who)
	ours := owned || (controller == nil || merged) && (label == string(owner) || named)
	return &published{
		uid:         secret.UID,
		kind:        secret.Type,
		immutable:   secret.Immutable != nil && *secret.Immutable,
		digests:     secret.Data,
		condensed:   condensed,
		allValues:   allValues,
		labels:      secret.Labels,
		annotations: annotations,
		labelled: label != "" && (owner == "" || label == string(owner)) &&
			(merged || secret.Labels[v1alpha1.ManagedByLabel] == v1alpha1.ManagedByValue),
		ours:     ours,
		made:     !merged,
		proven:   proven,
		owned:    owned,
		former:   controller != nil && controller.UID != owner && controller.Kind == who.kind && controller.Name == who.name,
		revision: revision,
	}
}

// keys are those that the operator wrote.
func (p *published) keys() []string {
	if p.annotations[v1alpha1.KeysAnnotation] == "" {
		return nil
	}
	return strings.Split(p.annotations[v1alpha1.KeysAnnotation], ",")
}

// values is a digest of all values that the operator wrote.
func (p *published) values() string {
	if p.condensed {
		return p.allValues
	}
	return contentHash(p.digests, p.keys())
}

// intact says whether the Secret holds what the operator wrote.
func (p *published) intact() bool {
	hash := p.annotations[v1alpha1.ContentHashAnnotation]
	return p.labelled && hash != "" && (p.condensed || hash == sealOf(p.digests, p.keys(), p.annotations))
}
