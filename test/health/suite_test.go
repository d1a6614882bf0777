// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package health tests what tools for GitOps make of the resources: the health scripts and actions for Argo CD, and
// kstatus. They are run over the states into which the controllers bring the resources, which the tests of controllers write.
// It is a module of its own, so that the operator needs neither Lua nor kstatus.
package health

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var writeGolden = flag.Bool("update", false, "write the golden files")

const (
	argoDirectory = "../../config/argocd"
	group         = "sendforsign.com"
	statesFile    = "testdata/states.json"
)

var kinds = []string{"SfsPlatform", "SfsClient", "SfsClientUser", "OAuthToken"}

// state is one that the controllers bring a resource into, and what is to be made of it.
type state struct {
	Kind    string `json:"kind"`
	State   string `json:"state"`
	Kstatus string `json:"kstatus"`
	Health  string `json:"health"`
}

func readStates(t *testing.T) []state {
	t.Helper()
	text, err := os.ReadFile(statesFile)
	if err != nil {
		t.Fatal(err)
	}
	var states []state
	if err := json.Unmarshal(text, &states); err != nil {
		t.Fatal(err)
	}
	return states
}

func directoryOf(kind string) string { return filepath.Join(argoDirectory, group, kind) }

// readObject reads an object as clients of the API server do, with whole numbers.
func readObject(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(readText(t, file)))
	o := &unstructured.Unstructured{}
	if err == nil {
		err = o.UnmarshalJSON(text)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return o
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// golden compares a text with what a file holds, or writes it there.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	if !*writeGolden {
		t.Errorf("%s differs; if that is meant, run make states. Now it is\n%s", file, got)
		return
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, got, 0o644); err != nil {
		t.Fatal(err)
	}
}

func toYAML(t *testing.T, what any) []byte {
	t.Helper()
	text, err := yaml.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
