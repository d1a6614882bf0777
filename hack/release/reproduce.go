// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var architectures = []string{"amd64", "arm64"}

// reproduce compares two builds of the repository at root.
func reproduce(ctx context.Context, root string) (err error) {
	dir, err := os.MkdirTemp("", "sfs-reproduce-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	elsewhere := filepath.Join(dir, "another", "place")
	if err := copyContext(ctx, root, elsewhere); err != nil {
		return err
	}
	command, err := buildCommand(root)
	if err != nil {
		return err
	}
	for _, arch := range architectures {
		first, second := filepath.Join(dir, "first-"+arch), filepath.Join(dir, "second-"+arch)
		environment := append(os.Environ(), "TARGETOS=linux", "TARGETARCH="+arch, "VERSION=v0.0.0-reproduce")
		if err := build(ctx, root, command, first, environment); err != nil {
			return err
		}
		environment = append(environment, "GOCACHE="+filepath.Join(dir, "cache"), "TZ=Asia/Tokyo", "LC_ALL=C", "USER=somebody",
			"GOAMD64=v3", "GOFLAGS=-tags=others")
		if err := build(ctx, elsewhere, command, second, environment); err != nil {
			return err
		}
		if err := compare(first, second); err != nil {
			return fmt.Errorf("linux/%s: %w", arch, err)
		}
	}
	return nil
}

// buildOf is the line of the Dockerfile that builds.
var buildOf = regexp.MustCompile(`(?m)^RUN (.*hack/build /out/sfs-operator)$`)

func buildCommand(root string) (string, error) {
	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		return "", fmt.Errorf("reading the Dockerfile: %w", err)
	}
	found := buildOf.FindAllSubmatch(dockerfile, -1)
	if len(found) != 1 {
		return "", fmt.Errorf("the Dockerfile runs hack/build %d times, want once", len(found))
	}
	return strings.Replace(string(found[0][1]), "/out/sfs-operator", `"$OUTPUT"`, 1), nil
}

func build(ctx context.Context, dir, command, output string, environment []string) error {
	shell := exec.CommandContext(ctx, "sh", "-c", command)
	shell.Dir = dir
	shell.Env = append(slices.Clone(environment), "OUTPUT="+output)
	shell.Stdout, shell.Stderr = os.Stderr, os.Stderr
	if err := shell.Run(); err != nil {
		return fmt.Errorf("building in %s: %w", dir, err)
	}
	return nil
}

func compare(first, second string) error {
	if err := checkStatic(first); err != nil {
		return err
	}
	one, err := os.ReadFile(first)
	if err != nil {
		return fmt.Errorf("reading a build: %w", err)
	}
	other, err := os.ReadFile(second)
	if err != nil {
		return fmt.Errorf("reading a build: %w", err)
	}
	if !bytes.Equal(one, other) {
		return errors.New("the builds differ")
	}
	sum, err := fileSum(first)
	if err != nil {
		return err
	}
	fmt.Printf("%s: both have the SHA-256 %s\n", filepath.Base(first), sum)
	return nil
}

// copyContext copies the files that a builder of images is sent: what is in root, is not ignored by
// git, and is not left out by .dockerignore.
func copyContext(ctx context.Context, root, to string) error {
	listing := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	listing.Dir = root
	listed, err := listing.Output()
	if err != nil {
		return fmt.Errorf("listing the files of the repository: %w", err)
	}
	rules, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		return fmt.Errorf("reading .dockerignore: %w", err)
	}
	ignored, err := parseIgnore(string(rules))
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(listed), "\x00"), "\x00") {
		if ignored(name) {
			continue
		}
		if err := copyFile(filepath.Join(root, name), filepath.Join(to, name)); err != nil {
			return fmt.Errorf("copying what an image is built from: %w", err)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted, and not committed yet
	}
	if err != nil {
		return err
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // as git does
		return err
	}
	return os.WriteFile(to, content, info.Mode().Perm())
}

// parseIgnore understands the patterns that .dockerignore has here: ** for all, a path for what is below it, **/name for
// each file or directory of that name, in which * stands for anything, and ! before what is to be let in again. The last
// that fits decides.
func parseIgnore(rules string) (func(name string) bool, error) {
	type rule struct {
		fits *regexp.Regexp
		out  bool
	}
	var parsed []rule
	for line := range strings.Lines(rules) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, in := strings.CutPrefix(line, "!")
		start := "^"
		if rest, anywhere := strings.CutPrefix(pattern, "**/"); anywhere {
			start, pattern = "^(.*/)?", rest
		}
		if strings.ContainsAny(pattern, `?[]\`) || strings.Contains(pattern, "**") && pattern != "**" {
			return nil, fmt.Errorf("a line of .dockerignore is not understood: %s", line)
		}
		expression := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, "[^/]*")
		if pattern == "**" {
			expression = ".*"
		}
		parsed = append(parsed, rule{fits: regexp.MustCompile(start + expression + "(/.*)?$"), out: !in})
	}
	return func(name string) bool {
		out := false
		for _, r := range parsed {
			if r.fits.MatchString(name) {
				out = r.out
			}
		}
		return out
	}, nil
}
