// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeBuild counts its runs and writes a small file for each component.
type fakeBuild struct {
	runs atomic.Int32
	// leaveOut is a component that the build forgets.
	leaveOut string
	// err is returned after everything has been written.
	err error
	// started, if set, is closed by the first run, which then waits for resume.
	started, resume chan struct{}
}

func (f *fakeBuild) build(ctx context.Context, dir string, _ io.Writer) error {
	if f.runs.Add(1) == 1 && f.started != nil {
		close(f.started)
		select {
		case <-f.resume:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, name := range componentNames() {
		if name == f.leaveOut {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("binary of "+name), 0o755); err != nil {
			return err
		}
	}
	return f.err
}

func newCache(root string, f *fakeBuild, progress io.Writer) cache {
	return cache{root: root, name: "v1", components: componentNames(), build: f.build, progress: progress}
}

func mustEnsure(t *testing.T, c cache) {
	t.Helper()
	dir, err := c.ensure(t.Context())
	if err != nil {
		t.Fatalf("ensure: %v", err)
	}
	if dir != c.dir() {
		t.Fatalf("ensure returned %s, want %s", dir, c.dir())
	}
	if err := c.verify(); err != nil {
		t.Fatalf("the returned directory is not sound: %v", err)
	}
}

func TestASoundCopyIsUsedAgain(t *testing.T) {
	fake, progress := &fakeBuild{}, &bytes.Buffer{}
	c := newCache(t.TempDir(), fake, progress)

	mustEnsure(t, c)
	mustEnsure(t, c)

	if got := fake.runs.Load(); got != 1 {
		t.Errorf("built %d times, want 1", got)
	}
	if progress.Len() > 0 {
		t.Errorf("an empty cache and a hit should be silent, got %q", progress)
	}
}

func TestABrokenCopyIsReportedAndRebuilt(t *testing.T) {
	cases := map[string]struct {
		// damage is done to a finished directory.
		damage func(t *testing.T, dir string)
		// says is part of what the user reads about it.
		says string
	}{
		"a file was cut short": {
			damage: func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, "etcd"), 3)) },
			says:   "etcd does not have the checksum",
		},
		"a file has other bytes of the same length": {
			damage: func(t *testing.T, dir string) {
				must(t, os.WriteFile(filepath.Join(dir, "kubectl"), []byte("BINARY OF kubectl"), 0o755))
			},
			says: "kubectl does not have the checksum",
		},
		"a file is gone": {
			damage: func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "kube-apiserver"))) },
			says:   "kube-apiserver",
		},
		"a file may not be executed": {
			damage: func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "etcd"), 0o644)) },
			says:   "etcd is not an executable file",
		},
		"the manifest is missing, as after a build that died": {
			damage: func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, manifestName))) },
			says:   "reading the manifest",
		},
		"the manifest is empty, as after a power cut": {
			damage: func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, manifestName), 0)) },
			says:   manifestName + " does not list etcd",
		},
		"the manifest is not a manifest": {
			damage: func(t *testing.T, dir string) {
				must(t, os.WriteFile(filepath.Join(dir, manifestName), []byte("garbage\n"), 0o644))
			},
			says: "malformed line",
		},
		"the manifest has a wrong sum": {
			damage: func(t *testing.T, dir string) {
				path := filepath.Join(dir, manifestName)
				manifest, err := os.ReadFile(path)
				must(t, err)
				manifest[0] ^= 1
				must(t, os.WriteFile(path, manifest, 0o644))
			},
			says: "etcd does not have the checksum",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			fake, progress := &fakeBuild{}, &bytes.Buffer{}
			c := newCache(t.TempDir(), fake, progress)
			mustEnsure(t, c)

			tc.damage(t, c.dir())
			mustEnsure(t, c)

			if got := fake.runs.Load(); got != 2 {
				t.Errorf("built %d times, want 2", got)
			}
			if !strings.Contains(progress.String(), tc.says) {
				t.Errorf("progress is %q, want it to contain %q", progress, tc.says)
			}
		})
	}
}

func TestRunsAtTheSameTimeBuildOnce(t *testing.T) {
	fake := &fakeBuild{started: make(chan struct{}), resume: make(chan struct{})}
	root := t.TempDir()
	waits := make(chan struct{}, 8)
	const runs = 4

	var all sync.WaitGroup
	for range runs {
		all.Go(func() {
			c := newCache(root, fake, writerFunc(func(p []byte) {
				if bytes.Contains(p, []byte("waiting for another run")) {
					waits <- struct{}{}
				}
			}))
			if _, err := c.ensure(t.Context()); err != nil {
				t.Errorf("ensure: %v", err)
			}
		})
	}
	<-fake.started
	for range runs - 1 {
		<-waits
	}
	close(fake.resume)
	all.Wait()

	if got := fake.runs.Load(); got != 1 {
		t.Errorf("built %d times, want 1", got)
	}
}

func TestAWaitingRunCanBeInterrupted(t *testing.T) {
	fake := &fakeBuild{started: make(chan struct{}), resume: make(chan struct{})}
	root := t.TempDir()
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := newCache(root, fake, io.Discard).ensure(t.Context()); err != nil {
			t.Errorf("first run: %v", err)
		}
	})
	<-fake.started

	ctx, cancel := context.WithCancel(t.Context())
	second := newCache(root, fake, writerFunc(func([]byte) { cancel() }))
	if _, err := second.ensure(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("second run: got error %v, want %v", err, context.Canceled)
	}
	close(fake.resume)
	first.Wait()
}

func TestAFailedBuildLeavesNothing(t *testing.T) {
	boom := errors.New("boom")
	cases := map[string]struct {
		fake *fakeBuild
		want string
	}{
		"the builder fails":             {fake: &fakeBuild{err: boom}, want: "boom"},
		"the builder forgets a binary":  {fake: &fakeBuild{leaveOut: "kubectl"}, want: "kubectl"},
		"the builder is interrupted":    {fake: &fakeBuild{err: context.Canceled}, want: "canceled"},
		"the builder forgets the first": {fake: &fakeBuild{leaveOut: "etcd"}, want: "etcd"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCache(t.TempDir(), tc.fake, io.Discard)
			if _, err := c.ensure(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got error %v, want one that contains %q", err, tc.want)
			}
			entries, err := os.ReadDir(c.root)
			must(t, err)
			for _, entry := range entries {
				if !strings.HasSuffix(entry.Name(), ".lock") {
					t.Errorf("%s was left behind", entry.Name())
				}
			}
		})
	}
}

func TestLeftoversOfKilledRunsAreSwept(t *testing.T) {
	c := newCache(t.TempDir(), &fakeBuild{}, io.Discard)
	old := filepath.Join(c.root, c.name+".tmp-123")
	must(t, os.MkdirAll(old, 0o755))
	other := filepath.Join(c.root, "v2.tmp-123")
	must(t, os.MkdirAll(other, 0o755))

	mustEnsure(t, c)

	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", old, err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("the unfinished build of another version was touched: %v", err)
	}
}

// writerFunc makes a function an io.Writer.
type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A test that hangs on a lock should say so long before the timeout of the whole run.
func TestMain(m *testing.M) {
	time.AfterFunc(time.Minute, func() { panic("the tests of controlplane hang") })
	os.Exit(m.Run())
}
