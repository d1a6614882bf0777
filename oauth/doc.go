// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package oauth is a client of the token endpoint of an OAuth 2.0 server (RFC 6749): client credentials, refresh, and
// revocation. It is for programs that keep tokens alive for others, and so has to be sure of three things: what an
// error asks to be done, that no refresh token is lost that was received, and that no secret is in an error.
//
//	endpoint, err := oauth.New("https://api.signicat.com/auth/open/connect/token")
//	if err != nil { ... }
//	defer endpoint.Close()
//	client := oauth.Client{ID: "sandbox-round-apple-123", Secret: clientSecret, Authentication: oauth.Basic}
//	token, err := endpoint.ClientCredentials(ctx, client, []string{"signicat-api"})
//
// Every error is an [*Error], and [KindOf] says what it asks for.
//
// Requests are made by golang.org/x/oauth2, always with a chosen way to authenticate: where it has to find out, it sends a
// request twice, which costs a refresh token that rotates. Answers are read here. The library drops an answer that it can
// not read as a whole, and with it the only copy of a new refresh token; it takes a life that is missing for one without
// end; and its errors quote bodies.
//
// No request is sent twice, and no redirect is followed.
package oauth
