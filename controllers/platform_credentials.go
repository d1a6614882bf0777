// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// tryNextCredentials has SFS asked about the pair that is to follow, with a session of its own, so that a wrong one does
// not disturb the pair in use. It is used as soon as SFS accepts it, and no longer when SFS refuses it:
//
//	credentialsSecretRef in use -- accepted --> nextCredentialsSecretRef in use -- the user moves its name --> as at first
//	                            <-- refused, missing --
func (r *PlatformReconciler) tryNextCredentials(ctx context.Context, p *platformPass) error {
	if p.platform.Spec.NextCredentialsSecretRef == nil {
		conditions.Remove(p.platform, v1alpha1.NextCredentialsValidCondition)
		return nil
	}
	next, present := p.platform.Spec.NextCredentialsSecretRef.Name, p.platform.Spec.CredentialsSecretRef.Name
	session, err := r.sessions.forSecret(ctx, p.platform, next)
	if err == nil && !p.isNextAccepted(session) {
		err = r.ask(ctx, p, "verify next", session)
	}
	known := conditions.Get(p.platform, v1alpha1.NextCredentialsValidCondition)
	failed := problemOf(err)
	switch {
	case err == nil:
		p.platform.Status.ActiveCredentialsSecretRef = &v1alpha1.SecretReference{Name: next}
		p.set(v1alpha1.NextCredentialsValidCondition, metav1.ConditionTrue, v1alpha1.VerifiedReason, whatToDo(next, present))
	case failed != nil && needsPerson(failed.reason):
		p.platform.Status.ActiveCredentialsSecretRef = &v1alpha1.SecretReference{Name: present}
		message := failed.message
		if failed.reason == v1alpha1.CredentialsInvalidReason {
			message = fmt.Sprintf("SFS refuses the API key and secret in Secret %s; correct it", next)
		}
		p.set(v1alpha1.NextCredentialsValidCondition, metav1.ConditionFalse, failed.reason, message+". The pair of spec.credentialsSecretRef is in use")
	case failed != nil:
		p.set(v1alpha1.NextCredentialsValidCondition, metav1.ConditionUnknown, failed.reason, failed.message)
	case known == nil || known.ObservedGeneration != p.platform.Generation:
		// It waits for its turn, and what is said may be of another one.
		p.set(v1alpha1.NextCredentialsValidCondition, metav1.ConditionUnknown, v1alpha1.ProgressingReason, "SFS has not been asked yet")
	}
	return err
}

// isNextAccepted says whether SFS is known to have accepted the next pair.
func (p *platformPass) isNextAccepted(s *session) bool {
	known := conditions.Get(p.platform, v1alpha1.NextCredentialsValidCondition)
	_, refusal := s.verdict.last()
	return known != nil && known.Status == metav1.ConditionTrue && refusal == nil &&
		activeSecret(p.platform) == p.platform.Spec.NextCredentialsSecretRef.Name &&
		p.platform.Status.CredentialsRevision == s.revision
}

func whatToDo(next, present string) string {
	if next == present {
		return "SFS accepts the pair, which is in use; remove spec.nextCredentialsSecretRef and the former Secret"
	}
	return fmt.Sprintf("SFS accepts the pair, which is in use now; put %s into spec.credentialsSecretRef, then remove "+
		"spec.nextCredentialsSecretRef and Secret %s", next, present)
}
