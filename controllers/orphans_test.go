// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// orphans are what the status of the platform tells of them.
func (w *world) orphans() (count int, customKeys []string) {
	w.t.Helper()
	platform := w.sfsPlatform()
	w.reload(platform)
	told := platform.Status.Orphans
	if told == nil {
		w.t.Fatal("the status tells nothing of orphans")
	}
	for _, o := range told.Clients {
		customKeys = append(customKeys, o.CustomKey)
	}
	return int(*told.Count), customKeys
}

func TestWhatIsLeftAtSFSIsAnOrphan(t *testing.T) {
	w := newWorld(t)
	shop, bank := w.newSfsClient("shop"), w.newSfsClient("bank")
	retired := w.newSfsClient("retired", func(c *v1alpha1.SfsClient) { c.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetire })
	idle := w.newSfsClient("idle")
	w.settle()
	w.reload(shop)
	// By hand, in no form that an SfsClient would find again, or of somebody else.
	for _, key := range []string{"acme/odd", "acme/" + w.namespace + "/Odd!", "acme/a/b/c", "other/" + w.namespace + "/shop", ""} {
		w.atSFS(sendforsign.ClientFields{FullName: "Somebody", CustomKey: key})
	}
	update(w, idle, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
	w.delete(shop)
	w.delete(retired)
	w.run(11 * time.Minute)
	if n, keys := w.orphans(); n != 1 || !slices.Equal(keys, []string{"acme/" + w.namespace + "/shop"}) {
		t.Errorf("%d orphans: %q, want the deleted client alone", n, keys)
	}

	again := w.newSfsClient("shop")
	w.run(11 * time.Minute)
	if w.reload(again); again.Status.ClientKey != shop.Status.ClientKey {
		t.Errorf("the client is %s, was %s", again.Status.ClientKey, shop.Status.ClientKey)
	}
	if n, _ := w.orphans(); n != 0 {
		t.Errorf("%d orphans after the resource is back, want none", n)
	}

	// Also of a platform that has nothing left.
	for _, c := range []*v1alpha1.SfsClient{again, bank, idle} {
		w.delete(c)
	}
	w.run(11 * time.Minute)
	if n, _ := w.orphans(); n != 3 {
		t.Errorf("%d orphans after all are deleted, want 3", n)
	}
}

func TestManyOrphansAreCountedAndSomeNamed(t *testing.T) {
	w := newWorld(t)
	w.settle()
	for i := range 130 {
		w.atSFS(sendforsign.ClientFields{CustomKey: fmt.Sprintf("acme/%s/shop-%03d", w.namespace, 129-i)})
	}
	w.run(11 * time.Minute)
	n, keys := w.orphans()
	if n != 130 || len(keys) != mostOrphans || !strings.HasSuffix(keys[0], "/shop-000") || !slices.IsSorted(keys) {
		t.Errorf("%d orphans of which %d are named: %q", n, len(keys), keys)
	}
}

func TestAnOrphanThatIsListedTwiceIsOne(t *testing.T) {
	w := newWorld(t)
	w.settle()
	entry := func(clientKey, name string) string {
		return fmt.Sprintf(`{"clientKey":%q,"customKey":"acme/%s/%s"}`, clientKey, w.namespace, name)
	}
	body := fmt.Sprintf(`{"clients":[%s,%s,%s]}`, entry("twice", "twice"), entry("twice", "twice"),
		entry("good", strings.Repeat("n", 254)))
	w.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "list", Status: 200, Body: body})
	w.run(11 * time.Minute)
	if n, keys := w.orphans(); n != 1 || len(keys) != 1 || !strings.HasSuffix(keys[0], "/twice") {
		t.Errorf("%d orphans: %q", n, keys)
	}
}
