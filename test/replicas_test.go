// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
)

// restartPause is how long after its end a process is started again, so that one that can not start is not started all the
// time.
const restartPause = 500 * time.Millisecond

// replicas keeps operators running, as a Deployment does: one that has ended is replaced.
type replicas struct {
	t     *testing.T
	start func() (*localcluster.Operator, error)

	stopping chan struct{}
	stop     sync.Once
	done     sync.WaitGroup

	mu      sync.Mutex
	running map[*localcluster.Operator]bool // whether it stands still
}

// deploy starts n operators, which end with the test at the latest.
func (c *cluster) deploy(n int, args ...string) *replicas {
	c.t.Helper()
	r := &replicas{
		t: c.t, stopping: make(chan struct{}), running: map[*localcluster.Operator]bool{},
		start: func() (*localcluster.Operator, error) { return c.startOperator(args...) },
	}
	c.t.Cleanup(r.end)
	for range n {
		r.done.Go(r.keep)
	}
	return r
}

func (r *replicas) keep() {
	for {
		o, err := r.start()
		if err != nil {
			r.t.Error(err)
			return
		}
		r.note(o, false)
		select {
		case <-o.Exited:
			r.forget(o)
		case <-r.stopping:
			r.forget(o)
			if err := errors.Join(o.Thaw(), o.Stop()); err != nil {
				r.t.Error(err)
			}
			return
		}
		select {
		case <-time.After(restartPause):
		case <-r.stopping:
			return
		}
	}
}

// end stops all, in good order.
func (r *replicas) end() {
	r.stop.Do(func() { close(r.stopping) })
	r.done.Wait()
}

func (r *replicas) note(o *localcluster.Operator, frozen bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[o] = frozen
}

// thaw has one go on that stood still. It may have ended: killed by another blow.
func (r *replicas) thaw(o *localcluster.Operator) {
	if err := o.Thaw(); err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, runs := r.running[o]; runs {
		r.running[o] = false
	}
}

func (r *replicas) forget(o *localcluster.Operator) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, o)
}

// awake returns those that run and do not stand still.
func (r *replicas) awake() []*localcluster.Operator {
	r.mu.Lock()
	defer r.mu.Unlock()
	var awake []*localcluster.Operator
	for o, frozen := range r.running {
		if !frozen {
			awake = append(awake, o)
		}
	}
	return awake
}

func (r *replicas) someFrozen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(slices.Collect(maps.Values(r.running)), true)
}

// leader is the one that works, or nil.
func (r *replicas) leader(ctx context.Context) *localcluster.Operator {
	for _, o := range r.awake() {
		if m, err := scrape(ctx, o); err == nil && m.sum("leader_election_master_status") == 1 {
			return o
		}
	}
	return nil
}

// measures is the text of the metrics of a process.
type measures []byte

func scrape(ctx context.Context, o *localcluster.Operator) (measures, error) {
	text, err := o.Metrics(ctx)
	return text, err
}

// sum adds up the samples of a metric whose labels hold all the given ones, such as controller="sfsclient".
func (m measures) sum(name string, labels ...string) float64 {
	total := 0.0
	for line := range strings.Lines(string(m)) {
		rest, is := strings.CutPrefix(line, name)
		if !is || !strings.HasPrefix(rest, "{") && !strings.HasPrefix(rest, " ") {
			continue
		}
		series, value, _ := cutLast(strings.TrimSpace(rest), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil && holdsAll(series, labels) {
			total += v
		}
	}
	return total
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+len(sep):], true
}

func holdsAll(s string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}
