// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

var (
	commands   = regexp.MustCompile(`(?s)<!-- commands begin -->.*<!-- commands end -->`)
	shellBlock = regexp.MustCompile("(?s)\n```sh\n(.*?\n)```\n")
	exportLine = regexp.MustCompile(`(?m)^ *(export KUBECONFIG=.*)\n`)
)

// TestQuickstart does what docs/quickstart.md says, word by word: it takes the line that the demo shows for another terminal,
// and runs the commands of the page after it.
func TestQuickstart(t *testing.T) {
	runtime.LockOSThread() // see init
	buildOperator(t)
	page, err := os.ReadFile("docs/quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, block := range shellBlock.FindAllSubmatch(commands.Find(page), -1) {
		script.Write(block[1])
	}
	shown, dir := showInto(t), t.TempDir()

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	followed := make(chan error, 1)
	go func() {
		defer stop() // which ends the demo as Ctrl-C does
		said, err := follow(ctx, shown.Name(), dir, script.String())
		if err != nil {
			err = fmt.Errorf("%w in\n%s", err, said)
		}
		followed <- err
	}()
	demo := run(ctx, newOutput(shown))
	stop()
	if err := errors.Join(demo, <-followed); err != nil {
		t.Fatal(err)
	}
}

// follow waits until the demo is up, and runs the script in dir. It returns what the script has said.
func follow(ctx context.Context, shown, dir, script string) (said []byte, err error) {
	var export [][]byte
	for export == nil {
		text, err := os.ReadFile(shown)
		if err != nil {
			return nil, err
		}
		export = exportLine.FindSubmatch(text)
		select {
		case <-ctx.Done():
			return text, errors.New("the demo has ended, and did not say how to reach it")
		case <-time.After(100 * time.Millisecond):
		}
	}
	path := filepath.Join(dir, "quickstart.sh")
	if err := os.WriteFile(path, []byte(string(export[1])+"\n"+script), 0o600); err != nil {
		return nil, err
	}
	terminal := exec.CommandContext(ctx, "sh", "-eux", path)
	terminal.Dir = dir
	if said, err = terminal.CombinedOutput(); err != nil {
		return said, err
	}
	for _, want := range []string{"SFSTEST-TOKEN-", "\nrefused\n", " Created ", " NamespaceNotAllowed ", "\nthe same tenant\n"} {
		if !strings.Contains(string(said), want) {
			return said, fmt.Errorf("%q is missing", want)
		}
	}
	return said, nil
}
