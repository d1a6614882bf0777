// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"bytes"
	"encoding/base64"

	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// HoldsSecret says whether a text holds something that the simulator issued, plainly or in base64. All that it issues begins
// with the same letters.
func HoldsSecret(text []byte) bool {
	if bytes.Contains(text, []byte(sfstest.CanaryPrefix)) {
		return true
	}
	// What the letters look like in base64 depends on how many bytes are before them. Those of the first and last group are
	// mixed with what is around.
	for before := range 3 {
		encoded := base64.StdEncoding.EncodeToString(append(make([]byte, before), sfstest.CanaryPrefix...))
		if bytes.Contains(text, []byte(encoded[4:len(encoded)-4])) {
			return true
		}
	}
	return false
}
