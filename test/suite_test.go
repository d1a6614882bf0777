// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package test holds campaigns against the operator as it ships: the binary, as processes of their own with leader election
// and the rights of the service account, a real control plane, and a simulator of Sendforsign. What is broken on purpose is
// what breaks in a cluster: processes die and stand still, the control plane is away, etcd is lost.
package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// root of the repository.
const root = ".."

var (
	assets string
	binary string
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	// The operators log for themselves.
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	if assets = os.Getenv("KUBEBUILDER_ASSETS"); assets == "" {
		fmt.Fprintln(os.Stderr, "KUBEBUILDER_ASSETS is not set: run the tests by `make test`")
		return 1
	}
	dir, err := os.MkdirTemp("", "sfs-campaigns-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a directory:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "sfs-operator")
	build := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-o", binary, ".")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make build` does, so that its cache serves
	if said, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the operator: %v\n%s", err, said)
		return 1
	}
	return m.Run()
}
