// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// assetsDir returns a directory that holds the named files.
func assetsDir(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("binary"), 0o755))
	}
	return dir
}

func TestKubebuilderAssetsWin(t *testing.T) {
	cases := map[string]struct {
		holds []string
		args  []string
		// missing is what the error names; empty means that the directory is good enough.
		missing string
	}{
		"all that is built": {
			holds: componentNames(),
		},
		"what setup-envtest downloads, where all is wanted": {
			holds:   []string{"etcd", "kube-apiserver", "kubectl"},
			missing: "no executable kube-controller-manager:",
		},
		"what setup-envtest downloads, where that is enough": {
			holds: []string{"etcd", "kube-apiserver", "kubectl"},
			args:  []string{"-components", "etcd,kube-apiserver"},
		},
		"nothing": {
			args:    []string{"-components=etcd,kube-apiserver"},
			missing: "no executable etcd, kube-apiserver:",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := assetsDir(t, tc.holds...)
			t.Setenv(assetsVariable, dir)
			// A cache that cannot be made shows that nobody tries to.
			t.Setenv("XDG_CACHE_HOME", os.DevNull)

			var stdout, stderr bytes.Buffer
			err := run(t.Context(), tc.args, &stdout, &stderr)
			if tc.missing != "" {
				if err == nil || !strings.Contains(err.Error(), tc.missing) || stdout.Len() > 0 {
					t.Fatalf("got error %v and output %q, want an error that contains %q", err, &stdout, tc.missing)
				}
				return
			}
			must(t, err)
			if got, want := stdout.String(), dir+"\n"; got != want {
				t.Errorf("printed %q, want %q", got, want)
			}
			if stderr.Len() > 0 {
				t.Errorf("unexpected progress: %q", &stderr)
			}
		})
	}
}

func TestAnAssetThatIsNotExecutableIsMissing(t *testing.T) {
	dir := assetsDir(t, componentNames()...)
	must(t, os.Chmod(filepath.Join(dir, "etcd"), 0o644))
	if _, err := fromAssets(dir, componentNames()); err == nil {
		t.Error("got no error")
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	for _, args := range [][]string{{"-components", "etcd,kubelet"}, {"-components", ""}, {"etcd"}, {"-nonsense"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
}

func TestTheModuleIsFoundFromBelow(t *testing.T) {
	module, err := findModule()
	must(t, err)
	t.Chdir(module)
	again, err := findModule()
	must(t, err)
	if module != again {
		t.Errorf("found %s from itself, and %s from the package", again, module)
	}

	t.Chdir(t.TempDir())
	if dir, err := findModule(); err == nil {
		t.Errorf("found %s outside the repository", dir)
	}
}

func TestTheModulePinsAllThatIsBuilt(t *testing.T) {
	module, err := findModule()
	must(t, err)
	mod, err := os.ReadFile(filepath.Join(module, "go.mod"))
	must(t, err)
	for _, c := range components {
		if !strings.Contains(string(mod), "\t"+c.pkg+"\n") {
			t.Errorf("build/go.mod has no tool line for %s", c.pkg)
		}
	}
	s, err := readSource(module)
	must(t, err)
	if !strings.HasPrefix(s.cacheName(), s.kubernetes+"-") {
		t.Errorf("the cache is named %s, want it to begin with the version %s", s.cacheName(), s.kubernetes)
	}
	if want := "-X k8s.io/component-base/version.gitVersion=" + s.kubernetes + " "; !strings.Contains(s.ldflags, want) {
		t.Errorf("ldflags are %q, want them to contain %q", s.ldflags, want)
	}
}

// readTestSource reads a module made of the given go.mod and go.sum.
func readTestSource(t *testing.T, mod, sum string) (source, error) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "go.sum"), []byte(sum), 0o644))
	return readSource(dir)
}

func TestAnotherPinIsAnotherCache(t *testing.T) {
	const mod = "module x\n\nrequire (\n\tk8s.io/kubernetes v1.36.3\n)\n"
	base, err := readTestSource(t, mod, "sum")
	must(t, err)
	if base.kubernetes != "v1.36.3" {
		t.Errorf("read version %q", base.kubernetes)
	}
	same, err := readTestSource(t, mod, "sum")
	must(t, err)
	if same.cacheName() != base.cacheName() {
		t.Errorf("the same pins yield %s and %s", base.cacheName(), same.cacheName())
	}
	otherSum, err := readTestSource(t, mod, "another sum")
	must(t, err)
	otherMod, err := readTestSource(t, mod+"// etcd v3.6.9\n", "sum")
	must(t, err)
	for _, other := range []source{otherSum, otherMod} {
		if other.cacheName() == base.cacheName() {
			t.Errorf("other pins yield the same cache %s", base.cacheName())
		}
	}
}

func TestAModuleWithoutKubernetesIsRefused(t *testing.T) {
	if _, err := readTestSource(t, "module x\n", ""); err == nil {
		t.Error("got no error")
	}
}

func TestTheCallersSettingsDoNotReachTheBuild(t *testing.T) {
	env := buildEnv([]string{"HOME=/root", "GOFLAGS=-mod=vendor", "GOOS=plan9", "GOWORK=/tmp/go.work", "CGO_ENABLED=1"})
	if !slices.Contains(env, "HOME=/root") {
		t.Error("HOME is lost")
	}
	last := map[string]string{}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		last[name] = value
	}
	for name, want := range map[string]string{"GOFLAGS": "-mod=readonly", "GOWORK": "off", "CGO_ENABLED": "0"} {
		if last[name] != want {
			t.Errorf("%s is %q, want %q", name, last[name], want)
		}
	}
	if last["GOOS"] == "plan9" {
		t.Error("GOOS of the caller is used")
	}
}
