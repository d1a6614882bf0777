// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestALineIsInOrder(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var l line
	var want []position // in order
	for i := range 40_000 {
		if grows := i < 20_000; len(want) == 0 || random.IntN(4) == 0 != grows {
			p := position{deadline: random.Int64N(50), number: uint64(i)}
			at, _ := slices.BinarySearchFunc(want, p, position.compare)
			want = slices.Insert(want, at, p)
			l.insert(p)
		} else {
			at := random.IntN(len(want))
			l.remove(want[at])
			want = slices.Delete(want, at, at+1)
		}
		if l.length != len(want) {
			t.Fatalf("after %d changes the length is %d, want %d", i, l.length, len(want))
		}
		if len(want) > 0 {
			at := random.IntN(len(want))
			if got := l.before(want[at]); got != at {
				t.Fatalf("after %d changes %d stand before one that has %d before it", i, got, at)
			}
		}
	}
	if all := slices.Concat(l.pieces...); !slices.Equal(all, want) {
		t.Errorf("%d positions stand in another order than the %d that are to", len(all), len(want))
	}
}

func TestPositionsAreByDeadlineAndThenByNumber(t *testing.T) {
	t.Parallel()
	inOrder := []position{
		positionOf(time.Time{}, 1), positionOf(time.Time{}, 2), positionOf(gateStart, 4), positionOf(gateStart.Add(1), 3),
	}
	for i := range inOrder {
		for j := range inOrder {
			if (inOrder[i].compare(inOrder[j]) < 0) != (i < j) {
				t.Errorf("position %d is not where it should be beside %d", i, j)
			}
		}
	}
}
