// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

func TestHoldsSecret(t *testing.T) {
	t.Parallel()
	sim := sfstest.New()
	t.Cleanup(sim.Close)
	secret := sim.Credentials().APIKey.Reveal()
	for before := range 7 {
		text := strings.Repeat("é", before/2) + strings.Repeat("{", before%2) + secret + "}"
		for _, form := range []string{text, base64.StdEncoding.EncodeToString([]byte(text)), base64.URLEncoding.EncodeToString([]byte(text))} {
			if !localcluster.HoldsSecret([]byte("level=info msg=" + form)) {
				t.Errorf("the secret in %q is not seen", form)
			}
		}
	}
	for _, harmless := range []string{"", "SFSTEST", "a token of sfstest", base64.StdEncoding.EncodeToString([]byte("sfstest-TOKEN"))} {
		if localcluster.HoldsSecret([]byte(harmless)) {
			t.Errorf("%q holds no secret", harmless)
		}
	}
}
