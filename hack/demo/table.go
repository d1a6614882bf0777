// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// statusInterval is how often a line sums up where there is no terminal.
const statusInterval = 10 * time.Second

// Escape sequences of a terminal. Lines that are too long are cut by it instead of folded, so that the number of lines
// to go up is known.
const (
	hideCursorAndCut  = "\x1b[?25l\x1b[?7l"
	showCursorAndFold = "\x1b[?7h\x1b[?25h"
	upAndClear        = "\x1b[%dA\x1b[J"
)

// display shows the state: as a table that is drawn anew in place on a terminal, else as a line for each change.
type display struct {
	out        *output
	drawn      int // lines
	known      map[string]row
	lastStatus time.Time
}

func newDisplay(out *output) *display {
	if out.terminal {
		_, _ = fmt.Fprint(out.w, hideCursorAndCut)
	}
	return &display{out: out, known: map[string]row{}, lastStatus: time.Now()}
}

// close leaves the last table where it is.
func (d *display) close() {
	if d.out.terminal {
		_, _ = fmt.Fprint(d.out.w, showCursorAndFold+"\n")
	}
}

// say prints a line that stays. On a terminal the table goes on below it.
func (d *display) say(format string, args ...any) {
	if d.drawn > 0 {
		_, _ = fmt.Fprintf(d.out.w, upAndClear, d.drawn)
		d.drawn = 0
	}
	d.out.step(format, args...)
}

func (d *display) show(rows []row, seen []tally) {
	if d.out.terminal {
		d.redraw(rows, seen)
		return
	}
	for _, r := range rows {
		d.tellChange(r)
	}
	d.tellGone(rows)
	if time.Since(d.lastStatus) >= statusInterval {
		d.lastStatus = time.Now()
		d.out.step("%s", status(rows, seen))
	}
}

func (d *display) redraw(rows []row, seen []tally) {
	var b bytes.Buffer
	if d.drawn > 0 {
		_, _ = fmt.Fprintf(&b, upAndClear, d.drawn)
	}
	header := b.Len()
	_, _ = fmt.Fprintf(&b, "\n%6.1fs  %s\n\n", time.Since(d.out.began).Seconds(), status(rows, seen))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "KIND\tNAME\tREADY\tREASON\tKEY\tTOKEN\tEXPIRES IN\tREVISION\tSECRETS")
	for _, r := range rows {
		_, _ = fmt.Fprintln(table, strings.Join([]string{
			r.kind, r.name, r.ready, dash(r.reason), dash(shortKey(r.key)), dash(r.fingerprint), dash(expiresIn(r.expires)),
			dash(r.revision), dash(r.secrets),
		}, "\t"))
	}
	_ = table.Flush()
	_, _ = fmt.Fprintln(&b)
	writeTallies(&b, seen)
	d.drawn = bytes.Count(b.Bytes()[header:], []byte("\n"))
	_, _ = d.out.w.Write(b.Bytes())
}

// tellGone prints a line for each resource that was there and is no more.
func (d *display) tellGone(rows []row) {
	here := map[string]bool{}
	for _, r := range rows {
		here[r.id()] = true
	}
	for _, id := range slices.Sorted(maps.Keys(d.known)) {
		if !here[id] {
			d.out.step("%-13s %s: gone", d.known[id].kind, d.known[id].name)
			delete(d.known, id)
		}
	}
}

// tellChange prints a line if there is something new.
func (d *display) tellChange(r row) {
	before, known := d.known[r.id()]
	unchanged := r
	unchanged.expires = before.expires
	if known && unchanged == before {
		return
	}
	d.known[r.id()] = r
	renewed := before
	renewed.fingerprint, renewed.revision, renewed.expires = r.fingerprint, r.revision, r.expires
	if known && renewed == r && before.fingerprint != "" {
		d.out.step("%-13s %s: token %s replaced by %s (revision %s), which expires in %s",
			r.kind, r.name, before.fingerprint, dash(r.fingerprint), dash(r.revision), dash(expiresIn(r.expires)))
		return
	}
	line := fmt.Sprintf("%-13s %s: Ready %s", r.kind, r.name, r.ready)
	if r.reason != "" {
		line += " (" + r.reason + ")"
	}
	if r.key != "" {
		line += ", key " + shortKey(r.key)
	}
	if r.fingerprint != "" {
		line += fmt.Sprintf(", token %s (revision %s) expires in %s", r.fingerprint, r.revision, expiresIn(r.expires))
	}
	if r.secrets != "" {
		line += ", in " + r.secrets
	}
	d.out.step("%s", line)
}

// status sums up in one line.
func status(rows []row, seen []tally) string {
	var total tally
	for _, t := range seen {
		total.rotations += t.rotations
		total.calls += t.calls
		total.refused += t.refused
	}
	return fmt.Sprintf("%d of %d resources Ready; %d renewals seen, %d calls made, %d refused",
		len(rows)-len(notReady(rows)), len(rows), total.rotations, total.calls, total.refused)
}

func notReady(rows []row) []row {
	var not []row
	for _, r := range rows {
		if r.ready != "True" {
			not = append(not, r)
		}
	}
	return not
}

func writeTallies(b *bytes.Buffer, seen []tally) {
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "APPLICATION OF\tRENEWALS SEEN\tCALLS\tREFUSED")
	for _, t := range seen {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", t.of, t.rotations, t.calls, t.refused)
	}
	_ = table.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// shortKey is enough of a key to tell it from others.
func shortKey(key string) string {
	const enough = 8
	if len(key) <= enough+1 {
		return key
	}
	return key[:enough] + "…"
}

func expiresIn(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return time.Until(t).Truncate(time.Second).String()
}
