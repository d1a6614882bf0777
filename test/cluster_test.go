// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/internal/campaign"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

const (
	tenants        = "tenants" // the namespace of all clients and users
	credentials    = "sendforsign"
	operatorPrefix = "sfs-operator-" // of the names of the processes
	// leaseDuration is short, since it is not what is tested, and long enough for a busy machine.
	leaseDuration = "--leader-election-lease-duration=5s"
)

// cluster is one control plane with the operator installed, but not started.
type cluster struct {
	t          *testing.T
	campaign   *campaign.Campaign
	plan       string
	workspace  *localcluster.Workspace
	plane      *localcluster.ControlPlane
	sim        *sfstest.Server
	kubeconfig string
	processes  atomic.Int64
}

func newCluster(t *testing.T, of *campaign.Campaign, plan string, sim *sfstest.Server) *cluster {
	t.Helper()
	c := &cluster{t: t, campaign: of, plan: plan, sim: sim}
	var err error
	if c.workspace, err = localcluster.NewWorkspace("sfs-campaign-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.workspace.Close(t.Failed()); err != nil {
			t.Log(err)
		}
	})
	if c.plane, err = localcluster.StartControlPlane(t.Context(), c.workspace, assets); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	// The operator ends with a panic if it changes what lies in its cache, which it reads without a copy in places.
	c.plane.OperatorEnv = []string{"KUBE_CACHE_MUTATION_DETECTOR=true"}
	if err := c.plane.Install(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	if c.kubeconfig, err = c.plane.OperatorKubeconfig(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func newSimulator(t *testing.T, options ...sfstest.Option) *sfstest.Server {
	t.Helper()
	sim := sfstest.New(options...)
	t.Cleanup(sim.Close)
	return sim
}

// startOperator starts one more process, which logs as much as it can.
func (c *cluster) startOperator(args ...string) (*localcluster.Operator, error) {
	name := fmt.Sprintf("%s%d", operatorPrefix, c.processes.Add(1))
	return c.plane.StartOperator(context.WithoutCancel(c.t.Context()), binary, c.kubeconfig, name, append([]string{"--log-level=debug"}, args...)...)
}

// broken records that a promise was broken.
func (c *cluster) broken(format string, args ...any) {
	c.t.Helper()
	c.campaign.Broken(c.t, c.plan, format, args...)
}

// create creates objects, and goes on while the control plane is away.
func (c *cluster) create(objects ...client.Object) {
	c.t.Helper()
	for _, o := range objects {
		c.await(3*time.Minute, "the control plane to take "+o.GetName(), func(ctx context.Context) string {
			if err := c.plane.Client.Create(ctx, o); client.IgnoreAlreadyExists(err) != nil {
				return err.Error()
			}
			return ""
		})
	}
}

// platform is what all clients belong to, with its credentials and the namespace of the clients.
func (c *cluster) platform() []client.Object {
	pair := c.sim.Credentials()
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenants}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: localcluster.OperatorNamespace, Name: credentials},
			StringData: map[string]string{v1alpha1.KeyAPIKey: pair.APIKey.Reveal(), v1alpha1.KeyAPISecret: pair.Secret.Reveal()},
		},
		&v1alpha1.SfsPlatform{
			ObjectMeta: metav1.ObjectMeta{Name: "default"},
			Spec: v1alpha1.SfsPlatformSpec{
				BaseURL: c.sim.BaseURL(), CABundle: c.sim.CABundle(), CustomKeyPrefix: "campaign",
				CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: credentials},
				AllowedNamespaces:    &v1alpha1.AllowedNamespaces{Names: []string{tenants}},
				RateLimit:            v1alpha1.RateLimit{RequestsPerSecond: 10000, Burst: 10000},
			},
		},
	}
}

func sfsClients(from, to int) []client.Object {
	var objects []client.Object
	for i := from; i < to; i++ {
		objects = append(objects, &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: tenants, Name: fmt.Sprintf("shop-%04d", i)}})
	}
	return objects
}

func sfsUser(name, of string, isDefault bool) *v1alpha1.SfsClientUser {
	return &v1alpha1.SfsClientUser{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenants, Name: name},
		Spec:       v1alpha1.SfsClientUserSpec{ClientRef: v1alpha1.ClientReference{Name: of}, Default: isDefault, FullName: name},
	}
}

// await tries until there is nothing that is missing, and fails the test with what was missing last.
func (c *cluster) await(limit time.Duration, what string, missing func(context.Context) string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), limit)
	defer cancel()
	lack := ""
	for {
		now := missing(ctx)
		if now == "" {
			return
		}
		if lack == "" || ctx.Err() == nil {
			lack = now // and not that the time is over
		}
		select {
		case <-ctx.Done():
			c.broken("after %s of waiting for %s: %s", limit, what, lack)
			c.t.FailNow()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// sfs returns all resources of the operator.
type sfs struct {
	platforms v1alpha1.SfsPlatformList
	clients   v1alpha1.SfsClientList
	users     v1alpha1.SfsClientUserList
}

func (c *cluster) list(ctx context.Context) (sfs, error) {
	var found sfs
	for _, list := range []client.ObjectList{&found.platforms, &found.clients, &found.users} {
		if err := c.plane.Client.List(ctx, list); err != nil {
			return sfs{}, fmt.Errorf("listing resources: %w", err)
		}
	}
	return found, nil
}

// unready says what is missing until so many clients and users are Ready, with no create under way and with tokens that
// Sendforsign accepts.
func (c *cluster) unready(clients, users int) func(context.Context) string {
	return func(ctx context.Context) string {
		found, err := c.list(ctx)
		if err != nil {
			return err.Error()
		}
		if len(found.clients.Items) != clients || len(found.users.Items) != users {
			return fmt.Sprintf("there are %d clients and %d users", len(found.clients.Items), len(found.users.Items))
		}
		tokens, err := c.tokens(ctx)
		if err != nil {
			return err.Error()
		}
		var lack []string
		for i := range found.clients.Items {
			o := &found.clients.Items[i]
			info, known := c.sim.TokenState(tokens[o.Name])
			switch {
			case !isReady(o):
				lack = append(lack, o.Name+" is not Ready")
			case o.Status.CreateIntent != nil:
				lack = append(lack, o.Name+" is being created")
			case !known || !info.Alive || info.ClientKey != o.Status.ClientKey:
				lack = append(lack, o.Name+" has no living token of its own")
			}
		}
		for i := range found.users.Items {
			o := &found.users.Items[i]
			switch {
			case !isReady(o):
				lack = append(lack, o.Name+" is not Ready")
			case o.Status.CreateIntent != nil:
				lack = append(lack, o.Name+" is being created")
			}
		}
		if len(lack) > 5 {
			lack = append(lack[:5], fmt.Sprintf("and %d more", len(lack)-5))
		}
		return strings.Join(lack, ", ")
	}
}

// resource is an object of this operator.
type resource interface {
	client.Object
	conditions.Setter
}

func isReady(o resource) bool {
	ready := conditions.Get(o, v1alpha1.ReadyCondition)
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == o.GetGeneration()
}

// tokens returns what the token Secrets hold, by client.
func (c *cluster) tokens(ctx context.Context) (map[string]string, error) {
	var secrets corev1.SecretList
	if err := c.plane.Client.List(ctx, &secrets, client.InNamespace(tenants)); err != nil {
		return nil, fmt.Errorf("listing Secrets: %w", err)
	}
	tokens := map[string]string{}
	for i := range secrets.Items {
		if owner := metav1.GetControllerOf(&secrets.Items[i]); owner != nil && len(secrets.Items[i].Data[v1alpha1.KeyToken]) > 0 {
			tokens[owner.Name] = string(secrets.Items[i].Data[v1alpha1.KeyToken])
		}
	}
	return tokens, nil
}

// judgeTenants fails if there is not exactly one client at Sendforsign for each resource, ever.
func (c *cluster) judgeTenants(clients int) {
	c.t.Helper()
	created := map[string]int{}
	for _, call := range c.sim.Calls() {
		if call.Endpoint == "client" && call.Action == "create" && call.Effect {
			created[call.CustomKey]++
		}
	}
	for key, n := range created {
		if n != 1 {
			c.broken("%d clients were made for %s", n, key)
		}
	}
	at := c.sim.Clients()
	if len(at) != clients || len(created) != clients {
		c.broken("Sendforsign has %d clients, of which %d have a customKey of their own, for %d resources", len(at), len(created), clients)
	}
	keys := map[string]string{}
	for _, one := range at {
		keys[one.CustomKey] = one.ClientKey
	}
	found, err := c.list(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for i := range found.clients.Items {
		if o := &found.clients.Items[i]; keys[o.Status.CustomKey] != o.Status.ClientKey {
			c.broken("%s has the clientKey %s, and Sendforsign has %s for its customKey", o.Name, o.Status.ClientKey, keys[o.Status.CustomKey])
		}
	}
}

// judgeSecrecy fails if a secret stands where others than applications may read it, or if a process has panicked.
func (c *cluster) judgeSecrecy(running ...*localcluster.Operator) {
	c.t.Helper()
	texts := map[string][]byte{}
	logs, err := filepath.Glob(c.workspace.LogPath(operatorPrefix + "*"))
	if err != nil || len(logs) == 0 {
		c.t.Fatalf("there are no logs of operators: %v", err)
	}
	for _, path := range logs {
		if texts[path], err = os.ReadFile(path); err != nil {
			c.t.Fatal(err)
		}
		if strings.Contains(string(texts[path]), "panic") {
			c.broken("there is a panic in %s", path)
		}
	}
	for _, o := range running {
		if texts["the metrics of "+o.Name], err = o.Metrics(c.t.Context()); err != nil {
			c.t.Error(err)
		}
	}
	lists := []client.ObjectList{
		&v1alpha1.SfsPlatformList{}, &v1alpha1.SfsClientList{}, &v1alpha1.SfsClientUserList{}, &eventsv1.EventList{}, &corev1.SecretList{},
	}
	for _, list := range lists {
		if err := c.plane.Client.List(c.t.Context(), list); err != nil {
			c.t.Fatal(err)
		}
		if secrets, ok := list.(*corev1.SecretList); ok {
			for i := range secrets.Items {
				secrets.Items[i].Data = nil // of Secrets all but this, with the managedFields
			}
		}
		if texts[fmt.Sprintf("a %T", list)], err = json.Marshal(list); err != nil {
			c.t.Fatal(err)
		}
	}
	for where, text := range texts {
		if localcluster.HoldsSecret(text) {
			c.broken("there is a secret in %s", where)
		}
	}
	c.campaign.Tried("text searched for secrets", len(texts))
}
