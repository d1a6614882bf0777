// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/internal/shape"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// sfs is what people call the API.
const sfs = "SFS"

// withToken adds the part of the pass that keeps the client token.
func (p *clientPass) withToken() *clientPass {
	c := p.client
	p.token = &tokenPass{
		pass: p.pass, issuer: clientIssuer{p},
		spec: tokenSpec{
			wanted: c.TokenEnabled(), secretName: c.TokenSecretName(), secret: c.Spec.Token.Secret,
			revocation: c.Spec.Token.RevocationPolicy, gracePeriod: c.Spec.Token.PreviousTokenGracePeriod,
			probed: c.Spec.Token.Verification == v1alpha1.TokenVerificationProbe,
		},
		recorded: &c.Status.Token, lastRenew: &c.Status.LastHandledRenewAt, lastRevoke: &c.Status.LastHandledRevokeAt,
	}
	return p
}

// clientIssuer has SFS give the token of a client.
type clientIssuer struct{ p *clientPass }

func (clientIssuer) name() string { return sfs }

func (i clientIssuer) tokenOf() string {
	if i.p.platform == nil || i.p.client.Status.ClientKey == "" {
		return ""
	}
	return factsHash(map[string][]byte{
		v1alpha1.KeyClientKey: []byte(i.p.client.Status.ClientKey), v1alpha1.KeyBaseURL: []byte(baseURL(i.p.platform)),
	})
}

func (clientIssuer) succeeds(string) bool { return false }

func (i clientIssuer) policy() (policy token.Policy, sure bool) {
	return renewalPolicy(i.p.platform, i.p.client), i.p.platform != nil
}

func renewalPolicy(platform *v1alpha1.SfsPlatform, c *v1alpha1.SfsClient) token.Policy {
	switch {
	case c.Spec.Token.RenewBefore != nil:
		return token.Policy{RenewBefore: c.Spec.Token.RenewBefore.Duration}
	case platform != nil && platform.Spec.Token.RenewBefore != nil:
		return token.Policy{RenewBefore: platform.Spec.Token.RenewBefore.Duration}
	}
	return token.Policy{}
}

func (i clientIssuer) revokeAllRequested() string {
	if i.p.platform == nil {
		return ""
	}
	return i.p.platform.Annotations[v1alpha1.RevokeRequestedAtAnnotation]
}

func (i clientIssuer) shown() shape.Source {
	url := v1alpha1.DefaultBaseURL
	if i.p.platform != nil {
		url = baseURL(i.p.platform)
	}
	return shape.Source{
		Values: map[string]string{v1alpha1.KeyClientKey: i.p.client.Status.ClientKey, v1alpha1.KeyBaseURL: url},
		URLKey: v1alpha1.KeyBaseURL, EnvPrefix: envPrefix,
	}
}

// objection is what the SfsPlatform says against its credentials.
func (i clientIssuer) objection() *problem {
	if i.p.platform == nil {
		return nil
	}
	c := conditions.Get(i.p.platform, v1alpha1.CredentialsValidCondition)
	if c == nil || c.Status != metav1.ConditionFalse {
		return nil
	}
	return &problem{reason: c.Reason, message: fmt.Sprintf("SfsPlatform %s: %s", i.p.platform.Name, c.Message), pace: waits}
}

func (i clientIssuer) isPaused() bool { return i.p.session != nil && i.p.session.gate.paused() != nil }

func (i clientIssuer) connect(ctx context.Context) (connection, error) {
	session, err := i.p.connect(ctx)
	if err != nil {
		return nil, err
	}
	return session, nil
}

func (i clientIssuer) connectToLeave(ctx context.Context) (connection, error) {
	session, err := i.p.connectToLeave(ctx, i.p.client.Spec.PlatformRef.Name)
	if err != nil {
		return nil, err
	}
	return session, nil
}

func (i clientIssuer) mint(ctx context.Context) (mintedToken, error) {
	s, clientKey := i.p.session, i.p.client.Status.ClientKey
	var made sendforsign.Token
	var issued time.Time
	err := s.call(ctx, i.p.ref, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) (err error) {
		// Its life counts from before it was asked for: SFS may have made it at once and answered late.
		issued = i.p.clock.Now().UTC().Truncate(time.Millisecond)
		made, err = api.CreateClientToken(ctx, platform, clientKey)
		s.metrics.TokenRequested(metrics.MintClient, resultOf(err))
		return err
	})
	if sendforsign.IsNotFound(err) {
		return mintedToken{}, remoteMissing("clientKey", clientKey, err)
	}
	if err != nil {
		return mintedToken{}, err
	}
	return mintedToken{
		value: made.AccessToken, tokenType: made.TokenType, token: token.Token{Issued: issued, Expires: issued.Add(made.ExpiresIn)},
	}, nil
}

func (i clientIssuer) revoke(ctx context.Context, value sendforsign.Secret) (refusal *problem, err error) {
	s := i.p.session
	err = s.call(ctx, i.p.ref, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) error {
		err := api.RevokeClientToken(ctx, platform, value)
		s.metrics.TokenRequested(metrics.Revoke, resultOf(err))
		return err
	})
	var credentials *refusedCredentials
	switch {
	case errors.As(err, &credentials):
		return nil, err // it was not even asked
	case sendforsign.IsNotFound(err):
		return nil, nil // revoked before: by an attempt that was not recorded, or by SFS when it gave the next one
	case sendforsign.IsUnauthorized(err), sendforsign.IsInvalid(err):
		return problemOf(explain(err)), nil
	}
	return nil, err
}

func (i clientIssuer) probe(ctx context.Context, value sendforsign.Secret) error {
	err := i.p.session.callWithToken(ctx, i.p.ref, value, func(ctx context.Context, api *sendforsign.API, auth sendforsign.Auth) error {
		_, err := api.ReadClient(ctx, auth, sendforsign.ClientQuery{ClientKey: i.p.client.Status.ClientKey})
		return err
	})
	if sendforsign.IsUnauthorized(err) {
		return &tokenRefusal{err}
	}
	return err
}
