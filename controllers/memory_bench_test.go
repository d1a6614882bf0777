// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
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
	transform := toolscache.TransformFunc(trim)
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
			makeAnother(one, i)
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

// makeAnother gives a copy what no two objects have alike.
func makeAnother(o client.Object, number int) {
	id := fmt.Sprintf("00000000-0000-0000-0000-%012d", number)
	o.SetName(fmt.Sprintf("%06d-%s", number, o.GetName())) // that of a Secret ends as its default has it
	o.SetUID(types.UID(id))
	switch o := o.(type) {
	case *v1alpha1.SfsClient:
		o.Status.ClientKey = id
	case *v1alpha1.SfsClientUser:
		o.Status.UserKey = id
	case *corev1.Secret:
		o.Labels[v1alpha1.OwnerLabel] = id
		o.OwnerReferences[0].UID, o.OwnerReferences[0].Name = types.UID(id), fmt.Sprintf("%06d-%s", number, o.OwnerReferences[0].Name)
	}
}

// BenchmarkMemories says how much of the heap this process keeps of a tenant beside the cache: what it knows of the two Secrets
// that it wrote, and the token that it minted last.
func BenchmarkMemories(b *testing.B) {
	const tenants = 10_000
	for b.Loop() {
		before := heapInUse()
		secrets, tokens := &Secrets{known: knownSecrets{}}, keptTokens{newMemory[keptToken]()}
		for i := range tenants {
			who := ref{kind: clientKind, namespace: "tenants", name: fmt.Sprintf("shop-%06d", i)}
			hash := contentHash(nil, []string{who.name})
			for _, suffix := range []string{v1alpha1.SecretSuffix, v1alpha1.TokenSecretSuffix} {
				secrets.remember(who, who.name+suffix, func(k *knownSecret) { k.hash, k.form = strings.Clone(hash), shared(form{}.digest()) })
			}
			tokens.put(who, keptToken{mintedToken: mintedToken{
				value: sendforsign.Secret(strings.Repeat("t", 600)), of: contentHash(nil, []string{hash}),
			}, published: true})
		}
		b.ReportMetric(float64(heapInUse()-before)/tenants, "B/tenant")
		runtime.KeepAlive(secrets)
		runtime.KeepAlive(tokens)
	}
}

// indexersOf are the indexes of a kind as the cache keeps them: that of the clientLister, and those of controller-runtime, which
// has each value once with its namespace and once for all namespaces.
func indexersOf(o client.Object) toolscache.Indexers {
	indexers := toolscache.Indexers{toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc}
	switch kindOf(o) {
	case clientKind:
		maps.Copy(indexers, clientIndexes)
	case secretKind:
		delete(indexers, toolscache.NamespaceIndex)
	}
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
