// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

var userCases = map[string]validationCase{
	"a user who has a client only is accepted": {
		reason: "it is all that has no default",
		field:  wholeObject, mutate: unchanged,
	},
	"a user without a spec is refused": {
		reason: "a user belongs to a client",
		field:  "spec", mutate: unset("spec"), wantErrors: []string{requiredMessage},
	},
	"a name of 200 characters is accepted": {
		reason: "the longest",
		field:  wholeObject, mutate: set("metadata.name", letters(200)),
	},
	"a name of 201 characters is refused": {
		reason: "the name of its Secret is longer",
		field:  wholeObject, mutate: set("metadata.name", letters(201)),
		wantErrors: []string{"the name must have at most 200 characters, so that the name of its Secret fits"},
	},
	"a user without a client is refused": {
		reason: "a user belongs to a client",
		field:  "spec.clientRef", mutate: unset("spec.clientRef"), wantErrors: []string{requiredMessage},
	},
	"another client is refused later": {
		reason: "an SFS user can not move",
		field:  "spec.clientRef", before: unchanged, mutate: set("spec.clientRef.name", "globex"),
		wantErrors: []string{"clientRef is immutable: an SFS user can not move to another client", anotherUserMessage},
	},
	"another client is accepted at creation": {
		reason: "nothing has been made yet",
		field:  "spec.clientRef", mutate: set("spec.clientRef.name", "globex"),
	},
	"a reference to a client without a name is refused": {
		reason: "it refers to nothing",
		field:  "spec.clientRef.name", mutate: set("spec.clientRef", map[string]any{}), wantErrors: []string{requiredMessage},
	},
	"an empty name of a client is refused": {
		reason: "it refers to nothing",
		field:  "spec.clientRef.name", mutate: set("spec.clientRef.name", ""), wantErrors: []string{"should be at least 1 chars long"},
	},
	"a name of a client with 253 characters is accepted": {
		reason: "the longest name of an object",
		field:  "spec.clientRef.name", mutate: set("spec.clientRef.name", letters(253)),
	},
	"a name of a client with 254 characters is refused": {
		reason: "no client can have it",
		field:  "spec.clientRef.name", mutate: set("spec.clientRef.name", letters(254)), wantErrors: []string{"may not be more than 253 bytes"},
	},
	"the default user is accepted at creation": {
		reason: "it is bound instead of created",
		field:  "spec.default", mutate: set("spec.default", true),
	},
	"a user who becomes the default one is refused": {
		reason: "it has been created as another one",
		field:  "spec.default", before: unchanged, mutate: set("spec.default", true),
		wantErrors: []string{"default is immutable", anotherUserMessage},
	},
	"a default that is taken away is refused": {
		reason: "absent means false",
		field:  "spec.default", before: set("spec.default", true), mutate: unset("spec.default"),
		wantErrors: []string{"default is immutable", anotherUserMessage},
	},
	"a false default that is taken away is accepted": {
		reason: "absent means false",
		field:  "spec.default", before: unchanged, mutate: unset("spec.default"),
	},
}
