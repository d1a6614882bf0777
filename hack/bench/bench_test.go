// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheTurnsAreABBA(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c"}
	if got, want := order(names, settings{rounds: 2}), strings.Split("a b c c b a a b c c b a", " "); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := order(names, settings{rounds: 2, once: true}); !slices.Equal(got, names) {
		t.Errorf("got %q, want each once", got)
	}
}

func TestALifeIsLongEnoughForAnInterval(t *testing.T) {
	t.Parallel()
	for interval, want := range map[time.Duration]time.Duration{
		// A fifth of a short life, and two thirds of a long one, less the half of a tenth.
		1900 * time.Millisecond: 10 * time.Second,
		1901 * time.Millisecond: 11 * time.Second,
		1140 * time.Second:      1800 * time.Second,
	} {
		life, every, err := lifeFor(interval)
		if err != nil || life != want || every < interval {
			t.Errorf("for %s: a life of %s, renewed each %s (%v); want a life of %s", interval, life, every, err, want)
		}
	}
	if _, _, err := lifeFor(1000 * time.Hour); err == nil {
		t.Error("no life is long enough for 1000 hours")
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	var durations []time.Duration
	for i := range 101 {
		durations = append(durations, time.Duration(100-i)*time.Second)
	}
	for q, want := range map[float64]float64{0: 0, 0.5: 50, 0.99: 99, 1: 100} {
		if got := quantile(durations, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := quantile([]time.Duration{-time.Second}, 0.5); got != 0 {
		t.Errorf("who is early is late by %v", got)
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("of nothing it is %v", got)
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	if got, want := spreadOf([]float64{3, 1, 2}), (spread{Median: 2, Min: 1, Max: 3}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := spreadOf([]float64{4, 1, 3, 2}), (spread{Median: 2.5, Min: 1, Max: 4}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSamplesOfOneMetricAreRead(t *testing.T) {
	t.Parallel()
	const text = `# HELP requests_total x
# TYPE requests_total counter
requests_total{verb="GET",resource="secrets"} 3
requests_total{verb="PATCH",resource="secrets"} 4e+02
# TYPE requests_total_of_others counter
requests_total_of_others{verb="GET"} 9
`
	got, err := series([]byte(text), "requests_total")
	if err != nil {
		t.Fatal(err)
	}
	want := []sample{
		{map[string]string{"verb": "GET", "resource": "secrets"}, 3},
		{map[string]string{"verb": "PATCH", "resource": "secrets"}, 400},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAReviewIsNoWrite(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]bool{
		"PATCH sfsclients/status": true, "POST events": true, "APPLY secrets": true, "DELETE secrets": true,
		"GET secrets": false, "LIST secrets": false, "POST tokenreviews": false, "POST subjectaccessreviews": false,
	} {
		if got := isWrite(request); got != want {
			t.Errorf("%s is a write: %t", request, got)
		}
	}
}

func TestThisProcessCanBeMeasured(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("this is not Linux")
	}
	if _, err := cpu(os.Getpid()); err != nil {
		t.Error(err)
	}
	if m, err := memoryOf(os.Getpid()); err != nil || m.MB < 1 || m.Peak < m.MB {
		t.Errorf("%+v, %v", m, err)
	}
}

// turnsOf are two turns of each contender, with so many renewals in ten seconds.
func turnsOf(tenants int, renewed map[string]int) *figures {
	f := &figures{}
	for name, n := range renewed {
		for range 2 {
			f.Turns = append(f.Turns, &turn{Contender: name, Tenants: tenants, Renewals: &renewalFigures{
				measured: measured{Seconds: 10, CPU: map[string]float64{"own": 1}, Requests: map[string]int{"PATCH secrets": n}},
				Renewed:  n, Saturated: true,
			}})
		}
	}
	f.summarise()
	f.compare()
	f.judge()
	return f
}

func TestGoalsAreJudged(t *testing.T) {
	t.Parallel()
	f := turnsOf(1000, map[string]int{"operator": 2700, "operator-no-times": 4700, "external-secrets": 1500, "probe": 6000})
	results := map[string]string{}
	for _, g := range f.Goals {
		results[g.Goal] = g.Result
	}
	for text, want := range map[string]string{
		"renewals/s, times off, at least 3 x the tuned peer":                     met,
		"renewals/s, times on, at least 1.8 x the tuned peer":                    met,
		"renewals/s, times off, at least 0.8 x the probe":                        notMet,
		"renewals/s, times on, at least 0.8 x the probe with status":             notMeasured,
		"API requests per renewal, times off, at most 1.02":                      met,
		"own CPU per renewal, times off, at most 0.8 ms":                         met,
		"API writes while idle, 10000 tenants, none":                             notMeasured,
		"100000 tenants for a full cycle, at most 1 GiB":                         notMeasured,
		"first sync of 3000 tenants, at most 15 s or the time of the tuned peer": notMeasured,
	} {
		if results[text] != want {
			t.Errorf("%s: %q, want %q", text, results[text], want)
		}
	}
}

func TestAGoalForManyTenantsIsNotMetWithFew(t *testing.T) {
	t.Parallel()
	for tenants, want := range map[int]string{10_000: met, 1000: "not measured (with 1000; would be met)"} {
		f := &figures{Turns: []*turn{{Contender: times, Tenants: tenants, Restart: &restartFigures{AllSeconds: 2}}}}
		f.summarise()
		f.judge()
		for _, g := range f.Goals {
			if strings.HasPrefix(g.Goal, "restart until all") && g.Result != want {
				t.Errorf("with %d: %q, want %q", tenants, g.Result, want)
			}
		}
	}
}
