// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package monitoring tests what is made of the metrics: the alerts, evaluated by Prometheus over stories of an operator, the
// dashboard, the pages about both, and the configuration for kube-state-metrics. It is a module of its own, so that the
// operator needs neither Prometheus nor kube-state-metrics.
package monitoring

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"regexp"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

const (
	rulesFile     = "../../config/components/prometheus-rule/prometheus_rule.yaml"
	dashboardFile = "../../config/components/grafana-dashboard/dashboard.json"
	statesFile    = "../../config/kube-state-metrics/custom-resource-state.yaml"
	alertsPage    = "../../docs/alerts.md"
	metricsPage   = "../../docs/metrics.md"
)

var promQL = parser.NewParser(parser.Options{})

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// readRules returns the rules as Prometheus reads them from what the Prometheus Operator makes of the file.
func readRules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	var resource monitoringv1.PrometheusRule
	if err := yaml.UnmarshalStrict(read(t, rulesFile), &resource); err != nil {
		t.Fatal(err)
	}
	groups, err := json.Marshal(resource.Spec)
	if err != nil {
		t.Fatal(err)
	}
	parsed, problems := rulefmt.Parse(groups, false, model.LegacyValidation, promQL, slog.New(slog.NewTextHandler(io.Discard, nil)))
	for _, problem := range problems {
		t.Fatal(problem)
	}
	var all []rulefmt.Rule
	for _, group := range parsed.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// headings of the second level in a page.
func headings(page []byte) []string {
	var all []string
	for _, found := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllSubmatch(page, -1) {
		all = append(all, string(found[1]))
	}
	return all
}
