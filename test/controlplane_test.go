// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/campaign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// outage is one absence of the control plane.
type outage struct {
	// how is kill, stop or freeze (kube-apiserver), or freeze-etcd.
	how string
	// mint is the number of the call for a token, after all were asked to be renewed, at which it begins.
	mint int
	// away is how long it lasts.
	away time.Duration
	// lease is long enough for the operator to live through it, or short: then it ends, and is started anew.
	lease string
}

func (o outage) String() string { return fmt.Sprintf("%s@%d+%s/%s", o.how, o.mint, o.away, o.lease) }

// parseOutage is the inverse of String, for a plan that is replayed.
func parseOutage(t *testing.T, plan string) outage {
	t.Helper()
	var o outage
	how, rest, _ := strings.Cut(plan, "@")
	mint, rest, _ := strings.Cut(rest, "+")
	away, lease, _ := strings.Cut(rest, "/")
	o.how, o.lease = how, lease
	var err error
	if o.away, err = time.ParseDuration(away); err == nil {
		_, err = fmt.Sscan(mint, &o.mint)
	}
	if err != nil {
		t.Fatalf("CAMPAIGN_PLAN: %q: %v", plan, err)
	}
	return o
}

const (
	renewable = 40 // clients that are there before the outage
	newcomers = 20 // clients that come when it begins
	// fewMints is how many tokens a client may get while none can be written: the one that was asked for, which waits to be
	// written, and one more if the process ends.
	fewMints = 2
	// soon is how long after the return of the control plane each Secret is to hold the token that was asked for. The longest
	// pause between two attempts of the operator is 30 s.
	soon = 60 * time.Second
	// settled is how long after it all is to be well. Whether a create was made, before the outage, that nobody knows the
	// outcome of, takes a minute to find out. And the watches of an operator that lives through an outage pause for up to a
	// minute, and for as long once more if they have expired.
	settled = 4 * time.Minute
)

// TestControlPlaneAway takes the control plane away while tokens are renewed and clients are made, and lets watches expire.
func TestControlPlaneAway(t *testing.T) {
	t.Parallel()
	c := campaign.Start(t, "control-plane")
	random := rand.New(rand.NewPCG(c.Seed, 1))
	draw := func(how, lease string, away time.Duration) outage {
		return outage{how: how, mint: 1 + random.IntN(renewable/2), away: away, lease: lease}
	}
	var plans []outage
	switch {
	case c.Plan != "":
		plans = append(plans, parseOutage(t, c.Plan))
	case c.Full:
		for _, how := range []string{"kill", "stop", "freeze", "freeze-etcd"} {
			for _, lease := range []string{"long", "short"} {
				for _, away := range []time.Duration{3 * time.Second, 15 * time.Second, 45 * time.Second} {
					plans = append(plans, draw(how, lease, away))
				}
			}
		}
	default:
		plans = append(plans, draw("kill", "long", 10*time.Second))
	}
	for _, o := range plans {
		t.Run(o.String(), func(t *testing.T) { controlPlaneAway(t, c, o) })
	}
}

func controlPlaneAway(t *testing.T, of *campaign.Campaign, o outage) {
	sim := newSimulator(t, sfstest.WithTokenLifetime(30*time.Minute)) // no token is due by itself
	c := newCluster(t, of, o.String(), sim)
	c.create(c.platform()...)
	c.create(sfsClients(0, renewable)...)
	lease := leaseDuration
	if o.lease == "long" {
		lease = "--leader-election-lease-duration=10m"
	}
	operators := c.deploy(1, lease)
	c.await(3*time.Minute, "all to be Ready", c.unready(renewable, 0)) // a busy machine may cost the lease, and a create its answer

	// No token is given before all have been asked for, so that all of them are wanted when the outage begins.
	asked, gone := make(chan struct{}), make(chan struct{})
	var first int
	var mints atomic.Int64
	sim.Inject(sfstest.Fault{Endpoint: "token", Action: "create", Before: func() {
		n := mints.Add(1)
		<-asked
		if n == int64(o.mint) {
			first = len(sim.Calls())
			c.takeAway(o)
			close(gone)
		}
	}})
	stale := c.revision()
	c.askForTokens(renewable)
	var load sync.WaitGroup
	load.Go(func() { c.create(sfsClients(renewable, renewable+newcomers)...) })
	close(asked)
	<-gone
	time.Sleep(o.away) // which is what the plan says, and no wait for anything
	last := len(sim.Calls())
	c.bringBack(o, stale)
	back := time.Now()
	c.judgeMints(sim.Calls()[first:last], o)

	c.await(soon, "the tokens that were asked for", c.unrenewed(renewable))
	renewed := time.Since(back)
	load.Wait()
	c.await(settled-renewed, "all to be Ready, and to say so of the tokens that were asked for", func(ctx context.Context) string {
		if lack := c.unready(renewable+newcomers, 0)(ctx); lack != "" {
			return lack
		}
		return c.unconfirmed(ctx)
	})
	t.Logf("all tokens were there %s after the return, and all was well after %s",
		renewed.Round(100*time.Millisecond), time.Since(back).Round(100*time.Millisecond))
	of.Tried("outage by "+o.how, 1)
	c.judgeTenants(renewable + newcomers)
	c.judgeSecrecy(operators.awake()...)
}

// takeAway has the control plane answer no more.
func (c *cluster) takeAway(o outage) {
	var err error
	switch o.how {
	case "kill":
		err = c.plane.APIServer.Kill()
	case "stop":
		err = c.plane.APIServer.Stop()
	case "freeze":
		err = c.plane.APIServer.Freeze()
	case "freeze-etcd":
		err = c.plane.Etcd.Freeze()
	}
	if err != nil {
		c.t.Error(err)
	}
}

// bringBack has the control plane answer again, and watches that began at the revision stale be refused.
func (c *cluster) bringBack(o outage, stale string) {
	c.t.Helper()
	var err error
	switch o.how {
	case "freeze":
		err = c.plane.APIServer.Thaw()
	case "freeze-etcd":
		err = c.plane.Etcd.Thaw()
	default:
		c.compact()
		err = c.plane.StartAPIServer(c.t.Context())
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if o.how == "freeze" || o.how == "freeze-etcd" {
		c.await(time.Minute, "the control plane", func(ctx context.Context) string {
			if _, err := c.list(ctx); err != nil {
				return err.Error()
			}
			return ""
		})
		c.compact()
		return // The watches of kube-apiserver have stayed, and so have those of the operator.
	}
	watching, err := client.NewWithWatch(c.plane.Config, client.Options{Scheme: c.plane.Client.Scheme()})
	if err != nil {
		c.t.Fatal(err)
	}
	w, err := watching.Watch(c.t.Context(), &v1alpha1.SfsClientList{}, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: stale}})
	if err == nil {
		event := <-w.ResultChan()
		w.Stop()
		err = apierrors.FromObject(event.Object)
	}
	if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
		c.t.Errorf("a watch from before the outage has not expired: %v", err)
	}
}

// revision is that of etcd, which is the resourceVersion of a list.
func (c *cluster) revision() string {
	c.t.Helper()
	var found v1alpha1.SfsClientList
	if err := c.plane.Client.List(c.t.Context(), &found); err != nil {
		c.t.Fatal(err)
	}
	return found.ResourceVersion
}

// compact has etcd forget all but the present.
func (c *cluster) compact() {
	c.t.Helper()
	var state struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	c.askEtcd("/v3/kv/range", map[string]any{"key": "AA==", "count_only": true}, &state)
	c.askEtcd("/v3/kv/compaction", map[string]any{"revision": state.Header.Revision, "physical": true}, &struct{}{})
	c.campaign.Tried("compaction", 1)
}

// askEtcd makes a request to the JSON gateway of etcd.
func (c *cluster) askEtcd(path string, question, answer any) {
	c.t.Helper()
	body, err := json.Marshal(question)
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := http.Post(c.plane.EtcdURL+path, "application/json", bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		c.t.Fatalf("etcd answers %s to %s", response.Status, path)
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		c.t.Fatal(err)
	}
}

// renewalRequest is what stands in the annotation of each client that was asked to get a new token.
const renewalRequest = "now"

// askForTokens asks for a new token of each client.
func (c *cluster) askForTokens(n int) {
	c.t.Helper()
	patch := client.RawPatch("application/merge-patch+json",
		fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.RenewRequestedAtAnnotation, renewalRequest))
	for _, o := range sfsClients(0, n) {
		if err := c.plane.Client.Patch(c.t.Context(), o, patch); err != nil {
			c.t.Fatal(err)
		}
	}
}

// unrenewed says what is missing until so many Secrets hold the token that was asked for.
func (c *cluster) unrenewed(n int) func(context.Context) string {
	return func(ctx context.Context) string {
		var secrets corev1.SecretList
		if err := c.plane.Client.List(ctx, &secrets, client.InNamespace(tenants)); err != nil {
			return err.Error()
		}
		renewed := 0
		for i := range secrets.Items {
			if secrets.Items[i].Annotations[v1alpha1.RenewHandledAnnotation] == renewalRequest {
				renewed++
			}
		}
		if renewed < n {
			return fmt.Sprintf("%d of %d tokens are there", renewed, n)
		}
		return ""
	}
}

// unconfirmed names a client whose status does not tell of the token that was asked for.
func (c *cluster) unconfirmed(ctx context.Context) string {
	found, err := c.list(ctx)
	if err != nil {
		return err.Error()
	}
	for i := range found.clients.Items {
		o := &found.clients.Items[i]
		if asked := o.Annotations[v1alpha1.RenewRequestedAtAnnotation]; asked != o.Status.LastHandledRenewAt {
			return o.Name + " does not tell of the token that was asked for"
		}
	}
	return ""
}

// judgeMints fails if tokens were minted over and over that could not be written.
func (c *cluster) judgeMints(calls []sfstest.Call, o outage) {
	c.t.Helper()
	minted := map[string]int{}
	most := 0
	for _, call := range calls {
		if call.Endpoint == "token" && call.Action == "create" && call.ClientKey != "" && call.Effect {
			minted[call.ClientKey]++
			most = max(most, minted[call.ClientKey])
		}
	}
	for key, n := range minted {
		if n > fewMints {
			c.broken("%d tokens were minted for %s in an outage of %s", n, key, o.away)
		}
	}
	if len(minted) == 0 {
		c.t.Error("no token was minted in the outage, so nothing has been shown")
	}
	c.t.Logf("%d clients were given up to %d tokens in the outage", len(minted), most)
}
