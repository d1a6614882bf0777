// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"time"
)

// Program is what there is to be run.
type Program struct {
	Name, Path string
	Args, Env  []string
	// Grace is how long it may take to end when it is asked to.
	Grace time.Duration
	// Rude programs do not catch the signal to end.
	Rude bool
}

// Process is a program that was started here.
type Process struct {
	Program
	// Log is the path of the file with what it writes.
	Log string
	// Exited is closed when it has ended.
	Exited <-chan struct{}

	cmd      *exec.Cmd
	err      error // of its end; to be read after Exited is closed
	expected atomic.Bool
}

// Start starts a program in a process group of its own, so that Ctrl-C in the terminal does not reach it: it is stopped in
// order. On Linux it ends with the thread that started it, so that none is left if this program is killed.
func (w *Workspace) Start(ctx context.Context, program Program) (*Process, error) {
	log, err := w.LogFile(program.Name)
	if err != nil {
		return nil, err
	}
	exited := make(chan struct{})
	p := &Process{Program: program, Log: log.Name(), Exited: exited}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), program.Path, program.Args...)
	p.cmd.Env = append(os.Environ(), program.Env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = ownGroup()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", program.Name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(exited)
	}()
	return p, nil
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// HasExited says whether the process has ended.
func (p *Process) HasExited() bool {
	select {
	case <-p.Exited:
		return true
	default:
		return false
	}
}

// Failure says how a process ended that should not have.
func (p *Process) Failure() error {
	p.expected.Store(true)
	if p.err != nil {
		return fmt.Errorf("%s has ended: %w", p.Name, p.err)
	}
	return fmt.Errorf("%s has ended", p.Name)
}

// Stop asks the process to end, and kills it if it does not.
func (p *Process) Stop() error {
	if p.HasExited() {
		if p.expected.Load() {
			return nil
		}
		return p.Failure()
	}
	if err := terminate(p.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.Name, err)
	}
	p.expected.Store(true)
	select {
	case <-p.Exited:
	case <-time.After(p.Grace):
		return errors.Join(fmt.Errorf("%s had not ended after %s and was killed", p.Name, p.Grace), p.Kill())
	}
	if p.err != nil && !p.Rude {
		return fmt.Errorf("%s ended, as it was asked to, with a failure: %w", p.Name, p.err)
	}
	return nil
}

// Kill ends the process at once, and waits until it is gone.
func (p *Process) Kill() error {
	p.expected.Store(true)
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", p.Name, err)
	}
	<-p.Exited
	return nil
}

// Freeze has the process stand still, and Thaw go on.
func (p *Process) Freeze() error { return p.signal(freeze, "freezing") }

// Thaw is the end of Freeze.
func (p *Process) Thaw() error { return p.signal(thaw, "thawing") }

func (p *Process) signal(send func(*os.Process) error, doing string) error {
	if err := send(p.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s %s: %w", doing, p.Name, err)
	}
	return nil
}

// Await tries until done says yes, and gives up if the process ends.
func (p *Process) Await(ctx context.Context, limit time.Duration, what string, done func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !done(ctx) {
		select {
		case <-p.Exited:
			return p.Failure()
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}
