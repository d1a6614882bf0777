// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	deployment = "Deployment sfs-system/sfs-operator"
	policy     = "NetworkPolicy sfs-system/sfs-operator"
	monitor    = "ServiceMonitor sfs-system/sfs-operator"
	alerts     = "PrometheusRule sfs-system/sfs-operator"
	dashboard  = "ConfigMap sfs-system/sfs-operator-dashboard"
	digest     = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// effect is what a value does.
type effect struct {
	value string // by its path in values.yaml
	// given are the other values that it takes, to the value it is set.
	given, to string
	// object says words with the value, and not without it. Without words it is there with the value only; with gone it is
	// there only without it.
	object, words string
	gone          bool
}

var effects = []effect{
	{value: "image.repository", to: "registry.example/sfs-operator", object: deployment, words: `"image":"registry.example/sfs-operator:latest"`},
	{value: "image.tag", to: "v1.2.3", object: deployment, words: `"image":"sfs-operator:v1.2.3"`},
	{value: "image.digest", to: digest, object: deployment, words: `"image":"sfs-operator@` + digest + `"`},
	{value: "image.digest", given: "image: {tag: v1.2.3}", to: digest, object: deployment, words: `"image":"sfs-operator@` + digest + `"`},
	{value: "image.pullPolicy", to: "Always", object: deployment, words: `"imagePullPolicy":"Always"`},
	{value: "imagePullSecrets", to: "[{name: registry}]", object: deployment, words: `"imagePullSecrets":[{"name":"registry"}]`},
	{value: "replicas", to: "2", object: deployment, words: `"replicas":2`},
	{value: "resources", to: "{limits: {memory: 1Gi}}", object: deployment, words: `"memory":"1Gi"`},
	{value: "priorityClassName", to: "system-cluster-critical", object: deployment, words: `"priorityClassName":"system-cluster-critical"`},
	{value: "nodeSelector", to: "{disk: ssd}", object: deployment, words: `"nodeSelector":{"disk":"ssd"}`},
	{value: "tolerations", to: "[{operator: Exists}]", object: deployment, words: `"tolerations":[{"operator":"Exists"}]`},
	{
		value: "affinity", object: deployment, words: `"affinity":{"podAntiAffinity":`,
		to: "{podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, " +
			"labelSelector: {matchLabels: {app.kubernetes.io/name: sfs-operator}}}]}}",
	},
	{
		value: "topologySpreadConstraints", object: deployment, words: `"topologySpreadConstraints":[{`,
		to: "[{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway}]",
	},
	{value: "extraEnv", to: "[{name: NO_PROXY, value: 10.0.0.0/8}]", object: deployment, words: `{"name":"NO_PROXY","value":"10.0.0.0/8"}`},
	{value: "extraArgs", to: "[--max-concurrent-reconciles=32]", object: deployment, words: `"--max-concurrent-reconciles=32"`},
	{value: "log.level", to: "debug", object: deployment, words: `"--log-level=debug"`},
	{value: "log.format", to: "text", object: deployment, words: `"--log-format=text"`},
	{value: "watchNamespaces", to: "[team-b, team-a]", object: deployment, words: `"--watch-namespaces=team-a,team-b"`},
	{value: "watchNamespaces", to: "[team-a]", object: "Role team-a/sfs-operator-tenants"},
	{value: "watchNamespaces", to: "[team-a]", object: "RoleBinding team-a/sfs-operator-tenants"},
	{value: "watchNamespaces", to: "[team-a]", object: "Role default/sfs-operator-platform-events"},
	{value: "watchNamespaces", to: "[default]", object: "Role default/sfs-operator-tenants"},
	{value: "watchNamespaces", to: "[team-a]", object: "Role sfs-system/sfs-operator", words: `{"apiGroups":[""],"resources":["secrets"],"verbs":["get","list","watch"]}`},
	{value: "watchLabelSelector", to: "'!sendforsign.com/shard'", object: deployment, words: `"--watch-label-selector=!sendforsign.com/shard"`},
	{value: "oauth.allowedHosts", to: "[id.example.com:8443, a.example.com]", object: deployment, words: `"--oauth-allowed-hosts=a.example.com,id.example.com:8443"`},
	{value: "oauth.presetURLs", to: "{Signicat/Platform: 'https://127.0.0.1:8443'}", object: deployment, words: `"--oauth-preset-url=Signicat/Platform=https://127.0.0.1:8443"`},
	{value: "crds.enabled", to: "false", object: "CustomResourceDefinition sfsclients.sendforsign.com", gone: true},
	{value: "crds.keep", to: "true", given: "crds: {keep: false}", object: "CustomResourceDefinition sfsclients.sendforsign.com", words: `"helm.sh/resource-policy":"keep"`},
	{value: "aggregatedRoles.enabled", to: "false", object: "ClusterRole sfs-operator-view", gone: true},
	{value: "aggregatedRoles.enabled", to: "false", object: "ClusterRole sfs-operator-edit", gone: true},
	{value: "rolloutRestart.namespaces", to: "[team-a]", object: "RoleBinding team-a/sfs-operator-rollout-restart"},
	{
		value: "metrics.readers", to: "[{namespace: monitoring, name: prometheus}]", object: "ClusterRoleBinding sfs-operator-metrics-reader",
	},
	{value: "metrics.perResource", to: "false", object: deployment, words: `"--metrics-per-resource=false"`},
	{value: "serviceMonitor.enabled", to: "true", object: monitor},
	{value: "serviceMonitor.labels", given: "serviceMonitor: {enabled: true}", to: "{release: prometheus}", object: monitor, words: `"release":"prometheus"`},
	{value: "serviceMonitor.interval", given: "serviceMonitor: {enabled: true}", to: "10s", object: monitor, words: `"interval":"10s"`},
	{value: "prometheusRule.enabled", to: "true", object: alerts},
	{value: "prometheusRule.labels", given: "prometheusRule: {enabled: true}", to: "{release: prometheus}", object: alerts, words: `"release":"prometheus"`},
	{
		value: "prometheusRule.runbookURL", given: "prometheusRule: {enabled: true}", to: "https://wiki.example/alerts.md",
		object: alerts, words: `"runbook_url":"https://wiki.example/alerts.md#sendforsigntokenexpired"`,
	},
	{value: "grafanaDashboard.enabled", to: "true", object: dashboard},
	{value: "grafanaDashboard.labels", given: "grafanaDashboard: {enabled: true}", to: "{team: platform}", object: dashboard, words: `"team":"platform"`},
	{value: "grafanaDashboard.annotations", given: "grafanaDashboard: {enabled: true}", to: "{team: platform}", object: dashboard, words: `"team":"platform"`},
	{value: "grafanaDashboard.folder", given: "grafanaDashboard: {enabled: true}", to: "Sendforsign", object: dashboard, words: `"grafana_folder":"Sendforsign"`},
	{value: "networkPolicy.enabled", to: "true", object: policy},
	{value: "networkPolicy.apiServerPorts", given: "networkPolicy: {enabled: true}", to: "[16443]", object: policy, words: `{"port":16443,"protocol":"TCP"}`},
	{value: "networkPolicy.metricsFrom", given: "networkPolicy: {enabled: true}", to: "[{namespaceSelector: {}}]", object: policy, words: `"from":[{"namespaceSelector":{}}]`},
	{value: "networkPolicy.extraEgress", given: "networkPolicy: {enabled: true}", to: "[{ports: [{port: 3128}]}]", object: policy, words: `{"ports":[{"port":3128}]}`},
	{value: "podDisruptionBudget.enabled", to: "true", object: "PodDisruptionBudget sfs-system/sfs-operator"},
}

// values of the case, with the value itself or without it.
func (e effect) values(t *testing.T, with bool) string {
	t.Helper()
	all := map[string]any{}
	if err := yaml.Unmarshal([]byte(e.given), &all); err != nil {
		t.Fatal(err)
	}
	if !with {
		return text(t, all)
	}
	at, path := all, strings.Split(e.value, ".")
	for _, name := range path[:len(path)-1] {
		if _, there := at[name]; !there {
			at[name] = map[string]any{}
		}
		at = at[name].(map[string]any)
	}
	var to any
	if err := yaml.Unmarshal([]byte(e.to), &to); err != nil {
		t.Fatal(err)
	}
	at[path[len(path)-1]] = to
	return text(t, all)
}

func TestEachValueDoesWhatItSays(t *testing.T) {
	for _, e := range effects {
		t.Run(e.value, func(t *testing.T) {
			with, without := render(t, e.values(t, true))[e.object], render(t, e.values(t, false))[e.object]
			switch {
			case e.gone && (with != nil || without == nil):
				t.Errorf("%s: with the value %v, without it %v", e.object, with, without)
			case e.gone:
			case with == nil:
				t.Errorf("there is no %s", e.object)
			case e.words == "" && without != nil:
				t.Errorf("%s is there without the value", e.object)
			case e.words == "":
			case without == nil:
				t.Errorf("there is no %s without the value", e.object)
			case !strings.Contains(text(t, with.Object), e.words):
				t.Errorf("%s does not say %s:\n%s", e.object, e.words, readable(t, with))
			case strings.Contains(text(t, without.Object), e.words):
				t.Errorf("%s says %s without the value as well", e.object, e.words)
			}
		})
	}
}

func TestEveryValueIsTried(t *testing.T) {
	var all []string
	for _, v := range documented(t) {
		all = append(all, v.path)
		if !slices.ContainsFunc(effects, func(e effect) bool { return e.value == v.path }) {
			t.Errorf("nothing says what %s does", v.path)
		}
	}
	for _, e := range effects {
		if !slices.Contains(all, e.value) {
			t.Errorf("there is no value %s", e.value)
		}
	}
}

// everything is a file with all values, and of the types of Kubernetes all parts that people use.
func everything(t *testing.T) map[string]any {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "everything.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(content, &values); err != nil {
		t.Fatal(err)
	}
	return values
}

func TestTheNotesSayHowToGoOn(t *testing.T) {
	for values, want := range map[string][]string{
		"":                                  {"namespace sfs-system.", "create secret generic sendforsign -n sfs-system ", "names: [team-a]", "kubectl wait "},
		"watchNamespaces: [shops, archive]": {", for archive, shops.", "names: [archive, shops]"},
	} {
		_, notes, err := tryRender(t, values)
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range want {
			if !strings.Contains(notes, words) {
				t.Errorf("with %q the notes do not say %q:\n%s", values, words, notes)
			}
		}
		if n := strings.Count(notes, "\n   kubectl "); n != 3 {
			t.Errorf("the notes have %d commands, want 3:\n%s", n, notes)
		}
	}
}
