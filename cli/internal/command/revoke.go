// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

type revokeCommand struct {
	*session

	platform string
	yes      bool
}

func (s *session) newRevoke() *cobra.Command {
	o := &revokeCommand{session: s}
	c := &cobra.Command{
		Use:   "revoke (NAME... | --platform PLATFORM)",
		Short: "Ask for tokens to be replaced, and those before them to be revoked at once",
		Long: `Ask the operator to publish a new token of SfsClients and to revoke the one before it at once, by the annotation
` + v1alpha1.RevokeRequestedAtAnnotation + `: for a token that has leaked. An application that has not read the new one is refused
by SFS until it does.`,
		Example: `
  # The token of one SfsClient
  {program} revoke shop -n team-a

  # Those of all SfsClients of an SfsPlatform, in a script
  {program} revoke --platform default --yes`,
		RunE:              func(c *cobra.Command, args []string) error { return o.run(c.Context(), args) },
		ValidArgsFunction: s.completeArgs(s.clientNames),
	}
	c.Flags().StringVar(&o.platform, "platform", "", "those of all SfsClients of this SfsPlatform")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	s.completeFlag(c, "platform", s.platformNames)
	return c
}

func (o *revokeCommand) run(ctx context.Context, args []string) error {
	if (len(args) > 0) == (o.platform != "") {
		return errors.New("say of which SfsClients: give names, or --platform")
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	namespace, err := o.namespace()
	if err != nil {
		return err
	}
	var targets []resource
	var what string
	if o.platform != "" {
		if targets, err = find(ctx, c, []string{platformKind}, "", o.platform); err != nil {
			return err
		}
		what = "the tokens of all SfsClients of the SfsPlatform " + o.platform
		if n := targets[0].(*v1alpha1.SfsPlatform).Status.Clients; n != nil && n.Total != nil {
			what = fmt.Sprintf("the tokens of all %d SfsClients of the SfsPlatform %s", *n.Total, o.platform)
		}
	} else {
		clients, err := clientsByName(ctx, c, namespace, args)
		if err != nil {
			return err
		}
		var names []string
		for _, target := range clients {
			if err := canRenew(target); err != nil {
				return err
			}
			targets, names = append(targets, target), append(names, inNamespace(target))
		}
		what = "the token of " + strings.Join(names, ", ")
	}
	if err := o.confirm(what); err != nil {
		return err
	}
	for _, target := range targets {
		if _, err := o.annotate(ctx, c, target, v1alpha1.RevokeRequestedAtAnnotation); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(o.Out, "asked for: %s to be replaced and revoked\n", what)
	return err
}

// confirm asks whether it is meant.
func (o *revokeCommand) confirm(what string) error {
	if o.yes {
		return nil
	}
	if !o.IsTerminal {
		return fmt.Errorf("revoking %s needs to be confirmed, and there is no terminal to ask at: add --yes if it is meant", what)
	}
	fmt.Fprintf(o.ErrOut, "Revoke %s? Applications are refused by SFS until they have read the new one. [y/N] ", what)
	answer, _ := bufio.NewReader(o.In).ReadString('\n') // what can not be read is no yes
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("not confirmed, so nothing is done")
}
