// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sendforsign/sfs-operator/hack/faults"
)

// update has the recordings written. Values and times in them are those of that day, and are not compared.
var update = flag.Bool("update", false, "write what the metrics say under each fault into test/monitoring/testdata")

var (
	// recorded are the metrics of which alerts are made: those of states, and counters that have counted something.
	recorded = regexp.MustCompile(`(?m)^(sendforsign_condition|sendforsign_\w+_total)(\{.*\})? (?:[1-9]|0\.)\S*$`)
	// labelNames are those in an exposed series.
	labelNames = regexp.MustCompile(`[{,](\w+)="`)
)

// record writes two scrapes while the fault lasts, with the milliseconds between them. By these its end is in sight: what
// grows goes on like this. Else it compares what has been recorded.
func (r *rehearsal) record(ctx context.Context, staged *faults.Staged) error {
	file := filepath.Join("monitoring", "testdata", "faults", r.fault.Name+".prom")
	head := fmt.Sprintf("# %s fires if this lasts: %s.\n", r.fault.Sign.Alert, r.fault.Summary)
	first, err := scrape(ctx, r.operator)
	if err != nil {
		return err
	}
	if !*update {
		return r.compare(file, head, first, staged)
	}
	began := time.Now()
	second := first
	if s := r.fault.Sign.Series; s.Grows {
		if err := r.until(ctx, s.Metric+" to go on", missingSeries(r.operator, []faults.Series{s}, first)); err != nil {
			return err
		}
		if second, err = scrape(ctx, r.operator); err != nil {
			return err
		}
	}
	var b strings.Builder
	b.WriteString(head)
	for _, at := range []struct {
		text   measures
		millis int64
	}{{first, 0}, {second, max(time.Since(began).Milliseconds(), 1)}} {
		for _, line := range recorded.FindAll(at.text, -1) {
			fmt.Fprintf(&b, "%s %d\n", line, at.millis)
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("writing a recording: %w", err)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("writing a recording: %w", err)
	}
	return nil
}

// compare fails if the recording is not of this fault and of this operator any more.
func (r *rehearsal) compare(file, head string, now measures, staged *faults.Staged) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading a recording: %w", err)
	}
	const again = "make recordings writes it anew"
	if !strings.HasPrefix(string(text), head) {
		return fmt.Errorf("%s does not begin with %q; %s", file, head, again)
	}
	old := measures(regexp.MustCompile(`(?m) \d+$`).ReplaceAll(text, nil))
	for _, s := range r.series(staged) {
		if labels := labelsOf(s); old.sum(s.Metric, labels...) == 0 {
			return fmt.Errorf("%s has no %s%v; %s", file, s.Metric, labels, again)
		}
	}
	exported := kindsOf(now)
	for kind := range kindsOf(old) {
		if !exported[kind] {
			return fmt.Errorf("%s has %s, which the operator does not export; %s", file, kind, again)
		}
	}
	return nil
}

// kindsOf are the metrics with the names of their labels.
func kindsOf(m measures) map[string]bool {
	kinds := map[string]bool{}
	for _, found := range recorded.FindAllSubmatch(m, -1) {
		names := map[string]bool{}
		for _, label := range labelNames.FindAllSubmatch(found[2], -1) {
			names[string(label[1])] = true
		}
		kinds[fmt.Sprintf("%s%v", found[1], slices.Sorted(maps.Keys(names)))] = true
	}
	return kinds
}
