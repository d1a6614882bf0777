// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"strings"
	"testing"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/reasons"
)

func TestEveryReasonHasItsText(t *testing.T) {
	t.Parallel()
	document, err := reasons.Read("../../../" + reasons.Source)
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range document.Reasons {
		if got := texts[reason.Value]; !strings.EqualFold(got, reason.Text) {
			t.Errorf("%s: there is %q, and the API says %q: run make generate", reason.Value, got, reason.Text)
		}
	}
	if len(texts) != len(document.Reasons) {
		t.Errorf("there are %d texts for %d reasons: run make generate", len(texts), len(document.Reasons))
	}
}

func TestReasonsThatAreFine(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]bool{
		v1alpha1.AvailableReason: true, v1alpha1.DisabledReason: true, v1alpha1.ThrottledReason: false,
		v1alpha1.DriftDetectedReason: false, "Unheard": false,
	} {
		if IsFine(reason) != want {
			t.Errorf("IsFine(%s) is %t", reason, !want)
		}
	}
	if got := For("Unheard"); !strings.Contains(got, "Unheard") {
		t.Errorf("of a reason that is not known it says %q", got)
	}
}
