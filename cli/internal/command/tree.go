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
	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
)

type treeCommand struct{ *session }

func (s *session) newTree() *cobra.Command {
	o := &treeCommand{s}
	return &cobra.Command{
		Use:   "tree (NAME | KIND/NAME)",
		Short: "Show what an SfsClient or an OAuthToken needs, what it has, and who uses that",
		Long: `Show the SfsPlatform of an SfsClient and its SfsClientUsers, or the credentials of an OAuthToken; the Secrets of all of
them, the workloads that read these, and what happened last.`,
		Example: `
  {program} tree shop -n team-a`,
		Args:              cobra.ExactArgs(1),
		RunE:              func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0]) },
		ValidArgsFunction: s.completeArg(s.holderNames),
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
	c, target, err := o.holderNamed(ctx, arg)
	if err != nil {
		return err
	}
	namespace := target.of.GetNamespace()
	workloads, unseen, err := consumers.List(ctx, c, namespace, "")
	if err != nil {
		return err
	}
	if len(unseen.Nowhere) > 0 {
		o.note("you may not list %s, which might read the Secrets", strings.Join(unseen.Nowhere, ", "))
	}
	t := &branches{treeCommand: o, Reader: c, namespace: namespace, workloads: workloads, told: []resource{target.of}}
	var top *node
	switch r := target.of.(type) {
	case *v1alpha1.SfsClient:
		top = t.ofClient(ctx, r)
	case *v1alpha1.OAuthToken:
		top = t.ofOAuthToken(ctx, r)
	}
	if err := o.print(top); err != nil {
		return err
	}
	return o.events(ctx, c, namespace, t.told)
}

// branches grow on the tree of one resource.
type branches struct {
	*treeCommand
	client.Reader

	namespace string
	workloads []*consumers.Workload
	told      []resource // whose events are shown
}

func (t *branches) ofClient(ctx context.Context, target *v1alpha1.SfsClient) *node {
	top := t.platform(ctx, target.Spec.PlatformRef.Name)
	self := top.add(fullName(target), t.says(target))
	t.secret(ctx, self, secretName(target.Status.SecretRef), "")
	t.token(ctx, self, target)
	users, err := list(ctx, t, kinds.User, t.namespace)
	if err != nil {
		t.note("%v", err)
	}
	for _, u := range users {
		user := u.(*v1alpha1.SfsClientUser)
		if user.Spec.ClientRef.Name != target.Name {
			continue
		}
		t.told = append(t.told, user)
		branch := self.add(kinds.User.Name+" "+user.Name, t.says(user))
		t.secret(ctx, branch, secretName(user.Status.SecretRef), "")
	}
	return top
}

func (t *branches) ofOAuthToken(ctx context.Context, target *v1alpha1.OAuthToken) *node {
	self := &node{name: fullName(target), says: t.says(target)}
	t.secret(ctx, self, target.Spec.CredentialsSecretRef.Name, "the credentials")
	if target.Grant() == v1alpha1.GrantRefreshToken {
		t.secret(ctx, self, target.StateSecretName(), "the refresh token that was last given")
	}
	t.token(ctx, self, target)
	return self
}

// token adds the Secret of the token, if there is one.
func (t *branches) token(ctx context.Context, at *node, owner resource) {
	token := kinds.TokenOf(owner)
	if token.Status == nil {
		return
	}
	name := token.Status.SecretRef.Name
	says := t.look(ctx, name, "the token expires "+relativeTo(&token.Status.ExpirationTime, t.Clock.Now()))
	t.readers(at.add("Secret "+name, says), name, owner)
}

// secret adds a Secret whose values stay as they are, if it has a name.
func (t *branches) secret(ctx context.Context, at *node, name, says string) {
	if name != "" {
		t.readers(at.add("Secret "+name, t.look(ctx, name, says)), name, nil)
	}
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

func (t *branches) platform(ctx context.Context, name string) *node {
	found, err := find(ctx, t, []*kinds.Kind{kinds.Platform}, "", name)
	switch {
	case isRefused(err):
		return &node{name: kinds.Platform.Name + " " + name, says: "you may not read it"}
	case err != nil:
		return &node{name: kinds.Platform.Name + " " + name, says: err.Error()}
	}
	return &node{name: fullName(found[0]), says: t.says(found[0])}
}

// look says whether a Secret is there. Its values are not asked for.
func (t *branches) look(ctx context.Context, name, otherwise string) string {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	switch err := t.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: name}, o); {
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
func (t *branches) readers(at *node, secret string, owner resource) {
	for _, w := range t.workloads {
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
