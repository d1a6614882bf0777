// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import "testing"

// BenchmarkPassWithNothingToDo is what a look at a resource costs while nothing is due: after a restart each has one.
func BenchmarkPassWithNothingToDo(b *testing.B) {
	w := newWorld(b)
	c := w.newSfsClient("shop")
	w.settle()
	w.wantReady(c)
	who := refTo(c)
	b.ReportAllocs()
	for b.Loop() {
		w.pass(who)
	}
}
