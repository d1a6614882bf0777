// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// An operator for some namespaces has no right to list in others, or in all at once. To it there is nothing in the others.

// watchingReader reads lists from the watched namespaces only.
type watchingReader struct {
	client.Reader
	namespaces []string
}

func (r watchingReader) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return listWatched(ctx, r.Reader, r.namespaces, list, options)
}

// watchingClient is the same for a client. A cache for some namespaces refuses to list in another one.
type watchingClient struct {
	client.Client
	namespaces []string
}

func (c watchingClient) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return listWatched(ctx, c.Client, c.namespaces, list, options)
}

func listWatched(ctx context.Context, r client.Reader, namespaces []string, list client.ObjectList, options []client.ListOption) error {
	if _, ofCluster := list.(*v1alpha1.SfsPlatformList); ofCluster {
		return r.List(ctx, list, options...)
	}
	var asked client.ListOptions
	asked.ApplyOptions(options)
	if asked.Namespace != "" {
		if !slices.Contains(namespaces, asked.Namespace) {
			return nil
		}
		return r.List(ctx, list, options...)
	}
	var all []runtime.Object
	for _, namespace := range namespaces {
		part := list.DeepCopyObject().(client.ObjectList)
		if err := r.List(ctx, part, append(slices.Clone(options), client.InNamespace(namespace))...); err != nil {
			return err
		}
		items, err := meta.ExtractList(part)
		if err != nil {
			return err
		}
		all = append(all, items...)
	}
	return meta.SetList(list, all)
}
