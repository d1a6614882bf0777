// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// platformFor returns the SfsPlatform for a namespace, if there is one of that name and it serves the namespace. One that
// does not serve it is returned together with the problem. It belongs to the cache, and MUST NOT be changed.
func platformFor(ctx context.Context, c client.Reader, namespace, name string) (*v1alpha1.SfsPlatform, error) {
	var platform v1alpha1.SfsPlatform
	if err := c.Get(ctx, types.NamespacedName{Name: name}, &platform, client.UnsafeDisableDeepCopy); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, &problem{
				reason:  v1alpha1.PlatformNotFoundReason,
				message: fmt.Sprintf("there is no SfsPlatform %s", name),
				pace:    waits,
			}
		}
		return nil, fmt.Errorf("reading SfsPlatform %s: %w", name, err)
	}
	allowed, err := allows(ctx, c, platform.Spec.AllowedNamespaces, namespace)
	if err != nil {
		return nil, err
	}
	if !allowed {
		return &platform, &problem{
			reason:  v1alpha1.NamespaceNotAllowedReason,
			message: fmt.Sprintf("SfsPlatform %s does not serve namespace %s; see its spec.allowedNamespaces", name, namespace),
			pace:    waits,
		}
	}
	return &platform, nil
}

func allows(ctx context.Context, c client.Reader, allowed *v1alpha1.AllowedNamespaces, namespace string) (bool, error) {
	switch {
	case allowed == nil:
		return false, nil
	case allowed.Selector == nil:
		return slices.Contains(allowed.Names, "*") || slices.Contains(allowed.Names, namespace), nil
	}
	selector, err := metav1.LabelSelectorAsSelector(allowed.Selector)
	if err != nil {
		return false, &problem{
			reason:  v1alpha1.InvalidConfigurationReason,
			message: "the selector in spec.allowedNamespaces of the SfsPlatform is not valid: " + err.Error(),
			pace:    waits,
		}
	}
	ns := namespaceMetadata()
	if err := c.Get(ctx, types.NamespacedName{Name: namespace}, ns); err != nil {
		return false, fmt.Errorf("reading namespace %s: %w", namespace, err)
	}
	return selector.Matches(labels.Set(ns.Labels)), nil
}

func namespaceMetadata() *metav1.PartialObjectMetadata {
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(namespaceKind)
	return ns
}
