// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/advice"
	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
)

type statusCommand struct {
	*session

	all    bool
	output string
}

func (s *session) newStatus() *cobra.Command {
	o := &statusCommand{session: s}
	c := &cobra.Command{
		Use:   "status [NAME | KIND/NAME]",
		Short: "Show what is ready, and what is not and why",
		Long: `Show the SfsPlatforms, and the SfsClients, SfsClientUsers and OAuthTokens of a namespace: whether they are ready, when
their tokens expire, and what ails them. With a name, show all that the operator says of it, and what to do.

The exit code is 1 if one of them is not ready.`,
		Example: `
  # What there is in the namespace of the context
  {program} status

  # Everywhere, for a script
  {program} status -A -o json

  # Why one is not ready, and what to do
  {program} status shop -n team-a
  {program} status sfsplatform/default`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("status is of one resource, by its name or by kind/name such as sfsplatform/default, and not of %q", args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), args) },
		ValidArgsFunction: s.completeArg(func(ctx context.Context, c client.Reader, namespace string) ([]string, error) {
			return s.names(ctx, c, namespace, kinds.Client, kinds.User, kinds.OAuthToken, kinds.Platform)
		}),
	}
	c.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "in all namespaces")
	c.Flags().StringVarP(&o.output, "output", "o", "", "json or yaml")
	fixFlag(c, "output", "json", "yaml")
	return c
}

func (o *statusCommand) run(ctx context.Context, args []string) error {
	if err := oneOf("output", o.output, "json", "yaml"); err != nil {
		return err
	}
	if o.all && len(args) > 0 {
		return fmt.Errorf("a resource has a name in one namespace: leave out -A, or the name %s", args[0])
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	namespace, err := o.namespace()
	if err != nil {
		return err
	}
	var found []resource
	if len(args) > 0 {
		of, name, err := parseName(args[0])
		if err != nil {
			return err
		}
		if found, err = find(ctx, c, of, namespace, name); err != nil {
			return err
		}
	} else {
		if o.all {
			namespace = ""
		}
		if found, err = o.listAll(ctx, c, kinds.All, kinds.Client, namespace); err != nil {
			return err
		}
	}
	if err := o.addTimes(ctx, c, found...); err != nil {
		return err
	}
	if err := o.print(found, len(args) > 0); err != nil {
		return err
	}
	now := o.Clock.Now()
	for _, r := range found {
		if !judge(r, now).ready {
			return errFound
		}
	}
	return nil
}

func (o *statusCommand) print(found []resource, detailed bool) error {
	switch {
	case o.output != "":
		reports := []report{}
		for _, r := range found {
			reports = append(reports, newReport(r, o.Clock.Now()))
		}
		return encode(o.Out, o.output, map[string]any{"resources": reports})
	case detailed:
		for i, r := range found {
			if i > 0 {
				fmt.Fprintln(o.Out)
			}
			if err := o.describe(r); err != nil {
				return err
			}
		}
		return nil
	case len(found) == 0:
		o.note("there are no resources of the operator here")
		return nil
	}
	return o.table(found)
}

func (o *statusCommand) table(found []resource) error {
	header := []string{"NAME", "READY", "REASON", "EXPIRES", "MESSAGE"}
	if o.all {
		header = append([]string{"NAMESPACE"}, header...)
	}
	now := o.Clock.Now()
	var rows [][]string
	for _, r := range found {
		v := judge(r, now)
		row := []string{shortName(r), v.status, v.reason, relativeTo(expiration(r), now), v.message}
		if o.all {
			row = append([]string{r.GetNamespace()}, row...)
		}
		rows = append(rows, row)
	}
	return table(o.Out, header, rows)
}

// expiration is that of the token, or nil.
func expiration(o resource) *metav1.Time {
	if t := kinds.TokenOf(o); t != nil && t.Status != nil && !t.Status.ExpirationTime.IsZero() {
		return &t.Status.ExpirationTime
	}
	return nil
}

// report is a resource for programs.
type report struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Ready is the status of the condition, and IsReady whether it is True for the present spec, and the token lives.
	Ready               string            `json:"ready"`
	IsReady             bool              `json:"isReady"`
	Reason              string            `json:"reason,omitempty"`
	Message             string            `json:"message,omitempty"`
	TokenExpirationTime *metav1.Time      `json:"tokenExpirationTime,omitempty"`
	Conditions          []conditionReport `json:"conditions"`
}

type conditionReport struct {
	metav1.Condition `json:",inline"`
	// Advice is what the reason means, and what to do.
	Advice string `json:"advice"`
}

func newReport(o resource, now time.Time) report {
	v := judge(o, now)
	r := report{
		Kind: kinds.Of(o).Name, Namespace: o.GetNamespace(), Name: o.GetName(),
		Ready: v.status, IsReady: v.ready, Reason: v.reason, Message: v.message, TokenExpirationTime: expiration(o),
		Conditions: []conditionReport{},
	}
	for _, c := range *o.GetConditions() {
		r.Conditions = append(r.Conditions, conditionReport{c, advice.For(c.Reason)})
	}
	return r
}

// describe writes all that the operator says of a resource.
func (o *statusCommand) describe(r resource) error {
	now := o.Clock.Now()
	v := judge(r, now)
	fmt.Fprintf(o.Out, "%s\n\n", fullName(r))
	ready := v.status
	if !v.ready && v.message != "" {
		ready += ": " + v.message
	}
	fields(o.Out, append([][2]string{{"Ready", ready}}, o.facts(r)...)...)
	conditions := *r.GetConditions()
	if len(conditions) == 0 {
		return nil
	}
	fmt.Fprintln(o.Out)
	var rows [][]string
	for i := range conditions {
		c := &conditions[i]
		rows = append(rows, []string{c.Type, string(c.Status), c.Reason, relativeTo(&c.LastTransitionTime, now), c.Message})
	}
	if err := table(o.Out, []string{"CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"}, rows); err != nil {
		return err
	}
	for i, reason := range toDo(conditions) {
		if i == 0 {
			fmt.Fprintln(o.Out, "\nWhat to do")
		}
		fmt.Fprint(o.Out, "  "+reason+"\n"+wrap(advice.For(reason), "    "))
	}
	return nil
}

// toDo are the reasons for which something is to be done, each once. That something has begun is none beside another.
func toDo(conditions []metav1.Condition) []string {
	var reasons []string
	for i := range conditions {
		if reason := conditions[i].Reason; !advice.IsFine(reason) && !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) > 1 {
		reasons = slices.DeleteFunc(reasons, func(reason string) bool { return reason == v1alpha1.ProgressingReason })
	}
	return reasons
}

// renewalOf says when a token is renewed, or for how long it has not been, if that is known.
func renewalOf(t *v1alpha1.TokenStatus, now time.Time) string {
	if t.RenewalTime.IsZero() {
		return "is renewed before that"
	}
	if t.RenewalTime.Time.Before(now) {
		return "should have been renewed " + relativeTo(&t.RenewalTime, now)
	}
	return "is renewed " + relativeTo(&t.RenewalTime, now)
}

// facts are what is to be known of a resource beside its conditions.
func (o *statusCommand) facts(r resource) [][2]string {
	now := o.Clock.Now()
	switch r := r.(type) {
	case *v1alpha1.SfsPlatform:
		facts := [][2]string{{"API", r.Spec.BaseURL}, {"customKeyPrefix", r.Spec.CustomKeyPrefix}}
		if active := r.Status.ActiveCredentialsSecretRef; active != nil {
			facts = append(facts, [2]string{"Credentials", "Secret " + active.Name})
		}
		if n := r.Status.Clients; n != nil && n.Total != nil && n.Ready != nil {
			facts = append(facts, [2]string{"SfsClients", fmt.Sprintf("%d, of which %d are ready", *n.Total, *n.Ready)})
		}
		if until := r.Status.ThrottledUntil; until != nil {
			facts = append(facts, [2]string{"Pause ends", relativeTo(until, now)})
		}
		return facts
	case *v1alpha1.SfsClient:
		facts := [][2]string{
			{"SfsPlatform", r.Spec.PlatformRef.Name}, {"clientKey", r.Status.ClientKey}, {"customKey", r.Status.CustomKey},
			{"Origin", string(r.Status.Origin)}, {"Secret", secretName(r.Status.SecretRef)},
		}
		facts = append(facts, ofToken(r.Status.Token, now)...)
		return append(facts, ofBoth(r.IsSuspended(), r.IsObserved(), r.Status.PendingChanges)...)
	case *v1alpha1.OAuthToken:
		facts := [][2]string{
			{"Provider", providerOf(r)}, {"Scopes", scopesOf(r)}, {"Credentials", "Secret " + r.Spec.CredentialsSecretRef.Name},
		}
		facts = append(facts, ofToken(r.Status.Token, now)...)
		return append(facts, ofBoth(r.IsSuspended(), false, nil)...)
	case *v1alpha1.SfsClientUser:
		facts := [][2]string{
			{"SfsClient", r.Spec.ClientRef.Name}, {"userKey", r.Status.UserKey}, {"customKey", r.Status.CustomKey},
			{"Origin", string(r.Status.Origin)}, {"Secret", secretName(r.Status.SecretRef)},
		}
		return append(facts, ofBoth(r.IsSuspended(), r.IsObserved(), r.Status.PendingChanges)...)
	}
	return nil
}

func ofToken(t *v1alpha1.TokenStatus, now time.Time) [][2]string {
	if t == nil {
		return nil
	}
	return [][2]string{{"Token", fmt.Sprintf("Secret %s, revision %s: expires %s, %s",
		t.SecretRef.Name, strconv.FormatInt(t.Revision, 10), relativeTo(&t.ExpirationTime, now), renewalOf(t, now))}}
}

// providerOf says who gives the token, and what it is asked for with.
func providerOf(o *v1alpha1.OAuthToken) string {
	who := o.Spec.Provider.Preset()
	if generic := o.Spec.Provider.Generic; generic != nil {
		who = generic.TokenURL
	}
	return fmt.Sprintf("%s, grant %s", who, o.Grant())
}

func scopesOf(o *v1alpha1.OAuthToken) string {
	var all []string
	for _, scope := range o.Spec.Scopes {
		all = append(all, string(scope))
	}
	return strings.Join(all, " ")
}

func secretName(ref *v1alpha1.SecretReference) string {
	if ref == nil {
		return ""
	}
	return ref.Name
}

func ofBoth(suspended, observed bool, pending []v1alpha1.PendingChange) [][2]string {
	var facts [][2]string
	if suspended {
		facts = append(facts, [2]string{"Suspended", "yes, by spec.suspend or the annotation " + v1alpha1.PausedAnnotation})
	}
	if observed {
		facts = append(facts, [2]string{"Observed", "yes: nothing is written to SFS"})
	}
	var changes []string
	for _, change := range pending {
		changes = append(changes, fmt.Sprintf("%s from %q to %q", change.Field, change.From, change.To))
	}
	return append(facts, [2]string{"Pending at SFS", strings.Join(changes, ", ")})
}
