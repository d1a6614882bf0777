// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/shape"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// preciseTime is RFC 3339 with milliseconds. Whole seconds would make a token of a few seconds look so old when it is new
// that it is due at once, for ever.
const preciseTime = "2006-01-02T15:04:05.000Z07:00"

// mintedToken is a token as it was issued, with all that is known of it.
type mintedToken struct {
	value     sendforsign.Secret
	tokenType string
	scope     string   // what it is good for, where the API has told; of an API that knows scopes
	of        string   // what it is for; see issuer
	asked     requests // what users had asked for when it was minted
	token     token.Token
	previous  previousTokens
}

// hash is a digest of the token and of all that is known of it.
func (m mintedToken) hash() string {
	facts := map[string][]byte{
		"value": []byte(m.value.Reveal()), "type": []byte(m.tokenType), "of": []byte(m.of),
		"issued": []byte(m.token.Issued.Format(preciseTime)), "expires": []byte(m.token.Expires.Format(preciseTime)),
		"renew": []byte(m.asked.renew), "revoke": []byte(m.asked.revoke), "platform revoke": []byte(m.asked.platformRevoke),
	}
	if m.scope != "" { // hashes stand in Secrets of versions that did not know it
		facts["scope"] = []byte(m.scope)
	}
	return factsHash(facts)
}

// keptToken is the last token of a resource that this process has minted. It is kept in memory so that it need not be minted
// again where its Secret can not be written, or is deleted.
type keptToken struct {
	mintedToken
	published bool
	shape     string // in which it was published; see form
}

type keptTokens struct{ *memory[keptToken] }

// published notes that the token stands in its Secret.
func (k keptTokens) published(r ref, shape string) {
	if m, ok := k.get(r); ok && !m.published {
		k.put(r, keptToken{m.mintedToken, true, shape})
	}
}

// requests are the values of the annotations by which users ask for another token: on the resource, and on its
// SfsPlatform if it has one. Each value counts once.
type requests struct{ renew, revoke, platformRevoke string }

func (p *tokenPass) requests() requests {
	annotations := p.object.GetAnnotations()
	return requests{
		renew:          annotations[v1alpha1.RenewRequestedAtAnnotation],
		revoke:         annotations[v1alpha1.RevokeRequestedAtAnnotation],
		platformRevoke: p.issuer.revokeAllRequested(),
	}
}

// handled are the requests that were there when the token in a Secret was made.
func handled(annotations map[string]string) requests {
	return requests{
		renew:          annotations[v1alpha1.RenewHandledAnnotation],
		revoke:         annotations[v1alpha1.RevokeHandledAnnotation],
		platformRevoke: annotations[v1alpha1.PlatformRevokeHandledAnnotation],
	}
}

func (r requests) wantRenewal(done requests) bool { return isNew(r.renew, done.renew) }

func (r requests) wantRevocation(done requests) bool {
	return isNew(r.revoke, done.revoke) || isNew(r.platformRevoke, done.platformRevoke)
}

func isNew(asked, done string) bool { return asked != "" && asked != done }

// tokenAnnotations: a rotation restarts nobody and is no change of state for Argo CD.
var tokenAnnotations = map[string]string{
	"reloader.stakater.com/ignore":               "true",
	"argocd.argoproj.io/ignore-resource-updates": "true",
}

// chooseSecret decides where the token goes in this pass, and in which form, and returns what is there. Where the spec asks for
// what can not be, the last Secret goes on in its last form: a token must not die of a mistake in a spec.
func (k *tokenKeeper) chooseSecret(ctx context.Context, p *tokenPass) (*published, error) {
	p.name, p.form = p.spec.secretName, formOf(p.spec.secret, tokenAnnotations)
	have, err := k.secrets.observe(ctx, p.ref, p.object.GetUID(), p.name)
	if err != nil || have != nil && have.ours && p.form.wornBy(have) {
		return have, err
	}
	last, name := have, p.name
	if published := p.publishedIn(); published != name && (have == nil || !have.ours) {
		name = published
		if last, err = k.secrets.observe(ctx, p.ref, p.object.GetUID(), name); err != nil {
			return nil, err
		}
	}
	if last != nil && last.ours {
		p.last, p.lastName = last, name
	}
	failed, err := k.rehearseToken(ctx, p, have, p.last != nil)
	if err != nil || failed == nil {
		return have, err
	}
	kept, known := k.tokens.get(p.ref)
	switch {
	case p.last != nil:
		if failed.pace != waits {
			_ = p.wrote(ctx, p.name, failed) // which says when to look again
		}
		p.goOnWithLast(failed)
		return last, nil
	case failed.reason != v1alpha1.TemplateErrorReason:
		return have, nil // there is nothing that could go on, and the write will say so
	case known && kept.published: // and its Secret has been deleted
		p.misshapen, p.form.shape = failed, kept.shape
		return have, nil
	}
	p.misshapen = failed
	return have, failed
}

// goOnWithLast has the token go on in the last Secret, in its last form.
func (p *tokenPass) goOnWithLast(because error) {
	p.misshapen = because
	p.name, p.form = p.lastName, formIn(p.last)
}

// rehearseToken finds out what is wrong with the token Secret that the spec asks for, as far as that shows before there is a
// token for it.
func (k *tokenKeeper) rehearseToken(ctx context.Context, p *tokenPass, have *published, thorough bool) (*problem, error) {
	at := p.now.UTC().Truncate(time.Second)
	m := mintedToken{value: "token", tokenType: "Bearer", token: token.Token{Issued: at, Expires: at.Add(time.Hour)}}
	want, err := tokenSecret(p.name, p.form, p.source(m), m)
	if err == nil && thorough {
		err = k.secrets.mayPublish(ctx, p.object, have, want)
	}
	if err == nil && thorough {
		err = k.secrets.rehearse(ctx, p.object, p.ref, want)
	}
	if failed := problemOf(err); failed != nil {
		return failed, nil
	}
	return nil, err
}

// shapeFor returns how a token is shown that can not be shown as the spec asks for: as the last one was, and if need be under
// its key alone, which any token can be.
func (p *tokenPass) shapeFor(m mintedToken, have *published) string {
	if have != nil && have.ours {
		last := have.annotations[v1alpha1.ShapeAnnotation]
		if _, err := (form{shape: last}).render(p.source(m)); err == nil {
			return last
		}
	}
	return keysOf(p.form.shape)
}

// source has the values of a token Secret: those of the token, and those that the issuer has beside it.
func (p *tokenPass) source(m mintedToken) shape.Source { return m.beside(p.issuer.shown()) }

// beside adds the values of the token to others.
func (m mintedToken) beside(others shape.Source) shape.Source {
	values := map[string]string{
		v1alpha1.KeyToken:     m.value.Reveal(),
		v1alpha1.KeyTokenType: m.tokenType,
		v1alpha1.KeyIssuedAt:  m.token.Issued.Format(time.RFC3339),
		v1alpha1.KeyExpiresAt: m.token.Expires.Format(time.RFC3339),
	}
	maps.Copy(values, others.Values)
	if m.scope != "" {
		values[v1alpha1.KeyScope] = m.scope
	}
	others.Values, others.TokenKey = values, v1alpha1.KeyToken
	return others
}

// tokenSecret is the Secret of a token that shows the values of a source.
func tokenSecret(name string, as form, source shape.Source, m mintedToken) (publication, error) {
	data, err := as.render(source)
	if err != nil {
		return publication{}, templateError("spec.token.secret", err)
	}
	want := publication{name: name, form: as, data: data, annotations: map[string]string{
		v1alpha1.IssuedAtAnnotation:  m.token.Issued.Format(preciseTime),
		v1alpha1.ExpiresAtAnnotation: m.token.Expires.Format(preciseTime),
		v1alpha1.TokenTypeAnnotation: m.tokenType,
		v1alpha1.TokenOfAnnotation:   m.of,
		v1alpha1.TokenHashAnnotation: m.hash(),
		v1alpha1.RevisionAnnotation:  strconv.FormatInt(m.token.Revision, 10),
	}}
	for name, value := range map[string]string{
		v1alpha1.TokenKeyAnnotation:              decodeShape(as.shape).TokenAt(source),
		v1alpha1.TokenScopeAnnotation:            m.scope,
		v1alpha1.RenewHandledAnnotation:          m.asked.renew,
		v1alpha1.RevokeHandledAnnotation:         m.asked.revoke,
		v1alpha1.PlatformRevokeHandledAnnotation: m.asked.platformRevoke,
	} {
		if value != "" {
			want.annotations[name] = value
		}
	}
	want.keepPrevious(m.previous)
	return want, nil
}

// keepPrevious puts the tokens that wait for their revocation into a publication.
func (p *publication) keepPrevious(list previousTokens) {
	if len(list) > 0 {
		p.data[v1alpha1.KeyPreviousTokens] = list.encode()
		p.annotations[v1alpha1.RevokePreviousAtAnnotation] = list.next().Format(preciseTime)
	}
}

// withdrawnHash is no digest of any token, also where somebody else holds on to its keys.
const withdrawnHash = "withdrawn"

// withdrawnSecret is the Secret of a token that is about to be revoked and is no longer published.
func withdrawnSecret(name string, have *published, m mintedToken) publication {
	want := publication{name: name, form: formIn(have), data: map[string][]byte{}, annotations: map[string]string{
		v1alpha1.IssuedAtAnnotation:  m.token.Issued.Format(preciseTime),
		v1alpha1.ExpiresAtAnnotation: m.token.Expires.Format(preciseTime),
		v1alpha1.TokenHashAnnotation: withdrawnHash,
		v1alpha1.RevisionAnnotation:  strconv.FormatInt(m.token.Revision, 10),
	}}
	if want.form.kind != corev1.SecretTypeOpaque {
		for _, key := range have.keys() { // some of which such a type must have
			want.data[key] = []byte("{}")
		}
	}
	want.keepPrevious(m.previous)
	return want
}

// held returns the token that a Secret tells of, which was read with its values. ok says whether its value is known, and is
// the one that the operator wrote there.
func (k *tokenKeeper) held(p *tokenPass, secret *corev1.Secret, have *published, known token.Token) (m mintedToken, ok bool) {
	m = mintedToken{
		tokenType: have.annotations[v1alpha1.TokenTypeAnnotation],
		scope:     have.annotations[v1alpha1.TokenScopeAnnotation],
		of:        have.annotations[v1alpha1.TokenOfAnnotation],
		asked:     handled(have.annotations),
		token:     known,
		previous:  parsePrevious(secret.Data[v1alpha1.KeyPreviousTokens]),
	}
	for _, value := range p.valuesIn(secret) {
		if m.value = value; m.hash() == have.annotations[v1alpha1.TokenHashAnnotation] {
			ok = true
			break
		}
	}
	if kept, known := k.tokens.get(p.ref); !ok && known && kept.hash() == have.annotations[v1alpha1.TokenHashAnnotation] {
		m.value, ok = kept.value, true
	}
	// The token is not one of those before it, whatever somebody has made of their list.
	m.previous = slices.DeleteFunc(m.previous, func(t previousToken) bool { return t.value == m.value })
	return m, ok
}

// valuesIn are what may be the token in a Secret: under the key that the Secret names, and where it would stand by the spec.
func (p *tokenPass) valuesIn(secret *corev1.Secret) []sendforsign.Secret {
	var values []sendforsign.Secret
	for _, key := range []string{
		secret.Annotations[v1alpha1.TokenKeyAnnotation], decodeShape(p.form.shape).TokenAt(p.source(mintedToken{})), v1alpha1.KeyToken,
	} {
		if value := sendforsign.Secret(secret.Data[key]); key != "" && value != "" && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	return values
}

// knowsValue says whether the published token can be written again: it stands in the Secret, or in memory.
func (k *tokenKeeper) knowsValue(p *tokenPass, have *published) bool {
	kept, known := k.tokens.get(p.ref)
	return have.annotations[v1alpha1.TokenKeyAnnotation] != "" || known && kept.hash() == have.annotations[v1alpha1.TokenHashAnnotation]
}

// formerTokens are the token Secrets of a resource by their names, but for the present one. The status need not tell of one
// yet: what wrote the Secret of the new name may have ended with that.
func (k *tokenKeeper) formerTokens(ctx context.Context, p *tokenPass, present string) (map[string]*published, error) {
	if p.object.GetGeneration() == 1 {
		return nil, nil //nolint:nilnil // there was no other name
	}
	names, err := k.secrets.owned(ctx, p.object, p.ref)
	if err != nil {
		return nil, err
	}
	found := map[string]*published{}
	for _, name := range names {
		if name == present {
			continue
		}
		former, err := k.secrets.observe(ctx, p.ref, p.object.GetUID(), name)
		if err != nil {
			return nil, err
		}
		if former != nil && former.ours && former.annotations[v1alpha1.IssuedAtAnnotation] != "" {
			found[name] = former
		}
	}
	return found, nil
}

// refreshFormer has the token Secrets of former names hold the present token, as long as they are there.
func (k *tokenKeeper) refreshFormer(ctx context.Context, p *tokenPass, have *published, current token.Token) error {
	all, err := k.formerTokens(ctx, p, p.name)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		former := all[name]
		if former.annotations[v1alpha1.IssuedAtAnnotation] == current.Issued.Format(preciseTime) {
			continue
		}
		m, ok, err := k.tokenAtHand(ctx, p, have, token.Reshaped)
		if err != nil {
			return err
		}
		if !ok {
			continue // the next one
		}
		// Those before it, too: the former name may become the present one again.
		m.token.Revision, m.previous = former.revision+1, m.previous.wanted(p.now, p.revokesOnRotate())
		if err := p.wrote(ctx, name, k.publishToken(ctx, p, former, name, formIn(former), m)); err != nil {
			return err
		}
	}
	return nil
}
