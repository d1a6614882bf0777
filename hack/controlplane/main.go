// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command controlplane makes sure that the binaries of a Kubernetes control plane are on this machine, and prints the
// directory that holds them: etcd, kube-apiserver, kube-controller-manager and kubectl.
//
//	KUBEBUILDER_ASSETS="$(go run ./hack/controlplane)" go test ./...
//
// It takes the first of these:
//
//  1. the directory that $KUBEBUILDER_ASSETS names. It must hold the components that are asked for. What setup-envtest
//     downloads has no kube-controller-manager, so it does for "-components etcd,kube-apiserver" only;
//  2. the copy that an earlier run has left in the user's cache directory, if its checksums are right;
//  3. a build from the Go modules that build/go.mod pins. It needs nothing but the Go toolchain and a module proxy,
//     takes some minutes, and fills the cache of 2.
//
// Standard output gets the directory and nothing else. Progress goes to standard error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// assetsVariable is where envtest looks for its binaries.
const assetsVariable = "KUBEBUILDER_ASSETS"

// moduleDir is the module that pins what is built, relative to the root of the repository.
const moduleDir = "hack/controlplane/build"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintf(os.Stderr, "controlplane: %v\n", err)
		os.Exit(1)
	}
}

// run prints the directory that holds the components on stdout.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	all := componentNames()
	flags := flag.NewFlagSet("controlplane", flag.ContinueOnError)
	flags.SetOutput(stderr)
	list := flags.String("components", strings.Join(all, ","),
		"comma-separated list of what $"+assetsVariable+" must hold, if that is set; a build always makes all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	wanted := strings.Split(*list, ",")
	for _, name := range wanted {
		if !slices.Contains(all, name) {
			return fmt.Errorf("unknown component %q: use some of %s", name, strings.Join(all, ","))
		}
	}

	dir, err := locate(ctx, wanted, stderr)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, dir)
	return err
}

// locate returns the directory that holds the wanted components, and builds it if there is none.
func locate(ctx context.Context, wanted []string, stderr io.Writer) (string, error) {
	if assets := os.Getenv(assetsVariable); assets != "" {
		return fromAssets(assets, wanted)
	}

	module, err := findModule()
	if err != nil {
		return "", err
	}
	userCache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the user's cache directory: %w", err)
	}
	source, err := readSource(module)
	if err != nil {
		return "", err
	}
	c := cache{
		root:       filepath.Join(userCache, "sfs-operator", "controlplane"),
		name:       source.cacheName(),
		components: componentNames(),
		build:      source.build,
		progress:   stderr,
	}
	return c.ensure(ctx)
}

// fromAssets returns the absolute path of dir, or an error that names what is missing in it. It never falls back to
// another directory: who sets the variable wants to know what runs.
func fromAssets(dir string, wanted []string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("resolving $%s: %w", assetsVariable, err)
	}
	var missing []string
	for _, name := range wanted {
		if err := checkExecutable(filepath.Join(dir, name)); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("$%s is %s, which has no executable %s: add it, or unset the variable to have all built from source",
			assetsVariable, dir, strings.Join(missing, ", "))
	}
	return dir, nil
}

// checkExecutable returns an error unless path is a regular file that may be executed.
func checkExecutable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable file", path)
	}
	return nil
}

// findModule looks for moduleDir in the working directory and above it, so that the command works from everywhere in the
// repository.
func findModule() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the working directory: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		module := filepath.Join(dir, filepath.FromSlash(moduleDir))
		if _, err := os.Stat(filepath.Join(module, "go.mod")); err == nil {
			return module, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no %s/go.mod in %s or above it: run this inside the repository", moduleDir, start)
		}
	}
}
