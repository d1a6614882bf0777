// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// happening is an event that is told once the status that goes with it has been saved. None is told of a routine renewal.
type happening struct {
	kind, reason, action, note string
}

func (h happening) tell(recorder events.EventRecorder, about object) {
	recorder.Eventf(about, nil, h.kind, h.reason, h.action, "%s", h.note)
}

func (p *pass) tell(h happening) { p.happened = append(p.happened, h) }

func normal(reason, action, note string) happening {
	return happening{kind: corev1.EventTypeNormal, reason: reason, action: action, note: note}
}

func warning(reason, action, note string) happening {
	return happening{kind: corev1.EventTypeWarning, reason: reason, action: action, note: note}
}

func created(key string) happening { return normal("Created", "Create", "created at SFS as "+key) }

// adopted has the origin as its reason: Recovered, Adopted or Imported.
func adopted(origin v1alpha1.Origin, key string) happening {
	return normal(string(origin), "Adopt", "found at SFS as "+key)
}

func bound(key string) happening {
	return normal("Bound", "Adopt", "bound to the default user "+key+" of the client")
}

func sentSpec() happening {
	return normal("Updated", "Update", "SFS was given the values of the spec")
}

func driftCorrected(differences []difference) happening {
	return normal("DriftCorrected", "Update", "somebody else had changed at SFS, and the operator has set again: "+fieldsOf(differences))
}

func driftDetected(differences []difference) happening {
	return normal(v1alpha1.DriftDetectedReason, "Compare", "SFS holds another value than the spec asks for: "+fieldsOf(differences))
}

func fieldsOf(differences []difference) string {
	fields := make([]string, len(differences))
	for i, d := range differences {
		fields[i] = d.field
	}
	return strings.Join(fields, ", ")
}

// failing is told when a resource begins to fail, or to fail for another reason, and resolved when that is over.
func failing(ready *metav1.Condition) happening {
	return warning(ready.Reason, "Reconcile", ready.Message)
}

func resolved(reason string) happening {
	return normal("Resolved", "Reconcile", "no longer "+reason)
}

func firstToken(secret string) happening {
	return normal("FirstToken", "Publish", "the first token was published, in Secret "+secret)
}

func retired(customKey string) happening {
	return normal("Retired", "Retire", "the customKey at SFS was changed to "+customKey)
}

// notRetired is also told where SFS has changed the customKey and only its answer was lost.
func notRetired(why string) happening {
	return warning("NotRetired", "Retire", "the customKey at SFS may be as it was, and then a resource of the same name gets the same object back: "+why)
}

func repaired(secret string) happening {
	return normal("SecretRepaired", "Publish", "Secret "+secret+" was missing or changed and has been written anew")
}

func inUse(message string) happening { return warning("InUse", "Delete", message) }

func secretsLeft() happening {
	return warning("SecretsLeft", "Release", "the Secrets of this resource could not be removed in time; delete them, or its keys in them, by hand")
}

func restarted(target string, workloads []string) happening {
	return normal("Restarted", "Restart", "restarted for rolloutRestartTargets "+target+", since a Secret has changed: "+strings.Join(workloads, ", "))
}

func notRestarted(target, why string) happening {
	return warning("NotRestarted", "Restart", "rolloutRestartTargets "+target+": "+why)
}

func renewedOnRequest() happening {
	return normal("Renewed", "Renew", "a new token was published as requested")
}

func replacedRejected(by string) happening {
	return warning("TokenRejected", "Renew", by+" no longer took the published token; a new one was published")
}

func revoked() happening { return normal("Revoked", "Revoke", "the token was revoked") }

func notRevoked(why string) happening {
	return warning("NotRevoked", "Revoke", "the token was not revoked and expires by itself: "+why)
}
