// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

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
	p.urgency = urgencyDue
	found := v1alpha1.OriginRecovered
	status.CustomKey = userCustomKey(p.owner, p.user)
	if p.user.Spec.CustomKey != "" {
		found = v1alpha1.OriginAdopted
	}
	defer r.claims.release(p.ref)
	err = p.try(ctx, step{name: "bind", connection: session, class: classCreate}, func() error {
		switch {
		case p.user.Spec.Default:
			return r.bindDefault(ctx, p)
		case p.user.Spec.UserKey != "":
			return r.importUser(ctx, p)
		}
		return r.creator.ensure(ctx, p.pass, creation{
			customKey: status.CustomKey,
			within:    p.owner.Status.ClientKey,
			found:     found,
			adoption:  p.user.Spec.AdoptionPolicy,
			observed:  p.user.IsObserved(),
			intent:    &status.CreateIntent,
			lookup: func(ctx context.Context) (string, error) {
				users, err := r.list(ctx, p, p.owner.Status.ClientKey)
				if err != nil {
					return "", err
				}
				return userWith(users, status.CustomKey)
			},
			create: func(ctx context.Context) (string, error) { return r.create(ctx, p) },
			guard:  func(ctx context.Context, key string) error { return r.guard(ctx, p, key) },
			bind: func(key string, origin v1alpha1.Origin) {
				status.UserKey, status.ClientKey, status.Origin = key, p.owner.Status.ClientKey, origin
			},
		})
	})
	p.planCreation(err, v1alpha1.PendingChange{Field: "user", To: status.CustomKey})
	return err
}

// userCustomKey is by what a user is found again among those of its client.
func userCustomKey(owner *v1alpha1.SfsClient, u *v1alpha1.SfsClientUser) string {
	if u.Spec.CustomKey != "" {
		return u.Spec.CustomKey
	}
	return derivedUserPrefix(owner) + u.Name
}

// derivedUserPrefix is that of the derived customKeys.
func derivedUserPrefix(owner *v1alpha1.SfsClient) string { return owner.UsersKey() + "/" }

// guard refuses the user with this key, or with none a new one, to an SfsClientUser that has an older rival, or that names
// what another has by its name.
func (r *UserReconciler) guard(ctx context.Context, p *userPass, userKey string) error {
	if prefix := derivedUserPrefix(p.owner); strings.HasPrefix(p.user.Spec.CustomKey, prefix) {
		return &problem{
			reason:  v1alpha1.AdoptionNotAllowedReason,
			message: fmt.Sprintf("spec.customKey begins with %s: such a key belongs to the SfsClientUser of that name, and can not be named by another", prefix),
			pace:    waits,
		}
	}
	if err := r.claims.take(p.owner.Status.ClientKey+" customKey "+p.user.Status.CustomKey, p.ref); err != nil {
		return err
	}
	if userKey != "" {
		if err := r.claims.take(p.owner.Status.ClientKey+" userKey "+userKey, p.ref); err != nil {
			return err
		}
	}
	return r.yield(ctx, p, userKey)
}

// yield lets the oldest of several SfsClientUsers have a user of the client. They are all of one namespace, so the cache is
// good enough; what it does not show yet is found later.
func (r *UserReconciler) yield(ctx context.Context, p *userPass, userKey string) error {
	siblings, err := r.siblings(ctx, p)
	if err != nil {
		return err
	}
	for i := range siblings {
		other := &siblings[i]
		holds := userKey != "" && other.Status.UserKey == userKey && other.Status.ClientKey == p.owner.Status.ClientKey
		switch same := holds || namesSameUser(other, p.user, userKey); {
		case holds && !other.DeletionTimestamp.IsZero():
			return &problem{
				reason:  v1alpha1.ProgressingReason,
				message: fmt.Sprintf("SfsClientUser %s, which stands for the same user at SFS, is being deleted", other.Name),
				pace:    waits,
			}
		case same && isOlder(other, p.user) && other.DeletionTimestamp.IsZero():
			return taken("user", "SfsClientUser "+other.Name)
		}
	}
	return nil
}

// usersOf returns the SfsClientUsers of a client, to be looked at and not changed.
func usersOf(ctx context.Context, r client.Reader, of client.ObjectKey) ([]v1alpha1.SfsClientUser, error) {
	var users v1alpha1.SfsClientUserList
	if err := r.List(ctx, &users, client.InNamespace(of.Namespace), client.MatchingFields{clientIndex: of.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the users: %w", err)
	}
	return users.Items, nil
}

// siblings returns the other SfsClientUsers of the client.
func (r *UserReconciler) siblings(ctx context.Context, p *userPass) ([]v1alpha1.SfsClientUser, error) {
	all, err := usersOf(ctx, r.client, client.ObjectKey{Namespace: p.user.Namespace, Name: p.user.Spec.ClientRef.Name})
	if err != nil {
		return nil, err
	}
	siblings := slices.DeleteFunc(all, func(other v1alpha1.SfsClientUser) bool { return other.UID == p.user.UID })
	slices.SortFunc(siblings, func(a, b v1alpha1.SfsClientUser) int { return strings.Compare(a.Name, b.Name) }) // the same one is named each time
	return siblings, nil
}

// namesSameUser says whether two SfsClientUsers of one client mean the same user, which may have this key.
func namesSameUser(a, b *v1alpha1.SfsClientUser, userKey string) bool {
	return a.Spec.Default && b.Spec.Default ||
		a.Spec.CustomKey != "" && a.Spec.CustomKey == b.Spec.CustomKey ||
		a.Spec.UserKey != "" && a.Spec.UserKey == userKey
}

// importUser binds the user that the spec names by its key at SFS.
func (r *UserReconciler) importUser(ctx context.Context, p *userPass) error {
	key := p.user.Spec.UserKey
	users, err := r.list(ctx, p, p.owner.Status.ClientKey)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(users, func(u sendforsign.User) bool { return u.UserKey == key })
	if at < 0 {
		return nothingToAdopt("userKey", key, "it is named by its key")
	}
	if err := r.guard(ctx, p, key); err != nil {
		return err
	}
	p.user.Status.CustomKey = shown(users[at].CustomKey)
	return r.take(ctx, p, key, v1alpha1.OriginImported)
}

// take binds a user that nobody has given this resource's profile yet.
func (r *UserReconciler) take(ctx context.Context, p *userPass, key string, origin v1alpha1.Origin) error {
	p.user.Status.UserKey, p.user.Status.ClientKey, p.user.Status.Origin = key, p.owner.Status.ClientKey, origin
	conditions.Remove(p.user, v1alpha1.SyncedCondition)
	if p.user.Spec.Default {
		p.tell(bound(key))
	} else {
		p.tell(adopted(origin, key))
	}
	return p.save(ctx)
}

func (r *UserReconciler) list(ctx context.Context, p *userPass, clientKey string) ([]sendforsign.User, error) {
	var users []sendforsign.User
	err := p.session.callWithKey(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, key sendforsign.Auth) (err error) {
		users, err = api.ListUsers(ctx, key, clientKey)
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
	if err := r.yield(ctx, p, ""); err != nil {
		return err
	}
	users, err := r.list(ctx, p, p.owner.Status.ClientKey)
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
	if err := r.guard(ctx, p, key); err != nil {
		return err
	}
	return r.take(ctx, p, key, v1alpha1.OriginRecovered)
}

func unclaimedDefault(users []sendforsign.User, known string) (string, error) {
	for _, user := range users {
		if user.UserKey == known && user.CustomKey != "" {
			return "", &problem{
				reason:  v1alpha1.DefaultUserUnknownReason,
				message: fmt.Sprintf("the default user of the client has another customKey already at SFS: %s", shown(user.CustomKey)),
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
		made, err = api.CreateUser(ctx, key, p.owner.Status.ClientKey, sendforsign.UserFields{
			FullName: p.user.Spec.FullName, Email: p.user.Spec.Email, CustomKey: p.user.Status.CustomKey,
		})
		return err
	})
	if err != nil {
		return "", err
	}
	// It was made from this very spec, so there is nothing to compare.
	p.synced()
	return made.UserKey, nil
}

// userProfile is what SFS holds of a user beside its key.
type userProfile struct {
	r *UserReconciler
	p *userPass
}

func (u userProfile) differences(ctx context.Context) ([]difference, error) {
	users, err := u.r.list(ctx, u.p, u.p.owner.Status.ClientKey)
	if err != nil {
		return nil, err
	}
	key := u.p.user.Status.UserKey
	at := slices.IndexFunc(users, func(found sendforsign.User) bool { return found.UserKey == key })
	if at < 0 {
		return nil, remoteMissing("userKey", key, nil)
	}
	return userDifferences(u.p.user, users[at]), nil
}

func (u userProfile) correct(ctx context.Context, differences []difference) error {
	change := sendforsign.UserFields{
		FullName: wanted(differences, "fullName"), Email: wanted(differences, "email"), CustomKey: wanted(differences, "customKey"),
	}
	return u.p.session.callWithKey(ctx, u.p.ref, func(ctx context.Context, api *sendforsign.API, key sendforsign.Auth) error {
		return api.UpdateUser(ctx, key, u.p.owner.Status.ClientKey, u.p.user.Status.UserKey, change)
	})
}

// userDifferences compares what the spec names. The customKey of an imported user is not the operator's.
func userDifferences(u *v1alpha1.SfsClientUser, found sendforsign.User) []difference {
	customKey := u.Status.CustomKey
	if u.Spec.UserKey != "" {
		customKey = ""
	}
	return differing([]difference{
		{"fullName", found.FullName, u.Spec.FullName},
		{"email", found.Email, u.Spec.Email},
		{"customKey", found.CustomKey, customKey},
	})
}

// publishIdentity writes the Secret of identifiers.
func (r *UserReconciler) publishIdentity(ctx context.Context, p *userPass) error {
	values := identifiers(p.user.Status.ClientKey, p.user.Status.UserKey, baseURL(p.platform))
	return publish(ctx, p.pass, r.secrets, p.user.SecretName(), p.user.Spec.Secret, values, &p.user.Status.SecretRef)
}
