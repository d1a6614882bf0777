// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// component is one binary and the main package that it is built from.
type component struct {
	name string
	pkg  string
}

// components lists what is built. The packages are the tool lines of build/go.mod.
var components = []component{
	{name: "etcd", pkg: "go.etcd.io/etcd/server/v3"},
	{name: "kube-apiserver", pkg: "k8s.io/kubernetes/cmd/kube-apiserver"},
	{name: "kube-controller-manager", pkg: "k8s.io/kubernetes/cmd/kube-controller-manager"},
	{name: "kubectl", pkg: "k8s.io/kubernetes/cmd/kubectl"},
}

// progressInterval is how often a running build says that it is alive.
const progressInterval = 10 * time.Second

// kubernetesRequirement matches the line of a go.mod that pins Kubernetes; its groups are version, major and minor.
var kubernetesRequirement = regexp.MustCompile(`(?m)^\s*k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+\S*)`)

// source is the pinned module that the components are built from.
type source struct {
	dir        string // of its go.mod
	kubernetes string // version, such as v1.36.3
	ldflags    string
	digest     string // of everything that decides what the binaries are, apart from the Go toolchain
}

// readSource reads the module in dir.
func readSource(dir string) (source, error) {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return source{}, fmt.Errorf("reading the pinned versions: %w", err)
	}
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return source{}, fmt.Errorf("reading the pinned checksums: %w", err)
	}
	match := kubernetesRequirement.FindSubmatch(mod)
	if match == nil {
		return source{}, fmt.Errorf("%s/go.mod requires no k8s.io/kubernetes", dir)
	}
	s := source{
		dir:        dir,
		kubernetes: string(match[1]),
		ldflags:    ldflags(string(match[1]), string(match[2]), string(match[3])),
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%d %s%d %s%q%q", len(mod), mod, len(sum), sum, s.ldflags, components)
	s.digest = hex.EncodeToString(hash.Sum(nil))
	return s, nil
}

// ldflags strips the binaries and stamps the version of Kubernetes into them. Unstamped they call themselves
// v0.0.0-master, and clients that compare versions take them for ancient.
func ldflags(version, major, minor string) string {
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags,
			"-X", pkg+".gitVersion="+version,
			"-X", pkg+".gitMajor="+major,
			"-X", pkg+".gitMinor="+minor,
			"-X", pkg+".gitTreeState=clean")
	}
	return strings.Join(flags, " ")
}

// cacheName is the name of the directory for what this source yields on this platform.
func (s source) cacheName() string {
	return strings.Join([]string{s.kubernetes, s.digest[:12], runtime.GOOS, runtime.GOARCH}, "-")
}

// build is a builder: it compiles the components one after the other, which costs hardly more time than all at once
// and shows how far it is.
func (s source) build(ctx context.Context, dir string, progress io.Writer) error {
	start := time.Now()
	_, _ = fmt.Fprintf(progress, "controlplane: building Kubernetes %s and etcd from source; this takes some minutes, once\n", s.kubernetes)
	for i, c := range components {
		label := fmt.Sprintf("[%d/%d] %s", i+1, len(components), c.name)
		if err := s.buildOne(ctx, c, filepath.Join(dir, c.name), label, progress); err != nil {
			return fmt.Errorf("building %s: %w", c.name, err)
		}
	}
	_, _ = fmt.Fprintf(progress, "controlplane: built all in %s\n", seconds(start))
	return nil
}

// buildOne compiles one component and reports every progressInterval that it still does.
func (s source) buildOne(ctx context.Context, c component, target, label string, progress io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", s.ldflags, "-o", target, c.pkg)
	cmd.Dir = s.dir
	cmd.Env = buildEnv(os.Environ())
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	// One buffer, shown in a failure only: "go: downloading" lines would drown the progress.
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output

	start := time.Now()
	_, _ = fmt.Fprintf(progress, "controlplane: %s: building\n", label)
	done := make(chan error, 1)
	go func() { done <- cmd.Run() }()
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("go build: %w\n%s", err, strings.TrimSpace(output.String()))
			}
			_, _ = fmt.Fprintf(progress, "controlplane: %s: done in %s\n", label, seconds(start))
			return nil
		case <-ticker.C:
			_, _ = fmt.Fprintf(progress, "controlplane: %s: still building, %s\n", label, seconds(start))
		}
	}
}

// buildEnv returns env with everything replaced that could change what is built, or keep it from being built: the
// caller's GOFLAGS and workspace are meant for the operator's own module, and its GOOS for the operator's own binary.
func buildEnv(env []string) []string {
	set := []string{
		"CGO_ENABLED=0",
		"GO111MODULE=on",
		// Not empty: an empty variable falls back to what `go env -w` has stored.
		"GOFLAGS=-mod=readonly",
		"GOWORK=off",
		"GOOS=" + runtime.GOOS,
		"GOARCH=" + runtime.GOARCH,
	}
	// Of a variable that is given twice, os/exec takes the last value.
	return append(append([]string(nil), env...), set...)
}

func seconds(since time.Time) string {
	return time.Since(since).Round(time.Second).String()
}

func componentNames() []string {
	names := make([]string, len(components))
	for i, c := range components {
		names[i] = c.name
	}
	return names
}
