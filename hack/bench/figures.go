// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figures are all that was measured in one run.
type figures struct {
	Begun    time.Time `json:"begun"`
	Ended    time.Time `json:"ended"`
	Commit   string    `json:"commit"`
	Machine  machine   `json:"machine"`
	Settings []string  `json:"settings"`
	Notes    []string  `json:"notes,omitempty"`
	Turns    []*turn   `json:"turns"`
	Summary  []row     `json:"summary"`
	Ratios   []ratio   `json:"ratios"`
	Goals    []goal    `json:"goals"`
}

type machine struct {
	System string  `json:"system"`
	Cores  int     `json:"cores"`
	Model  string  `json:"model"`
	Memory float64 `json:"memoryGB"`
	Go     string  `json:"go"`
}

func newFigures(s settings, begun time.Time) *figures {
	return &figures{
		Begun: begun.UTC(), Commit: commit(), Machine: thisMachine(),
		Settings: []string{
			fmt.Sprintf("tenants %d", s.tenants), fmt.Sprintf("latency of Sendforsign %s", s.latency), fmt.Sprintf("HTTP/2 %t", s.http2),
			fmt.Sprintf("workers of operator and probe %d", s.workers), fmt.Sprintf("window %s", s.window), fmt.Sprintf("idle %s", s.idle),
			"memory limit of the operator " + cmp.Or(s.memory, "none"),
			fmt.Sprintf("rounds of A B B A %d", s.rounds),
		},
	}
}

func commit() string {
	said, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output() //nolint:noctx // it is done at once
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(said))
}

func thisMachine() machine {
	m := machine{System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	first := func(file, name string) string {
		text, _ := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == name {
				return strings.TrimSpace(value)
			}
		}
		return ""
	}
	m.Model = first("/proc/cpuinfo", "model name")
	var kilobytes float64
	if _, err := fmt.Sscanf(first("/proc/meminfo", "MemTotal"), "%f kB", &kilobytes); err == nil {
		m.Memory = kilobytes * 1024 / 1e9
	}
	return m
}

func (f *figures) note(format string, args ...any) {
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

// last returns the last turn of a contender, or nil.
func (f *figures) last(name string) *turn {
	for _, t := range slices.Backward(f.Turns) {
		if t.Contender == name {
			return t
		}
	}
	return nil
}

// spread is what several turns gave.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func spreadOf(values []float64) spread {
	slices.Sort(values)
	middle := len(values) / 2
	s := spread{Median: values[middle], Min: values[0], Max: values[len(values)-1]}
	if len(values)%2 == 0 {
		s.Median = (values[middle-1] + values[middle]) / 2
	}
	return s
}

// row is one figure of one contender.
type row struct {
	Contender string `json:"contender"`
	Figure    string `json:"figure"`
	spread
	Turns int `json:"turns"`
}

// figure is how one is read from a turn; false where it was not measured.
type figure struct {
	name string
	of   func(*turn) (float64, bool)
}

// from makes a figure of a part of a turn that may be missing.
func from[T any](name string, part func(*turn) *T, value func(*turn, *T) float64) figure {
	return figure{name, func(t *turn) (float64, bool) {
		p := part(t)
		if p == nil {
			return 0, false
		}
		return value(t, p), true
	}}
}

func ofSync(name string, value func(*turn, *syncFigures) float64) figure {
	return from(name, func(t *turn) *syncFigures { return t.Sync }, value)
}

func ofRenewals(name string, value func(*renewalFigures) float64) figure {
	return from(name, func(t *turn) *renewalFigures { return t.Renewals }, func(_ *turn, f *renewalFigures) float64 { return value(f) })
}

func perRenewal(f *renewalFigures, n float64) float64 { return n / float64(max(f.Renewed, 1)) }

func ofIdle(name string, value func(*idleFigures) float64) figure {
	return from(name, func(t *turn) *idleFigures { return t.Idle }, func(_ *turn, f *idleFigures) float64 { return value(f) })
}

func ofRestart(name string, value func(*restartFigures) float64) figure {
	return from(name, func(t *turn) *restartFigures { return t.Restart }, func(_ *turn, f *restartFigures) float64 { return value(f) })
}

const (
	renewalsPerSecond  = "renewals per second"
	requestsPerRenewal = "API requests per renewal"
	callsPerRenewal    = "SFS calls per renewal"
	ownPerRenewal      = "own CPU per renewal, ms"
	mostConnections    = "SFS connections at most"
	latenessP99        = "lateness at 60 %, p99, s"
	syncSeconds        = "first sync, s"
	baseMemory         = "memory without tenants, MB"
	marginalMemory     = "memory per 1000 tenants, MB"
	idleWrites         = "API writes while idle"
	idleCores          = "own cores while idle"
	restartCalls       = "SFS calls of a restart"
	restartWrites      = "API writes of a restart"
	restartAll         = "restart until all are looked at, s"
	foreignMemory      = "memory by foreign Secrets, MB"
	cycleMemory        = "memory at most in a full cycle, MB"
)

// all figures, in the order of the table.
var allFigures = []figure{
	ofSync(syncSeconds, func(_ *turn, f *syncFigures) float64 { return f.Seconds }),
	ofSync("first syncs per second", func(t *turn, f *syncFigures) float64 { return float64(t.Tenants) / f.Seconds }),
	ofSync("API requests per first sync", func(t *turn, f *syncFigures) float64 { return float64(f.requests()-t.Tenants) / float64(t.Tenants) }),
	ofSync("SFS calls per first sync", func(t *turn, f *syncFigures) float64 { return float64(f.sfs()) / float64(t.Tenants) }),
	ofSync("own CPU per first sync, ms", func(t *turn, f *syncFigures) float64 { return f.CPU["own"] * 1000 / float64(t.Tenants) }),
	ofRenewals(renewalsPerSecond, (*renewalFigures).rate),
	ofRenewals("renewals due per second", func(f *renewalFigures) float64 { return f.Demand }),
	ofRenewals(requestsPerRenewal, func(f *renewalFigures) float64 { return perRenewal(f, float64(f.requests())) }),
	ofRenewals(callsPerRenewal, func(f *renewalFigures) float64 { return perRenewal(f, float64(f.sfs())) }),
	ofRenewals(ownPerRenewal, func(f *renewalFigures) float64 { return perRenewal(f, f.CPU["own"]*1000) }),
	ofRenewals("kube-apiserver CPU per renewal, ms", func(f *renewalFigures) float64 { return perRenewal(f, f.CPU["apiserver"]*1000) }),
	ofRenewals("etcd CPU per renewal, ms", func(f *renewalFigures) float64 { return perRenewal(f, f.CPU["etcd"]*1000) }),
	ofRenewals(mostConnections, func(f *renewalFigures) float64 { return float64(f.MostOpen) }),
	ofRenewals("memory at most, MB", func(f *renewalFigures) float64 { return f.Memory.Peak }),
	from("lateness at 60 %, p50, s", func(t *turn) *latenessFigures { return t.Lateness }, func(_ *turn, f *latenessFigures) float64 { return f.Median }),
	from(latenessP99, func(t *turn) *latenessFigures { return t.Lateness }, func(_ *turn, f *latenessFigures) float64 { return f.P99 }),
	ofSync(baseMemory, func(_ *turn, f *syncFigures) float64 { return f.Base.MB }),
	ofSync("memory after the first sync, MB", func(_ *turn, f *syncFigures) float64 { return f.Memory.MB }),
	from(marginalMemory, func(t *turn) *idleFigures { return t.Idle }, func(t *turn, f *idleFigures) float64 {
		return (f.Memory.MB - t.Sync.Base.MB) * 1000 / float64(t.Tenants)
	}),
	from(foreignMemory, func(t *turn) *foreignFigures { return t.Foreign }, func(_ *turn, f *foreignFigures) float64 { return f.After.MB - f.Before.MB }),
	from(cycleMemory, func(t *turn) *renewalFigures { return t.Cycle }, func(_ *turn, f *renewalFigures) float64 { return f.Memory.Peak }),
	ofIdle(idleWrites, func(f *idleFigures) float64 { return float64(f.writes()) }),
	ofIdle("API requests while idle", func(f *idleFigures) float64 { return float64(f.requests()) }),
	ofIdle(idleCores, func(f *idleFigures) float64 { return f.CPU["own"] / f.Seconds }),
	from("SFS calls of drift rounds", func(t *turn) *measured { return t.Drift }, func(_ *turn, f *measured) float64 { return float64(f.sfs()) }),
	from("API writes of drift rounds", func(t *turn) *measured { return t.Drift }, func(_ *turn, f *measured) float64 { return float64(f.writes()) }),
	from("own CPU of drift rounds, s", func(t *turn) *measured { return t.Drift }, func(_ *turn, f *measured) float64 { return f.CPU["own"] }),
	ofRestart("restart until the first is looked at, s", func(f *restartFigures) float64 { return f.FirstSeconds }),
	ofRestart(restartAll, func(f *restartFigures) float64 { return f.AllSeconds }),
	ofRestart(restartCalls, func(f *restartFigures) float64 { return float64(f.sfs()) }),
	ofRestart(restartWrites, func(f *restartFigures) float64 { return float64(f.writes()) }),
}

// summarise makes rows of all turns.
func (f *figures) summarise() {
	var names []string
	for _, t := range f.Turns {
		if !slices.Contains(names, t.Contender) {
			names = append(names, t.Contender)
		}
		if t.Renewals != nil && !t.Renewals.Saturated {
			f.note("%s: %.0f of %.0f renewals per second that were due were done, so it might do more", t.Contender, t.Renewals.rate(), t.Renewals.Demand)
		}
	}
	for _, figure := range allFigures {
		for _, name := range names {
			var values []float64
			for _, t := range f.Turns {
				if value, is := figure.of(t); t.Contender == name && is {
					values = append(values, value)
				}
			}
			if len(values) > 0 {
				f.Summary = append(f.Summary, row{Contender: name, Figure: figure.name, Turns: len(values), spread: spreadOf(values)})
			}
		}
	}
}

// median of a figure of a contender; false where it was not measured.
func (f *figures) median(contender, figure string) (float64, bool) {
	for _, r := range f.Summary {
		if r.Contender == contender && r.Figure == figure {
			return r.Median, true
		}
	}
	return 0, false
}

// write prints the table and writes the JSON.
func (f *figures) write(to io.Writer, dir string) error {
	f.Ended = time.Now().UTC()
	f.summarise()
	f.compare()
	f.judge()
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	path := filepath.Join(dir, f.Begun.Format("20060102T150405Z")+".json")
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return errors.Join(f.print(to), func() error { _, err := fmt.Fprintln(to, "\n"+path); return err }())
}

func (f *figures) print(to io.Writer) error {
	_, _ = fmt.Fprintf(to, "\nCommit %s, %d cores of %s, %.0f GB, %s. %s.\n\n", f.Commit, f.Machine.Cores, f.Machine.Model, f.Machine.Memory, f.Machine.Go,
		strings.Join(f.Settings, ", "))
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "FIGURE\tCONTENDER\tMEDIAN\tMIN\tMAX\tTURNS")
	last := ""
	for _, r := range f.Summary {
		name := r.Figure
		if name == last {
			name = ""
		}
		last = r.Figure
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\n", name, r.Contender, number(r.Median), number(r.Min), number(r.Max), r.Turns)
	}
	_, _ = fmt.Fprintln(table, "\nRATIO\t\tMEDIANS")
	for _, r := range f.Ratios {
		_, _ = fmt.Fprintf(table, "%s\t%s : %s\t%s\n", r.Figure, r.Of, r.To, number(r.Value))
	}
	_, _ = fmt.Fprintln(table, "\nGOAL\t\tGOT\tRESULT")
	for _, g := range f.Goals {
		_, _ = fmt.Fprintf(table, "%s\t\t%s\t%s\n", g.Goal, g.Got, g.Result)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, note := range f.Notes {
		_, _ = fmt.Fprintln(to, "\n"+note)
	}
	return nil
}

// number has three digits that count, and no more.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1 || v <= -1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
