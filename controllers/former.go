// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// A resource that names another Secret keeps the former one for a while: whoever reads it has to be told of the new name, and
// started anew.

// formerGracePeriod is for how long.
const formerGracePeriod = 10 * time.Minute

// departure is how a Secret of a former name is given up: by which policy, and whether at once.
type departure func(have *published) (policy v1alpha1.SecretDeletionPolicy, atOnce bool)

// sweep removes the Secrets of former names when their time has come, once those of the new names are there. It is looked for
// in each pass, in the cache: a pass that could not do it must not be the only one.
func (p *pass) sweep(ctx context.Context, secrets *Secrets, former *[]v1alpha1.FormerSecret, leave departure, keep ...string) error {
	if p.object.GetGeneration() == 1 {
		return nil // there was no other name
	}
	err := p.sweepNow(ctx, secrets, former, leave, keep)
	if err != nil {
		const message = "a Secret of a former name is still to be removed"
		if conditions.Get(p.object, v1alpha1.SecretReadyCondition) == nil { // a kind without it
			p.against = &problem{reason: v1alpha1.ProgressingReason, message: message}
		} else {
			p.set(v1alpha1.SecretReadyCondition, metav1.ConditionFalse, v1alpha1.ProgressingReason, message)
		}
	}
	return p.later(err)
}

func (p *pass) sweepNow(ctx context.Context, secrets *Secrets, former *[]v1alpha1.FormerSecret, leave departure, keep []string) error {
	names, err := secrets.owned(ctx, p.object, p.ref)
	if err != nil {
		return err
	}
	before := *former
	*former = nil
	var failed []error
	confirmed := false
	for _, name := range names {
		if slices.Contains(keep, name) {
			continue
		}
		have, err := secrets.observe(ctx, p.ref, p.object.GetUID(), name)
		if err != nil {
			*former = before // their time goes on
			return err
		}
		if have == nil || !have.ours {
			secrets.gone(p.ref, name)
			continue
		}
		entry := formerSecret(before, name, p.now)
		policy, atOnce := leave(have)
		if wait := p.until(entry.RemovalTime.Time); wait > 0 && !atOnce {
			*former = append(*former, entry)
			p.wakeIn(wait)
			continue
		}
		if !confirmed {
			// By a former spec the Secret that serves today is of another name.
			if err := secrets.confirm(ctx, p.object); err != nil {
				*former = before
				return err
			}
			confirmed = true
		}
		if err := secrets.remove(ctx, p.object, p.ref, name, policy); err != nil {
			*former = append(*former, entry)
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// formerSecret is what the status says of a Secret of a former name, or will say from now on.
func formerSecret(known []v1alpha1.FormerSecret, name string, now time.Time) v1alpha1.FormerSecret {
	for _, f := range known {
		if f.Name == name {
			return f
		}
	}
	return v1alpha1.FormerSecret{Name: name, RemovalTime: metav1.NewTime(now.Add(formerGracePeriod).Truncate(time.Second))}
}

// wouldLeave says whether there is, or will be by these specs, a Secret that Kubernetes does not delete together with its
// owner, and that is not to stay.
func (p *pass) wouldLeave(ctx context.Context, secrets *Secrets, leave departure, specs ...v1alpha1.SecretSpec) (bool, error) {
	for _, s := range specs {
		if s.DeletionPolicy != v1alpha1.SecretRetain && !formOf(s, nil).owned {
			return true, nil
		}
	}
	if p.object.GetGeneration() == 1 {
		return false, nil // there was no other spec
	}
	unowned, err := p.unowned(ctx, secrets, leave)
	return len(unowned) > 0, err
}

// unowned are the names of the Secrets that Kubernetes does not delete together with their owner, and that are not to stay,
// each with its policy.
func (p *pass) unowned(ctx context.Context, secrets *Secrets, leave departure) (map[string]v1alpha1.SecretDeletionPolicy, error) {
	names, err := secrets.owned(ctx, p.object, p.ref)
	if err != nil {
		return nil, err
	}
	unowned := map[string]v1alpha1.SecretDeletionPolicy{}
	for _, name := range names {
		have, err := secrets.observe(ctx, p.ref, p.object.GetUID(), name)
		if err != nil {
			return nil, err
		}
		if have == nil || !have.ours || have.owned {
			continue
		}
		if policy, _ := leave(have); policy != v1alpha1.SecretRetain {
			unowned[name] = policy
		}
	}
	return unowned, nil
}

// releaseSecrets removes the Secrets of a resource that is being deleted, but for those that the garbage collector takes.
func (p *pass) releaseSecrets(ctx context.Context, secrets *Secrets, leave departure) error {
	unowned, err := p.unowned(ctx, secrets, leave)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(unowned)) {
		if err := secrets.remove(ctx, p.object, p.ref, name, unowned[name]); err != nil {
			return err
		}
	}
	return nil
}
