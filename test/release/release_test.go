// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository returns a directory with one commit, of the Makefile and of what it ignores.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"Makefile", ".gitignore"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), string(text))
	}
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"add", "."},
		{"-c", "user.name=x", "-c", "user.email=x@shop.example", "-c", "commit.gpgsign=false", "commit", "--quiet", "--message=x"},
	} {
		git := exec.CommandContext(t.Context(), "git", args...)
		git.Dir = dir
		if said, err := git.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, said)
		}
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyWhatIsCommittedIsReleased(t *testing.T) {
	cases := map[string]struct {
		version string
		file    string // which is there as well
		says    string // empty: it may be released
	}{
		"what is committed":              {version: "v1.2.3"},
		"a candidate":                    {version: "v1.2.3-rc.1"},
		"with what was built before":     {version: "v1.2.3", file: "dist/install.yaml"},
		"a version without a v":          {version: "1.2.3", says: "is not a version"},
		"a version of two numbers":       {version: "v1.2", says: "is not a version"},
		"a number that begins with zero": {version: "v1.02.3", says: "is not a version"},
		"a version that no image may have": {
			version: "v1.2.3+build", says: "is not a version",
		},
		"a commit":           {version: "16ed7bb", says: "is not a version"},
		"a file that is new": {version: "v1.2.3", file: "new.yaml", says: "?? new.yaml"},
		"a file that git ignores, and Helm does not": {
			version: "v1.2.3", file: "charts/sfs-operator/templates/old.yaml.out", says: "!! charts/",
		},
		"a file that was edited": {version: "v1.2.3", file: ".gitignore", says: " M .gitignore"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := repository(t)
			if c.file != "" {
				write(t, filepath.Join(dir, c.file), "/bin/\n/dist/\n*.out\n")
			}
			target := "release"
			if c.says == "" {
				target = "release-check" // by which release begins: there is nothing to be built here
			}
			run := exec.CommandContext(t.Context(), "make", target, "VERSION="+c.version)
			run.Dir = dir
			said, err := run.CombinedOutput()
			if (err == nil) != (c.says == "") || !strings.Contains(string(said), c.says) {
				t.Errorf("%v, %s\nwant it to say %q", err, said, c.says)
			}
			if _, err := os.Stat(filepath.Join(dir, "bin")); err == nil {
				t.Error("something was built first")
			}
		})
	}
}
