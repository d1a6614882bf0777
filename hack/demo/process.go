// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// process is a program that was started here.
type process struct {
	name   string
	log    string
	grace  time.Duration
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of its end; to be read after exited is closed
	told   bool  // that it has ended when it should not have

	// rude processes do not catch the signal to end.
	rude bool
}

// startProcess starts a program in a process group of its own, so that Ctrl-C in the terminal does not reach it: it is
// stopped in order. grace is how long it may take to end.
func startProcess(ctx context.Context, w *workspace, grace time.Duration, env []string, path, name string, args ...string) (*process, error) {
	log, err := w.logFile(name)
	if err != nil {
		return nil, err
	}
	p := &process{name: name, log: log.Name(), grace: grace, exited: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), path, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = ownGroup()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// failure says how a process ended that should not have.
func (p *process) failure() error {
	p.told = true
	if p.err != nil {
		return fmt.Errorf("%s has ended: %w", p.name, p.err)
	}
	return fmt.Errorf("%s has ended", p.name)
}

// stop asks the process to end, and kills it if it does not.
func (p *process) stop() error {
	select {
	case <-p.exited:
		if p.told {
			return nil
		}
		return p.failure()
	default:
	}
	if err := terminate(p.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	select {
	case <-p.exited:
	case <-time.After(p.grace):
		err := fmt.Errorf("%s had not ended after %s and was killed", p.name, p.grace)
		if killed := p.cmd.Process.Kill(); killed != nil {
			return errors.Join(err, killed)
		}
		<-p.exited
		return err
	}
	if p.err != nil && !p.rude {
		return fmt.Errorf("%s ended, as it was asked to, with a failure: %w", p.name, p.err)
	}
	return nil
}

// await tries until done says yes, and gives up if the process ends.
func (p *process) await(ctx context.Context, limit time.Duration, what string, done func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !done(ctx) {
		select {
		case <-p.exited:
			return p.failure()
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}
