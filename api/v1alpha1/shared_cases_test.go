// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import "strings"

// personCases are those that a client and a user have in common.
func personCases() map[string]validationCase {
	return map[string]validationCase{
		"a full name of one character is accepted": {
			reason: "the shortest", field: "spec.fullName", mutate: set("spec.fullName", "X"),
		},
		"an empty full name is refused": {
			reason: "absent is how to say nothing",
			field:  "spec.fullName", mutate: set("spec.fullName", ""), wantErrors: []string{"should be at least 1 chars long"},
		},
		"a full name of 256 characters is accepted": {
			reason: "the longest, counted in characters and not in bytes",
			field:  "spec.fullName", mutate: set("spec.fullName", strings.Repeat("é", 256)),
		},
		"a full name of 257 characters is refused": {
			reason: "one too many",
			field:  "spec.fullName", mutate: set("spec.fullName", letters(257)), wantErrors: []string{"may not be more than 256 bytes"},
		},
		"an address is accepted": {
			reason: "SFS says what else it wants", field: "spec.email", mutate: set("spec.email", "o'neil+sfs@ex-ample.co.uk"),
		},
		"an address of 254 characters is accepted": {
			reason: "the longest that mail knows",
			field:  "spec.email", mutate: set("spec.email", letters(242)+"@example.com"),
		},
		"an address of 255 characters is refused": {
			reason: "one too many",
			field:  "spec.email", mutate: set("spec.email", letters(243)+"@example.com"), wantErrors: []string{"may not be more than 254 bytes"},
		},
		"an address without an at sign is refused": {
			reason: "it is none", field: "spec.email", mutate: set("spec.email", "example.com"), wantErrors: []string{emailMessage},
		},
		"an address with two at signs is refused": {
			reason: "it is two", field: "spec.email", mutate: set("spec.email", "a@b@c"), wantErrors: []string{emailMessage},
		},
		"an address with a name before it is refused": {
			reason: "the name has a field of its own",
			field:  "spec.email", mutate: set("spec.email", "Ann <ann@example.com>"), wantErrors: []string{emailMessage},
		},
		"an empty address is refused": {
			reason: "absent is how to say nothing",
			field:  "spec.email", mutate: set("spec.email", ""), wantErrors: []string{emailMessage},
		},
	}
}

// secretNameCases are those of the name of any Secret.
func secretNameCases(field string) map[string]validationCase {
	return map[string]validationCase{
		field + " may be changed": {
			reason: "the Secret moves", field: field, before: unchanged, mutate: set(field, "other.name-1"),
		},
		field + " of one character is accepted": {
			reason: "the shortest", field: field, mutate: set(field, "a"),
		},
		field + " is refused when it is empty": {
			reason: "absent means the default name",
			field:  field, mutate: set(field, ""), wantErrors: []string{"should be at least 1 chars long"},
		},
		field + " of 253 characters is accepted": {
			reason: "the longest name of a Secret", field: field, mutate: set(field, letters(253)),
		},
		field + " of 254 characters is refused": {
			reason: "no Secret can have it",
			field:  field, mutate: set(field, letters(254)), wantErrors: []string{"may not be more than 253 bytes"},
		},
		field + " with capitals is refused": {
			reason: "no Secret can have it", field: field, mutate: set(field, "Keys"), wantErrors: []string{secretNameMessage},
		},
		field + " with a namespace is refused": {
			reason: "Secrets are always beside the resource",
			field:  field, mutate: set(field, "other/keys"), wantErrors: []string{secretNameMessage},
		},
	}
}

// identityStatusCases are those of the status of whatever is kept at SFS.
func identityStatusCases() map[string]validationCase {
	return map[string]validationCase{
		"the origin Created is accepted in status": {
			reason: "the operator made it", field: "status.origin", mutate: set("status.origin", "Created"),
		},
		"the origin Recovered is accepted in status": {
			reason: "the operator found it", field: "status.origin", mutate: set("status.origin", "Recovered"),
		},
		"an unknown origin is refused in status": {
			reason: "readers may count on those that there are", field: "status.origin", mutate: set("status.origin", "Guessed"),
			wantErrors: []string{"Unsupported value", `supported values: "Created", "Recovered", "Adopted", "Imported"`},
		},
		"an intent without an id is refused in status": {
			reason: "one attempt could not be told from the next",
			field:  "status.createIntent.id", mutate: set("status.createIntent.startedAt", "2026-01-02T03:04:05.000006Z"),
			wantErrors: []string{requiredMessage},
		},
		"an intent without a time is refused in status": {
			reason: "it would never be known when the lost request has ended",
			field:  "status.createIntent.startedAt", mutate: set("status.createIntent.id", "x"), wantErrors: []string{requiredMessage},
		},
		"a Secret without a name is refused in status": {
			reason: "it refers to nothing",
			field:  "status.secretRef.name", mutate: set("status.secretRef", map[string]any{}), wantErrors: []string{requiredMessage},
		},
	}
}
