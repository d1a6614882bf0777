// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// components are those of config/, with the values that do the same.
var components = map[string]string{
	"grafana-dashboard":     "grafanaDashboard: {enabled: true}",
	"network-policy":        "networkPolicy: {enabled: true}",
	"pod-disruption-budget": "podDisruptionBudget: {enabled: true}",
	"prometheus-rule":       "prometheusRule: {enabled: true}",
	"service-monitor":       "serviceMonitor: {enabled: true}",
}

func TestEachComponentIsComparedWithTheChart(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "config", "components", "*", "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	if known := slices.Sorted(maps.Keys(components)); !slices.Equal(names, known) {
		t.Errorf("there are %v, and %v are compared", names, known)
	}
}

func TestTheChartAndKustomizeSayTheSame(t *testing.T) {
	cases := map[string]struct {
		values     string
		components []string
	}{
		"by default":          {},
		"with all components": {strings.Join(slices.Collect(maps.Values(components)), "\n"), slices.Collect(maps.Keys(components))},
	}
	for component, values := range components {
		cases["with "+component] = struct {
			values     string
			components []string
		}{values, []string{component}}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			want := overlay(t, c.components...)
			// Helm makes it itself, or whoever installs.
			delete(want, "Namespace "+namespace)
			for _, difference := range differences(t, withoutHelm(render(t, c.values)), want) {
				t.Error(difference)
			}
		})
	}
}

func TestWhatHelmAloneReadsIsNotComparedWithConfig(t *testing.T) {
	rendered := render(t, "")
	for key, o := range rendered {
		if o.GetLabels()["app.kubernetes.io/managed-by"] != "Helm" || o.GetLabels()["app.kubernetes.io/instance"] != "sfs-operator" {
			t.Errorf("%s has the labels %v", key, o.GetLabels())
		}
	}
	if differences(t, rendered, withoutHelm(rendered)) == nil {
		t.Error("there is nothing that is not compared")
	}
}

func TestADifferenceFromConfigIsNoticed(t *testing.T) {
	want := withoutHelm(render(t, ""))
	for name, change := range map[string]func(objects){
		"an object less":  func(o objects) { delete(o, "Service sfs-system/sfs-operator-metrics") },
		"an object more":  func(o objects) { o["Secret sfs-system/x"] = &unstructured.Unstructured{Object: map[string]any{}} },
		"another value":   func(o objects) { set(o["Deployment sfs-system/sfs-operator"], int64(2), "spec", "replicas") },
		"another right":   func(o objects) { set(o["ClusterRole sfs-operator"], []any{}, "rules") },
		"a further label": func(o objects) { set(o["ServiceAccount sfs-system/sfs-operator"], "x", "metadata", "labels", "x") },
	} {
		got := withoutHelm(want)
		change(got)
		if n := len(differences(t, got, want)); n != 1 {
			t.Errorf("%s: %d differences, want one", name, n)
		}
	}
}

func set(o *unstructured.Unstructured, value any, fields ...string) {
	if err := unstructured.SetNestedField(o.Object, value, fields...); err != nil {
		panic(err)
	}
}

func TestHelmHasNothingToSayAgainstTheChart(t *testing.T) {
	for name, values := range map[string]map[string]any{"by default": {}, "with everything": everything(t)} {
		result := lint.AllWithKubeVersion(chartDir, values, namespace, &chartutil.DefaultCapabilities.KubeVersion)
		for _, m := range result.Messages {
			if m.Err != nil && !strings.Contains(m.Err.Error(), "icon is recommended") {
				t.Errorf("%s: %v", name, m)
			}
		}
	}
}

// podOf returns the Pod that the Deployment makes.
func podOf(t *testing.T, rendered objects) corev1.Pod {
	t.Helper()
	template, found, err := unstructured.NestedMap(rendered["Deployment sfs-system/sfs-operator"].Object, "spec", "template")
	if err != nil || !found {
		t.Fatalf("the Deployment has no template: %v", err)
	}
	var pod corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(template, &pod, true); err != nil {
		t.Fatal(err)
	}
	return pod
}

func TestTheOperatorRunsWithTheLeastItNeeds(t *testing.T) {
	for name, rendered := range map[string]objects{"by default": render(t, ""), "with everything": render(t, text(t, everything(t)))} {
		pod := podOf(t, rendered)
		container := pod.Spec.Containers[0]
		if s := container.SecurityContext; s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			t.Errorf("%s: it may write to its root: %+v", name, s)
		}
		if s := pod.Spec.SecurityContext; s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: it has no seccomp profile: %+v", name, s)
		}
		account := rendered["ServiceAccount sfs-system/sfs-operator"].Object
		if given, found, _ := unstructured.NestedBool(account, "automountServiceAccountToken"); !found || given {
			t.Errorf("%s: the service account gives its token to each Pod", name)
		}
		if p := pod.Spec.AutomountServiceAccountToken; p == nil || !*p {
			t.Errorf("%s: the operator itself gets no token", name)
		}
		limit := slices.IndexFunc(container.Env, func(e corev1.EnvVar) bool { return e.Name == "GOMEMLIMIT" })
		if limit < 0 || container.Env[limit].ValueFrom.ResourceFieldRef.Resource != "limits.memory" {
			t.Errorf("%s: GOMEMLIMIT does not follow the limit of memory: %+v", name, container.Env)
		}
		if container.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s: there is no limit of memory", name)
		}
	}
}

func TestNoRoleHoldsMoreThanItNeeds(t *testing.T) {
	for name, rendered := range map[string]objects{"by default": render(t, ""), "with everything": render(t, text(t, everything(t)))} {
		seen := 0
		for key, o := range rendered {
			if o.GetKind() != "ClusterRole" && o.GetKind() != "Role" {
				continue
			}
			seen++
			rules := text(t, o.Object["rules"])
			for _, word := range []string{`"*"`, "escalate", "impersonate", `"bind"`, "pods/exec", "serviceaccounts/token"} {
				if strings.Contains(rules, word) {
					t.Errorf("%s: %s has %s", name, key, word)
				}
			}
		}
		if seen < 5 {
			t.Errorf("%s: there are only %d roles", name, seen)
		}
	}
}

func TestAnOperatorForSomeNamespacesHasNoRightOnSecretsElsewhere(t *testing.T) {
	rendered := render(t, "watchNamespaces: [team-a, team-b]")
	for key, o := range rendered {
		if rules := text(t, o.Object["rules"]); o.GetKind() == "ClusterRole" && strings.Contains(rules, `"secrets"`) {
			t.Errorf("%s has a right on Secrets: %s", key, rules)
		}
	}
	// All rights together are those of the one role that an operator for all namespaces has.
	whole, parts := rights(t, render(t, "")["ClusterRole sfs-operator"]), rights(t, rendered["ClusterRole sfs-operator"])
	for right := range rights(t, rendered["Role team-a/sfs-operator-tenants"]) {
		if parts[right] {
			t.Errorf("%s is in both roles", right)
		}
		parts[right] = true
	}
	if !maps.Equal(whole, parts) {
		t.Errorf("the parts have %v, the whole has %v", parts, whole)
	}
	if a, b := rendered["Role team-a/sfs-operator-tenants"], rendered["Role team-b/sfs-operator-tenants"]; text(t, a.Object["rules"]) != text(t, b.Object["rules"]) {
		t.Error("the two namespaces are not treated alike")
	}
}

// rights are the verbs of a role, each with its resource.
func rights(t *testing.T, o *unstructured.Unstructured) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	rules, _, err := unstructured.NestedSlice(o.Object, "rules")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules {
		groups, _, _ := unstructured.NestedStringSlice(rule.(map[string]any), "apiGroups")
		resources, _, _ := unstructured.NestedStringSlice(rule.(map[string]any), "resources")
		verbs, _, _ := unstructured.NestedStringSlice(rule.(map[string]any), "verbs")
		for _, group := range groups {
			for _, resource := range resources {
				for _, verb := range verbs {
					all[verb+" "+resource+"."+group] = true
				}
			}
		}
	}
	return all
}
