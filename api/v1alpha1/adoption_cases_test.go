// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"maps"
	"strconv"
)

const (
	emptyRuleMessage     = "a rule must have customKeyPatterns or allowClientKey: true; without them it allows nothing"
	driftIntervalMessage = "driftCheckInterval must be at least 1m"
	credentialsMessage   = "name must be the name of a Secret"
)

// adoptionRule is one that is accepted, with what is given put in or, where it is nil, taken out.
func adoptionRule(with map[string]any) map[string]any {
	rule := map[string]any{
		"name": "crm", "namespaces": []any{"shop"}, "customKeyPatterns": []any{"crm-*"},
	}
	maps.Copy(rule, with)
	maps.DeleteFunc(rule, func(_ string, value any) bool { return value == nil })
	return rule
}

func adopting(rules ...map[string]any) change {
	list := make([]any, len(rules))
	for i, rule := range rules {
		list[i] = rule
	}
	return set("spec.adoption", list)
}

func manyRules(n int) []map[string]any {
	rules := make([]map[string]any, n)
	for i := range rules {
		rules[i] = adoptionRule(map[string]any{"name": "rule-" + strconv.Itoa(i)})
	}
	return rules
}

// largestRules has as many rules, each as large, as the schema lets pass: the cost of the rules in CEL is bounded for it.
func largestRules() []map[string]any {
	patterns := make([]any, 64)
	for i := range patterns {
		patterns[i] = letters(250) + strconv.Itoa(i)
	}
	rules := manyRules(64)
	for _, rule := range rules {
		rule["customKeyPatterns"] = patterns
	}
	return rules
}

// with is an adoption rule whose one field has another value.
func with(field string, value any) map[string]any { return adoptionRule(map[string]any{field: value}) }

var adoptionCases = map[string]validationCase{
	"no rules of adoption are accepted": {
		reason: "an empty list of a template says the same as none",
		field:  "spec.adoption", mutate: adopting(),
	},
	"64 rules of adoption are accepted": {
		reason: "the most", field: "spec.adoption", mutate: adopting(largestRules()...),
	},
	"65 rules of adoption are refused": {
		reason: "one too many",
		field:  "spec.adoption", mutate: adopting(manyRules(65)...), wantErrors: []string{"must have at most 64 items"},
	},
	"rules of adoption may be changed and taken away": {
		reason: "nothing of them is immutable",
		field:  "spec.adoption", before: adopting(adoptionRule(nil)), mutate: unset("spec.adoption"),
	},
	"a rule with customKeyPatterns is accepted": {
		reason: "it allows something", field: "spec.adoption[0]", mutate: adopting(adoptionRule(nil)),
	},
	"a rule with allowClientKey is accepted": {
		reason: "it allows something",
		field:  "spec.adoption[0]", mutate: adopting(adoptionRule(map[string]any{"customKeyPatterns": nil, "allowClientKey": true})),
	},
	"a rule with both is accepted": {
		reason: "one does not exclude the other", field: "spec.adoption[0]", mutate: adopting(with("allowClientKey", true)),
	},
	"a rule that allows nothing is refused": {
		reason: "whoever wrote it meant something else",
		field:  "spec.adoption[0]", mutate: adopting(with("customKeyPatterns", nil)), wantErrors: []string{emptyRuleMessage},
	},
	"a rule with a false allowClientKey only is refused": {
		reason: "false is as good as absent",
		field:  "spec.adoption[0]", mutate: adopting(adoptionRule(map[string]any{"customKeyPatterns": nil, "allowClientKey": false})),
		wantErrors: []string{emptyRuleMessage},
	},
	"a rule that comes to allow nothing is refused": {
		reason: "whoever wrote it meant something else",
		field:  "spec.adoption[0]", before: adopting(adoptionRule(nil)), mutate: adopting(with("customKeyPatterns", nil)),
		wantErrors: []string{emptyRuleMessage},
	},
	"two rules of one name are refused": {
		reason: "two who apply the list could not tell them apart",
		field:  "spec.adoption[1]", mutate: adopting(adoptionRule(nil), adoptionRule(nil)), wantErrors: []string{"Duplicate value"},
	},

	"a rule without a name is refused": {
		reason: "lists are merged by it",
		field:  "spec.adoption[0].name", mutate: adopting(with("name", nil)), wantErrors: []string{requiredMessage},
	},
	"an empty name of a rule is refused": {
		reason: "it is none",
		field:  "spec.adoption[0].name", mutate: adopting(with("name", "")), wantErrors: []string{"should be at least 1 chars long"},
	},
	"a name of a rule with 63 characters is accepted": {
		reason: "the longest", field: "spec.adoption[0].name", mutate: adopting(with("name", letters(63))),
	},
	"a name of a rule with 64 characters is refused": {
		reason: "one too many",
		field:  "spec.adoption[0].name", mutate: adopting(with("name", letters(64))), wantErrors: []string{"may not be more than 63 bytes"},
	},

	"a rule without namespaces is refused": {
		reason: "to adopt is a right, which nobody gets by what is left out",
		field:  "spec.adoption[0].namespaces", mutate: adopting(with("namespaces", nil)), wantErrors: []string{requiredMessage},
	},
	"a rule with an empty list of namespaces is refused": {
		reason: "it is for nobody",
		field:  "spec.adoption[0].namespaces", mutate: adopting(with("namespaces", []any{})), wantErrors: []string{"should have at least 1 items"},
	},
	"a rule with 256 namespaces is accepted": {
		reason: "the most", field: "spec.adoption[0].namespaces", mutate: adopting(with("namespaces", manyNames(256))),
	},
	"a rule with 257 namespaces is refused": {
		reason: "one too many",
		field:  "spec.adoption[0].namespaces", mutate: adopting(with("namespaces", manyNames(257))),
		wantErrors: []string{"must have at most 256 items"},
	},
	"a rule for all namespaces is accepted": {
		reason: "in words", field: "spec.adoption[0].namespaces[0]", mutate: adopting(with("namespaces", []any{"*"})),
	},
	"a rule with a namespace twice is refused": {
		reason: "a set has each item once",
		field:  "spec.adoption[0].namespaces[1]", mutate: adopting(with("namespaces", []any{"shop", "shop"})),
		wantErrors: []string{"Duplicate value"},
	},
	"a rule with an empty namespace is refused": {
		reason: "no namespace has that name",
		field:  "spec.adoption[0].namespaces[0]", mutate: adopting(with("namespaces", []any{""})),
		wantErrors: []string{"should be at least 1 chars long"},
	},
	"a rule with a namespace of 64 characters is refused": {
		reason: "no namespace can have that name",
		field:  "spec.adoption[0].namespaces[0]", mutate: adopting(with("namespaces", []any{letters(64)})),
		wantErrors: []string{"may not be more than 63 bytes"},
	},

	"a rule with an empty list of patterns is refused": {
		reason: "it fits nothing",
		field:  "spec.adoption[0].customKeyPatterns", mutate: adopting(with("customKeyPatterns", []any{})),
		wantErrors: []string{"should have at least 1 items"},
	},
	"a rule with 64 patterns is accepted": {
		reason: "the most", field: "spec.adoption[0].customKeyPatterns", mutate: adopting(with("customKeyPatterns", manyNames(64))),
	},
	"a rule with 65 patterns is refused": {
		reason: "one too many",
		field:  "spec.adoption[0].customKeyPatterns", mutate: adopting(with("customKeyPatterns", manyNames(65))),
		wantErrors: []string{"must have at most 64 items"},
	},
	"a pattern of 256 characters is accepted": {
		reason: "as long as a customKey",
		field:  "spec.adoption[0].customKeyPatterns[0]", mutate: adopting(with("customKeyPatterns", []any{letters(256)})),
	},
	"a pattern of 257 characters is refused": {
		reason: "one too many",
		field:  "spec.adoption[0].customKeyPatterns[0]", mutate: adopting(with("customKeyPatterns", []any{letters(257)})),
		wantErrors: []string{"may not be more than 256 bytes"},
	},
	"an empty pattern is refused": {
		reason: "no customKey is empty",
		field:  "spec.adoption[0].customKeyPatterns[0]", mutate: adopting(with("customKeyPatterns", []any{""})),
		wantErrors: []string{"should be at least 1 chars long"},
	},
	"a pattern that is there twice is refused": {
		reason: "a set has each item once",
		field:  "spec.adoption[0].customKeyPatterns[1]", mutate: adopting(with("customKeyPatterns", []any{"a-*", "a-*"})),
		wantErrors: []string{"Duplicate value"},
	},

	"a check for drift each minute is accepted": {
		reason: "the most often", field: "spec.driftCheckInterval", mutate: set("spec.driftCheckInterval", "1m"),
	},
	"a check for drift more often than each minute is refused": {
		reason: "the list of all clients may be large",
		field:  "spec.driftCheckInterval", mutate: set("spec.driftCheckInterval", "59.999s"), wantErrors: []string{driftIntervalMessage},
	},
	"a check for drift that is switched off by zero is refused": {
		reason: "zero would mean all the time",
		field:  "spec.driftCheckInterval", mutate: set("spec.driftCheckInterval", "0s"), wantErrors: []string{driftIntervalMessage},
	},
	"a check for drift each day in words is refused": {
		reason: "Go knows no days",
		field:  "spec.driftCheckInterval", mutate: set("spec.driftCheckInterval", "1d"), wantErrors: []string{driftIntervalMessage},
	},

	"a reference to the next credentials without a name is refused": {
		reason: "it refers to nothing",
		field:  "spec.nextCredentialsSecretRef.name", mutate: set("spec.nextCredentialsSecretRef", map[string]any{}),
		wantErrors: []string{requiredMessage},
	},
	"an empty name of the next credentials is refused": {
		reason: "it refers to nothing",
		field:  "spec.nextCredentialsSecretRef.name", mutate: set("spec.nextCredentialsSecretRef.name", ""),
		wantErrors: []string{"should be at least 1 chars long"},
	},
	"a name of the next credentials with 253 characters is accepted": {
		reason: "the longest name of a Secret",
		field:  "spec.nextCredentialsSecretRef.name", mutate: set("spec.nextCredentialsSecretRef.name", letters(253)),
	},
	"a name of the next credentials with 254 characters is refused": {
		reason: "no Secret can have it",
		field:  "spec.nextCredentialsSecretRef.name", mutate: set("spec.nextCredentialsSecretRef.name", letters(254)),
		wantErrors: []string{"may not be more than 253 bytes"},
	},
	"a name of the next credentials with a namespace is refused": {
		reason: "the namespace is always that of the operator",
		field:  "spec.nextCredentialsSecretRef.name", mutate: set("spec.nextCredentialsSecretRef.name", "other/next"),
		wantErrors: []string{credentialsMessage},
	},
	"credentials that have become the present ones are accepted": {
		reason: "a rotation ends in one step: the next name is put in the place of the present one",
		field:  "spec.nextCredentialsSecretRef.name", before: set("spec.nextCredentialsSecretRef.name", "next"),
		mutate: all(set("spec.credentialsSecretRef.name", "next"), unset("spec.nextCredentialsSecretRef")),
	},
	"the next credentials that are the present ones as well are accepted": {
		reason: "a rotation may also end in two steps, of which this is the first",
		field:  "spec.nextCredentialsSecretRef.name", before: set("spec.nextCredentialsSecretRef.name", "next"),
		mutate: set("spec.credentialsSecretRef.name", "next"),
	},

	"active credentials without a name are refused in status": {
		reason: "they refer to nothing",
		field:  "status.activeCredentialsSecretRef.name", mutate: set("status.activeCredentialsSecretRef", map[string]any{}),
		wantErrors: []string{requiredMessage},
	},
	"a count of clients without the ready ones is refused in status": {
		reason: "half of it says nothing",
		field:  "status.clients.ready", mutate: set("status.clients.total", int64(0)), wantErrors: []string{requiredMessage},
	},
	"a count of ready clients without all of them is refused in status": {
		reason: "half of it says nothing",
		field:  "status.clients.total", mutate: set("status.clients.ready", int64(0)), wantErrors: []string{requiredMessage},
	},
}
