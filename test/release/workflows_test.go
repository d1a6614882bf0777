// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package release tests what checks changes and makes releases: the workflows, and `make release`.
package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// root of the repository.
const root = "../.."

type workflow struct {
	Permissions map[string]string `json:"permissions"`
	Concurrency struct {
		Group string `json:"group"`
	} `json:"concurrency"`
	Jobs map[string]job `json:"jobs"`
}

type job struct {
	Permissions    map[string]string `json:"permissions"`
	TimeoutMinutes int               `json:"timeout-minutes"`
	Strategy       struct {
		Matrix map[string][]string `json:"matrix"`
	} `json:"strategy"`
	Steps []struct {
		Uses string `json:"uses"`
		With struct {
			PersistCredentials *bool `json:"persist-credentials"`
		} `json:"with"`
		Run string            `json:"run"`
		Env map[string]string `json:"env"`
	} `json:"steps"`
}

// workflows returns each workflow, and its text, by its file.
func workflows(t *testing.T) (map[string]workflow, map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no workflows (%v)", err)
	}
	parsed, texts := map[string]workflow{}, map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var w workflow
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(w.Jobs) == 0 {
			t.Errorf("%s has no jobs", file)
		}
		parsed[filepath.Base(file)], texts[filepath.Base(file)] = w, string(text)
	}
	return parsed, texts
}

// writers are the only jobs that may do more than read what is in the repository.
var writers = map[string][]string{"release.yaml publish": {"attestations", "contents", "id-token"}}

func TestWorkflowsMayDoOnlyWhatTheyNeed(t *testing.T) {
	all, texts := workflows(t)
	for file, w := range all {
		if w.Permissions == nil || len(w.Permissions) > 0 {
			t.Errorf("%s: a job without permissions of its own has %v, want none", file, w.Permissions)
		}
		if w.Concurrency.Group == "" {
			t.Errorf("%s: runs of the same branch are not kept apart", file)
		}
		if strings.Contains(texts[file], "pull_request_target") {
			t.Errorf("%s: it would run what strangers send with the rights of the repository", file)
		}
		for name, j := range w.Jobs {
			if j.TimeoutMinutes == 0 {
				t.Errorf("%s, %s: it has no timeout", file, name)
			}
			if j.Permissions == nil {
				t.Errorf("%s, %s: it has no permissions of its own", file, name)
			}
			for what, level := range j.Permissions {
				if (what != "contents" || level != "read") && !slices.Contains(writers[file+" "+name], what) {
					t.Errorf("%s, %s: it has the permission %s: %s", file, name, what, level)
				}
			}
			for _, step := range j.Steps {
				if p := step.With.PersistCredentials; strings.HasPrefix(step.Uses, "actions/checkout@") && (p == nil || *p) {
					t.Errorf("%s, %s: the token stays in the checkout", file, name)
				}
				// What others name, such as a branch, would become a part of the script.
				if strings.Contains(step.Run, "${{") {
					t.Errorf("%s, %s: an expression stands in a script; give it in env:\n%s", file, name, step.Run)
				}
			}
		}
	}
}

var (
	uses   = regexp.MustCompile(`(?m)^.*\buses:.*$`)
	pinned = regexp.MustCompile(`^ +(- )?uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$`)
)

func TestActionsAreNamedByCommit(t *testing.T) {
	_, texts := workflows(t)
	commits := map[string]string{}
	for file, text := range texts {
		for _, line := range uses.FindAllString(text, -1) {
			parts := pinned.FindStringSubmatch(line)
			if parts == nil {
				t.Errorf("%s: this is no commit with its tag: %s", file, line)
				continue
			}
			action, commit := parts[2]+" "+parts[4], parts[3]
			if before, known := commits[action]; known && before != commit {
				t.Errorf("%s is said to be %s and %s", action, before, commit)
			}
			commits[action] = commit
		}
	}
	if len(commits) == 0 {
		t.Error("there are no actions")
	}
}

var target = regexp.MustCompile(`(?m)(?:\bmake|\.ci/run) +"?([\w$-]+)"?`)

func TestTargetsThatWorkflowsNameAreThere(t *testing.T) {
	all, _ := workflows(t)
	seen := map[string]bool{}
	for file, w := range all {
		for name, j := range w.Jobs {
			for _, step := range j.Steps {
				for _, found := range target.FindAllStringSubmatch(step.Run, -1) {
					targets := []string{found[1]}
					if variable, ok := strings.CutPrefix(found[1], "$"); ok {
						targets = j.Strategy.Matrix[strings.ToLower(variable)]
						if want := "${{ matrix." + strings.ToLower(variable) + " }}"; step.Env[variable] != want || len(targets) == 0 {
							t.Errorf("%s, %s: %s is %q, want %s of a matrix", file, name, variable, step.Env[variable], want)
						}
					}
					for _, target := range targets {
						seen[target] = true
					}
				}
			}
		}
	}
	for target := range seen {
		question := exec.CommandContext(t.Context(), "make", "--question", target) // which runs nothing
		question.Dir, question.Env = root, append(os.Environ(), "LC_ALL=C")
		said, err := question.CombinedOutput()
		if err != nil && strings.Contains(string(said), "No rule") {
			t.Errorf("%s: %s", target, said)
		}
	}
	for _, want := range []string{"test", "verify", "image", "release", "campaign-fuzz"} {
		if !seen[want] {
			t.Errorf("no workflow makes %s", want)
		}
	}
}
