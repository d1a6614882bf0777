// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	peerDir    = "hack/bench/peer"
	peerModule = "github.com/external-secrets/external-secrets"
)

// buildPeer returns the program of External Secrets, and the directory of its CustomResourceDefinitions. It takes some minutes
// to build, so it is kept in the cache of the user, beside the control plane.
func buildPeer(ctx context.Context) (program, definitions string, err error) {
	pins := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		text, err := os.ReadFile(filepath.Join(peerDir, name))
		if err != nil {
			return "", "", err
		}
		fmt.Fprintf(pins, "%s %d %s", name, len(text), text)
	}
	// It is downloaded if it is not there: the definitions are part of it.
	if _, err := inPeer(ctx, "mod", "download", peerModule); err != nil {
		return "", "", err
	}
	said, err := inPeer(ctx, "list", "-m", "-f", "{{.Version}} {{.Dir}}", peerModule)
	if err != nil {
		return "", "", err
	}
	version, dir, _ := strings.Cut(strings.TrimSpace(said), " ")
	definitions = filepath.Join(dir, "config", "crds", "bases")

	cache, err := os.UserCacheDir()
	if err != nil {
		return "", "", fmt.Errorf("finding the user's cache directory: %w", err)
	}
	name := strings.Join([]string{"external-secrets", version, hex.EncodeToString(pins.Sum(nil))[:12], runtime.GOOS, runtime.GOARCH}, "-")
	program = filepath.Join(cache, "sfs-operator", "bench", name)
	if _, err := os.Stat(program); err == nil {
		return program, definitions, nil
	}
	if err := os.MkdirAll(filepath.Dir(program), 0o750); err != nil {
		return "", "", err
	}
	say("Building External Secrets %s, which takes some minutes, once", version)
	begun := time.Now()
	// Whoever is interrupted leaves nothing that looks whole.
	half := fmt.Sprintf("%s.%d", program, os.Getpid())
	defer func() { _ = os.Remove(half) }()
	if _, err := inPeer(ctx, "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", half, "."); err != nil {
		return "", "", err
	}
	say("Built it in %s", time.Since(begun).Round(time.Second))
	return program, definitions, os.Rename(half, program)
}

// inPeer runs go in the module.
func inPeer(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = peerDir
	// What the caller has set is for the operator.
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	said, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return "", fmt.Errorf("go %s in %s: %w: %s", args[0], peerDir, err, strings.TrimSpace(string(failed.Stderr)))
	}
	return string(said), err
}
