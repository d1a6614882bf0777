// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

const (
	// countInterval is the least time between two counts of the clients of a platform: when a thousand become Ready, a
	// thousand changes are not a thousand writes.
	countInterval = 5 * time.Second
	// releaseInterval is the same while a platform waits for them to go.
	releaseInterval = time.Second
)

// clients returns the SfsClients of a platform, to be looked at and not changed.
func (r *PlatformReconciler) clients(p *platformPass) []*v1alpha1.SfsClient {
	return r.lister.clientsBy(platformIndex, p.platform.Name)
}

// countClients records how many use the platform, and holds it while there are any.
func (r *PlatformReconciler) countClients(ctx context.Context, p *platformPass) error {
	isHeld := controllerutil.ContainsFinalizer(p.platform, v1alpha1.InUseFinalizer)
	if !r.mayCount(p, countInterval) {
		// The first one is not kept waiting: it may be deleted soon, and the platform with it.
		if isHeld || len(r.clients(p)) == 0 {
			return nil
		}
		return p.later(p.ensureFinalizers(ctx, map[string]bool{v1alpha1.InUseFinalizer: true}))
	}
	var total, ready int32
	for _, c := range r.clients(p) {
		total++
		if conditions.IsTrue(c, v1alpha1.ReadyCondition) {
			ready++
		}
	}
	p.platform.Status.Clients = &v1alpha1.ClientCount{Total: &total, Ready: &ready}
	r.counted.put(p.ref, p.now)
	return p.later(p.ensureFinalizers(ctx, map[string]bool{v1alpha1.InUseFinalizer: total > 0}))
}

// mayCount says whether it is time to list the clients again, and if not comes back when it is.
func (r *PlatformReconciler) mayCount(p *platformPass, interval time.Duration) bool {
	last, counted := r.counted.get(p.ref)
	if wait := last.Add(interval).Sub(p.now); counted && wait > 0 {
		p.wakeIn(wait)
		return false
	}
	return true
}

// finalize holds a platform that is being deleted while it has SfsClients with something left to do at SFS: those that
// are deleted together with it, by whatever and in whatever order, need it to revoke their tokens. It never holds it for
// longer than one of them could take.
func (r *PlatformReconciler) finalize(ctx context.Context, p *platformPass) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(p.platform, v1alpha1.InUseFinalizer) {
		return ctrl.Result{}, nil
	}
	deadline := p.platform.DeletionTimestamp.Add(deletionDeadline)
	if p.now.Before(deadline) {
		p.wakeIn(p.until(deadline))
		if !r.mayCount(p, releaseInterval) {
			return p.result(), nil
		}
		r.counted.put(p.ref, p.now)
		if names := namesOf(r.clients(p), holdsToken); len(names) > 0 {
			p.reportDeleting(names)
			return p.finish(ctx, nil)
		}
	}
	if err := p.ensureFinalizers(ctx, map[string]bool{v1alpha1.InUseFinalizer: false}); client.IgnoreNotFound(err) != nil {
		err = unsettled(p.later(err))
		return p.result(), err
	}
	return ctrl.Result{}, nil
}

func (p *platformPass) reportDeleting(names []string) {
	message := "the SfsPlatform is being deleted and waits, a minute at most, for SfsClients to be deleted too: " + someOf(names)
	if ready := conditions.Get(p.platform, v1alpha1.ReadyCondition); ready == nil || ready.Reason != v1alpha1.DeletingReason {
		p.tell(inUse(message))
	}
	p.set(v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.DeletingReason, message)
	conditions.Remove(p.platform, v1alpha1.ReconcilingCondition)
	conditions.Remove(p.platform, v1alpha1.StalledCondition)
}

// holdsToken says whether the deletion of an SfsClient has something to do at SFS.
func holdsToken(c *v1alpha1.SfsClient) bool {
	return controllerutil.ContainsFinalizer(c, v1alpha1.RevokeTokenFinalizer) || controllerutil.ContainsFinalizer(c, v1alpha1.RetireFinalizer)
}

func namesOf(clients []*v1alpha1.SfsClient, which func(*v1alpha1.SfsClient) bool) []string {
	var names []string
	for _, c := range clients {
		if which(c) {
			names = append(names, c.Namespace+"/"+c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// someOf names three and counts the rest.
func someOf(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
