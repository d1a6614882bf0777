// Package sfstest is a stateful simulator of the Sendforsign API for tests: a TLS server on a loopback address that keeps
// accounts, clients, users and tokens in memory, validates requests strictly, logs calls and injects faults. It implements
// what https://about.sendforsign.com/api-reference/introapi documents for /token, /client and /user.
//
//	server := sfstest.New()
//	defer server.Close()
//	pool := x509.NewCertPool()
//	pool.AppendCertsFromPEM(server.CABundle())
//	api, err := sendforsign.New(server.BaseURL(), sendforsign.WithRootCAs(pool))
//
// Every token, API key and secret begins with CanaryPrefix, so that a leak into a log, an event or a status is found by
// a search for that one word.
//
// The documentation leaves much open. Each open question is a field of Behaviour, an option or a fault:
//
//	 1 envelope of the client token calls           Behaviour.Envelope
//	 2 type of "code"                               Behaviour.Codes
//	 3 HTTP status of a success                     Behaviour.Statuses
//	 4 time format                                  Behaviour.Times
//	 5 wrong API key or secret                      Behaviour.BadCredentials
//	 6 missing credentials                          Behaviour.MissingAuth
//	 7 unknown or revoked token                     Behaviour.UnknownBearer
//	 8 expired token                                Behaviour.ExpiredBearer
//	 9 client or user not found                     Behaviour.NotFound
//	10 malformed request                            Behaviour.BadRequest
//	11 customKey given twice                        Behaviour.CustomKeys
//	12 read with several matches                    Behaviour.Matches
//	13 read with several criteria                   Behaviour.Criteria
//	14 default user of a client without users       Behaviour.DefaultUser
//	15 default user of a client with users          Behaviour.DefaultFlag
//	16 credentials of client and user calls         Behaviour.Auth
//	17 new token, old tokens                        Behaviour.Renewal, Behaviour.TokenCap
//	18 revoked platform token, its client tokens    Behaviour.PlatformRevoke
//	19 client token outliving its platform token    Behaviour.ClientTokenLife
//	20 revocation of a dead or unknown token        Behaviour.RevokeUnknown
//	21 token life                                   WithTokenLifetime, Server.SetTokenLifetime, Behaviour.ExpiresIn
//	22 clock skew                                   Behaviour.ClockSkew
//	23 throttling                                   Fault with Status 429 and a Retry-After header
//	24 server errors, ambiguous creation            Fault with Status 5xx, Apply, CutAfter …
//	25 the action "delete"                          Behaviour.Delete
//	26 client deleted by the vendor                 Server.RemoveClient, Behaviour.GoneClientToken
//	27 update with empty values, of the customKey   Behaviour.EmptyFields, Behaviour.CustomKeyUpdate
//	28 list: empty, order, truncation               Behaviour.EmptyList, Behaviour.ListOrder, Behaviour.ListLimit
//	29 content types                                Behaviour.ContentTypes
//	32 API key rotated in the dashboard             Server.RotateCredentials, Behaviour.Rotation
//	33 plain HTTP                                   Behaviour.PlainHTTP
//	34 scope of a list                              all clients of the account, whoever made them; see Server.AddAccount
//
// 30 (read-back of settings) and 31 (signatures of webhooks) are left out: the simulator has neither endpoint.
package sfstest
