// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// Kinds beside those of this operator.
const (
	secretKind    = "Secret"
	namespaceName = "Namespace"
)

// watchedKinds are the kinds that the operator has a cache of, and how an object of each is read. They are delivered in
// this order.
var watchedKinds = []struct {
	name string
	make func() client.Object
}{
	{namespaceName, func() client.Object { return namespaceMetadata() }},
	{secretKind, func() client.Object { return &corev1.Secret{} }},
	{platformKind, func() client.Object { return &v1alpha1.SfsPlatform{} }},
	{clientKind, func() client.Object { return &v1alpha1.SfsClient{} }},
	{userKind, func() client.Object { return &v1alpha1.SfsClientUser{} }},
	{oauthKind, func() client.Object { return &v1alpha1.OAuthToken{} }},
}

// kindOf names the kind of an object or of a list.
func kindOf(o runtime.Object) string {
	gvk, err := apiutil.GVKForObject(o, scheme)
	if err != nil {
		return ""
	}
	return gvk.Kind
}

func refTo(o client.Object) ref {
	return ref{kind: kindOf(o), namespace: o.GetNamespace(), name: o.GetName()}
}

// informerCache stands for the cache of the manager. It holds what the world has delivered, under the rules of NewCache
// and with the indexes of addIndexes.
type informerCache struct {
	objects map[ref]client.Object
	lent    map[ref]client.Object         // those of them that were read without a copy, as they were then
	indexes map[string]client.IndexerFunc // by kind and field
	rules   map[string]cache.ByObject
}

func newInformerCache(platformNamespace string) *informerCache {
	c := &informerCache{
		objects: map[ref]client.Object{}, lent: map[ref]client.Object{}, indexes: map[string]client.IndexerFunc{}, rules: map[string]cache.ByObject{},
	}
	var options cache.Options
	limit(&options, platformNamespace)
	for _, k := range watchedKinds {
		c.rules[k.name] = cache.ByObject{Transform: options.DefaultTransform}
	}
	for o, rule := range options.ByObject {
		rule.Transform = orElse(rule.Transform, options.DefaultTransform)
		c.rules[kindOf(o)] = rule
	}
	_ = addIndexes(context.Background(), c) // IndexField below does not fail
	return c
}

// orElse is for functions, which cmp.Or can not compare.
func orElse[F any](f, otherwise F) F {
	if reflect.ValueOf(f).IsNil() {
		return otherwise
	}
	return f
}

// IndexField makes the cache a client.FieldIndexer.
func (c *informerCache) IndexField(_ context.Context, o client.Object, field string, values client.IndexerFunc) error {
	c.indexes[kindOf(o)+" "+field] = values
	return nil
}

// admits says whether the watch of a kind shows an object.
func (c *informerCache) admits(r ref, o client.Object) bool {
	namespaces := c.rules[r.kind].Namespaces
	if namespaces == nil {
		return true
	}
	config, ok := namespaces[r.namespace]
	if !ok {
		config, ok = namespaces[cache.AllNamespaces]
	}
	return ok && (config.LabelSelector == nil || config.LabelSelector.Matches(labels.Set(o.GetLabels())))
}

// delivery is what a watch tells of one object: before is nil where it is new, and after where it is gone.
type delivery struct {
	ref           ref
	before, after client.Object
}

func (d delivery) String() string {
	switch {
	case d.before == nil:
		return "create " + d.ref.kind
	case d.after == nil:
		return "delete " + d.ref.kind
	}
	return "update " + d.ref.kind
}

// behind lists what the cache does not show yet of what there is. An object that was replaced is gone and then new.
func (c *informerCache) behind(there map[ref]client.Object) []delivery {
	differs := map[ref]client.Object{} // by far not all of them, which are many to put in order
	for r, o := range there {
		if before := c.objects[r]; before == nil || before.GetUID() != o.GetUID() || before.GetResourceVersion() != o.GetResourceVersion() {
			differs[r] = o
		}
	}
	for r := range c.objects {
		if there[r] == nil {
			differs[r] = nil
		}
	}
	var all []delivery
	for _, r := range sortedRefs(differs, nil) {
		before, now := c.objects[r], differs[r]
		if now != nil && !c.admits(r, now) {
			now = nil
		}
		switch {
		case before == nil && now == nil:
			continue
		case before != nil && now != nil && before.GetUID() != now.GetUID():
			all = append(all, delivery{ref: r, before: before})
			before = nil
		}
		if now != nil {
			now = c.transformed(r, now)
		}
		all = append(all, delivery{ref: r, before: before, after: now})
	}
	return all
}

func (c *informerCache) transformed(r ref, o client.Object) client.Object {
	shown, err := c.rules[r.kind].Transform(o.DeepCopyObject())
	if err != nil {
		panic(err)
	}
	return shown.(client.Object)
}

// sortedRefs returns the keys of both in the order in which they are delivered.
func sortedRefs(a, b map[ref]client.Object) []ref {
	all := maps.Clone(a)
	maps.Copy(all, b)
	rank := func(r ref) int {
		return slices.IndexFunc(watchedKinds, func(k struct {
			name string
			make func() client.Object
		}) bool {
			return k.name == r.kind
		})
	}
	return slices.SortedFunc(maps.Keys(all), func(x, y ref) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x.namespace, y.namespace), cmp.Compare(x.name, y.name))
	})
}

func (c *informerCache) show(d delivery) {
	if err := c.intact(d.ref); err != nil {
		panic(err)
	}
	delete(c.lent, d.ref)
	if d.after == nil {
		delete(c.objects, d.ref)
		return
	}
	c.objects[d.ref] = d.after
}

// lend returns an object of the cache, or, as the manager does, a copy of it unless that is not wanted.
func (c *informerCache) lend(r ref, itself *bool) client.Object {
	o := c.objects[r]
	if itself == nil || !*itself {
		return o.DeepCopyObject().(client.Object)
	}
	if c.lent[r] == nil {
		c.lent[r] = o.DeepCopyObject().(client.Object)
	}
	return o
}

// intact says of an object that was lent whether nobody has changed it, which all who read the cache would see.
func (c *informerCache) intact(r ref) error {
	if was := c.lent[r]; was != nil && !equality.Semantic.DeepEqual(was, c.objects[r]) {
		return fmt.Errorf("%v was changed in the cache: it was %+v and is %+v", r, was, c.objects[r])
	}
	return nil
}

// holds says whether reads of this kind are served here.
func (c *informerCache) holds(kind string) bool { _, ok := c.rules[kind]; return ok }

func (c *informerCache) Get(_ context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	var options client.GetOptions
	options.ApplyOptions(opts)
	r := ref{kind: kindOf(o), namespace: key.Namespace, name: key.Name}
	if c.objects[r] == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: kindOf(o)}, key.Name)
	}
	reflect.ValueOf(o).Elem().Set(reflect.ValueOf(c.lend(r, options.UnsafeDisableDeepCopy)).Elem())
	return nil
}

func (c *informerCache) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	var options client.ListOptions
	options.ApplyOptions(opts)
	kind := kindOf(list)
	kind = kind[:len(kind)-len("List")]
	ofKind := maps.Clone(c.objects)
	maps.DeleteFunc(ofKind, func(r ref, _ client.Object) bool { return r.kind != kind })
	var found []runtime.Object
	for _, r := range sortedRefs(ofKind, nil) {
		o := c.objects[r]
		if options.Namespace != "" && r.namespace != options.Namespace ||
			options.LabelSelector != nil && !options.LabelSelector.Matches(labels.Set(o.GetLabels())) {
			continue
		}
		fits, err := c.fits(kind, o, options.FieldSelector)
		if err != nil {
			return err
		}
		if fits {
			found = append(found, c.lend(r, options.UnsafeDisableDeepCopy))
		}
	}
	return meta.SetList(list, found)
}

func (c *informerCache) allClients() ([]*v1alpha1.SfsClient, error) {
	return c.clientsWhere(func(client.Object) bool { return true }), nil
}

func (c *informerCache) clientsBy(index, value string) []*v1alpha1.SfsClient {
	return c.clientsWhere(func(o client.Object) bool {
		if index == toolscache.NamespaceIndex {
			return o.GetNamespace() == value
		}
		values, err := clientIndexes[index](o)
		return err == nil && slices.Contains(values, value)
	})
}

func (c *informerCache) clientsWhere(fits func(client.Object) bool) []*v1alpha1.SfsClient {
	var all []*v1alpha1.SfsClient
	for r, o := range c.objects {
		if r.kind == clientKind && fits(o) {
			all = append(all, c.lend(r, ptr.To(true)).(*v1alpha1.SfsClient))
		}
	}
	return all
}

// fits answers a question to the indexes. As the manager's cache it knows only those that were added.
func (c *informerCache) fits(kind string, o client.Object, selector fields.Selector) (bool, error) {
	if selector == nil {
		return true, nil
	}
	for _, r := range selector.Requirements() {
		values, ok := c.indexes[kind+" "+r.Field]
		if !ok {
			return false, fmt.Errorf("there is no index of %s by %s", kind, r.Field)
		}
		if !slices.Contains(values(o), r.Value) {
			return false, nil
		}
	}
	return true, nil
}

// cachingClient is the client of the manager: it reads the cache, and writes to the API server.
type cachingClient struct {
	client.Client
	cache *informerCache
}

func (c cachingClient) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if c.cache.holds(kindOf(o)) {
		return c.cache.Get(ctx, key, o, opts...)
	}
	return c.Client.Get(ctx, key, o, opts...)
}

func (c cachingClient) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if kind := kindOf(list); len(kind) > len("List") && c.cache.holds(kind[:len(kind)-len("List")]) {
		return c.cache.List(ctx, list, opts...)
	}
	return c.Client.List(ctx, list, opts...)
}

// woken returns what a controller looks at after a delivery: it is led through the predicate and the function of each entry
// of its table, as the manager does.
func woken(ctx context.Context, w watcher, d delivery) []ref {
	table := w.watches()
	own := kindOf(table[0].object)
	var all []ref
	for _, entry := range table {
		if kindOf(entry.object) != d.ref.kind || !passes(entry.changes, d) {
			continue
		}
		for _, o := range []client.Object{d.before, d.after} {
			all = append(all, requested(ctx, entry.requests, own, o)...)
		}
	}
	return all
}

func passes(p predicate.Predicate, d delivery) bool {
	switch {
	case d.before == nil:
		return p.Create(event.CreateEvent{Object: d.after})
	case d.after == nil:
		return p.Delete(event.DeleteEvent{Object: d.before})
	}
	return p.Update(event.UpdateEvent{ObjectOld: d.before, ObjectNew: d.after})
}

func requested(ctx context.Context, requests handler.MapFunc, own string, o client.Object) []ref {
	if o == nil {
		return nil
	}
	var all []ref
	for _, r := range requests(ctx, o) {
		all = append(all, ref{kind: own, namespace: r.Namespace, name: r.Name})
	}
	return all
}

var _ client.FieldIndexer = (*informerCache)(nil)
