// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/sendforsign/sfs-operator/cli/internal/doctor"
)

type doctorCommand struct {
	*session

	operatorNamespace string
}

func (s *session) newDoctor() *cobra.Command {
	o := &doctorCommand{session: s}
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong with the installation, and with how tokens are used",
		Long: `Check the clock, the CustomResourceDefinitions, the operator and its leader, its rights, the credentials of the SfsPlatforms,
the health checks of Argo CD, and whether workloads read tokens where they never see a new one. What you may not look at is
said, and left out.

The exit code is 1 if there is a problem.`,
		Example: `
  {program} doctor`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	c.Flags().StringVar(&o.operatorNamespace, "operator-namespace", "sfs-system",
		"where to look for the operator, for those who may not look everywhere")
	s.completeFlag(c, "operator-namespace", s.namespaceNames)
	return c
}

func (o *doctorCommand) run(ctx context.Context) error {
	config, err := o.flags.ToRESTConfig()
	if err != nil {
		return err
	}
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	host, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return err
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	served, err := o.flags.ToDiscoveryClient()
	if err != nil {
		return err
	}
	served.Invalidate() // what was installed a moment ago counts
	namespace, err := o.namespace()
	if err != nil {
		return err
	}
	d := &doctor.Doctor{
		Client: c, Discovery: served, HTTP: web, Host: host.String(), Clock: o.Clock,
		Namespace: namespace, OperatorNamespace: o.operatorNamespace,
	}
	findings, err := d.Examine(ctx)
	if printed := o.print(findings); printed != nil {
		return printed
	}
	return err
}

func (o *doctorCommand) print(findings []doctor.Finding) error {
	counts := map[doctor.Level]int{}
	for _, f := range findings {
		counts[f.Level]++
		fmt.Fprintf(o.Out, "%-9s%s: %s\n", f.Level, f.Check, f.Text)
		if f.Do != "" {
			fmt.Fprint(o.Out, wrap(f.Do, "         "))
		}
	}
	_, err := fmt.Fprintf(o.Out, "\nok: %d, warning: %d, problem: %d, unknown: %d\n",
		counts[doctor.OK], counts[doctor.Warning], counts[doctor.Problem], counts[doctor.Unknown])
	if err == nil && counts[doctor.Problem] > 0 {
		err = errFound
	}
	return err
}
