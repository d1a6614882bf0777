// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SfsClientSpec describes one tenant. All of it may be left out. Fields that are absent are left as they are at SFS.
// +kubebuilder:validation:XValidation:rule="has(self.customKey) == has(oldSelf.customKey)",message="customKey is immutable, also where it was absent: clients are found by it; create another SfsClient"
// +kubebuilder:validation:XValidation:rule="has(self.clientKey) == has(oldSelf.clientKey)",message="clientKey is immutable, also where it was absent: create another SfsClient"
// +kubebuilder:validation:XValidation:rule="!has(self.customKey) || !has(self.clientKey)",message="set either customKey or clientKey: each names a client at SFS"
// +kubebuilder:validation:XValidation:rule="!has(self.clientKey) || !has(self.adoptionPolicy) || self.adoptionPolicy != 'Create'",message="adoptionPolicy Create does not go with clientKey, which names a client that exists"
// +kubebuilder:validation:XValidation:rule="!has(self.deletionPolicy) || self.deletionPolicy != 'Retire' || (!has(self.clientKey) && (!has(self.managementPolicy) || self.managementPolicy != 'Observe'))",message="deletionPolicy Retire changes the client at SFS, so it goes with neither clientKey nor managementPolicy Observe"
type SfsClientSpec struct {
	// platformRef names the SfsPlatform. Immutable.
	// +optional
	// +kubebuilder:default={name: default}
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="platformRef is immutable: an SFS client can not move to another account; create another SfsClient"
	PlatformRef PlatformReference `json:"platformRef,omitzero"`

	// fullName of the tenant at SFS, at most 256 characters. Absent: left as it is there.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	FullName string `json:"fullName,omitempty"`

	// email of the tenant at SFS: an e-mail address of at most 254 characters. Absent: left as it is there.
	// +optional
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^@[:space:]]+@[^@[:space:]]+$')",message="email must be an e-mail address"
	Email string `json:"email,omitempty"`

	// organization of the tenant at SFS, at most 256 characters. Absent: left as it is there.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Organization string `json:"organization,omitempty"`

	// customKey names the client at SFS, one that exists or one to be made, instead of the derived key
	// <customKeyPrefix>/<namespace>/<name>. The SfsPlatform must allow it for this namespace (spec.adoption), and it
	// can not begin with the customKeyPrefix of an SfsPlatform and a slash. Printable ASCII without spaces, at most 256
	// characters. Immutable, also where it is absent. Absent: the derived key.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="customKey is immutable: clients are found by it; create another SfsClient"
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="customKey must be printable ASCII without spaces"
	CustomKey string `json:"customKey,omitempty"`

	// clientKey imports a client that exists at SFS by its key there. The SfsPlatform must allow it for this namespace
	// (spec.adoption). Letters, digits, '-', '_' and '.', at most 128. Immutable, also where it is absent. Absent: the
	// client is found by its customKey.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="clientKey is immutable; create another SfsClient"
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_.-]+$')",message="clientKey must be letters, digits, '-', '_' and '.'"
	ClientKey string `json:"clientKey,omitempty"`

	// adoptionPolicy: AdoptOrCreate takes the client that has the customKey, and creates it where there is none. Adopt
	// never creates one, Create never takes one that is there. Default: AdoptOrCreate.
	// +optional
	// +kubebuilder:default=AdoptOrCreate
	AdoptionPolicy AdoptionPolicy `json:"adoptionPolicy,omitempty"`

	// managementPolicy: Manage, or Observe: nothing of the client is created or changed at SFS; what would be stands in
	// status.pendingChanges. The Secrets of a client that exists are published all the same, its token as well. Default:
	// Manage.
	// +optional
	// +kubebuilder:default=Manage
	ManagementPolicy ManagementPolicy `json:"managementPolicy,omitempty"`

	// driftPolicy: Correct undoes what others change at SFS of the fields that are set here. Report only says so, in
	// status.pendingChanges and the condition Synced; a change of this spec is carried out all the same. Default: Correct.
	// +optional
	// +kubebuilder:default=Correct
	DriftPolicy DriftPolicy `json:"driftPolicy,omitempty"`

	// deletionPolicy: what happens at SFS, which can not delete clients, when this resource is deleted. Retain leaves
	// the client as it is: a resource of the same name gets it back. Retire changes its customKey, so that it is never
	// adopted again. Default: Retain.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// token says how the client token is kept alive.
	// +optional
	// +kubebuilder:default={}
	Token TokenSpec `json:"token,omitzero"`

	// secret is the one that holds the identifiers (clientKey, userKey, baseURL). It hardly ever changes, so it may be
	// read through envFrom. Default name: <name>-sfs.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.keys) || self.keys.all(k, k in ['clientKey', 'userKey', 'baseURL', 'SFS_CLIENT_KEY', 'SFS_USER_KEY'])",message="keys: the default keys are clientKey, userKey, baseURL, SFS_CLIENT_KEY and SFS_USER_KEY"
	// +kubebuilder:validation:XValidation:rule="!has(self.formats) || self.formats.all(f, f.format in ['json', 'env'])",message="formats: netrc and nginx-header need a token; this Secret has json and env"
	Secret SecretSpec `json:"secret,omitzero"`

	// rolloutRestartTargets are workloads of the namespace that are restarted when a Secret changes: for applications
	// that read it only when they start. At most 16. Absent: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	RolloutRestartTargets []RolloutRestartTarget `json:"rolloutRestartTargets,omitempty"`

	// suspend: true stops all work on this resource, the renewal of its token as well. Absent: false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// PlatformReference names an SfsPlatform.
type PlatformReference struct {
	// name of the SfsPlatform. Default: default.
	// +optional
	// +kubebuilder:default=default
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// TokenSpec says how a client token is kept alive. The rules between its fields are also those of OAuthAccessTokenSpec.
// +kubebuilder:validation:XValidation:rule="!has(self.secret) || !has(self.secret.deletionPolicy) || self.secret.deletionPolicy != 'Retain' || (has(self.revocationPolicy) && self.revocationPolicy == 'Never')",message="secret.deletionPolicy Retain needs revocationPolicy Never: else the Secret would be left with a token that is revoked"
// +kubebuilder:validation:XValidation:rule="!has(self.previousTokenGracePeriod) || (has(self.revocationPolicy) && self.revocationPolicy == 'OnRotate')",message="previousTokenGracePeriod needs revocationPolicy OnRotate"
type TokenSpec struct {
	// enabled: false publishes no token, and withdraws one that was published. Default: true.
	// +optional
	// +kubebuilder:default=true
	Enabled *bool `json:"enabled,omitempty"`

	TokenLife `json:",inline"`

	// verification: Probe asks SFS every five minutes whether it still takes the token, and replaces one that was
	// revoked outside of the operator. None does not: that costs no requests. Default: None.
	// +optional
	// +kubebuilder:default=None
	Verification TokenVerification `json:"verification,omitempty"`

	// secret is the one that holds the token. It changes several times an hour: mount it as a volume (without subPath),
	// do not read it through env. Default name: <name>-sfs-token.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.keys) || self.keys.all(k, k in ['token', 'tokenType', 'expiresAt', 'issuedAt', 'clientKey', 'baseURL'])",message="keys: the default keys are token, tokenType, expiresAt, issuedAt, clientKey and baseURL"
	// +kubebuilder:validation:XValidation:rule="self.?keys[?'token'].orValue('token') != '' || has(self.template) && has(self.template.data) || size(self.?formats.orValue([])) > 0",message="keys: where token is left out, formats or template.data must hold it"
	Secret SecretSpec `json:"secret,omitzero"`
}

// RolloutRestartTarget is what is restarted when a Secret changes.
type RolloutRestartTarget struct {
	RestartedWorkload `json:",inline"`

	// when: KeysChanged restarts when the Secret of identifiers has changed. TokenChanged also with each token, so
	// several times an hour: applications that mount its Secret do not need that. Absent: KeysChanged.
	// +optional
	When RolloutRestartTrigger `json:"when,omitempty"`
}

// RolloutRestartTrigger says for which changes workloads are restarted.
// +kubebuilder:validation:Enum=KeysChanged;TokenChanged
type RolloutRestartTrigger string

const (
	// RestartWhenKeysChanged: for those of the Secret of identifiers.
	RestartWhenKeysChanged RolloutRestartTrigger = "KeysChanged"
	// RestartWhenTokenChanged: for each new token as well.
	RestartWhenTokenChanged RolloutRestartTrigger = "TokenChanged"
)

// SfsClientStatus is what the operator last saw.
type SfsClientStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready, Synced, SecretReady and TokenValid; Reconciling and Stalled only while True.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// clientKey is the identifier of the client at SFS.
	// +optional
	ClientKey string `json:"clientKey,omitempty"`

	// customKey is the key by which the client is found again at SFS: <customKeyPrefix>/<namespace>/<name>, or
	// spec.customKey. Of an imported client, the one that it has there, if any.
	// +optional
	CustomKey string `json:"customKey,omitempty"`

	// origin says whether the client was created for this resource, was found under its derived customKey
	// (Recovered) or spec.customKey (Adopted), or was named by spec.clientKey (Imported).
	// +optional
	Origin Origin `json:"origin,omitempty"`

	// defaultUserKey is the userKey of the default user of the client, when it is known.
	// +optional
	DefaultUserKey string `json:"defaultUserKey,omitempty"`

	// createIntent is present only while a create request is unresolved.
	// +optional
	CreateIntent *CreateIntent `json:"createIntent,omitempty"`

	// token describes the token in the token Secret: by secretRef alone, where the operator leaves the times to the Secret
	// (--record-token-times=false).
	// +optional
	Token *TokenStatus `json:"token,omitempty"`

	// secretRef names the Secret of identifiers.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// formerSecrets are Secrets of names that the spec had before, until they are removed.
	// +optional
	// +listType=map
	// +listMapKey=name
	FormerSecrets []FormerSecret `json:"formerSecrets,omitempty"`

	// rolloutRestarts is what was last done for each of spec.rolloutRestartTargets.
	// +optional
	// +listType=map
	// +listMapKey=name
	RolloutRestarts []RolloutRestart `json:"rolloutRestarts,omitempty"`

	// pendingChanges is what the operator would change at SFS but does not: because of managementPolicy Observe or
	// driftPolicy Report, or since somebody else keeps changing it back.
	// +optional
	// +listType=map
	// +listMapKey=field
	PendingChanges []PendingChange `json:"pendingChanges,omitempty"`

	// lastSyncTime is when the client was last read from SFS and compared. That the periodic check found nothing is not
	// noted.
	// +optional
	LastSyncTime *metav1.Time `json:"lastSyncTime,omitempty"`

	// lastHandledReconcileAt is the last value of the annotation sendforsign.com/reconcile-requested-at acted on.
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`

	// lastHandledRenewAt is the last value of the annotation sendforsign.com/renew-requested-at acted on.
	// +optional
	LastHandledRenewAt string `json:"lastHandledRenewAt,omitempty"`

	// lastHandledRevokeAt is the last value of the annotation sendforsign.com/revoke-requested-at, on this resource,
	// acted on.
	// +optional
	LastHandledRevokeAt string `json:"lastHandledRevokeAt,omitempty"`
}

// SfsClient is one tenant of a platform: a business that it serves. The operator creates it at SFS exactly once, and
// keeps its keys in one Secret and a living token in another.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=sfsc,categories=sfs
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=`.spec.platformRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.customKey`
// +kubebuilder:selectablefield:JSONPath=`.spec.clientKey`
// +kubebuilder:selectablefield:JSONPath=`.status.clientKey`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 200",message="the name must have at most 200 characters, so that the names of its Secrets fit"
// +kubebuilder:validation:XValidation:rule="!has(self.spec) || (has(self.spec.secret) && has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name + '-sfs') != (has(self.spec.token) && has(self.spec.token.secret) && has(self.spec.token.secret.name) ? self.spec.token.secret.name : self.metadata.name + '-sfs-token')",message="spec.secret.name and spec.token.secret.name must differ: one Secret is stable, the other changes with each token"
// +kubebuilder:validation:XValidation:rule="(self.?spec.?secret.?creationPolicy.orValue('Owner') == 'Merge') == (oldSelf.?spec.?secret.?creationPolicy.orValue('Owner') == 'Merge') || (has(self.spec) && has(self.spec.secret) && has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name + '-sfs') != (has(oldSelf.spec) && has(oldSelf.spec.secret) && has(oldSelf.spec.secret.name) ? oldSelf.spec.secret.name : self.metadata.name + '-sfs')",message="spec.secret.creationPolicy can be changed to or from Merge only together with spec.secret.name: a Secret of somebody else can not become the operator's"
// +kubebuilder:validation:XValidation:rule="(self.?spec.?token.?secret.?creationPolicy.orValue('Owner') == 'Merge') == (oldSelf.?spec.?token.?secret.?creationPolicy.orValue('Owner') == 'Merge') || (has(self.spec) && has(self.spec.token) && has(self.spec.token.secret) && has(self.spec.token.secret.name) ? self.spec.token.secret.name : self.metadata.name + '-sfs-token') != (has(oldSelf.spec) && has(oldSelf.spec.token) && has(oldSelf.spec.token.secret) && has(oldSelf.spec.token.secret.name) ? oldSelf.spec.token.secret.name : self.metadata.name + '-sfs-token')",message="spec.token.secret.creationPolicy can be changed to or from Merge only together with spec.token.secret.name: a Secret of somebody else can not become the operator's"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Secret",type=string,JSONPath=`.status.secretRef.name`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.token.expirationTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Platform",type=string,priority=1,JSONPath=`.spec.platformRef.name`
// +kubebuilder:printcolumn:name="ClientKey",type=string,priority=1,JSONPath=`.status.clientKey`
// +kubebuilder:printcolumn:name="Renewal",type=string,priority=1,JSONPath=`.status.token.renewalTime`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type SfsClient struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is wanted.
	// +optional
	// +kubebuilder:default={}
	Spec SfsClientSpec `json:"spec,omitzero"`

	// status is what is.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status SfsClientStatus `json:"status,omitzero"`
}

// GetConditions returns the conditions of the status.
func (c *SfsClient) GetConditions() *[]metav1.Condition { return &c.Status.Conditions }

// IsSuspended says whether the user has stopped the work on this resource.
func (c *SfsClient) IsSuspended() bool {
	return c.Spec.Suspend || c.Annotations[PausedAnnotation] == "true"
}

// NamesItsClient says whether the spec names a client at SFS, instead of having its key derived.
func (c *SfsClient) NamesItsClient() bool { return c.Spec.CustomKey != "" || c.Spec.ClientKey != "" }

// UsersKey is what the derived customKeys of its users begin with; empty while that is not known. The customKey of an imported
// client is not the operator's, and may be another one when the cluster is rebuilt.
func (c *SfsClient) UsersKey() string { return cmp.Or(c.Spec.ClientKey, c.Status.CustomKey) }

// IsObserved says whether nothing is to be written to SFS.
func (c *SfsClient) IsObserved() bool { return c.Spec.ManagementPolicy == ManagementPolicyObserve }

// What the name of a resource is followed by in the names of its Secrets, unless the spec names them.
const (
	SecretSuffix      = "-sfs"
	TokenSecretSuffix = "-sfs-token"
	UserSecretSuffix  = "-sfs-user"
)

// SecretName is the name of the Secret of identifiers.
func (c *SfsClient) SecretName() string {
	if c.Spec.Secret.Name != "" {
		return c.Spec.Secret.Name
	}
	return c.Name + SecretSuffix
}

// TokenSecretName is the name of the Secret that holds the token.
func (c *SfsClient) TokenSecretName() string {
	if c.Spec.Token.Secret.Name != "" {
		return c.Spec.Token.Secret.Name
	}
	return c.Name + TokenSecretSuffix
}

// TokenEnabled says whether a token is wanted.
func (c *SfsClient) TokenEnabled() bool {
	return c.Spec.Token.Enabled == nil || *c.Spec.Token.Enabled
}

// SfsClientList is a list of SfsClients.
//
// +kubebuilder:object:root=true
type SfsClientList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SfsClient `json:"items"`
}
