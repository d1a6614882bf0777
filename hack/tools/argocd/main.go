// Command argocd is Argo CD in one binary, as its own cmd/main.go puts it together: ARGOCD_BINARY_NAME says which part of it
// runs. The one difference is where the application-controller serves its metrics. Argo CD takes all addresses of the machine,
// and has no flag for it; here it is 127.0.0.1, as for all that the tests start.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	server "github.com/argoproj/argo-cd/v3/cmd/argocd-server/commands"
	cli "github.com/argoproj/argo-cd/v3/cmd/argocd/commands"
	commitclient "github.com/argoproj/argo-cd/v3/commitserver/apiclient"
	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/controller"
	"github.com/argoproj/argo-cd/v3/controller/sharding"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/pkg/client/clientset/versioned"
	repoclient "github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	"github.com/argoproj/argo-cd/v3/util/argo"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	cacheutil "github.com/argoproj/argo-cd/v3/util/cache"
	"github.com/argoproj/argo-cd/v3/util/cache/appstate"
	cliutil "github.com/argoproj/argo-cd/v3/util/cli"
	"github.com/argoproj/argo-cd/v3/util/kube"
	"github.com/argoproj/argo-cd/v3/util/settings"
)

func main() {
	parts := map[string]func() *cobra.Command{
		"argocd-server":                 server.NewCommand,
		"argocd-repo-server":            reposerver.NewCommand,
		"argocd-application-controller": newController,
	}
	part, known := parts[os.Getenv("ARGOCD_BINARY_NAME")]
	if !known {
		part = cli.NewCommand
	}
	if err := part().Execute(); err != nil {
		os.Exit(1) // cobra has told of it
	}
}

// application is what the flags of the application-controller say. Those that are not here have their defaults.
type application struct {
	cluster     clientcmd.ClientConfig
	cache       func() (*appstate.Cache, error)
	repoServer  string
	resync      time.Duration
	metricsPort int
}

func newController() *cobra.Command {
	var a application
	command := &cobra.Command{
		Use:  "argocd-application-controller",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.run(ctx)
		},
	}
	a.cluster = cliutil.AddKubectlFlagsToCmd(command)
	a.cache = appstate.AddCacheFlagsToCmd(command)
	command.Flags().StringVar(&a.repoServer, "repo-server", common.DefaultRepoServerAddr, "Address of the repo-server, without TLS.")
	command.Flags().DurationVar(&a.resync, "app-resync", 2*time.Minute, "How often each Application is compared, at least.")
	command.Flags().IntVar(&a.metricsPort, "metrics-port", common.DefaultPortArgoCDMetrics, "Port of the metrics on 127.0.0.1.")
	return command
}

// run does what the command of Argo CD does, with the same values where there is no flag for them.
func (a *application) run(ctx context.Context) error {
	cliutil.SetLogFormat("json")
	namespace, _, err := a.cluster.Namespace()
	if err != nil {
		return err
	}
	config, err := a.cluster.ClientConfig()
	if err != nil {
		return err
	}
	if err := v1alpha1.SetK8SConfigDefaults(config); err != nil {
		return err
	}
	cache, err := a.cache()
	if err != nil {
		return err
	}
	cache.Cache.SetClient(cacheutil.NewTwoLevelClient(cache.Cache.GetClient(), 10*time.Minute))

	cluster := kubernetes.NewForConfigOrDie(config)
	var c *controller.ApplicationController
	found := settings.NewSettingsManager(ctx, cluster, namespace,
		settings.WithRepoOrClusterChangedHandler(func() { c.InvalidateProjectsCache() }))
	shards, err := sharding.GetClusterSharding(cluster, found, common.DefaultShardingAlgorithm, false)
	if err != nil {
		return err
	}
	c, err = controller.NewApplicationController(namespace, found, cluster, versioned.NewForConfigOrDie(config),
		repoclient.NewRepoServerClientset(a.repoServer, 60, repoclient.TLSConfiguration{DisableTLS: true}),
		commitclient.NewCommitServerClientset(common.DefaultCommitServerAddr), cache, kube.NewKubectl(),
		a.resync, 0, 0, // the jitter is for those who have many Applications
		0, &wait.Backoff{Duration: 2 * time.Second, Factor: 3, Cap: 5 * time.Minute}, 330*time.Second, // of self-healing
		0, 3*time.Minute, a.metricsPort, 0, nil, nil, nil, 20, false, shards, nil, nil, false, false,
		normalizers.IgnoreNormalizerOpts{}, argo.DefaultEnableEventList(), false)
	if err != nil {
		return err
	}
	c.GetMetricsServer().Addr = fmt.Sprintf("127.0.0.1:%d", a.metricsPort)
	c.Run(ctx, 20, 10)
	return nil
}
