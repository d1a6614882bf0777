// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DefaultBaseURL is the public API of Sendforsign (about.sendforsign.com, "Introduction to API").
const DefaultBaseURL = "https://api.sendforsign.com/api"

// SfsPlatformSpec says which SFS account to use and who may use it.
type SfsPlatformSpec struct {
	// baseURL of the SFS API: an https URL of at most 512 characters. Default: https://api.sendforsign.com/api.
	// +optional
	// +kubebuilder:default="https://api.sendforsign.com/api"
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != '' && !self.contains('@') && !self.contains('?') && !self.contains('#')",message="baseURL must be an https URL without credentials, query or fragment, such as https://api.sendforsign.com/api"
	BaseURL string `json:"baseURL,omitempty"`

	// credentialsSecretRef names the Secret with the keys apiKey and secret, as SFS shows them on its "API Keys" page.
	// It is always looked for in the namespace of the operator.
	// +required
	CredentialsSecretRef CredentialsSecretReference `json:"credentialsSecretRef,omitzero"`

	// nextCredentialsSecretRef names a Secret with the pair that is to follow, in the same form and place. It is tried
	// at once, and used from then on if SFS accepts it: status.activeCredentialsSecretRef says which pair is in use.
	// Once that names it, put its name into credentialsSecretRef, remove this field and only then the old pair.
	// +optional
	NextCredentialsSecretRef *CredentialsSecretReference `json:"nextCredentialsSecretRef,omitempty"`

	// customKeyPrefix is the first part of the customKey of each client of this platform:
	// <customKeyPrefix>/<namespace>/<name>. By that key a client is found again when the cluster is rebuilt from Git, so
	// no two clusters that share an account may have the same one. Lower-case letters, digits, '-' and '.', at most 63 of
	// them. Immutable.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="customKeyPrefix must be lower-case letters, digits, '-' and '.', and begin and end with a letter or digit"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="customKeyPrefix is immutable: clients are found by it; create another SfsPlatform for another prefix"
	CustomKeyPrefix string `json:"customKeyPrefix,omitempty"`

	// allowedNamespaces says which namespaces may have clients of this platform. Absent: none, since an SFS client can
	// never be deleted.
	// +optional
	AllowedNamespaces *AllowedNamespaces `json:"allowedNamespaces,omitempty"`

	// adoption says which namespaces may name a customKey or clientKey of their own: at most 64 rules. A namespace that
	// may name a client gets a token for it, whoever it belongs to. Absent: none may.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Adoption []AdoptionRule `json:"adoption,omitempty"`

	// token holds defaults for the tokens of the clients.
	// +optional
	Token PlatformTokenSpec `json:"token,omitzero"`

	// rateLimit bounds the requests to SFS made for the clients and users of this platform.
	// +optional
	RateLimit RateLimit `json:"rateLimit,omitzero"`

	// driftCheckInterval is how often the clients at SFS are listed, once for all SfsClients, to see whether somebody
	// else has changed them; and how often the users of each client that has SfsClientUsers. At least 1m. Default: 10m.
	// +optional
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="driftCheckInterval must be at least 1m"
	DriftCheckInterval *metav1.Duration `json:"driftCheckInterval,omitempty"`

	// caBundle holds the certificate authorities to trust instead of those of the operator's system: PEM, in base64, at
	// most 131072 characters. Absent: those of its system.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=131072
	CABundle []byte `json:"caBundle,omitempty"`

	// timeout of one request to SFS, from 1s to 30s. Default: 15s.
	// +optional
	// +kubebuilder:default="15s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('30s')",message="timeout must be from 1s to 30s"
	Timeout *metav1.Duration `json:"timeout,omitempty"`
}

// CredentialsSecretReference names a Secret of credentials: of an SfsPlatform in the namespace of the operator, of an
// OAuthToken in its own.
type CredentialsSecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be the name of a Secret"
	Name string `json:"name,omitempty"`
}

// AllowedNamespaces selects namespaces by name or by label.
// +kubebuilder:validation:XValidation:rule="has(self.names) != has(self.selector)",message="set either names or selector"
type AllowedNamespaces struct {
	// names of namespaces, at most 1024; "*" stands for all of them. Set either names or selector.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Names []string `json:"names,omitempty"`

	// selector of the labels of namespaces; an empty one, {}, selects all. Set either names or selector.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// AdoptionRule lets namespaces name clients at SFS.
// +kubebuilder:validation:XValidation:rule="has(self.customKeyPatterns) || (has(self.allowClientKey) && self.allowClientKey)",message="a rule must have customKeyPatterns or allowClientKey: true; without them it allows nothing"
type AdoptionRule struct {
	// name of the rule, which tells it from others: at most 63 characters.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// namespaces that the rule is for, at most 256; "*" stands for all that allowedNamespaces names.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`

	// customKeyPatterns are the customKeys that they may name: at most 64 patterns, in which "*" stands for any
	// characters, also none. Absent: they may name none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	CustomKeyPatterns []string `json:"customKeyPatterns,omitempty"`

	// allowClientKey: true lets them name any client of the account by its clientKey, except those whose customKey
	// begins with the customKeyPrefix of an SfsPlatform and a slash. Absent: false.
	// +optional
	AllowClientKey bool `json:"allowClientKey,omitempty"`
}

// PlatformTokenSpec holds defaults for the tokens of the clients of a platform.
type PlatformTokenSpec struct {
	// renewBefore is how long before its end a token is renewed, at least 3m: a kubelet needs up to 90 s to show a new
	// token to an application, and the application some time to read it. Absent: a third of the token's life. Never
	// more than four fifths of the life that SFS gave the token.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('3m')",message="renewBefore must be at least 3m, so that a new token reaches applications before the old one dies"
	RenewBefore *metav1.Duration `json:"renewBefore,omitempty"`
}

// RateLimit is a token bucket.
type RateLimit struct {
	// requestsPerSecond in the long run, from 1 to 10000. Default: 10.
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	RequestsPerSecond int32 `json:"requestsPerSecond,omitempty"`

	// burst is how many requests may be made at once after a pause, from 1 to 10000. Default: 20.
	// +optional
	// +kubebuilder:default=20
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Burst int32 `json:"burst,omitempty"`
}

// SfsPlatformStatus is what the operator last saw.
type SfsPlatformStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready and CredentialsValid; Throttled, NextCredentialsValid, Reconciling and Stalled only while they
	// have something to say.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// activeCredentialsSecretRef names the Secret whose pair is in use.
	// +optional
	ActiveCredentialsSecretRef *SecretReference `json:"activeCredentialsSecretRef,omitempty"`

	// clients counts the SfsClients of this platform.
	// +optional
	Clients *ClientCount `json:"clients,omitempty"`

	// throttledUntil is when requests to SFS are made again after it asked for a pause (429).
	// +optional
	ThrottledUntil *metav1.Time `json:"throttledUntil,omitempty"`

	// lastDriftCheckTime is when the clients at SFS were last listed and compared with the SfsClients. Before the first time
	// it is when the platform was first looked at.
	// +optional
	LastDriftCheckTime *metav1.Time `json:"lastDriftCheckTime,omitempty"`

	// orphans are the clients at SFS that an SfsClient of this platform would get back and that have none, as of
	// lastDriftCheckTime. Absent before the first check.
	// +optional
	Orphans *OrphanStatus `json:"orphans,omitempty"`

	// credentialsRevision is the resourceVersion of the credentials Secret that was last tried.
	// +optional
	CredentialsRevision string `json:"credentialsRevision,omitempty"`

	// lastHandledReconcileAt is the last value of the annotation sendforsign.com/reconcile-requested-at acted on.
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
}

// ClientCount counts resources.
type ClientCount struct {
	// total number of them.
	// +required
	Total *int32 `json:"total,omitempty"`

	// ready is how many of them are Ready.
	// +required
	Ready *int32 `json:"ready,omitempty"`
}

// OrphanStatus lists clients at SFS that nothing in the cluster stands for.
type OrphanStatus struct {
	// count of them.
	// +required
	Count *int32 `json:"count,omitempty"`

	// clients are the first hundred of them by their customKeys.
	// +optional
	// +listType=map
	// +listMapKey=clientKey
	// +kubebuilder:validation:MaxItems=100
	Clients []OrphanedClient `json:"clients,omitempty"`
}

// OrphanedClient is a client at SFS.
type OrphanedClient struct {
	// clientKey is the key that SFS gave it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ClientKey string `json:"clientKey,omitempty"`

	// customKey is <customKeyPrefix>/<namespace>/<name>: the SfsClient of that namespace and name gets the client back.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=381
	CustomKey string `json:"customKey,omitempty"`
}

// SfsPlatform is one SFS account: the credentials, and the namespaces that may have clients of it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=sfsp,categories=sfs
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Clients",type=integer,JSONPath=`.status.clients.total`
// +kubebuilder:printcolumn:name="Prefix",type=string,JSONPath=`.spec.customKeyPrefix`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="ClientsReady",type=integer,priority=1,JSONPath=`.status.clients.ready`
// +kubebuilder:printcolumn:name="Credentials",type=string,priority=1,JSONPath=`.status.activeCredentialsSecretRef.name`
// +kubebuilder:printcolumn:name="URL",type=string,priority=1,JSONPath=`.spec.baseURL`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type SfsPlatform struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is wanted.
	// +required
	Spec SfsPlatformSpec `json:"spec,omitzero"`

	// status is what is.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status SfsPlatformStatus `json:"status,omitzero"`
}

// GetConditions returns the conditions of the status.
func (p *SfsPlatform) GetConditions() *[]metav1.Condition { return &p.Status.Conditions }

// SfsPlatformList is a list of SfsPlatforms.
//
// +kubebuilder:object:root=true
type SfsPlatformList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SfsPlatform `json:"items"`
}
