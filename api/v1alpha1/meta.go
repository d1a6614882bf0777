// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Annotations that users set on the resources.
const (
	// ReconcileRequestedAtAnnotation asks for a comparison with SFS now (SfsClient, SfsClientUser), or to try the
	// credentials now (SfsPlatform). Any new value counts once; the value that
	// was last acted on stands in status.lastHandledReconcileAt.
	ReconcileRequestedAtAnnotation = "sendforsign.com/reconcile-requested-at"
	// RenewRequestedAtAnnotation, on an SfsClient or OAuthToken, asks for a new token now. Any new value counts once; the value
	// that was last acted on stands in status.lastHandledRenewAt.
	RenewRequestedAtAnnotation = "sendforsign.com/renew-requested-at"
	// RevokeRequestedAtAnnotation asks to have the published token replaced and then revoked at once: on an SfsClient or
	// OAuthToken its own, on an SfsPlatform those of all its clients, at the pace of its rate limit. Any new value counts
	// once. But for an SfsPlatform the value that was last acted on stands in status.lastHandledRevokeAt.
	RevokeRequestedAtAnnotation = "sendforsign.com/revoke-requested-at"
	// PausedAnnotation, on an SfsClient, SfsClientUser or OAuthToken, with the value "true" does what spec.suspend does, for
	// buttons that must not edit a spec which is kept in Git.
	PausedAnnotation = "sendforsign.com/paused"
)

// RevokeTokenFinalizer is on an SfsClient or OAuthToken whose token is revoked on deletion. It is let go after at most one minute,
// or when the token has expired by itself, whichever is first.
const RevokeTokenFinalizer = "sendforsign.com/revoke-token"

// RetireFinalizer is on an SfsClient or SfsClientUser with deletionPolicy Retire. It is let go after at most one minute.
const RetireFinalizer = "sendforsign.com/retire"

// ReleaseSecretsFinalizer is on a resource with Secrets that Kubernetes does not delete by itself. It is let go after at
// most one minute.
const ReleaseSecretsFinalizer = "sendforsign.com/release-secrets"

// InUseFinalizer is on an SfsPlatform that has SfsClients. It gives those that are deleted together with the platform the
// time to revoke their tokens, one minute at most.
const InUseFinalizer = "sendforsign.com/in-use"

// Labels and annotations that the operator sets on the Secrets which it writes.
const (
	// ManagedByLabel has the value ManagedByValue on each Secret that the operator has made.
	ManagedByLabel = "app.kubernetes.io/managed-by"
	ManagedByValue = "sfs-operator"
	// OwnerLabel is the UID of the resource that a Secret belongs to. The operator watches only Secrets that have it.
	OwnerLabel = "sendforsign.com/owner-uid"
	// OwnerNameAnnotation is the kind and the name of that resource: <kind>/<name>. A Secret that was retained goes to the
	// next resource of this kind and name.
	OwnerNameAnnotation = "sendforsign.com/owner"
	// KeysAnnotation lists the keys of the Secret that the operator wrote, in order, with commas between them.
	KeysAnnotation = "sendforsign.com/keys"
	// ShapeAnnotation is how the Secret was shaped, in JSON: by another shape it is to be written anew, and by this one
	// the next token is published where the template of the spec is wrong.
	ShapeAnnotation = "sendforsign.com/shape"
	// TokenKeyAnnotation is the key under which the bare token stands. Absent where there is none.
	TokenKeyAnnotation = "sendforsign.com/token-key"
	// TokenTypeAnnotation is the type of the token, which a shape may leave out of the Secret.
	TokenTypeAnnotation = "sendforsign.com/token-type"
	// TokenScopeAnnotation holds the scopes of an access token, where the provider has told of them.
	TokenScopeAnnotation = "sendforsign.com/token-scope"
	// TokenOfAnnotation is a digest of the client and the API that the token is for.
	TokenOfAnnotation = "sendforsign.com/token-of"
	// CreationPolicyAnnotation is Merge on a Secret that somebody else has made.
	CreationPolicyAnnotation = "sendforsign.com/creation-policy"
	// ContentHashAnnotation is a digest of the values which the operator wrote: where it no longer fits the data,
	// somebody has edited them.
	ContentHashAnnotation = "sendforsign.com/content-hash"
	// TokenHashAnnotation is a digest of the token with all that is known of it: with it a token is known to be the
	// operator's where something beside it has been edited.
	TokenHashAnnotation = "sendforsign.com/token-hash"
	// RevisionAnnotation counts the writes of a Secret by the operator.
	RevisionAnnotation = "sendforsign.com/revision"
	// IssuedAtAnnotation and ExpiresAtAnnotation are the times of the token in the Secret (RFC 3339 with milliseconds, UTC).
	IssuedAtAnnotation  = "sendforsign.com/issued-at"
	ExpiresAtAnnotation = "sendforsign.com/expires-at"
	// RenewHandledAnnotation is the value of RenewRequestedAtAnnotation for which the token was made.
	RenewHandledAnnotation = "sendforsign.com/renew-handled"
	// RevokeHandledAnnotation and PlatformRevokeHandledAnnotation are the values of RevokeRequestedAtAnnotation, on the
	// SfsClient or OAuthToken and on its SfsPlatform, which were there when the token was made.
	RevokeHandledAnnotation         = "sendforsign.com/revoke-handled"
	PlatformRevokeHandledAnnotation = "sendforsign.com/platform-revoke-handled"
	// RevokePreviousAtAnnotation is when the next of the tokens under KeyPreviousTokens is to be revoked (RFC 3339 with
	// milliseconds, UTC).
	RevokePreviousAtAnnotation = "sendforsign.com/revoke-previous-at"
)

// RestartAnnotationPrefix begins the annotation in the template of the Pods of a workload that was restarted. The first
// eight characters of the UID of the SfsClient follow; the value is a fingerprint of the content of its Secrets.
const RestartAnnotationPrefix = "restart.sendforsign.com/"

// Keys of the Secrets. They are public API: applications are written against them.
const (
	// KeyClientKey holds the SFS key of the client (in each Secret of an SfsClient or SfsClientUser).
	KeyClientKey = "clientKey"
	// KeyUserKey holds the SFS key of the user: in the Secret of a client its default user, when that is known.
	KeyUserKey = "userKey"
	// KeyBaseURL holds the URL of the API, without a slash at the end (in each Secret, but for a generic OAuthToken).
	KeyBaseURL = "baseURL"
	// KeyEnvClientKey and KeyEnvUserKey repeat clientKey and userKey under names that suit envFrom.
	KeyEnvClientKey = "SFS_CLIENT_KEY"
	KeyEnvUserKey   = "SFS_USER_KEY"
	// KeyToken holds the client token, or the access token of an OAuthToken; KeyTokenType how to send it ("Bearer").
	KeyToken     = "token"
	KeyTokenType = "tokenType"
	// KeyScope holds the scopes of an access token, with spaces between them, where the provider has told of them.
	KeyScope = "scope"
	// KeyPreviousTokens is there only while tokens that were replaced wait for their revocation: a list in JSON, for
	// the operator and not for applications.
	KeyPreviousTokens = "previousTokens"
	// KeyExpiresAt and KeyIssuedAt are the times of the token (RFC 3339, UTC, whole seconds).
	KeyExpiresAt = "expiresAt"
	KeyIssuedAt  = "issuedAt"
)

// Keys of the credentials Secret of an SfsPlatform: the pair that SFS shows on its "API Keys" page.
const (
	KeyAPIKey    = "apiKey"
	KeyAPISecret = "secret"
)

// Keys of the credentials Secret of an OAuthToken.
const (
	// KeyClientID and KeyClientSecret are those of the OAuth client.
	KeyClientID     = "clientID"
	KeyClientSecret = "clientSecret"
	// KeyRefreshToken holds the refresh token to begin with; in the state Secret the one that was last given for it.
	KeyRefreshToken = "refreshToken"
	// KeySigningSecret, with KeyAPIKey, signs requests to Secured Signing; KeyCallbackURL is their Referer.
	KeySigningSecret = "apiSecret"
	KeyCallbackURL   = "callbackURL"
)

// KeySeed is a key of the state Secret of an OAuthToken. It holds a digest of the refresh token in the credentials Secret from
// which the one under KeyRefreshToken descends, of the token URL and of the client ID: by others the state is void.
const KeySeed = "seed"
