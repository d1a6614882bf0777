// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository is a Git repository, with the directory production for Argo CD.
type repository struct {
	t   *testing.T
	dir string
}

const production = "production"

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{t: t, dir: t.TempDir()}
	r.git("init", "--quiet", "--initial-branch=main")
	return r
}

func (r *repository) url() string { return "file://" + r.dir }

// commit writes files, removes those that have no content, and returns the revision.
func (r *repository) commit(files map[string]string) string {
	r.t.Helper()
	for name, content := range files {
		path := filepath.Join(r.dir, production, name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if content == "" {
			err = os.Remove(path)
		} else if err == nil {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	r.git("add", "--all")
	r.git("-c", "user.name=team", "-c", "user.email=team@shop.example", "commit", "--quiet", "--message=tenants")
	return r.git("rev-parse", "HEAD")
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	command := exec.CommandContext(r.t.Context(), "git", append([]string{"-C", r.dir}, args...)...)
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull) // not as the one who runs the test likes it
	said, err := command.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", args, err, said)
	}
	return strings.TrimSpace(string(said))
}
