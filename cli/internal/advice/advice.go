// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package advice says what the reasons of conditions mean, and what to do.
package advice

import (
	"fmt"
	"strings"
)

// nothing is how the text of a reason ends that needs nothing to be done.
const nothing = "Nothing to do."

// For returns the text for a reason.
func For(reason string) string {
	if text, known := texts[reason]; known {
		return text
	}
	return fmt.Sprintf("This version of the tool does not know the reason %s: the message of the condition says more.", reason)
}

// IsFine says whether the reason needs nothing to be done.
func IsFine(reason string) bool { return strings.HasSuffix(texts[reason], nothing) }
