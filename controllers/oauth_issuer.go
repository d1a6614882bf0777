// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/internal/shape"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/oauth"
	"github.com/sendforsign/sfs-operator/secret"
	"github.com/sendforsign/sfs-operator/securedsigning"
)

// oauthEnvPrefix begins the names of environment variables in the formats of a token Secret.
const oauthEnvPrefix = "OAUTH_"

// oauthIssuer has a provider give the token of an OAuthToken.
type oauthIssuer struct{ p *oauthPass }

func (i oauthIssuer) name() string { return i.p.provider.name }

// tokenOf counts the secret of the client as well: who changes it wants a token that was given for it. So does who puts in
// another refresh token, which may be that of another person.
func (i oauthIssuer) tokenOf() string {
	p := i.p
	if p.refused != nil || p.known.client == "" || p.known.failed != nil {
		return ""
	}
	return p.account() + factsHash(map[string][]byte{
		"client": []byte(p.known.client), "seed": []byte(p.known.seed), "scopes": []byte(strings.Join(p.scopes(), " ")),
	})
}

// server begins the digests of all tokens of a provider, and account those of one client there.
func (p *oauthPass) server() string { return briefly(p.provider.tokenURL) }

func (p *oauthPass) account() string { return p.server() + briefly(p.known.clientID) }

func briefly(fact string) string {
	const enough = 16 // letters to tell apart what one user writes into one resource
	return factsHash(map[string][]byte{"": []byte(fact)})[:enough] + "."
}

// succeeds goes by the client: that its secret, the scopes or the person have changed keeps nobody from revoking a token.
func (i oauthIssuer) succeeds(of string) bool {
	return i.p.known.clientID != "" && strings.HasPrefix(of, i.p.account())
}

func (p *oauthPass) scopes() []string {
	scopes := make([]string, len(p.oauth.Spec.Scopes))
	for i, s := range p.oauth.Spec.Scopes {
		scopes[i] = string(s)
	}
	return scopes
}

func (i oauthIssuer) policy() (policy token.Policy, sure bool) { return oauthPolicy(i.p.oauth), true }

func oauthPolicy(o *v1alpha1.OAuthToken) token.Policy {
	if before := o.Spec.Token.RenewBefore; before != nil {
		return token.Policy{RenewBefore: before.Duration}
	}
	return token.Policy{}
}

func (oauthIssuer) revokeAllRequested() string { return "" }

func (i oauthIssuer) shown() shape.Source {
	return shape.Source{
		Values: map[string]string{v1alpha1.KeyBaseURL: i.p.provider.baseURL, v1alpha1.KeyScope: ""},
		URLKey: v1alpha1.KeyBaseURL, EnvPrefix: oauthEnvPrefix,
	}
}

// objection is what is wrong with the credentials Secret.
func (i oauthIssuer) objection() *problem { return i.p.known.failed }

func (i oauthIssuer) isPaused() bool { return i.p.sessions.paused(i.p.ref) }

func (i oauthIssuer) connect(ctx context.Context) (connection, error) {
	p := i.p
	if p.refused != nil {
		return nil, p.refused
	}
	if !p.hasRead {
		if err := p.reconciler.readCredentials(ctx, p); err != nil {
			return nil, err
		}
	}
	if p.known.failed != nil {
		return nil, p.known.failed
	}
	return i.open()
}

func (i oauthIssuer) open() (connection, error) {
	p := i.p
	with := factsHash(map[string][]byte{
		"all": []byte(p.known.all), "of": []byte(i.tokenOf()), "revoke": []byte(p.provider.revocationURL),
	})
	session, err := p.sessions.connect(p.ref, p.provider, p.known.client, with)
	if err != nil {
		return nil, err
	}
	p.session = session
	return session, nil
}

// connectToLeave needs no credentials where a token is revoked by showing it: they may have been deleted with the resource.
func (i oauthIssuer) connectToLeave(ctx context.Context) (connection, error) {
	switch p := i.p; {
	case p.refused != nil:
		return nil, p.refused
	case p.provider.revocationURL == "":
		return nil, noRevocation(p.provider.name)
	}
	// Whoever may change the spec must not have the token sent to a server that has not given it.
	of, err := i.givenOf(ctx)
	switch {
	case err != nil:
		return nil, err
	case !strings.HasPrefix(of, i.p.server()):
		return nil, &problem{reason: v1alpha1.RequestRefusedReason, message: "it is of another provider than that of the spec", pace: waits}
	case i.p.provider.bearer:
		return i.open()
	}
	return i.connect(ctx)
}

// givenOf is the digest of the token that is published, or was to be.
func (i oauthIssuer) givenOf(ctx context.Context) (string, error) {
	p := i.p
	have, err := p.reconciler.secrets.observe(ctx, p.ref, p.oauth.UID, p.kept.publishedIn())
	if err != nil {
		return "", err
	}
	if have != nil && have.ours {
		return have.annotations[v1alpha1.TokenOfAnnotation], nil
	}
	kept, _ := p.reconciler.keeper.tokens.get(p.ref)
	return kept.of, nil
}

func noRevocation(provider string) *problem {
	return &problem{reason: v1alpha1.RequestRefusedReason, message: provider + " has no way to revoke it", pace: waits}
}

// mint asks for a token. A refresh token that comes with it is stored before the token is returned, and so before anybody can
// use it. Nothing of that is broken off when the process is asked to end: the answer may hold the only refresh token that is
// still good.
func (i oauthIssuer) mint(ctx context.Context) (mintedToken, error) {
	p, s := i.p, i.p.session
	ctx = context.WithoutCancel(ctx)
	if m, ok := p.reconciler.states.pending(p); ok {
		return m, nil
	}
	refreshing := p.oauth.Grant() == v1alpha1.GrantRefreshToken
	var state refreshState
	if refreshing {
		var err error
		if state, err = p.reconciler.refreshTokenOf(ctx, p); err != nil {
			return mintedToken{}, err
		}
	}
	s.gate.spend(p.ref)
	// Its life counts from before it was asked for: the provider may have made it at once and answered late.
	issued := p.clock.Now().UTC().Truncate(time.Millisecond)
	var made oauth.Token
	var err error
	if refreshing {
		made, err = s.server.tokens.Refresh(ctx, p.values.client, state.refreshToken, p.scopes())
	} else {
		made, err = s.server.tokens.ClientCredentials(ctx, p.values.client, p.scopes())
	}
	s.note(err)
	p.sessions.metrics.TokenRequested(metrics.MintOAuth, oauthResult(err))
	m := mintedToken{
		value: made.AccessToken, tokenType: made.TokenType, scope: made.Scope,
		token: token.Token{Issued: issued, Expires: issued.Add(made.ExpiresIn)},
	}
	if refreshing && made.RefreshToken != "" && made.RefreshToken != state.refreshToken {
		next := state.followedBy(made.RefreshToken)
		if err == nil {
			next.minted = m
			next.minted.of, next.minted.token.Owner = i.tokenOf(), p.kept.owner()
			next.minted.asked = p.kept.requests()
		}
		storing := p.reconciler.storeRefreshToken(ctx, p, next)
		if storing != nil && err == nil {
			return mintedToken{}, storing
		}
		if storing != nil {
			p.wakeIn(staleRead) // it is worth more than the answer that it came with
		}
		p.reconciler.states.publishes(p.ref)
	}
	if err != nil {
		return mintedToken{}, explainOAuth(p.provider.name, p.oauth, err)
	}
	return m, nil
}

func (i oauthIssuer) revoke(ctx context.Context, value secret.Text) (refusal *problem, err error) {
	p, s := i.p, i.p.session
	if !s.server.tokens.CanRevoke() {
		return noRevocation(p.provider.name), nil
	}
	s.gate.spend(p.ref)
	err = s.server.tokens.Revoke(ctx, p.values.client, value)
	s.note(err)
	p.sessions.metrics.TokenRequested(metrics.Revoke, oauthResult(err))
	err = explainOAuth(p.provider.name, p.oauth, err)
	// What the provider says of the credentials says nothing of the token.
	if failed := problemOf(err); failed != nil && failed.pace == slow && failed.reason != v1alpha1.CredentialsInvalidReason {
		return failed, nil
	}
	return nil, err
}

// probe asks for the account. An answer that tells of a suspended one tells that the token is good.
func (i oauthIssuer) probe(ctx context.Context, value secret.Text) error {
	p, s := i.p, i.p.session
	if p.values.signer == nil {
		return p.known.unchecked // it was taken out of the Secret just before
	}
	s.gate.spend(p.ref)
	began := p.clock.Now()
	account, err := s.server.resources.Account(ctx, p.values.signer, value)
	s.noteAccount(err)
	var said *securedsigning.Error
	status := 200
	if errors.As(err, &said) {
		status = said.Status
	}
	p.sessions.metrics.APIAnswered("account", "read", status, p.clock.Now().Sub(began))
	switch {
	case err == nil:
		p.reconciler.accounts.put(p.ref, "")
	case securedsigning.IsSuspended(err):
		p.reconciler.accounts.put(p.ref, accountState(account))
		return nil
	case securedsigning.IsUnauthorized(err):
		return &tokenRefusal{err}
	}
	return err
}

// accountState is what is wrong with a suspended account, in a word of the provider.
func accountState(a securedsigning.Account) string {
	if a.Locked {
		return "Locked"
	}
	return string(a.Status)
}
