// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"bufio"
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/util/teststorage"

	"github.com/sendforsign/sfs-operator/hack/faults"
)

// lasts is how long a fault lasts here, which is long enough for each alert.
const lasts = 2 * time.Hour

var (
	exposed      = regexp.MustCompile(`^(\w+)\{(.*)\} (\S+) (\d+)$`)
	exposedLabel = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// recorded is a series of a recording: its value in the first scrape and in the second.
type recorded struct {
	sample
	second float64
}

// readRecording reads what TestEachFaultIsNamed has recorded, and how long it is from the first scrape to the second.
func readRecording(t *testing.T, name string) (all map[string]*recorded, apart time.Duration) {
	t.Helper()
	all = map[string]*recorded{}
	lines := bufio.NewScanner(bytes.NewReader(read(t, filepath.Join("testdata", "faults", name+".prom"))))
	for lines.Scan() {
		found := exposed.FindStringSubmatch(lines.Text())
		if found == nil {
			continue // a comment
		}
		value, err := strconv.ParseFloat(found[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		millis, err := strconv.ParseInt(found[4], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		var pairs []string
		for _, label := range exposedLabel.FindAllStringSubmatch(found[2], -1) {
			pairs = append(pairs, label[1], label[2])
		}
		key := found[1] + "{" + found[2] + "}"
		if all[key] == nil {
			all[key] = &recorded{sample: of(0, found[1], pairs...)}
		}
		if millis == 0 {
			all[key].value = value
			continue
		}
		all[key].second, apart = value, time.Duration(millis)*time.Millisecond
	}
	if len(all) == 0 || apart == 0 {
		t.Fatalf("there is nothing in the recording of %s", name)
	}
	return all, apart
}

// goOn has the fault last: states stay as they were in the second scrape, and counters go on as from the first to the second.
func goOn(t *testing.T, all map[string]*recorded, apart time.Duration) *teststorage.TestStorage {
	t.Helper()
	storage := teststorage.New(t)
	appender := storage.Appender(t.Context())
	for now := epoch.Add(-interval); now.Before(epoch.Add(lasts)); now = now.Add(interval) {
		for _, r := range all {
			value := r.second
			if strings.HasSuffix(r.labels[1], "_total") {
				value += (r.second - r.value) * now.Sub(epoch.Add(-interval)).Seconds() / apart.Seconds()
			}
			if _, err := appender.Append(0, seen(r.sample, "sfs-operator-0"), timestamp.FromTime(now), value); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Nothing else is wrong.
	for _, s := range []sample{of(1, "sendforsign_build_info"), of(1, "leader_election_master_status", "name", "sfs-operator.sendforsign.com")} {
		for now := epoch.Add(-10 * minute); now.Before(epoch.Add(lasts)); now = now.Add(interval) {
			if _, err := appender.Append(0, seen(s, "sfs-operator-0"), timestamp.FromTime(now), s.value); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := appender.Commit(); err != nil {
		t.Fatal(err)
	}
	return storage
}

// TestTheAlertOfEachFaultFires takes what the operator itself exported while each failure of `make demo FAULT` lasted.
func TestTheAlertOfEachFaultFires(t *testing.T) {
	t.Parallel()
	alerts := map[string]bool{}
	for _, r := range readRules(t) {
		alerts[r.Alert] = true
	}
	recordings := map[string]bool{}
	for _, f := range faults.All() {
		want := f.Sign.Alert
		if want == "" {
			continue // the operator can not tell
		}
		recordings[f.Name+".prom"] = true
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			if !alerts[want] {
				t.Fatalf("there is no alert %s", want)
			}
			all, apart := readRecording(t, f.Name)
			fire := slices.Sorted(maps.Keys(watch(t, goOn(t, all, apart), lasts)))
			if !slices.ContainsFunc(fire, func(key string) bool { return strings.HasPrefix(key, want+" ") }) {
				t.Errorf("%s does not fire, but %q", want, fire)
			}
		})
	}
	files, err := os.ReadDir(filepath.Join("testdata", "faults"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !recordings[file.Name()] {
			t.Errorf("%s is of no fault", file.Name())
		}
	}
}
