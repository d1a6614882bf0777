// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package conditions_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// BenchmarkSet sets the four conditions of an SfsClient: as they are, and with one that changes each time.
func BenchmarkSet(b *testing.B) {
	types := []string{"Ready", "Synced", "SecretReady", "TokenValid"}
	for name, statuses := range map[string][2]metav1.ConditionStatus{
		"Unchanged": {metav1.ConditionTrue, metav1.ConditionTrue},
		"Changed":   {metav1.ConditionTrue, metav1.ConditionFalse},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			o, turn := &object{}, 0
			for b.Loop() {
				turn ^= 1
				for _, kind := range types[:3] {
					conditions.Set(o, now, kind, metav1.ConditionTrue, "Available", "all is well")
				}
				conditions.Set(o, now, types[3], statuses[turn], "Issued", "the Secret holds a living token, which is renewed in time")
			}
			if len(o.conditions) != len(types) {
				b.Fatalf("there are %d conditions", len(o.conditions))
			}
		})
	}
}
