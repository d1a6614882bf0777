// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command release looks after what `make release` hands out:
//
//	go run ./hack/release finish dist 1700000000
//	go run ./hack/release check dist
//	go run ./hack/release reproduce
//
// finish gives the packages of the chart in dist that time, in seconds, does what check does, and writes SHA256SUMS.
//
// check fails unless each binary in dist has an SBOM beside it that names all that it is made of, and those for linux need
// nothing of the system that they run on.
//
// reproduce builds the operator for each platform twice: here, and elsewhere as the Dockerfile does, from the files that
// .dockerignore lets into an image and with an empty cache. It fails if they differ.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "finish":
		seconds, err := strconv.ParseInt(args[2], 10, 64)
		if err != nil {
			return fmt.Errorf("reading the time: %w", err)
		}
		return finish(args[1], time.Unix(seconds, 0))
	case len(args) == 2 && args[0] == "check":
		return check(args[1])
	case len(args) == 1 && args[0] == "reproduce":
		return reproduce(ctx, ".")
	default:
		return errors.New("usage: release finish <directory> <seconds> | check <directory> | reproduce")
	}
}

func finish(dir string, at time.Time) error {
	packages, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil {
		return fmt.Errorf("looking for packages of the chart: %w", err)
	}
	for _, path := range packages {
		if err := retime(path, at); err != nil {
			return fmt.Errorf("giving %s another time: %w", path, err)
		}
	}
	if err := check(dir); err != nil {
		return err
	}
	return writeSums(dir)
}
