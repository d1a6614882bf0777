// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestDemo runs the operator that ships, as its own process and with the rights that ship, from manifests to tokens that
// applications use, until some of them have been renewed.
func TestDemo(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("KUBEBUILDER_ASSETS is not set: run the tests by `make test`")
	}
	runtime.LockOSThread() // see init
	t.Chdir("../..")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", operatorBinary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make build` does, so that its cache serves
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the operator: %v\n%s", err, said)
	}
	t.Setenv("DEMO_FOR", "25s")
	shown, err := os.Create(filepath.Join(t.TempDir(), "shown"))
	if err != nil {
		t.Fatal(err)
	}
	defer shown.Close()
	failure := run(t.Context(), newOutput(shown))
	text, err := os.ReadFile(shown.Name())
	if err != nil {
		t.Fatal(err)
	}
	if failure != nil {
		t.Fatalf("%v\n%s", failure, text)
	}
	for _, want := range []string{"8 of 8 resources are Ready", "3 SfsClients, 3 clients at Sendforsign", "the operator ran without a restart"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the demo does not say %q:\n%s", want, text)
		}
	}
}
