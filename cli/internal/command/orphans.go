// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/utils/ptr"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
)

type orphansCommand struct {
	*session

	platform string
}

func (s *session) newOrphans() *cobra.Command {
	o := &orphansCommand{session: s}
	c := &cobra.Command{
		Use:   "orphans",
		Short: "List the clients at SFS that have no SfsClient",
		Long: `List the clients at SFS whose customKey begins with the customKeyPrefix of an SfsPlatform, and that have no SfsClient, as
the operator saw them when it last listed the clients (spec.driftCheckInterval). SFS can not delete a client: it stays until
the SfsClient of its namespace and name is there again, and gets it back.

An OAuthToken leaves no orphan: nothing is made at its provider but tokens, which expire.`,
		Example: `
  {program} orphans --platform default`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	c.Flags().StringVar(&o.platform, "platform", "", "only of this SfsPlatform")
	s.completeFlag(c, "platform", s.platformNames)
	return c
}

func (o *orphansCommand) run(ctx context.Context) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	var platforms []resource
	if o.platform != "" {
		platforms, err = find(ctx, c, []*kinds.Kind{kinds.Platform}, "", o.platform)
	} else {
		platforms, err = list(ctx, c, kinds.Platform, "")
	}
	if err != nil {
		return err
	}
	var rows [][]string
	for _, r := range platforms {
		platform := r.(*v1alpha1.SfsPlatform)
		told, listed := platform.Status.Orphans, relativeTo(platform.Status.LastDriftCheckTime, o.Clock.Now())
		if told == nil {
			o.note("the SfsPlatform %s does not tell yet: its clients at SFS have not been listed", platform.Name)
			continue
		}
		for _, orphan := range told.Clients {
			rows = append(rows, []string{
				platform.Name, orphan.CustomKey, orphan.ClientKey, ownerOf(orphan.CustomKey, platform.Spec.CustomKeyPrefix), listed,
			})
		}
		if len(told.Clients) == 0 {
			o.note("the SfsPlatform %s had none when its clients at SFS were listed, %s", platform.Name, listed)
		}
		if more := int(ptr.Deref(told.Count, 0)) - len(told.Clients); more > 0 {
			o.note("the SfsPlatform %s has %d more, which its status does not list", platform.Name, more)
		}
	}
	if len(rows) == 0 {
		o.note("no orphans are known of")
		return nil
	}
	return table(o.Out, []string{"PLATFORM", "CUSTOMKEY", "CLIENTKEY", "GOES TO", "LISTED"}, rows)
}

// ownerOf is the SfsClient that gets a client back.
func ownerOf(customKey, prefix string) string {
	namespace, name, _ := strings.Cut(strings.TrimPrefix(customKey, prefix+"/"), "/")
	return fmt.Sprintf("SfsClient %s in %s", name, namespace)
}
