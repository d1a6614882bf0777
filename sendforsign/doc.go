// Package sendforsign is a client of the Sendforsign API
// (https://about.sendforsign.com/api-reference/introapi): tokens, clients and users.
//
// The API is RPC over POST: one URL per entity, and the verb is in the body. It has no delete for a client or a user, no
// idempotency key, and documents few of its errors. The package is therefore built around one question, which
// matters most when a client is created: did the request take effect? Every error is an [*Error], and exactly one of
// the predicates below is true for it, or none:
//
//	IsNotSent         it never reached the server
//	IsInvalid         the server refused it: 4xx
//	IsUnauthorized    the server refused the credential: 401, 403
//	IsNotFound        the server does not know the object: 404
//	IsThrottled       the server asks for patience: 429; see RetryAfter
//	IsUnknownOutcome  it may have taken effect: look before you try again
//
// None is true for a redirect (never followed, since it would carry credentials elsewhere) and for 425; both are sure
// refusals. No call is ever sent twice by this package.
//
//	api, err := sendforsign.New("https://api.sendforsign.com/api")
//	if err != nil { ... }
//	defer api.Close()
//	platform, err := api.CreatePlatformToken(ctx, credentials)
//	if err != nil { ... }
//	tenant, err := api.CreateClient(ctx, sendforsign.PlatformToken(platform.AccessToken),
//		sendforsign.ClientFields{FullName: "Acme", CustomKey: "cluster/namespace/acme"})
package sendforsign
