// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// Alerts of config/components/prometheus-rule.
const (
	alertCredentials = "SendforsignCredentialsInvalid"
	alertErrors      = "SendforsignAPIErrors"
	alertThrottled   = "SendforsignThrottled"
	alertStalled     = "SendforsignStalled"
	alertNotReady    = "SendforsignNotReady"
)

const (
	soon = time.Minute
	// aLife is for what shows when a token of the demo, which lives for a minute, is renewed or dies.
	aLife = 2 * time.Minute
	// aProbe is for what shows when the token is probed, which is done each five minutes, and once more half a minute later.
	aProbe = 7 * time.Minute
)

// table is in the order of docs/testing.md, which a test compares with it.
var table = []Fault{
	{
		Name: "wrong-key", Summary: "the API key was changed in the dashboard of Sendforsign", Limit: aLife, stage: stageWrongKey,
		Sign: Sign{
			Type: v1alpha1.CredentialsValidCondition, Status: metav1.ConditionFalse, Reason: v1alpha1.CredentialsInvalidReason, Alert: alertCredentials,
			Series: Series{Metric: "sendforsign_token_requests_total", Labels: map[string]string{"operation": "platform", "result": "refused"}},
		},
	},
	{
		Name: "api-down", Summary: "Sendforsign does not answer", Limit: soon, stage: stageAPIDown,
		Sign: Sign{
			Type: v1alpha1.SyncedCondition, Status: metav1.ConditionFalse, Reason: v1alpha1.APIUnavailableReason, Alert: alertErrors,
			Series: Series{Metric: "sendforsign_api_requests_total", Labels: map[string]string{"code": "none"}, Grows: true},
		},
	},
	{
		Name: "throttled", Summary: "the account has used up what Sendforsign lets it do", Limit: soon, stage: stageThrottled,
		Sign: Sign{
			Type: v1alpha1.ThrottledCondition, Status: metav1.ConditionTrue, Reason: v1alpha1.ThrottledReason, Alert: alertThrottled,
			Series: Series{Metric: "sendforsign_api_throttled_seconds_total", Grows: true},
		},
	},
	{
		Name: "secret-conflict", Summary: "a Secret of the name that a new tenant is to get is there already", Limit: soon, stage: stageSecretConflict,
		Sign: Sign{
			Type: v1alpha1.SecretReadyCondition, Status: metav1.ConditionFalse, Reason: v1alpha1.SecretConflictReason, Alert: alertStalled,
		},
	},
	{
		Name: "takeover", Summary: "a resource names a client that another resource has", Limit: soon, stage: stageTakeover,
		Sign: Sign{
			Type: v1alpha1.SyncedCondition, Status: metav1.ConditionFalse, Reason: v1alpha1.ClientTakenReason, Alert: alertStalled,
		},
	},
	{
		Name: "missing-platform", Summary: "the manifest of a tenant is applied that was written for another cluster", Limit: soon, stage: stageMissingPlatform,
		Sign: Sign{
			Type: v1alpha1.SyncedCondition, Status: metav1.ConditionFalse, Reason: v1alpha1.PlatformNotFoundReason, Alert: alertNotReady,
		},
	},
	{
		Name: "revoked-token", Summary: "somebody revokes the tokens of a tenant at Sendforsign", Limit: aProbe, stage: stageRevokedToken,
		Sign: Sign{
			Type: v1alpha1.TokenValidCondition, Status: metav1.ConditionFalse, Reason: v1alpha1.TokenRejectedReason, Alert: alertStalled,
		},
	},
	{
		Name: "drift-war", Summary: "something else keeps changing a client at Sendforsign", Limit: soon, stage: stageDriftWar,
		Sign: Sign{
			Type: v1alpha1.SyncedCondition, Status: metav1.ConditionFalse, Reason: v1alpha1.ConflictingManagerReason, Alert: alertStalled,
			Series: Series{Metric: "sendforsign_drift_total", Labels: map[string]string{"kind": "SfsClient", "field": "fullName"}},
		},
	},
	{
		Name: "template-error", Summary: "the spec of a tenant is edited, to have its token in a file of another form", Limit: soon, stage: stageTemplateError,
		Sign: Sign{
			Type: v1alpha1.SecretReadyCondition, Status: metav1.ConditionFalse, Reason: v1alpha1.TemplateErrorReason, Alert: alertStalled,
		},
	},
	{
		Name: "dead-consumer", Summary: "an application is deployed, works, and some time later does not any more", Limit: aLife, stage: stageDeadConsumer,
	},
}
