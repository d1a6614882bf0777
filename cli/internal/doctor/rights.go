// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bytes"
	"cmp"
	"context"
	_ "embed" // the role
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// role is what the operator of this version needs; make manifests copies it from config/rbac.
//
//go:embed role.yaml
var role []byte

// ofCluster are the resources of the role that have no namespace.
var ofCluster = []string{"namespaces", "sfsplatforms", "sfsplatforms/status", "tokenreviews", "subjectaccessreviews"}

// right is one that the operator needs.
type right struct{ group, resource, verb, namespace string }

// list writes rights in few words: those on one thing together.
func list(rights []right) string {
	var things []string
	verbs := map[string][]string{}
	for _, r := range rights {
		where := "in all namespaces"
		switch {
		case slices.Contains(ofCluster, r.resource):
			where = "in the cluster"
		case r.namespace != "":
			where = "in the namespace " + r.namespace
		}
		resource, sub, _ := strings.Cut(r.resource, "/")
		thing := strings.TrimSuffix(resource+"."+r.group, ".")
		if sub != "" {
			thing += "/" + sub
		}
		thing += " " + where
		if verbs[thing] == nil {
			things = append(things, thing)
		}
		verbs[thing] = append(verbs[thing], r.verb)
	}
	for i, thing := range things {
		things[i] = strings.Join(verbs[thing], ", ") + " " + thing
	}
	return strings.Join(things, "; ")
}

// needed returns the rights for an operator of some namespaces, or of all if there are none.
func needed(home string, watched []string) ([]right, error) {
	rights := beside(home, watched)
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(role), 4096)
	for {
		var o struct {
			Kind  string              `json:"kind"`
			Rules []rbacv1.PolicyRule `json:"rules"`
		}
		switch err := decoder.Decode(&o); {
		case errors.Is(err, io.EOF):
			return rights, nil
		case err != nil:
			return nil, fmt.Errorf("reading the role of the operator: %w", err)
		}
		for i := range o.Rules {
			for _, resource := range o.Rules[i].Resources {
				in := []string{""}
				switch {
				case o.Kind == "Role":
					in = []string{home}
				case len(watched) > 0 && !slices.Contains(ofCluster, resource):
					in = watched
				}
				rights = append(rights, expand(&o.Rules[i], resource, in)...)
			}
		}
	}
}

// beside are those that an operator of some namespaces needs in others, where the chart gives them apart: it reads credentials
// at home, and tells of an SfsPlatform, which has no namespace, in events in default.
func beside(home string, watched []string) []right {
	if len(watched) == 0 {
		return nil
	}
	credentials := rbacv1.PolicyRule{APIGroups: []string{""}, Verbs: []string{"get", "list", "watch"}}
	events := rbacv1.PolicyRule{APIGroups: []string{"events.k8s.io"}, Verbs: []string{"create", "patch"}}
	return append(expand(&credentials, "secrets", []string{home}), expand(&events, "events", []string{"default"})...)
}

func expand(rule *rbacv1.PolicyRule, resource string, namespaces []string) []right {
	var rights []right
	for _, namespace := range namespaces {
		for _, group := range rule.APIGroups {
			for _, verb := range rule.Verbs {
				rights = append(rights, right{group, resource, verb, namespace})
			}
		}
	}
	return rights
}

// checkRights asks the API server what the service account of the operator may do.
func (d *Doctor) checkRights(ctx context.Context) error {
	const check = "rights"
	if d.operator == nil {
		d.found(Unknown, check, "", "whose they are is not known")
		return nil
	}
	account := cmp.Or(d.operator.Spec.Template.Spec.ServiceAccountName, "default")
	rights, err := needed(d.home(), watchedBy(d.operator))
	if err != nil {
		return err
	}
	var lacking []right
	for _, r := range rights {
		resource, sub, _ := strings.Cut(r.resource, "/")
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:   "system:serviceaccount:" + d.home() + ":" + account,
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + d.home(), "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Group: r.group, Resource: resource, Subresource: sub, Verb: r.verb, Namespace: r.namespace,
			},
		}}
		if err := d.Client.Create(ctx, review); err != nil {
			return d.failed(check, err)
		}
		if !review.Status.Allowed {
			lacking = append(lacking, r)
		}
	}
	if len(lacking) > 0 {
		d.found(Problem, check, "Apply the roles of this version: config/rbac, or helm upgrade.",
			"the service account %s/%s may not: %s", d.home(), account, list(lacking))
		return nil
	}
	d.found(OK, check, "", "the service account %s/%s has all %d rights that this version needs", d.home(), account, len(rights))
	return nil
}

// watchedBy are the namespaces that an operator is for, or none for all.
func watchedBy(o *appsv1.Deployment) []string {
	for i := range o.Spec.Template.Spec.Containers {
		for _, arg := range o.Spec.Template.Spec.Containers[i].Args {
			list, found := strings.CutPrefix(strings.TrimLeft(arg, "-"), "watch-namespaces=")
			if found && list != "" {
				return strings.Split(list, ",")
			}
		}
	}
	return nil
}
