// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// plan is one run of a workload with what goes wrong in it.
type plan struct {
	workload *workload
	points   []point
}

// point says what goes wrong, and where: at a call of the operator, or at a delivery to its cache.
type point struct {
	mode  *mode
	stale *staleMode
	at    int
}

// String is the line by which a plan is replayed: renewal/crash-before@3+503@7.
func (p plan) String() string {
	var points []string
	for _, q := range p.points {
		if q.stale != nil {
			points = append(points, fmt.Sprintf("%s@%d", q.stale.name, q.at))
		} else {
			points = append(points, fmt.Sprintf("%s@%d", q.mode.name, q.at))
		}
	}
	return p.workload.name + "/" + strings.Join(points, "+")
}

func parsePlan(line string) (plan, error) {
	name, rest, _ := strings.Cut(line, "/")
	p := plan{workload: workloadNamed(name)}
	if p.workload == nil {
		return p, fmt.Errorf("there is no workload %q", name)
	}
	for part := range strings.SplitSeq(rest, "+") {
		if part == "" {
			continue
		}
		mode, at, _ := strings.Cut(part, "@")
		q := point{mode: modeNamed(mode), stale: staleModeNamed(mode)}
		var err error
		if q.at, err = strconv.Atoi(at); err != nil || q.mode == nil && q.stale == nil {
			return p, fmt.Errorf("%q is no way to fail at a place", part)
		}
		p.points = append(p.points, q)
	}
	return p, nil
}

// behaviour of SFS that the workload is about, and that the faults of the plan need.
func (p plan) behaviour() sfstest.Behaviour {
	b := p.workload.behaviour
	for _, q := range p.points {
		if q.mode != nil && q.mode.customKeys != 0 {
			b.CustomKeys = q.mode.customKeys
		}
	}
	return b
}

const (
	// underFaults is how long faults hit what an action leads to, and recovery how long the operator has after that. Together
	// with the action they are over before a token that is minted in them is renewed.
	underFaults = 4 * time.Minute
	recovery    = 11 * time.Minute
	// quietTime is two renewals long.
	quietTime = 40 * time.Minute
)

// record is what is left of a run.
type record struct {
	calls      []*call    // while things went wrong
	deliveries []delivery // likewise
	portrait   string
	written    map[string]int // how often the operator wrote each object
	effects    map[string]int // what it did at SFS
	living     map[string]int // tokens at SFS, by customKey of the client
	quiet      map[string]int // requests when there was nothing to do but to renew
}

// run carries a plan out, and checks all that must hold in it. reference is an undisturbed run of the same workload; nil
// where this is it.
func (p plan) run(t testing.TB, planted seed, reference *record) *record {
	w := newWorld(t, sfstest.WithBehaviour(p.behaviour()))
	w.seed, w.collects, w.maxPasses = planted, true, 3_000
	w.witness = newWitness(w)
	w.connect()
	w.restart()
	decoys := w.witness.decoys()
	for _, d := range decoys {
		w.create(d)
	}
	if p.workload.setup != nil {
		p.workload.setup(w)
	}
	if !p.workload.cold {
		w.run(time.Minute)
	}

	faults := map[int]*mode{}
	for _, q := range p.points {
		if q.mode != nil {
			faults[q.at] = q.mode
		} else {
			w.witness.stale[q.at] = q.stale
		}
	}
	effectsBefore, writesBefore := len(w.sim.Calls()), maps.Clone(w.witness.writes)
	if reference != nil && os.Getenv("CAMPAIGN_PLAN") != "" {
		w.wire.say = t.Logf
	}
	w.wire.arm(faults)
	w.witness.armed = true
	p.workload.action(w)
	w.run(underFaults)
	w.wire.heal()
	w.witness.armed = false
	r := &record{calls: w.wire.made(0), deliveries: w.witness.deliveries}
	w.run(recovery)
	r.remember(w, effectsBefore, writesBefore)

	before := len(w.wire.made(0))
	w.run(quietTime)
	r.quiet = countCalls(w.wire.made(before))
	o := oracle{w: w, plan: p, have: r, want: reference}
	o.check(decoys)
	return r
}

// remember notes how things stand when all has come to rest.
func (r *record) remember(w *world, effectsBefore int, writesBefore map[string]int) {
	r.portrait = portrait(w)
	r.written, r.effects, r.living = map[string]int{}, map[string]int{}, map[string]int{}
	for _, c := range w.wire.made(0) {
		if c.plane == planeKubernetes && c.writes() && c.carriedOut && c.target.kind != secretKind {
			r.written[c.target.kind+" "+strings.Replace(c.target.name, w.platform, "platform", 1)]++
		}
	}
	for name, n := range w.witness.writes {
		r.written[secretKind+" "+name] = n - writesBefore[name]
	}
	customKeys := map[string]string{}
	for _, c := range w.sim.Clients() {
		key := retiredAt.ReplaceAllString(strings.ReplaceAll(c.CustomKey, w.namespace, "tenants"), "#retired")
		customKeys[c.ClientKey] = key
		r.living[key] += w.sim.LiveTokens(c.ClientKey)
	}
	for _, c := range w.sim.Calls()[effectsBefore:] {
		if c.Effect {
			r.effects[strings.TrimSpace(c.Action+" "+c.Endpoint+" "+customKeys[c.ClientKey])]++
		}
	}
}

// countCalls counts the requests of each kind.
func countCalls(calls []*call) map[string]int {
	n := map[string]int{}
	for _, c := range calls {
		n[strings.TrimSpace(c.String()+" "+c.target.name)]++
	}
	return n
}
