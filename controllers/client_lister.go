// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// clientLister lists SfsClients, of which there may be a hundred thousand, as they are in the cache: they MUST NOT be changed.
// A client.Reader puts a copy of each in a list, which takes a kilobyte for each also where nothing in it is copied.
type clientLister interface {
	allClients() []*v1alpha1.SfsClient
	// clientsOf returns those of a platform.
	clientsOf(platform string) []*v1alpha1.SfsClient
}

// Cache is the cache of a manager, made by NewCache.
type Cache struct {
	cache.Cache

	mu      sync.Mutex
	clients []toolscache.Indexer // of the SfsClients: one, or one for each watched namespace
}

// NewCache is for ctrl.Options. The cache holds of Secrets only those of the operator and those in its own namespace (where
// the credentials are), and of those only digests of the values. Where namespaces are named, nothing is asked for outside of
// them but what has no namespace.
func NewCache(platformNamespace string, watched ...string) cache.NewCacheFunc {
	return func(config *rest.Config, o cache.Options) (_ cache.Cache, err error) {
		limits := cacheLimits(platformNamespace, watched...)
		o.DefaultTransform, o.DefaultNamespaces, o.ByObject = limits.DefaultTransform, limits.DefaultNamespaces, limits.ByObject
		c := &Cache{}
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

// newInformer makes an informer as any cache does, and remembers where it keeps SfsClients.
func (c *Cache) newInformer(
	from toolscache.ListerWatcher, of runtime.Object, resync time.Duration, indexers toolscache.Indexers,
) toolscache.SharedIndexInformer {
	_, ofClients := of.(*v1alpha1.SfsClient)
	if ofClients {
		indexers[platformIndex] = platformOf
	}
	informer := toolscache.NewSharedIndexInformer(from, of, resync, indexers)
	if ofClients {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.clients = append(c.clients, informer.GetIndexer())
	}
	return informer
}

// platformIndex is that of the SfsClients by their platform.
const platformIndex = "platform"

func platformOf(o any) ([]string, error) {
	return []string{o.(*v1alpha1.SfsClient).Spec.PlatformRef.Name}, nil
}

func (c *Cache) allClients() []*v1alpha1.SfsClient {
	return c.listed(func(in toolscache.Indexer) []any { return in.List() })
}

func (c *Cache) clientsOf(platform string) []*v1alpha1.SfsClient {
	return c.listed(func(in toolscache.Indexer) []any {
		found, err := in.ByIndex(platformIndex, platform)
		if err != nil {
			panic(err) // there is no such index
		}
		return found
	})
}

func (c *Cache) listed(list func(toolscache.Indexer) []any) []*v1alpha1.SfsClient {
	c.mu.Lock()
	stores := c.clients
	c.mu.Unlock()
	var all []*v1alpha1.SfsClient
	for _, in := range stores {
		for _, o := range list(in) {
			all = append(all, o.(*v1alpha1.SfsClient))
		}
	}
	return all
}
