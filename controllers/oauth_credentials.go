// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/oauth"
	"github.com/sendforsign/sfs-operator/secret"
	"github.com/sendforsign/sfs-operator/securedsigning"
)

// The credentials Secret of an OAuthToken is a user's own, in a namespace of tenants. The cache holds no such Secrets, and a
// watch of all would hold all of the cluster. So it is looked at: by its metadata at intervals, and with its values when those
// say that it has changed, and whenever a request is made.

const (
	// lookInterval is for how long a change of the credentials may go unnoticed, as long as no token is due.
	lookInterval = 5 * time.Minute
	// soonLook is that while somebody is expected to correct them.
	soonLook = time.Minute
)

// oauthCredentials is what is known of a credentials Secret, without its secrets.
type oauthCredentials struct {
	// of is what was looked for: another spec may need another key.
	of              string
	resourceVersion string
	next            time.Time // when to look again
	// failed is what is wrong with them, or nil; unchecked is why the account can not be checked with them, or nil.
	failed, unchecked *problem
	clientID          string
	// client and seed are digests: of the client and its secret, and of the refresh token of the user. all is of each value.
	client, seed, all string
}

// oauthValues are the values of a credentials Secret, for one pass.
type oauthValues struct {
	client       oauth.Client
	refreshToken secret.Text
	signer       *securedsigning.Signer // nil where none is needed, or none can be had
}

// lookAtCredentials has the pass know whether the credentials are others than before. It reads no values where they are not.
func (r *OAuthReconciler) lookAtCredentials(ctx context.Context, p *oauthPass) error {
	known, ok := r.credentials.get(p.ref)
	asked := p.kept.requests().wantRenewal(requests{renew: *p.kept.lastRenew})
	if !ok || known.of != p.credentialsWanted() || asked && known.failed != nil {
		return r.readCredentials(ctx, p)
	}
	if !p.now.Before(known.next) {
		version, err := r.versionOfCredentials(ctx, p)
		if err != nil {
			return err
		}
		if version != known.resourceVersion {
			return r.readCredentials(ctx, p)
		}
		known.next = p.now.Add(p.lookAgainIn(known))
		r.credentials.put(p.ref, known)
	}
	p.known = known
	return nil
}

// versionOfCredentials is the resourceVersion of the credentials Secret, from the memory of the API server; empty where there
// is none.
func (r *OAuthReconciler) versionOfCredentials(ctx context.Context, p *oauthPass) (string, error) {
	key := p.credentialsKey()
	found := bareSecret(key.Namespace, key.Name)
	fromMemory := &client.GetOptions{Raw: &metav1.GetOptions{ResourceVersion: "0"}}
	err := r.live.Get(ctx, key, found, fromMemory)
	if client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("reading Secret %s: %w", key, err)
	}
	return found.ResourceVersion, nil
}

// readCredentials reads them live, with their values. What is wrong with them is known of the pass then, and no error.
func (r *OAuthReconciler) readCredentials(ctx context.Context, p *oauthPass) error {
	var found corev1.Secret
	err := r.live.Get(ctx, p.credentialsKey(), &found)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Secret %s: %w", p.credentialsKey(), err)
	}
	_, before := r.credentials.get(p.ref)
	known := oauthCredentials{of: p.credentialsWanted(), resourceVersion: found.ResourceVersion}
	if apierrors.IsNotFound(err) {
		known.failed = &problem{
			reason: v1alpha1.CredentialsSecretNotFoundReason,
			message: fmt.Sprintf("there is no Secret %s in this namespace; create it with the keys %s",
				p.credentialsKey().Name, strings.Join(append(p.credentialKeys(), p.signingKeys()...), ", ")),
			pace: waits,
		}
	} else {
		p.values, known.failed = p.valuesFrom(found.Data)
		if known.failed == nil {
			p.values.signer, known.unchecked = p.signerFrom(found.Data)
		}
		digests := publication{data: found.Data}.digests()
		known.clientID = p.values.client.ID
		known.client = contentHash(digests, []string{v1alpha1.KeyClientID, v1alpha1.KeyClientSecret})
		known.all = contentHash(digests, slices.Concat(p.credentialKeys(), p.signingKeys(), []string{v1alpha1.KeyCallbackURL}))
		if p.oauth.Grant() == v1alpha1.GrantRefreshToken {
			known.seed = contentHash(digests, []string{v1alpha1.KeyRefreshToken})
		}
	}
	known.next = p.now.Add(p.lookAgainIn(known))
	if !before && known.failed == nil && known.unchecked == nil {
		known.next = p.now.Add(token.Phase(string(p.oauth.UID), lookInterval)) // after a start not all at once
	}
	p.known, p.hasRead = known, true
	r.credentials.put(p.ref, known)
	return nil
}

// lookAgainIn is how long the credentials are left alone.
func (p *oauthPass) lookAgainIn(known oauthCredentials) time.Duration {
	c := conditions.Get(p.oauth, v1alpha1.TokenValidCondition)
	if known.failed != nil || known.unchecked != nil || c != nil && needsPerson(c.Reason) {
		return soonLook
	}
	return lookInterval
}

func (p *oauthPass) credentialsKey() client.ObjectKey {
	return client.ObjectKey{Namespace: p.oauth.Namespace, Name: p.oauth.Spec.CredentialsSecretRef.Name}
}

// credentialKeys are those that the credentials Secret must have.
func (p *oauthPass) credentialKeys() []string {
	keys := []string{v1alpha1.KeyClientID, v1alpha1.KeyClientSecret}
	if p.oauth.Grant() == v1alpha1.GrantRefreshToken {
		keys = append(keys, v1alpha1.KeyRefreshToken)
	}
	return keys
}

// signingKeys are those that it must have for the account to be checked. A token lives without them.
func (p *oauthPass) signingKeys() []string {
	if !p.oauth.Spec.Provider.ChecksAccount() {
		return nil
	}
	return []string{v1alpha1.KeyAPIKey, v1alpha1.KeySigningSecret}
}

// credentialsWanted names what is looked for, and where.
func (p *oauthPass) credentialsWanted() string {
	return string(p.oauth.UID) + "/" + p.credentialsKey().Name + "/" + strings.Join(append(p.credentialKeys(), p.signingKeys()...), ",")
}

func (p *oauthPass) valuesFrom(data map[string][]byte) (oauthValues, *problem) {
	if failed := p.lacking(data, p.credentialKeys()); failed != nil {
		return oauthValues{}, failed
	}
	values := oauthValues{
		client:       oauth.Client{ID: string(data[v1alpha1.KeyClientID]), Secret: secret.Text(data[v1alpha1.KeyClientSecret])},
		refreshToken: secret.Text(data[v1alpha1.KeyRefreshToken]),
	}
	if p.oauth.ClientAuthentication() == v1alpha1.ClientAuthenticationForm {
		values.client.Authentication = oauth.Form
	}
	return values, nil
}

// signerFrom returns what signs the requests of the check of the account: nil where there is to be none.
func (p *oauthPass) signerFrom(data map[string][]byte) (*securedsigning.Signer, *problem) {
	keys := p.signingKeys()
	if len(keys) == 0 {
		return nil, nil
	}
	failed := p.lacking(data, keys)
	if failed == nil {
		options := []securedsigning.SignerOption{securedsigning.WithClock(p.clock.Now)}
		if callback := string(data[v1alpha1.KeyCallbackURL]); callback != "" {
			options = append(options, securedsigning.WithCallbackURL(callback))
		}
		signer, err := securedsigning.NewSigner(secret.Text(data[keys[0]]), secret.Text(data[keys[1]]), options...)
		if err == nil {
			return signer, nil
		}
		failed = p.malformed(keys, err.Error()) // which quotes no value
	}
	failed.message = "the token is renewed, but the account can not be checked, as accountCheck asks for: " + failed.message
	return nil, failed
}

// lacking is what is wrong with some keys of the credentials, or nil.
func (p *oauthPass) lacking(data map[string][]byte, keys []string) *problem {
	wrong := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return isClean(secret.Text(data[key])) })
	if len(wrong) == 0 {
		return nil
	}
	return p.malformed(keys, "see "+strings.Join(wrong, ", "))
}

func (p *oauthPass) malformed(keys []string, why string) *problem {
	return &problem{
		reason: v1alpha1.CredentialsSecretMalformedReason,
		message: fmt.Sprintf("Secret %s must have the keys %s, none empty nor with a space or line break at its beginning or end: %s",
			p.credentialsKey().Name, strings.Join(keys, ", "), why),
		pace: waits,
	}
}
