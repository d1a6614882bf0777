// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SfsClientUserSpec describes one person of a tenant.
// +kubebuilder:validation:XValidation:rule="has(self.customKey) == has(oldSelf.customKey)",message="customKey is immutable, also where it was absent: users are found by it; create another SfsClientUser"
// +kubebuilder:validation:XValidation:rule="has(self.userKey) == has(oldSelf.userKey)",message="userKey is immutable, also where it was absent: create another SfsClientUser"
// +kubebuilder:validation:XValidation:rule="(has(self.customKey) ? 1 : 0) + (has(self.userKey) ? 1 : 0) + (has(self.default) && self.default ? 1 : 0) <= 1",message="set one of customKey, userKey and default: each says which user at SFS is meant"
// +kubebuilder:validation:XValidation:rule="!has(self.userKey) || !has(self.adoptionPolicy) || self.adoptionPolicy != 'Create'",message="adoptionPolicy Create does not go with userKey, which names a user that exists"
// +kubebuilder:validation:XValidation:rule="!has(self.default) || !self.default || !has(self.adoptionPolicy) || self.adoptionPolicy != 'Create'",message="adoptionPolicy Create does not go with default: SFS makes the default user together with the client"
// +kubebuilder:validation:XValidation:rule="!has(self.deletionPolicy) || self.deletionPolicy != 'Retire' || (!has(self.userKey) && (!has(self.default) || !self.default) && (!has(self.managementPolicy) || self.managementPolicy != 'Observe'))",message="deletionPolicy Retire changes the user at SFS, so it goes with neither userKey, default nor managementPolicy Observe"
type SfsClientUserSpec struct {
	// clientRef names the SfsClient, in the same namespace. Immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="clientRef is immutable: an SFS user can not move to another client; create another SfsClientUser"
	ClientRef ClientReference `json:"clientRef,omitzero"`

	// default: true binds the user that SFS makes together with each client, instead of creating one. Immutable. Default:
	// false.
	// +optional
	// +kubebuilder:default=false
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="default is immutable; create another SfsClientUser"
	Default bool `json:"default,omitempty"`

	// fullName of the user at SFS, at most 256 characters. Absent: left as it is there.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	FullName string `json:"fullName,omitempty"`

	// email of the user at SFS: an e-mail address of at most 254 characters. Absent: left as it is there.
	// +optional
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^@[:space:]]+@[^@[:space:]]+$')",message="email must be an e-mail address"
	Email string `json:"email,omitempty"`

	// customKey names the user at SFS, one of this client that exists or one to be made, instead of the derived key
	// <customKey of the client>/<name>. Printable ASCII without spaces, at most 256 characters. Immutable, also where it is
	// absent. Absent: the derived key.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="customKey is immutable: users are found by it; create another SfsClientUser"
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="customKey must be printable ASCII without spaces"
	CustomKey string `json:"customKey,omitempty"`

	// userKey imports a user of this client that exists at SFS by its key there. Letters, digits, '-', '_' and '.', at most
	// 128. Immutable, also where it is absent. Absent: the user is found by its customKey.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="userKey is immutable; create another SfsClientUser"
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_.-]+$')",message="userKey must be letters, digits, '-', '_' and '.'"
	UserKey string `json:"userKey,omitempty"`

	// adoptionPolicy: AdoptOrCreate takes the user of the client that has the customKey, and creates it where there is
	// none. Adopt never creates one, Create never takes one that is there. Default: AdoptOrCreate.
	// +optional
	// +kubebuilder:default=AdoptOrCreate
	AdoptionPolicy AdoptionPolicy `json:"adoptionPolicy,omitempty"`

	// managementPolicy: Manage, or Observe: nothing of the user is created or changed at SFS; what would be stands in
	// status.pendingChanges. The Secret of a user that exists is published all the same. Default: Manage.
	// +optional
	// +kubebuilder:default=Manage
	ManagementPolicy ManagementPolicy `json:"managementPolicy,omitempty"`

	// driftPolicy: Correct undoes what others change at SFS of the fields that are set here. Report only says so, in
	// status.pendingChanges and the condition Synced; a change of this spec is carried out all the same. Default: Correct.
	// +optional
	// +kubebuilder:default=Correct
	DriftPolicy DriftPolicy `json:"driftPolicy,omitempty"`

	// deletionPolicy: what happens at SFS, which can not delete users, when this resource is deleted. Retain leaves the
	// user as it is: a resource of the same name gets it back. Retire changes its customKey, so that it is never
	// adopted again. Default: Retain.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// secret holds the identifiers (userKey, clientKey, baseURL). Default name: <name>-sfs-user.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.keys) || self.keys.all(k, k in ['clientKey', 'userKey', 'baseURL', 'SFS_CLIENT_KEY', 'SFS_USER_KEY'])",message="keys: the default keys are clientKey, userKey, baseURL, SFS_CLIENT_KEY and SFS_USER_KEY"
	// +kubebuilder:validation:XValidation:rule="!has(self.formats) || self.formats.all(f, f.format in ['json', 'env'])",message="formats: netrc and nginx-header need a token; this Secret has json and env"
	Secret SecretSpec `json:"secret,omitzero"`

	// suspend: true stops all work on this resource. Absent: false.
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

	// customKey is the key by which the user is found again at SFS: <customKey of the client>/<name>, or
	// spec.customKey. Of an imported user, the one that it has there, if any.
	// +optional
	CustomKey string `json:"customKey,omitempty"`

	// origin says whether the user was created for this resource, was found under its derived customKey or as the
	// default user (Recovered), under spec.customKey (Adopted), or was named by spec.userKey (Imported).
	// +optional
	Origin Origin `json:"origin,omitempty"`

	// createIntent is present only while a create request is unresolved.
	// +optional
	CreateIntent *CreateIntent `json:"createIntent,omitempty"`

	// secretRef names the Secret of identifiers.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// formerSecrets are Secrets of names that the spec had before, until they are removed.
	// +optional
	// +listType=map
	// +listMapKey=name
	FormerSecrets []FormerSecret `json:"formerSecrets,omitempty"`

	// pendingChanges is what the operator would change at SFS but does not: because of managementPolicy Observe or
	// driftPolicy Report, or since somebody else keeps changing it back.
	// +optional
	// +listType=map
	// +listMapKey=field
	PendingChanges []PendingChange `json:"pendingChanges,omitempty"`

	// lastSyncTime is when the user was last read from SFS and compared. That the periodic check found nothing is not
	// noted.
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
// +kubebuilder:validation:XValidation:rule="(self.?spec.?secret.?creationPolicy.orValue('Owner') == 'Merge') == (oldSelf.?spec.?secret.?creationPolicy.orValue('Owner') == 'Merge') || (has(self.spec.secret) && has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name + '-sfs-user') != (has(oldSelf.spec.secret) && has(oldSelf.spec.secret.name) ? oldSelf.spec.secret.name : self.metadata.name + '-sfs-user')",message="spec.secret.creationPolicy can be changed to or from Merge only together with spec.secret.name: a Secret of somebody else can not become the operator's"
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

// IsObserved says whether nothing is to be written to SFS.
func (u *SfsClientUser) IsObserved() bool { return u.Spec.ManagementPolicy == ManagementPolicyObserve }

// SecretName is the name of the Secret of identifiers.
func (u *SfsClientUser) SecretName() string {
	if u.Spec.Secret.Name != "" {
		return u.Spec.Secret.Name
	}
	return u.Name + UserSecretSuffix
}

// SfsClientUserList is a list of SfsClientUsers.
//
// +kubebuilder:object:root=true
type SfsClientUserList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SfsClientUser `json:"items"`
}
