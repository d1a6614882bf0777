// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rights compares what the roles in config/rbac let the operator do with what it asks the API server for. It is
// imported by tests only.
package rights

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// Right is one verb on one resource.
type Right struct {
	Verb, Group string
	Resource    string // with its subresource: sfsclients/status
	// Namespace is where alone the right is given. Empty stands for the whole cluster.
	Namespace string
}

func (r Right) String() string {
	where := cmp.Or(r.Namespace, "the cluster")
	return fmt.Sprintf("%s %s in %s", r.Verb, strings.TrimSuffix(r.Resource+"."+r.Group, "."), where)
}

// Granted returns the rights of a service account by manifests: those of the roles that these bind to it.
func Granted(account types.NamespacedName, manifests []*unstructured.Unstructured) ([]Right, error) {
	rules := map[string][]rbacv1.PolicyRule{}
	for _, o := range manifests {
		if o.GetKind() != "ClusterRole" && o.GetKind() != "Role" {
			continue
		}
		var role rbacv1.Role // a ClusterRole has its rules in the same place
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role); err != nil {
			return nil, fmt.Errorf("reading %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		rules[roleName(o.GetKind(), o.GetNamespace(), o.GetName())] = role.Rules
	}
	var granted []Right
	for _, o := range manifests {
		if o.GetKind() != "ClusterRoleBinding" && o.GetKind() != "RoleBinding" {
			continue
		}
		var binding rbacv1.RoleBinding // as above
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &binding); err != nil {
			return nil, fmt.Errorf("reading %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		if !slices.ContainsFunc(binding.Subjects, func(s rbacv1.Subject) bool {
			return s.Kind == rbacv1.ServiceAccountKind && s.Namespace == account.Namespace && s.Name == account.Name
		}) {
			continue
		}
		bound, known := rules[roleName(binding.RoleRef.Kind, binding.Namespace, binding.RoleRef.Name)]
		if !known {
			return nil, fmt.Errorf("%s %s binds a role that is not there: %s", o.GetKind(), o.GetName(), binding.RoleRef.Name)
		}
		some, err := Of(bound, binding.Namespace)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", binding.RoleRef.Name, err)
		}
		granted = append(granted, some...)
	}
	return granted, nil
}

func roleName(kind, namespace, name string) string {
	if kind == "ClusterRole" {
		namespace = ""
	}
	return strings.Join([]string{kind, namespace, name}, " ")
}

// Of returns the rights that rules give in a namespace, or in the cluster.
func Of(rules []rbacv1.PolicyRule, namespace string) ([]Right, error) {
	var all []Right
	for _, rule := range rules {
		if len(rule.ResourceNames) > 0 || len(rule.NonResourceURLs) > 0 {
			return nil, fmt.Errorf("whether a right on names or URLs is used can not be told here: %v", rule)
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					all = append(all, Right{Verb: verb, Group: group, Resource: resource, Namespace: namespace})
				}
			}
		}
	}
	return all, nil
}

// Compare returns which rights are granted for nothing, and which were asked for without being granted. A right in the
// cluster is of no use if it is asked for in one namespace only.
func Compare(granted, asked []Right) (unused, missing []Right) {
	for _, r := range granted {
		if !slices.Contains(asked, r) {
			unused = append(unused, r)
		}
	}
	for _, r := range asked {
		anywhere := r
		anywhere.Namespace = ""
		if !slices.Contains(granted, r) && !slices.Contains(granted, anywhere) {
			missing = append(missing, r)
		}
	}
	return unused, missing
}
