// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package argocd has Argo CD itself look after the resources of the operator: its application-controller, repo-server and
// API server, and the operator, are processes of their own on a real control plane, and Git is a directory. Only Sendforsign
// is simulated. `make test-argocd` runs it.
package argocd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// root of the repository.
const root = "../.."

// What the environment says, and what was built.
var (
	assets    string        // the directory of the control plane
	argo      string        // the binary of Argo CD
	kustomize string        // the directory of kustomize
	manifests string        // the directory of the manifests that Argo CD ships
	version   string        // of Argo CD
	operator  string        // the binary of the operator
	rotateFor time.Duration // how long tokens rotate under the eyes of Argo CD
)

func TestMain(m *testing.M) {
	status, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func run(m *testing.M) (status int, err error) {
	// The operator logs for itself.
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	if err := readEnvironment(); err != nil {
		return 0, err
	}
	ctx := context.Background()
	found, err := exec.CommandContext(ctx, "go", "-C", filepath.Join(root, "hack", "tools", "argocd"), "list", "-m",
		"-f", "{{.Version}} {{.Dir}}", "github.com/argoproj/argo-cd/v3").Output()
	if err != nil {
		return 0, fmt.Errorf("finding the manifests of Argo CD: %w", err)
	}
	version, manifests, _ = strings.Cut(strings.TrimSpace(string(found)), " ")
	manifests = filepath.Join(manifests, "manifests")

	dir, err := os.MkdirTemp("", "sfs-argocd-")
	if err != nil {
		return 0, fmt.Errorf("making a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	operator = filepath.Join(dir, "sfs-operator")
	build := exec.CommandContext(ctx, "go", "-C", root, "build", "-trimpath", "-o", operator, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make build` does, so that its cache serves
	if said, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building the operator: %w\n%s", err, said)
	}
	fmt.Printf("Argo CD %s, tokens rotate for %s\n", version, rotateFor)
	status = m.Run()
	return status, closeShared(status != 0)
}

func readEnvironment() error {
	for variable, value := range map[string]*string{"KUBEBUILDER_ASSETS": &assets, "ARGOCD": &argo, "KUSTOMIZE": &kustomize} {
		if *value = os.Getenv(variable); *value == "" {
			return fmt.Errorf("%s is not set: run the tests by `make test-argocd`", variable)
		}
	}
	var err error
	if rotateFor, err = time.ParseDuration(os.Getenv("ROTATE_FOR")); err != nil || rotateFor <= 0 {
		return fmt.Errorf("ROTATE_FOR=%s is not a duration such as 10m", os.Getenv("ROTATE_FOR"))
	}
	return nil
}
