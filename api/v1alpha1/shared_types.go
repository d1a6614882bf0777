// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SecretSpec shapes a Secret that the operator writes.
// +kubebuilder:validation:XValidation:rule="!has(self.creationPolicy) || self.creationPolicy != 'Merge' || (has(self.name) && !has(self.type))",message="creationPolicy Merge needs the name of the Secret, and can not set its type"
// +kubebuilder:validation:XValidation:rule="self.?template.?mergePolicy.orValue('Merge') != 'Replace' || has(self.template.data) || size(self.?formats.orValue([])) > 0",message="template.mergePolicy Replace needs template.data or formats: without any the Secret would be empty"
type SecretSpec struct {
	// name of the Secret. When it changes, the new Secret is written before the old one is removed, ten minutes later.
	// Absent: the name of this resource and -sfs, -sfs-token or -sfs-user, of an OAuthToken -oauth-token.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be a valid name of a Secret: lower-case letters, digits, '-' and '.'"
	Name string `json:"name,omitempty"`

	// type of the Secret. Absent: Opaque. A Secret can not change its type, so that it is deleted and made anew.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!(self in ['kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token'])",message="type can not be kubernetes.io/service-account-token or bootstrap.kubernetes.io/token: Kubernetes gives rights with such Secrets"
	Type string `json:"type,omitempty"`

	// keys renames keys of the Secret, at most 16: from the default name of each to the one that it has in the Secret. An
	// empty name leaves the key out. Absent: the default names.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	Keys map[string]SecretKey `json:"keys,omitempty"`

	// formats adds keys that each hold all values, in a form that applications read: at most 4, each once. Absent: none.
	// +optional
	// +listType=map
	// +listMapKey=format
	// +kubebuilder:validation:MaxItems=4
	Formats []SecretFormat `json:"formats,omitempty"`

	// template adds keys, labels and annotations.
	// +optional
	Template SecretTemplate `json:"template,omitzero"`

	// creationPolicy: Owner makes the Secret, and Kubernetes deletes it with this resource. Orphan makes it without an
	// owner reference: the operator deletes it. Merge writes its keys into a Secret that somebody else has made, and
	// takes them out in the end. Absent: Owner.
	// +optional
	CreationPolicy SecretCreationPolicy `json:"creationPolicy,omitempty"`

	// deletionPolicy: what becomes of the Secret when this resource is deleted, or names another Secret. Delete removes
	// what the operator wrote; Retain leaves it as it is then. Absent: Delete.
	// +optional
	DeletionPolicy SecretDeletionPolicy `json:"deletionPolicy,omitempty"`
}

// SecretKey is the name of a key in a Secret, or empty. Kubernetes lets none be ".", or begin with "..".
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^([.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*)?$`
// +kubebuilder:validation:XValidation:rule="self != 'previousTokens'",message="previousTokens is a key of the operator"
type SecretKey string

// SecretFormat is a built-in rendering of all values in one key.
type SecretFormat struct {
	// format: json, env (lines NAME=value), netrc, or nginx-header (a line for the configuration of nginx that sets the
	// header Authorization). The last two are for Secrets that hold a token.
	// +required
	// +kubebuilder:validation:Enum=json;env;netrc;nginx-header
	Format string `json:"format,omitempty"`

	// key of the Secret. Absent: credentials.json, credentials.env, netrc, nginx.conf.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$`
	// +kubebuilder:validation:XValidation:rule="self != 'previousTokens'",message="previousTokens is a key of the operator"
	Key string `json:"key,omitempty"`
}

// SecretTemplate adds to a Secret.
type SecretTemplate struct {
	// metadata is put on the Secret. Nothing is copied from the labels and annotations of this resource.
	// +optional
	Metadata SecretMetadata `json:"metadata,omitzero"`

	// data are keys of the Secret, each with a Go template over the default keys (as in "{{ .baseURL }}"). Which functions
	// there are is said in docs/secret-shapes.md. At most 16. Absent: none.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && k.matches('^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$'))",message="a key of a Secret has letters, digits, '-', '_' and '.', at most 253, and does not begin with '..'"
	// +kubebuilder:validation:XValidation:rule="self.all(k, k != 'previousTokens')",message="previousTokens is a key of the operator"
	Data map[string]SecretTemplateText `json:"data,omitempty"`

	// mergePolicy: Merge adds data to the default keys, Replace leaves these out. Absent: Merge.
	// +optional
	MergePolicy TemplateMergePolicy `json:"mergePolicy,omitempty"`
}

// SecretTemplateText is a Go template.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=16384
type SecretTemplateText string

// SecretMetadata are labels and annotations of a Secret. With some of them Argo CD would take the Secret for a part of an
// application, and prune it.
type SecretMetadata struct {
	// labels of the Secret, at most 16. Absent: none but those of the operator.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('sendforsign.com/') && !k.startsWith('argocd.argoproj.io/') && !(k in ['app.kubernetes.io/instance', 'app.kubernetes.io/managed-by']))",message="labels sendforsign.com/*, argocd.argoproj.io/*, app.kubernetes.io/instance and app.kubernetes.io/managed-by can not be set"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="a label must be a name, or a domain, '/' and a name"
	Labels map[string]SecretLabelValue `json:"labels,omitempty"`

	// annotations of the Secret, at most 16. Absent: none but those of the operator.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('sendforsign.com/') && !k.startsWith('kubernetes.io/service-account.') && k != 'kubectl.kubernetes.io/last-applied-configuration' && (!k.startsWith('argocd.argoproj.io/') || k == 'argocd.argoproj.io/ignore-resource-updates'))",message="annotations sendforsign.com/*, kubernetes.io/service-account.*, kubectl.kubernetes.io/last-applied-configuration and argocd.argoproj.io/* can not be set, but for argocd.argoproj.io/ignore-resource-updates"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())",message="an annotation must be a name, or a domain, '/' and a name"
	Annotations map[string]SecretAnnotationValue `json:"annotations,omitempty"`
}

// SecretLabelValue is the value of a label.
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`
type SecretLabelValue string

// SecretAnnotationValue is the value of an annotation.
// +kubebuilder:validation:MaxLength=4096
type SecretAnnotationValue string

// TemplateMergePolicy says what becomes of the default keys.
// +kubebuilder:validation:Enum=Merge;Replace
type TemplateMergePolicy string

const (
	// TemplateMerge keeps them beside those of the template.
	TemplateMerge TemplateMergePolicy = "Merge"
	// TemplateReplace leaves them out.
	TemplateReplace TemplateMergePolicy = "Replace"
)

// SecretCreationPolicy says who makes a Secret, and whose it is.
// +kubebuilder:validation:Enum=Owner;Orphan;Merge
type SecretCreationPolicy string

const (
	// SecretOwner: the operator makes it, with an owner reference unless it is to be retained.
	SecretOwner SecretCreationPolicy = "Owner"
	// SecretOrphan: the operator makes it, without an owner reference.
	SecretOrphan SecretCreationPolicy = "Orphan"
	// SecretMerge: somebody else makes it.
	SecretMerge SecretCreationPolicy = "Merge"
)

// SecretDeletionPolicy says what becomes of a Secret that is no longer wanted.
// +kubebuilder:validation:Enum=Delete;Retain
type SecretDeletionPolicy string

const (
	// SecretDelete removes the Secret, or from a Secret of somebody else the keys of the operator.
	SecretDelete SecretDeletionPolicy = "Delete"
	// SecretRetain leaves it.
	SecretRetain SecretDeletionPolicy = "Retain"
)

// SecretReference names a Secret in the namespace of the resource.
type SecretReference struct {
	// name of the Secret.
	// +required
	Name string `json:"name,omitempty"`
}

// FormerSecret is a Secret of a name that the spec had before.
type FormerSecret struct {
	// name of the Secret.
	// +required
	Name string `json:"name,omitempty"`

	// removalTime is when it is removed: ten minutes after the spec named another one. Until then it is kept as fresh as
	// that one.
	// +required
	RemovalTime metav1.Time `json:"removalTime,omitzero"`
}

// CreateIntent is written before a create request is sent to SFS and cleared when its outcome is known, so that a
// crash or a lost answer never leads to a second create.
type CreateIntent struct {
	// id tells one attempt from the next.
	// +required
	ID string `json:"id,omitempty"`

	// startedAt is when the attempt began.
	// +required
	StartedAt metav1.MicroTime `json:"startedAt,omitzero"`
}

// Origin says how an SFS object came to belong to a resource.
// +kubebuilder:validation:Enum=Created;Recovered;Adopted;Imported
type Origin string

const (
	// OriginCreated: the operator made it for this resource.
	OriginCreated Origin = "Created"
	// OriginRecovered: it was there already under the derived customKey of the resource, as after a cluster is rebuilt
	// from Git.
	OriginRecovered Origin = "Recovered"
	// OriginAdopted: it was there already under the customKey that the spec names.
	OriginAdopted Origin = "Adopted"
	// OriginImported: the spec names it by its key at SFS.
	OriginImported Origin = "Imported"
)

// AdoptionPolicy says what may become of a resource's object at SFS.
// +kubebuilder:validation:Enum=AdoptOrCreate;Adopt;Create
type AdoptionPolicy string

const (
	// AdoptionPolicyAdoptOrCreate takes what is there, and else creates it.
	AdoptionPolicyAdoptOrCreate AdoptionPolicy = "AdoptOrCreate"
	// AdoptionPolicyAdopt takes what is there and creates nothing.
	AdoptionPolicyAdopt AdoptionPolicy = "Adopt"
	// AdoptionPolicyCreate takes nothing that was there before. A cluster that is rebuilt from Git does not get back
	// what it had.
	AdoptionPolicyCreate AdoptionPolicy = "Create"
)

// ManagementPolicy says whether the operator writes to SFS.
// +kubebuilder:validation:Enum=Manage;Observe
type ManagementPolicy string

const (
	// ManagementPolicyManage creates and corrects.
	ManagementPolicyManage ManagementPolicy = "Manage"
	// ManagementPolicyObserve reads and reports.
	ManagementPolicyObserve ManagementPolicy = "Observe"
)

// DriftPolicy says what to do about changes that others make at SFS.
// +kubebuilder:validation:Enum=Correct;Report
type DriftPolicy string

const (
	// DriftPolicyCorrect undoes them.
	DriftPolicyCorrect DriftPolicy = "Correct"
	// DriftPolicyReport reports them.
	DriftPolicyReport DriftPolicy = "Report"
)

// DeletionPolicy says what becomes of the object at SFS when its resource is deleted.
// +kubebuilder:validation:Enum=Retain;Retire
type DeletionPolicy string

const (
	// DeletionPolicyRetain leaves it as it is.
	DeletionPolicyRetain DeletionPolicy = "Retain"
	// DeletionPolicyRetire changes its customKey to <customKey>#retired-<time>, so that it is never adopted again.
	DeletionPolicyRetire DeletionPolicy = "Retire"
)

// TokenVerification says whether SFS is asked about published tokens.
// +kubebuilder:validation:Enum=None;Probe
type TokenVerification string

const (
	// TokenVerificationNone: a token is taken to live until it expires.
	TokenVerificationNone TokenVerification = "None"
	// TokenVerificationProbe: SFS is asked every five minutes, with the token, whether it takes it.
	TokenVerificationProbe TokenVerification = "Probe"
)

// PendingChange is a change at SFS that the operator would make.
type PendingChange struct {
	// field of the spec, or "client" or "user" where the whole object would be created.
	// +required
	Field string `json:"field,omitempty"`

	// from is the value at SFS. E-mail addresses are shown in part. Absent where there is none.
	// +optional
	From string `json:"from,omitempty"`

	// to is the value that the spec asks for. E-mail addresses are shown in part.
	// +optional
	To string `json:"to,omitempty"`
}

// RevocationPolicy says when the operator revokes a token.
// +kubebuilder:validation:Enum=OnDelete;Never;OnRotate
type RevocationPolicy string

const (
	// RevokeOnDelete: the last token is revoked when the resource is deleted; those before it expire by themselves, so
	// that an application which has not read the new one yet is not cut off.
	RevokeOnDelete RevocationPolicy = "OnDelete"
	// RevokeOnRotate: as RevokeOnDelete, and a token that was replaced is revoked after a grace period, in which
	// applications read the new one.
	RevokeOnRotate RevocationPolicy = "OnRotate"
	// RevokeNever: tokens expire by themselves.
	RevokeNever RevocationPolicy = "Never"
)
