// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secretvolume_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sendforsign/sfs-operator/internal/secretvolume"
)

func TestADirectoryIsLaidOutAsByAKubelet(t *testing.T) {
	dir := t.TempDir()
	var before string
	for _, files := range []map[string]string{
		{"token": "one", "expiresAt": "1"},
		{"token": "two", "expiresAt": "2"},
		{"token": "three", "baseURL": "3"},
	} {
		if err := secretvolume.Write(dir, files); err != nil {
			t.Fatal(err)
		}
		version, err := os.Readlink(filepath.Join(dir, "..data"))
		if err != nil {
			t.Fatal(err)
		}
		if version == before || !strings.HasPrefix(version, "..20") {
			t.Errorf("..data points to %s after %s, want another directory of values", version, before)
		}
		before = version
		for name, value := range files {
			if target, err := os.Readlink(filepath.Join(dir, name)); err != nil || target != "..data/"+name {
				t.Errorf("%s is a link to %q, %v, want ..data/%s", name, target, err, name)
			}
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != value {
				t.Errorf("%s holds %q, %v, want %q", name, got, err, value)
			}
		}
		want := append(slices.Collect(maps.Keys(files)), "..data", version)
		if got := names(t, dir); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("there are %v, want %v", got, want)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}
