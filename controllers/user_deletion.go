// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// finalize retires the user where that is wanted, and lets the SfsClientUser go.
func (r *UserReconciler) finalize(ctx context.Context, p *userPass) (ctrl.Result, error) {
	end := p.leaveBy()
	return p.release(ctx,
		duty{
			finalizer: v1alpha1.RetireFinalizer, deadline: end, missed: notRetired(notInTime(sfs)),
			do: func(ctx context.Context) (happening, error) { return r.retire(ctx, p) },
		},
		duty{
			finalizer: v1alpha1.ReleaseSecretsFinalizer, deadline: end, missed: secretsLeft(),
			do: func(ctx context.Context) (happening, error) {
				return happening{}, p.later(p.releaseSecrets(ctx, r.secrets, p.leave))
			},
		},
	)
}

// leave says how the Secrets of former names are given up.
func (p *userPass) leave(*published) (policy v1alpha1.SecretDeletionPolicy, atOnce bool) {
	return p.user.Spec.Secret.DeletionPolicy, false
}

// retire changes the customKey of the user, so that it is not found by it again.
func (r *UserReconciler) retire(ctx context.Context, p *userPass) (happening, error) {
	// The spec counts, not the finalizer: anybody who edits the resource can add that.
	if p.user.Spec.DeletionPolicy != v1alpha1.DeletionPolicyRetire || p.user.Spec.UserKey != "" || p.user.IsObserved() ||
		p.user.Status.CustomKey == "" {
		return happening{}, nil
	}
	if p.user.Status.UserKey == "" {
		return neverBound(p.user.Status.CreateIntent), nil
	}
	p.owner = &v1alpha1.SfsClient{}
	if err := r.client.Get(ctx, client.ObjectKey{Namespace: p.user.Namespace, Name: p.user.Spec.ClientRef.Name}, p.owner); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return notRetired("its SfsClient is gone"), nil
		}
		return happening{}, fmt.Errorf("reading the SfsClient: %w", err)
	}
	session, err := p.connectToLeave(ctx, p.owner.Spec.PlatformRef.Name)
	if err != nil {
		return inVain(err, notRetired)
	}
	if err := mayServe(ctx, r.client, r.lister, p.platform, p.owner); err != nil {
		return inVain(err, notRetired)
	}
	siblings, err := r.siblings(ctx, p)
	if err != nil {
		return happening{}, err
	}
	owner, key, customKey := p.user.Status.ClientKey, p.user.Status.UserKey, retiredKey(p.user.Status.CustomKey, p.user)
	for i := range siblings {
		if siblings[i].Status.UserKey == key {
			return notRetired("it also belongs to SfsClientUser " + siblings[i].Name), nil
		}
	}
	return p.retire(ctx, session, customKey, func() error {
		err := session.callWithKey(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, auth sendforsign.Auth) error {
			return api.UpdateUser(ctx, auth, owner, key, sendforsign.UserFields{CustomKey: customKey})
		})
		if err != nil {
			return err
		}
		users, err := r.list(ctx, p, owner)
		if err != nil {
			return err
		}
		for _, user := range users {
			if user.UserKey == key {
				return retiredAs(customKey, user.CustomKey)
			}
		}
		return remoteMissing("userKey", key, nil)
	})
}
