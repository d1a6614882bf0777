// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// show is what there is to be seen once all is up.
type show struct {
	view              *view
	canaries          *canaries
	simulator         *sfstest.Server
	others            *providers
	operator          *localcluster.Operator
	controllerManager *localcluster.Process
	rehearsal         *rehearsal // nil where all goes well
}

// run shows the state until it is told to end, by a signal or by the clock, or until a process dies. It stops all before it
// sums up.
func (s *show) run(ctx context.Context, duration time.Duration, running *stack, out *output) error {
	began := time.Now()
	lasting := context.WithoutCancel(ctx) // What is under way when a signal comes is no failure.
	calling, hangUp := context.WithCancel(lasting)
	calls := make(chan error, 1)
	go func() { calls <- s.canaries.run(calling) }()

	err := s.watch(ctx, duration, out)
	took := time.Since(began)
	hangUp()
	err = errors.Join(err, <-calls)
	rows, listing := s.view.rows(lasting)
	clients := len(s.simulator.Clients())
	fate := "the operator ran without a restart"
	if s.operator.HasExited() {
		fate = "the operator has died"
	}
	out.step("Stopping")
	err = errors.Join(err, listing, running.stop())
	out.step("All is stopped")
	err = errors.Join(err, searchLog(s.operator.Log))
	seen := s.tallies()
	summarize(out, took, rows, seen, clients, fate)
	// With a fault it is wanted that resources are not Ready, and calls are refused.
	if ctx.Err() == nil && s.rehearsal == nil {
		err = errors.Join(err, judge(took, rows, seen))
	}
	return err
}

// watch draws the table every second.
func (s *show) watch(ctx context.Context, duration time.Duration, out *output) error {
	var over <-chan time.Time
	if duration > 0 {
		timer := time.NewTimer(duration)
		defer timer.Stop()
		over = timer.C
		out.step("This ends by itself in %s, or with Ctrl-C", duration)
	} else {
		out.step("This goes on until Ctrl-C")
	}
	display := newDisplay(out)
	defer display.close()
	tick, empty := time.NewTicker(time.Second), time.NewTicker(idle)
	defer tick.Stop()
	defer empty.Stop()
	for {
		rows, err := s.view.rows(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			display.show(rows, s.tallies())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-over:
			if !s.rehearsal.isPending() {
				return nil
			}
			over = nil // but not before the fault shows
		case <-s.operator.Exited:
			return s.operator.Failure()
		case <-s.controllerManager.Exited:
			return s.controllerManager.Failure()
		case err := <-s.rehearsal.shows():
			if err != nil {
				return err
			}
			s.rehearsal.seen = true
			display.say("It shows now")
			if duration > 0 && over == nil {
				return nil
			}
		case <-empty.C:
			s.simulator.ResetCalls()
			s.others.ResetCalls()
		case <-tick.C:
		}
	}
}

func summarize(out *output, took time.Duration, rows []row, seen []tally, clients int, operator string) {
	declared := map[string]int{}
	for _, r := range rows {
		declared[r.kind]++
	}
	out.line("")
	out.line("Summary of %s", took.Round(time.Second))
	out.line("")
	out.line("%d of %d resources are Ready", len(rows)-len(notReady(rows)), len(rows))
	for _, r := range notReady(rows) {
		out.line("  %s %s: Ready %s (%s)", r.kind, r.name, r.ready, dash(r.reason))
	}
	out.line("%d SfsClients, %d clients at Sendforsign", declared[clientKind], clients)
	out.line("%d OAuthTokens, of Signicat and Secured Signing", declared[oauthTokenKind])
	out.line("%s", operator)
	out.line("")
	var b bytes.Buffer
	writeTallies(&b, seen)
	out.line("%s", b.String())
}

// searchLog fails if the operator has logged a secret.
func searchLog(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the log of the operator: %w", err)
	}
	if localcluster.HoldsSecret(text) {
		return fmt.Errorf("there is a secret in the log of the operator, %s", path)
	}
	return nil
}

// judge says what was not as it should have been.
func judge(took time.Duration, rows []row, seen []tally) error {
	var wrong []error
	for _, r := range notReady(rows) {
		wrong = append(wrong, fmt.Errorf("%s %s is not Ready: %s", r.kind, r.name, dash(r.reason)))
	}
	if len(rows) == 0 {
		wrong = append(wrong, errors.New("there are no resources"))
	}
	calling := map[string]bool{}
	for _, t := range seen {
		calling[t.of] = true
		if t.refused > 0 {
			wrong = append(wrong, fmt.Errorf("%d of %d calls for %s were refused, the last: %w", t.refused, t.calls, t.of, t.last))
		}
		if took >= longEnough && t.rotations == 0 {
			wrong = append(wrong, fmt.Errorf("no renewal of the token of %s was seen", t.of))
		}
	}
	for _, r := range rows {
		if r.hasToken() && !calling[called(r.kind, r.name)] {
			wrong = append(wrong, fmt.Errorf("%s %s never had a token", r.kind, r.name))
		}
	}
	return errors.Join(wrong...)
}
