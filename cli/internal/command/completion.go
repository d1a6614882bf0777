// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
)

// patience is how long somebody waits who has pressed the tab key.
const patience = 3 * time.Second

// lister returns names that can be completed to.
type lister func(ctx context.Context, c client.Reader, namespace string) ([]string, error)

// completeArg completes the first argument.
func (s *session) completeArg(names lister) cobra.CompletionFunc {
	every := s.completeArgs(names)
	return func(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return every(c, args, begun)
	}
}

// completeArgs completes each argument.
func (s *session) completeArgs(names lister) cobra.CompletionFunc {
	return func(command *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(command.Context(), patience)
		defer cancel()
		found, err := s.complete(ctx, names)
		if err != nil {
			cobra.CompErrorln(err.Error()) // which shells do not show
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var fitting []cobra.Completion
		for _, name := range found {
			if strings.HasPrefix(name, begun) {
				fitting = append(fitting, name)
			}
		}
		return fitting, cobra.ShellCompDirectiveNoFileComp
	}
}

func (s *session) complete(ctx context.Context, names lister) ([]string, error) {
	c, err := s.client()
	if err != nil {
		return nil, err
	}
	namespace, err := s.namespace()
	if err != nil {
		return nil, err
	}
	return names(ctx, c, namespace)
}

// completeFlag completes the value of a flag.
func (s *session) completeFlag(c *cobra.Command, flag string, names lister) {
	if err := c.RegisterFlagCompletionFunc(flag, s.completeArgs(names)); err != nil {
		panic(err) // there is no such flag
	}
}

// fixFlag completes the value of a flag that takes one of some words.
func fixFlag(c *cobra.Command, flag string, words ...string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // there is no such flag
	}
}

// names lists the names of resources. Those of kinds behind the first one are shown with their kind.
func (*session) names(ctx context.Context, c client.Reader, namespace string, of ...*kinds.Kind) ([]string, error) {
	var all []string
	for i, kind := range of {
		found, err := list(ctx, c, kind, namespace)
		if isRefused(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if i == 0 {
				all = append(all, r.GetName())
			} else {
				all = append(all, shortName(r))
			}
		}
	}
	return all, nil
}

func (s *session) holderNames(ctx context.Context, c client.Reader, namespace string) ([]string, error) {
	return s.names(ctx, c, namespace, kinds.WithToken...)
}

func (s *session) platformNames(ctx context.Context, c client.Reader, _ string) ([]string, error) {
	return s.names(ctx, c, "", kinds.Platform)
}

func (*session) namespaceNames(ctx context.Context, c client.Reader, _ string) ([]string, error) {
	var namespaces corev1.NamespaceList
	if err := c.List(ctx, &namespaces); err != nil {
		return nil, err
	}
	var all []string
	for i := range namespaces.Items {
		all = append(all, namespaces.Items[i].Name)
	}
	return all, nil
}
