// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
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

// collectLogs keeps what the libraries of this program log out of the way of the table.
func collectLogs(w *localcluster.Workspace) error {
	f, err := w.LogFile("demo")
	if err != nil {
		return err
	}
	log := logr.FromSlogHandler(slog.NewTextHandler(f, nil))
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	return nil
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
