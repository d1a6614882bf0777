// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// mostOrphans are named in the status of a platform. The others are only counted.
const mostOrphans = 100

// recordOrphans records which clients at SFS have the customKey of an SfsClient that is not there: what is left of it after
// its deletion, and comes back when it is applied again.
func (r *PlatformReconciler) recordOrphans(ctx context.Context, p *platformPass, clients []*v1alpha1.SfsClient, atSFS []sendforsign.Client) error {
	held := map[string]bool{}
	for _, c := range clients {
		held[c.Status.ClientKey] = true
	}
	var orphans []v1alpha1.OrphanedClient
	for _, found := range atSFS {
		if held[found.ClientKey] {
			continue
		}
		held[found.ClientKey] = true // a list may have it twice, and the status may not
		owned, err := r.isOwned(ctx, p.platform, found)
		if err != nil {
			return err
		}
		if !owned {
			orphans = append(orphans, v1alpha1.OrphanedClient{ClientKey: found.ClientKey, CustomKey: found.CustomKey})
		}
	}
	slices.SortFunc(orphans, func(a, b v1alpha1.OrphanedClient) int {
		return cmp.Or(strings.Compare(a.CustomKey, b.CustomKey), strings.Compare(a.ClientKey, b.ClientKey))
	})
	count := int32(min(len(orphans), 1<<31-1))
	p.platform.Status.Orphans = &v1alpha1.OrphanStatus{Count: &count, Clients: orphans[:min(len(orphans), mostOrphans)]}
	return nil
}

// isOwned says whether a client at SFS is none of ours to look after, or has an SfsClient: one of its own, or one that has
// imported it.
func (r *PlatformReconciler) isOwned(ctx context.Context, platform *v1alpha1.SfsPlatform, found sendforsign.Client) (bool, error) {
	at, derived := derivedFrom(platform, found.CustomKey)
	if !derived || len(r.namespaces) > 0 && !slices.Contains(r.namespaces, at.Namespace) {
		return true, nil
	}
	var its v1alpha1.SfsClient
	err := r.client.Get(ctx, at, &its, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("looking for SfsClient %s: %w", at, err)
	}
	if err == nil && its.Spec.PlatformRef.Name == platform.Name && !its.NamesItsClient() {
		return true, nil
	}
	return len(havingClient(r.lister, found.ClientKey)) > 0, nil
}

// derivedFrom returns of which SfsClient of a platform this is the customKey, if it has the form of one. That of a client
// that was retired has not.
func derivedFrom(platform *v1alpha1.SfsPlatform, customKey string) (at client.ObjectKey, ok bool) {
	rest, ours := strings.CutPrefix(customKey, platform.Spec.CustomKeyPrefix+"/")
	namespace, name, both := strings.Cut(rest, "/")
	if !ours || !both || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return at, false
	}
	return client.ObjectKey{Namespace: namespace, Name: name}, true
}
