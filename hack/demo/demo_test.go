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
	runtime.LockOSThread() // see init
	buildOperator(t)
	t.Setenv("DEMO_FOR", "25s")
	shown := showInto(t)
	failure := run(t.Context(), newOutput(shown))
	text, err := os.ReadFile(shown.Name())
	if err != nil {
		t.Fatal(err)
	}
	if failure != nil {
		t.Fatalf("%v\n%s", failure, text)
	}
	for _, want := range []string{"10 of 10 resources are Ready", "3 SfsClients, 3 clients at Sendforsign", "2 OAuthTokens, of Signicat and Secured Signing", "the operator ran without a restart"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the demo does not say %q:\n%s", want, text)
		}
	}
}

// TestTheDemoStagesAFault has the demo end as soon as the fault shows. That all of them show is tested in test/.
func TestTheDemoStagesAFault(t *testing.T) {
	runtime.LockOSThread() // see init
	buildOperator(t)
	t.Setenv("DEMO_FOR", "1s")
	t.Setenv("FAULT", "missing-platform")
	shown := showInto(t)
	failure := run(t.Context(), newOutput(shown))
	text, err := os.ReadFile(shown.Name())
	if err != nil {
		t.Fatal(err)
	}
	if failure != nil {
		t.Fatalf("%v\n%s", failure, text)
	}
	for _, want := range []string{"FAULT=missing-platform. This has happened:", "It shows now", "SfsClient team-a/hooli: Ready False (PlatformNotFound)"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the demo does not say %q:\n%s", want, text)
		}
	}
}

// buildOperator also changes into the root of the repository, where the demo has to run.
func buildOperator(t *testing.T) {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("KUBEBUILDER_ASSETS is not set: run the tests by `make test`")
	}
	t.Chdir("../..")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", operatorBinary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make build` does, so that its cache serves
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the operator: %v\n%s", err, said)
	}
}

// showInto returns a file for what a person would see.
func showInto(t *testing.T) *os.File {
	t.Helper()
	shown, err := os.Create(filepath.Join(t.TempDir(), "shown"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shown.Close() })
	return shown
}
