// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	manifests "k8s.io/cli-runtime/pkg/resource"

	"github.com/sendforsign/sfs-operator/cli/internal/plan"
)

type planCommand struct {
	*session

	files   manifests.FilenameOptions
	manager string
}

func (s *session) newPlan() *cobra.Command {
	o := &planCommand{session: s}
	c := &cobra.Command{
		Use:   "plan (-f FILE... | -k DIRECTORY)",
		Short: "Show what manifests would change in the cluster and at SFS, without changing anything",
		Long: `Have the API server try manifests out, as kubectl apply --server-side --dry-run=server does, and show what it would create,
change or refuse, and what would follow at SFS as far as the statuses of the operator tell. Nothing is written, and SFS is
not asked. Of an OAuthToken it shows what would change in the cluster: whether its provider would give a token is not known
before one is asked for.

The exit code is 1 if something is refused, or would wait for somebody to put something right.`,
		Example: `
  {program} plan -f tenants.yaml
  {program} plan -k overlays/production
  helm template tenants | {program} plan -f -`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	c.Flags().StringSliceVarP(&o.files.Filenames, "filename", "f", nil, "files, directories or - for the standard input")
	c.Flags().StringVarP(&o.files.Kustomize, "kustomize", "k", "", "a directory with a kustomization")
	c.Flags().BoolVarP(&o.files.Recursive, "recursive", "R", false, "with -f: the directories below too")
	c.Flags().StringVar(&o.manager, "field-manager", "kubectl", "who would apply them: fields that others set stay")
	return c
}

func (o *planCommand) run(ctx context.Context) error {
	if len(o.files.Filenames) == 0 && o.files.Kustomize == "" {
		return errors.New("say what: give -f or -k")
	}
	namespace, enforced, err := o.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return err
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	builder := manifests.NewBuilder(o.flags).Unstructured().ContinueOnError().NamespaceParam(namespace).DefaultNamespace().Flatten()
	if len(o.files.Filenames) == 1 && o.files.Filenames[0] == "-" {
		builder = builder.Stream(o.In, "standard input")
	} else {
		builder = builder.FilenameParam(enforced, &o.files)
	}
	infos, err := builder.Do().Infos()
	unreadable := lines(err)
	var documents []*unstructured.Unstructured
	for _, info := range infos {
		documents = append(documents, info.Object.(*unstructured.Unstructured))
	}
	planner := &plan.Planner{Client: c, FieldManager: o.manager, Clock: o.Clock}
	steps, err := planner.Plan(ctx, documents)
	if err != nil {
		return err
	}
	return o.print(steps, unreadable)
}

// lines are the errors that make up one.
func lines(err error) []error {
	var many utilerrors.Aggregate
	if errors.As(err, &many) {
		return many.Errors()
	}
	if err != nil {
		return []error{err}
	}
	return nil
}

func (o *planCommand) print(steps []plan.Step, unreadable []error) error {
	counts, stuck := map[plan.Action]int{}, 0
	for i := range steps {
		step := &steps[i]
		counts[step.Action]++
		if step.Stuck {
			stuck++
		}
		name := step.Kind + " " + step.Name
		if step.Namespace != "" {
			name = step.Kind + " " + step.Namespace + "/" + step.Name
		}
		fmt.Fprintf(o.Out, "%s %s\n", marks[step.Action], name)
		for _, change := range step.Changes {
			fmt.Fprintf(o.Out, "    %s: %s -> %s\n", change.Field, orNone(change.From), orNone(change.To))
		}
		if step.Refusal != "" {
			fmt.Fprint(o.Out, wrap("Refused: "+step.Refusal, "    "))
		}
		for _, effect := range step.Effects {
			fmt.Fprint(o.Out, wrap(effect, "    "))
		}
	}
	for _, err := range unreadable {
		fmt.Fprint(o.Out, "! a document\n"+wrap(err.Error(), "    "))
	}
	refused := counts[plan.Refuse] + len(unreadable)
	_, err := fmt.Fprintf(o.Out, "\ncreate: %d, change: %d, leave: %d, refused: %d; would wait: %d\n",
		counts[plan.Create], counts[plan.Update], counts[plan.Nothing], refused, stuck)
	if err == nil && refused+stuck > 0 {
		err = errFound
	}
	return err
}

// marks stand in front of what would be created, changed, left as it is, and refused.
var marks = map[plan.Action]string{plan.Create: "+", plan.Update: "~", plan.Nothing: "=", plan.Refuse: "!"}

func orNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}
