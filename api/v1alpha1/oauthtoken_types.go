// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OAuthTokenSpec says who gives the token, for what, and how it is kept alive.
// +kubebuilder:validation:XValidation:rule="!has(self.provider.signicat) || !has(self.grant) || self.grant == 'ClientCredentials'",message="grant: Signicat gives tokens by ClientCredentials only; leave grant out or set ClientCredentials"
// +kubebuilder:validation:XValidation:rule="!has(self.provider.securedSigning) || !has(self.grant) || self.grant == 'RefreshToken'",message="grant: Secured Signing gives tokens by RefreshToken only; leave grant out or set RefreshToken"
// +kubebuilder:validation:XValidation:rule="!has(self.provider.securedSigning) || !has(self.clientAuthentication) || self.clientAuthentication == 'Form'",message="clientAuthentication: Secured Signing takes the client secret in the form only; leave clientAuthentication out or set Form"
// +kubebuilder:validation:XValidation:rule="self.?token.?revocationPolicy.orValue('OnDelete') != 'OnRotate' || has(self.provider.securedSigning) || has(self.provider.generic) && has(self.provider.generic.revocationURL)",message="token.revocationPolicy OnRotate needs a provider that revokes tokens: securedSigning, or generic with a revocationURL"
// +kubebuilder:validation:XValidation:rule="!has(self.provider.generic) || !has(self.token) || !has(self.token.secret) || !has(self.token.secret.formats) || self.token.secret.formats.all(f, f.format != 'netrc')",message="token.secret.formats: netrc names the host of an API, and provider generic knows none; use another format or template.data"
type OAuthTokenSpec struct {
	// provider is who gives the token: set exactly one of its fields.
	// +required
	Provider OAuthProvider `json:"provider,omitzero"`

	// grant: ClientCredentials asks with the client secret alone. RefreshToken asks with a refresh token as well, which a
	// person has let the client have. Absent: RefreshToken for securedSigning, which knows no other, and else
	// ClientCredentials, for signicat the only one.
	// +optional
	Grant OAuthGrant `json:"grant,omitempty"`

	// clientAuthentication is how the client secret is sent to the token URL: Basic in the header Authorization, Form in
	// the body of the request. Absent: Form for securedSigning, which knows no other, and else Basic.
	// +optional
	ClientAuthentication OAuthClientAuthentication `json:"clientAuthentication,omitempty"`

	// scopes that are asked for, in this order, at most 64. Letters are compared as they are written. Each has at most 256
	// characters. Absent: none are named, and the provider decides.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(s, self.exists_one(other, other == s))",message="scopes: name each only once"
	Scopes []OAuthScope `json:"scopes,omitempty"`

	// credentialsSecretRef names the Secret with the keys clientID and clientSecret, in the namespace of this resource. Grant
	// RefreshToken needs the key refreshToken as well; accountCheck needs apiKey and apiSecret, and takes callbackURL. The
	// operator reads it, and never writes it.
	// +required
	CredentialsSecretRef CredentialsSecretReference `json:"credentialsSecretRef,omitzero"`

	// token says how the access token is kept alive.
	// +optional
	// +kubebuilder:default={}
	Token OAuthAccessTokenSpec `json:"token,omitzero"`

	// rolloutRestartTargets are workloads of the namespace that are restarted with each token, so at times every few
	// minutes: for applications that read its Secret only when they start. At most 16. Absent: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	RolloutRestartTargets []RestartedWorkload `json:"rolloutRestartTargets,omitempty"`

	// suspend: true stops all work on this resource, the renewal of its token as well. Absent: false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// OAuthProvider is who gives the token.
// +kubebuilder:validation:XValidation:rule="(has(self.signicat) ? 1 : 0) + (has(self.securedSigning) ? 1 : 0) + (has(self.generic) ? 1 : 0) == 1",message="set exactly one of signicat, securedSigning and generic"
type OAuthProvider struct {
	// signicat is Signicat, whose tokens live for an hour at most. It documents no way to revoke them. Set either this,
	// securedSigning or generic.
	// +optional
	Signicat *SignicatProvider `json:"signicat,omitempty"`

	// securedSigning is Secured Signing, which renews by a refresh token. Set either this, signicat or generic.
	// +optional
	SecuredSigning *SecuredSigningProvider `json:"securedSigning,omitempty"`

	// generic is another OAuth 2.0 provider, of those whose hosts the operator's flag --oauth-allowed-hosts names. Set either
	// this, signicat or securedSigning.
	// +optional
	Generic *GenericProvider `json:"generic,omitempty"`
}

// SignicatProvider is one of the two generations of Signicat.
type SignicatProvider struct {
	// environment: Express has its token URL at api.signicat.io, Platform, which is the newer, at api.signicat.com. Test and
	// production are told apart by the client, not by the URL.
	// +required
	Environment SignicatEnvironment `json:"environment,omitempty"`
}

// SecuredSigningProvider is Secured Signing.
type SecuredSigningProvider struct {
	// region: Global is at securedsigning.com, NewZealand at dsx.co.nz. Default: Global.
	// +optional
	// +kubebuilder:default=Global
	Region SecuredSigningRegion `json:"region,omitempty"`

	// accountCheck: Enabled reads the account every five minutes, by a request that is signed with apiKey and apiSecret of the
	// credentials Secret, and so tells an account that is suspended from a token that is no good. Without these keys the token
	// is renewed all the same. Disabled does not read it: that costs no requests. Default: Disabled.
	// +optional
	// +kubebuilder:default=Disabled
	AccountCheck AccountCheck `json:"accountCheck,omitempty"`
}

// GenericProvider is any provider of OAuth 2.0.
type GenericProvider struct {
	// tokenURL is where tokens are asked for (RFC 6749): an https URL of at most 512 characters. Redirects are not followed.
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != '' && !self.contains('@') && !self.contains('?') && !self.contains('#')",message="tokenURL must be an https URL without credentials, query or fragment, such as https://id.example.com/oauth2/token"
	TokenURL string `json:"tokenURL,omitempty"`

	// revocationURL is where tokens are revoked (RFC 7009): an https URL of at most 512 characters. Redirects are not
	// followed. Absent: tokens are left to expire.
	// +optional
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != '' && !self.contains('@') && !self.contains('?') && !self.contains('#')",message="revocationURL must be an https URL without credentials, query or fragment, such as https://id.example.com/oauth2/revoke"
	RevocationURL string `json:"revocationURL,omitempty"`

	// caBundle holds the certificate authorities to trust instead of those of the operator's system: PEM, in base64, at
	// most 131072 characters. Absent: those of its system.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=131072
	CABundle []byte `json:"caBundle,omitempty"`
}

// SignicatEnvironment is a generation of Signicat.
// +kubebuilder:validation:Enum=Express;Platform
type SignicatEnvironment string

const (
	// SignicatExpress is the older: its tokens live for an hour.
	SignicatExpress SignicatEnvironment = "Express"
	// SignicatPlatform is the newer: its tokens live for ten minutes, unless the client is set to something else.
	SignicatPlatform SignicatEnvironment = "Platform"
)

// SecuredSigningRegion is where Secured Signing keeps an account.
// +kubebuilder:validation:Enum=Global;NewZealand
type SecuredSigningRegion string

const (
	// SecuredSigningGlobal is at securedsigning.com.
	SecuredSigningGlobal SecuredSigningRegion = "Global"
	// SecuredSigningNewZealand is at dsx.co.nz.
	SecuredSigningNewZealand SecuredSigningRegion = "NewZealand"
)

// AccountCheck says whether a provider is asked about the account of a token.
// +kubebuilder:validation:Enum=Disabled;Enabled
type AccountCheck string

const (
	// AccountCheckDisabled: it is not asked.
	AccountCheckDisabled AccountCheck = "Disabled"
	// AccountCheckEnabled: it is asked every five minutes.
	AccountCheckEnabled AccountCheck = "Enabled"
)

// OAuthGrant is what a token is asked for with.
// +kubebuilder:validation:Enum=ClientCredentials;RefreshToken
type OAuthGrant string

const (
	// GrantClientCredentials: with the client secret (RFC 6749, 4.4).
	GrantClientCredentials OAuthGrant = "ClientCredentials" //nolint:gosec // a word of the API
	// GrantRefreshToken: with a refresh token as well (RFC 6749, 6).
	GrantRefreshToken OAuthGrant = "RefreshToken"
)

// OAuthClientAuthentication is how a client shows who it is (RFC 6749, 2.3.1).
// +kubebuilder:validation:Enum=Basic;Form
type OAuthClientAuthentication string

const (
	// ClientAuthenticationBasic: in the header Authorization.
	ClientAuthenticationBasic OAuthClientAuthentication = "Basic"
	// ClientAuthenticationForm: in the body of the request.
	ClientAuthenticationForm OAuthClientAuthentication = "Form"
)

// OAuthScope is one scope (RFC 6749, 3.3).
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^[!#-\\\\[\\\\]-~]+$')",message="a scope is printable ASCII without spaces, quotation marks and backslashes; each scope is an item of its own"
type OAuthScope string

// OAuthAccessTokenSpec says how an access token is kept alive. The rules between its fields are also those of TokenSpec.
// +kubebuilder:validation:XValidation:rule="!has(self.secret) || !has(self.secret.deletionPolicy) || self.secret.deletionPolicy != 'Retain' || (has(self.revocationPolicy) && self.revocationPolicy == 'Never')",message="secret.deletionPolicy Retain needs revocationPolicy Never: else the Secret would be left with a token that is revoked"
// +kubebuilder:validation:XValidation:rule="!has(self.previousTokenGracePeriod) || (has(self.revocationPolicy) && self.revocationPolicy == 'OnRotate')",message="previousTokenGracePeriod needs revocationPolicy OnRotate"
type OAuthAccessTokenSpec struct {
	TokenLife `json:",inline"`

	// secret is the one that holds the token. It changes several times an hour: mount it as a volume (without subPath),
	// do not read it through env. Default name: <name>-oauth-token.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.keys) || self.keys.all(k, k in ['token', 'tokenType', 'expiresAt', 'issuedAt', 'baseURL', 'scope'])",message="keys: the default keys are token, tokenType, expiresAt, issuedAt, baseURL and scope"
	// +kubebuilder:validation:XValidation:rule="self.?keys[?'token'].orValue('token') != '' || has(self.template) && has(self.template.data) || size(self.?formats.orValue([])) > 0",message="keys: where token is left out, formats or template.data must hold it"
	Secret SecretSpec `json:"secret,omitzero"`
}

// OAuthTokenStatus is what the operator last saw.
type OAuthTokenStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready and TokenValid; Reconciling and Stalled only while True.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// token describes the token in the token Secret: by secretRef alone, where the operator leaves the times to the Secret
	// (--record-token-times=false).
	// +optional
	Token *TokenStatus `json:"token,omitempty"`

	// formerSecrets are Secrets of names that the spec had before, until they are removed.
	// +optional
	// +listType=map
	// +listMapKey=name
	FormerSecrets []FormerSecret `json:"formerSecrets,omitempty"`

	// rolloutRestarts is what was last done for each of spec.rolloutRestartTargets.
	// +optional
	// +listType=map
	// +listMapKey=name
	RolloutRestarts []RolloutRestart `json:"rolloutRestarts,omitempty"`

	// lastHandledRenewAt is the last value of the annotation sendforsign.com/renew-requested-at acted on.
	// +optional
	LastHandledRenewAt string `json:"lastHandledRenewAt,omitempty"`

	// lastHandledRevokeAt is the last value of the annotation sendforsign.com/revoke-requested-at acted on.
	// +optional
	LastHandledRevokeAt string `json:"lastHandledRevokeAt,omitempty"`
}

// OAuthToken is an access token of another API than Sendforsign, such as Signicat or Secured Signing. The operator keeps it
// alive in a Secret, as it does the token of an SfsClient. No SfsPlatform is involved.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=oauthtokens,shortName=oat,categories=sfs
// +kubebuilder:subresource:status
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 200",message="the name must have at most 200 characters, so that the names of its Secrets fit"
// +kubebuilder:validation:XValidation:rule="(has(self.spec.token) && has(self.spec.token.secret) && has(self.spec.token.secret.name) ? self.spec.token.secret.name : self.metadata.name + '-oauth-token') != self.spec.credentialsSecretRef.name",message="spec.token.secret.name and spec.credentialsSecretRef.name must differ: the operator never writes the Secret of the credentials"
// +kubebuilder:validation:XValidation:rule="!(self.metadata.name + '-oauth-state' in [self.spec.credentialsSecretRef.name, self.?spec.?token.?secret.?name.orValue('.')])",message="neither spec.token.secret.name nor spec.credentialsSecretRef.name can be <name>-oauth-state: there the operator keeps the refresh token"
// +kubebuilder:validation:XValidation:rule="(self.?spec.?token.?secret.?creationPolicy.orValue('Owner') == 'Merge') == (oldSelf.?spec.?token.?secret.?creationPolicy.orValue('Owner') == 'Merge') || (has(self.spec.token) && has(self.spec.token.secret) && has(self.spec.token.secret.name) ? self.spec.token.secret.name : self.metadata.name + '-oauth-token') != (has(oldSelf.spec.token) && has(oldSelf.spec.token.secret) && has(oldSelf.spec.token.secret.name) ? oldSelf.spec.token.secret.name : self.metadata.name + '-oauth-token')",message="spec.token.secret.creationPolicy can be changed to or from Merge only together with spec.token.secret.name: a Secret of somebody else can not become the operator's"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Secret",type=string,JSONPath=`.status.token.secretRef.name`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.token.expirationTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Credentials",type=string,priority=1,JSONPath=`.spec.credentialsSecretRef.name`
// +kubebuilder:printcolumn:name="Renewal",type=string,priority=1,JSONPath=`.status.token.renewalTime`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type OAuthToken struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is wanted.
	// +required
	Spec OAuthTokenSpec `json:"spec,omitzero"`

	// status is what is.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status OAuthTokenStatus `json:"status,omitzero"`
}

// What the name of an OAuthToken is followed by in the names of its Secrets. The spec may name another for the token.
const (
	OAuthTokenSecretSuffix = "-oauth-token" //nolint:gosec // a part of a name
	OAuthStateSecretSuffix = "-oauth-state" //nolint:gosec // a part of a name
)

// GetConditions returns the conditions of the status.
func (o *OAuthToken) GetConditions() *[]metav1.Condition { return &o.Status.Conditions }

// IsSuspended says whether the user has stopped the work on this resource.
func (o *OAuthToken) IsSuspended() bool {
	return o.Spec.Suspend || o.Annotations[PausedAnnotation] == "true"
}

// TokenSecretName is the name of the Secret that holds the token.
func (o *OAuthToken) TokenSecretName() string {
	if o.Spec.Token.Secret.Name != "" {
		return o.Spec.Token.Secret.Name
	}
	return o.Name + OAuthTokenSecretSuffix
}

// StateSecretName is the name of the Secret in which the operator keeps the refresh token that it was last given.
func (o *OAuthToken) StateSecretName() string { return o.Name + OAuthStateSecretSuffix }

// Grant is what a token is asked for with: as the spec says, or else as the provider has it.
func (o *OAuthToken) Grant() OAuthGrant {
	switch {
	case o.Spec.Grant != "":
		return o.Spec.Grant
	case o.Spec.Provider.SecuredSigning != nil:
		return GrantRefreshToken
	}
	return GrantClientCredentials
}

// ClientAuthentication is how the client secret is sent: as the spec says, or else as the provider has it.
func (o *OAuthToken) ClientAuthentication() OAuthClientAuthentication {
	switch {
	case o.Spec.ClientAuthentication != "":
		return o.Spec.ClientAuthentication
	case o.Spec.Provider.SecuredSigning != nil:
		return ClientAuthenticationForm
	}
	return ClientAuthenticationBasic
}

// Preset names the provider as the operator's flag --oauth-preset-url does, such as Signicat/Platform. Of a generic one it
// is empty.
func (p *OAuthProvider) Preset() string {
	switch {
	case p.Signicat != nil:
		return "Signicat/" + string(p.Signicat.Environment)
	case p.SecuredSigning != nil:
		region := p.SecuredSigning.Region
		if region == "" {
			region = SecuredSigningGlobal
		}
		return "SecuredSigning/" + string(region)
	}
	return ""
}

// ChecksAccount says whether the provider is asked about the account.
func (p *OAuthProvider) ChecksAccount() bool {
	return p.SecuredSigning != nil && p.SecuredSigning.AccountCheck == AccountCheckEnabled
}

// RestartTargets are the workloads to restart, in the form that an SfsClient has: with each token.
func (o *OAuthToken) RestartTargets() []RolloutRestartTarget {
	targets := make([]RolloutRestartTarget, len(o.Spec.RolloutRestartTargets))
	for i, w := range o.Spec.RolloutRestartTargets {
		targets[i] = RolloutRestartTarget{RestartedWorkload: w, When: RestartWhenTokenChanged}
	}
	return targets
}

// OAuthTokenList is a list of OAuthTokens.
//
// +kubebuilder:object:root=true
type OAuthTokenList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OAuthToken `json:"items"`
}
