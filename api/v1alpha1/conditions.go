// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types.
const (
	// ReadyCondition sums up the others: the resource does its job now, as its present spec asks for. It stays True
	// through an outage of the API for as long as what was published still works and nothing new is asked for.
	ReadyCondition = "Ready"
	// SyncedCondition says whether SFS holds what the spec asks for, as of the last comparison (SfsClient,
	// SfsClientUser).
	SyncedCondition = "Synced"
	// SecretReadyCondition says whether the Secret of identifiers is as it should be (SfsClient, SfsClientUser).
	SecretReadyCondition = "SecretReady"
	// TokenValidCondition says whether the token Secret holds a token that an application can count on (SfsClient,
	// OAuthToken).
	TokenValidCondition = "TokenValid"
	// CredentialsValidCondition says whether SFS accepts the API key and secret (SfsPlatform).
	CredentialsValidCondition = "CredentialsValid"
	// ThrottledCondition is True while SFS wants no requests (429), and absent otherwise (SfsPlatform).
	ThrottledCondition = "Throttled"
	// NextCredentialsValidCondition says whether SFS accepts the pair of spec.nextCredentialsSecretRef; absent where
	// none is named (SfsPlatform).
	NextCredentialsValidCondition = "NextCredentialsValid"
	// ReconcilingCondition and StalledCondition follow kstatus: present only while True. Reconciling: the operator is
	// at work or waits for something that comes by itself. Stalled: a person is needed.
	ReconcilingCondition = "Reconciling"
	StalledCondition     = "Stalled"
)

// Reasons of conditions that are as they should be.
const (
	// AvailableReason (Ready): all is well. Nothing to do.
	AvailableReason = "Available"
	// InSyncReason (Synced): SFS holds what the spec asks for. Nothing to do.
	InSyncReason = "InSync"
	// PublishedReason (SecretReady): the Secret is written. Nothing to do.
	PublishedReason = "Published"
	// IssuedReason (TokenValid): the Secret holds a living token, which is renewed in time. Nothing to do.
	IssuedReason = "Issued"
	// VerifiedReason (CredentialsValid, NextCredentialsValid): SFS gave a token for these credentials. Nothing to do.
	VerifiedReason = "Verified"
	// DisabledReason (TokenValid): spec.token.enabled is false. Nothing to do.
	DisabledReason = "Disabled"
	// DriftDetectedReason (Synced): SFS holds something else than the spec asks for, and is left so by managementPolicy
	// Observe or driftPolicy Report. status.pendingChanges says what. To end it, change SFS, the spec or the policy.
	DriftDetectedReason = "DriftDetected"
	// ProgressingReason: the work has begun, or a change of the spec waits for its turn, or another resource that has the
	// same client is being deleted. Wait; it goes on by itself.
	ProgressingReason = "Progressing"
)

// Reasons that clear up by themselves, or once another resource is put right.
const (
	// PlatformNotFoundReason: there is no SfsPlatform of that name. Create it, or correct spec.platformRef (which
	// means to create the resource anew). Tokens that were published stay until they expire.
	PlatformNotFoundReason = "PlatformNotFound"
	// ClientNotFoundReason: there is no SfsClient of that name in the namespace. Create it, or correct spec.clientRef.
	ClientNotFoundReason = "ClientNotFound"
	// ClientNotReadyReason: the SfsClient has no clientKey yet. Look at its conditions.
	ClientNotReadyReason = "ClientNotReady"
	// APIUnavailableReason: SFS, or the provider of an OAuthToken, cannot be reached, or answers with a server error or
	// something unintelligible. Tried again by itself; if it lasts, look at the network of the operator, at spec.baseURL of
	// the SfsPlatform (spec.provider of the OAuthToken), and at the status page of the API.
	APIUnavailableReason = "APIUnavailable"
	// ThrottledReason: SFS, or the provider of an OAuthToken, asked for a pause (429). Tried again after it; if it is
	// frequent, lower spec.rateLimit of the SfsPlatform, or ask the provider for more.
	ThrottledReason = "Throttled"
	// CreateOutcomeUnknownReason: the answer to a create was lost, and SFS does not show the object yet. Wait: it is looked
	// up again, and made again only after 60 s, in which the lost request must have ended.
	CreateOutcomeUnknownReason = "CreateOutcomeUnknown"
	// SecretWriteFailedReason: the API server refuses the Secret, and the log of the operator says why. Forbidden: look at
	// quotas and admission policies. Invalid: the type of the Secret demands other keys or values. An immutable Secret of
	// somebody else has to be replaced. One of the operator that has become immutable, or is to be of another type, is
	// deleted and made anew; where a finalizer of somebody else prevents that, the message names it. The Secret that was
	// there stays.
	SecretWriteFailedReason = "SecretWriteFailed"
)

// Reasons that somebody has asked for.
const (
	// SuspendedReason: spec.suspend or the annotation sendforsign.com/paused stops all work. Take it away when the work is
	// to go on; until then nothing is repaired, and a token is not renewed. Ready keeps its status while the token can be
	// counted on.
	SuspendedReason = "Suspended"
)

// Reasons that need a person.
const (
	// CredentialsSecretNotFoundReason: the Secret named by spec.credentialsSecretRef is not in the namespace of the
	// operator (of an OAuthToken: in its own). Create it there.
	CredentialsSecretNotFoundReason = "CredentialsSecretNotFound"
	// CredentialsSecretMalformedReason: that Secret lacks a key (of an SfsPlatform apiKey or secret, of an OAuthToken the one
	// that the message names), or one is empty or has a space or line break around it. Correct it. Where only what accountCheck
	// needs is wrong, the account is not checked, and the token is renewed all the same.
	CredentialsSecretMalformedReason = "CredentialsSecretMalformed"
	// CredentialsInvalidReason: SFS refuses the API key and secret, or the provider of an OAuthToken its client. Put the
	// right pair in the credentials Secret; tokens that were published stay until they expire.
	CredentialsInvalidReason = "CredentialsInvalid"
	// InvalidConfigurationReason: the SfsPlatform cannot be used as it is written. The message says which field.
	InvalidConfigurationReason = "InvalidConfiguration"
	// NamespaceNotAllowedReason: the SfsPlatform does not serve this namespace. Have its spec.allowedNamespaces
	// changed, or move the resource. Tokens that were published stay until they expire.
	NamespaceNotAllowedReason = "NamespaceNotAllowed"
	// RequestRefusedReason: SFS, or the provider of an OAuthToken, refuses what the spec asks for. Correct the field that
	// the message names.
	RequestRefusedReason = "RequestRefused"
	// AccessDeniedReason: SFS accepts the credentials but not this request. Ask SFS what the account may do.
	AccessDeniedReason = "AccessDenied"
	// AmbiguousCustomKeyReason: SFS holds several objects with this customKey; the operator chooses none. Change the
	// customKey of all but the right one at SFS. The message names some of their keys.
	AmbiguousCustomKeyReason = "AmbiguousCustomKey"
	// RemoteMissingReason: SFS no longer knows the clientKey or userKey in status. A new one is not made, since it
	// would have none of the contracts. Have it restored by SFS, or delete the resource and create it anew.
	RemoteMissingReason = "RemoteMissing"
	// DefaultUserUnknownReason: of an SfsClientUser, it cannot be told which user of the client is the default one, or that
	// one has another customKey. Set its customKey at SFS as the message says. Of an SfsClient (with SecretReady True), SFS
	// refuses to list the users, so that the Secret does without the key of the default one: let the account list users, if
	// that is needed.
	DefaultUserUnknownReason = "DefaultUserUnknown"
	// AdoptionNotAllowedReason: the SfsPlatform does not let this namespace name this customKey or clientKey. Have its
	// spec.adoption changed; a key that begins with the customKeyPrefix of an SfsPlatform and a slash (of an SfsClientUser:
	// with the customKey of its client and a slash) can never be named.
	AdoptionNotAllowedReason = "AdoptionNotAllowed"
	// ClientTakenReason: another resource, which the message names, has the same client (or user) at SFS, or is older and
	// names it. Delete one of the two.
	ClientTakenReason = "ClientTaken"
	// NothingToAdoptReason: SFS has no client (or user) of the key that the resource names, and none may be created by
	// adoptionPolicy Adopt, managementPolicy Observe or since it is named by its clientKey (userKey). Correct the key (in a
	// new resource) or the policy. It is looked for again after 30 s to 10 min.
	NothingToAdoptReason = "NothingToAdopt"
	// AlreadyExistsReason: SFS has a client (or user) of this customKey already, and adoptionPolicy is Create. Set
	// adoptionPolicy AdoptOrCreate to take it.
	AlreadyExistsReason = "AlreadyExists"
	// ConflictingManagerReason: somebody else keeps undoing what the operator corrects at SFS, so it has stopped. Find out
	// who (another cluster with the same customKeyPrefix?), then set sendforsign.com/reconcile-requested-at. The token is
	// renewed all the same.
	ConflictingManagerReason = "ConflictingManager"
	// TokenRejectedReason (TokenValid): SFS takes neither the published token nor the one before it, although it gave both.
	// Ask SFS why. No more are minted for it, but at their usual times; it clears up by itself when SFS takes the token.
	TokenRejectedReason = "TokenRejected"
	// DeletingReason (Ready): the SfsPlatform is being deleted while SfsClients still use it, which the message names. Wait:
	// it is gone after a minute at the latest. Delete them too, if their tokens are to be revoked.
	DeletingReason = "Deleting"
	// TemplateErrorReason (SecretReady): what the spec says of the content of a Secret can not be carried out; the message
	// names the field, and in a template the line. The Secret stays as it is, and its token is renewed in its last form.
	// Correct the field.
	TemplateErrorReason = "TemplateError"
	// SecretNotFoundReason (SecretReady, TokenValid): with creationPolicy Merge the Secret must be there. Create it.
	SecretNotFoundReason = "SecretNotFound"
	// HostNotAllowedReason (TokenValid): the operator's flag --oauth-allowed-hosts does not name the host of a URL in
	// spec.provider.generic, so that no request is sent. Correct the URL, or have whoever runs the operator add the host. A
	// token that was published stays until it expires.
	HostNotAllowedReason = "HostNotAllowed"
	// ScopeRefusedReason (TokenValid): the provider does not give this client the scopes of spec.scopes. Correct them
	// (letters are compared as they are written), or have the client given them at the provider. A token that was
	// published stays until it expires.
	ScopeRefusedReason = "ScopeRefused"
	// RefreshTokenRefusedReason (TokenValid): the provider refuses the refresh token: it has expired or was revoked, was
	// replaced in an answer that was lost, or another OAuthToken or program uses the same one. Have a person grant access
	// anew, for this OAuthToken alone, and put the new refreshToken into the credentials Secret. A token that was published
	// stays until it expires.
	RefreshTokenRefusedReason = "RefreshTokenRefused"
	// MalformedResponseReason (TokenValid): the provider answered with a token that can not be kept alive, such as one
	// without expires_in. It is not published; the one before it stays until it expires. Look at spec.provider, or ask the
	// provider.
	MalformedResponseReason = "MalformedResponse"
	// AccountSuspendedReason (Ready): the provider takes the token, but has suspended the account; the message has the
	// status that it gives. Set the account right at the provider. The token is renewed all the same.
	AccountSuspendedReason = "AccountSuspended"
	// SecretConflictReason: a Secret of that name belongs to somebody else and is left alone. Rename or delete it,
	// or choose another name in the spec.
	SecretConflictReason = "SecretConflict"
)

// Reasons of TokenValid beside the above, which say what ails a token that still lives (status True) or why there is
// none that can be counted on (status False).
const (
	// TokenMissingReason: no token has been published yet. The Ready condition says what it waits for.
	TokenMissingReason = "TokenMissing"
	// TokenExpiringReason: the token is about to die or is dead, and could not be renewed. The message says why.
	TokenExpiringReason = "TokenExpiring"
)
