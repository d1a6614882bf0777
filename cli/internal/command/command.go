// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package command is the command line tool: it reads what the operator says of its resources, and asks for renewals and
// revocations by annotations. It writes nothing else.
package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/version"
)

// Environment is what the tool finds around it.
type Environment struct {
	genericiooptions.IOStreams
	// Clock tells the time, and when some has passed.
	Clock clock.Clock
	// IsTerminal says whether somebody can answer a question on In.
	IsTerminal bool
	// Wrap decorates the configuration of the connection to the API server. Nil leaves it as it is.
	Wrap func(*rest.Config) *rest.Config
}

// errFound is returned where all has been said already: something is not as it should be.
var errFound = errors.New("something is not as it should be")

// Run runs the tool with the name that it was started by, and returns its exit code.
func Run(ctx context.Context, env Environment, args []string) int {
	program, args := calledAs(args)
	root := newRoot(env, program)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFound):
		return 1
	}
	fmt.Fprintln(env.ErrOut, "error:", explain(err, program))
	return 1
}

// completePrefix begins the name of the program that kubectl asks for completions of a plugin.
const completePrefix = "kubectl_complete-"

// calledAs returns what users type to start the tool, and its arguments. Under the name by which kubectl looks for completions
// it gives these.
func calledAs(args []string) (program string, rest []string) {
	name := strings.TrimSuffix(filepath.Base(args[0]), ".exe")
	rest = args[1:]
	if plugin, completes := strings.CutPrefix(name, completePrefix); completes {
		return "kubectl " + plugin, append([]string{cobra.ShellCompRequestCmd}, rest...)
	}
	if plugin, isPlugin := strings.CutPrefix(name, "kubectl-"); isPlugin {
		return "kubectl " + plugin, rest
	}
	return name, rest
}

// session is what the commands share.
type session struct {
	Environment

	program string
	flags   *genericclioptions.ConfigFlags
}

const about = `Look after the tenants that the sfs-operator keeps at Sendforsign (SFS).

It reads the resources of the operator, and what the operator says of them. Only renew and revoke write, and only an
annotation. It never speaks to SFS.`

func newRoot(env Environment, program string) *cobra.Command {
	s := &session{Environment: env, program: program, flags: genericclioptions.NewConfigFlags(true)}
	s.flags.WrapConfigFn = func(config *rest.Config) *rest.Config {
		config.UserAgent = "kubectl-sendforsign/" + version.Version
		config.QPS = -1 // the API server has its own limits
		config.WarningHandler = rest.NewWarningWriter(s.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
		if s.Wrap != nil {
			return s.Wrap(config)
		}
		return config
	}
	root := &cobra.Command{
		Use:           "kubectl-sendforsign",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: program},
		Short:         "Look after the tenants of the sfs-operator",
		Long:          about,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.ErrOut)
	s.flags.AddFlags(root.PersistentFlags())
	root.AddCommand(
		s.newStatus(), s.newTree(), s.newToken(), s.newRenew(), s.newRevoke(), s.newPlan(), s.newOrphans(), s.newDoctor(), s.newVersion(),
	)
	s.completeFlag(root, "namespace", s.namespaceNames)
	for _, c := range root.Commands() {
		c.Example = strings.ReplaceAll(strings.Trim(c.Example, "\n"), "{program}", program)
	}
	return root
}

func (s *session) newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of this tool",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(s.Out, version.Version)
			return err
		},
	}
}

// scheme has what is read with types.
func scheme() *runtime.Scheme {
	all := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(all))
	utilruntime.Must(v1alpha1.AddToScheme(all))
	return all
}

func (s *session) client() (client.WithWatch, error) {
	config, err := s.flags.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	return client.NewWithWatch(config, client.Options{Scheme: scheme()})
}

// namespace is the one that is asked for, or that of the context.
func (s *session) namespace() (string, error) {
	namespace, _, err := s.flags.ToRawKubeConfigLoader().Namespace()
	return namespace, err
}

// note says beside the output what is to be known of it.
func (s *session) note(format string, args ...any) {
	fmt.Fprintf(s.ErrOut, "note: "+format+"\n", args...)
}

// oneOf refuses what is none of the words.
func oneOf(flag, value string, words ...string) error {
	if value == "" || slices.Contains(words, value) {
		return nil
	}
	return fmt.Errorf("--%s %s is none of %s", flag, value, strings.Join(words, ", "))
}
