// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/yaml"

	"github.com/sendforsign/sfs-operator/controllers"
	"github.com/sendforsign/sfs-operator/internal/metrics"
)

// exported is a metric of the operator.
type exported struct {
	kind   string   // gauge, counter or histogram, or nothing where that is not known
	labels []string // sorted
}

func (e exported) mayBe(kind string) bool { return e.kind == "" || e.kind == kind }

// target are the labels that a ServiceMonitor adds, unless the metric has them: honorLabels.
var target = []string{"namespace", "pod", "instance", "job", "service", "endpoint", "container"}

// described is what a description says of itself.
var described = regexp.MustCompile(`^Desc\{fqName: "(\w+)", .*variableLabels: \{([\w,]*)\}\}$`)

// describe returns the metrics of a collector.
func describe(t *testing.T, c prometheus.Collector) map[string]exported {
	t.Helper()
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		c.Describe(descriptions)
	}()
	all := map[string]exported{}
	for d := range descriptions {
		found := described.FindStringSubmatch(d.String())
		if found == nil {
			t.Errorf("can not read %s", d)
			continue
		}
		labels := strings.FieldsFunc(found[2], func(r rune) bool { return r == ',' })
		slices.Sort(labels)
		all[found[1]] = exported{labels: labels}
	}
	return all
}

// ownMetrics are those that the operator makes itself.
func ownMetrics(t *testing.T, perResource bool) map[string]exported {
	t.Helper()
	counted := metrics.New()
	// A vector has a type once it holds something.
	counted.APIAnswered("client", "create", 200, time.Second)
	counted.APIThrottled("default", time.Second)
	counted.Drifted("SfsClient", "email")
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(counted)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := describe(t, counted)
	for _, family := range families {
		all[family.GetName()] = exported{strings.ToLower(family.GetType().String()), all[family.GetName()].labels}
	}
	for name, is := range describe(t, controllers.NewCollector(nil, perResource)) {
		all[name] = exported{"gauge", is.labels}
	}
	for name, is := range all {
		if is.kind == "" {
			t.Errorf("%s has no type", name)
		}
	}
	return all
}

// allMetrics are those that a scrape of the operator gives, and those that kube-state-metrics gives of its resources.
func allMetrics(t *testing.T) map[string]exported {
	t.Helper()
	all := describe(t, ctrlmetrics.Registry.(prometheus.Collector))
	maps.Copy(all, ownMetrics(t, true))
	for name, labels := range ofStates(t) {
		all[name] = exported{"gauge", labels}
	}
	return all
}

// ofStates returns the metrics that kube-state-metrics is asked for, with their labels. test/statemetrics tests them.
func ofStates(t *testing.T) map[string][]string {
	t.Helper()
	var file struct {
		Spec struct {
			Resources []struct {
				MetricNamePrefix string
				LabelsFromPath   map[string][]string
				Metrics          []struct {
					Name           string
					LabelsFromPath map[string][]string
					Each           struct {
						Gauge struct{ LabelsFromPath map[string][]string }
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal(read(t, statesFile), &file); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, resource := range file.Spec.Resources {
		for _, metric := range resource.Metrics {
			var labels []string
			for _, from := range []map[string][]string{resource.LabelsFromPath, metric.LabelsFromPath, metric.Each.Gauge.LabelsFromPath} {
				labels = slices.AppendSeq(labels, maps.Keys(from))
			}
			all[resource.MetricNamePrefix+"_"+metric.Name] = labels
		}
	}
	return all
}

// TestStoriesTellWhatTheOperatorExports keeps the model of the operator to its metrics.
func TestStoriesTellWhatTheOperatorExports(t *testing.T) {
	brought := describe(t, ctrlmetrics.Registry.(prometheus.Collector))
	for _, perResource := range []bool{true, false} {
		own := ownMetrics(t, perResource)
		told := map[string]bool{}
		for _, s := range []string{"SFS is away", "the credentials are wrong", "SFS throttles for a moment", "the Kubernetes API refuses what is written"} {
			stories[s].live(t, perResource, func(s sample) {
				name := strings.TrimSuffix(s.labels[1], "_bucket")
				is, there := own[name]
				if !there {
					is = brought[name]
				}
				var labels []string
				for i := 2; i < len(s.labels); i += 2 {
					if s.labels[i] != "le" {
						labels = append(labels, s.labels[i])
					}
				}
				slices.Sort(labels)
				if !slices.Equal(labels, is.labels) && !told[name] {
					t.Errorf("%s has the labels %v in a story, and %v in the operator", name, labels, is.labels)
				}
				told[name] = true
			})
		}
		if len(told) < 8 {
			t.Errorf("the stories tell only of %v", told)
		}
	}
}
