// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// oracle judges a run at its end, against an undisturbed one where there is one.
type oracle struct {
	w    *world
	plan plan
	have *record
	want *record
}

func (o oracle) check(decoys []*corev1.Secret) {
	o.nothingTwice()
	o.allIsWell()
	o.tokensServe()
	o.quiet()
	o.pausesAreKept()
	for _, d := range decoys {
		if now := o.w.there[refTo(d)]; now == nil || now.GetResourceVersion() != d.ResourceVersion {
			o.w.t.Errorf("Secret %s, which is another's, was touched", d.Name)
		}
	}
	if o.want != nil {
		o.sameAsUndisturbed()
	}
}

// nothingTwice: SFS has made one client and one user for each customKey, ever.
func (o oracle) nothingTwice() {
	made := map[string]int{}
	for _, c := range o.w.sim.Calls() {
		switch {
		case !c.Effect || c.Action != "create" || c.Endpoint == "token":
		case c.CustomKey == "":
			o.w.t.Errorf("a %s was made without a customKey", c.Endpoint)
		default:
			made[c.Endpoint+" "+c.CustomKey]++
		}
	}
	for _, what := range slices.Sorted(maps.Keys(made)) {
		if n := made[what]; n != 1 {
			o.w.t.Errorf("%s was made %d times", what, n)
		}
	}
}

// allIsWell: each resource that is there is Ready, for what its spec says now.
func (o oracle) allIsWell() {
	for _, r := range sortedRefs(o.w.there, nil) {
		is, ok := o.w.there[r].(object)
		if !ok {
			continue
		}
		if !is.GetDeletionTimestamp().IsZero() {
			o.w.t.Errorf("%s %s is being deleted and does not go", r.kind, r.name)
			continue
		}
		ready := conditions.Get(is, v1alpha1.ReadyCondition)
		if ready == nil || ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != is.GetGeneration() {
			o.w.t.Errorf("%s %s of generation %d is not Ready: %s", r.kind, r.name, is.GetGeneration(), describe(is))
		}
		var intent *v1alpha1.CreateIntent
		switch is := is.(type) {
		case *v1alpha1.SfsClient:
			intent = is.Status.CreateIntent
		case *v1alpha1.SfsClientUser:
			intent = is.Status.CreateIntent
		}
		if intent != nil {
			o.w.t.Errorf("%s %s still intends to create something", r.kind, r.name)
		}
	}
}

// tokensServe: each SfsClient has a living token, and had one for as long as it was wanted.
func (o oracle) tokensServe() {
	for _, r := range sortedRefs(o.w.there, nil) {
		if c, ok := o.w.there[r].(*v1alpha1.SfsClient); ok && c.TokenEnabled() {
			o.w.tokenOf(c.DeepCopy())
		}
	}
	for name, gap := range o.w.witness.gaps {
		if gap > o.plan.workload.gap {
			o.w.t.Errorf("the applications of %s were without a living token for %s", name, gap)
		}
	}
}

// quiet: when nothing is to be done but to renew, nothing else is done.
func (o oracle) quiet() {
	mints, publications, writes, revocations := 0, 0, 0, 0
	for what, n := range o.have.quiet {
		switch {
		case what == "sfs create token":
			mints += n
		case strings.HasPrefix(what, "api create secrets "), strings.HasPrefix(what, "api apply secrets "),
			strings.HasPrefix(what, "api patch secrets "):
			publications += n
		case strings.HasPrefix(what, "api patch sfsclients/status "):
			writes += n
		case what == "sfs revoke token" && o.plan.workload.rotates:
			revocations += n
		case what == "api get secrets shop-sfs-token" && o.plan.workload.rotates: // to know what is replaced
		case what == "sfs list client", what == "sfs list user", strings.HasPrefix(what, "api patch sfsplatforms/status "):
			if checks := int(quietTime/defaultDriftInterval) + 1; n > checks {
				o.w.t.Errorf("%d requests %s to look for changes, want at most %d", n, what, checks)
			}
		case o.want == nil && (strings.HasPrefix(what, "api ") || !strings.HasPrefix(what, "sfs list") && !strings.HasPrefix(what, "sfs read")),
			o.want != nil && n > o.want.quiet[what]+1:
			o.w.t.Errorf("when all was done there were %d requests: %s", n, what)
		}
	}
	platformTokens := 4 // it lives as long as theirs
	if publications > mints+revocations || writes > publications || mints > publications+platformTokens {
		o.w.t.Errorf("%d tokens, %d writes of their Secrets and %d of statuses in the time of two renewals", mints, publications, writes)
	}
	most := 3
	if o.want != nil {
		most = o.want.quiet["sfs create token"] + 3
	}
	if o.want != nil && mints > most {
		o.w.t.Errorf("%d tokens in the time of two renewals, want at most %d", mints, most)
	}
}

// pausesAreKept: after a 429 nothing is asked of SFS for as long as it said.
func (o oracle) pausesAreKept() {
	calls := o.w.wire.made(0)
	for i, c := range calls {
		for _, later := range calls[i+1:] {
			if c.retryAfter > 0 && later.plane == planeSFS && later.at.Before(c.at.Add(c.retryAfter)) && !o.plan.crashes() {
				o.w.t.Errorf("%s was sent %s after SFS asked for a pause of %s", later, later.at.Sub(c.at), c.retryAfter)
				return
			}
		}
	}
}

// sameAsUndisturbed: what is left does not tell that something went wrong, and no more was done than that explains.
func (o oracle) sameAsUndisturbed() {
	if o.have.portrait != o.want.portrait {
		o.w.t.Errorf("the end is another one than without faults: %s", unlike(o.want.portrait, o.have.portrait))
	}
	rewrites, mints := o.excused()
	for _, what := range slices.Sorted(maps.Keys(o.have.written)) {
		allowed := 4 * len(o.plan.points)
		if strings.HasPrefix(what, secretKind) {
			allowed = rewrites
		}
		if n, most := o.have.written[what], o.want.written[what]+allowed; n > most {
			o.w.t.Errorf("%s was written %d times, want at most %d", what, n, most)
		}
	}
	for what, n := range o.have.effects {
		allowed := len(o.plan.points)
		switch {
		case strings.HasPrefix(what, "create token "):
			allowed = mints
		case what == "create token":
			allowed++ // that of the platform may be renewed just then
		case strings.HasPrefix(what, "update "):
			allowed += o.plan.blindPasses() // each may do once more what changes nothing
		}
		if most := o.want.effects[what] + allowed; n > most {
			o.w.t.Errorf("%d times %s at SFS, want at most %d", n, what, most)
		}
	}
	for customKey, n := range o.have.living {
		if most := o.want.living[customKey] + mints; n > most {
			o.w.t.Errorf("%d tokens of %s live, want at most %d", n, customKey, most)
		}
	}
}

// excused is how many more writes of a Secret, and how many more tokens, the faults that hit explain.
func (o oracle) excused() (rewrites, mints int) {
	struck := map[int]*call{}
	for _, c := range o.have.calls {
		struck[c.n] = c
	}
	for _, q := range o.plan.points {
		if q.stale != nil && q.stale.back > 0 {
			// A new process knows only what its cache shows. It may write a Secret for an owner that is gone, which the garbage
			// collector then takes away, and replace a token that was replaced just before.
			rewrites++
			mints++
		} else if q.stale != nil && o.plan.strikes() {
			// What strikes beside it brings about another pass: one that does not see yet what the one before has written, or of
			// a process that does not know what the one before had learned from a resource that is gone.
			rewrites++
		}
		c := struck[q.at]
		if q.mode == nil || c == nil {
			continue
		}
		ofSecret := c.target.kind == secretKind
		if o.plan.workload.gap > 0 && o.plan.crashes() && !ofSecret {
			mints++ // of a token that was taken away only the process that minted it knows the value
		}
		if c.publishes() {
			rewrites += q.mode.rewrites
		}
		switch {
		case ofSecret && o.plan.crashes():
			mints++ // what could not be written is kept in memory only, also while the Secret is read for the write
		case c.plane == planeSFS && c.verb == "revoke":
			mints++ // what SFS refuses to revoke is left to expire
		case c.plane == planeSFS && c.verb == "list" && c.resource == "user":
			rewrites++ // what could not be learned is published later
		case c.plane == planeSFS && c.resource == "token" && c.carriedOut:
			mints += q.mode.mints
		}
	}
	if o.plan.workload.rotates {
		rewrites++ // two writes that are seen as one where nothing comes between them
	}
	return rewrites, mints
}

// blindPasses is how many passes a cache that falls behind may lead astray.
func (p plan) blindPasses() (n int) {
	for _, q := range p.points {
		if q.stale != nil {
			n += min(q.stale.passes, 4)
		}
	}
	return n
}

func (q point) crashes() bool { return q.mode != nil && strings.HasPrefix(q.mode.name, "crash") }

func (p plan) crashes() bool {
	return slices.ContainsFunc(p.points, func(q point) bool { return q.crashes() || q.stale != nil && q.stale.back > 0 })
}

// strikes says whether more goes wrong than that the cache falls behind.
func (p plan) strikes() bool {
	return p.crashes() || slices.ContainsFunc(p.points, func(q point) bool { return q.mode != nil })
}
