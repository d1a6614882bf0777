package sfstest

import "time"

// Behaviour settles what the public documentation of the API leaves open, one field per question. The zero value of each
// field is what the newest page says, or the best guess where no page says anything. A client should do well under all
// of them. The numbers are those of the package comment.
type Behaviour struct {
	Envelope        Envelope        // 1
	Codes           Codes           // 2
	Statuses        Statuses        // 3
	Times           Times           // 4
	BadCredentials  BadCredentials  // 5
	MissingAuth     MissingAuth     // 6
	UnknownBearer   UnknownBearer   // 7
	ExpiredBearer   ExpiredBearer   // 8
	NotFound        NotFound        // 9
	BadRequest      BadRequest      // 10
	CustomKeys      CustomKeys      // 11
	Matches         Matches         // 12
	Criteria        Criteria        // 13
	DefaultUser     DefaultUser     // 14
	DefaultFlag     DefaultFlag     // 15
	Auth            AuthPolicy      // 16
	Renewal         Renewal         // 17
	TokenCap        int             // 17: with CapTokens, how many tokens of one subject live
	PlatformRevoke  PlatformRevoke  // 18
	ClientTokenLife ClientTokenLife // 19
	RevokeUnknown   RevokeUnknown   // 20
	ExpiresIn       ExpiresIn       // 21
	ClockSkew       time.Duration   // 22: how far the server's clock is ahead of the Clock
	Delete          Delete          // 25
	GoneClientToken GoneClientToken // 26
	EmptyFields     UpdateRule      // 27: an update with "" or null
	CustomKeyUpdate UpdateRule      // 27: an update of the customKey
	EmptyList       EmptyList       // 28
	ListOrder       ListOrder       // 28
	ListLimit       int             // 28: a list is cut to so many items; 0 is no limit
	ContentTypes    ContentTypes    // 29
	Rotation        Rotation        // 32
	PlainHTTP       PlainHTTP       // 33
}

// Envelope is the form in which the creation of a client token and both revocations are accepted.
type Envelope uint8

const (
	AcceptBoth    Envelope = iota // bare, or wrapped in "data"
	AcceptBare                    // bare only, as documented
	AcceptWrapped                 // wrapped only
)

// Codes is the type of "code" in the answers.
type Codes uint8

const (
	CodesDocumented Codes = iota // strings for clients and users, numbers for tokens and errors
	CodesNumber
	CodesString
	CodesAbsent
)

// Statuses is the HTTP status of successes; the code in the body stays as documented.
type Statuses uint8

const (
	StatusesDocumented Statuses = iota // 200 for read and list, else 201
	Statuses200
	Statuses201
)

// Times is the form of createTime and changeTime.
type Times uint8

const (
	TimesISO   Times = iota // 2024-04-08T08:58:54.000Z
	TimesPlain              // 2023-12-01 12:18:55
)

// BadCredentials is the answer to a wrong API key or secret on /token.
type BadCredentials uint8

const (
	BadCredentials403 BadCredentials = iota
	BadCredentials401
	BadCredentials400
	BadCredentials404
	BadCredentials200 // HTTP 200 with code 403
)

// MissingAuth is the answer to a request without credentials.
type MissingAuth uint8

const (
	MissingAuth401 MissingAuth = iota
	MissingAuth403
)

// UnknownBearer is the answer to an unknown or revoked token.
type UnknownBearer uint8

const (
	UnknownBearer401 UnknownBearer = iota // with a message of its own
	UnknownBearer403
	UnknownBearerExpired // 401 "Token expired"
)

// ExpiredBearer is the answer to an expired token.
type ExpiredBearer uint8

const (
	ExpiredBearer401  ExpiredBearer = iota // {"message":"Token expired","code":401}
	ExpiredBearer2024                      // 400 {"error":{"message":"The token has been expired."}}
)

// NotFound is the answer to a read, an update or a user call of what does not exist.
type NotFound uint8

const (
	NotFound404        NotFound = iota
	NotFoundEmpty200            // HTTP 200 without the object
	NotFound200Code404          // HTTP 200 with code 404
	NotFound400
)

// BadRequest is the answer to a malformed request.
type BadRequest uint8

const (
	BadRequest400 BadRequest = iota
	BadRequest200            // HTTP 200 with code 400
)

// CustomKeys is the answer to the creation of a client with a customKey that another client of the account has.
type CustomKeys uint8

const (
	CustomKeysRepeat CustomKeys = iota // a second client is made
	CustomKeys400
	CustomKeys409
	CustomKeysExisting // the existing client is answered, unchanged
)

// Matches is the answer to a read that several objects match.
type Matches uint8

const (
	MatchesFirst Matches = iota
	MatchesLast
	Matches400
	Matches404
)

// Criteria is how several criteria of a read are combined.
type Criteria uint8

const (
	CriteriaAnd Criteria = iota
	CriteriaOr
	CriteriaFirst // the first counts, in the order of the documentation: key, fullname, email, organization, customKey
)

// DefaultUser is what the creation of a client without users does.
type DefaultUser uint8

const (
	DefaultUserReturned DefaultUser = iota // makes one, and returns it
	DefaultUserHidden                      // makes one
	DefaultUserNone
)

// DefaultFlag is which user is the default one if a client is created with users.
type DefaultFlag uint8

const (
	DefaultFirst DefaultFlag = iota // the first
	DefaultExtra                    // another one, made first
)

// AuthPolicy is which credentials the client and user calls take. A client token reads its own client in all but
// AuthAPIKeyOnly.
type AuthPolicy uint8

const (
	// AuthDocumented: API key or platform token for clients; API key and clientKey, or client token, for users.
	AuthDocumented AuthPolicy = iota
	// AuthBearerOnly takes no API key.
	AuthBearerOnly
	// AuthAPIKeyOnly takes no token.
	AuthAPIKeyOnly
	// AuthPlatformOnUsers also takes a platform token and clientKey for users.
	AuthPlatformOnUsers
)

// Renewal is what a new token does to the older ones of the same client, or of the account.
type Renewal uint8

const (
	RenewalKeeps   Renewal = iota // they live until they expire
	RenewalRevokes                // they die at once
	RenewalCaps                   // the oldest die, until TokenCap are left
)

// PlatformRevoke is what revoking a platform token does to the client tokens made with it.
type PlatformRevoke uint8

const (
	PlatformRevokeAlone PlatformRevoke = iota
	PlatformRevokeCascades
)

// ClientTokenLife is how long a client token lives.
type ClientTokenLife uint8

const (
	ClientTokenLifeOwn    ClientTokenLife = iota
	ClientTokenLifeCapped                 // not longer than the platform token that it was made with; expires_in says so
)

// RevokeUnknown is the answer to the revocation of a client token that is unknown, expired or revoked.
type RevokeUnknown uint8

const (
	RevokeUnknown201 RevokeUnknown = iota
	RevokeUnknown404
	RevokeUnknown401
	RevokeUnknown400
)

// ExpiresIn is the type of expires_in.
type ExpiresIn uint8

const (
	ExpiresInNumber ExpiresIn = iota
	ExpiresInString
)

// Delete is the answer to the action "delete", which is documented for neither clients nor users.
type Delete uint8

const (
	DeleteUnknownAction Delete = iota // as any other unknown action
	Delete404
)

// GoneClientToken is the answer to the creation of a token for a client that does not exist (any more).
type GoneClientToken uint8

const (
	GoneClientToken404 GoneClientToken = iota
	GoneClientToken403
	GoneClientToken400
)

// UpdateRule is what becomes of a questionable field of an update.
type UpdateRule uint8

const (
	UpdateApplied UpdateRule = iota
	UpdateIgnored
	Update400
)

// EmptyList is the answer to a list of nothing.
type EmptyList uint8

const (
	EmptyListArray EmptyList = iota
	EmptyList404
)

// ListOrder is the order of a list.
type ListOrder uint8

const (
	ListByCreation ListOrder = iota
	ListShuffled
)

// ContentTypes is which content types a request may have. All others are answered 415.
type ContentTypes uint8

const (
	ContentTypesBoth ContentTypes = iota // application/json and application/vnd.api+json
	ContentTypesJSON                     // application/json
)

// Rotation is what RotateCredentials does to the living tokens.
type Rotation uint8

const (
	RotationKeepsTokens Rotation = iota
	RotationKillsTokens
)

// PlainHTTP is the answer to plain HTTP.
type PlainHTTP uint8

const (
	PlainHTTPRefused    PlainHTTP = iota // 400 on the one port there is; Server.PlainURL is empty
	PlainHTTPRedirected                  // Server.PlainURL answers 301 to https
)
