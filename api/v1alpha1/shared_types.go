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
// +kubebuilder:validation:Enum=Created;Recovered
type Origin string

const (
	// OriginCreated: the operator made it for this resource.
	OriginCreated Origin = "Created"
	// OriginRecovered: it was there already under the customKey of the resource, as after a cluster is rebuilt from Git.
	OriginRecovered Origin = "Recovered"
)

// RevocationPolicy says when the operator revokes a token at SFS.
// +kubebuilder:validation:Enum=OnDelete;Never
type RevocationPolicy string

const (
	// RevokeOnDelete: the last token is revoked when the resource is deleted; those before it expire by themselves, so
	// that an application which has not read the new one yet is not cut off.
	RevokeOnDelete RevocationPolicy = "OnDelete"
	// RevokeNever: tokens expire by themselves.
	RevokeNever RevocationPolicy = "Never"
)
