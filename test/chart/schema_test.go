// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// schema is a JSON schema, or a part of one.
type schema = map[string]any

const schemaFile = chartDir + "/values.schema.json"

// ofKubernetes are the types of Kubernetes that values have.
var ofKubernetes = []any{
	corev1.LocalObjectReference{}, corev1.ResourceRequirements{}, corev1.Toleration{}, corev1.Affinity{},
	corev1.TopologySpreadConstraint{}, corev1.EnvVar{}, networkingv1.NetworkPolicyPeer{}, networkingv1.NetworkPolicyEgressRule{},
}

// definitions of the types of Kubernetes, which are not in values.schema.json by hand: Helm would have to ask the network for
// them.
func definitions() map[string]any {
	name := "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
	all := map[string]any{
		"namespace":  schema{"type": "string", "pattern": name},
		"namespaces": schema{"type": "array", "items": schema{"$ref": "#/$defs/namespace"}},
	}
	for _, o := range ofKubernetes {
		describe(reflect.TypeOf(o), all)
	}
	return all
}

// describe returns the schema of a Go type, and adds the structs that it meets to all.
func describe(t reflect.Type, all map[string]any) schema {
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		return schema{"type": []any{"string", "number"}}
	case reflect.TypeFor[intstr.IntOrString]():
		return schema{"type": []any{"string", "integer"}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return describe(t.Elem(), all)
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int32, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Slice:
		return schema{"type": "array", "items": describe(t.Elem(), all)}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": describe(t.Elem(), all)}
	case reflect.Struct:
		if _, known := all[t.Name()]; !known {
			all[t.Name()] = nil // for those that hold themselves
			properties, required := schema{}, []any{}
			describeFields(t, properties, &required, all)
			d := schema{"type": "object", "additionalProperties": false, "properties": properties}
			if len(required) > 0 {
				d["required"] = required
			}
			all[t.Name()] = d
		}
		return schema{"$ref": "#/$defs/" + t.Name()}
	}
	panic(fmt.Sprintf("there is no schema for %s", t))
}

func describeFields(t reflect.Type, properties schema, required *[]any, all map[string]any) {
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "" && field.Anonymous:
			describeFields(field.Type, properties, required, all)
			continue
		case !strings.Contains(options, "omitempty"):
			*required = append(*required, name)
		}
		properties[name] = describe(field.Type, all)
	}
}

func readSchema(t *testing.T) schema {
	t.Helper()
	content, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(content, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheSchemaKnowsTheTypesOfKubernetes(t *testing.T) {
	var want schema
	if err := json.Unmarshal([]byte(text(t, definitions())), &want); err != nil {
		t.Fatal(err)
	}
	s := readSchema(t)
	if *update {
		s["$defs"] = want
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(s); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(schemaFile, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !reflect.DeepEqual(s["$defs"], want) {
		t.Error("$defs in values.schema.json is out of date: run make chart")
	}
}

// strict fails where an object of a schema takes any name.
func strict(t *testing.T, where string, s any) {
	t.Helper()
	switch s := s.(type) {
	case []any:
		for i, part := range s {
			strict(t, fmt.Sprintf("%s[%d]", where, i), part)
		}
	case schema:
		if s["type"] == "object" && where != "/properties/global" {
			more, said := s["additionalProperties"]
			scalars, isSchema := more.(schema)
			free := isSchema && s["properties"] == nil && scalars["type"] != "object" && scalars["$ref"] == nil
			if !said || more != false && !free {
				t.Errorf("%s takes any name", where)
			}
		}
		for key, part := range s {
			strict(t, where+"/"+key, part)
		}
	}
}

func TestTheSchemaIsStrictEverywhere(t *testing.T) {
	s := readSchema(t)
	if s["additionalProperties"] != false {
		t.Error("the first level takes any name")
	}
	strict(t, "", s)
}

// byName are the maps whose keys are the user's own.
var byName = []string{"nodeSelector", "matchLabels", "labels", "annotations", "requests", "limits"}

// misspelt returns copies of values, each with one name at one level that is not known there.
func misspelt(where string, v any, root func(any) any, all map[string]any) {
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			misspelt(fmt.Sprintf("%s[%d]", where, i), item, func(item any) any {
				items := slices.Clone(v)
				items[i] = item
				return root(items)
			}, all)
		}
	case map[string]any:
		with := func(key string, value any) any {
			changed := map[string]any{key: value}
			for k, old := range v {
				if _, there := changed[k]; !there {
					changed[k] = old
				}
			}
			return root(changed)
		}
		if !slices.Contains(byName, where[strings.LastIndex(where, ".")+1:]) {
			all[where] = with("misspelt", "x")
		}
		for key, value := range v {
			misspelt(where+"."+key, value, func(value any) any { return with(key, value) }, all)
		}
	}
}

func TestAMisspeltNameIsRefusedAtEachLevel(t *testing.T) {
	if _, _, err := tryRender(t, text(t, everything(t))); err != nil {
		t.Fatalf("without one: %v", err)
	}
	all := map[string]any{}
	misspelt("", everything(t), func(v any) any { return v }, all)
	if len(all) < 30 {
		t.Errorf("there are only %d levels", len(all))
	}
	for where, values := range all {
		if _, _, err := tryRender(t, text(t, values)); err == nil || !strings.Contains(err.Error(), "'misspelt'") {
			t.Errorf("a misspelt name below %q: %v", where, err)
		}
	}
}

func TestEveryValueIsInTheSchemaAndInEverything(t *testing.T) {
	used := map[string]bool{}
	for _, v := range documented(t) {
		part := any(everything(t))
		s := readSchema(t)
		for _, name := range strings.Split(v.path, ".") {
			part = part.(map[string]any)[name]
			properties, _ := s["properties"].(schema)
			s, _ = properties[name].(schema)
		}
		if s == nil {
			t.Errorf("%s is not in the schema", v.path)
		}
		if part == nil {
			t.Errorf("%s is not in testdata/everything.yaml", v.path)
		}
		used[strings.Split(v.path, ".")[0]] = true
	}
	for name := range readSchema(t)["properties"].(schema) {
		if !used[name] && name != "global" {
			t.Errorf("the schema has %s, and values.yaml does not", name)
		}
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	for values, want := range map[string]string{
		"replicas: two":                                     "/replicas",
		"replicas: -1":                                      "/replicas",
		"image: {digest: sha256:short}":                     "/image/digest",
		"image: {repository: 'a@sha256:x'}":                 "/image/repository",
		"image: {pullPolicy: always}":                       "/image/pullPolicy",
		"log: {level: trace}":                               "/log/level",
		"log: {format: xml}":                                "/log/format",
		"watchNamespaces: team-a":                           "/watchNamespaces",
		"watchNamespaces: ['team-a,team-b']":                "/watchNamespaces/0",
		"watchNamespaces: ['']":                             "/watchNamespaces/0",
		"watchLabelSelector: {shard: b}":                    "/watchLabelSelector",
		"oauth: {allowedHosts: id.example.com}":             "/oauth/allowedHosts",
		"oauth: {allowedHosts: ['https://a']}":              "/oauth/allowedHosts/0",
		"oauth: {presetURLs: {Signicat: https://a}}":        "invalid propertyName 'Signicat'",
		"oauth: {presetURLs: {Signicat/Express: http://a}}": "/oauth/presetURLs/Signicat~1Express",
		"extraEnv: {A: b}":                                  "/extraEnv",
		"extraEnv: [{value: b}]":                            "name",
		"extraArgs: [run]":                                  "/extraArgs/0",
		"tolerations: [{tolerationSeconds: soon}]":          "/tolerations/0/tolerationSeconds",
		"networkPolicy: {apiServerPorts: [0]}":              "/networkPolicy/apiServerPorts/0",
		"metrics: {readers: [{name: prometheus}]}":          "namespace",
		"serviceMonitor: {interval: often}":                 "/serviceMonitor/interval",
		"metrics: {perResource: sometimes}":                 "/metrics/perResource",
		"prometheusRule: {runbookURL: docs}":                "/prometheusRule/runbookURL",
		"grafanaDashboard: {labels: [a]}":                   "/grafanaDashboard/labels",
		"crds: {enabled: 'true'}":                           "/crds/enabled",
	} {
		if _, _, err := tryRender(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s in it", values, err, want)
		}
	}
}

func TestThisChartMayBePartOfAnother(t *testing.T) {
	if _, _, err := tryRender(t, "global: {imageRegistry: registry.example}"); err != nil {
		t.Error(err)
	}
}

// TestTheDefaultsAreWritten keeps values.yaml to what the templates and the operator itself take for granted.
func TestTheDefaultsAreWritten(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(content, &values); err != nil {
		t.Fatal(err)
	}
	if got, want := text(t, render(t, string(content))), text(t, render(t, "")); got != want {
		t.Error("the values of values.yaml do something when they are given")
	}
}
