// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"strings"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// profile is what SFS holds of a client or user beside its key.
type profile interface {
	// differences returns in what SFS differs now from what the spec names.
	differences(ctx context.Context) ([]difference, error)
	// correct gives SFS the values of the spec.
	correct(ctx context.Context, differences []difference) error
}

// difference is a field of which SFS has another value than the spec.
type difference struct{ field, have, want string }

// differing keeps the fields that the spec names and SFS has otherwise.
func differing(fields []difference) []difference {
	return slices.DeleteFunc(fields, func(d difference) bool { return d.want == "" || d.want == d.have })
}

// wanted returns the new value of a field, or nothing where it stays as it is.
func wanted(differences []difference, field string) string {
	for _, d := range differences {
		if d.field == field {
			return d.want
		}
	}
	return ""
}

// pending shows differences in a status, personal addresses in part.
func pending(differences []difference) []v1alpha1.PendingChange {
	var changes []v1alpha1.PendingChange
	for _, d := range differences {
		if d.field == "email" {
			d.have, d.want = masked(d.have), masked(d.want)
		}
		changes = append(changes, v1alpha1.PendingChange{Field: d.field, From: shown(d.have), To: shown(d.want)})
	}
	return changes
}

// longestShown is how many characters of a value that SFS holds a status shows. The API server would refuse a status with a
// value that is too long, and then nothing of it would ever be written.
const longestShown = 128

// shown is what a status shows of a value that anybody may have chosen at SFS.
func shown(value string) string {
	clean := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(value, "?")))
	if len(clean) > longestShown {
		return string(clean[:longestShown]) + "…"
	}
	return string(clean)
}

func masked(address string) string {
	local, domain, found := strings.Cut(address, "@")
	if !found || local == "" {
		return strings.Repeat("*", min(len(address), 3))
	}
	return local[:1] + "***@" + domain
}

// profilePolicy says what becomes of differences.
type profilePolicy struct {
	observed bool // nothing is ever written to SFS
	reported bool // what others change is not undone
}

// syncProfile has what SFS holds compared with the spec: when the spec has changed, when somebody asks for it, and when the
// periodic check has found a difference.
func (p *tenantPass) syncProfile(ctx context.Context, what profile) error {
	requested := p.object.GetAnnotations()[v1alpha1.ReconcileRequestedAtAnnotation]
	asked := requested != "" && requested != *p.at.handled
	if p.isCompared() && !asked && !p.drift.isSuspect(p.ref) {
		return nil
	}
	class := classCreate
	if p.isCompared() && !asked {
		class = classDrift
	}
	session, err := p.connect(ctx)
	if err == nil {
		// A new request does not wait for the pause after an old failure.
		err = p.try(ctx, step{name: "profile", circumstances: requested, connection: session, class: class}, func() error { return p.compare(ctx, what, asked) })
	}
	failed := problemOf(err)
	switch {
	case err == nil:
		p.drift.cleared(p.ref)
		p.compared()
		return nil
	case failed != nil && !needsPerson(failed.reason) && p.isSynced():
		// It was so when SFS was last asked, and nobody has asked for anything else.
		p.set(v1alpha1.SyncedCondition, metav1.ConditionTrue, failed.reason, "it was as the spec asks for, but can not be compared now: "+failed.message)
		return err
	case failed != nil && !needsPerson(failed.reason) && p.isCompared():
		return err // what was found at the last comparison still holds
	}
	if failed != nil {
		*p.at.pending = nil // it may be of another spec
	}
	p.report(v1alpha1.SyncedCondition, "", "", err)
	return err
}

// compare finds out whether SFS holds what the spec names, and does about it what the policies say.
func (p *tenantPass) compare(ctx context.Context, what profile, asked bool) error {
	differences, err := what.differences(ctx)
	if err != nil {
		return err
	}
	// Where it was compared before with this very spec, somebody else has changed it since.
	drifted := p.isCompared()
	switch {
	case len(differences) == 0:
		p.synced()
		return nil
	case p.policy.observed, p.policy.reported && drifted:
		p.foundPending(differences, drifted)
		p.set(v1alpha1.SyncedCondition, metav1.ConditionFalse, v1alpha1.DriftDetectedReason,
			"SFS holds other values than the spec asks for, and is left so by the policies of this resource; see status.pendingChanges")
		return nil
	case drifted && !asked && p.drift.isContested(p.ref, p.now, p.driftInterval()):
		p.foundPending(differences, drifted)
		p.set(v1alpha1.SyncedCondition, metav1.ConditionFalse, v1alpha1.ConflictingManagerReason,
			"somebody else keeps changing what the operator corrects at SFS, so it has stopped; see status.pendingChanges")
		return nil
	}
	if err := what.correct(ctx, differences); err != nil {
		return err
	}
	if drifted && !asked {
		p.drift.corrected(p.ref, p.now)
	} else {
		p.drift.settled(p.ref)
	}
	if drifted {
		p.drift.found(p.ref, differences)
		p.tell(driftCorrected(differences))
	} else {
		p.tell(sentSpec())
	}
	p.synced()
	return nil
}

// foundPending records differences that stay, and tells of those that are new.
func (p *tenantPass) foundPending(differences []difference, drifted bool) {
	changes, known := pending(differences), *p.at.pending
	*p.at.pending = changes
	var news []difference
	for i, d := range differences {
		if !slices.Contains(known, changes[i]) {
			news = append(news, d)
		}
	}
	if len(news) == 0 {
		return
	}
	if drifted {
		p.drift.found(p.ref, news)
	}
	p.tell(driftDetected(news))
}

const inSync = "SFS holds what the spec asks for"

// isSynced says whether the last comparison was of this generation and found no difference.
func (p *tenantPass) isSynced() bool {
	c := conditions.Get(p.object, v1alpha1.SyncedCondition)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == p.object.GetGeneration()
}

// isCompared says whether there was a comparison of this generation, whatever it found.
func (p *tenantPass) isCompared() bool {
	c := conditions.Get(p.object, v1alpha1.SyncedCondition)
	return p.isSynced() || c != nil && c.ObservedGeneration == p.object.GetGeneration() && isRemark(c.Reason, *p.at.pending)
}

func isRemark(reason string, pending []v1alpha1.PendingChange) bool {
	return len(pending) > 0 && (reason == v1alpha1.DriftDetectedReason || reason == v1alpha1.ConflictingManagerReason)
}

// compared records that SFS was asked, and with it what a user has asked for.
func (p *tenantPass) compared() {
	now := metav1.NewTime(p.now)
	*p.at.time = &now
	if requested := p.object.GetAnnotations()[v1alpha1.ReconcileRequestedAtAnnotation]; requested != "" {
		*p.at.handled = requested
	}
}

// synced records that SFS holds what the spec asks for.
func (p *tenantPass) synced() {
	p.compared()
	*p.at.pending = nil
	p.set(v1alpha1.SyncedCondition, metav1.ConditionTrue, v1alpha1.InSyncReason, inSync)
}

// planCreation shows that an object would be made, where it may not.
func (p *tenantPass) planCreation(err error, change v1alpha1.PendingChange) {
	failed := problemOf(err)
	switch {
	case failed != nil && failed.reason == v1alpha1.NothingToAdoptReason && p.policy.observed:
		*p.at.pending = []v1alpha1.PendingChange{change}
	case failed != nil || err == nil:
		*p.at.pending = nil
	}
}
