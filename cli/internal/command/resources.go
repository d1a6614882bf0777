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
)

// resource is one that the operator looks after.
type resource interface {
	client.Object
	GetConditions() *[]metav1.Condition
}

// The kinds, in the order in which they need each other.
const (
	platformKind = "SfsPlatform"
	clientKind   = "SfsClient"
	userKind     = "SfsClientUser"
)

// aliases are the names of the kinds that may stand before a slash.
var aliases = map[string]string{
	"platform": platformKind, "sfsplatform": platformKind, "sfsplatforms": platformKind, "sfsp": platformKind,
	"client": clientKind, "sfsclient": clientKind, "sfsclients": clientKind, "sfsc": clientKind,
	"user": userKind, "sfsclientuser": userKind, "sfsclientusers": userKind, "sfsu": userKind,
}

// parseName reads NAME or KIND/NAME, where NAME stands for all kinds.
func parseName(arg string) (kinds []string, name string, err error) {
	kind, name, found := strings.Cut(arg, "/")
	if !found {
		return []string{platformKind, clientKind, userKind}, arg, nil
	}
	full, known := aliases[strings.ToLower(kind)]
	if !known || name == "" {
		return nil, "", fmt.Errorf("%q is neither a name nor one of sfsplatform/NAME, sfsclient/NAME and sfsclientuser/NAME", arg)
	}
	return []string{full}, name, nil
}

// clientName reads the name of an SfsClient: NAME, or sfsclient/NAME.
func clientName(arg string) (string, error) {
	kinds, name, err := parseName(arg)
	if err != nil {
		return "", err
	}
	if !slices.Contains(kinds, clientKind) {
		return "", fmt.Errorf("%s is an %s, and this is about an SfsClient", arg, kinds[0])
	}
	return name, nil
}

func newResource(kind string) resource {
	switch kind {
	case platformKind:
		return &v1alpha1.SfsPlatform{}
	case clientKind:
		return &v1alpha1.SfsClient{}
	default:
		return &v1alpha1.SfsClientUser{}
	}
}

func newList(kind string) client.ObjectList {
	switch kind {
	case platformKind:
		return &v1alpha1.SfsPlatformList{}
	case clientKind:
		return &v1alpha1.SfsClientList{}
	default:
		return &v1alpha1.SfsClientUserList{}
	}
}

func kindOf(o resource) string {
	switch o.(type) {
	case *v1alpha1.SfsPlatform:
		return platformKind
	case *v1alpha1.SfsClient:
		return clientKind
	default:
		return userKind
	}
}

// shortName is the name as kubectl shows it.
func shortName(o resource) string { return strings.ToLower(kindOf(o)) + "/" + o.GetName() }

// fullName is kind, namespace and name.
func fullName(o resource) string {
	if o.GetNamespace() == "" {
		return kindOf(o) + " " + o.GetName()
	}
	return kindOf(o) + " " + o.GetNamespace() + "/" + o.GetName()
}

// list returns the resources of a kind, sorted by namespace and name.
func list(ctx context.Context, c client.Reader, kind, namespace string) ([]resource, error) {
	found := newList(kind)
	if kind == platformKind {
		namespace = ""
	}
	if err := c.List(ctx, found, client.InNamespace(namespace)); err != nil {
		return nil, doing("listing "+kind+"s", err)
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

// find returns the resources of the kinds that have the name.
func find(ctx context.Context, c client.Reader, kinds []string, namespace, name string) ([]resource, error) {
	var found []resource
	var refused error
	for _, kind := range kinds {
		key := client.ObjectKey{Namespace: namespace, Name: name}
		if kind == platformKind {
			key.Namespace = ""
		}
		o := newResource(kind)
		switch err := c.Get(ctx, key, o); {
		case err == nil:
			found = append(found, o)
		case isRefused(err):
			refused = errors.Join(refused, doing("reading the "+kind+" "+name, err))
		case !apierrors.IsNotFound(err):
			return nil, doing("reading the "+kind+" "+name, err)
		}
	}
	if len(found) == 0 && refused != nil {
		return nil, refused
	}
	if len(found) == 0 {
		return nil, notFound(kinds, namespace, name)
	}
	return found, nil
}

func notFound(kinds []string, namespace, name string) error {
	where := " in the namespace " + namespace
	if slices.Equal(kinds, []string{platformKind}) {
		where = ""
	}
	return &missingError{fmt.Sprintf("there is no %s %s%s", strings.Join(kinds, " or "), name, where)}
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

// hasExpired: an operator that is at work says so by itself, and of a suspended SfsClient has said so.
func hasExpired(o resource, now time.Time) bool {
	c, ok := o.(*v1alpha1.SfsClient)
	if !ok || !c.TokenEnabled() || c.IsSuspended() {
		return false
	}
	at := expiration(c)
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
