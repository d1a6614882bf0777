// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SecretSpec shapes a Secret that the operator writes.
type SecretSpec struct {
	// name of the Secret. When it changes, the new Secret is written before the old one is removed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be a valid name of a Secret: lower-case letters, digits, '-' and '.'"
	Name string `json:"name,omitempty"`
}

// SecretReference names a Secret in the namespace of the resource.
type SecretReference struct {
	// name of the Secret.
	// +required
	Name string `json:"name,omitempty"`
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

// RevocationPolicy says when the operator revokes a token at SFS.
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
