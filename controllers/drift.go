// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// What others change at SFS is noticed by lists: one of all clients of a platform, and one of the users of each client that
// has SfsClientUsers, in each interval. Only resources that the list shows to differ are looked at, and read once more before
// anything is done about it: a list may be cut or out of date.

const (
	defaultDriftInterval = 10 * time.Minute
	// contestedAfter so many corrections in a row that somebody has undone, the operator makes no more.
	contestedAfter = 2
	// contestWindow, in intervals of the check, is within what time corrections are in a row.
	contestWindow = 3
)

// drift remembers which resources differ from what SFS holds, and how often they have been corrected. It is kept in memory:
// after a restart the next check finds it again.
type drift struct {
	metrics        *metrics.Metrics
	clients, users chan event.GenericEvent // what to look at

	mu          sync.Mutex
	suspects    map[ref]bool
	corrections map[ref]corrections
	checks      map[ref]time.Time // when a list is due: of the users of a client, or of the clients of a platform that another process serves
}

type corrections struct {
	inARow int
	last   time.Time
}

func newDrift(m *metrics.Metrics) *drift {
	return &drift{
		metrics: m,
		clients: make(chan event.GenericEvent, 1024), users: make(chan event.GenericEvent, 1024),
		suspects: map[ref]bool{}, corrections: map[ref]corrections{}, checks: map[ref]time.Time{},
	}
}

// suspect has a resource compared.
func (d *drift) suspect(ctx context.Context, who ref, o client.Object) {
	d.mu.Lock()
	d.suspects[who] = true
	d.mu.Unlock()
	d.bring(ctx, who, o)
}

// bring has a client or a user looked at.
func (d *drift) bring(ctx context.Context, who ref, o client.Object) {
	to := d.clients
	if who.kind == userKind {
		to = d.users
	}
	select {
	case to <- event.GenericEvent{Object: o}:
	case <-ctx.Done():
	}
}

func (d *drift) isSuspect(who ref) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.suspects[who]
}

// cleared records that a resource has been looked at.
func (d *drift) cleared(who ref) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.suspects, who)
}

// found counts what somebody else was found to have changed.
func (d *drift) found(who ref, differences []difference) {
	for _, field := range differences {
		d.metrics.Drifted(who.kind, field.field)
	}
}

// corrected counts a correction of what somebody else had changed.
func (d *drift) corrected(who ref, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.corrections[who]
	d.corrections[who] = corrections{inARow: c.inARow + 1, last: now}
}

// settled forgets the corrections, since a person has said what is right.
func (d *drift) settled(who ref) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.corrections, who)
}

// isContested says whether somebody keeps undoing the corrections.
func (d *drift) isContested(who ref, now time.Time, interval time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, known := d.corrections[who]
	if known && now.Sub(c.last) > contestWindow*interval {
		delete(d.corrections, who)
		return false
	}
	return c.inARow >= contestedAfter
}

// listDue returns when a resource wants its list, spread over the interval where that is not known.
func (d *drift) listDue(who ref, now time.Time, interval time.Duration) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	due, known := d.checks[who]
	if !known {
		due = now.Add(interval/2 + time.Duration(who.spread()*float64(interval/2)))
		d.checks[who] = due
	}
	return due
}

func (d *drift) listed(who ref, next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checks[who] = next
}

func (d *drift) forget(who ref) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.suspects, who)
	delete(d.corrections, who)
	delete(d.checks, who)
}

func driftInterval(platform *v1alpha1.SfsPlatform) time.Duration {
	if platform.Spec.DriftCheckInterval == nil {
		return defaultDriftInterval
	}
	return platform.Spec.DriftCheckInterval.Duration
}

func (p *tenantPass) driftInterval() time.Duration { return driftInterval(p.platform) }

// checkDrift compares all SfsClients of a platform with one list from SFS, when it is time.
func (r *PlatformReconciler) checkDrift(ctx context.Context, p *platformPass, session *session) error {
	interval := driftInterval(p.platform)
	if p.platform.Status.LastDriftCheckTime == nil {
		now := metav1.NewTime(p.now) // nothing was bound before that could have drifted
		p.platform.Status.LastDriftCheckTime = &now
	}
	if wait := p.until(p.platform.Status.LastDriftCheckTime.Add(interval)); wait > 0 {
		p.wakeIn(wait)
		return nil
	}
	clients := r.clients(p)
	atSFS, err := p.listClients(ctx, session)
	if err != nil {
		return err
	}
	if err := r.recordOrphans(ctx, p, clients, atSFS); err != nil {
		return err
	}
	now := metav1.NewTime(p.now)
	p.platform.Status.LastDriftCheckTime = &now
	p.wakeIn(interval)
	r.suspectDrifted(ctx, clients, atSFS)
	return nil
}

// driftStep lists what is at SFS.
const driftStep = "drift"

func (p *platformPass) listClients(ctx context.Context, session *session) (atSFS []sendforsign.Client, err error) {
	err = p.try(ctx, step{name: driftStep, connection: session, class: classDrift}, func() error {
		return session.call(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) (err error) {
			atSFS, err = api.ListClients(ctx, sendforsign.PlatformToken(platform))
			return err
		})
	})
	return atSFS, err
}

// suspectDrifted has those SfsClients compared that the list shows to differ. The others are for the processes that serve
// them, which make lists of their own.
func (r *PlatformReconciler) suspectDrifted(ctx context.Context, clients []*v1alpha1.SfsClient, atSFS []sendforsign.Client) {
	byKey := make(map[string]*sendforsign.Client, len(atSFS))
	for i := range atSFS {
		byKey[atSFS[i].ClientKey] = &atSFS[i]
	}
	for _, c := range clients {
		if !r.share.has(c) || c.Status.ClientKey == "" || !c.DeletionTimestamp.IsZero() || c.IsSuspended() {
			continue
		}
		found, there := byKey[c.Status.ClientKey]
		if !there || !isKnown(c, c.Status.PendingChanges, clientDifferences(c, *found)) {
			r.drift.suspect(ctx, ref{kind: clientKind, namespace: c.Namespace, name: c.Name}, c)
		}
	}
}

// checkUsers compares the SfsClientUsers of a client with one list from SFS, when it is time.
func (r *ClientReconciler) checkUsers(ctx context.Context, p *clientPass) error {
	declared, err := r.comparableUsers(ctx, p.client)
	if err != nil || len(declared) == 0 {
		return err
	}
	return r.compareUsers(ctx, p, declared)
}

// comparableUsers are those of a client that this process serves, and whose users SFS should have.
func (r *ClientReconciler) comparableUsers(ctx context.Context, c *v1alpha1.SfsClient) ([]v1alpha1.SfsClientUser, error) {
	users, err := usersOf(ctx, r.client, client.ObjectKeyFromObject(c))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(users, func(u v1alpha1.SfsClientUser) bool {
		return !r.share.has(&u) || u.Status.UserKey == "" || u.Status.ClientKey != c.Status.ClientKey || u.IsSuspended() || !u.DeletionTimestamp.IsZero()
	}), nil
}

func (r *ClientReconciler) compareUsers(ctx context.Context, p *clientPass, declared []v1alpha1.SfsClientUser) error {
	interval := p.driftInterval()
	if wait := p.until(r.drift.listDue(p.ref, p.now, interval)); wait > 0 {
		p.wakeIn(wait)
		return nil
	}
	session, err := p.connect(ctx)
	if err != nil {
		return err
	}
	var atSFS []sendforsign.User
	err = p.try(ctx, step{name: driftStep, connection: session, class: classDrift}, func() error {
		return session.callWithKey(ctx, p.ref, func(ctx context.Context, api *sendforsign.API, key sendforsign.Auth) (err error) {
			atSFS, err = api.ListUsers(ctx, key, p.client.Status.ClientKey)
			return err
		})
	})
	if err != nil {
		return err
	}
	r.drift.listed(p.ref, p.now.Add(interval))
	p.wakeIn(interval)
	for i := range declared {
		u := &declared[i]
		at := slices.IndexFunc(atSFS, func(found sendforsign.User) bool { return found.UserKey == u.Status.UserKey })
		if at < 0 || !isKnown(u, u.Status.PendingChanges, userDifferences(u, atSFS[at])) {
			r.drift.suspect(ctx, ref{kind: userKind, namespace: u.Namespace, name: u.Name}, u)
		}
	}
	return nil
}

// isKnown says whether the status tells already how SFS differs. A comparison that is under way finds out by itself.
func isKnown(o object, told []v1alpha1.PendingChange, differences []difference) bool {
	c := conditions.Get(o, v1alpha1.SyncedCondition)
	if c == nil || c.ObservedGeneration != o.GetGeneration() {
		return true
	}
	return slices.Equal(told, pending(differences))
}
