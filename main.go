// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// The sfs-operator keeps the tenants that are declared as SfsClients at Sendforsign, and a living token for each of them
// in a Secret.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/controllers"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/internal/options"
	"github.com/sendforsign/sfs-operator/internal/version"
)

// probePatience is how long a probe waits for an answer that is there at once in a healthy process.
const probePatience = 200 * time.Millisecond

func main() {
	o, err := options.Parse(os.Args[1:], os.Getenv, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "sfs-operator:", err)
		os.Exit(2)
	case o.ShowVersion:
		fmt.Println(version.Version)
		return
	}
	handler := o.LogHandler(os.Stderr)
	slog.SetDefault(slog.New(handler)) // and with it package log, which net/http uses
	log := logr.FromSlogHandler(handler)
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	config, err := ctrl.GetConfig()
	if err != nil {
		log.Error(err, "There is no Kubernetes API to be found")
		os.Exit(1)
	}
	if err := run(ctrl.SetupSignalHandler(), config, o); err != nil {
		log.Error(err, "The operator ends")
		os.Exit(1)
	}
}

// run is the operator until ctx ends.
func run(ctx context.Context, config *rest.Config, o options.Options) error {
	config.UserAgent = version.UserAgent()
	mgr, err := ctrl.NewManager(config, managerOptions(o))
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("cache", cacheSynced(mgr)); err != nil {
		return fmt.Errorf("adding the ready check: %w", err)
	}
	cached, err := controllers.CacheOf(mgr)
	if err != nil {
		return err
	}
	counted := metrics.New()
	collectors := []prometheus.Collector{counted, controllers.NewCollector(cached, o.MetricsPerResource)}
	ctrlmetrics.Registry.MustRegister(collectors...)
	defer func() { // the registry is the process's, and a test runs one operator after another
		for _, c := range collectors {
			ctrlmetrics.Registry.Unregister(c)
		}
	}()
	if err := controllers.Setup(ctx, mgr, controllers.Options{
		Namespace: o.PlatformNamespace, WatchNamespaces: o.WatchNamespaces, Selector: o.WatchLabelSelector,
		Concurrency: o.Concurrency, OmitTokenTimes: !o.RecordTokenTimes, Metrics: counted,
		OAuth: controllers.OAuthServers{AllowedHosts: o.OAuthAllowedHosts, PresetURLs: o.OAuthPresetURLs},
	}); err != nil {
		return fmt.Errorf("setting up the controllers: %w", err)
	}
	ctrl.Log.Info("Starting", "version", version.Version)
	return mgr.Start(ctx)
}

func managerOptions(o options.Options) ctrl.Options {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	server := metricsserver.Options{
		BindAddress:   o.MetricsAddress,
		SecureServing: o.MetricsSecure,
		// HTTP/2 is off: its stream resets allow a denial of service (CVE-2023-44487), and scraping gains nothing by it.
		TLSOpts: []func(*tls.Config){func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }},
	}
	if o.MetricsSecure {
		server.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	renewDeadline, retryPeriod := o.LeaseDuration*2/3, o.LeaseDuration*2/15
	return ctrl.Options{
		Scheme:                  scheme,
		NewCache:                controllers.NewCache(o.PlatformNamespace, o.WatchNamespaces...),
		MapperProvider:          controllers.NewMapper,
		Metrics:                 server,
		HealthProbeBindAddress:  o.ProbeAddress,
		LeaderElection:          o.LeaderElect,
		LeaderElectionID:        o.LeaderElectionID,
		LeaderElectionNamespace: o.PlatformNamespace,
		LeaseDuration:           &o.LeaseDuration,
		RenewDeadline:           &renewDeadline,
		RetryPeriod:             &retryPeriod,
		// The process ends when the manager does, so the next one need not wait for the lease to run out.
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &o.ShutdownTimeout,
	}
}

// cacheSynced is ready once the cache holds what it was asked for. A probe does not wait for it.
func cacheSynced(mgr manager.Manager) healthz.Checker {
	return func(req *http.Request) error {
		ctx, cancel := context.WithTimeout(req.Context(), probePatience)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("the cache is not filled yet")
		}
		return nil
	}
}
