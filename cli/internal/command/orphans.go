// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/orphans"
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
the SfsClient of its namespace and name is there again, and gets it back.`,
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
	platforms, err := o.platforms(ctx, c)
	if err != nil {
		return err
	}
	var rows [][]string
	for i := range platforms {
		name := platforms[i].GetName()
		status, err := orphans.Of(&platforms[i])
		if err != nil {
			return err
		}
		if status == nil {
			o.note("the SfsPlatform %s does not tell yet: its clients at SFS have not been listed", name)
			continue
		}
		prefix, _, _ := unstructured.NestedString(platforms[i].Object, "spec", "customKeyPrefix")
		for _, orphan := range status.Clients {
			rows = append(rows, []string{name, orphan.CustomKey, orphan.ClientKey, ownerOf(orphan.CustomKey, prefix)})
		}
		if more := int(status.Count) - len(status.Clients); more > 0 {
			o.note("the SfsPlatform %s has %d more, which its status does not list", name, more)
		}
	}
	if len(rows) == 0 {
		o.note("no orphans are known of")
		return nil
	}
	return table(o.Out, []string{"PLATFORM", "CUSTOMKEY", "CLIENTKEY", "GOES TO"}, rows)
}

func (o *orphansCommand) platforms(ctx context.Context, c client.Reader) ([]unstructured.Unstructured, error) {
	if o.platform != "" {
		one := &unstructured.Unstructured{}
		one.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(platformKind))
		if err := c.Get(ctx, client.ObjectKey{Name: o.platform}, one); err != nil {
			return nil, doing("reading the SfsPlatform "+o.platform, err)
		}
		return []unstructured.Unstructured{*one}, nil
	}
	all := &unstructured.UnstructuredList{}
	all.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(platformKind + "List"))
	if err := c.List(ctx, all); err != nil {
		return nil, doing("listing SfsPlatforms", err)
	}
	return all.Items, nil
}

// ownerOf is the SfsClient that gets a client back.
func ownerOf(customKey, prefix string) string {
	namespace, name, found := strings.Cut(strings.TrimPrefix(customKey, prefix+"/"), "/")
	if !found || strings.Contains(name, "/") {
		return none
	}
	return fmt.Sprintf("SfsClient %s in %s", name, namespace)
}
