// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/advice"
	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
)

// resource is one that the operator looks after.
type resource = kinds.Resource

// holder is a resource with a token.
type holder struct {
	of    resource
	token *kinds.Token
}

// held is what a resource of a kind with tokens says of its own.
func held(o resource) *holder { return &holder{o, kinds.TokenOf(o)} }

// parseName reads NAME or KIND/NAME, where NAME stands for all kinds.
func parseName(arg string) (of []*kinds.Kind, name string, err error) {
	kind, name, found := strings.Cut(arg, "/")
	if !found {
		return kinds.All, arg, nil
	}
	known := kinds.Called(kind)
	if known == nil || name == "" {
		return nil, "", fmt.Errorf("%q is neither a name nor one of %s", arg,
			kinds.Names(kinds.All, "and", func(k *kinds.Kind) string { return k.Short() + "/NAME" }))
	}
	return []*kinds.Kind{known}, name, nil
}

// parseHolder reads the name of a resource with a token: NAME, or KIND/NAME.
func parseHolder(arg string) (of []*kinds.Kind, name string, err error) {
	of, name, err = parseName(arg)
	if err != nil {
		return nil, "", err
	}
	with := slices.DeleteFunc(slices.Clone(of), func(k *kinds.Kind) bool { return !k.HasToken })
	if len(with) == 0 {
		return nil, "", fmt.Errorf("%s is an %s, and this is about an %s", arg, of[0].Name, kinds.Names(kinds.WithToken, "or", kinds.One))
	}
	return with, name, nil
}

// shortName is the name as kubectl shows it.
func shortName(o resource) string { return kinds.Of(o).Short() + "/" + o.GetName() }

// fullName is kind, namespace and name.
func fullName(o resource) string {
	if o.GetNamespace() == "" {
		return kinds.Of(o).Name + " " + o.GetName()
	}
	return kinds.Of(o).Name + " " + o.GetNamespace() + "/" + o.GetName()
}

// list returns the resources of a kind, sorted by namespace and name.
func list(ctx context.Context, c client.Reader, kind *kinds.Kind, namespace string, options ...client.ListOption) ([]resource, error) {
	found := kind.NewList()
	if !kind.OfCluster {
		options = append(options, client.InNamespace(namespace))
	}
	if err := c.List(ctx, found, options...); err != nil {
		return nil, doing("listing "+kinds.Many(kind), err)
	}
	items, err := meta.ExtractList(found)
	if err != nil {
		return nil, err
	}
	var all []resource
	for _, item := range items {
		all = append(all, item.(resource))
	}
	slices.SortFunc(all, func(a, b resource) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
	return all, nil
}

// listAll lists the resources of several kinds. It leaves out the kinds that may not be listed, and says so; it fails if none
// may be. most stands for all of them then.
func (s *session) listAll(ctx context.Context, c client.Reader, of []*kinds.Kind, most *kinds.Kind, namespace string, options ...client.ListOption) ([]resource, error) {
	var all []resource
	refused := map[*kinds.Kind]error{}
	for _, kind := range of {
		found, err := list(ctx, c, kind, namespace, options...)
		switch {
		case isRefused(err):
			refused[kind] = err
		case err != nil:
			return nil, err
		}
		all = append(all, found...)
	}
	if len(refused) == len(of) {
		return nil, refused[most]
	}
	for _, kind := range of {
		if err := refused[kind]; err != nil {
			s.note("%v", err)
		}
	}
	return all, nil
}

// find returns the resources of the kinds that have the name.
func find(ctx context.Context, c client.Reader, of []*kinds.Kind, namespace, name string) ([]resource, error) {
	var found []resource
	var refused error
	for _, kind := range of {
		key := client.ObjectKey{Namespace: namespace, Name: name}
		if kind.OfCluster {
			key.Namespace = ""
		}
		o := kind.New()
		switch err := c.Get(ctx, key, o); {
		case err == nil:
			found = append(found, o)
		case isRefused(err):
			refused = errors.Join(refused, doing("reading the "+kind.Name+" "+name, err))
		case !apierrors.IsNotFound(err):
			return nil, doing("reading the "+kind.Name+" "+name, err)
		}
	}
	if len(found) == 0 && refused != nil {
		return nil, refused
	}
	if len(found) == 0 {
		return nil, notFound(of, namespace, name)
	}
	return found, nil
}

func notFound(of []*kinds.Kind, namespace, name string) error {
	where := " in the namespace " + namespace
	if len(of) == 1 && of[0].OfCluster {
		where = ""
	}
	return &missingError{fmt.Sprintf("there is no %s %s%s", kinds.Names(of, "or", kinds.One), name, where)}
}

// missingError is a NotFound in the words of this tool.
type missingError struct{ text string }

func (e *missingError) Error() string { return e.text }

// Status makes it one of the errors of the API server.
func (*missingError) Status() metav1.Status {
	return metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound}
}

// verdict is what is to be known of a resource at a glance.
type verdict struct {
	ready   bool
	status  string // of the condition Ready
	reason  string
	message string // what is to be known, if anything
}

func judge(o resource, now time.Time) verdict {
	ready := meta.FindStatusCondition(*o.GetConditions(), v1alpha1.ReadyCondition)
	if ready == nil {
		return verdict{status: "Unknown", message: "the operator has not looked at it yet"}
	}
	v := verdict{status: string(ready.Status), reason: ready.Reason}
	switch {
	case ready.ObservedGeneration != o.GetGeneration():
		v.message = "the operator has not looked at the present spec yet"
	case ready.Status != metav1.ConditionTrue:
		v.message = ready.Message
	case hasExpired(o, now):
		v.message = "its token expired " + relativeTo(expiration(o), now) + "; is the operator running?"
	default:
		v.ready = true
		v.message = aside(*o.GetConditions())
	}
	if o.GetDeletionTimestamp() != nil {
		v.message = strings.TrimSuffix("it is being deleted: "+v.message, ": ")
	}
	return v
}

// hasExpired: an operator that is at work says so by itself, and of a suspended resource has said so.
func hasExpired(o resource, now time.Time) bool {
	t := kinds.TokenOf(o)
	if t == nil || !t.Wanted || t.Suspended {
		return false
	}
	at := expiration(o)
	return at != nil && !now.Before(at.Time)
}

// aside is what ails a resource that is Ready, if anything.
func aside(conditions []metav1.Condition) string {
	for i := range conditions {
		c := &conditions[i]
		says := false
		switch c.Type {
		case v1alpha1.ReadyCondition, v1alpha1.ReconcilingCondition:
		case v1alpha1.StalledCondition, v1alpha1.ThrottledCondition:
			says = c.Status == metav1.ConditionTrue
		default:
			says = !advice.IsFine(c.Reason)
		}
		if says {
			return c.Reason + ": " + c.Message
		}
	}
	return ""
}
