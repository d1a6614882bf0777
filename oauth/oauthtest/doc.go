// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package oauthtest is a stateful simulator of OAuth 2.0 servers for tests: Signicat (Express, and the new platform), Secured
// Signing, and any other. It is a TLS server on a loopback address that keeps clients, tokens and refresh tokens in memory,
// validates requests strictly, logs calls and injects faults. All providers are there at once, each under the paths that it
// really has; see Provider.
//
//	server := oauthtest.New()
//	defer server.Close()
//	pool := x509.NewCertPool()
//	pool.AppendCertsFromPEM(server.CABundle())
//	client := server.AddClient(oauthtest.SignicatPlatform)
//	endpoint, err := oauth.New(server.TokenURL(client.Provider), oauth.WithRootCAs(pool))
//
// Every token, refresh token, client secret and key begins with CanaryPrefix, which is that of sfstest, so that a leak into
// a log, an event or a status is found by a search for that one word.
//
// The providers leave much open. Each open question is a field of Behaviour, a method or a fault:
//
//	status of OAuth errors                     Behaviour.Errors
//	error_description                          Behaviour.Descriptions
//	client authentication                      Behaviour.ClientAuth
//	type of expires_in                         Behaviour.ExpiresIn
//	life of a token                            WithTokenLifetime, Server.SetTokenLifetime
//	scope in the answer                        Behaviour.ScopeAnswer
//	a scope that the client does not have      Behaviour.Scopes, Server.SetScopes
//	new token, old tokens                      Behaviour.Renewal
//	client secret withdrawn, its tokens        Server.WithdrawSecret, Behaviour.Withdrawal
//	refresh tokens rotate                      Behaviour.Rotation, Behaviour.Grace
//	an answer without a refresh token          Behaviour.Unrotated
//	a refresh token used twice                 Behaviour.Reuse
//	life of a refresh token                    Behaviour.RefreshLife, Server.Reseed
//	revocation, and the refresh token          Behaviour.Revocation
//	reply to a revocation at Secured Signing   Behaviour.RevokeReply
//	date and nonce of a signature              Behaviour.DateTolerance, Behaviour.Dates, Behaviour.Nonces
//	Referer                                    Behaviour.Referers
//	state of an account                        Server.SetAccount
//	throttling                                 Fault with Status 429 and a Retry-After header
//	server errors, lost and slow answers       Fault with Status 5xx, Apply, CutAfter, Latency …
package oauthtest
