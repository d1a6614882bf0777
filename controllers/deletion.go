// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// ensureFinalizers has each finalizer there or not, as wanted.
func (p *pass) ensureFinalizers(ctx context.Context, wanted map[string]bool) error {
	before := metadataOf(p.ref.kind, p.object)
	changed, update := before.DeepCopy(), false
	for _, name := range slices.Sorted(maps.Keys(wanted)) { // the same order each time
		if wanted[name] {
			update = controllerutil.AddFinalizer(changed, name) || update
		} else {
			update = controllerutil.RemoveFinalizer(changed, name) || update
		}
	}
	if !update {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := p.client.Patch(ctx, changed, patch, client.FieldOwner(fieldManager)); err != nil {
		return p.orOutdated(fmt.Errorf("writing the finalizers: %w", err))
	}
	for _, o := range []object{p.object, p.saved} {
		o.SetFinalizers(changed.GetFinalizers())
		o.SetResourceVersion(changed.GetResourceVersion())
	}
	p.attempts.wrote(p.ref, p.object)
	return nil
}

// deletionDeadline bounds how long a deletion waits for SFS. A token that can not be revoked by then expires by itself.
const deletionDeadline = time.Minute

// leaveBy is until when SFS is waited for; zero for what is not being deleted.
func (p *pass) leaveBy() time.Time {
	if at := p.object.GetDeletionTimestamp(); at != nil {
		return at.Add(deletionDeadline)
	}
	return time.Time{}
}

func notInTime(api string) string { return api + " could not be asked in time" }

// duty is what is done at SFS for a resource that is being deleted, while its finalizer holds it.
type duty struct {
	finalizer string
	deadline  time.Time
	do        func(context.Context) (happening, error)
	missed    happening // told where it could not be done by the deadline
}

// release does the duties of a resource that is being deleted, and lets it go. It never waits longer than a deadline.
func (p *pass) release(ctx context.Context, duties ...duty) (ctrl.Result, error) {
	p.urgency = urgencyAsked
	done := map[string]bool{}
	var failed []error
	var outcomes []happening
	for _, d := range duties {
		if !controllerutil.ContainsFinalizer(p.object, d.finalizer) {
			continue
		}
		outcome, err := p.fulfil(ctx, d)
		if err != nil && p.now.Before(d.deadline) {
			p.wakeIn(p.until(d.deadline))
			failed = append(failed, unsettled(err))
			continue
		}
		if err != nil {
			outcome = d.missed
		}
		done[d.finalizer] = false
		outcomes = append(outcomes, outcome)
	}
	if err := p.ensureFinalizers(ctx, done); client.IgnoreNotFound(err) != nil {
		failed = append(failed, unsettled(p.later(err)))
	} else {
		for _, outcome := range outcomes {
			if outcome != (happening{}) {
				outcome.tell(p.recorder, p.object)
			}
		}
	}
	if err := errors.Join(failed...); err != nil {
		return ctrl.Result{Priority: p.priority()}, err
	}
	return p.result(), nil
}

// fulfilled are the duties that have been done for a resource as it is, by their finalizers, with what is to be told of them.
type fulfilled struct {
	uid        types.UID
	generation int64
	outcomes   map[string]happening
}

// fulfil does a duty once: that its finalizer could not be taken away yet, since the cache is behind, is no reason to ask
// SFS again.
func (p *pass) fulfil(ctx context.Context, d duty) (happening, error) {
	known, _ := p.attempts.fulfilled.get(p.ref)
	if known.uid != p.object.GetUID() || known.generation != p.object.GetGeneration() {
		known = fulfilled{uid: p.object.GetUID(), generation: p.object.GetGeneration(), outcomes: map[string]happening{}}
	}
	if outcome, done := known.outcomes[d.finalizer]; done {
		return outcome, nil
	}
	outcome, err := d.do(ctx)
	if err == nil {
		known.outcomes[d.finalizer] = outcome
		p.attempts.fulfilled.put(p.ref, known)
	}
	return outcome, err
}

// connectToLeave returns the session of a platform by its name: whether the namespace may still use it does not matter for
// giving back what it got.
func (p *tenantPass) connectToLeave(ctx context.Context, platform string) (*session, error) {
	p.platform = &v1alpha1.SfsPlatform{}
	err := p.client.Get(ctx, client.ObjectKey{Name: platform}, p.platform)
	if apierrors.IsNotFound(err) {
		return nil, &problem{reason: v1alpha1.PlatformNotFoundReason, message: "its SfsPlatform is gone", pace: waits}
	}
	if err != nil {
		return nil, fmt.Errorf("reading SfsPlatform %s: %w", platform, err)
	}
	return p.connect(ctx)
}

// inVain ends a duty that a problem keeps from being done, which is not worth waiting for. Another error is tried again.
func inVain(err error, missed func(why string) happening) (happening, error) {
	if failed := problemOf(err); failed != nil {
		return missed(failed.message), nil //nolint:nilerr // that it is in vain is told by the event
	}
	return happening{}, err
}

// retire takes the step that changes a customKey at SFS, and says how it went.
func (p *tenantPass) retire(ctx context.Context, session *session, customKey string, change func() error) (happening, error) {
	err := p.try(ctx, step{name: "retire", connection: session, class: classRenewal, deadline: p.leaveBy()}, change)
	failed := problemOf(err)
	switch {
	case err == nil:
		return retired(customKey), nil
	case failed != nil && (failed.reason == v1alpha1.RequestRefusedReason || failed.reason == v1alpha1.RemoteMissingReason):
		return notRetired(failed.message), nil // asking again changes nothing
	}
	return happening{}, err
}

// retiredKey is the customKey of what was retired. It is the same in each attempt, and another one each time that a resource
// of this name is deleted.
func retiredKey(customKey string, o client.Object) string {
	return customKey + "#retired-" + o.GetDeletionTimestamp().UTC().Format("20060102T150405Z")
}

// retiredAs checks what SFS shows after the change: that it changes a customKey is not documented.
func retiredAs(want, have string) error {
	if want == have {
		return nil
	}
	return &problem{reason: v1alpha1.RequestRefusedReason, message: "SFS does not change it", pace: slow}
}
