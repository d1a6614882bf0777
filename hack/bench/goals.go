// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// ratio compares the medians of two contenders.
type ratio struct {
	Figure string  `json:"figure"`
	Of     string  `json:"of"`
	To     string  `json:"to"`
	Value  float64 `json:"value"`
}

// pairs are those who are compared: with the peer, and with the floor in the same mode.
var pairs = [][2]string{
	{"operator", "external-secrets"}, {"operator-no-times", "external-secrets"},
	{"operator", "external-secrets-default"}, {"operator-no-times", "external-secrets-default"},
	{"operator", "probe-status"}, {"operator-no-times", "probe"},
}

func (f *figures) compare() {
	for _, name := range []string{renewalsPerSecond, ownPerRenewal, requestsPerRenewal} {
		for _, pair := range pairs {
			if value, is := f.ratio(name, pair[0], pair[1]); is {
				f.Ratios = append(f.Ratios, ratio{Figure: name, Of: pair[0], To: pair[1], Value: value})
			}
		}
	}
}

func (f *figures) ratio(name, of, to string) (float64, bool) {
	a, is1 := f.median(of, name)
	b, is2 := f.median(to, name)
	return a / b, is1 && is2 && b != 0
}

// goal is what a figure should be, and whether it is.
type goal struct {
	Goal   string `json:"goal"`
	Got    string `json:"got"`
	Result string `json:"result"`
}

const (
	met         = "met"
	notMet      = "not met"
	notMeasured = "not measured"
)

// limit is a goal for one figure of one contender, or for the ratio to another one. It counts from so many tenants on.
type limit struct {
	text      string
	figure    string
	contender string
	to        string
	bound     float64
	least     bool // that it should be at least, and not at most
	tenants   int
}

const (
	times   = "operator"
	noTimes = "operator-no-times"
)

var limits = []limit{
	{"renewals/s, times off, at least 3 x the tuned peer", renewalsPerSecond, noTimes, "external-secrets", 3, true, 0},
	{"renewals/s, times on, at least 1.8 x the tuned peer", renewalsPerSecond, times, "external-secrets", 1.8, true, 0},
	{"renewals/s, times off, at least 0.8 x the probe", renewalsPerSecond, noTimes, "probe", 0.8, true, 0},
	{"renewals/s, times on, at least 0.8 x the probe with status", renewalsPerSecond, times, "probe-status", 0.8, true, 0},
	{"API requests per renewal, times off, at most 1.02", requestsPerRenewal, noTimes, "", 1.02, false, 0},
	{"API requests per renewal, times on, at most 2.02", requestsPerRenewal, times, "", 2.02, false, 0},
	{"SFS calls per renewal, times off, at most 1.01", callsPerRenewal, noTimes, "", 1.01, false, 0},
	{"SFS calls per renewal, times on, at most 1.01", callsPerRenewal, times, "", 1.01, false, 0},
	{"own CPU per renewal, times off, at most 0.8 ms", ownPerRenewal, noTimes, "", 0.8, false, 0},
	{"own CPU per renewal, times on, at most 0.8 ms", ownPerRenewal, times, "", 0.8, false, 0},
	{"lateness p99 at 60 %, times off, 10000 tenants, at most 2 s", latenessP99, noTimes, "", 2, false, 10000},
	{"lateness p99 at 60 %, times on, 10000 tenants, at most 2 s", latenessP99, times, "", 2, false, 10000},
	{"memory without tenants, at most 50 MB", baseMemory, times, "", 50, false, 0},
	{"memory per 1000 tenants, at most 6 MB", marginalMemory, times, "", 6, false, 10000},
	{"100000 tenants for a full cycle, at most 1 GiB", cycleMemory, times, "", 1073.7, false, 100000},
	{"SFS connections, at most the pool of 64", mostConnections, times, "", 64, false, 0},
	{"API writes while idle, 10000 tenants, none", idleWrites, times, "", 0, false, 10000},
	{"own cores while idle, 10000 tenants, at most 0.01", idleCores, times, "", 0.01, false, 10000},
	{"SFS calls of a restart, 10000 tenants, at most the platform token", restartCalls, times, "", 1, false, 10000},
	{"API writes of a restart, 10000 tenants, none", restartWrites, times, "", 0, false, 10000},
	{"restart until all are looked at, 10000 tenants, at most 5 s", restartAll, times, "", 5, false, 10000},
	{"10000 foreign Secrets of 10 KB, at most 5 MB", foreignMemory, times, "", 5, false, 0},
}

func (f *figures) judge() {
	tenants := 0
	for _, t := range f.Turns {
		tenants = max(tenants, t.Tenants)
	}
	for _, l := range limits {
		value, measured := f.median(l.contender, l.figure)
		if l.to != "" {
			value, measured = f.ratio(l.figure, l.contender, l.to)
		}
		g := goal{Goal: l.text, Result: notMeasured}
		if l.figure == foreignMemory && f.foreign() < 10_000 {
			measured = false
		}
		if measured {
			g.Got, g.Result = number(value), notMet
			if l.least && value >= l.bound || !l.least && value <= l.bound {
				g.Result = met
			}
			if tenants < l.tenants {
				g.Result = fmt.Sprintf("%s (with %d; would be %s)", notMeasured, tenants, g.Result)
			}
		}
		f.Goals = append(f.Goals, g)
	}
	f.Goals = append(f.Goals, f.judgeSync(tenants))
}

// foreign is how many Secrets of others there were.
func (f *figures) foreign() int {
	n := 0
	for _, t := range f.Turns {
		if t.Foreign != nil {
			n = max(n, t.Foreign.Secrets)
		}
	}
	return n
}

// judgeSync: 3000 tenants in 15 s, or in the time that the tuned peer takes for its one call.
func (f *figures) judgeSync(tenants int) goal {
	const most, of = 15.0, 3000
	g := goal{Goal: "first sync of 3000 tenants, at most 15 s or the time of the tuned peer", Result: notMeasured}
	own, measured := f.median(times, syncSeconds)
	if !measured {
		return g
	}
	g.Got, g.Result = number(own)+" s", notMet
	peer, both := f.median("external-secrets", syncSeconds)
	if both {
		g.Got += fmt.Sprintf(", the peer %s s", number(peer))
	}
	if own <= most || both && own <= peer {
		g.Result = met
	}
	if tenants != of {
		g.Result = fmt.Sprintf("%s (with %d; would be %s)", notMeasured, tenants, g.Result)
	}
	return g
}
