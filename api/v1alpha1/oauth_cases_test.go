// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"maps"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	genericTokenURL = "https://id.example.com/oauth2/token"
	providerMessage = "set exactly one of signicat, securedSigning and generic"
)

// fromSignicat names Signicat instead of the provider that was there.
var fromSignicat = set("spec.provider", map[string]any{"signicat": map[string]any{"environment": "Platform"}})

// fromGeneric names a provider of its own, with what is given put in or, where it is nil, taken out.
func fromGeneric(with map[string]any) change {
	generic := map[string]any{"tokenURL": genericTokenURL}
	maps.Copy(generic, with)
	maps.DeleteFunc(generic, func(_ string, value any) bool { return value == nil })
	return set("spec.provider", map[string]any{"generic": generic})
}

// named sets the value of a field to the name of the object and a suffix.
func named(path, suffix string) change {
	return func(o *unstructured.Unstructured) { set(path, o.GetName()+suffix)(o) }
}

// oauthCases are those of the whole of an OAuthToken, and of its references.
func oauthCases() map[string]validationCase {
	const secret, credentials = "spec.token.secret.name", "spec.credentialsSecretRef.name"
	const (
		nameMessage   = "the name must have at most 200 characters, so that the names of its Secrets fit"
		differMessage = "spec.token.secret.name and spec.credentialsSecretRef.name must differ: the operator never writes the Secret of the credentials"
		stateMessage  = "neither spec.token.secret.name nor spec.credentialsSecretRef.name can be <name>-oauth-state"
	)
	return together(
		sizeCases(credentials, 1, 253, func(value string) change { return set(credentials, value) }),
		refusedCases(credentials, func(value string) change { return set(credentials, value) },
			"name must be the name of a Secret", "Credentials", "other/credentials", "a_b"),
		map[string]validationCase{
			"a token that says who gives it and by which credentials is accepted": {
				reason: "it is all that has no default", field: wholeObject, mutate: unchanged,
			},
			"a token without a spec is refused": {
				reason: "nobody is known who gives it", field: "spec", mutate: unset("spec"), wantErrors: []string{requiredMessage},
			},
			"a name of 200 characters is accepted": {
				reason: "the longest", field: wholeObject, mutate: set("metadata.name", letters(200)),
			},
			"a name of 201 characters is refused": {
				reason: "the names of its Secrets are longer",
				field:  wholeObject, mutate: set("metadata.name", letters(201)), wantErrors: []string{nameMessage},
			},
			"a token without credentials is refused": {
				reason: "nobody gives tokens to strangers",
				field:  "spec.credentialsSecretRef", mutate: unset("spec.credentialsSecretRef"), wantErrors: []string{requiredMessage},
			},
			"credentials without a name are refused": {
				reason: "they refer to nothing",
				field:  credentials, mutate: set("spec.credentialsSecretRef", map[string]any{}), wantErrors: []string{requiredMessage},
			},
			"other credentials are accepted later": {
				reason: "nothing of an OAuthToken is immutable", field: credentials, before: unchanged, mutate: set(credentials, "next"),
			},

			"the token in the Secret of the credentials is refused": {
				reason: "they would be overwritten",
				field:  wholeObject, mutate: set(secret, "credentials"), wantErrors: []string{differMessage},
			},
			"the token in the Secret of the credentials is refused also to be merged": {
				reason: "the operator never writes them",
				field:  wholeObject, mutate: all(set(secret, "credentials"), set("spec.token.secret.creationPolicy", "Merge")),
				wantErrors: []string{differMessage},
			},
			"credentials in the Secret of the token are refused": {
				reason: "they would be overwritten", field: wholeObject, mutate: named(credentials, "-oauth-token"),
				wantErrors: []string{differMessage},
			},
			"credentials in the Secret of the token are refused later": {
				reason: "they would be overwritten", field: wholeObject, before: set(secret, "token"), mutate: set(credentials, "token"),
				wantErrors: []string{differMessage},
			},
			"credentials under the default name of the Secret of the token are accepted when that has another": {
				reason: "strange, but they differ", field: wholeObject, mutate: all(named(credentials, "-oauth-token"), set(secret, "token")),
			},
			"the token in the Secret of the refresh token is refused": {
				reason: "the state would be lost", field: wholeObject, mutate: named(secret, "-oauth-state"), wantErrors: []string{stateMessage},
			},
			"credentials in the Secret of the refresh token are refused": {
				reason: "they would be overwritten",
				field:  wholeObject, mutate: named(credentials, "-oauth-state"), wantErrors: []string{stateMessage},
			},
			"the Secret of the refresh token of another resource is accepted": {
				reason: "whose a Secret is, is seen when it is written", field: wholeObject, mutate: set(secret, "other-oauth-state"),
			},

			"netrc is accepted where the host of the API is known": {
				reason: "it names it",
				field:  "spec", mutate: all(fromSignicat, set("spec.token.secret.formats", []any{map[string]any{"format": "netrc"}})),
			},
			"netrc is refused of a generic provider": {
				reason: "there is no host to name",
				field:  "spec", mutate: all(fromGeneric(nil), set("spec.token.secret.formats", []any{
					map[string]any{"format": "json"}, map[string]any{"format": "netrc"},
				})),
				wantErrors: []string{"token.secret.formats: netrc names the host of an API, and provider generic knows none"},
			},
			"other formats are accepted of a generic provider": {
				reason: "they need no host",
				field:  "spec", mutate: all(fromGeneric(nil), set("spec.token.secret.formats", []any{
					map[string]any{"format": "json"}, map[string]any{"format": "env"}, map[string]any{"format": "nginx-header"},
				})),
			},
		},
	)
}

// providerCases are those of the union, and of each provider.
func providerCases() map[string]validationCase {
	const provider = "spec.provider"
	signicat := map[string]any{"environment": "Express"}
	cases := map[string]validationCase{
		"a token without a provider is refused": {
			reason: "nobody is known who gives it", field: provider, mutate: unset(provider), wantErrors: []string{requiredMessage},
		},
		"no provider is refused": {
			reason: "nobody is known who gives it",
			field:  provider, mutate: set(provider, map[string]any{}), wantErrors: []string{providerMessage},
		},
		"two providers are refused": {
			reason: "a token has one", field: provider, mutate: set(provider+".signicat", signicat), wantErrors: []string{providerMessage},
		},
		"three providers are refused": {
			reason: "a token has one", field: provider, wantErrors: []string{providerMessage},
			mutate: all(set(provider+".signicat", signicat), set(provider+".generic", map[string]any{"tokenURL": genericTokenURL})),
		},
		"a second provider is refused later": {
			reason: "a token has one", field: provider, before: fromSignicat, wantErrors: []string{providerMessage},
			mutate: set(provider+".securedSigning", map[string]any{}),
		},
		"another provider is accepted later": {
			reason: "the next token is of it", field: provider, before: unchanged, mutate: fromSignicat,
		},
		"Signicat without an environment is refused": {
			reason: "a client of one is unknown to the other", field: provider + ".signicat.environment",
			mutate: set(provider, map[string]any{"signicat": map[string]any{}}), wantErrors: []string{requiredMessage},
		},
		"a generic provider without a token URL is refused": {
			reason: "it is all that is needed", field: provider + ".generic.tokenURL",
			mutate: fromGeneric(map[string]any{"tokenURL": nil}), wantErrors: []string{requiredMessage},
		},
	}
	generic := func(field string) (string, func(value string) change) {
		return provider + ".generic." + field, func(value string) change { return fromGeneric(map[string]any{field: value}) }
	}
	groups := []map[string]validationCase{
		cases,
		wordCases(provider+".signicat.environment", func(word string) change {
			return set(provider, map[string]any{"signicat": map[string]any{"environment": word}})
		}, "Express", "Platform"),
		enumCases(provider+".securedSigning.region", "Global", "NewZealand"),
		enumCases(provider+".securedSigning.accountCheck", "Disabled", "Enabled"),
		caBundleCases(generic("caBundle")),
	}
	for _, name := range []string{"tokenURL", "revocationURL"} {
		field, put := generic(name)
		groups = append(groups, urlCases(field, name+" must be an https URL without credentials, query or fragment", put))
	}
	return together(groups...)
}

// urlCases are those of a URL to which a secret is sent.
func urlCases(field, message string, put func(value string) change) map[string]validationCase {
	cases := map[string]validationCase{
		field + " of nine characters is accepted": {reason: "the shortest there is", field: field, mutate: put("https://a")},
		field + " without a host is refused": {
			reason: "eight characters name nothing", field: field, mutate: put("https://"), wantErrors: []string{"should be at least 9 chars long"},
		},
		field + " of 512 characters is accepted": {reason: "the longest", field: field, mutate: put("https://a/" + letters(502))},
		field + " of 513 characters is refused": {
			reason: "one too many", field: field, mutate: put("https://a/" + letters(503)), wantErrors: []string{"may not be more than 512 bytes"},
		},
		field + " with a port and a path is accepted": {
			reason: "a provider may be anywhere; the operator has a list of hosts", field: field, mutate: put("https://id.example.com:8443/a/b"),
		},
		field + " with an address is accepted": {
			reason: "the list of hosts has the last word", field: field, mutate: put("https://[2001:db8::1]/token"),
		},
	}
	for what, bad := range map[string]string{
		"http":               "http://id.example.com/token",
		"another scheme":     "ftp://id.example.com/token",
		"no scheme":          "//id.example.com/token",
		"no host but a port": "https://:8443/token",
		"spaces":             "https://id example com",
		"a password":         "https://user:pass@id.example.com/token",
		"a name before it":   "https://user@id.example.com/token",
		"a query":            "https://id.example.com/token?client_secret=x",
		"a fragment":         "https://id.example.com/token#top",
	} {
		cases[field+" with "+what+" is refused"] = validationCase{
			reason: "a secret goes to an https URL, and none stands in it", field: field, mutate: put(bad), wantErrors: []string{message},
		}
	}
	return cases
}

// caBundleCases are those of certificate authorities.
func caBundleCases(field string, put func(value string) change) map[string]validationCase {
	return map[string]validationCase{
		"certificate authorities of 128 KiB are accepted": {
			reason: "the most, counted in base64", field: field, mutate: put(letters(131072)),
		},
		"certificate authorities of more than 128 KiB are refused": {
			reason: "the object would not fit into etcd with the rest",
			field:  field, mutate: put(letters(131076)), wantErrors: []string{"may not be more than 131072 bytes"},
		},
		"an empty bundle of certificate authorities is refused": {
			reason: "to trust nobody is a mistake", field: field, mutate: put(""), wantErrors: []string{"should be at least 1 chars long"},
		},
		"certificate authorities that are not in base64 are refused": {
			reason: "as with every field of bytes",
			field:  field, mutate: put("-----BEGIN CERTIFICATE-----"), wantErrors: []string{"must be of type byte"},
		},
	}
}

// grantCases are those of what each provider knows: of grants, of client authentication and of revocation.
func grantCases() map[string]validationCase {
	const grant, authentication, policy = "spec.grant", "spec.clientAuthentication", "spec.token.revocationPolicy"
	const (
		signicatMessage = "grant: Signicat gives tokens by ClientCredentials only; leave grant out or set ClientCredentials"
		securedMessage  = "grant: Secured Signing gives tokens by RefreshToken only; leave grant out or set RefreshToken"
		formMessage     = "clientAuthentication: Secured Signing takes the client secret in the form only; leave clientAuthentication out or set Form"
		revokeMessage   = "token.revocationPolicy OnRotate needs a provider that revokes tokens: securedSigning, or generic with a revocationURL"
	)
	onRotate := set(policy, "OnRotate")
	revoking := fromGeneric(map[string]any{"revocationURL": "https://id.example.com/oauth2/revoke"})
	cases := map[string]validationCase{
		"Signicat with its grant is accepted": {reason: "it says the same", mutate: all(fromSignicat, set(grant, "ClientCredentials"))},
		"Signicat with another grant is refused": {
			reason: "it gives no refresh tokens", mutate: all(fromSignicat, set(grant, "RefreshToken")), wantErrors: []string{signicatMessage},
		},
		"Signicat is refused later for the grant of another": {
			reason: "it gives no refresh tokens", before: set(grant, "RefreshToken"), mutate: fromSignicat, wantErrors: []string{signicatMessage},
		},
		"Signicat in the form is accepted":           {reason: "it takes both", mutate: all(fromSignicat, set(authentication, "Form"))},
		"Secured Signing with its grant is accepted": {reason: "it says the same", mutate: set(grant, "RefreshToken")},
		"Secured Signing with another grant is refused": {
			reason: "a person lets the client in", mutate: set(grant, "ClientCredentials"), wantErrors: []string{securedMessage},
		},
		"Secured Signing in the form is accepted": {reason: "it says the same", mutate: set(authentication, "Form")},
		"Secured Signing in the header is refused": {
			reason: "it documents none", mutate: set(authentication, "Basic"), wantErrors: []string{formMessage},
		},
		"all that does not go with Secured Signing is said at once": {
			reason: "two faults are two messages", mutate: all(set(grant, "ClientCredentials"), set(authentication, "Basic")),
			wantErrors: []string{securedMessage, formMessage},
		},

		"Signicat with OnRotate is refused": {
			reason: "whoever wrote it believes that tokens are revoked", mutate: all(fromSignicat, onRotate), wantErrors: []string{revokeMessage},
		},
		"Signicat with OnDelete is accepted": {reason: "it is the default", mutate: all(fromSignicat, set(policy, "OnDelete"))},
		"a generic provider with OnRotate is refused without a revocation URL": {
			reason: "whoever wrote it believes that tokens are revoked", mutate: all(fromGeneric(nil), onRotate), wantErrors: []string{revokeMessage},
		},
		"a generic provider with OnRotate is accepted with a revocation URL": {reason: "it revokes there", mutate: all(revoking, onRotate)},
		"a revocation URL that is taken away from OnRotate is refused": {
			reason: "tokens would no longer be revoked", before: all(revoking, onRotate), mutate: fromGeneric(nil), wantErrors: []string{revokeMessage},
		},
	}
	for _, g := range []string{"ClientCredentials", "RefreshToken"} {
		for _, a := range []string{"Basic", "Form"} {
			cases["a generic provider with "+g+" and "+a+" is accepted"] = validationCase{
				reason: "who names the URL knows what is there", mutate: all(fromGeneric(nil), set(grant, g), set(authentication, a)),
			}
		}
	}
	for name, c := range cases {
		c.field = "spec"
		cases[name] = c
	}
	return together(
		cases,
		wordCases(grant, func(word string) change { return all(fromGeneric(nil), set(grant, word)) }, "ClientCredentials", "RefreshToken"),
		wordCases(authentication, func(word string) change { return all(fromGeneric(nil), set(authentication, word)) }, "Basic", "Form"),
	)
}

// scopeCases are those of the scopes.
func scopeCases() map[string]validationCase {
	const list, first = "spec.scopes", "spec.scopes[0]"
	const scopeMessage = "a scope is printable ASCII without spaces, quotation marks and backslashes; each scope is an item of its own"
	scopes := func(all ...string) change {
		items := make([]any, len(all))
		for i, scope := range all {
			items[i] = scope
		}
		return set(list, items)
	}
	one := func(scope string) change { return scopes(scope) }
	many := func(n int) change {
		all := make([]string, n)
		for i := range all {
			all[i] = letters(253) + strconv.Itoa(100+i)
		}
		return scopes(all...)
	}
	return together(
		sizeCases(first, 1, 256, one),
		acceptedCases(first, one, "document_read", "https://id.example.com/scope/a", "!", "#", "[", "]", "~", "a:b.c-d"),
		refusedCases(first, one, scopeMessage, "document_read document_write", "a\"b", `a\b`, "a\tb", "a\n", "é", "a\x7f", "a\x00"),
		map[string]validationCase{
			"an empty list of scopes is accepted": {
				reason: "an empty list of a template says the same as none", field: list, mutate: scopes(),
			},
			"64 scopes are accepted": {reason: "the most, and the cost of the rules in CEL is bounded for them", field: list, mutate: many(64)},
			"65 scopes are refused": {
				reason: "one too many", field: list, mutate: many(65), wantErrors: []string{"must have at most 64 items"},
			},
			"a scope twice is refused": {
				reason: "a slip of the keyboard",
				field:  list, mutate: scopes("a", "b", "a"), wantErrors: []string{"scopes: name each only once"},
			},
			"scopes in other letters are accepted": {
				reason: "they are compared as they are written", field: list, mutate: scopes("Basic", "basic"),
			},
			"scopes may be changed, exchanged and taken away": {
				reason: "the next token has others", field: list, before: scopes("a", "b"), mutate: scopes("b", "a", strings.ToUpper("a")),
			},
		},
	)
}
