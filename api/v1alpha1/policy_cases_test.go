// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"maps"
	"strings"
)

const gracePeriodMessage = "previousTokenGracePeriod must be at least 3m, so that a new token reaches applications before the old one is revoked"

// enumCases are those of a field that takes one of a few words; the first is the default.
func enumCases(field string, words ...string) map[string]validationCase {
	return together(
		wordCases(field, func(word string) change { return set(field, word) }, words...),
		map[string]validationCase{
			field + " may be taken away": {
				reason: "the default comes back", field: field, before: set(field, words[len(words)-1]), mutate: unset(field),
			},
		},
	)
}

// wordCases are those of a field that takes one of a few words, with all that a word needs beside it.
func wordCases(field string, put func(word string) change, words ...string) map[string]validationCase {
	cases := map[string]validationCase{
		field + " with another word is refused": {
			reason: "the message lists those that there are",
			field:  field, mutate: put("Sometimes"),
			wantErrors: []string{"Unsupported value", `supported values: "` + strings.Join(words, `", "`) + `"`},
		},
		field + " with an empty word is refused": {
			reason: "absent is how to ask for the default",
			field:  field, mutate: put(""), wantErrors: []string{"Unsupported value"},
		},
		field + " with a word in other letters is refused": {
			reason: "words are compared as they are written",
			field:  field, mutate: put(strings.ToTitle(words[0])), wantErrors: []string{"Unsupported value"},
		},
	}
	for _, word := range words {
		cases[field+" "+word+" is accepted"] = validationCase{
			reason: "it is one of the words", field: field, before: unchanged, mutate: put(word),
		}
	}
	return cases
}

func together(groups ...map[string]validationCase) map[string]validationCase {
	cases := map[string]validationCase{}
	for _, group := range groups {
		maps.Copy(cases, group)
	}
	return cases
}

// policyCases are those of what may be done at SFS, of clients and of users alike.
func policyCases() map[string]validationCase {
	return together(
		enumCases("spec.adoptionPolicy", "AdoptOrCreate", "Adopt", "Create"),
		enumCases("spec.managementPolicy", "Manage", "Observe"),
		enumCases("spec.driftPolicy", "Correct", "Report"),
		enumCases("spec.deletionPolicy", "Retain", "Retire"),
	)
}

// namingCases are those of the two fields that name an object at SFS: customKey and, called own, clientKey or userKey.
func namingCases(own, another string) map[string]validationCase {
	const custom = "spec.customKey"
	ownField := "spec." + own
	gone := func(field string) string { return field + " is immutable, also where it was absent" }
	ownMessage := own + " must be letters, digits, '-', '_' and '.'"
	const customMessage = "customKey must be printable ASCII without spaces"
	retireMessage := "so it goes with neither " + own
	cases := map[string]validationCase{
		"a customKey of one character is accepted": {
			reason: "the shortest", field: custom, mutate: set(custom, "7"),
		},
		"a customKey of all that is printable is accepted": {
			reason: "SFS says what else it wants", field: custom, mutate: set(custom, "!crm/42:a@b~#retired"),
		},
		"a customKey of 256 characters is accepted": {
			reason: "the longest", field: custom, mutate: set(custom, letters(256)),
		},
		"a customKey of 257 characters is refused": {
			reason: "one too many", field: custom, mutate: set(custom, letters(257)), wantErrors: []string{"may not be more than 256 bytes"},
		},
		"an empty customKey is refused": {
			reason: "absent is how to have it derived",
			field:  custom, mutate: set(custom, ""), wantErrors: []string{"should be at least 1 chars long"},
		},
		"the same customKey is accepted later": {
			reason: "nothing changes", field: custom, before: set(custom, "crm-1"), mutate: set("spec.suspend", true),
		},
		"another customKey is refused later": {
			reason: "another object would be meant",
			field:  custom, before: set(custom, "crm-1"), mutate: set(custom, "crm-2"), wantErrors: []string{"customKey is immutable", another},
		},
		"a customKey that comes later is refused": {
			reason: "the object has been found by another one",
			field:  "spec", before: unchanged, mutate: set(custom, "crm-1"), wantErrors: []string{gone("customKey"), another},
		},
		"a customKey that is taken away is refused": {
			reason: "the object has been found by it",
			field:  "spec", before: set(custom, "crm-1"), mutate: unset(custom), wantErrors: []string{gone("customKey"), another},
		},

		own + " of one character is accepted": {
			reason: "the shortest", field: ownField, mutate: set(ownField, "k"),
		},
		own + " in the form of a UUID is accepted": {
			reason: "SFS gives such keys", field: ownField, mutate: set(ownField, "0b0e1a52-0c5c-4b6d-9d5f-6f0e2a1b3c4d"),
		},
		own + " of 128 characters is accepted": {
			reason: "the longest", field: ownField, mutate: set(ownField, letters(128)),
		},
		own + " of 129 characters is refused": {
			reason: "one too many", field: ownField, mutate: set(ownField, letters(129)), wantErrors: []string{"may not be more than 128 bytes"},
		},
		own + " is refused when it is empty": {
			reason: "absent is how to name none",
			field:  ownField, mutate: set(ownField, ""), wantErrors: []string{"should be at least 1 chars long"},
		},
		"another " + own + " is refused later": {
			reason: "another object would be meant",
			field:  ownField, before: set(ownField, "key-1"), mutate: set(ownField, "key-2"),
			wantErrors: []string{own + " is immutable", another},
		},
		own + " that comes later is refused": {
			reason: "the resource has an object already",
			field:  "spec", before: unchanged, mutate: set(ownField, "key-1"), wantErrors: []string{gone(own), another},
		},
		own + " that is taken away is refused": {
			reason: "the object would be left to nobody",
			field:  "spec", before: set(ownField, "key-1"), mutate: unset(ownField), wantErrors: []string{gone(own), another},
		},
		own + " in the place of a customKey is refused": {
			reason: "both are immutable",
			field:  "spec", before: set(custom, "crm-1"), mutate: all(unset(custom), set(ownField, "key-1")),
			wantErrors: []string{gone("customKey"), gone(own)},
		},

		"a spec that names no object is accepted": {
			reason: "its key is derived", field: "spec", mutate: unchanged,
		},
		"both customKey and " + own + " are refused": {
			reason: "they may name two objects",
			field:  "spec", mutate: all(set(custom, "crm-1"), set(ownField, "key-1")), wantErrors: []string{" customKey"},
		},
		own + " with adoptionPolicy Adopt is accepted": {
			reason: "nothing is created", field: "spec", mutate: all(set(ownField, "key-1"), set("spec.adoptionPolicy", "Adopt")),
		},
		own + " with adoptionPolicy Create is refused": {
			reason: "it names what exists",
			field:  "spec", mutate: all(set(ownField, "key-1"), set("spec.adoptionPolicy", "Create")),
			wantErrors: []string{"adoptionPolicy Create does not go with " + own},
		},
		own + " with adoptionPolicy Create is refused later": {
			reason: "it names what exists",
			field:  "spec", before: set(ownField, "key-1"), mutate: set("spec.adoptionPolicy", "Create"),
			wantErrors: []string{"adoptionPolicy Create does not go with " + own},
		},
		"a customKey with deletionPolicy Retire is accepted": {
			reason: "it is the customKey that is changed", field: "spec", mutate: all(set(custom, "crm-1"), set("spec.deletionPolicy", "Retire")),
		},
		own + " with deletionPolicy Retire is refused": {
			reason: "what is imported belongs to somebody else",
			field:  "spec", mutate: all(set(ownField, "key-1"), set("spec.deletionPolicy", "Retire")), wantErrors: []string{retireMessage},
		},
		"managementPolicy Observe with deletionPolicy Retire is refused": {
			reason: "to retire is to write",
			field:  "spec", mutate: all(set("spec.managementPolicy", "Observe"), set("spec.deletionPolicy", "Retire")),
			wantErrors: []string{retireMessage},
		},
		"managementPolicy Observe is refused later with deletionPolicy Retire": {
			reason: "to retire is to write",
			field:  "spec", before: set("spec.deletionPolicy", "Retire"), mutate: set("spec.managementPolicy", "Observe"),
			wantErrors: []string{retireMessage},
		},
		"managementPolicy Observe with adoptionPolicy Create is accepted": {
			reason: "what has been created may be observed from then on",
			field:  "spec", before: set("spec.adoptionPolicy", "Create"), mutate: set("spec.managementPolicy", "Observe"),
		},
	}
	for what, bad := range map[string]string{
		"a space": "crm 42", "a line break at its end": "crm-42\n", "a tab": "crm\t42", "a letter beyond ASCII": "crm-é",
		"a control character": "crm\x7f", "a NUL": "crm\x00",
	} {
		cases["a customKey with "+what+" is refused"] = validationCase{
			reason: "it would be compared with what SFS makes of it",
			field:  custom, mutate: set(custom, bad), wantErrors: []string{customMessage},
		}
		cases[own+" with "+what+" is refused"] = validationCase{
			reason: "SFS gives no such keys", field: ownField, mutate: set(ownField, bad), wantErrors: []string{ownMessage},
		}
	}
	for _, bad := range []string{"a/b", "a:b", "a%2fb", "*"} {
		cases[fmt.Sprintf("%s %q is refused", own, bad)] = validationCase{
			reason: "SFS gives no such keys", field: ownField, mutate: set(ownField, bad), wantErrors: []string{ownMessage},
		}
	}
	return cases
}

// clientPolicyCases are those of clients alone.
func clientPolicyCases() map[string]validationCase {
	return together(
		enumCases("spec.token.verification", "None", "Probe"),
		map[string]validationCase{
			"a spec that is taken away with its customKey is refused": {
				reason: "the client has been found by it",
				field:  "spec", before: set("spec.customKey", "crm-1"), mutate: unset("spec"),
				wantErrors: []string{"customKey is immutable, also where it was absent", anotherClientMessage},
			},
			"both keys of a client are refused by what they are": {
				reason: "the message says what to do",
				field:  "spec", mutate: all(set("spec.customKey", "crm-1"), set("spec.clientKey", "key-1")),
				wantErrors: []string{"set either customKey or clientKey: each names a client at SFS"},
			},
		},
	)
}

// tokenLifeCases are those of when a token is renewed and revoked, and of what the status tells of it.
func tokenLifeCases() map[string]validationCase {
	const policy, grace = "spec.token.revocationPolicy", "spec.token.previousTokenGracePeriod"
	onRotate := set(policy, "OnRotate")
	return together(
		enumCases(policy, "OnDelete", "Never", "OnRotate"),
		map[string]validationCase{
			"a renewal three minutes before the end is accepted": {
				reason: "the latest",
				field:  "spec.token.renewBefore", mutate: set("spec.token.renewBefore", "3m"),
			},
			"a renewal less than three minutes before the end is refused": {
				reason: "a kubelet and an application could not take the new token up in time",
				field:  "spec.token.renewBefore", mutate: set("spec.token.renewBefore", "179s"), wantErrors: []string{renewBeforeMessage},
			},
			"a renewal that is not a duration is refused": {
				reason: "the message says what the field is for",
				field:  "spec.token.renewBefore", mutate: set("spec.token.renewBefore", "soon"), wantErrors: []string{renewBeforeMessage},
			},

			"a token of no Secret is refused in status": {
				reason: "a token stands in a Secret",
				field:  "status.token.secretRef", mutate: set("status.token.revision", int64(1)), wantErrors: []string{requiredMessage},
			},
			"a Secret of the token without a name is refused in status": {
				reason: "it refers to nothing",
				field:  "status.token.secretRef.name", mutate: set("status.token.secretRef", map[string]any{}), wantErrors: []string{requiredMessage},
			},
			"a token that is revoked when it is replaced is accepted": {
				reason: "the period has a default", field: "spec.token", mutate: onRotate,
			},
			"a grace period is accepted with OnRotate": {
				reason: "it is of use there", field: "spec.token", mutate: all(onRotate, set(grace, "10m")),
			},
			"a grace period without OnRotate is refused": {
				reason: "whoever wrote it believes that tokens are revoked",
				field:  "spec.token", mutate: set(grace, "10m"), wantErrors: []string{"previousTokenGracePeriod needs revocationPolicy OnRotate"},
			},
			"a grace period with Never is refused": {
				reason: "whoever wrote it believes that tokens are revoked",
				field:  "spec.token", mutate: all(set(policy, "Never"), set(grace, "10m")),
				wantErrors: []string{"previousTokenGracePeriod needs revocationPolicy OnRotate"},
			},
			"OnRotate that is taken away from a grace period is refused": {
				reason: "the default is OnDelete",
				field:  "spec.token", before: all(onRotate, set(grace, "10m")), mutate: unset(policy),
				wantErrors: []string{"previousTokenGracePeriod needs revocationPolicy OnRotate"},
			},
			"a grace period of three minutes is accepted": {
				reason: "the shortest", field: grace, mutate: all(onRotate, set(grace, "3m")),
			},
			"a grace period of less than three minutes is refused": {
				reason: "applications that have not read the new token would be cut off",
				field:  grace, mutate: all(onRotate, set(grace, "179.9s")), wantErrors: []string{gracePeriodMessage},
			},
			"a grace period of a day is accepted": {
				reason: "the token expires before that, which does no harm", field: grace, mutate: all(onRotate, set(grace, "24h")),
			},
			"a negative grace period is refused": {
				reason: "the token would be revoked before there is another",
				field:  grace, mutate: all(onRotate, set(grace, "-5m")), wantErrors: []string{gracePeriodMessage},
			},
			"a grace period that is not a duration is refused": {
				reason: "the message says what the field is for",
				field:  grace, mutate: all(onRotate, set(grace, "soon")), wantErrors: []string{gracePeriodMessage},
			},
		},
	)
}

// userPolicyCases are those of users alone.
func userPolicyCases() map[string]validationCase {
	const oneOf = "set one of customKey, userKey and default: each says which user at SFS is meant"
	const retire = "so it goes with neither userKey, default nor managementPolicy Observe"
	isDefault := set("spec.default", true)
	return map[string]validationCase{
		"the default user with a customKey is refused": {
			reason: "they may be two users",
			field:  "spec", mutate: all(isDefault, set("spec.customKey", "crm-1")), wantErrors: []string{oneOf},
		},
		"the default user with a userKey is refused": {
			reason: "they may be two users",
			field:  "spec", mutate: all(isDefault, set("spec.userKey", "key-1")), wantErrors: []string{oneOf},
		},
		"both keys of a user are refused by what they are": {
			reason: "the message says what to do",
			field:  "spec", mutate: all(set("spec.customKey", "crm-1"), set("spec.userKey", "key-1")), wantErrors: []string{oneOf},
		},
		"a user who is not the default one may have a customKey": {
			reason: "false is as good as absent",
			field:  "spec", mutate: all(set("spec.default", false), set("spec.customKey", "crm-1")),
		},
		"the default user with adoptionPolicy Adopt is accepted": {
			reason: "nothing is created", field: "spec", mutate: all(isDefault, set("spec.adoptionPolicy", "Adopt")),
		},
		"the default user with adoptionPolicy Create is refused": {
			reason: "SFS has made it by then",
			field:  "spec", mutate: all(isDefault, set("spec.adoptionPolicy", "Create")),
			wantErrors: []string{"adoptionPolicy Create does not go with default: SFS makes the default user together with the client"},
		},
		"the default user with deletionPolicy Retire is refused": {
			reason: "the client goes on to have it",
			field:  "spec", mutate: all(isDefault, set("spec.deletionPolicy", "Retire")), wantErrors: []string{retire},
		},
		"another user with deletionPolicy Retire is accepted": {
			reason: "it was made for this resource", field: "spec", mutate: set("spec.deletionPolicy", "Retire"),
		},
	}
}

// pendingChangesCases are those of the list of changes in the status.
func pendingChangesCases() map[string]validationCase {
	const list = "status.pendingChanges"
	entry := map[string]any{"field": "email", "from": "a***@example.com", "to": "b***@example.com"}
	return map[string]validationCase{
		"a pending change is accepted in status": {
			reason: "it has all that it may have", field: list + "[0]", mutate: set(list, []any{entry}),
		},
		"a pending change of no field is refused in status": {
			reason: "it says nothing",
			field:  list + "[0].field", mutate: set(list, []any{map[string]any{"to": "b"}}), wantErrors: []string{requiredMessage},
		},
		"two pending changes of one field are refused in status": {
			reason: "a field has one value",
			field:  list + "[1]", mutate: set(list, []any{entry, entry}), wantErrors: []string{"Duplicate value"},
		},
		"the origin Adopted is accepted in status": {
			reason: "the spec named its customKey", field: "status.origin", mutate: set("status.origin", "Adopted"),
		},
		"the origin Imported is accepted in status": {
			reason: "the spec named its key", field: "status.origin", mutate: set("status.origin", "Imported"),
		},
	}
}

// formerSecretsCases are those of the list of Secrets of former names in the status.
func formerSecretsCases() map[string]validationCase {
	const list = "status.formerSecrets"
	entry := map[string]any{"name": "former", "removalTime": "2026-01-01T00:00:00Z"}
	return map[string]validationCase{
		"a former Secret is accepted in status": {
			reason: "it has all that it needs", field: list + "[0]", mutate: set(list, []any{entry}),
		},
		"a former Secret without a name is refused in status": {
			reason: "none could be removed",
			field:  list + "[0].name", mutate: set(list, []any{map[string]any{"removalTime": entry["removalTime"]}}), wantErrors: []string{requiredMessage},
		},
		"a former Secret for good is refused in status": {
			reason: "it would never be removed",
			field:  list + "[0].removalTime", mutate: set(list, []any{map[string]any{"name": "former"}}), wantErrors: []string{requiredMessage},
		},
		"two former Secrets of one name are refused in status": {
			reason: "it is one Secret",
			field:  list + "[1]", mutate: set(list, []any{entry, entry}), wantErrors: []string{"Duplicate value"},
		},
	}
}

// restartStatusCases are those of the list of restarts in the status.
func restartStatusCases() map[string]validationCase {
	const list = "status.rolloutRestarts"
	entry := map[string]any{"name": "shop"}
	return map[string]validationCase{
		"a restart of a target is accepted in status": {
			reason: "nothing has happened to it yet", field: list + "[0]", mutate: set(list, []any{entry}),
		},
		"a restart of no target is refused in status": {
			reason: "it says nothing",
			field:  list + "[0].name", mutate: set(list, []any{map[string]any{"message": "m"}}), wantErrors: []string{requiredMessage},
		},
		"two restarts of one target are refused in status": {
			reason: "a target has one state",
			field:  list + "[1]", mutate: set(list, []any{entry, entry}), wantErrors: []string{"Duplicate value"},
		},
	}
}
