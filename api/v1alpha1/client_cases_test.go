// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import "strings"

var clientCases = map[string]validationCase{
	"a client without a spec is accepted": {
		reason: "all of it has defaults",
		field:  wholeObject, mutate: unchanged,
	},
	"a client whose spec is null is accepted": {
		reason: "as an empty document of a template",
		field:  wholeObject, mutate: set("spec", nil),
	},
	"a name of 200 characters is accepted": {
		reason: "the longest",
		field:  wholeObject, mutate: set("metadata.name", letters(200)),
	},
	"a name of 201 characters is refused": {
		reason: "the names of its Secrets are longer",
		field:  wholeObject, mutate: set("metadata.name", letters(201)),
		wantErrors: []string{"the name must have at most 200 characters, so that the names of its Secrets fit"},
	},
	"the same name for both Secrets is refused": {
		reason: "one would overwrite the other",
		field:  wholeObject, mutate: all(set("spec.secret.name", "keys"), set("spec.token.secret.name", "keys")),
		wantErrors: []string{secretsDifferMessage},
	},
	"different names for both Secrets are accepted": {
		reason: "as it should be",
		field:  wholeObject, mutate: all(set("spec.secret.name", "keys"), set("spec.token.secret.name", "token")),
	},
	"the default name of the token Secret for the other one is refused": {
		reason: "one would overwrite the other",
		field:  wholeObject, mutate: all(set("metadata.name", "globex"), set("spec.secret.name", "globex-sfs-token")),
		wantErrors: []string{secretsDifferMessage},
	},
	"the default name of the Secret of identifiers for that of the token is refused": {
		reason: "one would overwrite the other",
		field:  wholeObject, mutate: all(set("metadata.name", "globex"), set("spec.token.secret.name", "globex-sfs")),
		wantErrors: []string{secretsDifferMessage},
	},
	"default names that are exchanged are accepted": {
		reason: "strange, but they differ",
		field:  wholeObject, mutate: all(set("metadata.name", "globex"),
			set("spec.secret.name", "globex-sfs-token"), set("spec.token.secret.name", "globex-sfs")),
	},
	"the same name for both Secrets is refused later": {
		reason: "one would overwrite the other",
		field:  wholeObject, before: set("spec.secret.name", "keys"), mutate: set("spec.token.secret.name", "keys"),
		wantErrors: []string{secretsDifferMessage},
	},

	"another platform is accepted at creation": {
		reason: "a cluster may serve several accounts",
		field:  "spec.platformRef", mutate: set("spec.platformRef.name", "test-account"),
	},
	"an empty reference is accepted": {
		reason: "its name has a default",
		field:  "spec.platformRef", mutate: set("spec.platformRef", map[string]any{}),
	},
	"another platform is refused later": {
		reason: "an SFS client can not move",
		field:  "spec.platformRef", before: unchanged, mutate: set("spec.platformRef.name", "test-account"),
		wantErrors: []string{"platformRef is immutable: an SFS client can not move to another account", anotherClientMessage},
	},
	"a reference that is taken away is refused": {
		reason: "the default is another platform",
		field:  "spec.platformRef", before: set("spec.platformRef.name", "test-account"), mutate: unset("spec.platformRef"),
		wantErrors: []string{"platformRef is immutable", anotherClientMessage},
	},
	"a spec that is taken away with its reference is refused": {
		reason: "the default is another platform",
		field:  "spec.platformRef", before: set("spec.platformRef.name", "test-account"), mutate: unset("spec"),
		wantErrors: []string{"platformRef is immutable", anotherClientMessage},
	},
	"a reference to the default that is taken away is accepted": {
		reason: "the default puts it back",
		field:  "spec.platformRef", before: unchanged, mutate: unset("spec.platformRef"),
	},
	"an empty name of a platform is refused": {
		reason: "it refers to nothing",
		field:  "spec.platformRef.name", mutate: set("spec.platformRef.name", ""), wantErrors: []string{"should be at least 1 chars long"},
	},
	"a name of a platform with 253 characters is accepted": {
		reason: "the longest name of an object",
		field:  "spec.platformRef.name", mutate: set("spec.platformRef.name", letters(253)),
	},
	"a name of a platform with 254 characters is refused": {
		reason: "no platform can have it",
		field:  "spec.platformRef.name", mutate: set("spec.platformRef.name", letters(254)), wantErrors: []string{"may not be more than 253 bytes"},
	},

	"a full name may be changed and taken away": {
		reason: "a field that is absent is left as it is at SFS",
		field:  "spec.fullName", before: set("spec.fullName", "Umbrella"), mutate: unset("spec.fullName"),
	},
	"an empty organization is refused": {
		reason: "absent is how to say nothing",
		field:  "spec.organization", mutate: set("spec.organization", ""), wantErrors: []string{"should be at least 1 chars long"},
	},
	"an organization of 256 characters is accepted": {
		reason: "the longest, counted in characters and not in bytes",
		field:  "spec.organization", mutate: set("spec.organization", strings.Repeat("é", 256)),
	},
	"an organization of 257 characters is refused": {
		reason: "one too many",
		field:  "spec.organization", mutate: set("spec.organization", letters(257)), wantErrors: []string{"may not be more than 256 bytes"},
	},

	"a token that is switched off is accepted": {
		reason: "some clients need identifiers only",
		field:  "spec.token.enabled", before: unchanged, mutate: set("spec.token.enabled", false),
	},
}
