// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

func TestARenewalThatIsLateIsCalledSo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for renewal, want := range map[time.Duration]string{
		3 * time.Minute:   "is renewed in 3m",
		-67 * time.Second: "should have been renewed 67s ago",
	} {
		if got := renewalOf(&v1alpha1.TokenStatus{RenewalTime: metav1.NewTime(now.Add(renewal))}, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWhatIsToBeDone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ reasons, want []string }{
		{[]string{v1alpha1.InSyncReason, v1alpha1.AvailableReason}, nil},
		{[]string{v1alpha1.ClientNotFoundReason, v1alpha1.ProgressingReason, v1alpha1.ClientNotFoundReason}, []string{v1alpha1.ClientNotFoundReason}},
		{[]string{v1alpha1.ProgressingReason, v1alpha1.InSyncReason}, []string{v1alpha1.ProgressingReason}},
		{[]string{"Unheard"}, []string{"Unheard"}},
	} {
		var conditions []metav1.Condition
		for _, reason := range test.reasons {
			conditions = append(conditions, metav1.Condition{Reason: reason})
		}
		if got := toDo(conditions); !slices.Equal(got, test.want) {
			t.Errorf("of %v: %v, want %v", test.reasons, got, test.want)
		}
	}
}
