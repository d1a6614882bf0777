// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// tenantPass is a pass over a resource that stands for something at SFS: a client or a user.
type tenantPass struct {
	*pass
	sessions *Sessions
	platform *v1alpha1.SfsPlatform
	session  *session
	at       comparison
}

// comparison is where the status tells of the last comparison with SFS.
type comparison struct {
	time    **metav1.Time
	handled *string // lastHandledReconcileAt
}

// connect returns the session with SFS.
func (p *tenantPass) connect(ctx context.Context) (*session, error) {
	if p.session == nil {
		session, err := p.sessions.forPlatform(ctx, p.platform)
		if err != nil {
			return nil, err
		}
		p.session = session
	}
	return p.session, nil
}

// syncProfile has what SFS holds compared with the spec, when the spec has changed or somebody asks for it.
func (p *tenantPass) syncProfile(ctx context.Context, compare func(context.Context) error) error {
	requested := p.object.GetAnnotations()[v1alpha1.ReconcileRequestedAtAnnotation]
	if p.isSynced() && (requested == "" || requested == *p.at.handled) {
		return nil
	}
	session, err := p.connect(ctx)
	if err == nil {
		// A new request does not wait for the pause after an old failure.
		err = p.try(ctx, step{name: "profile", circumstances: requested, session: session, class: classCreate}, func() error { return compare(ctx) })
	}
	failed := problemOf(err)
	switch {
	case err == nil:
		p.synced()
		return nil
	case failed != nil && !needsPerson(failed.reason) && p.isSynced():
		// It was so when SFS was last asked, and nobody has asked for anything else.
		p.set(v1alpha1.SyncedCondition, metav1.ConditionTrue, failed.reason, "it was as the spec asks for, but can not be compared now: "+failed.message)
		return err
	}
	p.report(v1alpha1.SyncedCondition, "", "", err)
	return err
}

const inSync = "SFS holds what the spec asks for"

// isSynced says whether the last comparison was of this generation and ended well.
func (p *tenantPass) isSynced() bool {
	c := conditions.Get(p.object, v1alpha1.SyncedCondition)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == p.object.GetGeneration()
}

// synced records that SFS holds what the spec asks for.
func (p *tenantPass) synced() {
	now := metav1.NewTime(p.now)
	*p.at.time = &now
	if requested := p.object.GetAnnotations()[v1alpha1.ReconcileRequestedAtAnnotation]; requested != "" {
		*p.at.handled = requested
	}
	p.set(v1alpha1.SyncedCondition, metav1.ConditionTrue, v1alpha1.InSyncReason, inSync)
}

// identityKeys are the keys that a Secret of identifiers may have.
var identityKeys = []string{
	v1alpha1.KeyClientKey, v1alpha1.KeyEnvClientKey, v1alpha1.KeyUserKey, v1alpha1.KeyEnvUserKey, v1alpha1.KeyBaseURL,
}

// differing returns what is wanted where that is something and not what there is.
func differing(want, have string) string {
	if want == have {
		return ""
	}
	return want
}

// baseURL is where the tokens of a platform are good for, as it stands in the Secrets.
func baseURL(platform *v1alpha1.SfsPlatform) string {
	if platform.Spec.BaseURL == "" {
		return v1alpha1.DefaultBaseURL
	}
	return strings.TrimRight(platform.Spec.BaseURL, "/")
}
