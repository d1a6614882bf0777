// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kinds knows the kinds of resources that the operator looks after. What tells them apart stands here, so that the
// rest of the tool treats them alike.
package kinds

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// Resource is one that the operator looks after.
type Resource interface {
	client.Object
	GetConditions() *[]metav1.Condition
}

// Kind is a kind of them.
type Kind struct {
	Name string
	// Plural is its name in the API.
	Plural string
	// OfCluster: its resources have no namespace.
	OfCluster bool
	// HasToken: the operator keeps a token for each of its resources; see TokenOf.
	HasToken bool

	aliases []string
	newOne  func() Resource
	newList func() client.ObjectList
}

// The kinds.
var (
	Platform = &Kind{
		Name: "SfsPlatform", Plural: "sfsplatforms", OfCluster: true, aliases: []string{"platform", "sfsp"},
		newOne:  func() Resource { return &v1alpha1.SfsPlatform{} },
		newList: func() client.ObjectList { return &v1alpha1.SfsPlatformList{} },
	}
	Client = &Kind{
		Name: "SfsClient", Plural: "sfsclients", HasToken: true, aliases: []string{"client", "sfsc"},
		newOne:  func() Resource { return &v1alpha1.SfsClient{} },
		newList: func() client.ObjectList { return &v1alpha1.SfsClientList{} },
	}
	User = &Kind{
		Name: "SfsClientUser", Plural: "sfsclientusers", aliases: []string{"user", "sfsu"},
		newOne:  func() Resource { return &v1alpha1.SfsClientUser{} },
		newList: func() client.ObjectList { return &v1alpha1.SfsClientUserList{} },
	}
	OAuthToken = &Kind{
		Name: "OAuthToken", Plural: "oauthtokens", HasToken: true, aliases: []string{"oat"},
		newOne:  func() Resource { return &v1alpha1.OAuthToken{} },
		newList: func() client.ObjectList { return &v1alpha1.OAuthTokenList{} },
	}
)

// All has the kinds in the order in which they need each other.
var All = []*Kind{Platform, Client, User, OAuthToken}

// WithToken has the kinds whose resources have tokens.
var WithToken = slices.DeleteFunc(slices.Clone(All), func(k *Kind) bool { return !k.HasToken })

// New returns an empty resource.
func (k *Kind) New() Resource { return k.newOne() }

// NewList returns an empty list.
func (k *Kind) NewList() client.ObjectList { return k.newList() }

// Short is the name as it stands before a slash.
func (k *Kind) Short() string { return strings.ToLower(k.Name) }

// Called returns the kind that has the name, or nil: kind, plural, short name or alias, in letters of any size.
func Called(name string) *Kind {
	name = strings.ToLower(name)
	for _, k := range All {
		if name == k.Short() || name == k.Plural || slices.Contains(k.aliases, name) {
			return k
		}
	}
	return nil
}

// Of returns the kind of a resource.
func Of(o Resource) *Kind {
	switch o.(type) {
	case *v1alpha1.SfsPlatform:
		return Platform
	case *v1alpha1.SfsClient:
		return Client
	case *v1alpha1.SfsClientUser:
		return User
	case *v1alpha1.OAuthToken:
		return OAuthToken
	}
	return nil
}

// Names joins the names of kinds, by commas and the word.
func Names(of []*Kind, word string, form func(*Kind) string) string {
	var names []string
	for _, k := range of {
		names = append(names, form(k))
	}
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " " + word + " " + names[last]
}

// One is a form for Names: SfsClient.
func One(k *Kind) string { return k.Name }

// Many is a form for Names: SfsClients.
func Many(k *Kind) string { return k.Name + "s" }
