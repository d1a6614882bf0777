// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// judge stands for a test in one plan of a campaign: it collects what was found, and the campaign decides what that means.
// A plan into which a bug was planted must fail, and the test must not.
type judge struct {
	testing.TB // of the campaign

	mu       sync.Mutex
	findings []string
	cleanups []func()
}

// judged runs a plan and returns what was found.
func judged(t testing.TB, do func(testing.TB)) []string {
	j := &judge{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer j.cleanUp()
		defer func() {
			if r := recover(); r != nil {
				j.Errorf("panic: %v", r)
			}
		}()
		do(j)
	}()
	<-done
	return j.findings
}

func (j *judge) cleanUp() {
	for _, f := range slices.Backward(j.cleanups) {
		f()
	}
}

func (j *judge) Helper()                  {}
func (j *judge) Context() context.Context { return context.Background() }
func (j *judge) Cleanup(f func())         { j.cleanups = append(j.cleanups, f) }

func (j *judge) Failed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.findings) > 0
}

func (j *judge) Errorf(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.findings = append(j.findings, fmt.Sprintf(format, args...))
}

func (j *judge) Error(args ...any) { j.Errorf("%s", fmt.Sprint(args...)) }

func (j *judge) Fatalf(format string, args ...any) {
	j.Errorf(format, args...)
	j.FailNow()
}

func (j *judge) Fatal(args ...any) {
	j.Error(args...)
	j.FailNow()
}

// FailNow ends the plan.
func (j *judge) FailNow() { runtime.Goexit() }
