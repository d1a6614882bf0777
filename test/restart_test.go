// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/internal/campaign"
)

// takeover is a way in which one process comes in the place of another.
type takeover struct {
	plan string
	// waiting says that the new one is there already when the old one goes.
	waiting bool
	end     func(*localcluster.Operator) error
}

// TestRestartIsFree has new processes look at very many resources that are Ready, and counts what that costs: nothing.
func TestRestartIsFree(t *testing.T) {
	t.Parallel()
	of := campaign.Start(t, "restart")
	clients, users := 100, 20
	if of.Full {
		clients, users = 1000, 200
	}
	c := newCluster(t, of, "", newSimulator(t))
	c.create(c.platform()...)
	for i, o := range sfsClients(0, clients) {
		c.create(o)
		if i < users {
			c.create(sfsUser(fmt.Sprintf("jane-%04d", i), o.GetName(), i%2 == 0))
		}
	}
	old := c.start()
	c.await(5*time.Minute, "all to be Ready", c.unready(clients, users))
	c.await(time.Minute, "the platform to have counted them", c.uncounted(clients))
	c.await(time.Minute, "all to be quiet", c.unquiet(old, clients, users))
	for _, how := range []takeover{
		{plan: "restart", end: (*localcluster.Operator).Stop},
		{plan: "hand over", waiting: true, end: (*localcluster.Operator).Stop},
		{plan: "take over from one that was killed", waiting: true, end: (*localcluster.Operator).Kill},
	} {
		if of.Plan == "" || of.Plan == how.plan {
			c.plan = how.plan
			old = c.takeOver(how, old, clients, users)
			of.Tried("resource looked at by a new process", clients+users)
		}
	}
	c.judgeTenants(clients)
	c.judgeSecrecy(old)
}

// uncounted says how many clients the platform has yet to count, which it does once in a while.
func (c *cluster) uncounted(clients int) func(context.Context) string {
	return func(ctx context.Context) string {
		var platforms v1alpha1.SfsPlatformList
		if err := c.plane.Client.List(ctx, &platforms); err != nil {
			return err.Error()
		}
		for _, p := range platforms.Items {
			if n := p.Status.Clients; n == nil || n.Ready == nil || int(*n.Ready) != clients {
				return fmt.Sprintf("SfsPlatform %s has not counted %d Ready clients", p.Name, clients)
			}
		}
		return ""
	}
}

// start starts an operator that ends with the test at the latest.
func (c *cluster) start(args ...string) *localcluster.Operator {
	c.t.Helper()
	// Nobody replaces it, so it must not lose the lease where the machine is busy.
	o, err := c.startOperator(append([]string{"--leader-election-lease-duration=10s"}, args...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if !o.HasExited() {
			if err := o.Stop(); err != nil {
				c.t.Error(err)
			}
		}
	})
	if err := o.AwaitReady(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	return o
}

// takeOver puts a new process in the place of the old one, and returns it.
func (c *cluster) takeOver(how takeover, old *localcluster.Operator, clients, users int) *localcluster.Operator {
	c.t.Helper()
	before := c.versions()
	calls := len(c.sim.Calls())
	var next *localcluster.Operator
	if how.waiting {
		next = c.start()
		var m measures
		c.await(time.Minute, "the metrics of the waiting process", func(ctx context.Context) string {
			var err error
			if m, err = scrape(ctx, next); err != nil {
				return err.Error()
			}
			return ""
		})
		if m.sum("controller_runtime_reconcile_total") != 0 {
			c.broken("a process has worked that does not lead")
		}
	}
	if err := how.end(old); err != nil {
		c.t.Error(err)
	}
	if !how.waiting {
		next = c.start()
	}
	c.await(time.Minute, "the new process to look at all", c.unquiet(next, clients, users))
	for _, call := range c.sim.Calls()[calls:] {
		c.broken("call of Sendforsign: %s %s %s", call.Endpoint, call.Action, call.CustomKey)
	}
	after := c.versions()
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if before[name] != after[name] {
			c.broken("%s was written", name)
		}
	}
	if len(before) != len(after) {
		c.broken("there were %d objects and are %d", len(before), len(after))
	}
	return next
}

// unquiet says what is missing until a process has looked at all resources and has nothing left to do.
func (c *cluster) unquiet(o *localcluster.Operator, clients, users int) func(context.Context) string {
	return func(ctx context.Context) string {
		m, err := scrape(ctx, o)
		if err != nil {
			return err.Error()
		}
		// All that there is goes into the queue before the first of it is taken up, and none is in it twice.
		for controller, n := range map[string]int{"sfsplatform": 1, "sfsclient": clients, "sfsclientuser": users} {
			label := fmt.Sprintf("controller=%q", controller)
			queued := m.sum("workqueue_depth", fmt.Sprintf("name=%q", controller))
			active := m.sum("controller_runtime_active_workers", label)
			passes := m.sum("controller_runtime_reconcile_total", label)
			if int(passes) < n || queued != 0 || active != 0 {
				return fmt.Sprintf("%s: %.0f passes, %.0f under way, %.0f queued", controller, passes, active, queued)
			}
		}
		return ""
	}
}

// versions returns the resourceVersions of all resources and Secrets.
func (c *cluster) versions() map[string]string {
	c.t.Helper()
	versions := map[string]string{}
	for _, list := range []client.ObjectList{
		&v1alpha1.SfsPlatformList{}, &v1alpha1.SfsClientList{}, &v1alpha1.SfsClientUserList{}, &corev1.SecretList{},
	} {
		if err := c.plane.Client.List(c.t.Context(), list); err != nil {
			c.t.Fatal(err)
		}
		objects, err := meta.ExtractList(list)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, o := range objects {
			o := o.(client.Object)
			versions[fmt.Sprintf("%T %s", o, client.ObjectKeyFromObject(o))] = o.GetResourceVersion()
		}
	}
	return versions
}
