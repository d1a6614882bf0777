// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SfsClientUserSpec describes one person of a tenant.
type SfsClientUserSpec struct {
	// clientRef names the SfsClient, in the same namespace. Immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="clientRef is immutable: an SFS user can not move to another client; create another SfsClientUser"
	ClientRef ClientReference `json:"clientRef,omitzero"`

	// default: true binds the user that SFS makes together with each client, instead of creating one. Immutable.
	// +optional
	// +kubebuilder:default=false
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="default is immutable; create another SfsClientUser"
	Default bool `json:"default,omitempty"`

	// fullName of the user at SFS.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	FullName string `json:"fullName,omitempty"`

	// email of the user at SFS.
	// +optional
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^@[:space:]]+@[^@[:space:]]+$')",message="email must be an e-mail address"
	Email string `json:"email,omitempty"`

	// secret holds the identifiers (userKey, clientKey, baseURL). Default name: <name>-sfs-user.
	// +optional
	Secret SecretSpec `json:"secret,omitzero"`

	// suspend stops all work on this resource.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// ClientReference names an SfsClient in the same namespace.
type ClientReference struct {
	// name of the SfsClient.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// SfsClientUserStatus is what the operator last saw.
type SfsClientUserStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready, Synced and SecretReady; Reconciling and Stalled only while True.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// userKey is the identifier of the user at SFS.
	// +optional
	UserKey string `json:"userKey,omitempty"`

	// clientKey is the identifier of the client that the user belongs to.
	// +optional
	ClientKey string `json:"clientKey,omitempty"`

	// customKey is the key by which the user is found again at SFS: <customKey of the client>/<name>.
	// +optional
	CustomKey string `json:"customKey,omitempty"`

	// origin says whether the user was created for this resource or was found at SFS.
	// +optional
	Origin Origin `json:"origin,omitempty"`

	// createIntent is present only while a create request is unresolved.
	// +optional
	CreateIntent *CreateIntent `json:"createIntent,omitempty"`

	// secretRef names the Secret of identifiers.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// lastSyncTime is when the user was last compared with SFS.
	// +optional
	LastSyncTime *metav1.Time `json:"lastSyncTime,omitempty"`

	// lastHandledReconcileAt is the last value of the annotation sendforsign.com/reconcile-requested-at acted on.
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
}

// SfsClientUser is one person of a tenant. SFS uses its key to say who did something; it has no token of its own.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=sfsu,categories=sfs
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=`.spec.clientRef.name`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 200",message="the name must have at most 200 characters, so that the name of its Secret fits"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Client",type=string,JSONPath=`.spec.clientRef.name`
// +kubebuilder:printcolumn:name="Secret",type=string,JSONPath=`.status.secretRef.name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="UserKey",type=string,priority=1,JSONPath=`.status.userKey`
// +kubebuilder:printcolumn:name="ClientKey",type=string,priority=1,JSONPath=`.status.clientKey`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type SfsClientUser struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is wanted.
	// +required
	Spec SfsClientUserSpec `json:"spec,omitzero"`

	// status is what is.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status SfsClientUserStatus `json:"status,omitzero"`
}

// GetConditions returns the conditions of the status.
func (u *SfsClientUser) GetConditions() *[]metav1.Condition { return &u.Status.Conditions }

// IsSuspended says whether the user has stopped the work on this resource.
func (u *SfsClientUser) IsSuspended() bool {
	return u.Spec.Suspend || u.Annotations[PausedAnnotation] == "true"
}

// SecretName is the name of the Secret of identifiers.
func (u *SfsClientUser) SecretName() string {
	if u.Spec.Secret.Name != "" {
		return u.Spec.Secret.Name
	}
	return u.Name + "-sfs-user"
}

// SfsClientUserList is a list of SfsClientUsers.
//
// +kubebuilder:object:root=true
type SfsClientUserList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SfsClientUser `json:"items"`
}
