// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"path/filepath"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
)

// healthStatus and healthTests have the form of the files health_test.yaml of Argo CD.
type healthStatus struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type healthTest struct {
	HealthStatus healthStatus `json:"healthStatus"`
	InputPath    string       `json:"inputPath"`
}

type healthTests struct {
	Tests []healthTest `json:"tests"`
}

func healthOf(t *testing.T, kind string, object map[string]any) healthStatus {
	t.Helper()
	returned, ok := run(t, readText(t, filepath.Join(directoryOf(kind), "health.lua")), object).(map[string]any)
	if !ok {
		t.Fatal("the script returned no table")
	}
	state, _ := returned["status"].(string)
	message, _ := returned["message"].(string)
	if len(returned) != 2 || message == "" {
		t.Errorf("the script returned %v, want a status and a message", returned)
	}
	return healthStatus{state, message}
}

func TestArgoCDSeesEachStateAsIntended(t *testing.T) {
	seen := map[string]*healthTests{}
	for _, kind := range kinds {
		seen[kind] = &healthTests{}
	}
	for _, s := range readStates(t) {
		t.Run(s.Kind+"/"+s.State, func(t *testing.T) {
			input := filepath.Join("testdata", s.State+".yaml")
			got := healthOf(t, s.Kind, readObject(t, filepath.Join(directoryOf(s.Kind), input)).Object)
			if got.Status != s.Health {
				t.Errorf("it is %s (%s), want %s", got.Status, got.Message, s.Health)
			}
			seen[s.Kind].Tests = append(seen[s.Kind].Tests, healthTest{got, input})
		})
	}
	if t.Failed() {
		return
	}
	for _, kind := range kinds {
		golden(t, filepath.Join(directoryOf(kind), "health_test.yaml"), toYAML(t, seen[kind]))
	}
}

func TestKstatusSeesEachStateAsIntended(t *testing.T) {
	for _, s := range readStates(t) {
		t.Run(s.Kind+"/"+s.State, func(t *testing.T) {
			got, err := status.Compute(readObject(t, filepath.Join(directoryOf(s.Kind), "testdata", s.State+".yaml")))
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Status) != s.Kstatus {
				t.Errorf("it is %s (%s), want %s", got.Status, got.Message, s.Kstatus)
			}
		})
	}
}

// The two agree: what kstatus calls Current is never Degraded, and what it calls Failed always is.
func TestTheIntentionsAgree(t *testing.T) {
	allowed := map[string][]string{
		"Current":     {"Healthy", "Suspended"},
		"InProgress":  {"Progressing", "Suspended", "Degraded"}, // a token that is dead comes back by itself
		"Failed":      {"Degraded"},
		"Terminating": {"Progressing"},
	}
	states := readStates(t)
	for _, s := range states {
		fits := false
		for _, health := range allowed[s.Kstatus] {
			fits = fits || health == s.Health
		}
		if !fits {
			t.Errorf("%s %s is %s for kstatus and %s for Argo CD", s.Kind, s.State, s.Kstatus, s.Health)
		}
	}
	if len(states) < 60 {
		t.Errorf("there are only %d states", len(states))
	}
}

// What no operator has touched, or another version of it has written, has a health too.
func TestAnyStatusHasAHealth(t *testing.T) {
	metadata := map[string]any{"name": "shop", "generation": int64(2)}
	ready := map[string]any{"type": "Ready", "status": "True", "reason": "Available", "message": "all is as the spec asks for"}
	odd := map[string]any{"type": "Odd", "status": "Unknown", "reason": "Odd", "message": "odd"}
	for name, test := range map[string]struct {
		status any
		want   string
	}{
		"no status":                  {nil, "Progressing"},
		"an empty status":            {map[string]any{}, "Progressing"},
		"another generation":         {map[string]any{"observedGeneration": int64(1), "conditions": []any{ready}}, "Progressing"},
		"no conditions":              {map[string]any{"observedGeneration": int64(2)}, "Progressing"},
		"none of the conditions":     {map[string]any{"observedGeneration": int64(2), "conditions": []any{odd}}, "Progressing"},
		"one that nobody knows":      {map[string]any{"observedGeneration": int64(2), "conditions": []any{odd, ready}}, "Healthy"},
		"numbers as some read them":  {map[string]any{"observedGeneration": float64(2), "conditions": []any{ready}}, "Healthy"},
		"what is to come is no news": {map[string]any{"observedGeneration": int64(3), "conditions": []any{ready}}, "Progressing"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, kind := range kinds {
				object := map[string]any{"kind": kind, "metadata": metadata}
				if test.status != nil {
					object["status"] = test.status
				}
				if got := healthOf(t, kind, object); got.Status != test.want {
					t.Errorf("%s: it is %s (%s), want %s", kind, got.Status, got.Message, test.want)
				}
			}
		})
	}
}
