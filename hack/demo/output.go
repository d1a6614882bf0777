// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// output is what the person who watches sees.
type output struct {
	w        io.Writer
	began    time.Time
	terminal bool
}

func newOutput(f *os.File) *output {
	info, err := f.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	return &output{w: f, began: time.Now(), terminal: terminal}
}

// step prints a line with the time since the start.
func (o *output) step(format string, args ...any) {
	o.line("%6.1fs  %s", time.Since(o.began).Seconds(), fmt.Sprintf(format, args...))
}

func (o *output) line(format string, args ...any) {
	_, _ = fmt.Fprintf(o.w, format+"\n", args...)
}

// workspace is the directory of all that is written to disk. It holds credentials, so nobody else may look into it.
type workspace struct {
	dir  string
	open []io.Closer
}

func newWorkspace() (*workspace, error) {
	dir, err := os.MkdirTemp("", "sfs-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	w := &workspace{dir: dir}
	for _, sub := range []string{"logs", "etcd", "kube-apiserver"} {
		if err := os.Mkdir(w.path(sub), 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("making a directory: %w", err), os.RemoveAll(dir))
		}
	}
	return w, nil
}

func (w *workspace) path(name string) string { return filepath.Join(w.dir, name) }

// logFile makes the file for what a program writes.
func (w *workspace) logFile(program string) (*os.File, error) {
	f, err := os.OpenFile(w.path("logs/"+program+".log"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making a log file: %w", err)
	}
	w.open = append(w.open, f)
	return f, nil
}

// collectLogs keeps what the libraries of this program log out of the way of the table.
func (w *workspace) collectLogs() error {
	f, err := w.logFile("demo")
	if err != nil {
		return err
	}
	log := logr.FromSlogHandler(slog.NewTextHandler(f, nil))
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	return nil
}

// clean removes all, but for the logs if they are needed.
func (w *workspace) clean(keepLogs bool) error {
	for _, f := range w.open {
		_ = f.Close()
	}
	if !keepLogs {
		return os.RemoveAll(w.dir)
	}
	entries, err := os.ReadDir(w.dir)
	for _, entry := range entries {
		if entry.Name() != "logs" {
			err = errors.Join(err, os.RemoveAll(w.path(entry.Name())))
		}
	}
	return errors.Join(err, fmt.Errorf("the logs are kept in %s", w.path("logs")))
}

// stack is what has to be stopped, last in, first out.
type stack []func() error

func (s *stack) push(stop func() error) { *s = append(*s, stop) }

// stop stops all, and forgets what it has stopped.
func (s *stack) stop() error {
	var errs []error
	for len(*s) > 0 {
		last := len(*s) - 1
		stop := (*s)[last]
		*s = (*s)[:last]
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}
