// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// runbooks is where the alerts lead, unless the chart is told another place.
const runbooks = "https://github.com/sendforsign/sfs-operator/blob/main/docs/alerts.md"

func TestEachAlertHasARunbookAndEachRunbookAnAlert(t *testing.T) {
	page := read(t, alertsPage)
	var alerts []string
	for _, rule := range readRules(t) {
		alerts = append(alerts, rule.Alert)
		if want := runbooks + "#" + strings.ToLower(rule.Alert); rule.Annotations["runbook_url"] != want {
			t.Errorf("%s leads to %s, want %s", rule.Alert, rule.Annotations["runbook_url"], want)
		}
		if !strings.HasPrefix(rule.Alert, "Sendforsign") {
			t.Errorf("%s does not say whose it is", rule.Alert)
		}
		if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s has the severity %q", rule.Alert, severity)
		}
		if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%s says nothing to people", rule.Alert)
		}
		after := "at once"
		if rule.For > 0 {
			after = strings.TrimSuffix(rule.For.String(), "m") + " min"
		}
		row := fmt.Sprintf("| [%s](#%s) | %s | %s | ", rule.Alert, strings.ToLower(rule.Alert), rule.Labels["severity"], after)
		if strings.Count(string(page), row) != 1 {
			t.Errorf("the table has no row %q", row)
		}
	}
	headings := headings(page)
	slices.Sort(alerts)
	slices.Sort(headings)
	if !slices.Equal(alerts, headings) {
		t.Errorf("the alerts are %v, the page has %v", alerts, headings)
	}
}

func TestEachRunbookSaysWhatToDo(t *testing.T) {
	for _, section := range strings.Split(string(read(t, alertsPage)), "\n## ")[1:] {
		name, _, _ := strings.Cut(section, "\n")
		for _, part := range []string{"\n**Symptom.** ", "\n**What it means.** ", "\n**Look at**\n\n```", "\n**Do**", "kubectl "} {
			if !strings.Contains(section, part) {
				t.Errorf("%s does not have %q", name, part)
			}
		}
	}
}

// row is a metric in a table of the page.
var row = regexp.MustCompile("(?m)^\\| `(sendforsign_\\w+)` \\| (\\w+) \\|([^|]*)\\| ([^|]+) \\| ([^|]+) \\|$")

func TestThePageHasAllMetrics(t *testing.T) {
	page := read(t, metricsPage)
	own, coarse := ownMetrics(t, true), ownMetrics(t, false)
	seen := map[string]bool{}
	for _, found := range row.FindAllStringSubmatch(string(page), -1) {
		name := found[1]
		seen[name] = true
		is, known := own[name]
		if !known {
			t.Errorf("there is no metric %s", name)
			continue
		}
		labels := strings.FieldsFunc(found[3], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		slices.Sort(labels)
		if found[2] != is.kind || !slices.Equal(labels, is.labels) {
			t.Errorf("%s is a %s with %v, and told to be a %s with %v", name, is.kind, is.labels, found[2], labels)
		}
	}
	queries := strings.Join(promQLIn(page), "\n")
	for name, is := range own {
		if fewer := len(is.labels) > len(coarse[name].labels); fewer != strings.Contains(rowOf(page, name), "ggregated") {
			t.Errorf("%s has fewer labels when aggregated: %t, and the page says otherwise", name, fewer)
		}
		if !seen[name] {
			t.Errorf("%s is not in the page", name)
		}
		if !regexp.MustCompile(name + `(_bucket|_sum|_count)?\b`).MatchString(queries) {
			t.Errorf("there is no query with %s", name)
		}
	}
}

// rowOf returns the row of a metric.
func rowOf(page []byte, name string) string {
	return regexp.MustCompile("(?m)^\\| `" + name + "` .*$").FindString(string(page))
}

// promQLIn returns the queries that a page shows. Those that stand in one block are told apart by a line that begins with a
// word and follows one that is complete.
func promQLIn(page []byte) []string {
	var all []string
	for _, block := range regexp.MustCompile("(?s)```promql\n(.+?)```").FindAllSubmatch(page, -1) {
		query := ""
		for _, line := range strings.Split(strings.TrimSpace(string(block[1])), "\n") {
			if _, err := promQL.ParseExpr(query); query != "" && err == nil && regexp.MustCompile(`^[a-z]`).MatchString(line) {
				all, query = append(all, query), ""
			}
			query += line + "\n"
		}
		all = append(all, query)
	}
	return all
}
