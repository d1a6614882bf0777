// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// clientLister lists SfsClients, of which there may be a hundred thousand, as they are in the cache: they MUST NOT be changed, but
// the lists may.
// A client.Reader puts a copy of each in a list, which takes a kilobyte for each also where nothing in it is copied.
type clientLister interface {
	// allClients fails while the cache is not filled.
	allClients() ([]*v1alpha1.SfsClient, error)
	// clientsBy returns those that have a value in one of the clientIndexes, or in toolscache.NamespaceIndex. Controllers ask:
	// they begin when the cache is filled.
	clientsBy(index, value string) []*v1alpha1.SfsClient
}

// clientIndexes are those of the clientLister.
var clientIndexes = toolscache.Indexers{
	platformIndex: func(o any) ([]string, error) { return []string{o.(*v1alpha1.SfsClient).Spec.PlatformRef.Name}, nil },
	namingIndex: func(o any) ([]string, error) {
		if o.(*v1alpha1.SfsClient).NamesItsClient() {
			return []string{naming}, nil
		}
		return nil, nil
	},
	bucketIndex: func(o any) ([]string, error) {
		if key := o.(*v1alpha1.SfsClient).Status.ClientKey; key != "" {
			return []string{bucketOf(key)}, nil
		}
		return nil, nil
	},
}

const (
	platformIndex = "platform" // by the name of the SfsPlatform
	namingIndex   = "naming"   // naming for those that name their client
	naming        = "true"
	bucketIndex   = "bucket" // by bucketOf the clientKey
)

// bucketOf is what the cache has in its index for a clientKey: a place for each would take more room than any other part of an
// SfsClient but itself.
func bucketOf(clientKey string) string {
	const buckets = 1 << 11
	h := fnv.New32a()
	_, _ = h.Write([]byte(clientKey))
	return strconv.Itoa(int(h.Sum32() % buckets))
}

// havingClient returns the SfsClients that the cache shows to have a client.
func havingClient(l clientLister, clientKey string) []*v1alpha1.SfsClient {
	return slices.DeleteFunc(l.clientsBy(bucketIndex, bucketOf(clientKey)), func(c *v1alpha1.SfsClient) bool {
		return c.Status.ClientKey != clientKey
	})
}

// Cache is the cache of a manager, made by NewCache.
type Cache struct {
	cache.Cache

	mu      sync.Mutex
	clients []toolscache.SharedIndexInformer // of SfsClients: one, or one for each watched namespace
}

// NewCache is for ctrl.Options. The cache holds of Secrets only those of the operator and those in its own namespace (where
// the credentials are), and of those only digests of the values. Where namespaces are named, nothing is asked for outside of
// them but what has no namespace.
func NewCache(platformNamespace string, watched ...string) cache.NewCacheFunc {
	return func(config *rest.Config, o cache.Options) (_ cache.Cache, err error) {
		c := &Cache{}
		limit(&o, platformNamespace, watched...)
		o.NewInformer = c.newInformer
		c.Cache, err = cache.New(config, o)
		return c, err
	}
}

// CacheOf returns the cache of a manager that was given NewCache.
func CacheOf(mgr ctrl.Manager) (*Cache, error) {
	c, ok := mgr.GetCache().(*Cache)
	if !ok {
		return nil, errors.New("the manager has a cache of another kind: set NewCache in its options to controllers.NewCache")
	}
	return c, nil
}

// newInformer makes an informer as any cache does, and remembers those of SfsClients.
func (c *Cache) newInformer(
	from toolscache.ListerWatcher, of runtime.Object, resync time.Duration, indexers toolscache.Indexers,
) toolscache.SharedIndexInformer {
	switch of.(type) {
	case *v1alpha1.SfsClient:
		maps.Copy(indexers, clientIndexes)
	case *corev1.Secret:
		// Nobody asks for those of a namespace. It would take 40 bytes for each, and 300 where each has a namespace of its own.
		delete(indexers, toolscache.NamespaceIndex)
	}
	informer := toolscache.NewSharedIndexInformer(from, of, resync, indexers)
	if _, ofClients := of.(*v1alpha1.SfsClient); ofClients {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.clients = append(c.clients, informer)
	}
	return informer
}

func (c *Cache) informers() []toolscache.SharedIndexInformer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clients
}

func (c *Cache) allClients() ([]*v1alpha1.SfsClient, error) {
	var all []*v1alpha1.SfsClient
	for _, informer := range c.informers() {
		if !informer.HasSynced() {
			return nil, errors.New("the cache of the SfsClients is not filled yet")
		}
		all = appendClients(all, informer.GetIndexer().List())
	}
	return all, nil
}

func (c *Cache) clientsBy(index, value string) []*v1alpha1.SfsClient {
	var all []*v1alpha1.SfsClient
	for _, informer := range c.informers() {
		found, err := informer.GetIndexer().ByIndex(index, value)
		if err != nil {
			panic(err) // there is no such index
		}
		all = appendClients(all, found)
	}
	return all
}

func appendClients(all []*v1alpha1.SfsClient, found []any) []*v1alpha1.SfsClient {
	all = slices.Grow(all, len(found))
	for _, o := range found {
		all = append(all, o.(*v1alpha1.SfsClient))
	}
	return all
}
