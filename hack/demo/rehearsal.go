// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/faults"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

const (
	lookInterval = 200 * time.Millisecond
	// readyLimit is within what time all must be well, so that a fault is the only thing that is wrong.
	readyLimit = 2 * time.Minute
)

// rehearsal is a fault that is staged, for a person to find out.
type rehearsal struct {
	staged *faults.Staged
	shown  chan error // what came of waiting until it shows: one value
	seen   bool
}

// rehearse stages a fault on config/samples, once all is well. What keeps it up is stopped with what is running.
func rehearse(
	ctx context.Context, f faults.Fault, plane *localcluster.ControlPlane, sim *sfstest.Server, operator *localcluster.Operator,
	running *stack, out *output,
) (*rehearsal, error) {
	out.step("Waiting until all is well")
	if err := awaitReady(ctx, plane.Client); err != nil {
		return nil, err
	}
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	staged, err := f.Stage(lasting, faults.Scene{
		Client: plane.Client, Simulator: sim, Platform: "default", Namespace: "team-a", Other: "team-b", Tenant: "globex",
	})
	if err != nil {
		cancel()
		return nil, err
	}
	r := &rehearsal{staged: staged, shown: make(chan error, 1)}
	go func() { r.shown <- r.await(lasting) }()
	running.push(func() error {
		cancel()
		staged.Stop()
		return nil
	})
	out.step("FAULT=%s. This has happened:", f.Name)
	for _, line := range staged.Done {
		out.line("         - %s", line)
	}
	out.line("         What is wrong? From another terminal, after the line with export above:")
	for _, command := range []string{
		"bin/kubectl-sendforsign status --all-namespaces",
		"bin/kubectl-sendforsign doctor",
		"kubectl get sfs --all-namespaces -o wide",
		"kubectl events --all-namespaces --types=Warning",
		"kubectl get pods --all-namespaces",
		`curl -ks -H "Authorization: Bearer $(kubectl config view --raw -o jsonpath='{.users[0].user.token}')" ` + operator.MetricsURL() + " | grep ^sendforsign_",
	} {
		out.line("         %s", command)
	}
	return r, nil
}

// awaitReady waits until all resources that there are are Ready.
func awaitReady(ctx context.Context, c client.Reader) error {
	lack := ""
	err := wait.PollUntilContextTimeout(ctx, lookInterval, readyLimit, true, func(ctx context.Context) (bool, error) {
		lack = ""
		for _, list := range []client.ObjectList{
			&v1alpha1.SfsPlatformList{}, &v1alpha1.SfsClientList{}, &v1alpha1.SfsClientUserList{}, &v1alpha1.OAuthTokenList{},
		} {
			if err := c.List(ctx, list); err != nil {
				return false, fmt.Errorf("listing resources: %w", err)
			}
			_ = meta.EachListItem(list, func(o runtime.Object) error {
				if resource := o.(faults.Resource); !conditions.IsTrue(resource, v1alpha1.ReadyCondition) {
					lack = nameOf(client.ObjectKeyFromObject(resource))
				}
				return nil
			})
		}
		return lack == "", nil
	})
	if err != nil && lack != "" {
		return fmt.Errorf("waiting for %s to be Ready: %w", lack, err)
	}
	return err
}

// await waits until the fault shows.
func (r *rehearsal) await(ctx context.Context) error {
	lack := ""
	err := wait.PollUntilContextTimeout(ctx, lookInterval, r.staged.Fault.Limit, true, func(ctx context.Context) (done bool, err error) {
		lack, err = r.staged.Missing(ctx)
		return err == nil && lack == "", err
	})
	if err != nil && lack != "" {
		return fmt.Errorf("FAULT=%s does not show: %s: %w", r.staged.Fault.Name, lack, err)
	}
	return err
}

// shows is where it is told that the fault shows; never where none is staged.
func (r *rehearsal) shows() <-chan error {
	if r == nil {
		return nil
	}
	return r.shown
}

// isPending says whether the fault has yet to show.
func (r *rehearsal) isPending() bool { return r != nil && !r.seen }

// tallies adds the application of the fault, if it has one, to those of the clients.
func (s *show) tallies() []tally {
	all := s.canaries.tallies()
	if s.rehearsal == nil || s.rehearsal.staged.Consumer == nil {
		return all
	}
	calls, refused := s.rehearsal.staged.Consumer.Tally()
	return append(all, tally{of: nameOf(s.rehearsal.staged.Consumer.Pod), calls: calls, refused: refused})
}
