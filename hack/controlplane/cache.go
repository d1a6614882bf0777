// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// manifestName is the file of checksums in a finished directory, in the format of sha256sum(1). It is written last, so
// a directory without it is not finished.
const manifestName = "SHA256SUMS"

// builder puts all components into dir, which exists and is empty.
type builder func(ctx context.Context, dir string, progress io.Writer) error

// cache is one directory of binaries in the user's cache, and the way to fill it.
type cache struct {
	root       string   // holds all versions, their locks and unfinished builds
	name       string   // of the directory below root; another source has another name
	components []string // the files that the directory must hold
	build      builder
	progress   io.Writer
}

func (c cache) dir() string { return filepath.Join(c.root, c.name) }

// ensure returns the directory of the components. It builds them unless a sound copy exists, and while another process
// builds the same ones it waits for that instead.
func (c cache) ensure(ctx context.Context) (string, error) {
	if c.verify() == nil {
		return c.dir(), nil
	}
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		return "", fmt.Errorf("making the cache directory: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(c.root, c.name+".lock"), func() {
		c.say("waiting for another run, which builds the control plane")
	})
	if err != nil {
		return "", fmt.Errorf("locking the cache: %w", err)
	}
	defer unlock()

	// The other run may have finished meanwhile.
	switch err := c.verify(); {
	case err == nil:
		return c.dir(), nil
	case errors.Is(err, errAbsent):
	default:
		c.say("the copy in %s is broken, building it again: %v", c.dir(), err)
	}
	if err := c.fill(ctx); err != nil {
		return "", err
	}
	return c.dir(), nil
}

// fill builds into a temporary directory beside the target and moves that into place whole, so that whoever looks
// sees all of it or nothing. The lock MUST be held.
func (c cache) fill(ctx context.Context) (err error) {
	if err := c.sweep(); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(c.root, c.name+".tmp-")
	if err != nil {
		return fmt.Errorf("making a build directory: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()

	if err := c.build(ctx, tmp, c.progress); err != nil {
		return err
	}
	if err := c.writeManifest(tmp); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return fmt.Errorf("opening the build directory to others: %w", err)
	}
	if err := os.RemoveAll(c.dir()); err != nil {
		return fmt.Errorf("removing the broken copy: %w", err)
	}
	if err := os.Rename(tmp, c.dir()); err != nil {
		return fmt.Errorf("moving the build into place: %w", err)
	}
	return nil
}

// sweep removes what killed runs have left behind. The lock MUST be held: it proves that nobody works there.
func (c cache) sweep() error {
	left, err := filepath.Glob(filepath.Join(c.root, c.name+".tmp-*"))
	if err != nil {
		return fmt.Errorf("looking for unfinished builds: %w", err)
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing an unfinished build: %w", err)
		}
	}
	return nil
}

// errAbsent says that there is no copy at all, which is no reason to alarm anybody.
var errAbsent = errors.New("no copy in the cache")

// verify returns nil if the directory holds every component, each executable and with the checksum of the manifest.
func (c cache) verify() error {
	if _, err := os.Stat(c.dir()); errors.Is(err, fs.ErrNotExist) {
		return errAbsent
	}
	sums, err := readManifest(filepath.Join(c.dir(), manifestName))
	if err != nil {
		return err
	}
	for _, name := range c.components {
		want, ok := sums[name]
		if !ok {
			return fmt.Errorf("%s does not list %s", manifestName, name)
		}
		path := filepath.Join(c.dir(), name)
		if err := checkExecutable(path); err != nil {
			return err
		}
		got, err := fileSum(path)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s does not have the checksum in %s", name, manifestName)
		}
	}
	return nil
}

// writeManifest writes the checksums of all components in dir. It fails if one is missing, so a builder that forgets
// one does not get into the cache.
func (c cache) writeManifest(dir string) error {
	var lines strings.Builder
	for _, name := range slices.Sorted(slices.Values(c.components)) {
		path := filepath.Join(dir, name)
		if err := checkExecutable(path); err != nil {
			return fmt.Errorf("checking the build of %s: %w", name, err)
		}
		sum, err := fileSum(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s  %s\n", sum, name)
	}
	if err := os.WriteFile(filepath.Join(dir, manifestName), []byte(lines.String()), 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", manifestName, err)
	}
	return nil
}

// say prints one line of progress. Progress that cannot be shown is no reason to stop.
func (c cache) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.progress, "controlplane: "+format+"\n", args...)
}

// readManifest returns the checksums by file name.
func readManifest(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	defer f.Close()
	sums := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			return nil, fmt.Errorf("reading the manifest: malformed line %q", lines.Text())
		}
		sums[name] = sum
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	return sums, nil
}

// fileSum returns the SHA-256 checksum of a file in hexadecimal.
func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("computing a checksum: %w", err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", fmt.Errorf("computing a checksum: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
