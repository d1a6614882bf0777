// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command demo runs the operator on this machine, as it runs in a cluster, and shows what it does:
//
//   - a control plane of its own: etcd, kube-apiserver and kube-controller-manager, from $KUBEBUILDER_ASSETS;
//   - a simulator of Sendforsign, whose tokens live for one minute instead of thirty, and one of Signicat and Secured Signing;
//   - the operator, bin/sfs-operator, with the permissions of its service account and with leader election;
//   - the resources of config/samples, and of config/samples/oauth one of Signicat and one of Secured Signing, which gives another
//     refresh token with each access token;
//   - for each of them an application, which calls the API with the token in its Secret five times a second.
//
// It ends on Ctrl-C. With DEMO_FOR=90s it ends by itself, and fails if a call was refused, a resource is not Ready or, after a
// minute or more, a token was not renewed. It has to be started in the root of the repository, as `make demo` does.
//
// With FAULT=<name> it stages a failure, for a person to find out what is wrong. Then it does not end by itself before that
// shows, and fails only if it does not in time.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/sendforsign/sfs-operator/hack/faults"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

const (
	operatorBinary = "bin/sfs-operator"
	tokenLifetime  = time.Minute
	// longEnough is after how long each token must have been renewed.
	longEnough = time.Minute
	// idle is how often the simulator's record of calls is emptied, which nobody reads.
	idle = time.Minute
)

// The children die with the thread that started them (see process_linux.go), so this must be the one that lives longest.
func init() { runtime.LockOSThread() }

func main() {
	// SIGPIPE, too: `make demo | head` must leave nothing behind.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	err := run(ctx, newOutput(os.Stdout))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// settings is what the environment says.
type settings struct {
	assets   string
	duration time.Duration // 0: until a signal comes
	fault    *faults.Fault // nil: all goes well
}

func readSettings() (settings, error) {
	s := settings{assets: os.Getenv("KUBEBUILDER_ASSETS")}
	if s.assets == "" {
		return s, errors.New("KUBEBUILDER_ASSETS is not set: use make demo")
	}
	if value := os.Getenv("DEMO_FOR"); value != "" {
		duration, err := time.ParseDuration(value)
		if err != nil || duration <= 0 {
			return s, fmt.Errorf("DEMO_FOR=%s is not a duration such as 90s", value)
		}
		s.duration = duration
	}
	if value := os.Getenv("FAULT"); value != "" {
		fault, err := faults.Find(value)
		if err != nil {
			return s, err
		}
		s.fault = &fault
	}
	if _, err := os.Stat(operatorBinary); err != nil {
		return s, fmt.Errorf("finding the operator: %w (use make demo, in the root of the repository)", err)
	}
	return s, nil
}

func run(ctx context.Context, out *output) (err error) {
	s, err := readSettings()
	if err != nil {
		return err
	}
	w, err := localcluster.NewWorkspace("sfs-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close(err != nil)) }()
	if err := collectLogs(w); err != nil {
		return err
	}

	running := &stack{}
	defer func() { err = errors.Join(err, running.stop()) }()
	show, err := start(ctx, s, w, running, out)
	if ctx.Err() != nil {
		out.step("Stopping, before all was up")
		return nil
	}
	if err != nil {
		return err
	}
	return show.run(ctx, s.duration, running, out)
}

// start brings up one part after the other. What it pushes on running is stopped in reverse order, whatever comes.
func start(ctx context.Context, s settings, w *localcluster.Workspace, running *stack, out *output) (*show, error) {
	out.step("Starting etcd and kube-apiserver")
	plane, err := localcluster.StartControlPlane(ctx, w, s.assets)
	if err != nil {
		return nil, err
	}
	running.push(plane.Stop)

	out.step("Starting kube-controller-manager")
	controllerManager, err := plane.StartControllerManager(ctx)
	if err != nil {
		return nil, err
	}
	running.push(controllerManager.Stop)

	out.step("Starting a simulator of Sendforsign, whose tokens live for %s", tokenLifetime)
	sim, stop, err := startSimulator()
	if err != nil {
		return nil, err
	}
	running.push(stop)

	out.step("Starting a simulator of Signicat and Secured Signing, whose tokens live for %s as well", tokenLifetime)
	others, stop, err := startProviders(plane)
	if err != nil {
		return nil, err
	}
	running.push(stop)

	out.step("Installing config/crd, config/rbac and the namespace %s", localcluster.OperatorNamespace)
	if err := plane.Install(ctx, "."); err != nil {
		return nil, err
	}
	if err := plane.AwaitControllerManager(ctx, controllerManager); err != nil {
		return nil, err
	}

	out.step("Starting %s as the service account %s", operatorBinary, localcluster.ServiceAccount)
	operator, err := startOperator(ctx, plane, others.flags)
	if err != nil {
		return nil, err
	}
	running.push(operator.Stop)
	out.step("The operator is ready and logs to %s", operator.Log)

	view, stop, err := startView(ctx, plane)
	if err != nil {
		return nil, err
	}
	running.push(stop)

	out.step("Applying config/samples, with baseURL and caBundle of the SfsPlatform changed to those of the simulator")
	if err := applySamples(ctx, plane, sim); err != nil {
		return nil, err
	}
	out.step("Applying a tenant of Signicat and one of Secured Signing, of config/samples/oauth")
	if err := others.applySamples(ctx, plane); err != nil {
		return nil, err
	}
	out.step("All is up. To look around from another terminal:")
	out.line("         export KUBECONFIG=%s PATH=\"$PATH:%s\"", plane.Kubeconfig, s.assets)
	out.line("         kubectl get sfs --all-namespaces")
	shown := &show{view: view, simulator: sim, others: others, operator: operator, controllerManager: controllerManager,
		canaries: newCanaries(view, plane.Client, sim, others)}
	if s.fault != nil {
		shown.rehearsal, err = rehearse(ctx, *s.fault, plane, sim, operator, running, out)
	}
	return shown, err
}

func startSimulator() (*sfstest.Server, func() error, error) {
	server, err := sfstest.Start(sfstest.WithTokenLifetime(tokenLifetime))
	if err != nil {
		return nil, nil, fmt.Errorf("starting the simulator: %w", err)
	}
	return server, func() error { server.Close(); return nil }, nil
}

// startOperator starts the operator with the rights that ship, and waits until it is ready.
func startOperator(ctx context.Context, plane *localcluster.ControlPlane, flags []string) (*localcluster.Operator, error) {
	kubeconfig, err := plane.OperatorKubeconfig(ctx)
	if err != nil {
		return nil, err
	}
	operator, err := plane.StartOperator(ctx, operatorBinary, kubeconfig, "sfs-operator", flags...)
	if err != nil {
		return nil, err
	}
	if err := operator.AwaitReady(ctx); err != nil {
		return nil, errors.Join(err, operator.Stop())
	}
	return operator, nil
}
