// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// followed is what a process knows of a platform that another one serves.
type followed struct {
	said    [2]string // by its status, of the credentials
	session string    // and what this process knows of them
}

// looksOn: what the spec or the status of a platform says holds for each process.
func (*PlatformReconciler) looksOn() bool { return true }

// lookOn keeps what this process has of a platform that another one serves: its session, and what the SfsClients need that are
// served here. Of the status nothing is written, and nothing is counted, told or promoted.
func (r *PlatformReconciler) lookOn(ctx context.Context, o client.Object) (ctrl.Result, error) {
	platform := o.DeepCopyObject().(*v1alpha1.SfsPlatform)
	who := ref{kind: platformKind, name: platform.Name}
	r.counted.drop(who)
	r.attempts.ailing.drop(who)
	if !platform.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil // the sessions are needed until it is gone, to revoke tokens
	}
	p := &platformPass{pass: newPass(who, platform, r.clock, r.client, r.recorder, r.attempts), platform: platform}
	err := r.follow(ctx, p)
	r.sessions.retain(platform.Name, credentialSecrets(platform)...)
	return p.result(), unsettled(err)
}

func (r *PlatformReconciler) follow(ctx context.Context, p *platformPass) error {
	session, err := r.sessions.forPlatform(ctx, p.platform)
	if err != nil {
		return err // the SfsClients that are served here say so, and come back by themselves
	}
	if err := r.followVerdict(ctx, p, session); err != nil {
		return err
	}
	return r.followDrift(ctx, p, session)
}

// followVerdict has credentials tried again that SFS refused to this process: at the pace of the session, and at once when the
// status begins to say that they are good. Then the SfsClients that are served here are brought back: what else wakes them up,
// a change of the status, may have come before.
func (r *PlatformReconciler) followVerdict(ctx context.Context, p *platformPass, session *session) error {
	before, known := r.followed.get(p.ref)
	now := followed{said: outcome(p.platform, v1alpha1.CredentialsValidCondition), session: before.session}
	_, refusal := session.verdict.last()
	if refusal != nil && now.said != before.said && now.said[0] == string(metav1.ConditionTrue) {
		session.verdict.again()
	}
	if refusal != nil || session.verdict.isDoubted() {
		if err := r.ask(ctx, p, "verify", session); err != nil {
			r.followed.put(p.ref, now)
			return err
		}
	}
	now.session = session.circumstances()
	r.followed.put(p.ref, now)
	if !known || now.session == before.session {
		return nil
	}
	return r.bringServed(ctx, p)
}

// bringServed has the SfsClients and SfsClientUsers of a platform looked at that are served here.
func (r *PlatformReconciler) bringServed(ctx context.Context, p *platformPass) error {
	for _, c := range r.clients(p) {
		if r.share.has(c) {
			r.drift.bring(ctx, ref{kind: clientKind, namespace: c.Namespace, name: c.Name}, c)
		}
		users, err := usersOf(ctx, r.client, client.ObjectKeyFromObject(c))
		if err != nil {
			return err
		}
		for j := range users {
			if u := &users[j]; r.share.has(u) {
				r.drift.bring(ctx, ref{kind: userKind, namespace: u.Namespace, name: u.Name}, u)
			}
		}
	}
	return nil
}

// followDrift compares the SfsClients that are served here with a list from SFS, when it is time. The status, which tells when
// the process that serves the platform did so, and what it found beside them, is left to that one.
func (r *PlatformReconciler) followDrift(ctx context.Context, p *platformPass, session *session) error {
	interval := driftInterval(p.platform)
	if wait := p.until(r.drift.listDue(p.ref, p.now, interval)); wait > 0 {
		p.wakeIn(wait)
		return nil
	}
	clients := r.clients(p)
	if slices.ContainsFunc(clients, func(c *v1alpha1.SfsClient) bool { return r.share.has(c) }) {
		atSFS, err := p.listClients(ctx, session)
		if err != nil {
			return err
		}
		r.suspectDrifted(ctx, clients, atSFS)
	}
	r.drift.listed(p.ref, p.now.Add(interval))
	p.wakeIn(interval)
	return nil
}
