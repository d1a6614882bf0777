// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"slices"
	"time"
)

// line is a queue in order, which tells how many stand before a place in it. It is cut into pieces, so that with a hundred
// thousand places neither who comes nor who goes moves more than some hundred others.
type line struct {
	pieces [][]position // none is empty
	length int
}

// position is where a place stands: by its deadline, and those that have the same, or none, by their numbers.
type position struct {
	deadline int64
	number   uint64
}

// piece is how many positions stand in one slice at most.
const piece = 1024

// positionOf returns where a place with a deadline, or without one, stands.
func positionOf(deadline time.Time, number uint64) position {
	p := position{number: number}
	if !deadline.IsZero() {
		p.deadline = deadline.UnixNano()
	}
	return p
}

func (p position) compare(other position) int {
	return cmp.Or(cmp.Compare(p.deadline, other.deadline), cmp.Compare(p.number, other.number))
}

// find returns the piece and the index in it where a position stands or would stand, and how many stand before that piece.
func (l *line) find(p position) (in, at, before int) {
	for last := len(l.pieces) - 1; in < last && l.pieces[in+1][0].compare(p) <= 0; in++ {
		before += len(l.pieces[in])
	}
	if len(l.pieces) > 0 {
		at, _ = slices.BinarySearchFunc(l.pieces[in], p, position.compare)
	}
	return in, at, before
}

// before returns how many stand before a position.
func (l *line) before(p position) int {
	_, at, before := l.find(p)
	return before + at
}

func (l *line) insert(p position) {
	l.length++
	if len(l.pieces) == 0 {
		l.pieces = append(l.pieces, nil)
	}
	in, at, _ := l.find(p)
	l.pieces[in] = slices.Insert(l.pieces[in], at, p)
	if full := l.pieces[in]; len(full) > piece {
		rest := slices.Clone(full[piece/2:])
		l.pieces[in] = full[:piece/2]
		l.pieces = slices.Insert(l.pieces, in+1, rest)
	}
}

// remove takes out a position, which MUST stand in the line.
func (l *line) remove(p position) {
	l.length--
	in, at, _ := l.find(p)
	l.pieces[in] = slices.Delete(l.pieces[in], at, at+1)
	if len(l.pieces[in]) == 0 {
		l.pieces = slices.Delete(l.pieces, in, in+1)
	}
}
