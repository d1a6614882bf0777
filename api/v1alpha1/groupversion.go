// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the resources with which a platform team declares its Sendforsign (SFS) tenants:
// an SfsPlatform is an SFS account, an SfsClient one tenant of it, an SfsClientUser one person of a tenant. An OAuthToken is
// an access token of another API.
//
// +kubebuilder:object:generate=true
// +groupName=sendforsign.com
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of the types in this package.
	GroupVersion = schema.GroupVersion{Group: "sendforsign.com", Version: "v1alpha1"}

	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme registers the types of this package.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&SfsPlatform{}, &SfsPlatformList{},
		&SfsClient{}, &SfsClientList{},
		&SfsClientUser{}, &SfsClientUserList{},
		&OAuthToken{}, &OAuthTokenList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
