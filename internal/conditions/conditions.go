// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package conditions sets the conditions of a resource so that nothing changes where nothing happened.
package conditions

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxMessage is the length that the API server allows for a message.
const maxMessage = 32768

// Setter is an object whose status has conditions.
type Setter interface {
	metav1.Object
	GetConditions() *[]metav1.Condition
}

// Set sets a condition. The time of transition moves only with the status, and observedGeneration is that of the object.
// now comes from the caller's clock.
func Set(o Setter, now metav1.Time, conditionType string, status metav1.ConditionStatus, reason, message string) {
	if len(message) > maxMessage {
		// Half of a character would be stored as another one, and so never be equal to what is set the next time.
		message = strings.ToValidUTF8(message[:maxMessage], "")
	}
	// meta.SetStatusCondition stamps a transition with the time of this machine unless it is given one.
	meta.SetStatusCondition(o.GetConditions(), metav1.Condition{
		Type:               conditionType,
		Status:             status,
		Reason:             reason,
		Message:            message,
		ObservedGeneration: o.GetGeneration(),
		LastTransitionTime: now,
	})
}

// Get returns a condition, or nil.
func Get(o Setter, conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(*o.GetConditions(), conditionType)
}

// IsTrue says whether a condition is there and True.
func IsTrue(o Setter, conditionType string) bool {
	return meta.IsStatusConditionTrue(*o.GetConditions(), conditionType)
}

// Remove takes a condition away.
func Remove(o Setter, conditionType string) {
	meta.RemoveStatusCondition(o.GetConditions(), conditionType)
}
