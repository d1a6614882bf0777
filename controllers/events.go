// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
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

func recovered(key string) happening {
	return normal("Recovered", "Adopt", "found at SFS under its customKey as "+key)
}

func bound(key string) happening {
	return normal("Bound", "Adopt", "bound to the default user "+key+" of the client")
}

func corrected() happening {
	return normal("Updated", "Update", "SFS was given the values of the spec")
}

func repaired(secret string) happening {
	return normal("SecretRepaired", "Publish", "Secret "+secret+" was missing or changed and has been written anew")
}

func renewedOnRequest() happening {
	return normal("Renewed", "Renew", "a new token was published as requested")
}

func replacedRejected() happening {
	return warning("TokenRejected", "Renew", "SFS no longer took the published token; a new one was published")
}

func revoked() happening { return normal("Revoked", "Revoke", "the token was revoked") }

func notRevoked(why string) happening {
	return warning("NotRevoked", "Revoke", "the token was not revoked and expires by itself: "+why)
}
