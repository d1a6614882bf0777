// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command fuzz runs each fuzz target of the given packages for a while, one after the other, and writes what came of it
// in the form of a campaign. An input that breaks an invariant stays in testdata of its package, where every later test
// run tries it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sendforsign/sfs-operator/internal/campaign"
)

func main() {
	each := flag.Duration("for", 30*time.Second, "how long each target runs")
	dir := flag.String("dir", "bin/campaigns", "where the summary is written, as fuzz.json")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, *each, *dir, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, each time.Duration, dir string, packages []string) error {
	began := time.Now()
	summary := campaign.Summary{Campaign: "fuzz", Full: true, Tried: map[string]int{}, Violations: []campaign.Violation{}}
	for _, pkg := range packages {
		targets, err := targetsOf(pkg)
		if err != nil {
			return err
		}
		for _, target := range targets {
			text, failure := fuzz(ctx, out, pkg, target, each)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n := executions(text)
			summary.Tried[target] += n
			summary.Points += n
			if failure != nil {
				summary.Violations = append(summary.Violations, campaign.Violation{Plan: replay(pkg, text), What: tail(text)})
			}
		}
	}
	summary.Seconds = time.Since(began).Round(100 * time.Millisecond).Seconds()
	if err := write(dir, summary); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%d inputs in %.0f s, %d violations: %v\n", summary.Points, summary.Seconds, len(summary.Violations), summary.Tried)
	switch {
	case summary.Points == 0:
		return errors.New("nothing was tried")
	case len(summary.Violations) > 0:
		return fmt.Errorf("%d targets failed", len(summary.Violations))
	}
	return nil
}

// targetsOf lists the fuzz targets that a package declares. To ask its tests would start what they need.
func targetsOf(pkg string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(pkg, "*_test.go"))
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, found := range declaration.FindAllSubmatch(text, -1) {
			targets = append(targets, string(found[1]))
		}
	}
	if len(targets) == 0 {
		return nil, fmt.Errorf("%s has no fuzz target", pkg)
	}
	return targets, nil
}

var (
	declaration = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)
	executed    = regexp.MustCompile(`execs: (\d+)`)
	written     = regexp.MustCompile(`(?m)^\s*go test -run=(\S+)$`)
)

func fuzz(ctx context.Context, out io.Writer, pkg, target string, each time.Duration) (string, error) {
	var text strings.Builder
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-fuzz=^"+target+"$", "-fuzztime="+each.String(), pkg)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(out, &text), io.MultiWriter(out, &text)
	// An interrupted go test leaves no process behind.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	return text.String(), err
}

// executions is how many inputs were tried by the end.
func executions(text string) int {
	found := executed.FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(found[len(found)-1][1])
	return n
}

// replay is the command that tries the input that failed.
func replay(pkg, text string) string {
	if found := written.FindStringSubmatch(text); found != nil {
		return "go test -run=" + found[1] + " " + pkg
	}
	return "go test " + pkg
}

// tail is the end of an output, where the failure stands.
func tail(text string) string {
	const most = 2000
	return strings.ToValidUTF8(text[max(len(text)-most, 0):], "")
}

func write(dir string, s campaign.Summary) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, s.Campaign+".json"), append(text, '\n'), 0o600)
}
