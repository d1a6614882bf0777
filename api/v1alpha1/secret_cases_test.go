// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	reservedKeyMessage = "previousTokens is a key of the operator"
	mergeMessage       = "creationPolicy Merge needs the name of the Secret, and can not set its type"
	replaceMessage     = "template.mergePolicy Replace needs template.data or formats: without any the Secret would be empty"
	tokenLeftMessage   = "keys: where token is left out, formats or template.data must hold it"
)

// shapedSecret is a field of a spec that shapes a Secret.
type shapedSecret struct {
	field string
	// suffix makes the name of the resource into the default name of the Secret.
	suffix string
	// retained is what must be there for the Secret to be retained.
	retained change
	// key is one of the default keys.
	key string
}

var (
	clientSecret = shapedSecret{"spec.secret", "-sfs", unchanged, "clientKey"}
	tokenSecret  = shapedSecret{"spec.token.secret", "-sfs-token", set("spec.token.revocationPolicy", "Never"), "clientKey"}
	userSecret   = shapedSecret{"spec.secret", "-sfs-user", unchanged, "clientKey"}
	oauthSecret  = shapedSecret{"spec.token.secret", "-oauth-token", set("spec.token.revocationPolicy", "Never"), "scope"}
)

// underDefaultName names the Secret, though it has that name anyway.
func (s shapedSecret) underDefaultName(o *unstructured.Unstructured) {
	set(s.field+".name", o.GetName()+s.suffix)(o)
}

// shapeCases are those of any Secret that the operator writes, whose keys include s.key and baseURL.
func shapeCases(s shapedSecret) map[string]validationCase {
	keys, formats, data := s.field+".keys", s.field+".formats", s.field+".template.data"
	labels, annotations := s.field+".template.metadata.labels", s.field+".template.metadata.annotations"
	one := func(field, name string) func(value string) change {
		return func(value string) change { return set(field, map[string]any{name: value}) }
	}
	format := func(key string) change { return set(formats, []any{map[string]any{"format": "json", "key": key}}) }
	dataKey := func(key string) change { return set(data, map[string]any{key: "x"}) }
	typed := func(value string) change { return set(s.field+".type", value) }
	label := func(name string) change { return set(labels, map[string]any{name: "x"}) }
	annotation := func(name string) change { return set(annotations, map[string]any{name: "x"}) }
	return together(
		ownershipCases(s),
		wordCases(s.field+".deletionPolicy", func(word string) change {
			return all(s.retained, set(s.field+".deletionPolicy", word))
		}, "Delete", "Retain"),

		sizeCases(s.field+".type", 1, 253, typed),
		acceptedCases(s.field+".type", typed, "Opaque", "kubernetes.io/dockerconfigjson", "example.com/sfs"),
		refusedCases(s.field+".type", typed, "Kubernetes gives rights with such Secrets",
			"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"),

		countCases(keys, "1", 1, 16),
		sizeCases(keys+"."+s.key, 0, 253, one(keys, s.key)),
		acceptedCases(keys+"."+s.key, one(keys, s.key), goodKeys...),
		refusedCases(keys+"."+s.key, one(keys, s.key), "should match", badKeys...),
		refusedCases(keys+"["+s.key+"]", one(keys, s.key), reservedKeyMessage, "previousTokens"),
		map[string]validationCase{
			keys + " that are exchanged are accepted": {
				reason: "strange, but they differ",
				field:  s.field, mutate: set(keys, map[string]any{s.key: "baseURL", "baseURL": s.key}),
			},
			keys + " of one name are accepted": {
				reason: "the operator says so, since formats and templates have names as well",
				field:  s.field, mutate: set(keys, map[string]any{s.key: "key", "baseURL": "key"}),
			},
			keys + " may be changed and taken away": {
				reason: "the Secret is written anew", field: keys, before: one(keys, s.key)(""), mutate: unset(keys),
			},
			keys + " of a Secret of credentials are refused": {
				reason: "they never reach a tenant",
				field:  s.field, mutate: one(keys, "apiKey")("key"), wantErrors: []string{"keys: the default keys are "},
			},
			keys + " that are for the operator are refused": {
				reason: "it reads them again",
				field:  s.field, mutate: one(keys, "previousTokens")("tokens"), wantErrors: []string{"keys: the default keys are "},
			},
		},

		sizeCases(formats+"[0].key", 1, 253, format),
		acceptedCases(formats+"[0].key", format, goodKeys...),
		refusedCases(formats+"[0].key", format, "should match", badKeys...),
		refusedCases(formats+"[0].key", format, reservedKeyMessage, "previousTokens"),
		map[string]validationCase{
			formats + " may be an empty list": {
				reason: "an empty list of a template says the same as none", field: formats, mutate: set(formats, []any{}),
			},
			formats + " without a format are refused": {
				reason: "lists are merged by it",
				field:  formats + "[0].format", mutate: set(formats, []any{map[string]any{"key": "sfs.json"}}), wantErrors: []string{requiredMessage},
			},
			formats + " with an unknown format are refused": {
				reason: "the message lists those that there are",
				field:  formats + "[0].format", mutate: set(formats, []any{map[string]any{"format": "yaml"}}),
				wantErrors: []string{"Unsupported value", `supported values: "json", "env", "netrc", "nginx-header"`},
			},
			formats + " are accepted without a key": {
				reason: "each has one of its own",
				field:  formats + "[0].format", mutate: set(formats, []any{map[string]any{"format": "json"}, map[string]any{"format": "env"}}),
			},
			formats + " with a format twice are refused": {
				reason: "two who apply the list could not tell them apart",
				field:  formats + "[1]", wantErrors: []string{"Duplicate value"},
				mutate: set(formats, []any{map[string]any{"format": "env"}, map[string]any{"format": "env", "key": "other.env"}}),
			},
			formats + " of different formats are accepted": {
				reason: "they are told apart by it", field: formats + "[1]",
				mutate: set(formats, []any{map[string]any{"format": "json"}, map[string]any{"format": "env"}}),
			},
		},

		countCases(labels, "1", 0, 16),
		sizeCases(labels+".team", 0, 63, one(labels, "team")),
		acceptedCases(labels, label, "team", "example.com/Team_1", letters(63)),
		refusedCases(labels, label, "a label must be a name, or a domain, '/' and a name",
			"", "-team", "a b", "a/b/c", "Example.com/team", letters(64)),
		refusedCases(labels, label, "can not be set", "sendforsign.com/owner-uid", "argocd.argoproj.io/secret-type",
			"app.kubernetes.io/instance", "app.kubernetes.io/managed-by"),
		refusedCases(labels+".team", one(labels, "team"), "should match", "a b", "-a", "a-", "a\n", "é"),

		countCases(annotations, "1", 0, 16),
		sizeCases(annotations+".note", 0, 4096, one(annotations, "note")),
		acceptedCases(annotations, annotation, "note", "Example.com/Note_1", "argocd.argoproj.io/ignore-resource-updates"),
		refusedCases(annotations, annotation, "an annotation must be a name, or a domain, '/' and a name",
			"", "-note", "a b", "a/b/c", letters(64)),
		refusedCases(annotations, annotation, "can not be set, but for argocd.argoproj.io/ignore-resource-updates",
			"sendforsign.com/content-hash", "argocd.argoproj.io/tracking-id", "argocd.argoproj.io/ignore-resource-updates-too",
			"kubernetes.io/service-account.name", "kubectl.kubernetes.io/last-applied-configuration"),

		countCases(data, "{{ .baseURL }}", 1, 16),
		sizeCases(data+".text", 1, 16384, one(data, "text")),
		acceptedCases(data, dataKey, append([]string{letters(253)}, goodKeys...)...),
		refusedCases(data, dataKey, "a key of a Secret has letters, digits, '-', '_' and '.', at most 253, and does not begin with '..'",
			append([]string{"", letters(254)}, badKeys...)...),
		refusedCases(data, dataKey, reservedKeyMessage, "previousTokens"),
		wordCases(s.field+".template.mergePolicy", func(word string) change {
			return all(dataKey("text"), set(s.field+".template.mergePolicy", word))
		}, "Merge", "Replace"),
		replaceCases(s),
		map[string]validationCase{
			s.field + " of the largest shape is accepted": {
				reason: "the cost of the rules in CEL is bounded for it",
				field:  s.field, mutate: all(
					set(keys, map[string]any{s.key: letters(253), "baseURL": letters(252)}),
					set(data, entries(16, 253, strings.Repeat("{", 16384))),
					set(labels, entries(16, 63, letters(63))), set(annotations, entries(16, 63, letters(4096))),
				),
			},
		},
	)
}

var (
	goodKeys = []string{"a", "API_KEY", ".netrc", "a..b", "-._"}
	badKeys  = []string{"a b", "a/b", ".", "..", "..data", "a\n", "é"}
)

// sizeCases are those of a text of so many characters.
func sizeCases(field string, least, most int, put func(value string) change) map[string]validationCase {
	cases := map[string]validationCase{
		fmt.Sprintf("%s of %d characters is accepted", field, most): {
			reason: "the longest", field: field, mutate: put(letters(most)),
		},
		fmt.Sprintf("%s of %d characters is refused", field, most+1): {
			reason: "one too many", field: field, mutate: put(letters(most + 1)),
			wantErrors: []string{fmt.Sprintf("may not be more than %d bytes", most)},
		},
	}
	if least == 0 {
		cases[field+" may be empty"] = validationCase{reason: "that is not the same as absent", field: field, mutate: put("")}
	} else {
		cases[field+" is refused when it is empty"] = validationCase{
			reason: "absent is how to say nothing",
			field:  field, mutate: put(""), wantErrors: []string{"should be at least 1 chars long"},
		}
	}
	return cases
}

// countCases are those of a map of so many entries.
func countCases(field, value string, least, most int) map[string]validationCase {
	many := func(n int) change { return set(field, entries(n, 2, value)) }
	cases := map[string]validationCase{
		fmt.Sprintf("%s with %d entries are refused", field, most+1): {
			reason: "one too many", field: field, mutate: many(most + 1), wantErrors: []string{fmt.Sprintf("must have at most %d items", most)},
		},
	}
	if !strings.HasSuffix(field, ".keys") {
		// There are not that many default keys.
		cases[fmt.Sprintf("%s with %d entries are accepted", field, most)] = validationCase{
			reason: "the most", field: field, mutate: many(most),
		}
	}
	if least == 0 {
		cases[field+" may be empty"] = validationCase{reason: "an empty map of a template says the same as none", field: field, mutate: many(0)}
	} else {
		cases[field+" without an entry are refused"] = validationCase{
			reason: "absent is how to say nothing",
			field:  field, mutate: many(0), wantErrors: []string{"should have at least 1 properties"},
		}
	}
	return cases
}

// entries are those of a map, with names of a size.
func entries(n, size int, value string) map[string]any {
	m := map[string]any{}
	for i := range n {
		m[fmt.Sprintf("%0*d", size, i)] = value
	}
	return m
}

func acceptedCases(field string, put func(value string) change, good ...string) map[string]validationCase {
	cases := map[string]validationCase{}
	for _, value := range good {
		cases[fmt.Sprintf("%s %q is accepted", field, value)] = validationCase{
			reason: "Kubernetes takes it", field: field, mutate: put(value),
		}
	}
	return cases
}

func refusedCases(field string, put func(value string) change, message string, bad ...string) map[string]validationCase {
	cases := map[string]validationCase{}
	for _, value := range bad {
		cases[fmt.Sprintf("%s %q is refused", field, value)] = validationCase{
			reason: "the Secret would be refused later, or misunderstood",
			field:  field, mutate: put(value), wantErrors: []string{message},
		}
	}
	return cases
}

// ownershipCases are those of who makes a Secret.
func ownershipCases(s shapedSecret) map[string]validationCase {
	name, policy := s.field+".name", s.field+".creationPolicy"
	changed := s.field + ".creationPolicy can be changed to or from Merge only together with " + s.field + ".name"
	merge := all(set(name, "theirs"), set(policy, "Merge"))
	mergeDefault := all(s.underDefaultName, set(policy, "Merge"))
	cases := wordCases(policy, func(word string) change { return all(set(name, "keys"), set(policy, word)) }, "Owner", "Orphan", "Merge")
	for what, c := range map[string]validationCase{
		"Merge without a name is refused": {
			reason: "nobody else knows the default name", mutate: set(policy, "Merge"), wantErrors: []string{mergeMessage},
		},
		"Merge with a type is refused": {
			reason: "the Secret has one", mutate: all(merge, set(s.field+".type", "Opaque")), wantErrors: []string{mergeMessage},
		},
		"Merge that loses its name is refused": {
			reason: "nobody else knows the default name", before: merge, mutate: unset(name), wantErrors: []string{mergeMessage},
		},
		"Merge into another Secret is accepted": {
			reason: "both are somebody else's", before: merge, mutate: set(name, "theirs-too"),
		},
		"a Secret without an owner reference may be given one": {
			reason: "it is the operator's all the same", before: set(policy, "Orphan"), mutate: set(policy, "Owner"),
		},
		"a default name may be written out": {
			reason: "nothing changes", before: unchanged, mutate: s.underDefaultName,
		},
		"a type may be changed": {
			reason: "the Secret is made anew", before: set(s.field+".type", "Opaque"), mutate: unset(s.field + ".type"),
		},
	} {
		c.field = s.field
		cases[s.field+": "+what] = c
	}
	for what, c := range map[string]validationCase{
		"Owner to Merge":                          {before: set(name, "theirs"), mutate: merge},
		"Orphan to Merge":                         {before: all(set(name, "theirs"), set(policy, "Orphan")), mutate: merge},
		"nothing to Merge under the default name": {before: unchanged, mutate: mergeDefault},
		"Merge to Owner":                          {before: merge, mutate: set(policy, "Owner")},
		"Merge to Orphan":                         {before: merge, mutate: set(policy, "Orphan")},
		"Merge to nothing":                        {before: merge, mutate: unset(policy)},
		"Merge under the default name to Owner without name": {before: mergeDefault, mutate: all(unset(name), set(policy, "Owner"))},
		"Merge under the default name to nothing":            {before: mergeDefault, mutate: unset(s.field)},
	} {
		c.field, c.wantErrors = wholeObject, []string{changed}
		c.reason = "it is still the same Secret, and can not come to belong to another"
		cases[s.field+": "+what+" is refused"] = c
	}
	for what, c := range map[string]validationCase{
		"Owner to Merge":   {before: set(name, "ours"), mutate: merge},
		"nothing to Merge": {before: unchanged, mutate: merge},
		"Merge to Orphan":  {before: merge, mutate: all(set(name, "ours"), set(policy, "Orphan"))},
		"Merge to nothing": {before: merge, mutate: unset(s.field)},
	} {
		c.field, c.reason = wholeObject, "it is another Secret"
		cases[s.field+": "+what+" under another name is accepted"] = c
	}
	return cases
}

// replaceCases are those of a template that leaves the default keys out.
func replaceCases(s shapedSecret) map[string]validationCase {
	replace := set(s.field+".template.mergePolicy", "Replace")
	json := []any{map[string]any{"format": "json"}}
	return map[string]validationCase{
		s.field + ": Replace without anything instead is refused": {
			reason: "the Secret would be empty", field: s.field, mutate: replace, wantErrors: []string{replaceMessage},
		},
		s.field + ": Replace with an empty list of formats is refused": {
			reason: "the Secret would be empty",
			field:  s.field, mutate: all(replace, set(s.field+".formats", []any{})), wantErrors: []string{replaceMessage},
		},
		s.field + ": Replace whose data is taken away is refused": {
			reason: "the Secret would be empty", field: s.field, before: all(replace, set(s.field+".template.data.text", "x")),
			mutate: unset(s.field + ".template.data"), wantErrors: []string{replaceMessage},
		},
		s.field + ": Replace with formats is accepted": {
			reason: "the Secret has their keys", field: s.field, mutate: all(replace, set(s.field+".formats", json)),
		},
	}
}

// identifierShapeCases are those of a Secret without a token.
func identifierShapeCases(s shapedSecret) map[string]validationCase {
	cases := map[string]validationCase{
		s.field + ": all keys are accepted under other names": {
			reason: "any may be chosen", field: s.field, mutate: set(s.field+".keys", map[string]any{
				"clientKey": "a", "userKey": "b", "baseURL": "c", "SFS_CLIENT_KEY": "d", "SFS_USER_KEY": "",
			}),
		},
	}
	for _, key := range []string{"token", "tokenType", "expiresAt", "issuedAt"} {
		cases[s.field+": the key "+key+" is refused"] = validationCase{
			reason: "it is in the Secret of the token", field: s.field, mutate: set(s.field+".keys", map[string]any{key: "x"}),
			wantErrors: []string{"keys: the default keys are clientKey, userKey, baseURL, SFS_CLIENT_KEY and SFS_USER_KEY"},
		}
	}
	for _, format := range []string{"netrc", "nginx-header"} {
		cases[s.field+": the format "+format+" is refused"] = validationCase{
			reason: "there is no token", field: s.field, mutate: set(s.field+".formats", []any{map[string]any{"format": format}}),
			wantErrors: []string{"formats: netrc and nginx-header need a token; this Secret has json and env"},
		}
	}
	return cases
}

// tokenShapeCases are those of the Secret that holds a token: of the default keys of SFS or OAuth, and some that are none.
func tokenShapeCases(defaultKeys []string, none ...string) map[string]validationCase {
	const secret, policy = "spec.token.secret", "spec.token.revocationPolicy"
	const retainMessage = "secret.deletionPolicy Retain needs revocationPolicy Never"
	noToken := set(secret+".keys", map[string]any{"token": ""})
	retain := set(secret+".deletionPolicy", "Retain")
	renamed := map[string]any{}
	for i, key := range defaultKeys {
		renamed[key] = []string{"a" + strconv.Itoa(i), ""}[i%2]
	}
	last := len(defaultKeys) - 1
	keysMessage := "keys: the default keys are " + strings.Join(defaultKeys[:last], ", ") + " and " + defaultKeys[last]
	cases := map[string]validationCase{
		"all formats of a token are accepted": {
			reason: "each has a key of its own", field: secret, mutate: set(secret+".formats", []any{
				map[string]any{"format": "json"}, map[string]any{"format": "env"},
				map[string]any{"format": "netrc"}, map[string]any{"format": "nginx-header"},
			}),
		},
		"all keys of the Secret of the token are accepted under other names": {
			reason: "any may be chosen", field: secret, mutate: set(secret+".keys", renamed),
		},
		"a token that is nowhere in its Secret is refused": {
			reason: "nobody could use it", field: secret, mutate: noToken, wantErrors: []string{tokenLeftMessage},
		},
		"a token that is nowhere in its Secret is refused with labels": {
			reason: "nobody could use it",
			field:  secret, mutate: all(noToken, set(secret+".template.metadata.labels.team", "a"), set(secret+".formats", []any{})),
			wantErrors: []string{tokenLeftMessage},
		},
		"a token that is only in a format is accepted": {
			reason: "nginx needs no more",
			field:  secret, mutate: all(noToken, set(secret+".formats", []any{map[string]any{"format": "nginx-header"}})),
		},
		"a token that is only in a template is accepted": {
			reason: "an application may want it among other things",
			field:  secret, mutate: all(noToken, set(secret+".template.data.conf", "{{ .token }}")),
		},

		"a Secret of the token that is retained is accepted with Never": {
			reason: "the token lives on", field: "spec.token", mutate: all(retain, set(policy, "Never")),
		},
		"a Secret of the token that is retained is refused by default": {
			reason: "the default is OnDelete", field: "spec.token", mutate: retain, wantErrors: []string{retainMessage},
		},
		"Never that is taken away from a Secret of the token that is retained is refused": {
			reason: "the default is OnDelete",
			field:  "spec.token", before: all(retain, set(policy, "Never")), mutate: unset(policy), wantErrors: []string{retainMessage},
		},
		"a Secret of the token that is deleted is accepted with OnRotate": {
			reason: "nothing is left behind", field: "spec.token", mutate: all(set(secret+".deletionPolicy", "Delete"), set(policy, "OnRotate")),
		},
	}
	for _, word := range []string{"OnDelete", "OnRotate"} {
		cases["a Secret of the token that is retained is refused with "+word] = validationCase{
			reason: "a dead token would be left in it",
			field:  "spec.token", mutate: all(retain, set(policy, word)), wantErrors: []string{retainMessage},
		}
	}
	for _, key := range none {
		cases["the key "+key+" is refused in the Secret of the token"] = validationCase{
			reason: "it is in another Secret, if in any", field: secret, mutate: set(secret+".keys", map[string]any{key: "x"}),
			wantErrors: []string{keysMessage},
		}
	}
	return cases
}
