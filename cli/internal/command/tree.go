// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/consumers"
)

type treeCommand struct{ *session }

func (s *session) newTree() *cobra.Command {
	o := &treeCommand{s}
	return &cobra.Command{
		Use:   "tree NAME",
		Short: "Show what an SfsClient needs, what it has, and who uses that",
		Long: `Show the SfsPlatform of an SfsClient, its SfsClientUsers, the Secrets of all of them, the workloads that read these, and
what happened last.`,
		Example: `
  {program} tree shop -n team-a`,
		Args:              cobra.ExactArgs(1),
		RunE:              func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0]) },
		ValidArgsFunction: s.completeArg(s.clientNames),
	}
}

// node is a line of the tree.
type node struct {
	name, says string
	children   []*node
}

func (n *node) add(name, says string) *node {
	child := &node{name: name, says: says}
	n.children = append(n.children, child)
	return child
}

func (o *treeCommand) run(ctx context.Context, arg string) error {
	c, target, err := o.clientNamed(ctx, arg)
	if err != nil {
		return err
	}
	namespace := target.Namespace
	workloads, unseen, err := consumers.List(ctx, c, namespace, "")
	if err != nil {
		return err
	}
	if len(unseen.Nowhere) > 0 {
		o.note("you may not list %s, which might read the Secrets", strings.Join(unseen.Nowhere, ", "))
	}
	top := o.platform(ctx, c, target.Spec.PlatformRef.Name)
	self := top.add(fullName(target), o.says(target))
	if name := secretName(target.Status.SecretRef); name != "" {
		readers(self.add("Secret "+name, o.secret(ctx, c, namespace, name, "")), workloads, name, nil)
	}
	if t := target.Status.Token; t != nil {
		expires := "the token expires " + relativeTo(&t.ExpirationTime, o.Clock.Now())
		readers(self.add("Secret "+t.SecretRef.Name, o.secret(ctx, c, namespace, t.SecretRef.Name, expires)), workloads, t.SecretRef.Name, target)
	}
	told := []resource{target}
	users, err := list(ctx, c, userKind, namespace)
	if err != nil {
		o.note("%v", err)
	}
	for _, u := range users {
		user := u.(*v1alpha1.SfsClientUser)
		if user.Spec.ClientRef.Name != target.Name {
			continue
		}
		told = append(told, user)
		branch := self.add(kindOf(user)+" "+user.Name, o.says(user))
		if name := secretName(user.Status.SecretRef); name != "" {
			readers(branch.add("Secret "+name, o.secret(ctx, c, namespace, name, "")), workloads, name, nil)
		}
	}
	if err := o.print(top); err != nil {
		return err
	}
	return o.events(ctx, c, namespace, told)
}

func (o *treeCommand) says(r resource) string {
	v := judge(r, o.Clock.Now())
	ready := "Ready " + v.status
	if v.reason != "" {
		ready += ", " + v.reason
	}
	if v.message != "" {
		ready += ": " + v.message
	}
	return ready
}

func (o *treeCommand) platform(ctx context.Context, c client.Reader, name string) *node {
	found, err := find(ctx, c, []string{platformKind}, "", name)
	switch {
	case isRefused(err):
		return &node{name: platformKind + " " + name, says: "you may not read it"}
	case err != nil:
		return &node{name: platformKind + " " + name, says: err.Error()}
	}
	return &node{name: fullName(found[0]), says: o.says(found[0])}
}

// secret says whether it is there. Its values are not asked for.
func (*treeCommand) secret(ctx context.Context, c client.Reader, namespace, name, otherwise string) string {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	switch err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, o); {
	case apierrors.IsNotFound(err):
		return "is not there"
	case isRefused(err):
		return strings.TrimPrefix(otherwise+", and you may not read it", ", and ")
	case err != nil:
		return err.Error()
	}
	return otherwise
}

// readers adds the workloads that read the Secret. owner is given where its token is replaced all the time.
func readers(at *node, workloads []*consumers.Workload, secret string, owner *v1alpha1.SfsClient) {
	for _, w := range workloads {
		uses := w.Of(secret)
		if len(uses) == 0 {
			continue
		}
		var ways []string
		for _, use := range uses {
			ways = append(ways, use.How)
		}
		text := strings.Join(ways, ", ")
		if w.Pods > 0 {
			text += fmt.Sprintf(" (Pods: %d)", w.Pods)
		}
		if owner != nil && len(consumers.Stale(w, owner)) > 0 {
			text += "; it never sees a new token that way"
		}
		at.add(w.Kind+" "+w.Name, text)
	}
}

// print writes the tree, with what is to be said in a column.
func (o *treeCommand) print(top *node) error {
	type line struct{ name, says string }
	var lines []line
	var walk func(n *node, first, rest string)
	walk = func(n *node, first, rest string) {
		lines = append(lines, line{first + n.name, n.says})
		for i, child := range n.children {
			if i == len(n.children)-1 {
				walk(child, rest+"└── ", rest+"    ")
			} else {
				walk(child, rest+"├── ", rest+"│   ")
			}
		}
	}
	walk(top, "", "")
	column := 0
	for _, l := range lines {
		column = max(column, len([]rune(l.name)))
	}
	for _, l := range lines {
		padding := strings.Repeat(" ", column-len([]rune(l.name)))
		if _, err := fmt.Fprintln(o.Out, strings.TrimRight(l.name+padding+"  "+l.says, " ")); err != nil {
			return err
		}
	}
	return nil
}

// latest is how many events are shown.
const latest = 10

func (o *treeCommand) events(ctx context.Context, c client.Reader, namespace string, of []resource) error {
	var all eventsv1.EventList
	if err := c.List(ctx, &all, client.InNamespace(namespace)); err != nil {
		o.note("%v", doing("listing events", err))
		return nil
	}
	type happened struct {
		event *eventsv1.Event
		about resource
	}
	var found []happened
	for i := range all.Items {
		for _, about := range of {
			if all.Items[i].Regarding.UID == about.GetUID() {
				found = append(found, happened{&all.Items[i], about})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b happened) int {
		return cmp.Or(lastTime(a.event).Compare(lastTime(b.event)), cmp.Compare(a.event.Name, b.event.Name))
	})
	if len(found) == 0 {
		return nil
	}
	found = found[max(0, len(found)-latest):]
	var rows [][]string
	for _, f := range found {
		rows = append(rows, []string{
			relative(lastTime(f.event), o.Clock.Now()), f.event.Type, f.event.Reason, shortName(f.about), f.event.Note,
		})
	}
	fmt.Fprintln(o.Out)
	return table(o.Out, []string{"LAST SEEN", "TYPE", "EVENT", "OF", "MESSAGE"}, rows)
}

func lastTime(e *eventsv1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.DeprecatedLastTimestamp.Time
}
