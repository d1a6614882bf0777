// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What an SfsClient and an OAuthToken say of their tokens alike.

// TokenLife says when a token is renewed and revoked.
type TokenLife struct {
	// renewBefore is how long before its end the token is renewed, at least 3m. Absent: of an SfsClient as its SfsPlatform
	// says, and else a third of the token's life. Never more than four fifths of the life that the token was given.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('3m')",message="renewBefore must be at least 3m, so that a new token reaches applications before the old one dies"
	RenewBefore *metav1.Duration `json:"renewBefore,omitempty"`

	// revocationPolicy: OnDelete revokes the token when this resource is deleted, Never lets it expire. OnRotate also
	// revokes each token that has been replaced, after previousTokenGracePeriod. Default: OnDelete.
	// +optional
	// +kubebuilder:default=OnDelete
	RevocationPolicy RevocationPolicy `json:"revocationPolicy,omitempty"`

	// previousTokenGracePeriod is how long after a new token was published the one before it is revoked, with
	// revocationPolicy OnRotate. At least 3m: until then an application may not have read the new one. A token that
	// expires before that is left to: one that lived for 10 minutes mostly does. Absent: 5m.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('3m')",message="previousTokenGracePeriod must be at least 3m, so that a new token reaches applications before the old one is revoked"
	PreviousTokenGracePeriod *metav1.Duration `json:"previousTokenGracePeriod,omitempty"`
}

// RestartedWorkload is what is restarted, and how often at most.
type RestartedWorkload struct {
	// name of the workload. With selector, only a name for this entry.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be a valid name of a workload: lower-case letters, digits, '-' and '.'"
	Name string `json:"name,omitempty"`

	// kind of the workload: Deployment, StatefulSet, DaemonSet, or Rollout (of Argo Rollouts).
	// +required
	Kind RolloutRestartKind `json:"kind,omitempty"`

	// selector of labels: all workloads of the kind that have them, instead of the one called name. It can not be empty.
	// Absent: the one called name.
	// +optional
	// +kubebuilder:validation:XValidation:rule="has(self.matchLabels) && size(self.matchLabels) > 0 || has(self.matchExpressions) && size(self.matchExpressions) > 0",message="selector must have matchLabels or matchExpressions: without any it would select each workload of the namespace"
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// minInterval is the shortest time between two restarts, at least 1m: what changes in between is made up for by one
	// restart after it. Absent: 5m.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="minInterval must be at least 1m, so that one restart is not cut short by the next"
	MinInterval *metav1.Duration `json:"minInterval,omitempty"`
}

// RolloutRestartKind is a kind of workload that can be restarted.
// +kubebuilder:validation:Enum=Deployment;StatefulSet;DaemonSet;Rollout
type RolloutRestartKind string

const (
	// RestartDeployment is that of apps/v1.
	RestartDeployment RolloutRestartKind = "Deployment"
	// RestartStatefulSet is that of apps/v1.
	RestartStatefulSet RolloutRestartKind = "StatefulSet"
	// RestartDaemonSet is that of apps/v1.
	RestartDaemonSet RolloutRestartKind = "DaemonSet"
	// RestartRollout is that of argoproj.io/v1alpha1, which need not be installed.
	RestartRollout RolloutRestartKind = "Rollout"
)

// RolloutRestart is what was last done for one of spec.rolloutRestartTargets.
type RolloutRestart struct {
	// name of the target.
	// +required
	Name string `json:"name,omitempty"`

	// fingerprint of the content of the Secrets for which its workloads were last restarted, or that they had when the
	// target was added to the spec. It is also the value of the annotation in the template of their Pods.
	// +optional
	Fingerprint string `json:"fingerprint,omitempty"`

	// lastRestartTime is when the last restart began. Absent where there was none.
	// +optional
	LastRestartTime *metav1.Time `json:"lastRestartTime,omitempty"`

	// pending: workloads are still to be restarted for this fingerprint.
	// +optional
	Pending bool `json:"pending,omitempty"`

	// message is what went wrong. Absent where nothing did.
	// +optional
	Message string `json:"message,omitempty"`
}

// TokenStatus describes a published token, never the token itself.
type TokenStatus struct {
	// secretRef names the Secret that holds the token.
	// +required
	SecretRef SecretReference `json:"secretRef,omitzero"`

	// issuedTime is when the token was asked for.
	// +optional
	IssuedTime metav1.Time `json:"issuedTime,omitzero"`

	// expirationTime is when the token dies: the time it was asked for plus the life that it was given.
	// +optional
	ExpirationTime metav1.Time `json:"expirationTime,omitzero"`

	// renewalTime is when the token will be renewed.
	// +optional
	RenewalTime metav1.Time `json:"renewalTime,omitzero"`

	// revision counts the writes of this Secret: one with each token, and one when those before it have been revoked.
	// +optional
	Revision int64 `json:"revision,omitempty"`

	// previousRevocationTime is when the token before this one will be revoked. Absent where none waits for it.
	// +optional
	PreviousRevocationTime *metav1.Time `json:"previousRevocationTime,omitempty"`
}
