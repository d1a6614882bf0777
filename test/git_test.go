// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/internal/campaign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// TestGitIsEnough loses the whole cluster and applies the same manifests to an empty one.
func TestGitIsEnough(t *testing.T) {
	t.Parallel()
	const clients, users = 10, 20
	of := campaign.Start(t, "git")
	rounds := 1
	if of.Full {
		rounds = 5
	}
	sim := newSimulator(t)
	manifests := func(c *cluster) []client.Object {
		objects := append(c.platform(), sfsClients(0, clients)...)
		for i := range users {
			objects = append(objects, sfsUser(fmt.Sprintf("jane-%02d", i), fmt.Sprintf("shop-%04d", i/2), i == 0))
		}
		return objects
	}
	var keys map[string]string
	t.Run("first", func(t *testing.T) {
		keys = applied(t, of, sim, manifests, clients, users)
	})
	for round := range rounds {
		t.Run(fmt.Sprintf("again-%d", round), func(t *testing.T) {
			before := len(sim.Calls())
			again := applied(t, of, sim, manifests, clients, users)
			for _, name := range slices.Sorted(maps.Keys(keys)) {
				if again[name] != keys[name] {
					of.Broken(t, "", "%s had the key %s, and has %q", name, keys[name], again[name])
				}
			}
			for _, call := range sim.Calls()[before:] {
				if call.Action == "create" && call.Endpoint != "token" {
					of.Broken(t, "", "a %s was created for %s", call.Endpoint, call.CustomKey)
				}
			}
			of.Tried("resource found again", len(keys))
		})
	}
}

// applied applies the manifests to an empty cluster and returns the keys of the resources, once all are Ready.
func applied(t *testing.T, of *campaign.Campaign, sim *sfstest.Server, manifests func(*cluster) []client.Object, clients, users int) map[string]string {
	t.Helper()
	c := newCluster(t, of, "", sim)
	o := c.start()
	c.create(manifests(c)...)
	c.await(2*time.Minute, "all to be Ready", c.unready(clients, users))
	c.judgeTenants(clients)
	c.judgeSecrecy(o)
	found, err := c.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	for i := range found.clients.Items {
		keys["SfsClient "+found.clients.Items[i].Name] = found.clients.Items[i].Status.ClientKey
	}
	for i := range found.users.Items {
		keys["SfsClientUser "+found.users.Items[i].Name] = found.users.Items[i].Status.UserKey
	}
	if n := len(slices.Compact(slices.Sorted(maps.Values(keys)))); n != clients+users || slices.Contains(slices.Collect(maps.Values(keys)), "") {
		of.Broken(t, "", "%d resources have %d different keys", clients+users, n)
	}
	return keys
}
