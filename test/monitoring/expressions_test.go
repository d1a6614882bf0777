// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// labelsOf returns the labels that a series of this name can have, or nothing where there is no such metric. The suffixes of
// a histogram belong to the name.
func labelsOf(all map[string]exported, series string) []string {
	name, bucket := strings.CutSuffix(series, "_bucket")
	if is, there := all[name]; bucket && there && is.mayBe("histogram") {
		return slices.Concat(is.labels, target, []string{"le"})
	}
	for _, suffix := range []string{"_sum", "_count"} {
		name, cut := strings.CutSuffix(series, suffix)
		if is, there := all[name]; cut && there && is.mayBe("histogram") {
			return slices.Concat(is.labels, target)
		}
	}
	if is, there := all[series]; there && is.kind != "histogram" {
		return slices.Concat(is.labels, target)
	}
	return nil
}

// wrongIn returns what an expression takes for granted and is not there.
func wrongIn(metrics map[string]exported, expression string) []string {
	parsed, err := promQL.ParseExpr(expression)
	if err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	known := map[string]bool{}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		selector, is := node.(*parser.VectorSelector)
		if !is {
			return nil
		}
		all := labelsOf(metrics, selector.Name)
		if all == nil {
			wrong = append(wrong, "there is no metric "+selector.Name)
		}
		for _, label := range all {
			known[label] = true
		}
		for _, matcher := range selector.LabelMatchers {
			if matcher.Name != model.MetricNameLabel && !slices.Contains(all, matcher.Name) {
				wrong = append(wrong, selector.Name+" has no label "+matcher.Name)
			}
		}
		return nil
	})
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		var by []string
		switch n := node.(type) {
		case *parser.AggregateExpr:
			by = n.Grouping
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				by = slices.Concat(n.VectorMatching.MatchingLabels, n.VectorMatching.Include)
			}
		}
		for _, label := range by {
			if !known[label] {
				wrong = append(wrong, "no metric of it has the label "+label)
			}
		}
		return nil
	})
	return wrong
}

func TestExpressionsAskOnlyForWhatTheOperatorExports(t *testing.T) {
	all := map[string][]string{"docs/metrics.md": promQLIn(read(t, metricsPage)), "docs/alerts.md": promQLIn(read(t, alertsPage))}
	for _, rule := range readRules(t) {
		all[rule.Alert] = []string{rule.Expr}
	}
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			all["panel "+panel.Title] = append(all["panel "+panel.Title], withVariables(target.Expr))
		}
	}
	metrics := allMetrics(t)
	count := 0
	for where, expressions := range all {
		for _, expression := range expressions {
			count++
			for _, wrong := range wrongIn(metrics, expression) {
				t.Errorf("%s: %s: %s", where, wrong, expression)
			}
		}
	}
	if count < 60 {
		t.Errorf("only %d expressions were found", count)
	}
}

func TestAMistakeInAnExpressionIsNoticed(t *testing.T) {
	metrics := allMetrics(t)
	for expression, want := range map[string]string{
		"sum(sendforsign_conditions)":                                           "no metric sendforsign_conditions",
		`sendforsign_condition{state="True"}`:                                   "no label state",
		"sum by (tenant) (sendforsign_condition)":                               "the label tenant",
		"sendforsign_token_overlap_seconds":                                     "no metric sendforsign_token_overlap_seconds",
		"sendforsign_condition unless on (client) sendforsign_orphans":          "the label client",
		"histogram_quantile(0.9, sendforsign_token_overlap_seconds_bucket{":     "parse error",
		`sum by (le) (rate(sendforsign_token_overlap_seconds_sum{le="1"}[5m]))`: "no label le",
	} {
		if wrong := strings.Join(wrongIn(metrics, expression), "; "); !strings.Contains(wrong, want) {
			t.Errorf("%s: %q, want %q", expression, wrong, want)
		}
	}
}

func TestEachMetricIsOnTheDashboardOrInAnAlert(t *testing.T) {
	var all strings.Builder
	for _, rule := range readRules(t) {
		all.WriteString(rule.Expr)
	}
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			all.WriteString(target.Expr)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ownMetrics(t, true))) {
		if !strings.Contains(all.String(), name) {
			t.Errorf("nobody looks at %s", name)
		}
	}
}
