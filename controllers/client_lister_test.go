// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"
	"testing"

	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// A hundred thousand copies of a kilobyte, at each look, would not fit beside what is in the cache.
func TestSfsClientsAreListedAsTheyAreInTheCache(t *testing.T) {
	indexers := func() toolscache.Indexers { // as each cache has them
		return toolscache.Indexers{toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc}
	}
	c := &Cache{}
	held := map[string]*v1alpha1.SfsClient{}
	for _, namespace := range []string{"east", "west"} { // each has a store of its own where namespaces are watched
		store := c.newInformer(nil, &v1alpha1.SfsClient{}, 0, indexers()).GetIndexer()
		for _, platform := range []string{"live", "test"} {
			o := &v1alpha1.SfsClient{}
			o.Namespace, o.Name, o.Spec.PlatformRef.Name = namespace, platform, platform
			if namespace == "west" && platform == "test" {
				o.Spec.CustomKey = "old-1"
			}
			if err := store.Add(o); err != nil {
				t.Fatal(err)
			}
			held[namespace+"/"+platform] = o
		}
	}
	users := c.newInformer(nil, &v1alpha1.SfsClientUser{}, 0, indexers()).GetIndexer()
	if err := users.Add(&v1alpha1.SfsClientUser{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.allClients(); err == nil {
		t.Error("a cache that is not filled lists all SfsClients")
	}
	for _, asked := range []struct {
		index, value string
		want         []string
	}{
		{platformIndex, "live", []string{"east/live", "west/live"}},
		{platformIndex, "other", nil},
		{namingIndex, naming, []string{"west/test"}},
		{toolscache.NamespaceIndex, "east", []string{"east/live", "east/test"}},
	} {
		var got []string
		for _, o := range c.clientsBy(asked.index, asked.value) {
			name := o.Namespace + "/" + o.Name
			if o != held[name] {
				t.Errorf("%s is a copy", name)
			}
			got = append(got, name)
		}
		if slices.Sort(got); !slices.Equal(got, asked.want) {
			t.Errorf("by %s %s: got %v, want %v", asked.index, asked.value, got, asked.want)
		}
	}
}

func TestAManagerWithAnotherCacheIsToldSo(t *testing.T) {
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := Setup(t.Context(), mgr, Options{Namespace: "default"}); err == nil || !strings.Contains(err.Error(), "controllers.NewCache") {
		t.Errorf("got the error %v, want one that names controllers.NewCache", err)
	}
}
