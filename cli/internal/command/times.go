// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
)

// withoutTimes are the resources whose status names the Secret of a token, and leaves its times to that.
func withoutTimes(found []resource) []*holder {
	var holders []*holder
	for _, o := range found {
		if t := kinds.TokenOf(o); t != nil && t.Status != nil && t.Status.ExpirationTime.IsZero() {
			holders = append(holders, &holder{o, t})
		}
	}
	return holders
}

// addTimes has the status of each resource tell the times of its token also where the operator leaves them to the Secrets
// (--record-token-times=false). The values of the Secrets are not read. Who may not list Secrets sees no times.
func (s *session) addTimes(ctx context.Context, c client.Reader, found ...resource) error {
	holders := withoutTimes(found)
	if len(holders) == 0 {
		return nil
	}
	options := []client.ListOption{client.HasLabels{v1alpha1.OwnerLabel}}
	first := holders[0]
	if !slices.ContainsFunc(holders, func(h *holder) bool { return h.of.GetNamespace() != first.of.GetNamespace() }) {
		options = append(options, client.InNamespace(first.of.GetNamespace()))
	}
	if len(holders) == 1 {
		options = append(options, client.MatchingLabels{v1alpha1.OwnerLabel: string(first.of.GetUID())})
	}
	secrets := &metav1.PartialObjectMetadataList{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := c.List(ctx, secrets, options...); isRefused(err) {
		s.note("you may not list Secrets, on which the times of these tokens stand")
		return nil
	} else if err != nil {
		return doing("listing Secrets", err)
	}
	byName := map[client.ObjectKey]*metav1.PartialObjectMetadata{}
	for i := range secrets.Items {
		byName[client.ObjectKeyFromObject(&secrets.Items[i])] = &secrets.Items[i]
	}
	for _, h := range holders {
		secret := byName[client.ObjectKey{Namespace: h.of.GetNamespace(), Name: h.token.Status.SecretRef.Name}]
		if secret != nil && secret.Labels[v1alpha1.OwnerLabel] == string(h.of.GetUID()) {
			readTimes(h.token.Status, secret.Annotations)
		}
	}
	return nil
}

// readTimes reads what the operator wrote. When it renews the token does not stand there.
func readTimes(t *v1alpha1.TokenStatus, annotations map[string]string) {
	for name, to := range map[string]*metav1.Time{
		v1alpha1.IssuedAtAnnotation: &t.IssuedTime, v1alpha1.ExpiresAtAnnotation: &t.ExpirationTime,
	} {
		if at, err := time.Parse(time.RFC3339, annotations[name]); err == nil {
			*to = metav1.NewTime(at)
		}
	}
	if n, err := strconv.ParseInt(annotations[v1alpha1.RevisionAnnotation], 10, 64); err == nil {
		t.Revision = n
	}
	if at, err := time.Parse(time.RFC3339, annotations[v1alpha1.RevokePreviousAtAnnotation]); err == nil {
		t.PreviousRevocationTime = &metav1.Time{Time: at}
	}
}
