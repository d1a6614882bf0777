// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// actionTests has the form of the files action_test.yaml of Argo CD.
type actionTests struct {
	DiscoveryTests []struct {
		InputPath string `json:"inputPath"`
		Result    []struct {
			Name     string `json:"name"`
			Disabled bool   `json:"disabled"`
		} `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action             string `json:"action"`
		InputPath          string `json:"inputPath"`
		ExpectedOutputPath string `json:"expectedOutputPath"`
	} `json:"actionTests"`
}

// kindsWithActions are all that have an actions directory.
func kindsWithActions(t *testing.T) []string {
	t.Helper()
	with := slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool {
		_, err := os.Stat(filepath.Join(directoryOf(kind), "actions"))
		return err != nil
	})
	if len(with) == 0 {
		t.Fatal("no kind has actions")
	}
	return with
}

// actionsOf are the names of the actions of a kind.
func actionsOf(t *testing.T, kind string) []string {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join(directoryOf(kind), "actions", "*", "action.lua"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, script := range scripts {
		names = append(names, filepath.Base(filepath.Dir(script)))
	}
	return names
}

func TestActions(t *testing.T) {
	for _, kind := range kindsWithActions(t) {
		directory := filepath.Join(directoryOf(kind), "actions")
		var tests actionTests
		if err := yaml.UnmarshalStrict([]byte(readText(t, filepath.Join(directory, "action_test.yaml"))), &tests); err != nil {
			t.Fatal(err)
		}
		discovery := readText(t, filepath.Join(directory, "discovery.lua"))
		for _, test := range tests.DiscoveryTests {
			t.Run(kind+"/discovery/"+test.InputPath, func(t *testing.T) {
				found, _ := run(t, discovery, readObject(t, filepath.Join(directory, test.InputPath)).Object).(map[string]any)
				want := map[string]any{}
				for _, action := range test.Result {
					want[action.Name] = map[string]any{"disabled": action.Disabled}
				}
				if !reflect.DeepEqual(found, want) {
					t.Errorf("got %v, want %v", found, want)
				}
				if names := slices.Sorted(maps.Keys(found)); !slices.Equal(names, actionsOf(t, kind)) {
					t.Errorf("%v are offered, and there are scripts for %v", names, actionsOf(t, kind))
				}
			})
		}
		tested := map[string]bool{}
		for _, test := range tests.ActionTests {
			tested[test.Action] = true
			t.Run(kind+"/"+test.Action+"/"+test.InputPath, func(t *testing.T) {
				before := readObject(t, filepath.Join(directory, test.InputPath))
				after := act(t, kind, test.Action, before)
				golden(t, filepath.Join(directory, test.ExpectedOutputPath), toYAML(t, after.Object))
				// Nothing but an annotation: the spec stands in Git.
				after.SetAnnotations(before.GetAnnotations())
				if !reflect.DeepEqual(after.Object, before.Object) {
					t.Errorf("more than annotations was changed:\n%s", toYAML(t, after.Object))
				}
			})
		}
		if names := slices.Sorted(maps.Keys(tested)); !slices.Equal(names, actionsOf(t, kind)) {
			t.Errorf("%s: %v are tested, and there are scripts for %v", kind, names, actionsOf(t, kind))
		}
	}
}

// act carries an action out as Argo CD does.
func act(t *testing.T, kind, action string, on *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	script := readText(t, filepath.Join(directoryOf(kind), "actions", action, "action.lua"))
	returned, ok := run(t, script, on.Object).(map[string]any)
	if !ok {
		t.Fatal("the action returned no object")
	}
	return &unstructured.Unstructured{Object: merged(returned, on.DeepCopy().Object).(map[string]any)}
}

// Pausing and resuming are known to the operator by one annotation, which may be the only one there is.
func TestResumeTakesBackWhatPauseDid(t *testing.T) {
	for _, kind := range kindsWithActions(t) {
		ready := readObject(t, filepath.Join(directoryOf(kind), "testdata", "ready.yaml"))
		ready.SetAnnotations(nil)
		paused := act(t, kind, "pause", ready)
		if got := paused.GetAnnotations()["sendforsign.com/paused"]; got != "true" {
			t.Errorf("%s: after pause the annotation is %q", kind, got)
		}
		resumed := act(t, kind, "resume", paused)
		if got := resumed.GetAnnotations()["sendforsign.com/paused"]; got == "true" {
			t.Errorf("%s: it is still paused", kind)
		}
	}
}
