// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// The cache has the annotations of a Secret in less room. What the operator reads there must be what stands in the cluster.
func TestTheCacheHasEachAnnotationOfASecret(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.reload(c)
	for name, change := range map[string]func(annotations map[string]string){
		"as it was written":              func(map[string]string) {},
		"with others":                    func(a map[string]string) { a["example.com/note"], a["example.com/empty"] = "x", "" },
		"with an empty one":              func(a map[string]string) { a[v1alpha1.TokenScopeAnnotation] = "" },
		"with one that would be cut off": func(a map[string]string) { a[v1alpha1.OwnerNameAnnotation] = "a" + packed + "b" },
	} {
		for _, secret := range []string{"shop-sfs", "shop-sfs-token"} {
			there := w.secret(secret)
			change(there.Annotations)
			cached := asCached(there)
			if !isCondensed(cached) {
				t.Errorf("%s: %s takes its full room in the cache", name, secret)
			}
			if slices.ContainsFunc(slices.Collect(maps.Keys(cached.Annotations)), func(key string) bool {
				return there.Annotations[key] != "" && slices.Contains(packedAnnotations, key) && key != v1alpha1.OwnerNameAnnotation
			}) {
				t.Errorf("%s: the cache has the annotations of %s twice: %q", name, secret, cached.Annotations)
			}
			who, owner := refTo(c), metav1.GetControllerOf(there).UID
			have, want := seen(cached, who, owner), seen(there, who, owner)
			if !maps.Equal(have.annotations, want.annotations) || have.revision != want.revision || !have.intact() {
				t.Errorf("%s: of %s the cache says %q, the API server %q", name, secret, have.annotations, want.annotations)
			}
		}
	}
}

// A bucket of the index holds several clients. Only those with the very key are rivals.
func TestClientsOfOneBucketAreNoRivals(t *testing.T) {
	w := newWorld(t)
	w.settle()
	a, b := w.newSfsClient("a"), w.newSfsClient("b")
	w.settle()
	w.reload(a)
	w.reload(b)
	w.parts.clients.lister = oneBucket{w.cache}
	if found := havingClient(w.parts.clients.lister, a.Status.ClientKey); len(found) != 1 || found[0].Name != "a" {
		t.Errorf("found %d SfsClients, want a", len(found))
	}
	before := w.sim.Calls()
	update(w, a, func(c *v1alpha1.SfsClient) {
		c.Annotations = map[string]string{v1alpha1.RenewRequestedAtAnnotation: "now"}
	})
	w.settle()
	w.wantReady(a)
	w.wantReady(b)
	if made := len(w.sim.Calls()) - len(before); made != 1 {
		t.Errorf("%d calls, want one token", made)
	}
}

// oneBucket has all in one bucket.
type oneBucket struct{ clientLister }

func (l oneBucket) clientsBy(string, string) []*v1alpha1.SfsClient {
	all, _ := l.allClients()
	return all
}

// What an account holds is a list for half a minute, and takes no room after that.
func TestTheListOfClientsIsNotKept(t *testing.T) {
	t.Parallel()
	clk := clocktesting.NewFakePassiveClock(gateStart)
	s := &snapshot{clock: clk}
	s.write(clk.Now(), []sendforsign.Client{{ClientKey: "k", CustomKey: "c"}})
	clk.SetTime(gateStart.Add(snapshotAge - 1))
	s.expire()
	if keys, age := s.read("c"); !slices.Equal(keys, []string{"k"}) || age >= snapshotAge {
		t.Errorf("a list that may be used yet says %v, as of %s ago", keys, age)
	}
	clk.SetTime(gateStart.Add(snapshotAge))
	s.expire()
	if _, age := s.read("c"); age < snapshotAge || s.byCustomKey != nil {
		t.Errorf("a list that is too old is kept, or taken for young: %s", age)
	}
}
