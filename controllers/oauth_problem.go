// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/oauth"
	"github.com/sendforsign/sfs-operator/securedsigning"
)

// note passes what an answer says of the rate on to the gate.
func (s *oauthSession) note(err error) {
	wait, named := oauth.RetryAfter(err)
	switch kind := oauth.KindOf(err); {
	case err == nil:
		s.gate.passed()
	case kind == oauth.KindThrottled:
		s.gate.throttled(wait, named)
	case kind == oauth.KindUnavailable:
		s.gate.silent()
	default: // a refusal is an answer
		s.gate.passed()
	}
}

// noteAccount does so for an answer about the account.
func (s *oauthSession) noteAccount(err error) {
	var said *securedsigning.Error
	switch errors.As(err, &said); {
	case err == nil:
		s.gate.passed()
	case said == nil || said.Kind == securedsigning.KindUnavailable:
		s.gate.silent()
	case said.Kind == securedsigning.KindThrottled:
		s.gate.throttled(said.RetryAfter, said.RetryAfter > 0)
	default:
		s.gate.passed()
	}
}

// oauthResult sorts what became of a request to a provider.
func oauthResult(err error) metrics.Result {
	switch kind := oauth.KindOf(err); {
	case err == nil:
		return metrics.Success
	case kind == oauth.KindThrottled:
		return metrics.Throttled
	case kind == oauth.KindUnavailable:
		return metrics.Unavailable
	}
	return metrics.Refused
}

// explainOAuth puts the failure of a request to a provider in words. What the provider says in free text is left to the log:
// it may be another text each time.
func explainOAuth(provider string, o *v1alpha1.OAuthToken, err error) error {
	var said *oauth.Error
	if !errors.As(err, &said) {
		return err
	}
	from := o.Spec.CredentialsSecretRef.Name
	because := func(reason string, p pace, format string, args ...any) *problem {
		return &problem{reason: reason, message: fmt.Sprintf(format, args...), pace: p, cause: err}
	}
	switch said.Kind {
	case oauth.KindUnavailable:
		return because(v1alpha1.APIUnavailableReason, fast, "%s can not be reached or answers with a server error; it is tried again", provider)
	case oauth.KindThrottled:
		return pauseAsked(provider, err)
	case oauth.KindInvalidClient:
		return because(v1alpha1.CredentialsInvalidReason, slow,
			"%s does not know the client, or its secret is another one (invalid_client); correct clientID and clientSecret in Secret %s", provider, from)
	case oauth.KindUnauthorizedClient:
		return because(v1alpha1.CredentialsInvalidReason, slow,
			"%s does not let the client have tokens by grant %s (unauthorized_client); have that allowed there, or put another client into Secret %s",
			provider, o.Grant(), from)
	case oauth.KindInvalidScope:
		return because(v1alpha1.ScopeRefusedReason, slow,
			"%s does not give the client the scopes of spec.scopes (invalid_scope); correct them, or have the client given them there", provider)
	case oauth.KindInvalidGrant:
		return because(v1alpha1.RefreshTokenRefusedReason, slow,
			"%s does not take the refresh token (invalid_grant): it has expired or was revoked, or another OAuthToken or program uses the same one; "+
				"have access granted anew, for this OAuthToken alone, and put the new refreshToken into Secret %s", provider, from)
	case oauth.KindMalformed:
		if errors.Is(err, oauth.ErrNoLifetime) {
			return because(v1alpha1.MalformedResponseReason, slow,
				"%s does not say how long its token lives (expires_in), so it can not be kept alive; have it say so", provider)
		}
		return because(v1alpha1.MalformedResponseReason, slow, "%s gives an answer without a token that can be used; see spec.provider, or ask there", provider)
	case oauth.KindRefused:
	}
	if slices.Contains(otherCodes, said.Code) {
		return because(v1alpha1.RequestRefusedReason, slow, "%s refuses the request: %s", provider, said.Code)
	}
	return because(v1alpha1.RequestRefusedReason, slow,
		"%s refuses the request with HTTP status %d; see spec.provider, and what it says in the log of the operator", provider, said.Status)
}

// otherCodes are those of RFC 6749, 5.2, and of RFC 7009 that have no kind of their own. Others are left to the log: a provider
// may make up another one each time.
var otherCodes = []string{"invalid_request", "unsupported_grant_type", "unsupported_token_type"}
