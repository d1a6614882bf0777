// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/shape"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// bind gives the SfsClient its client at SFS: the one in its status, the one with its customKey, or a new one.
func (r *ClientReconciler) bind(ctx context.Context, p *clientPass) error {
	status := &p.client.Status
	if status.ClientKey != "" {
		r.creator.unsaved.drop(p.ref)
		return nil
	}
	session, err := p.connect(ctx)
	if err != nil {
		return err
	}
	p.urgency = urgencyDue
	defer r.claims.release(p.ref)
	if p.client.Spec.ClientKey != "" {
		return p.try(ctx, step{name: "bind", connection: session, class: classCreate}, func() error { return r.importClient(ctx, p) })
	}
	found := v1alpha1.OriginRecovered
	status.CustomKey = clientCustomKey(p.platform, p.client)
	if p.client.Spec.CustomKey != "" {
		found = v1alpha1.OriginAdopted
	}
	err = p.try(ctx, step{name: "bind", connection: session, class: classCreate}, func() error {
		return r.creator.ensure(ctx, p.pass, creation{
			customKey: status.CustomKey,
			found:     found,
			adoption:  p.client.Spec.AdoptionPolicy,
			observed:  p.client.IsObserved(),
			intent:    &status.CreateIntent,
			lookup:    func(ctx context.Context) (string, error) { return r.lookup(ctx, p, status.CustomKey) },
			create:    func(ctx context.Context) (string, error) { return r.create(ctx, p) },
			guard:     func(ctx context.Context, key string) error { return r.guard(ctx, p, key, status.CustomKey) },
			bind: func(key string, origin v1alpha1.Origin) {
				status.ClientKey, status.Origin = key, origin
			},
		})
	})
	p.planCreation(err, v1alpha1.PendingChange{Field: "client", To: status.CustomKey})
	return err
}

// importClient binds the client that the spec names by its key at SFS.
func (r *ClientReconciler) importClient(ctx context.Context, p *clientPass) error {
	key := p.client.Spec.ClientKey
	found, err := r.read(ctx, p, key)
	switch {
	case sendforsign.IsNotFound(err), err == nil && found.ClientKey != key:
		return nothingToAdopt("clientKey", key, "it is named by its key")
	case err != nil:
		return err
	}
	// The key alone does not say whose client it is.
	if err := notReserved(ctx, r.client, found.CustomKey); err != nil {
		return err
	}
	if err := r.guard(ctx, p, key, found.CustomKey); err != nil {
		return err
	}
	p.client.Status.ClientKey, p.client.Status.CustomKey, p.client.Status.Origin = key, shown(found.CustomKey), v1alpha1.OriginImported
	conditions.Remove(p.client, v1alpha1.SyncedCondition) // nobody has given it this resource's profile yet
	p.tell(adopted(v1alpha1.OriginImported, key))
	return p.save(ctx)
}

func (r *ClientReconciler) read(ctx context.Context, p *clientPass, clientKey string) (sendforsign.Client, error) {
	var found sendforsign.Client
	err := p.session.call(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) (err error) {
		found, err = api.ReadClient(ctx, sendforsign.PlatformToken(platform), sendforsign.ClientQuery{ClientKey: clientKey})
		return err
	})
	return found, err
}

// clientCustomKey is by what a client is found again. No part of a derived one can hold a slash, so that no two resources
// share one.
func clientCustomKey(platform *v1alpha1.SfsPlatform, c *v1alpha1.SfsClient) string {
	if c.Spec.CustomKey != "" {
		return c.Spec.CustomKey
	}
	return strings.Join([]string{platform.Spec.CustomKeyPrefix, c.Namespace, c.Name}, "/")
}

func (r *ClientReconciler) lookup(ctx context.Context, p *clientPass, customKey string) (string, error) {
	var found sendforsign.Client
	err := p.session.call(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) (err error) {
		found, err = api.ReadClient(ctx, sendforsign.PlatformToken(platform), sendforsign.ClientQuery{CustomKey: customKey})
		return err
	})
	if sendforsign.IsNotFound(err) {
		return "", errNone
	}
	if err != nil {
		return "", err
	}
	// A read returns one client, also where there are more; those others are no news, so the list need not be new. And
	// what it returns for a value that it does not know is not documented: then a list must tell that is up to date.
	maxAge := snapshotAge
	if found.CustomKey != customKey {
		maxAge = 0
	}
	keys, err := p.session.clientKeys(ctx, p.ref, customKey, maxAge)
	switch {
	case err != nil:
		return "", err
	case len(keys) > 1:
		return "", ambiguous("clients", customKey, keys)
	case found.CustomKey == customKey:
		return found.ClientKey, nil
	case len(keys) == 1:
		return keys[0], nil
	}
	return "", errNone
}

func ambiguous(what, customKey string, keys []string) error {
	const named = 5
	keys = slices.Sorted(slices.Values(keys))
	return &problem{
		reason: v1alpha1.AmbiguousCustomKeyReason,
		message: fmt.Sprintf("SFS holds %d %s with the customKey %s, such as %s; change the customKey of all but one there",
			len(keys), what, customKey, strings.Join(keys[:min(len(keys), named)], ", ")),
		pace: slow,
	}
}

func (r *ClientReconciler) create(ctx context.Context, p *clientPass) (string, error) {
	var made sendforsign.Client
	err := p.session.call(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) (err error) {
		made, err = api.CreateClient(ctx, sendforsign.PlatformToken(platform), sendforsign.ClientFields{
			FullName: p.client.Spec.FullName, Email: p.client.Spec.Email, Organization: p.client.Spec.Organization,
			CustomKey: p.client.Status.CustomKey,
		})
		return err
	})
	if err != nil {
		return "", err
	}
	for _, user := range made.Users {
		if user.Default {
			p.client.Status.DefaultUserKey = user.UserKey
		}
	}
	// It was made from this very spec, so there is nothing to compare.
	p.synced()
	return made.ClientKey, nil
}

// clientProfile is what SFS holds of a client beside its key.
type clientProfile struct {
	r *ClientReconciler
	p *clientPass
}

func (c clientProfile) differences(ctx context.Context) ([]difference, error) {
	key := c.p.client.Status.ClientKey
	found, err := c.r.read(ctx, c.p, key)
	if sendforsign.IsNotFound(err) {
		return nil, remoteMissing("clientKey", key, err)
	}
	if err != nil {
		return nil, err
	}
	return clientDifferences(c.p.client, found), nil
}

func (c clientProfile) correct(ctx context.Context, differences []difference) error {
	change := sendforsign.ClientFields{
		FullName: wanted(differences, "fullName"), Email: wanted(differences, "email"),
		Organization: wanted(differences, "organization"), CustomKey: wanted(differences, "customKey"),
	}
	return c.p.session.call(ctx, c.p.ref, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) error {
		return api.UpdateClient(ctx, sendforsign.PlatformToken(platform), c.p.client.Status.ClientKey, change)
	})
}

// clientDifferences compares what the spec names. The customKey of an imported client is not the operator's.
func clientDifferences(c *v1alpha1.SfsClient, found sendforsign.Client) []difference {
	customKey := c.Status.CustomKey
	if c.Spec.ClientKey != "" {
		customKey = ""
	}
	return differing([]difference{
		{"fullName", found.FullName, c.Spec.FullName},
		{"email", found.Email, c.Spec.Email},
		{"organization", found.Organization, c.Spec.Organization},
		{"customKey", found.CustomKey, customKey},
	})
}

func remoteMissing(what, key string, cause error) error {
	return &problem{
		reason: v1alpha1.RemoteMissingReason,
		message: fmt.Sprintf("SFS does not know the %s %s; a new one is not made, since it would have none of the contracts. "+
			"Have it restored at SFS, or create this resource anew", what, key),
		pace: slow, cause: cause,
	}
}

// publishIdentity writes the Secret of identifiers.
func (r *ClientReconciler) publishIdentity(ctx context.Context, p *clientPass) error {
	refused, err := r.learnDefaultUser(ctx, p)
	if err != nil {
		p.report(v1alpha1.SecretReadyCondition, "", "", err)
		return err
	}
	c := p.client
	values := identifiers(c.Status.ClientKey, c.Status.DefaultUserKey, baseURL(p.platform))
	if err := publish(ctx, p.pass, r.secrets, c.SecretName(), c.Spec.Secret, values, &c.Status.SecretRef); err != nil {
		return err
	}
	if refused {
		p.set(v1alpha1.SecretReadyCondition, metav1.ConditionTrue, v1alpha1.DefaultUserUnknownReason,
			"the Secret holds the identifiers, but not the key of the default user: SFS refuses to list the users")
	}
	return nil
}

// learnDefaultUser finds the key of the default user where SFS did not say it when the client was made: from the resource
// that declares it, and else, before the Secret is first published, from SFS. It says whether SFS refuses to tell. A refusal
// may have been for once, so that is asked again later, and the Secret does not wait for it.
func (r *ClientReconciler) learnDefaultUser(ctx context.Context, p *clientPass) (refused bool, err error) {
	if p.client.Status.DefaultUserKey != "" {
		return false, nil
	}
	users, err := usersOf(ctx, r.client, client.ObjectKeyFromObject(p.client))
	if err != nil {
		return false, err
	}
	for _, user := range users {
		if user.Spec.Default && user.Status.ClientKey == p.client.Status.ClientKey && user.Status.UserKey != "" {
			p.client.Status.DefaultUserKey = user.Status.UserKey
			return false, nil
		}
	}
	if p.client.Status.SecretRef == nil {
		return r.askForDefaultUser(ctx, p)
	}
	before := conditions.Get(p.client, v1alpha1.SecretReadyCondition)
	refused = before != nil && before.Status == metav1.ConditionTrue && before.Reason == v1alpha1.DefaultUserUnknownReason
	if !refused || r.attempts.failures(p.ref, askUsers) >= mostRefusals {
		return refused, nil
	}
	refusedAgain, err := r.askForDefaultUser(ctx, p)
	return refusedAgain || err != nil, unsettled(err)
}

const (
	askUsers = "users"
	// mostRefusals is after how many SFS is not asked again who the default user is, until the operator is started anew.
	mostRefusals = 5
)

func (r *ClientReconciler) askForDefaultUser(ctx context.Context, p *clientPass) (refused bool, err error) {
	session, err := p.connect(ctx)
	if err != nil {
		return false, err
	}
	var atSFS []sendforsign.User
	err = p.try(ctx, step{name: askUsers, connection: session, class: classCreate}, func() error {
		return session.callWithKey(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, key sendforsign.Auth) (err error) {
			atSFS, err = api.ListUsers(ctx, key, p.client.Status.ClientKey)
			return err
		})
	})
	if failed := problemOf(err); failed != nil && failed.pace == slow {
		return true, nil
	}
	if user := defaultUser(atSFS); user != nil {
		p.client.Status.DefaultUserKey = user.UserKey
	}
	return false, err
}

// defaultUser is the one user that nobody has given a customKey: SFS makes it together with the client, but does not say
// later which it is.
func defaultUser(users []sendforsign.User) *sendforsign.User {
	var found *sendforsign.User
	for i := range users {
		if users[i].CustomKey != "" {
			continue
		}
		if found != nil {
			return nil
		}
		found = &users[i]
	}
	return found
}

// publish writes a Secret of identifiers and sets SecretReady.
func publish(
	ctx context.Context, p *pass, secrets *Secrets, name string, spec v1alpha1.SecretSpec, values shape.Source, at **v1alpha1.SecretReference,
) error {
	first := *at == nil || (*at).Name != name
	want := publication{name: name, form: formOf(spec, nil)}
	var mended bool
	var err error
	if want.data, err = want.form.render(values); err != nil {
		err = templateError("spec.secret", err)
	} else {
		mended, err = secrets.ensure(ctx, p.object, p.ref, want)
		err = p.wrote(ctx, name, err)
	}
	p.report(v1alpha1.SecretReadyCondition, v1alpha1.PublishedReason, "the Secret holds the identifiers", err)
	if err != nil {
		return err
	}
	if mended && !first {
		p.tell(repaired(name))
	}
	*at = &v1alpha1.SecretReference{Name: name}
	return nil
}
