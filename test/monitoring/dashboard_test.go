// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// dashboard is what is checked of the JSON model of Grafana.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
	Inputs []any `json:"__inputs"`
}

// panel is a part of it. A row is one too.
type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               source
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		Expr, LegendFormat, RefID, Format string
		Instant, Range                    bool
		Datasource                        source
	}
}

type source struct{ Type, UID string }

// units of Grafana that fit what the operator measures.
var units = []string{"short", "s", "percentunit", "reqps", "wps", "ops", "bytes"}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal(read(t, dashboardFile), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// withVariables puts values in the place of variables, as Grafana does.
func withVariables(expression string) string {
	return strings.NewReplacer("$__rate_interval", "2m", "$namespace", "team-a|team-b").Replace(expression)
}

func TestEachPanelSaysWhatItShows(t *testing.T) {
	d := readDashboard(t)
	wanted := source{"prometheus", "${datasource}"}
	ids, titles := map[int]bool{}, map[string]bool{}
	shown := 0
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("%s has the id %d, as another has", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		shown++
		if titles[p.Title] || p.Title == "" {
			t.Errorf("there are two panels %q", p.Title)
		}
		titles[p.Title] = true
		if !strings.HasSuffix(p.Description, ".") {
			t.Errorf("%s has no description", p.Title)
		}
		if !slices.Contains(units, p.FieldConfig.Defaults.Unit) {
			t.Errorf("%s has the unit %q", p.Title, p.FieldConfig.Defaults.Unit)
		}
		if !slices.Contains([]string{"timeseries", "stat", "table"}, p.Type) {
			t.Errorf("%s is a %s", p.Title, p.Type)
		}
		if p.Datasource != wanted {
			t.Errorf("%s asks %v", p.Title, p.Datasource)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if target.Datasource != wanted || refs[target.RefID] || target.RefID == "" {
				t.Errorf("%s has the target %+v", p.Title, target)
			}
			refs[target.RefID] = true
			if target.Instant == target.Range || target.Range != (p.Type == "timeseries") {
				t.Errorf("%s asks for what it does not show: %+v", p.Title, target)
			}
			if (p.Type == "table") != (target.Format == "table") || (p.Type == "table") != (target.LegendFormat == "") {
				t.Errorf("%s does not name what it shows: %+v", p.Title, target)
			}
			if strings.Contains(target.Expr, "rate(") && !strings.Contains(target.Expr, "[$__rate_interval]") {
				t.Errorf("%s has a window of its own: %s", p.Title, target.Expr)
			}
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s asks for nothing", p.Title)
		}
	}
	if shown < 20 {
		t.Errorf("there are only %d panels", shown)
	}
}

func TestPanelsStandSideBySide(t *testing.T) {
	all := readDashboard(t).Panels
	for i, p := range all {
		a := p.GridPos
		if a.W < 1 || a.H < 1 || a.X < 0 || a.X+a.W > 24 {
			t.Errorf("%s stands at %+v", p.Title, a)
		}
		for _, other := range all[i+1:] {
			b := other.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%s covers %s", p.Title, other.Title)
			}
		}
	}
}

func TestTheDashboardCanBeProvisioned(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 36 || d.SchemaVersion > 39 {
		t.Errorf("uid %q, title %q, schema %d: Grafana 10 has 36 to 39, and later ones migrate", d.UID, d.Title, d.SchemaVersion)
	}
	if len(d.Inputs) > 0 {
		t.Error("it asks for inputs, which only an import by hand gives")
	}
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name+" "+v.Type)
	}
	if want := []string{"datasource datasource", "namespace query"}; !slices.Equal(variables, want) {
		t.Errorf("the variables are %v, want %v", variables, want)
	}
	// A sidecar reads it from a ConfigMap, which the API server limits to a MiB, and kubectl apply to a quarter of that.
	content := read(t, dashboardFile)
	if len(content) > 200_000 {
		t.Errorf("it has %d bytes", len(content))
	}
	var formatted bytes.Buffer
	if err := json.Indent(&formatted, content, "", "  "); err != nil || !bytes.Equal(formatted.Bytes(), content) {
		t.Error("it is not indented by two spaces")
	}
}
