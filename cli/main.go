// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Kubectl-sendforsign is a plugin of kubectl that looks after the tenants of the sfs-operator.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // as kubectl logs in
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/cli/internal/command"
)

func main() {
	// What goes wrong is said once, by the command.
	klog.SetLogger(logr.Discard())
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command.Run(ctx, command.Environment{
		IOStreams:  genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Clock:      clock.RealClock{},
		IsTerminal: term.IsTerminal(int(os.Stdin.Fd())),
	}, os.Args)
	stop()
	os.Exit(code)
}
