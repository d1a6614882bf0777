// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// wholeObject is how the API server names the object itself where it would name a field.
const wholeObject = "<nil>"

// validationCase is one request to the API server.
type validationCase struct {
	reason string
	// field is what the case is about: where the API server has to find the fault, if there is one. TestEveryRuleHasACase
	// goes by it.
	field string
	// before, if set, makes the case an update: of an object created with it, by mutate.
	before change
	// mutate makes of the least that is accepted what is sent.
	mutate change
	// wantErrors are parts of what the API server says. None: the request is accepted.
	wantErrors []string
}

const (
	anotherClientMessage   = "create another SfsClient"
	anotherUserMessage     = "create another SfsClientUser"
	baseURLMessage         = "must be an https URL without credentials, query or fragment, such as https://api.sendforsign.com/api"
	emailMessage           = "email must be an e-mail address"
	namesOrSelectorMessage = "set either names or selector"
	prefixMessage          = "customKeyPrefix must be lower-case letters, digits, '-' and '.', and begin and end with a letter or digit"
	renewBeforeMessage     = "renewBefore must be at least 3m, so that a new token reaches applications before the old one dies"
	requiredMessage        = "Required value"
	secretNameMessage      = "name must be a valid name of a Secret: lower-case letters, digits, '-' and '.'"
	secretsDifferMessage   = "spec.secret.name and spec.token.secret.name must differ: one Secret is stable, the other changes with each token"
	timeoutMessage         = "timeout must be from 1s to 30s"
)

func letters(n int) string { return strings.Repeat("a", n) }

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
	"the revocation policy OnDelete is accepted": {
		reason: "the default, in words",
		field:  "spec.token.revocationPolicy", mutate: set("spec.token.revocationPolicy", "OnDelete"),
	},
	"the revocation policy Never is accepted": {
		reason: "the other one",
		field:  "spec.token.revocationPolicy", mutate: set("spec.token.revocationPolicy", "Never"),
	},
	"another revocation policy is refused": {
		reason: "the message lists those that there are",
		field:  "spec.token.revocationPolicy", mutate: set("spec.token.revocationPolicy", "OnRotate"),
		wantErrors: []string{"Unsupported value", `supported values: "OnDelete", "Never"`},
	},

	"a token of no Secret is refused in status": {
		reason: "a token stands in a Secret",
		field:  "status.token.secretRef", mutate: set("status.token.revision", int64(1)), wantErrors: []string{requiredMessage},
	},
	"a Secret of the token without a name is refused in status": {
		reason: "it refers to nothing",
		field:  "status.token.secretRef.name", mutate: set("status.token.secretRef", map[string]any{}), wantErrors: []string{requiredMessage},
	},
}

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
			wantErrors: []string{"Unsupported value", `supported values: "Created", "Recovered"`},
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

// casesOf are all cases of a kind.
func casesOf(t *testing.T, kind string) map[string]validationCase {
	t.Helper()
	groups := map[string][]map[string]validationCase{
		platformKind: {platformCases},
		clientKind: {
			clientCases, personCases(), identityStatusCases(),
			secretNameCases("spec.secret.name"), secretNameCases("spec.token.secret.name"),
		},
		userKind: {userCases, personCases(), identityStatusCases(), secretNameCases("spec.secret.name")},
	}
	cases := map[string]validationCase{}
	for _, group := range groups[kind] {
		for name, c := range group {
			if _, twice := cases[name]; twice {
				t.Fatalf("%s has two cases %q", kind, name)
			}
			cases[name] = c
		}
	}
	return cases
}

func TestValidation(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for name, c := range casesOf(t, kind) {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				err := c.send(t, newObject(kind))
				if len(c.wantErrors) == 0 {
					if err != nil {
						t.Errorf("refused, though %s: %v", c.reason, err)
					}
					return
				}
				c.checkRefusal(t, err)
			})
		}
	}
}

// send creates the object, or updates it, or its status.
func (c validationCase) send(t *testing.T, o *unstructured.Unstructured) error {
	t.Helper()
	ofStatus := strings.HasPrefix(c.field, "status.")
	if c.before == nil && !ofStatus {
		c.mutate(o)
		return cluster.strict.Create(t.Context(), o, client.DryRunAll)
	}
	if c.before != nil {
		c.before(o)
	}
	create(t, o)
	c.mutate(o)
	if ofStatus {
		return cluster.strict.Status().Update(t.Context(), o)
	}
	return cluster.strict.Update(t.Context(), o)
}

// checkRefusal wants the fault to be found where the case says, and nowhere else: else a case might be refused for a
// mistake of its own.
func (c validationCase) checkRefusal(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted, though %s", c.reason)
	}
	var status *apierrors.StatusError
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		t.Fatalf("got %v, want it to be invalid", err)
	}
	var said []string
	for _, cause := range status.Status().Details.Causes {
		switch {
		case strings.Contains(cause.Message, "some validation rules were not checked because the object was invalid"):
			// It goes with every fault of the schema.
		case cause.Field == c.field:
			said = append(said, cause.Message)
		default:
			t.Errorf("%s is found to be at fault as well: %s", cause.Field, shorten(cause.Message))
		}
	}
	for _, want := range c.wantErrors {
		if !slices.ContainsFunc(said, func(message string) bool { return strings.Contains(message, want) }) {
			t.Errorf("nothing that is said of %s contains %q: %s", c.field, want, shorten(err.Error()))
		}
	}
}

func shorten(text string) string {
	const most = 600
	if len(text) > most {
		return text[:most/2] + " ... " + text[len(text)-most/2:]
	}
	return text
}

func TestConditionsAreAMapByType(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			o := newObject(kind)
			create(t, o)
			condition := map[string]any{
				"type": "Ready", "status": "True", "reason": "Available", "message": "",
				"lastTransitionTime": metav1.Now().UTC().Format("2006-01-02T15:04:05Z"), "observedGeneration": int64(1),
			}
			set("status.conditions", []any{condition})(o)
			if err := cluster.strict.Status().Update(t.Context(), o); err != nil {
				t.Fatalf("one condition is refused: %v", err)
			}
			set("status.conditions", []any{condition, condition})(o)
			c := validationCase{
				reason: "there is one condition of each type", field: "status.conditions[1]", wantErrors: []string{"Duplicate value"},
			}
			c.checkRefusal(t, cluster.strict.Status().Update(t.Context(), o))
		})
	}
}
