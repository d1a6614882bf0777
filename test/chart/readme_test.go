// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// value is one that values.yaml has.
type value struct{ path, initial, comment string }

// documented returns what values.yaml says. A map whose entries have comments is not a value, but its entries are.
func documented(t *testing.T) []value {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var document yamlv3.Node
	if err := yamlv3.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	return below(t, "", document.Content[0])
}

func below(t *testing.T, path string, of *yamlv3.Node) []value {
	t.Helper()
	var all []value
	for i := 0; i < len(of.Content); i += 2 {
		key, is := of.Content[i], of.Content[i+1]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		if is.Kind == yamlv3.MappingNode && len(is.Content) > 0 && is.Content[0].HeadComment != "" {
			all = append(all, below(t, at, is)...)
			continue
		}
		lines := strings.Split(key.HeadComment, "\n")
		if lines[0] == "" {
			t.Errorf("values.yaml does not say what %s is", at)
		}
		for i := range lines {
			lines[i] = strings.TrimSpace(strings.TrimPrefix(lines[i], "#"))
		}
		var initial any
		if err := is.Decode(&initial); err != nil {
			t.Fatal(err)
		}
		all = append(all, value{at, text(t, initial), strings.Join(lines, " ")})
	}
	return all
}

const (
	tableBegins = "<!-- The table is made of values.yaml, by make chart. -->\n"
	tableEnds   = "<!-- Here the table ends. -->\n"
)

func TestTheReadmeHasAllValues(t *testing.T) {
	path := filepath.Join(chartDir, "README.md")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(content), tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatal("the README has no place for the table")
	}
	var table strings.Builder
	table.WriteString("\n| Value | Default | Meaning |\n|---|---|---|\n")
	for _, v := range documented(t) {
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", v.path, v.initial, strings.ReplaceAll(v.comment, "|", "\\|"))
	}
	want := before + tableBegins + table.String() + "\n" + tableEnds + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(content) != want {
		t.Error("the table in README.md is out of date: run make chart")
	}
}

func TestTheChartTellsOfItsDefinitions(t *testing.T) {
	type definition struct{ Kind, Version, Name, DisplayName, Description string }
	var told []definition
	if err := yaml.UnmarshalStrict([]byte(load(t).Metadata.Annotations["artifacthub.io/crds"]), &told); err != nil {
		t.Fatal(err)
	}
	var names, want []string
	for _, d := range told {
		names = append(names, d.Kind+" "+d.Version+" "+d.Name)
		if d.DisplayName == "" || d.Description == "" {
			t.Errorf("nothing is said of %s", d.Name)
		}
	}
	for _, o := range render(t, "") {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		spec := o.Object["spec"].(map[string]any)
		for _, version := range spec["versions"].([]any) {
			want = append(want, fmt.Sprint(spec["names"].(map[string]any)["kind"], " ", version.(map[string]any)["name"], " ", o.GetName()))
		}
	}
	slices.Sort(names)
	slices.Sort(want)
	if !reflect.DeepEqual(names, want) {
		t.Errorf("the annotation tells of %v, the chart has %v", names, want)
	}
}
