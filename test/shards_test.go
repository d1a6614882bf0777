// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/internal/campaign"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// shardLabel divides the resources, as docs/scaling.md has it.
const shardLabel = "sendforsign.com/shard"

// shardedLife is that of a token: it is renewed after 11 to 12 s, so that there are always some renewals under way.
const shardedLife = time.Minute

// way is how a tenant moves.
type way string

const (
	stays    way = "stays"
	byRecipe way = "is moved by the recipe"
	byLabel  way = "is moved by its label alone"
)

// tenant is an SfsClient of these tests, with what has become of it.
type tenant struct {
	name  string
	moves way
	shard int // by which it is served now: 0 has no label, and 1 has b
	moved int // how often it has been moved
	// silent is from where on the log of the shard that served it before must not speak of it.
	silent int64
}

// TestTenantsMoveBetweenShards has two processes share the tenants among them, and moves some from one to the other and back
// while tokens are renewed: by the recipe of docs/scaling.md, and by nothing but a new label.
func TestTenantsMoveBetweenShards(t *testing.T) {
	t.Parallel()
	of := campaign.Start(t, "shards")
	each, rounds := 40, 1
	if of.Full {
		each, rounds = 200, 6
	}
	c := &sharded{cluster: newCluster(t, of, "", newSimulator(t, sfstest.WithTokenLifetime(shardedLife)))}
	c.create(c.platform()...)
	for i, o := range sfsClients(0, 2*each) {
		one := &tenant{name: o.GetName(), shard: i % 2, moves: stays}
		switch {
		case i < each/2:
			one.moves = byRecipe
		case i < each:
			one.moves = byLabel
		}
		c.tenants = append(c.tenants, one)
		user := sfsUser("of-"+o.GetName(), o.GetName(), false)
		for _, o := range []client.Object{o, user} {
			if one.shard == 1 {
				o.SetLabels(map[string]string{shardLabel: "b"})
			}
		}
		c.create(o)
		if one.hasUser() {
			c.create(user)
		}
	}
	c.shards = []*localcluster.Operator{
		c.start("--watch-label-selector=!" + shardLabel), c.start("--watch-label-selector=" + shardLabel + "=b"),
	}
	c.await(2*time.Minute, "all to be Ready", c.unready(len(c.tenants), c.users()))
	c.awaitRenewals(1)
	for range rounds {
		c.move(byRecipe)
		c.move(byLabel)
		c.awaitRenewals(2) // by the shard to which it was moved
		of.Tried("tenant moved during renewals", each)
	}
	c.judgeLeases()
	c.rest()
	c.judgeTenants(len(c.tenants))
	c.judgeMints()
	c.judgeLogs()
	c.judgeSecrecy(c.shards...)
}

// sharded is a cluster with two operators.
type sharded struct {
	*cluster
	shards  []*localcluster.Operator
	tenants []*tenant
}

// hasUser says of every fourth tenant that it has an SfsClientUser.
func (one *tenant) hasUser() bool {
	n, err := strconv.Atoi(strings.TrimPrefix(one.name, "shop-"))
	return err == nil && n/2%4 == 0
}

func (c *sharded) users() int {
	return len(slices.DeleteFunc(slices.Clone(c.tenants), func(one *tenant) bool { return !one.hasUser() }))
}

// edit does to a tenant what `kubectl annotate` or `kubectl label` does to it and its users.
func (c *sharded) edit(one *tenant, metadata string) {
	c.t.Helper()
	objects := []client.Object{&v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: tenants, Name: one.name}}}
	if one.hasUser() {
		objects = append(objects, &v1alpha1.SfsClientUser{ObjectMeta: metav1.ObjectMeta{Namespace: tenants, Name: "of-" + one.name}})
	}
	for _, o := range objects {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":`+metadata+`}`))
		if err := c.plane.Client.Patch(c.t.Context(), o, patch); err != nil {
			c.t.Fatal(err)
		}
	}
}

// move moves all tenants that move in this way to the other shard.
func (c *sharded) move(how way) {
	c.t.Helper()
	var moving []*tenant
	for _, one := range c.tenants {
		if one.moves == how {
			moving = append(moving, one)
		}
	}
	if how == byRecipe {
		for _, one := range moving {
			c.edit(one, `{"annotations":{"sendforsign.com/paused":"true"}}`)
		}
		c.await(time.Minute, "the old shard to have ended its work", c.unsuspended(moving))
	}
	for _, one := range moving {
		// From here on, and where nothing was waited for from some time after it, the shard that it leaves has nothing to say.
		one.silent = -1
		if how == byRecipe {
			one.silent = c.logged(one.shard)
		}
		one.shard, one.moved = 1-one.shard, one.moved+1
		label := `null`
		if one.shard == 1 {
			label = `"b"`
		}
		c.edit(one, fmt.Sprintf(`{"labels":{%q:%s}}`, shardLabel, label))
		if how == byRecipe {
			c.edit(one, `{"annotations":{"sendforsign.com/paused":null}}`)
		}
	}
}

// unsuspended says who has not come to rest.
func (c *sharded) unsuspended(which []*tenant) func(context.Context) string {
	return func(ctx context.Context) string {
		if lack := c.dead(ctx); lack != "" {
			return lack
		}
		found, err := c.list(ctx)
		if err != nil {
			return err.Error()
		}
		at := map[string]resource{}
		for i := range found.clients.Items {
			at[found.clients.Items[i].Name] = &found.clients.Items[i]
		}
		for i := range found.users.Items {
			at[found.users.Items[i].Name] = &found.users.Items[i]
		}
		for _, one := range which {
			for _, name := range []string{one.name, "of-" + one.name} {
				o, there := at[name]
				if !there {
					continue // it has no user
				}
				if ready := conditions.Get(o, v1alpha1.ReadyCondition); ready == nil || ready.Reason != v1alpha1.SuspendedReason {
					return name + " is not suspended"
				}
			}
		}
		return ""
	}
}

// tokenSecrets returns the Secrets with tokens, by their SfsClient.
func (c *sharded) tokenSecrets(ctx context.Context) (map[string]corev1.Secret, error) {
	var all corev1.SecretList
	if err := c.plane.Client.List(ctx, &all, client.InNamespace(tenants)); err != nil {
		return nil, fmt.Errorf("listing Secrets: %w", err)
	}
	found := map[string]corev1.Secret{}
	for _, s := range all.Items {
		if owner := metav1.GetControllerOf(&s); owner != nil && len(s.Data[v1alpha1.KeyToken]) > 0 {
			found[owner.Name] = s
		}
	}
	return found, nil
}

// dead fails the test if a Secret holds a token that Sendforsign does not take. Each look at the cluster begins with it.
func (c *sharded) dead(ctx context.Context) string {
	secrets, err := c.tokenSecrets(ctx)
	if err != nil {
		return err.Error()
	}
	for name, s := range secrets {
		if info, known := c.sim.TokenState(string(s.Data[v1alpha1.KeyToken])); !known || !info.Alive {
			c.broken("the Secret of %s, which %s, holds a token that is dead: %+v", name, c.tenant(name).moves, info)
		}
	}
	c.campaign.Tried("look at all tokens", 1)
	return ""
}

func (c *sharded) tenant(name string) *tenant {
	return c.tenants[slices.IndexFunc(c.tenants, func(one *tenant) bool { return one.name == name })]
}

// awaitRenewals waits until each token has been renewed so often from now on.
func (c *sharded) awaitRenewals(times int64) {
	c.t.Helper()
	before, err := c.tokenSecrets(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	c.await(3*time.Minute, "all tokens to be renewed", func(ctx context.Context) string {
		if lack := c.dead(ctx); lack != "" {
			return lack
		}
		now, err := c.tokenSecrets(ctx)
		if err != nil {
			return err.Error()
		}
		for _, one := range c.tenants {
			renewed := revisionOf(now[one.name]) - revisionOf(before[one.name])
			if renewed > 0 && one.silent < 0 {
				one.silent = c.logged(1 - one.shard) // what was under way when the label changed is over
			}
			if renewed < times {
				return fmt.Sprintf("%s, which %s, was renewed %d times", one.name, one.moves, renewed)
			}
		}
		return ""
	})
}

func revisionOf(s corev1.Secret) int64 {
	n, _ := strconv.ParseInt(s.Annotations[v1alpha1.RevisionAnnotation], 10, 64)
	return n
}

// rest has both shards end all work, without ending them.
func (c *sharded) rest() {
	c.t.Helper()
	for _, one := range c.tenants {
		c.edit(one, `{"annotations":{"sendforsign.com/paused":"true"}}`)
	}
	c.await(time.Minute, "all to come to rest", c.unsuspended(c.tenants))
}

// judgeLeases fails unless each shard leads, with a lease of its own.
func (c *sharded) judgeLeases() {
	c.t.Helper()
	var leases coordinationv1.LeaseList
	if err := c.plane.Client.List(c.t.Context(), &leases, client.InNamespace(localcluster.OperatorNamespace)); err != nil {
		c.t.Fatal(err)
	}
	for _, lease := range leases.Items {
		if !strings.HasPrefix(lease.Name, "sfs-operator.sendforsign.com-") {
			c.broken("there is a lease %s", lease.Name)
		}
	}
	if len(leases.Items) != len(c.shards) {
		c.broken("there are %d leases for %d shards", len(leases.Items), len(c.shards))
	}
}

// judgeMints fails unless each token that was minted was published: a Secret counts each that it held. Of who moved by its label
// alone one may be lost each time.
func (c *sharded) judgeMints() {
	c.t.Helper()
	minted := map[string]int64{}
	for _, call := range c.sim.Calls() {
		if call.Endpoint == "token" && call.Action == "create" && call.ClientKey != "" && call.Effect {
			minted[call.ClientKey]++
		}
	}
	secrets, err := c.tokenSecrets(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	found, err := c.list(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	more := 0
	for i := range found.clients.Items {
		o := &found.clients.Items[i]
		one := c.tenant(o.Name)
		lost := minted[o.Status.ClientKey] - revisionOf(secrets[o.Name])
		if most := int64(one.moved); lost != 0 && (one.moves != byLabel || lost < 0 || lost > most) {
			c.broken("for %s, which %s, %d tokens were minted, and its Secret has held %d", one.name, one.moves, minted[o.Status.ClientKey], revisionOf(secrets[o.Name]))
		}
		more += int(lost)
	}
	c.t.Logf("%d tokens were minted beyond those that were published", more)
	c.campaign.Tried("tenant whose tokens were counted", len(c.tenants))
}

// logged is how much a shard has logged.
func (c *sharded) logged(shard int) int64 {
	c.t.Helper()
	info, err := os.Stat(c.workspace.LogPath(c.shards[shard].Name))
	if err != nil {
		c.t.Fatal(err)
	}
	return info.Size()
}

// judgeLogs fails if a shard tells of work on a tenant that it does not serve, or not any more.
func (c *sharded) judgeLogs() {
	c.t.Helper()
	for shard, o := range c.shards {
		text, err := os.ReadFile(c.workspace.LogPath(o.Name))
		if err != nil {
			c.t.Fatal(err)
		}
		spoken := map[string]int{}
		at := int64(0)
		for line := range strings.Lines(string(text)) {
			at += int64(len(line))
			var said struct{ Namespace, Name, Msg string }
			if json.Unmarshal([]byte(line), &said) != nil || said.Namespace != tenants {
				continue
			}
			name := strings.TrimPrefix(said.Name, "of-")
			spoken[name]++
			if one := c.tenant(name); one.shard != shard && (one.moved == 0 || one.silent >= 0 && at > one.silent) {
				c.broken("shard %d speaks of %s, which %s, and which it does not serve: %s", shard, said.Name, one.moves, said.Msg)
			}
		}
		for _, one := range c.tenants {
			if one.shard == shard && spoken[one.name] == 0 {
				c.broken("shard %d says nothing of %s: what is looked for is not there", shard, one.name)
			}
		}
		c.campaign.Tried("log searched for the tenants of others", 1)
	}
}
