// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
)

// part is one process of a contender, in a namespace and with an account of its own.
type part struct {
	*stage
	contender

	namespace string
	account   account
	n         int           // tenants that there will be
	created   int           // that there are
	interval  time.Duration // in which each token is replaced; 0: none is while it is measured
	process   *localcluster.Process
	metrics   string
	observer  *observer
}

func tenantName(i int) string { return fmt.Sprintf("tenant-%06d", i) }

// part runs a contender in a fresh namespace while do measures it. Nothing of it is left.
func (st *stage) part(ctx context.Context, c contender, namespace string, n int, interval time.Duration, do func(context.Context, *part) error) (err error) {
	p := &part{stage: st, contender: c, namespace: namespace, n: n, interval: interval}
	if err := st.driver.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return fmt.Errorf("creating a namespace: %w", err)
	}
	if p.account, err = st.sim.addAccount(ctx, 24*time.Hour); err != nil {
		return err
	}
	defer func() {
		// Also when ctx has ended.
		for _, key := range c.keys(p) {
			err = errors.Join(err, st.drop(context.WithoutCancel(ctx), key))
		}
	}()
	if err := c.open(ctx, p); err != nil {
		return err
	}
	if err := c.pace(ctx, p); err != nil {
		return err
	}
	if p.observer, err = observe(ctx, st.clientset, namespace, c); err != nil {
		return err
	}
	defer p.observer.stop()
	defer func() {
		if p.process != nil {
			err = errors.Join(err, p.process.Stop())
		}
	}()
	if err := p.begin(ctx); err != nil {
		return err
	}
	return do(ctx, p)
}

// begin starts the process, also once more.
func (p *part) begin(ctx context.Context) error {
	process, metrics, err := p.start(ctx, p)
	if err != nil {
		return err
	}
	p.process, p.metrics = process, metrics
	if p.metrics == "" {
		return nil
	}
	return p.process.Await(ctx, 2*time.Minute, p.process.Name+" to answer", localcluster.AnswersOK(p.metrics))
}

// writers is how many tenants are created at a time: more do not make a small machine faster.
const writers = 16

// each does something for each tenant, spread over a time, or as fast as it goes.
func (p *part) each(ctx context.Context, n int, spread time.Duration, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var working sync.WaitGroup
	for range writers {
		working.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	begun := time.Now()
	for i := 0; i < n && ctx.Err() == nil; i++ {
		if wait := time.Until(begun.Add(spread * time.Duration(i) / time.Duration(n))); wait > 0 {
			_ = sleep(ctx, wait)
		}
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	working.Wait()
	return context.Cause(ctx)
}

// create creates all tenants.
func (p *part) create(ctx context.Context, spread time.Duration) error {
	p.observer.begin(p.interval)
	defer func() { p.created = p.n }()
	return p.each(ctx, p.n, spread, func(ctx context.Context, i int) error {
		if err := p.driver.Create(ctx, p.tenant(p, i)); err != nil && ctx.Err() == nil {
			return fmt.Errorf("creating a tenant: %w", err)
		}
		return nil
	})
}

// awaitTokens waits until all tenants have a token.
func (p *part) awaitTokens(ctx context.Context) error {
	// Ten per second is what the slowest does.
	limit := 2*time.Minute + time.Duration(p.n)*200*time.Millisecond
	err := p.process.Await(ctx, limit, fmt.Sprintf("%d tokens of %s", p.n, p.process.Name), func(context.Context) bool {
		n, _ := p.observer.tokens()
		return n >= p.n
	})
	if err != nil {
		n, _ := p.observer.tokens()
		return fmt.Errorf("%w (there are %d; its log is %s)", err, n, p.process.Log)
	}
	return nil
}

// awaitAll waits until all tenants have a token and are ready, and returns when that was.
func (p *part) awaitAll(ctx context.Context) (time.Time, error) {
	if err := p.awaitTokens(ctx); err != nil {
		return time.Time{}, err
	}
	_, done := p.observer.tokens()
	for looked := false; ; looked = true {
		n, err := p.unready(ctx, p)
		if err != nil {
			return done, err
		}
		if n == 0 {
			return done, nil
		}
		if looked && time.Since(done) > time.Minute {
			return done, fmt.Errorf("%d tenants have a token and are not ready", n)
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return done, err
		}
		done = time.Now()
	}
}

// settle waits until nothing is written any more.
func (p *part) settle(ctx context.Context) error {
	const quiet = 5 * time.Second
	before := -1
	for range 60 {
		requests, err := apiRequests(ctx, p.clientset.Discovery().RESTClient())
		if err != nil {
			return err
		}
		writes := 0
		for request, n := range requests {
			if isWrite(request) {
				writes += n
			}
		}
		if writes == before {
			return nil
		}
		before = writes
		if err := sleep(ctx, quiet); err != nil {
			return err
		}
	}
	return nil // and the figures will show it
}

// measured is what a time has cost.
type measured struct {
	Seconds float64 `json:"seconds"`
	// CPU is in seconds, by process; own is the contender.
	CPU map[string]float64 `json:"cpuSeconds"`
	// Requests that kube-apiserver served, but for those of the driver, and SFS the calls of the simulator.
	Requests map[string]int `json:"apiRequests"`
	SFS      map[string]int `json:"sfsCalls"`
	// MostOpen is how many connections to the simulator were open at most.
	MostOpen int `json:"sfsConnections"`
	// Load is the load average of the machine at the end.
	Load float64 `json:"load"`
}

func (m measured) requests() int {
	n := 0
	for _, times := range m.Requests {
		n += times
	}
	return n
}

func (m measured) writes() int {
	n := 0
	for request, times := range m.Requests {
		if isWrite(request) {
			n += times
		}
	}
	return n
}

func (m measured) sfs() int { return calls{Calls: m.SFS}.total() }

// used is how much CPU the processes have used.
func (p *part) used() (map[string]float64, error) {
	used := map[string]float64{}
	for name, process := range map[string]*localcluster.Process{
		"own": p.process, "apiserver": p.plane.APIServer, "etcd": p.plane.Etcd, "simulator": p.sim.Process,
	} {
		seconds, err := cpu(process.PID())
		if err != nil {
			return nil, err
		}
		used[name] = seconds
	}
	return used, nil
}

// measure counts what is used while something is done, which may start the process anew.
func (p *part) measure(ctx context.Context, do func() error) (measured, error) {
	api := p.clientset.Discovery().RESTClient()
	requests, err := apiRequests(ctx, api)
	if err != nil {
		return measured{}, err
	}
	if err := p.sim.reset(ctx); err != nil {
		return measured{}, err
	}
	process := p.process
	before, err := p.used()
	if err != nil {
		return measured{}, err
	}
	begun := time.Now()
	if err := do(); err != nil {
		return measured{}, err
	}
	m := measured{Seconds: time.Since(begun).Seconds(), Load: load()}
	if m.CPU, err = p.used(); err != nil {
		return m, err
	}
	for name, seconds := range before {
		if name != "own" || process == p.process {
			m.CPU[name] -= seconds
		}
	}
	counted, err := p.sim.counts(ctx)
	if err != nil {
		return m, err
	}
	m.SFS, m.MostOpen = counted.Calls, counted.MostOpen
	if m.Requests, err = apiRequests(ctx, api); err != nil {
		return m, err
	}
	for request, n := range requests {
		m.Requests[request] -= n
	}
	maps.DeleteFunc(m.Requests, func(_ string, n int) bool { return n == 0 })
	return m, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// foreignSecrets creates Secrets that concern nobody.
func (p *part) foreignSecrets(ctx context.Context, namespace string) error {
	const size = 10 << 10
	value := make([]byte, size)
	return p.each(ctx, p.foreign, 0, func(ctx context.Context, i int) error {
		return client.IgnoreAlreadyExists(p.driver.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: tenantName(i)}, Data: map[string][]byte{"value": value},
		}))
	})
}
