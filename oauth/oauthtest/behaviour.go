// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauthtest

import "time"

// Behaviour settles what the providers leave open, one field per question. The zero value of each field is what is documented,
// or the best guess where nothing is. A client should do well under all of them.
type Behaviour struct {
	Errors       Errors
	Descriptions Descriptions
	ClientAuth   ClientAuth
	ExpiresIn    ExpiresIn
	ScopeAnswer  ScopeAnswer
	Scopes       Scopes
	Renewal      Renewal
	Withdrawal   Withdrawal

	Rotation Rotation
	// Grace is how long a refresh token goes on being taken with RotateGrace. Default: a minute.
	Grace     time.Duration
	Unrotated Unrotated
	Reuse     Reuse
	// RefreshLife is the life of a refresh token. Default: without end.
	RefreshLife time.Duration
	Revocation  Revocation
	RevokeReply RevokeReply

	// DateTolerance is how far the date of a signature may be off. Default: five minutes.
	DateTolerance time.Duration
	Dates         Dates
	Nonces        Nonces
	Referers      Referers
}

// Errors is the status of OAuth errors.
type Errors uint8

const (
	Errors400 Errors = iota // all, as IdentityServer has it
	ErrorsRFC               // 401 for invalid_client, else 400
	Errors401               // all
)

// Descriptions is what error_description says.
type Descriptions uint8

const (
	DescriptionsAbsent Descriptions = iota
	DescriptionsGiven
	DescriptionsEchoed // the request, with its secrets
)

// ClientAuth is how clients may authenticate.
type ClientAuth uint8

const (
	ClientAuthDocumented ClientAuth = iota // in the form; with all but Secured Signing by Basic as well
	ClientAuthBasic
	ClientAuthForm
)

// ExpiresIn is the type of expires_in.
type ExpiresIn uint8

const (
	ExpiresInDocumented ExpiresIn = iota // a string with Secured Signing, else a number
	ExpiresInNumber
	ExpiresInString
	ExpiresInAbsent
)

// ScopeAnswer is whether answers say what was granted.
type ScopeAnswer uint8

const (
	ScopeAnswerDocumented ScopeAnswer = iota // not with Signicat Express
	ScopeAnswerGiven
	ScopeAnswerAbsent
)

// Scopes is the answer where a client asks for a scope that it does not have.
type Scopes uint8

const (
	ScopesRefused Scopes = iota // invalid_scope
	ScopesPartial               // a token with the others
)

// Renewal is what a new access token does to the older ones of the client.
type Renewal uint8

const (
	RenewalKeeps Renewal = iota
	RenewalRevokes
)

// Withdrawal is what becomes of the access tokens of a client when one of its secrets is withdrawn.
type Withdrawal uint8

const (
	WithdrawalKeeps Withdrawal = iota
	WithdrawalRevokes
)

// Rotation is whether a refresh gives another refresh token.
type Rotation uint8

const (
	RotateAlways Rotation = iota // and the old one is dead at once
	RotateNever
	RotateGrace // and the old one is taken for a while
)

// Unrotated is what an answer says of a refresh token that stays, with RotateNever.
type Unrotated uint8

const (
	UnrotatedEchoed Unrotated = iota
	UnrotatedAbsent
)

// Reuse is the answer to a refresh token that was replaced.
type Reuse uint8

const (
	ReuseRefused     Reuse = iota // invalid_grant
	ReuseRevokesMore              // and all tokens of the client are revoked, refresh tokens too
)

// Revocation is what dies with an access token that is revoked.
type Revocation uint8

const (
	RevocationOfToken   Revocation = iota // nothing else
	RevocationOfRefresh                   // the refresh tokens of the client as well
)

// RevokeReply is the reply of Secured Signing to a revocation.
type RevokeReply uint8

const (
	RevokeReply200 RevokeReply = iota
	RevokeReply302
)

// Dates is the form of the date in a signature.
type Dates uint8

const (
	DatesAny     Dates = iota // whole seconds, or a fraction
	DatesInteger              // whole seconds
)

// Nonces is whether a nonce is taken a second time.
type Nonces uint8

const (
	NoncesOnce Nonces = iota
	NoncesAgain
)

// Referers is whether the Referer has to be the callback URL.
type Referers uint8

const (
	ReferersChecked Referers = iota
	ReferersIgnored
)
