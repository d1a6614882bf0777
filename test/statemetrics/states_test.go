// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package statemetrics tests the configuration for kube-state-metrics, by what kube-state-metrics makes of the states into
// which the controllers bring the resources. It is a module of its own, and takes nothing from the operator, since
// kube-state-metrics is built with an older client of Kubernetes.
package statemetrics

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/kube-state-metrics/v2/pkg/customresourcestate"
	sigsyaml "sigs.k8s.io/yaml"
	yaml "sigs.k8s.io/yaml/goyaml.v3" // by which kube-state-metrics reads it
)

const (
	configFile  = "../../config/kube-state-metrics/custom-resource-state.yaml"
	roleFile    = "../../config/kube-state-metrics/role.yaml"
	metricsPage = "../../docs/metrics.md"
	// states are what the controllers bring resources into, which their own tests write.
	states = "../../config/argocd/sendforsign.com"
)

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func readConfig(t *testing.T) customresourcestate.Metrics {
	t.Helper()
	var file struct {
		Kind                        string
		customresourcestate.Metrics `yaml:",inline"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(read(t, configFile)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	return file.Metrics
}

// told returns the metrics that the configuration asks for, with their labels.
func told(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, resource := range readConfig(t).Spec.Resources {
		for _, metric := range resource.Metrics {
			labels := slices.Collect(maps.Keys(resource.LabelsFromPath))
			labels = slices.AppendSeq(labels, maps.Keys(metric.LabelsFromPath))
			if metric.Each.Gauge != nil {
				labels = slices.AppendSeq(labels, maps.Keys(metric.Each.Gauge.LabelsFromPath))
			}
			slices.Sort(labels)
			all[*resource.MetricNamePrefix+"_"+metric.Name] = labels
		}
	}
	return all
}

// seriesOf returns what kube-state-metrics makes of an object, by name and labels.
func seriesOf(t *testing.T, o *unstructured.Unstructured) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for _, resource := range readConfig(t).Spec.Resources {
		if resource.GroupVersionKind.Kind != o.GetKind() {
			continue
		}
		// As it does itself with what is read from a file.
		for i := range resource.Metrics {
			each := &resource.Metrics[i].Each
			each.Type = each.Type[:0] + "gauge"
		}
		factory, err := customresourcestate.NewCustomResourceMetrics(resource)
		if err != nil {
			t.Fatal(err)
		}
		for _, generator := range factory.MetricFamilyGenerators() {
			for _, m := range generator.Generate(o).Metrics {
				var pairs []string
				for i, key := range m.LabelKeys {
					if !strings.HasPrefix(key, "customresource_") {
						pairs = append(pairs, fmt.Sprintf("%s=%q", key, m.LabelValues[i]))
					}
				}
				slices.Sort(pairs)
				all[generator.Name+"{"+strings.Join(pairs, ",")+"}"] = m.Value
			}
		}
	}
	return all
}

// status is what the golden states have of it.
type status struct {
	Conditions []metav1.Condition
	Clients    *struct{ Total, Ready int }
	Token      *struct{ IssuedTime, RenewalTime, ExpirationTime time.Time }
}

// want is what the status of an object says, in the same form.
func (s status) want(o *unstructured.Unstructured) map[string]float64 {
	all := map[string]float64{}
	prefix := map[string]string{"SfsPlatform": "platform", "SfsClient": "client", "SfsClientUser": "user", "OAuthToken": "oauthtoken"}[o.GetKind()]
	add := func(name string, value float64, labels ...string) {
		labels = append(labels, fmt.Sprintf("name=%q", o.GetName()))
		if o.GetNamespace() != "" {
			labels = append(labels, fmt.Sprintf("namespace=%q", o.GetNamespace()))
		}
		slices.Sort(labels)
		all["sendforsign_"+prefix+"_"+name+"{"+strings.Join(labels, ",")+"}"] = value
	}
	for _, c := range s.Conditions {
		add("status_condition", map[metav1.ConditionStatus]float64{metav1.ConditionTrue: 1}[c.Status],
			fmt.Sprintf("type=%q", c.Type), fmt.Sprintf("reason=%q", c.Reason))
	}
	if s.Clients != nil {
		add("status_clients", float64(s.Clients.Total))
		add("status_clients_ready", float64(s.Clients.Ready))
	}
	if s.Token != nil {
		var labels []string
		if platform, has, _ := unstructured.NestedString(o.Object, "spec", "platformRef", "name"); has {
			labels = append(labels, fmt.Sprintf("platform=%q", platform))
		}
		for name, at := range map[string]time.Time{
			"issued": s.Token.IssuedTime, "renewal": s.Token.RenewalTime, "expiration": s.Token.ExpirationTime,
		} {
			add("status_token_"+name+"_timestamp_seconds", float64(at.Unix()), labels...)
		}
	}
	return all
}

func TestKubeStateMetricsTellsTheStatusOfEachResource(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(states, "*", "testdata", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		o := &unstructured.Unstructured{}
		var its struct{ Status status }
		content := read(t, file)
		json, err := sigsyaml.YAMLToJSON(content)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.UnmarshalJSON(json); err != nil { // with whole numbers, as clients of the API server read it
			t.Fatal(err)
		}
		if err := sigsyaml.Unmarshal(content, &its); err != nil {
			t.Fatal(err)
		}
		got, want := seriesOf(t, o), its.Status.want(o)
		if !maps.Equal(got, want) {
			t.Errorf("%s: got\n%v\nwant\n%v", file, got, want)
		}
		for series := range got {
			name, _, _ := strings.Cut(series, "{")
			names[name] = true
		}
	}
	if len(files) < 60 {
		t.Errorf("only %d objects were tried", len(files))
	}
	for name := range told(t) {
		if !names[name] {
			t.Errorf("no object has %s", name)
		}
	}
}

func TestThePageHasTheMetricsOfKubeStateMetrics(t *testing.T) {
	page := string(read(t, metricsPage))
	for name, labels := range told(t) {
		row := regexp.MustCompile("(?m)^\\|.*`" + name + "`.*\\| (.*) \\|$").FindStringSubmatch(page)
		if row == nil {
			t.Errorf("%s is not in the page", name)
			continue
		}
		said := strings.FieldsFunc(row[1], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		slices.Sort(said)
		if !slices.Equal(said, labels) {
			t.Errorf("%s has %v, and is told to have %v", name, labels, said)
		}
	}
}

func TestKubeStateMetricsMayReadWhatItIsToTell(t *testing.T) {
	var role struct {
		Rules []struct{ APIGroups, Resources, Verbs []string }
	}
	if err := sigsyaml.Unmarshal(read(t, roleFile), &role); err != nil {
		t.Fatal(err)
	}
	may := map[string]bool{}
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				may[verb+" "+resource+"."+rule.APIGroups[0]] = true
			}
		}
	}
	want := map[string]bool{}
	for _, resource := range []string{
		"customresourcedefinitions.apiextensions.k8s.io",
		"sfsplatforms.sendforsign.com", "sfsclients.sendforsign.com", "sfsclientusers.sendforsign.com",
		"oauthtokens.sendforsign.com",
	} {
		want["list "+resource], want["watch "+resource] = true, true
	}
	if !maps.Equal(may, want) {
		t.Errorf("it may %v, and needs %v", may, want)
	}
}
