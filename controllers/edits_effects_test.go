// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// Some fields say what becomes of something that happens later. Here it happens, and what comes of it is judged by what
// users see and by what reaches SFS.

// quiet is a time in which each client that is to be probed is, once or twice, and any other is not read.
const quiet = 6 * time.Minute

// theirs is a customKey that somebody else has given an object at SFS. It is compared whatever the spec names.
const theirs = "theirs"

// held is a client or user, as its resource and SFS show it.
type held struct {
	object
	endpoint           string // of SFS
	observed, reported bool
	pending            []v1alpha1.PendingChange
	// differs are the fields of which SFS has another value than the spec names.
	differs []string
}

func (e *editor) held(kind string) held {
	e.t.Helper()
	c, u := e.client, e.user
	e.w.reload(c)
	e.w.reload(u)
	if kind == clientKind {
		at := e.w.sim.Clients()[0]
		return held{
			object: c, endpoint: "client", observed: c.IsObserved(), reported: c.Spec.DriftPolicy == v1alpha1.DriftPolicyReport,
			pending: c.Status.PendingChanges,
			differs: fieldsThatDiffer([][3]string{
				{"fullName", at.FullName, c.Spec.FullName}, {"email", at.Email, c.Spec.Email},
				{"organization", at.Organization, c.Spec.Organization}, {"customKey", at.CustomKey, c.Status.CustomKey},
			}),
		}
	}
	var at sendforsign.User
	for _, found := range e.w.sim.Users(c.Status.ClientKey) {
		if found.UserKey == u.Status.UserKey {
			at = found
		}
	}
	return held{
		object: u, endpoint: "user", observed: u.IsObserved(), reported: u.Spec.DriftPolicy == v1alpha1.DriftPolicyReport,
		pending: u.Status.PendingChanges,
		differs: fieldsThatDiffer([][3]string{
			{"fullName", at.FullName, u.Spec.FullName}, {"email", at.Email, u.Spec.Email}, {"customKey", at.CustomKey, u.Status.CustomKey},
		}),
	}
}

// fieldsThatDiffer compares what SFS has with what the spec names, if anything.
func fieldsThatDiffer(fields [][3]string) []string {
	var differ []string
	for _, f := range fields {
		if f[2] != "" && f[1] != f[2] {
			differ = append(differ, f[0])
		}
	}
	return differ
}

// run lets time pass. Of what is observed nothing is written at SFS meanwhile.
func (e *editor) run(d time.Duration) {
	e.t.Helper()
	e.w.sim.ResetCalls()
	e.w.run(d)
	for _, kind := range []string{clientKind, userKind} {
		if h := e.held(kind); h.observed {
			e.checkUnwritten(h)
		}
	}
}

func (e *editor) checkUnwritten(h held) {
	e.t.Helper()
	if n := e.w.sim.CountCalls(h.endpoint, "update") + e.w.sim.CountCalls(h.endpoint, "create"); n > 0 {
		e.broken("the %s is written at SFS, %d times, though it is to be left as it is", h.endpoint, n)
	}
}

// checkSynced wants SFS to differ from the spec only where that is left so, and the status to tell it.
func (e *editor) checkSynced(h held, left bool) {
	e.t.Helper()
	told := make([]string, len(h.pending))
	for i, p := range h.pending {
		told[i] = p.Field
	}
	if !slices.Equal(told, h.differs) {
		e.broken("of the %s the status tells of %v, and SFS differs in %v", h.endpoint, told, h.differs)
	}
	if len(h.differs) > 0 && !left {
		e.broken("SFS has another %v of the %s than the spec asks for", h.differs, h.endpoint)
	}
	status, reason := metav1.ConditionTrue, v1alpha1.InSyncReason
	if len(h.differs) > 0 {
		status, reason = metav1.ConditionFalse, v1alpha1.DriftDetectedReason
	}
	synced, ready := conditions.Get(h.object, v1alpha1.SyncedCondition), conditions.Get(h.object, v1alpha1.ReadyCondition)
	if synced == nil || synced.Status != status || synced.Reason != reason ||
		ready == nil || ready.Status != metav1.ConditionTrue || (ready.Reason == v1alpha1.DriftDetectedReason) != (len(h.differs) > 0) {
		e.broken("SFS differs in %v of the %s, and the conditions are %s", h.differs, h.endpoint, describe(h.object))
	}
}

// checkFinalizers wants those that there is something to do for, and no others.
func (e *editor) checkFinalizers() {
	e.t.Helper()
	c, u := e.client, e.user
	for _, f := range []struct {
		on     object
		name   string
		wanted bool
	}{
		{c, v1alpha1.RetireFinalizer, c.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetire},
		{u, v1alpha1.RetireFinalizer, u.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetire},
		{c, v1alpha1.RevokeTokenFinalizer, c.TokenEnabled() && c.Spec.Token.RevocationPolicy != v1alpha1.RevokeNever},
	} {
		if controllerutil.ContainsFinalizer(f.on, f.name) != f.wanted {
			e.broken("%T has the finalizers %v; that it has %s should be %t", f.on, f.on.GetFinalizers(), f.name, f.wanted)
		}
	}
}

// checkNextCredentials wants the next pair, where one is named, to be judged and, if it is good, used.
func (e *editor) checkNextCredentials() {
	e.t.Helper()
	reason, used := "", "credentials"
	if next := e.platform.Spec.NextCredentialsSecretRef; next != nil && next.Name == "missing" {
		reason = v1alpha1.CredentialsSecretNotFoundReason
	} else if next != nil {
		reason, used = v1alpha1.VerifiedReason, next.Name
	}
	said := ""
	if c := conditions.Get(e.platform, v1alpha1.NextCredentialsValidCondition); c != nil {
		said = c.Reason
	}
	if good := conditions.IsTrue(e.platform, v1alpha1.NextCredentialsValidCondition); said != reason || good != (reason == v1alpha1.VerifiedReason) {
		e.broken("%s should have the reason %q: %s", v1alpha1.NextCredentialsValidCondition, reason, describe(e.platform))
	}
	if active := e.platform.Status.ActiveCredentialsSecretRef; active == nil || active.Name != used {
		e.broken("the pair in use is that of %v, want %s", active, used)
	}
}

// judgeEffects has happen what the values in force speak of. In the end a token waits for its revocation, where that is wanted,
// since it has to be forgotten with the policy.
func (e *editor) judgeEffects(in map[string]edit) {
	e.t.Helper()
	for _, where := range slices.Sorted(maps.Keys(in)) {
		if effect := in[where].effect; effect != nil && !e.t.Failed() {
			kind, _, _ := strings.Cut(where, " ")
			effect(e, kind)
		}
	}
	if e.client.TokenEnabled() && e.client.Spec.Token.RevocationPolicy == v1alpha1.RevokeOnRotate {
		e.waiting = e.published()
		e.renew()
	}
}

// meddle has the spec change, and then somebody else what SFS holds: one is carried out and the other undone, or both are
// left and told of.
func (e *editor) meddle(kind string) {
	e.t.Helper()
	e.apply(operation{kind: kind, path: "fullName", edit: edit{value: "Initech"}})
	e.run(time.Minute)
	h := e.held(kind)
	e.checkSynced(h, h.observed)
	ours := e.client.Status.CustomKey
	if kind == clientKind {
		e.w.somebodyElse(e.client.Status.ClientKey, sendforsign.ClientFields{CustomKey: theirs})
	} else {
		ours = e.user.Status.CustomKey
		auth, fields := sendforsign.APIKey(e.w.sim.Credentials().APIKey), sendforsign.UserFields{CustomKey: theirs}
		if err := e.w.sfs().UpdateUser(e.t.Context(), auth, e.client.Status.ClientKey, e.user.Status.UserKey, fields); err != nil {
			e.t.Fatal(err)
		}
	}
	annotate(e.w, h.object, v1alpha1.ReconcileRequestedAtAnnotation, e.w.clock.Now().String())
	e.run(time.Minute)
	h = e.held(kind)
	left := h.observed || h.reported
	e.checkSynced(h, left)
	if !left {
		return
	}
	e.checkUnwritten(h)
	if want := (v1alpha1.PendingChange{Field: "customKey", From: theirs, To: ours}); !slices.Contains(h.pending, want) {
		e.broken("what somebody else has changed of the %s is not told: %+v", h.endpoint, h.pending)
	}
}

// rotate has the token replaced. The one before is revoked after the grace period, where that is wanted and comes before its
// end; until then it is remembered. Else nobody touches it.
func (e *editor) rotate(string) {
	e.t.Helper()
	e.w.reload(e.client)
	if !e.client.TokenEnabled() {
		return
	}
	first := e.renew() // has all of its life before it
	e.renew()
	info, _ := e.w.sim.TokenState(first)
	grace := 5 * time.Minute
	if d := e.client.Spec.Token.PreviousTokenGracePeriod; d != nil {
		grace = d.Duration
	}
	ends := info.Issued.Add(grace).Before(info.Expires) // before it would by itself
	revoked := ends && e.client.Spec.Token.RevocationPolicy == v1alpha1.RevokeOnRotate
	e.checkBefore(first, revoked, true)
	if !ends {
		return
	}
	e.run(grace - 2*time.Minute)
	e.checkBefore(first, revoked, true)
	e.run(2 * time.Minute)
	e.checkBefore(first, false, !revoked)
}

// checkBefore wants a token that was replaced to be remembered, and to live, or not to.
func (e *editor) checkBefore(value string, remembered, alive bool) {
	e.t.Helper()
	list := string(e.w.secret(e.client.TokenSecretName()).Data[v1alpha1.KeyPreviousTokens])
	if is := strings.Contains(list, value); is != remembered {
		e.broken("that the token before is remembered is %t, want %t", is, remembered)
	}
	if is := e.w.isAlive(value); is != alive {
		e.broken("that the token before lives is %t, want %t", is, alive)
	}
}

// renew asks for another token, and returns it.
func (e *editor) renew() string {
	e.t.Helper()
	annotate(e.w, e.client, v1alpha1.RenewRequestedAtAnnotation, e.w.clock.Now().String())
	e.run(time.Minute)
	return e.published()
}

// published is the token in the Secret.
func (e *editor) published() string {
	e.t.Helper()
	return string(e.w.secret(e.client.TokenSecretName()).Data[v1alpha1.KeyToken])
}

// awaitProbes lets a time pass in which a client is read only if its token is probed.
func (e *editor) awaitProbes(string) {
	e.t.Helper()
	e.run(quiet)
	e.w.reload(e.client)
	wanted := e.client.TokenEnabled() && e.client.Spec.Token.Verification == v1alpha1.TokenVerificationProbe
	if n := e.w.sim.CountCalls("client", "read"); (n > 0) != wanted || n > 2 {
		e.broken("%d probes in %s; that there are some should be %t", n, quiet, wanted)
	}
}
