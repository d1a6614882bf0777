// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import "sync"

// memory keeps something for each resource while this process lives. What is lost with it can be found out again.
type memory[T any] struct {
	mu sync.Mutex
	of map[ref]T
}

func newMemory[T any]() *memory[T] { return &memory[T]{of: map[ref]T{}} }

func (m *memory[T]) get(r ref) (T, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.of[r]
	return v, ok
}

func (m *memory[T]) put(r ref, v T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of[r] = v
}

func (m *memory[T]) drop(r ref) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.of, r)
}
