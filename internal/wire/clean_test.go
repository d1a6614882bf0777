// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"testing"

	"github.com/sendforsign/sfs-operator/secret"
)

func TestCleanTexts(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		secrets []secret.Text
		want    string
	}{
		"nothing to clean":           {"no such scope", []secret.Text{""}, "no such scope"},
		"a secret in another":        {"hunter2 and unt", []secret.Text{"unt", "hunter2"}, "[redacted] and [redacted]"},
		"that begins like another":   {"hunter2 and hunt", []secret.Text{"hunt", "hunter2"}, "[redacted] and [redacted]"},
		"with a control character":   {"hun\nter2", []secret.Text{"hun ter2"}, "[redacted]"},
		"that has one":               {"hun\nter2", []secret.Text{"hun\nter2"}, "[redacted]"},
		"beside another":             {"hunter2hunter3", []secret.Text{"hunter3", "hunter2"}, "[redacted][redacted]"},
		"marks of another direction": {"a\u202eb", nil, "a b"},
	} {
		if got := Clean(test.text, test.secrets); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
		err := errors.New(test.text)
		if got := Cleaned(err, test.secrets); got.Error() != test.want || !errors.Is(got, err) {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
