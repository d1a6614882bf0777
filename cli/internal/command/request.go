// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
)

// annotate asks the operator for something: it sets an annotation to the time, as a value that was not there before.
func (s *session) annotate(ctx context.Context, c client.Client, o resource, annotation string) (value string, err error) {
	value = s.Clock.Now().UTC().Format(time.RFC3339Nano)
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotation: value}}})
	if err != nil {
		return "", err
	}
	err = c.Patch(ctx, o, client.RawPatch(types.MergePatchType, patch))
	return value, doing("annotating "+shortName(o), err)
}

type renewCommand struct {
	*session

	selector           string
	all, allNamespaces bool
	wait               bool
	timeout            time.Duration
}

func (s *session) newRenew() *cobra.Command {
	o := &renewCommand{session: s}
	c := &cobra.Command{
		Use:   "renew (NAME... | -l SELECTOR | --all)",
		Short: "Ask for new tokens now",
		Long: `Ask the operator for a new token of SfsClients and OAuthTokens, by the annotation
` + v1alpha1.RenewRequestedAtAnnotation + `. The one before it lives on until it expires: no application is cut off.`,
		Example: `
  # Have a new token, and wait until it is published
  {program} renew shop -n team-a --wait

  # Of all SfsClients and OAuthTokens with a label, in all namespaces
  {program} renew -l plan=trial -A`,
		RunE:              func(c *cobra.Command, args []string) error { return o.run(c.Context(), args) },
		ValidArgsFunction: s.completeArgs(s.holderNames),
	}
	c.Flags().StringVarP(&o.selector, "selector", "l", "", "of the resources that have these labels")
	c.Flags().BoolVar(&o.all, "all", false, "of all SfsClients and OAuthTokens of the namespace")
	c.Flags().BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "with -l or --all: in all namespaces")
	c.Flags().BoolVar(&o.wait, "wait", false, "wait until the new tokens are published")
	c.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "with --wait: how long")
	return c
}

func (o *renewCommand) run(ctx context.Context, args []string) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	targets, err := o.targets(ctx, c, args)
	if len(targets) == 0 {
		return err
	}
	values := map[*holder]string{}
	failed := []error{err} // of those that are not there
	for _, target := range targets {
		if err := canRenew(target); err != nil {
			if len(args) > 0 {
				failed = append(failed, err)
			} else {
				o.note("left out: %v", err)
			}
			continue
		}
		value, err := o.annotate(ctx, c, target.of, v1alpha1.RenewRequestedAtAnnotation)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		values[target] = value
		if !o.wait {
			fmt.Fprintf(o.Out, "%s: a new token is asked for\n", inNamespace(target.of))
		}
	}
	if o.wait {
		ctx, cancel := context.WithTimeout(ctx, o.timeout)
		defer cancel()
		for _, target := range targets {
			if value, asked := values[target]; asked {
				failed = append(failed, o.await(ctx, c, target, value))
			}
		}
	}
	return errors.Join(failed...)
}

func inNamespace(o resource) string { return fmt.Sprintf("%s in %s", shortName(o), o.GetNamespace()) }

// canRenew says why a request would have no effect.
func canRenew(h *holder) error {
	switch {
	case !h.token.Wanted:
		return fmt.Errorf("%s has no token: its spec.token.enabled is false", inNamespace(h.of))
	case h.token.Suspended:
		return fmt.Errorf("%s is suspended, by spec.suspend or the annotation %s: it gets no new token until it goes on",
			inNamespace(h.of), v1alpha1.PausedAnnotation)
	}
	return nil
}

func (o *renewCommand) targets(ctx context.Context, c client.Client, args []string) ([]*holder, error) {
	ways := 0
	for _, used := range []bool{len(args) > 0, o.selector != "", o.all} {
		if used {
			ways++
		}
	}
	if ways != 1 {
		return nil, errors.New("say whose: give names, -l or --all")
	}
	namespace, err := o.namespace()
	if err != nil {
		return nil, err
	}
	if len(args) > 0 {
		if o.allNamespaces {
			return nil, errors.New("-A goes with -l and --all: a resource has a name in one namespace")
		}
		return holdersByName(ctx, c, namespace, args)
	}
	selector, err := labels.Parse(o.selector)
	if err != nil {
		return nil, doing("reading the selector", err)
	}
	if o.allNamespaces {
		namespace = ""
	}
	found, err := o.listAll(ctx, c, kinds.WithToken, kinds.Client, namespace, client.MatchingLabelsSelector{Selector: selector})
	if err != nil {
		return nil, err
	}
	var targets []*holder
	for _, r := range found {
		targets = append(targets, held(r))
	}
	if len(targets) == 0 {
		o.note("there are no such %s", kinds.Names(kinds.WithToken, "or", kinds.Many))
	}
	return targets, nil
}

// holderNamed returns the resource that is named, and with what it was read.
func (s *session) holderNamed(ctx context.Context, arg string) (client.Client, *holder, error) {
	c, err := s.client()
	if err != nil {
		return nil, nil, err
	}
	namespace, err := s.namespace()
	if err != nil {
		return nil, nil, err
	}
	found, err := holderByName(ctx, c, namespace, arg)
	if err != nil {
		return nil, nil, err
	}
	return c, found, s.addTimes(ctx, c, found.of)
}

// holdersByName returns those that are there also where others are not, as kubectl does.
func holdersByName(ctx context.Context, c client.Client, namespace string, args []string) ([]*holder, error) {
	var targets []*holder
	var failed []error
	for _, arg := range args {
		if target, err := holderByName(ctx, c, namespace, arg); err != nil {
			failed = append(failed, err)
		} else {
			targets = append(targets, target)
		}
	}
	return targets, errors.Join(failed...)
}

func holderByName(ctx context.Context, c client.Client, namespace, arg string) (*holder, error) {
	of, name, err := parseHolder(arg)
	if err != nil {
		return nil, err
	}
	found, err := find(ctx, c, of, namespace, name)
	if err != nil {
		return nil, err
	}
	if len(found) > 1 {
		var names []string
		for _, r := range found {
			names = append(names, shortName(r))
		}
		return nil, fmt.Errorf("there are %s in the namespace %s: say which", strings.Join(names, " and "), namespace)
	}
	return held(found[0]), nil
}

// await waits until the operator says that the request has been acted on.
func (o *renewCommand) await(ctx context.Context, c client.WithWatch, target *holder, value string) error {
	before := target.token.LastHandledRenewAt
	done, err := o.watchUntil(ctx, c, target, func(now *kinds.Token) bool { return isDone(value, before, now.LastHandledRenewAt) })
	if err != nil {
		return doing("waiting for "+inNamespace(target.of), err)
	}
	if !done {
		return fmt.Errorf("%s: not renewed after %s%s", inNamespace(target.of), o.timeout, because(target.of))
	}
	if err := o.addTimes(ctx, c, target.of); err != nil {
		return err
	}
	t := target.token.Status
	if t == nil {
		return fmt.Errorf("%s: renewed, but its status tells of no token", inNamespace(target.of))
	}
	_, err = fmt.Fprintf(o.Out, "%s: renewed; the token in the Secret %s has revision %d and expires %s\n",
		inNamespace(target.of), t.SecretRef.Name, t.Revision, relativeTo(&t.ExpirationTime, o.Clock.Now()))
	return err
}

// isDone says whether what was asked for is done, by what was done last, before that and now. Somebody else may have asked
// after that: then the operator says that it did that.
func isDone(asked, before, now string) bool {
	if now == asked {
		return true
	}
	own, err1 := time.Parse(time.RFC3339, asked)
	done, err2 := time.Parse(time.RFC3339, now)
	return err1 == nil && err2 == nil && now != before && !done.Before(own)
}

// betweenWatches is a pause for the API server, or what stands before it, where it ends each watch at once.
const betweenWatches = time.Second

// watchUntil keeps target up to date until done says so, or ctx ends.
func (o *renewCommand) watchUntil(
	ctx context.Context, c client.WithWatch, target *holder, done func(*kinds.Token) bool,
) (bool, error) {
	for {
		// Without a resourceVersion it begins with what there is.
		events, err := c.Watch(ctx, kinds.Of(target.of).NewList(), client.InNamespace(target.of.GetNamespace()),
			client.MatchingFields{"metadata.name": target.of.GetName()})
		if ctx.Err() != nil {
			return false, nil //nolint:nilerr // the time is over, which is no failure of the watch
		}
		if err != nil {
			return false, err
		}
		found, err := next(events, target, done)
		events.Stop()
		if found || err != nil {
			return found, err
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-o.Clock.After(betweenWatches):
		}
	}
}

// next follows one watch, which the API server ends now and then.
func next(events watch.Interface, target *holder, done func(*kinds.Token) bool) (bool, error) {
	for event := range events.ResultChan() {
		switch event.Type {
		case watch.Error:
			return false, nil // such as that the watch is too old
		case watch.Deleted:
			return false, errors.New("it has been deleted")
		case watch.Added, watch.Modified, watch.Bookmark:
		}
		now, ok := event.Object.(resource)
		if !ok || now.GetName() != target.of.GetName() {
			continue
		}
		if *target = *held(now); done(target.token) {
			return true, nil
		}
	}
	return false, nil
}

// because says what keeps a token from being renewed, if that is known.
func because(o resource) string {
	for _, kind := range []string{v1alpha1.TokenValidCondition, v1alpha1.ReadyCondition} {
		if found := meta.FindStatusCondition(*o.GetConditions(), kind); found != nil && found.Reason != v1alpha1.IssuedReason &&
			found.Reason != v1alpha1.AvailableReason {
			return fmt.Sprintf(": %s: %s", found.Reason, found.Message)
		}
	}
	return "; is the operator running?"
}
