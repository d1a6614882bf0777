// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// BenchmarkCachedObjects says how much of the heap each object takes in the cache of the operator, with its places in the
// indexes: as B/object, of which a tenant has three.
func BenchmarkCachedObjects(b *testing.B) {
	w := newWorld(b)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.FullName, c.Spec.Email, c.Spec.Organization = "Ada Shop", "ada@shop.example", "Shop Ltd"
	})
	u := w.newSfsClientUser("jane", "shop")
	w.settle()
	w.reload(c)
	w.reload(u)
	for name, o := range map[string]client.Object{
		"SfsClient": c, "SfsClientUser": u, "Secret of identifiers": w.secret("shop-sfs"), "Secret of a token": w.secret("shop-sfs-token"),
	} {
		b.Run(name, func(b *testing.B) { measureCached(b, o) })
	}
}

func measureCached(b *testing.B, o client.Object) {
	b.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		b.Fatal(err)
	}
	const copies = 10_000
	transform := CacheOptions("operator").DefaultTransform
	if _, isSecret := o.(*corev1.Secret); isSecret {
		transform = digestSecret
	}
	for b.Loop() {
		before := heapInUse()
		store := toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, indexersOf(o))
		for i := range copies {
			one := newObject(kindOf(o))
			if err := json.Unmarshal(raw, one); err != nil {
				b.Fatal(err)
			}
			one.SetName(fmt.Sprintf("%s-%06d", o.GetName(), i))
			one.SetUID(types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", i)))
			cached, err := transform(one)
			if err != nil {
				b.Fatal(err)
			}
			if err := store.Add(cached); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heapInUse()-before)/copies, "B/object")
		runtime.KeepAlive(store)
	}
}

// indexersOf are the indexes of a kind as the cache of controller-runtime keeps them: each value once with its namespace and
// once for all namespaces.
func indexersOf(o client.Object) toolscache.Indexers {
	indexers := toolscache.Indexers{toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc}
	for name, values := range newInformerCache("operator").indexes {
		kind, field, _ := strings.Cut(name, " ")
		if kind != kindOf(o) {
			continue
		}
		indexers["field:"+field] = func(one any) ([]string, error) {
			var keys []string
			for _, value := range values(one.(client.Object)) {
				keys = append(keys, "__all_namespaces/"+value, one.(client.Object).GetNamespace()+"/"+value)
			}
			return keys, nil
		}
	}
	return indexers
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
