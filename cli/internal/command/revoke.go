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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
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
		Long: `Ask the operator to publish a new token of SfsClients and OAuthTokens and to revoke the one before it at once, by the
annotation ` + v1alpha1.RevokeRequestedAtAnnotation + `: for a token that has leaked. An application that has not read the new
one is refused until it does.

A provider of an OAuthToken that revokes no tokens, as Signicat, leaves the old one to expire.`,
		Example: `
  # The token of one SfsClient
  {program} revoke shop -n team-a

  # Those of all SfsClients of an SfsPlatform, in a script
  {program} revoke --platform default --yes`,
		RunE:              func(c *cobra.Command, args []string) error { return o.run(c.Context(), args) },
		ValidArgsFunction: s.completeArgs(s.holderNames),
	}
	c.Flags().StringVar(&o.platform, "platform", "", "those of all SfsClients of this SfsPlatform")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	s.completeFlag(c, "platform", s.platformNames)
	return c
}

func (o *revokeCommand) run(ctx context.Context, args []string) error {
	if (len(args) > 0) == (o.platform != "") {
		return errors.New("say whose: give names, or --platform")
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	namespace, err := o.namespace()
	if err != nil {
		return err
	}
	if o.platform != "" {
		return o.ofPlatform(ctx, c)
	}
	return o.ofHolders(ctx, c, namespace, args)
}

func (o *revokeCommand) ofPlatform(ctx context.Context, c client.Client) error {
	found, err := find(ctx, c, []*kinds.Kind{kinds.Platform}, "", o.platform)
	if err != nil {
		return err
	}
	clients, err := list(ctx, c, kinds.Client, "")
	if err != nil && !isRefused(err) {
		return err
	}
	what := "the tokens of all SfsClients of the SfsPlatform " + o.platform
	if err != nil {
		o.note("how many there are, and whether some are suspended, is not known: %v", err)
	} else {
		what = fmt.Sprintf("the tokens of all %d SfsClients of the SfsPlatform %s", o.tell(clients), o.platform)
	}
	if err := o.confirm(ctx, what); err != nil {
		return err
	}
	if _, err := o.annotate(ctx, c, found[0], v1alpha1.RevokeRequestedAtAnnotation); err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.Out, "asked for: %s to be replaced and revoked\n", what)
	return err
}

// tell says for how many SfsClients of the SfsPlatform it is not done now, and returns how many there are.
func (o *revokeCommand) tell(clients []resource) (total int) {
	suspended, disabled := 0, 0
	for _, r := range clients {
		target := r.(*v1alpha1.SfsClient)
		if target.Spec.PlatformRef.Name != o.platform {
			continue
		}
		total++
		switch {
		case !target.TokenEnabled():
			disabled++
		case target.IsSuspended():
			suspended++
		}
	}
	if suspended > 0 {
		o.note("%d suspended: a token of theirs is not revoked until they are resumed, or it expires before; docs/operations.md says how", suspended)
	}
	if disabled > 0 {
		o.note("%d without a token: spec.token.enabled is false", disabled)
	}
	return total
}

func (o *revokeCommand) ofHolders(ctx context.Context, c client.Client, namespace string, args []string) error {
	var targets []*holder
	var names []string
	var failed []error
	for _, arg := range args {
		found, err := holdersByName(ctx, c, namespace, []string{arg})
		if err == nil && !found[0].token.Wanted {
			err = canRenew(found[0])
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		targets, names = append(targets, found[0]), append(names, inNamespace(found[0].of))
	}
	if len(targets) > 0 {
		if err := o.confirm(ctx, "the token of "+strings.Join(names, ", ")); err != nil {
			return errors.Join(append(failed, err)...)
		}
	}
	for _, target := range targets {
		if _, err := o.annotate(ctx, c, target.of, v1alpha1.RevokeRequestedAtAnnotation); err != nil {
			failed = append(failed, err)
			continue
		}
		what, when := "replaced and revoked", ""
		if target.token.Irrevocable {
			what = "replaced"
		}
		if target.token.Suspended {
			when = " when it is resumed, since it is suspended"
		}
		fmt.Fprintf(o.Out, "%s: asked for its token to be %s%s\n", inNamespace(target.of), what, when)
		if target.token.Irrevocable {
			o.note("its provider revokes no tokens: the old one lives until it expires")
		}
	}
	return errors.Join(failed...)
}

// confirm asks whether it is meant.
func (o *revokeCommand) confirm(ctx context.Context, what string) error {
	if o.yes {
		return nil
	}
	if !o.IsTerminal {
		return fmt.Errorf("revoking %s needs to be confirmed, and there is no terminal to ask at: add --yes if it is meant", what)
	}
	fmt.Fprintf(o.ErrOut, "Revoke %s? Applications are refused until they have read the new one. [y/N] ", what)
	answers := make(chan string, 1)
	go func() { // which ends with the program, if there is no answer: a read from a terminal can not be interrupted
		answer, _ := bufio.NewReader(o.In).ReadString('\n') // what can not be read is no yes
		answers <- answer
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(o.ErrOut)
		return errors.New("interrupted, so nothing is done")
	case answer := <-answers:
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "y", "yes":
			return nil
		}
		return errors.New("not confirmed, so nothing is done")
	}
}
