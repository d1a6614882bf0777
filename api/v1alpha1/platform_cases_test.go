// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

var platformCases = map[string]validationCase{
	"the least of a platform is accepted": {
		reason: "credentials and a prefix are all that has no default",
		field:  wholeObject, mutate: unchanged,
	},
	"a platform without a spec is refused": {
		reason: "there is no account without credentials",
		field:  "spec", mutate: unset("spec"), wantErrors: []string{requiredMessage},
	},

	"an https URL is accepted": {
		reason: "any host may serve the API",
		field:  "spec.baseURL", mutate: set("spec.baseURL", "https://sfs.example.com:8443/v2/api"),
	},
	"an https URL of nine characters is accepted": {
		reason: "the shortest there is",
		field:  "spec.baseURL", mutate: set("spec.baseURL", "https://a"),
	},
	"an https URL without a host is refused": {
		reason: "eight characters name nothing",
		field:  "spec.baseURL", mutate: set("spec.baseURL", "https://"), wantErrors: []string{"should be at least 9 chars long"},
	},
	"an https URL of 512 characters is accepted": {
		reason: "the longest",
		field:  "spec.baseURL", mutate: set("spec.baseURL", "https://a/"+letters(502)),
	},
	"an https URL of 513 characters is refused": {
		reason: "one too many",
		field:  "spec.baseURL", mutate: set("spec.baseURL", "https://a/"+letters(503)), wantErrors: []string{"may not be more than 512 bytes"},
	},
	"an http URL is refused": {
		reason: "credentials would travel in the open",
		field:  "spec.baseURL", mutate: set("spec.baseURL", "http://sfs.example.com"), wantErrors: []string{baseURLMessage},
	},
	"a URL of another scheme is refused": {
		reason: "only https is spoken",
		field:  "spec.baseURL", mutate: set("spec.baseURL", "ftp://sfs.example.com"), wantErrors: []string{baseURLMessage},
	},
	"a path is refused": {
		reason: "it names no server",
		field:  "spec.baseURL", mutate: set("spec.baseURL", "/api/client"), wantErrors: []string{baseURLMessage},
	},
	"words are refused as a URL": {
		reason: "they are none",
		field:  "spec.baseURL", mutate: set("spec.baseURL", "https://not a host"), wantErrors: []string{baseURLMessage},
	},
	"a URL with a password is refused": {
		reason: "a credential does not belong into a spec, which everybody may read",
		field:  "spec.baseURL", mutate: set("spec.baseURL", "https://user:pass@sfs.example.com"), wantErrors: []string{baseURLMessage},
	},
	"a URL with a query is refused": {
		reason: "paths are added at its end",
		field:  "spec.baseURL", mutate: set("spec.baseURL", "https://sfs.example.com/api?key=1"), wantErrors: []string{baseURLMessage},
	},
	"a URL with a fragment is refused": {
		reason: "paths are added at its end",
		field:  "spec.baseURL", mutate: set("spec.baseURL", "https://sfs.example.com/api#top"), wantErrors: []string{baseURLMessage},
	},

	"a platform without a reference to credentials is refused": {
		reason: "there is no account without credentials",
		field:  "spec.credentialsSecretRef", mutate: unset("spec.credentialsSecretRef"), wantErrors: []string{requiredMessage},
	},
	"a reference to credentials without a name is refused": {
		reason: "it refers to nothing",
		field:  "spec.credentialsSecretRef.name", mutate: set("spec.credentialsSecretRef", map[string]any{}), wantErrors: []string{requiredMessage},
	},
	"an empty name of the credentials Secret is refused": {
		reason: "it refers to nothing",
		field:  "spec.credentialsSecretRef.name", mutate: set("spec.credentialsSecretRef.name", ""),
		wantErrors: []string{"should be at least 1 chars long"},
	},
	"a name of the credentials Secret with 253 characters is accepted": {
		reason: "the longest name of a Secret",
		field:  "spec.credentialsSecretRef.name", mutate: set("spec.credentialsSecretRef.name", letters(253)),
	},
	"a name of the credentials Secret with 254 characters is refused": {
		reason: "no Secret can have it",
		field:  "spec.credentialsSecretRef.name", mutate: set("spec.credentialsSecretRef.name", letters(254)),
		wantErrors: []string{"may not be more than 253 bytes"},
	},
	"a name of the credentials Secret with a namespace is refused": {
		reason: "the namespace is always that of the operator",
		field:  "spec.credentialsSecretRef.name", mutate: set("spec.credentialsSecretRef.name", "other/credentials"),
		wantErrors: []string{"name must be the name of a Secret"},
	},
	"another credentials Secret is accepted later": {
		reason: "credentials are rotated",
		field:  "spec.credentialsSecretRef.name", before: unchanged, mutate: set("spec.credentialsSecretRef.name", "next"),
	},

	"a platform without a prefix is refused": {
		reason: "without it clients of two clusters would have the same customKey",
		field:  "spec.customKeyPrefix", mutate: unset("spec.customKeyPrefix"), wantErrors: []string{requiredMessage},
	},
	"an empty prefix is refused": {
		reason: "as good as none",
		field:  "spec.customKeyPrefix", mutate: set("spec.customKeyPrefix", ""), wantErrors: []string{"should be at least 1 chars long"},
	},
	"a prefix of one letter is accepted": {
		reason: "it begins and ends with a letter",
		field:  "spec.customKeyPrefix", mutate: set("spec.customKeyPrefix", "a"),
	},
	"a prefix with dots and hyphens is accepted": {
		reason: "domain names make good prefixes",
		field:  "spec.customKeyPrefix", mutate: set("spec.customKeyPrefix", "eu-1.prod.example.com"),
	},
	"a prefix of 63 characters is accepted": {
		reason: "the longest",
		field:  "spec.customKeyPrefix", mutate: set("spec.customKeyPrefix", letters(63)),
	},
	"a prefix of 64 characters is refused": {
		reason: "one too many",
		field:  "spec.customKeyPrefix", mutate: set("spec.customKeyPrefix", letters(64)), wantErrors: []string{"may not be more than 63 bytes"},
	},
	"a prefix with a slash is refused": {
		reason: "it could imitate the customKeys of another platform",
		field:  "spec.customKeyPrefix", mutate: set("spec.customKeyPrefix", "acme/prod"), wantErrors: []string{prefixMessage},
	},
	"a prefix with capitals is refused": {
		reason: "SFS might not tell them from small letters",
		field:  "spec.customKeyPrefix", mutate: set("spec.customKeyPrefix", "Acme"), wantErrors: []string{prefixMessage},
	},
	"a prefix that begins with a hyphen is refused": {
		reason: "it has to begin with a letter or digit",
		field:  "spec.customKeyPrefix", mutate: set("spec.customKeyPrefix", "-acme"), wantErrors: []string{prefixMessage},
	},
	"a prefix that ends with a dot is refused": {
		reason: "it has to end with a letter or digit",
		field:  "spec.customKeyPrefix", mutate: set("spec.customKeyPrefix", "acme."), wantErrors: []string{prefixMessage},
	},
	"a prefix with a line break at its end is refused": {
		reason: "the whole has to match",
		field:  "spec.customKeyPrefix", mutate: set("spec.customKeyPrefix", "acme\n"), wantErrors: []string{prefixMessage},
	},
	"another prefix is refused later": {
		reason: "the clients would no longer be found",
		field:  "spec.customKeyPrefix", before: unchanged, mutate: set("spec.customKeyPrefix", "acme-test"),
		wantErrors: []string{"customKeyPrefix is immutable: clients are found by it; create another SfsPlatform for another prefix"},
	},

	"namespaces by name are accepted": {
		reason: "one of the two ways",
		field:  "spec.allowedNamespaces", mutate: set("spec.allowedNamespaces.names", []any{"*"}),
	},
	"namespaces by label are accepted": {
		reason: "the other way",
		field:  "spec.allowedNamespaces", mutate: set("spec.allowedNamespaces.selector.matchLabels.sfs", "yes"),
	},
	"namespaces by name and by label are refused": {
		reason: "it would not be clear whether both must fit",
		field:  "spec.allowedNamespaces", mutate: all(
			set("spec.allowedNamespaces.names", []any{"*"}), set("spec.allowedNamespaces.selector.matchLabels.sfs", "yes")),
		wantErrors: []string{namesOrSelectorMessage},
	},
	"namespaces neither by name nor by label are refused": {
		reason: "none is said by leaving allowedNamespaces out",
		field:  "spec.allowedNamespaces", mutate: set("spec.allowedNamespaces", map[string]any{}),
		wantErrors: []string{namesOrSelectorMessage},
	},
	"namespaces may be taken from names to labels": {
		reason: "nothing of it is immutable",
		field:  "spec.allowedNamespaces", before: set("spec.allowedNamespaces.names", []any{"shop"}),
		mutate: all(unset("spec.allowedNamespaces.names"), set("spec.allowedNamespaces.selector.matchLabels.sfs", "yes")),
	},
	"an empty list of namespaces is refused": {
		reason: "none is said by leaving allowedNamespaces out",
		field:  "spec.allowedNamespaces.names", mutate: set("spec.allowedNamespaces.names", []any{}),
		wantErrors: []string{"should have at least 1 items"},
	},
	"1024 namespaces are accepted": {
		reason: "the most",
		field:  "spec.allowedNamespaces.names", mutate: set("spec.allowedNamespaces.names", manyNames(1024)),
	},
	"1025 namespaces are refused": {
		reason: "one too many; a selector has no such limit",
		field:  "spec.allowedNamespaces.names", mutate: set("spec.allowedNamespaces.names", manyNames(1025)),
		wantErrors: []string{"must have at most 1024 items"},
	},
	"a namespace that is named twice is refused": {
		reason: "a set has each item once",
		field:  "spec.allowedNamespaces.names[1]", mutate: set("spec.allowedNamespaces.names", []any{"shop", "shop"}),
		wantErrors: []string{"Duplicate value"},
	},
	"an empty name of a namespace is refused": {
		reason: "no namespace has it",
		field:  "spec.allowedNamespaces.names[0]", mutate: set("spec.allowedNamespaces.names", []any{""}),
		wantErrors: []string{"should be at least 1 chars long"},
	},
	"a name of a namespace with 63 characters is accepted": {
		reason: "the longest name of a namespace",
		field:  "spec.allowedNamespaces.names[0]", mutate: set("spec.allowedNamespaces.names", []any{letters(63)}),
	},
	"a name of a namespace with 64 characters is refused": {
		reason: "no namespace can have it",
		field:  "spec.allowedNamespaces.names[0]", mutate: set("spec.allowedNamespaces.names", []any{letters(64)}),
		wantErrors: []string{"may not be more than 63 bytes"},
	},
	"a label expression without a key is refused": {
		reason:     "it selects by nothing",
		field:      "spec.allowedNamespaces.selector.matchExpressions[0].key",
		mutate:     set("spec.allowedNamespaces.selector.matchExpressions", []any{map[string]any{"operator": "Exists"}}),
		wantErrors: []string{requiredMessage},
	},
	"a label expression without an operator is refused": {
		reason:     "it says nothing of the label",
		field:      "spec.allowedNamespaces.selector.matchExpressions[0].operator",
		mutate:     set("spec.allowedNamespaces.selector.matchExpressions", []any{map[string]any{"key": "sfs"}}),
		wantErrors: []string{requiredMessage},
	},
	"a label expression is accepted": {
		reason: "it has a key and an operator",
		field:  "spec.allowedNamespaces.selector.matchExpressions[0].key",
		mutate: set("spec.allowedNamespaces.selector.matchExpressions", []any{map[string]any{"key": "sfs", "operator": "Exists"}}),
	},

	"a renewal three minutes before the end is accepted": {
		reason: "the latest",
		field:  "spec.token.renewBefore", mutate: set("spec.token.renewBefore", "3m"),
	},
	"a renewal less than three minutes before the end is refused": {
		reason: "a kubelet and an application could not take the new token up in time",
		field:  "spec.token.renewBefore", mutate: set("spec.token.renewBefore", "2m59.999s"), wantErrors: []string{renewBeforeMessage},
	},
	"a renewal after the end is refused": {
		reason: "the token would be dead for a time",
		field:  "spec.token.renewBefore", mutate: set("spec.token.renewBefore", "-10m"), wantErrors: []string{renewBeforeMessage},
	},
	"a renewal days before the end is refused": {
		reason: "Go knows no days; the message says what the field is for",
		field:  "spec.token.renewBefore", mutate: set("spec.token.renewBefore", "1d"), wantErrors: []string{renewBeforeMessage},
	},

	"one request per second is accepted": {
		reason: "the least",
		field:  "spec.rateLimit.requestsPerSecond", mutate: set("spec.rateLimit.requestsPerSecond", int64(1)),
	},
	"no request per second is refused": {
		reason: "nothing would ever happen",
		field:  "spec.rateLimit.requestsPerSecond", mutate: set("spec.rateLimit.requestsPerSecond", int64(0)),
		wantErrors: []string{"should be greater than or equal to 1"},
	},
	"10000 requests per second are accepted": {
		reason: "the most",
		field:  "spec.rateLimit.requestsPerSecond", mutate: set("spec.rateLimit.requestsPerSecond", int64(10000)),
	},
	"10001 requests per second are refused": {
		reason: "one too many",
		field:  "spec.rateLimit.requestsPerSecond", mutate: set("spec.rateLimit.requestsPerSecond", int64(10001)),
		wantErrors: []string{"should be less than or equal to 10000"},
	},
	"a burst of one request is accepted": {
		reason: "the least",
		field:  "spec.rateLimit.burst", mutate: set("spec.rateLimit.burst", int64(1)),
	},
	"a burst of no request is refused": {
		reason: "nothing would ever happen",
		field:  "spec.rateLimit.burst", mutate: set("spec.rateLimit.burst", int64(0)),
		wantErrors: []string{"should be greater than or equal to 1"},
	},
	"a burst of 10000 requests is accepted": {
		reason: "the most",
		field:  "spec.rateLimit.burst", mutate: set("spec.rateLimit.burst", int64(10000)),
	},
	"a burst of 10001 requests is refused": {
		reason: "one too many",
		field:  "spec.rateLimit.burst", mutate: set("spec.rateLimit.burst", int64(10001)),
		wantErrors: []string{"should be less than or equal to 10000"},
	},

	"certificate authorities of 128 KiB are accepted": {
		reason: "the most, counted in base64",
		field:  "spec.caBundle", mutate: set("spec.caBundle", letters(131072)),
	},
	"certificate authorities of more than 128 KiB are refused": {
		reason: "the object would not fit into etcd with the rest",
		field:  "spec.caBundle", mutate: set("spec.caBundle", letters(131076)), wantErrors: []string{"may not be more than 131072 bytes"},
	},
	"an empty bundle of certificate authorities is refused": {
		reason: "to trust nobody is a mistake",
		field:  "spec.caBundle", mutate: set("spec.caBundle", ""), wantErrors: []string{"should be at least 1 chars long"},
	},
	"certificate authorities that are not in base64 are refused": {
		reason: "as with every field of bytes",
		field:  "spec.caBundle", mutate: set("spec.caBundle", "-----BEGIN CERTIFICATE-----"), wantErrors: []string{"must be of type byte"},
	},

	"a timeout of one second is accepted": {
		reason: "the shortest",
		field:  "spec.timeout", mutate: set("spec.timeout", "1s"),
	},
	"a timeout of less than a second is refused": {
		reason: "every request would fail",
		field:  "spec.timeout", mutate: set("spec.timeout", "999ms"), wantErrors: []string{timeoutMessage},
	},
	"a timeout of thirty seconds is accepted": {
		reason: "the longest",
		field:  "spec.timeout", mutate: set("spec.timeout", "30s"),
	},
	"a timeout of more than thirty seconds is refused": {
		reason: "a lost create could still take effect after the settling time",
		field:  "spec.timeout", mutate: set("spec.timeout", "30.001s"), wantErrors: []string{timeoutMessage},
	},
	"a timeout without a unit is refused": {
		reason: "the message shows how it is written",
		field:  "spec.timeout", mutate: set("spec.timeout", "15"), wantErrors: []string{timeoutMessage},
	},
}
