// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// bind gives the SfsClientUser its user at SFS: the one in its status, the one with its customKey, the default user, or a
// new one.
func (r *UserReconciler) bind(ctx context.Context, p *userPass) error {
	status := &p.user.Status
	if status.UserKey != "" && status.ClientKey == p.owner.Status.ClientKey {
		r.creator.unsaved.drop(p.ref)
		return nil
	}
	session, err := p.connect(ctx)
	if err != nil {
		return err
	}
	status.CustomKey = p.owner.Status.CustomKey + "/" + p.user.Name
	p.urgency = urgencyMissing
	return p.try(ctx, step{name: "bind", session: session, class: classCreate}, func() error {
		if p.user.Spec.Default {
			return r.bindDefault(ctx, p)
		}
		return r.creator.ensure(ctx, p.pass, creation{
			intent: &status.CreateIntent,
			lookup: func(ctx context.Context) (string, error) {
				users, err := r.list(ctx, p)
				if err != nil {
					return "", err
				}
				return userWith(users, status.CustomKey)
			},
			create: func(ctx context.Context) (string, error) { return r.create(ctx, p) },
			bind: func(key string, origin v1alpha1.Origin) {
				status.UserKey, status.ClientKey, status.Origin = key, p.owner.Status.ClientKey, origin
			},
		})
	})
}

func (r *UserReconciler) list(ctx context.Context, p *userPass) ([]sendforsign.User, error) {
	var users []sendforsign.User
	err := p.session.callWithKey(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, key sendforsign.Auth) (err error) {
		users, err = api.ListUsers(ctx, key, p.owner.Status.ClientKey)
		return err
	})
	return users, err
}

// userWith returns the key of the one user with this customKey, or errNone.
func userWith(users []sendforsign.User, customKey string) (string, error) {
	var keys []string
	for _, user := range users {
		if user.CustomKey == customKey {
			keys = append(keys, user.UserKey)
		}
	}
	switch len(keys) {
	case 0:
		return "", errNone
	case 1:
		return keys[0], nil
	}
	return "", ambiguous("users", customKey, keys)
}

// bindDefault finds the default user. The profile step then gives it this resource's customKey, by which it is found
// when the cluster is rebuilt: SFS says only when a client is made which user is the default one.
func (r *UserReconciler) bindDefault(ctx context.Context, p *userPass) error {
	if err := r.yieldToOlder(ctx, p); err != nil {
		return err
	}
	users, err := r.list(ctx, p)
	if err != nil {
		return err
	}
	key, err := userWith(users, p.user.Status.CustomKey)
	if err == errNone { //nolint:errorlint // it is returned as it is
		key, err = unclaimedDefault(users, p.owner.Status.DefaultUserKey)
	}
	if err != nil {
		return err
	}
	p.user.Status.UserKey, p.user.Status.ClientKey, p.user.Status.Origin = key, p.owner.Status.ClientKey, v1alpha1.OriginRecovered
	// Nobody has given it this resource's profile yet.
	conditions.Remove(p.user, v1alpha1.SyncedCondition)
	p.tell(bound(key))
	return p.save(ctx)
}

// yieldToOlder lets the oldest of several resources have the default user.
func (r *UserReconciler) yieldToOlder(ctx context.Context, p *userPass) error {
	var users v1alpha1.SfsClientUserList
	if err := r.client.List(ctx, &users, client.InNamespace(p.user.Namespace), client.MatchingFields{clientIndex: p.owner.Name}); err != nil {
		return fmt.Errorf("listing the users: %w", err)
	}
	for i := range users.Items {
		if other := &users.Items[i]; other.Spec.Default && other.UID != p.user.UID && isOlder(other, p.user) {
			return defaultUserTaken(other.Name)
		}
	}
	return nil
}

// isOlder is for two resources of one namespace.
func isOlder(a, b client.Object) bool {
	created := a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time)
	return created < 0 || created == 0 && a.GetName() < b.GetName()
}

func defaultUserTaken(by string) error {
	return &problem{
		reason:  v1alpha1.DefaultUserUnknownReason,
		message: fmt.Sprintf("the default user of the client belongs to another SfsClientUser with default: true, %s", by),
		pace:    slow,
	}
}

func unclaimedDefault(users []sendforsign.User, known string) (string, error) {
	for _, user := range users {
		if user.UserKey == known && user.CustomKey != "" {
			return "", &problem{
				reason:  v1alpha1.DefaultUserUnknownReason,
				message: fmt.Sprintf("the default user of the client has another customKey already at SFS: %s", user.CustomKey),
				pace:    slow,
			}
		}
	}
	if known != "" {
		return known, nil
	}
	if user := defaultUser(users); user != nil {
		return user.UserKey, nil
	}
	return "", &problem{
		reason:  v1alpha1.DefaultUserUnknownReason,
		message: "SFS does not say which user of the client is the default one; give it the customKey in status.customKey there",
		pace:    slow,
	}
}

func (r *UserReconciler) create(ctx context.Context, p *userPass) (string, error) {
	var made sendforsign.User
	err := p.session.callWithKey(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, key sendforsign.Auth) (err error) {
		made, err = api.CreateUser(ctx, key, p.owner.Status.ClientKey, wantedUser(p.user))
		return err
	})
	if err != nil {
		return "", err
	}
	// It was made from this very spec, so there is nothing to compare.
	p.synced()
	return made.UserKey, nil
}

func wantedUser(u *v1alpha1.SfsClientUser) sendforsign.UserFields {
	return sendforsign.UserFields{FullName: u.Spec.FullName, Email: u.Spec.Email, CustomKey: u.Status.CustomKey}
}

// compareProfile corrects at SFS what the spec names.
func (r *UserReconciler) compareProfile(ctx context.Context, p *userPass) error {
	users, err := r.list(ctx, p)
	if err != nil {
		return err
	}
	for _, found := range users {
		if found.UserKey == p.user.Status.UserKey {
			return r.correct(ctx, p, found)
		}
	}
	return remoteMissing("userKey", p.user.Status.UserKey, nil)
}

func (r *UserReconciler) correct(ctx context.Context, p *userPass, found sendforsign.User) error {
	want := wantedUser(p.user)
	change := sendforsign.UserFields{
		FullName:  differing(want.FullName, found.FullName),
		Email:     differing(want.Email, found.Email),
		CustomKey: differing(want.CustomKey, found.CustomKey),
	}
	if change == (sendforsign.UserFields{}) {
		return nil
	}
	err := p.session.callWithKey(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, key sendforsign.Auth) error {
		return api.UpdateUser(ctx, key, p.owner.Status.ClientKey, p.user.Status.UserKey, change)
	})
	if err == nil {
		p.tell(corrected())
	}
	return err
}

// publishIdentity writes the Secret of identifiers.
func (r *UserReconciler) publishIdentity(ctx context.Context, p *userPass) error {
	userKey, clientKey := []byte(p.user.Status.UserKey), []byte(p.user.Status.ClientKey)
	return publish(ctx, p.pass, r.secrets, publication{name: p.user.SecretName(), data: map[string][]byte{
		v1alpha1.KeyUserKey:      userKey,
		v1alpha1.KeyEnvUserKey:   userKey,
		v1alpha1.KeyClientKey:    clientKey,
		v1alpha1.KeyEnvClientKey: clientKey,
		v1alpha1.KeyBaseURL:      []byte(baseURL(p.platform)),
	}}, &p.user.Status.SecretRef)
}
