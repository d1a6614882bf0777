// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"slices"
	"sync"
)

// Faults are those that wait for calls to hit. The zero value is none. It is safe for concurrent use.
type Faults[F any] struct {
	mu       sync.Mutex
	injected []*injected[F]
}

// injected is a fault with what is left of its counters.
type injected[F any] struct {
	fault       F
	skip, times int
}

// Inject adds a fault that lets the first calls pass, as many as skip, and hits as many as times after that; 0 is all. It
// stays until it is used up or remove is called, which may happen more than once.
func (q *Faults[F]) Inject(f F, skip, times int) (remove func()) {
	in := &injected[F]{f, skip, times}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.injected = append(q.injected, in)
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.drop(in)
	}
}

func (q *Faults[F]) drop(in *injected[F]) {
	q.injected = slices.DeleteFunc(q.injected, func(other *injected[F]) bool { return other == in })
}

// Take returns the first fault that hits a call, of those that match it; the zero fault is none.
func (q *Faults[F]) Take(matches func(F) bool) (hit F) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, in := range q.injected {
		if !matches(in.fault) {
			continue
		}
		if in.skip > 0 {
			in.skip--
			continue
		}
		if in.times > 0 {
			if in.times--; in.times == 0 {
				q.drop(in)
			}
		}
		return in.fault
	}
	return hit
}
