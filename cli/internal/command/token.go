// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

type tokenCommand struct {
	*session

	reveal bool
}

func (s *session) newToken() *cobra.Command {
	o := &tokenCommand{session: s}
	c := &cobra.Command{
		Use:   "token (NAME | KIND/NAME)",
		Short: "Show where a token is and when it expires; with --reveal, the token itself",
		Long: `Show the Secret that holds the token of an SfsClient or an OAuthToken, its revision, and when it expires. With --reveal,
write the token and nothing else: whoever has it can act as the tenant, so send it to a program and not to a screen.`,
		Example: `
  {program} token shop -n team-a

  # Try the token
  curl -H "Authorization: Bearer $({program} token shop -n team-a --reveal)" https://api.sendforsign.com/api/...`,
		Args:              cobra.ExactArgs(1),
		RunE:              func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0]) },
		ValidArgsFunction: s.completeArg(s.holderNames),
	}
	c.Flags().BoolVar(&o.reveal, "reveal", false, "write the token, and nothing else")
	return c
}

func (o *tokenCommand) run(ctx context.Context, arg string) error {
	c, target, err := o.holderNamed(ctx, arg)
	if err != nil {
		return err
	}
	if target.token.Status == nil {
		if !target.token.Wanted {
			return canRenew(target)
		}
		return fmt.Errorf("%s has no token yet%s", inNamespace(target.of), because(target.of))
	}
	if o.reveal {
		return o.write(ctx, c, target)
	}
	t, now := target.token.Status, o.Clock.Now()
	rows := [][2]string{
		{"Secret", t.SecretRef.Name}, {"Revision", strconv.FormatInt(t.Revision, 10)},
		{"Issued", relativeTo(&t.IssuedTime, now)},
		{"Expires", relativeTo(&t.ExpirationTime, now)},
		{"Renewal", renewalOf(t, now)},
	}
	if t.PreviousRevocationTime != nil {
		rows = append(rows, [2]string{"The one before it is revoked", relativeTo(t.PreviousRevocationTime, now)})
	}
	fields(o.Out, rows...)
	return nil
}

func (o *tokenCommand) write(ctx context.Context, c client.Client, target *holder) error {
	name := target.token.Status.SecretRef.Name
	secret := &corev1.Secret{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: target.of.GetNamespace(), Name: name}, secret); err != nil {
		return doing("reading the Secret "+name, err)
	}
	key := secret.Annotations[v1alpha1.TokenKeyAnnotation]
	if key == "" || secret.Labels[v1alpha1.OwnerLabel] != string(target.of.GetUID()) {
		return fmt.Errorf("the Secret %s has no key that holds the token of %s alone", name, inNamespace(target.of))
	}
	value, there := secret.Data[key]
	if !there {
		return fmt.Errorf("the Secret %s lacks the key %s: the operator is about to repair it", name, key)
	}
	_, err := fmt.Fprintf(o.Out, "%s\n", value)
	return err
}
