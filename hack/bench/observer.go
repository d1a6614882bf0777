// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// observer watches the Secrets of a namespace, and is the same for all contenders: what counts is what an application would
// read, not what a contender says of itself.
type observer struct {
	isToken func(*corev1.Secret) bool
	// due is when a token was to be replaced, by what stands beside it, or by when it had been put there.
	due func(secret *corev1.Secret, changed time.Time, interval time.Duration) time.Time

	end context.CancelFunc

	mu       sync.Mutex
	changed  map[string]time.Time // by name, when its content was last seen to change
	interval time.Duration
	renewed  int
	once     map[string]bool // by name, those that were replaced
	late     []time.Duration
	last     time.Time // when a token was first seen
}

// observe ends with stop.
func observe(ctx context.Context, clients kubernetes.Interface, namespace string, c contender) (*observer, error) {
	ctx, cancel := context.WithCancel(ctx)
	o := &observer{isToken: c.isToken, due: c.due, end: cancel, changed: map[string]time.Time{}, once: map[string]bool{}}
	factory := informers.NewSharedInformerFactoryWithOptions(clients, 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().Secrets().Informer()
	if _, err := informer.AddEventHandler(o); err != nil {
		cancel()
		return nil, err
	}
	factory.StartWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		cancel()
		return nil, errors.New("the observer was not let in")
	}
	return o, nil
}

func (o *observer) stop() { o.end() }

// OnAdd implements cache.ResourceEventHandler.
func (o *observer) OnAdd(obj any, _ bool) {
	secret, ok := obj.(*corev1.Secret)
	if !ok || !o.isToken(secret) {
		return
	}
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed[secret.Name], o.last = now, now
}

// OnUpdate implements cache.ResourceEventHandler.
func (o *observer) OnUpdate(before, after any) {
	old, ok1 := before.(*corev1.Secret)
	secret, ok2 := after.(*corev1.Secret)
	if !ok1 || !ok2 || !o.isToken(secret) || reflect.DeepEqual(old.Data, secret.Data) {
		return
	}
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.renewed++
	o.once[secret.Name] = true
	o.late = append(o.late, now.Sub(o.due(old, o.changed[secret.Name], o.interval)))
	o.changed[secret.Name] = now
}

// OnDelete implements cache.ResourceEventHandler.
func (o *observer) OnDelete(obj any) {
	if secret, ok := obj.(*corev1.Secret); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.changed, secret.Name)
	}
}

// tokens is how many there are, and when the last was first seen.
func (o *observer) tokens() (int, time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.changed), o.last
}

// begin forgets what was counted. From then on tokens are to be replaced at such intervals.
func (o *observer) begin(interval time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.interval, o.renewed, o.late, o.once = interval, 0, nil, map[string]bool{}
}

// counted is how many tokens were replaced since begin, and how late each of them was.
func (o *observer) counted() (int, []time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.renewed, slices.Clone(o.late)
}

// replaced is how many tokens were replaced at least once since begin.
func (o *observer) replaced() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.once)
}

// quantile of durations, in seconds. Whoever is too early is not late.
func quantile(durations []time.Duration, q float64) float64 {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	return max(sorted[int(q*float64(len(sorted)-1))], 0).Seconds()
}
