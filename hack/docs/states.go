// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// state is one that the controllers bring a resource into in a test (controllers/states_test.go), as a golden file has it.
type state struct {
	Kind    string `json:"kind"`
	State   string `json:"state"`
	When    string `json:"when"`
	Kstatus string `json:"kstatus"`
	Health  string `json:"health"`

	conditions []metav1.Condition
}

func readStates(root string) ([]state, error) {
	text, err := os.ReadFile(filepath.Join(root, statesFile))
	if err != nil {
		return nil, fmt.Errorf("reading the states: %w", err)
	}
	var states []state
	if err := json.Unmarshal(text, &states); err != nil {
		return nil, fmt.Errorf("reading the states: %w", err)
	}
	if len(states) == 0 {
		return nil, errors.New("there are no states")
	}
	for i := range states {
		s := &states[i]
		file := filepath.Join(root, statesDir, s.Kind, "testdata", s.State+".yaml")
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading a state: %w", err)
		}
		var resource struct {
			Status struct {
				Conditions []metav1.Condition `json:"conditions"`
			} `json:"status"`
		}
		if err := yaml.Unmarshal(text, &resource); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		s.conditions = resource.Status.Conditions
		slices.SortStableFunc(s.conditions, func(a, b metav1.Condition) int { return order(a.Type) - order(b.Type) })
	}
	return states, nil
}

// order has Ready first, then what it sums up, then what goes with it.
func order(condition string) int {
	return slices.Index([]string{
		"Reconciling", "Stalled", "Throttled", "NextCredentialsValid", "CredentialsValid", "TokenValid", "SecretReady", "Synced", "Ready",
	}, condition) * -1
}

// title is the heading of a state.
func (s state) title() string { return sentence(s.When) }

// statesOf tells of the states of one kind.
func statesOf(kind string, states []state) string {
	var out strings.Builder
	for _, s := range states {
		if s.Kind != kind {
			continue
		}
		fmt.Fprintf(&out, "### %s\n\n", s.title())
		if len(s.conditions) == 0 {
			out.WriteString("No conditions yet.")
		} else {
			out.WriteString("| Condition | Status | Reason | Message |\n|---|---|---|---|\n")
		}
		for _, c := range s.conditions {
			fmt.Fprintf(&out, "| `%s` | %s | [`%s`](conditions.md#%s) | %s |\n", c.Type, c.Status, c.Reason, strings.ToLower(c.Reason), cell(c.Message))
		}
		if len(s.conditions) == 0 {
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "\nkstatus: %s. Argo CD: %s.\n\n", s.Kstatus, s.Health)
	}
	return strings.TrimSuffix(out.String(), "\n")
}
