// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// turn is what was measured of a contender in one go. What was not measured is nil.
type turn struct {
	Contender string    `json:"contender"`
	Begun     time.Time `json:"begun"`
	Tenants   int       `json:"tenants"`

	Sync     *syncFigures     `json:"firstSync,omitempty"`
	Idle     *idleFigures     `json:"idle,omitempty"`
	Drift    *measured        `json:"drift,omitempty"`
	Restart  *restartFigures  `json:"restart,omitempty"`
	Foreign  *foreignFigures  `json:"foreignSecrets,omitempty"`
	Renewals *renewalFigures  `json:"renewals,omitempty"`
	Lateness *latenessFigures `json:"lateness,omitempty"`
	Cycle    *renewalFigures  `json:"cycle,omitempty"`
}

// syncFigures: Base is the memory without tenants.
type syncFigures struct {
	measured

	CreateSeconds float64 `json:"createSeconds"`
	Base          memory  `json:"base"`
	Memory        memory  `json:"memory"`
}

type idleFigures struct {
	measured

	Memory memory `json:"memory"`
}

// restartFigures: until the first resource and until each was looked at, from the start of the process.
type restartFigures struct {
	measured

	FirstSeconds float64 `json:"firstSeconds"`
	AllSeconds   float64 `json:"allSeconds"`
	Memory       memory  `json:"memory"`
}

type foreignFigures struct {
	Secrets int    `json:"secrets"`
	Before  memory `json:"before"`
	After   memory `json:"after"`
}

// renewalFigures: Demand is how many renewals per second were due, and Saturated says that it was more than could be done.
type renewalFigures struct {
	measured

	Demand    float64 `json:"demandPerSecond"`
	Interval  float64 `json:"intervalSeconds"`
	Renewed   int     `json:"renewed"`
	Saturated bool    `json:"saturated"`
	Memory    memory  `json:"memory"`
}

func (f *renewalFigures) rate() float64 { return float64(f.Renewed) / f.Seconds }

type latenessFigures struct {
	renewalFigures

	Median float64 `json:"p50Seconds"`
	P99    float64 `json:"p99Seconds"`
}

// turn has a contender go through all phases that are measured of it.
func (st *stage) turn(ctx context.Context, i int, name string, all *figures) error {
	c := contenders[name](st)
	t := &turn{Contender: name, Begun: time.Now().UTC(), Tenants: c.size(st.tenants)}
	again := all.last(name)
	wants := func(phases ...string) bool {
		return slices.ContainsFunc(phases, func(phase string) bool {
			return slices.Contains(st.phases, phase) && c.takes(phase) && (again == nil || !slices.Contains(phasesOnce, phase))
		})
	}
	all.Turns = append(all.Turns, t)
	within := func(name string, interval time.Duration, do func(context.Context, *part) error) error {
		return st.part(ctx, c, fmt.Sprintf("bench-%02d-%s", i, name), t.Tenants, interval, do)
	}
	if wants(phaseSync, phaseIdle, phaseDrift, phaseRestart, phaseForeign, phaseCycle) {
		var interval time.Duration
		if wants(phaseCycle) {
			interval = beforeCycle(t.Tenants)
		}
		if err := within("sync", interval, func(ctx context.Context, p *part) error { return t.quietPhases(ctx, p, wants) }); err != nil {
			return err
		}
	}
	if wants(phaseRenewals) {
		if err := within("renewals", interval(t.Tenants, t.syncRate()), func(ctx context.Context, p *part) error { return t.renewals(ctx, p, again) }); err != nil {
			return err
		}
	}
	if wants(phaseLateness) && t.Renewals != nil {
		const share = 0.6 // of what it can do
		interval := time.Duration(float64(t.Tenants) / (share * t.Renewals.rate()) * float64(time.Second))
		return within("lateness", interval, t.lateness)
	}
	return nil
}

// beforeCycle is an interval that is over for no tenant before all have been created and looked at.
func beforeCycle(tenants int) time.Duration {
	return 10*time.Minute + time.Duration(tenants)*50*time.Millisecond
}

// quietPhases are those in which no token is due, and at last the cycle, which has them due.
func (t *turn) quietPhases(ctx context.Context, p *part, wants func(...string) bool) error {
	if err := t.firstSync(ctx, p); err != nil {
		return err
	}
	for _, phase := range []struct {
		name    string
		measure func(context.Context, *part) error
	}{{phaseIdle, t.idle}, {phaseDrift, t.drift}, {phaseForeign, t.foreign}, {phaseRestart, t.restart}, {phaseCycle, t.cycle}} {
		if !wants(phase.name) {
			continue
		}
		say("%s: %s", t.Contender, phase.name)
		if err := p.settle(ctx); err != nil {
			return err
		}
		if err := phase.measure(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", phase.name, err)
		}
	}
	return nil
}

func (t *turn) firstSync(ctx context.Context, p *part) (err error) {
	say("%s: first sync of %d", t.Contender, t.Tenants)
	f := &syncFigures{}
	if err := sleep(ctx, 5*time.Second); err != nil {
		return err
	}
	if f.Base, err = memoryOf(p.process.PID()); err != nil {
		return err
	}
	var took time.Duration
	f.measured, err = p.measure(ctx, func() error {
		begun := time.Now()
		if err := p.create(ctx, 0); err != nil {
			return err
		}
		f.CreateSeconds = time.Since(begun).Seconds()
		done, err := p.awaitAll(ctx)
		took = done.Sub(begun)
		return err
	})
	if err != nil {
		return err
	}
	// It ended when the last one was done, and not when that was noticed.
	f.Seconds = took.Seconds()
	t.Sync = f
	f.Memory, err = memoryOf(p.process.PID())
	return err
}

func (t *turn) idle(ctx context.Context, p *part) (err error) {
	f := &idleFigures{}
	if f.measured, err = p.measure(ctx, func() error { return sleep(ctx, p.stage.idle) }); err != nil {
		return err
	}
	t.Idle = f
	f.Memory, err = memoryOf(p.process.PID())
	return err
}

// drift has the clients at SFS compared with the tenants, which is done once a minute at most.
func (t *turn) drift(ctx context.Context, p *part) error {
	m, err := p.measure(ctx, func() error {
		if err := p.patchPlatform(ctx, `{"spec":{"driftCheckInterval":"1m"}}`); err != nil {
			return err
		}
		return sleep(ctx, 75*time.Second)
	})
	if err != nil {
		return err
	}
	t.Drift = &m
	return p.patchPlatform(ctx, `{"spec":{"driftCheckInterval":"24h"}}`)
}

func (p *part) patchPlatform(ctx context.Context, patch string) error {
	platform := object("sendforsign.com/v1alpha1", "SfsPlatform", "", p.namespace, nil)
	if err := p.driver.Patch(ctx, platform, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		return fmt.Errorf("changing the SfsPlatform: %w", err)
	}
	return nil
}

func (t *turn) foreign(ctx context.Context, p *part) (err error) {
	f := &foreignFigures{Secrets: p.stage.foreign}
	if f.Before, err = memoryOf(p.process.PID()); err != nil {
		return err
	}
	namespace := p.namespace + "-foreign"
	if err := p.driver.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return fmt.Errorf("creating a namespace: %w", err)
	}
	defer func() {
		if dropped := p.drop(context.WithoutCancel(ctx), "secrets/"+namespace); err == nil {
			err = dropped
		}
	}()
	if err := p.foreignSecrets(ctx, namespace); err != nil {
		return err
	}
	if err := sleep(ctx, 10*time.Second); err != nil {
		return err
	}
	t.Foreign = f
	f.After, err = memoryOf(p.process.PID())
	return err
}

// restart kills the process, and waits until another has looked at each tenant.
func (t *turn) restart(ctx context.Context, p *part) (err error) {
	f := &restartFigures{}
	f.measured, err = p.measure(ctx, func() error {
		if err := p.process.Kill(); err != nil {
			return err
		}
		begun := time.Now()
		if err := p.begin(ctx); err != nil {
			return err
		}
		limit := 5*time.Minute + time.Duration(p.n)*5*time.Millisecond
		err := p.process.Await(ctx, limit, "all to be looked at", func(ctx context.Context) bool {
			asked := time.Now()
			n, err := reconciled(ctx, p.metrics, p.controller())
			if n > 0 && f.FirstSeconds == 0 {
				f.FirstSeconds = time.Since(begun).Seconds()
			}
			f.AllSeconds = time.Since(begun).Seconds()
			if err == nil && n >= p.n {
				return true
			}
			if n > 0 {
				// Its metrics cost the operator the more the more tenants there are.
				_ = sleep(ctx, 4*time.Since(asked))
			}
			return false
		})
		if err != nil {
			return err
		}
		// What is written afterwards counts, too.
		return sleep(ctx, 5*time.Second)
	})
	if err != nil {
		return err
	}
	t.Restart = f
	f.Memory, err = memoryOf(p.process.PID())
	return err
}

// syncRate is how many tenants were synced per second: as many renewals do not keep others from being synced.
func (t *turn) syncRate() float64 {
	if t.Sync == nil {
		return 100
	}
	return float64(t.Tenants) / t.Sync.Seconds
}

func interval(tenants int, perSecond float64) time.Duration {
	return time.Duration(float64(tenants) / perSecond * float64(time.Second))
}

func (p *part) demand() float64 { return float64(p.n) / p.interval.Seconds() }

// How much of what is due may be done where more is due than can be: with less, tokens would die, and with more it is not sure
// that it was all that could be done.
const (
	leastDone = 0.4
	mostDone  = 0.75
	saturated = 0.9
)

// renewals counts how many tokens are replaced where more are due than can be.
func (t *turn) renewals(ctx context.Context, p *part, again *turn) error {
	if err := p.fill(ctx, 0); err != nil {
		return err
	}
	slow := p.interval
	// Rather too many at first: the trials are the shorter the more are due.
	due := 3 * t.syncRate()
	if again != nil && again.Renewals != nil {
		due = again.Renewals.Demand
	}
	if err := p.hurry(ctx, due); err != nil {
		return err
	}
	if err := sleep(ctx, slow); err != nil {
		return err
	}
	for range 3 {
		if err := t.press(ctx, p); err != nil {
			return err
		}
		var err error
		if t.Renewals, err = p.count(ctx, max(p.window, 4*p.interval)); err != nil || t.Renewals.Saturated {
			return err
		}
		// A trial is short.
		if err := p.hurry(ctx, 1.8*p.demand()); err != nil {
			return err
		}
	}
	return nil
}

// press has more due than can be done, and not much more.
func (t *turn) press(ctx context.Context, p *part) error {
	for range 6 {
		say("%s: renewals, %.0f per second are due", t.Contender, p.demand())
		rate, err := p.trial(ctx)
		if err != nil {
			return err
		}
		next := p.demand() * 1.8
		switch done := rate / p.demand(); {
		case done < leastDone:
			next = rate * 1.7
		case done <= mostDone:
			return nil
		}
		if err := p.hurry(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// hurry has another number of tokens due per second.
func (p *part) hurry(ctx context.Context, perSecond float64) error {
	p.interval = interval(p.n, perSecond)
	return p.pace(ctx, p)
}

// fill creates all tenants, and waits until they have a token.
func (p *part) fill(ctx context.Context, spread time.Duration) error {
	if err := p.create(ctx, spread); err != nil {
		return err
	}
	return p.awaitTokens(ctx)
}

// trial is how many tokens are replaced per second, from when those of another interval are.
func (p *part) trial(ctx context.Context) (float64, error) {
	if err := sleep(ctx, max(2*p.interval, 3*time.Second)); err != nil {
		return 0, err
	}
	p.observer.begin(p.interval)
	begun := time.Now()
	if err := sleep(ctx, max(p.interval, 5*time.Second)); err != nil {
		return 0, err
	}
	n, _ := p.observer.counted()
	return float64(n) / time.Since(begun).Seconds(), nil
}

func (p *part) count(ctx context.Context, window time.Duration) (*renewalFigures, error) {
	f := &renewalFigures{Demand: p.demand(), Interval: p.interval.Seconds()}
	var err error
	f.measured, err = p.measure(ctx, func() error {
		p.observer.begin(p.interval)
		err := sleep(ctx, window)
		f.Renewed, _ = p.observer.counted()
		return err
	})
	if err != nil {
		return nil, err
	}
	f.Saturated = f.rate() <= saturated*f.Demand
	f.Memory, err = memoryOf(p.process.PID())
	return f, err
}

// lateness has the tenants come one after the other, so that their tokens are due one after the other.
func (t *turn) lateness(ctx context.Context, p *part) error {
	say("%s: lateness, %.0f per second are due", t.Contender, p.demand())
	if err := p.fill(ctx, 3*p.interval); err != nil {
		return err
	}
	// The first syncs have held renewals up, which are made up for meanwhile.
	if err := sleep(ctx, 3*p.interval); err != nil {
		return err
	}
	f, err := p.count(ctx, max(p.window, 2*p.interval))
	if err != nil {
		return err
	}
	_, late := p.observer.counted()
	t.Lateness = &latenessFigures{renewalFigures: *f, Median: quantile(late, 0.5), P99: quantile(late, 0.99)}
	return nil
}

// cycle has each token replaced once, early: the longest margin that there is makes those due at once that have lived for a
// fifth of their life, and the others one after the other.
func (t *turn) cycle(ctx context.Context, p *part) (err error) {
	f := &renewalFigures{Interval: p.interval.Seconds()}
	f.measured, err = p.measure(ctx, func() error {
		p.observer.begin(p.interval)
		if err := p.patchPlatform(ctx, `{"spec":{"token":{"renewBefore":"24h"}}}`); err != nil {
			return err
		}
		err := p.process.Await(ctx, p.interval, "each token to be replaced", func(context.Context) bool { return p.observer.replaced() >= p.n })
		f.Renewed, _ = p.observer.counted()
		return err
	})
	if err != nil {
		return err
	}
	t.Cycle = f
	f.Memory, err = memoryOf(p.process.PID())
	return err
}
