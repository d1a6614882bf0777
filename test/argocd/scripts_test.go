// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// scripts is where the health scripts and actions are, with their test data.
var scripts = filepath.Join(root, "config", "argocd")

// settle runs the part of the argocd command that tries what stands in argocd-cm on a resource in a file.
func settle(t *testing.T, args ...string) string {
	t.Helper()
	args = append([]string{"admin", "settings", "resource-overrides"}, args...)
	command := exec.CommandContext(t.Context(), argo, append(args, "--argocd-cm-path="+filepath.Join(scripts, "argocd-cm.yaml"))...)
	dir := t.TempDir()
	// In the place of diff: what the action has made of the resource.
	command.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir, `KUBECTL_EXTERNAL_DIFF=sh -c 'cat "$1"'`)
	var log strings.Builder
	command.Stderr = &log
	said, err := command.Output()
	if err != nil {
		t.Fatalf("argocd %s: %v\n%s%s", strings.Join(args, " "), err, said, &log)
	}
	return string(said)
}

// kinds returns the directories of the kinds that have a file.
func kinds(t *testing.T, file string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(scripts, "*", "*", file))
	if err != nil || len(found) == 0 {
		t.Fatalf("there is no %s: %v", file, err)
	}
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
}

func TestTheVirtualMachineOfArgoCDSeesEachStateAsIntended(t *testing.T) {
	t.Parallel()
	n := 0
	for _, dir := range kinds(t, "health_test.yaml") {
		var file struct {
			Tests []struct {
				InputPath    string `json:"inputPath"`
				HealthStatus struct {
					Status  string `json:"status"`
					Message string `json:"message"`
				} `json:"healthStatus"`
			} `json:"tests"`
		}
		readYAML(t, filepath.Join(dir, "health_test.yaml"), &file)
		for _, test := range file.Tests {
			var o unstructured.Unstructured
			readYAML(t, filepath.Join(dir, test.InputPath), &o.Object)
			if o.GetDeletionTimestamp() != nil {
				test.HealthStatus.Message = "Pending deletion" // Argo CD judges this without a script, which others ask
			}
			want := fmt.Sprintf("STATUS: %s\nMESSAGE: %s\n", test.HealthStatus.Status, test.HealthStatus.Message)
			if got := settle(t, "health", filepath.Join(dir, test.InputPath)); got != want {
				t.Errorf("%s %s: got %q, want %q", filepath.Base(dir), test.InputPath, got, want)
			}
			n++
		}
	}
	t.Logf("%d states", n)
}

func TestTheVirtualMachineOfArgoCDOffersAndCarriesOutTheActions(t *testing.T) {
	t.Parallel()
	offered, carriedOut := 0, 0
	for _, dir := range kinds(t, filepath.Join("actions", "action_test.yaml")) {
		var file struct {
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
		readYAML(t, filepath.Join(dir, "action_test.yaml"), &file)
		for _, test := range file.DiscoveryTests {
			want := map[string]string{}
			for _, action := range test.Result {
				want[action.Name] = fmt.Sprint(action.Disabled)
			}
			got := map[string]string{}
			table := strings.Split(strings.TrimSpace(settle(t, "list-actions", filepath.Join(dir, test.InputPath))), "\n")
			for _, row := range table[1:] {
				name, disabled, _ := strings.Cut(row, " ")
				got[name] = strings.TrimSpace(disabled)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %v, want %v", test.InputPath, got, want)
			}
			offered++
		}
		for _, test := range file.ActionTests {
			_, text, _ := strings.Cut(settle(t, "run-action", filepath.Join(dir, test.InputPath), test.Action), "\n\n")
			var got, want map[string]any
			if err := yaml.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
			readYAML(t, filepath.Join(dir, test.ExpectedOutputPath), &want)
			if !reflect.DeepEqual(atTheSameTime(t, got), atTheSameTime(t, want)) {
				t.Errorf("%s of %s: got\n%v\nwant\n%v", test.Action, test.InputPath, got, want)
			}
			carriedOut++
		}
	}
	t.Logf("%d lists of actions, %d actions", offered, carriedOut)
}

// atTheSameTime makes one time of that at which a renewal was asked for.
func atTheSameTime(t *testing.T, object map[string]any) map[string]any {
	t.Helper()
	const request = "sendforsign.com/renew-requested-at"
	metadata, _ := object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	if at, ok := annotations[request]; ok {
		if _, err := time.Parse(time.RFC3339, fmt.Sprint(at)); err != nil {
			t.Error(err)
		}
		annotations[request] = "now"
	}
	return object
}
