// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// controllers of kube-controller-manager that matter here: deletion of what belongs to a deleted resource or namespace, and
// the roles that are put together from others.
const controllers = "garbage-collector-controller,namespace-controller,serviceaccount-controller,clusterrole-aggregation-controller"

// controlPlane is Kubernetes without nodes.
type controlPlane struct {
	assets     string
	config     *rest.Config // of an administrator
	kubeconfig string       // the same, as a file
	client     client.Client
	manager    *process
}

func startControlPlane(w *workspace, assets string) (*controlPlane, func() error, error) {
	etcdLog, err := w.logFile("etcd")
	if err != nil {
		return nil, nil, err
	}
	apiLog, err := w.logFile("kube-apiserver")
	if err != nil {
		return nil, nil, err
	}
	no := false
	env := &envtest.Environment{UseExistingCluster: &no, BinaryAssetsDirectory: assets, ControlPlaneStartTimeout: time.Minute}
	env.ControlPlane.Etcd = &envtest.Etcd{DataDir: w.path("etcd"), Out: etcdLog, Err: etcdLog}
	env.ControlPlane.APIServer = &envtest.APIServer{CertDir: w.path("kube-apiserver"), Out: apiLog, Err: apiLog}
	stop := func() error {
		if err := env.Stop(); err != nil {
			return fmt.Errorf("stopping kube-apiserver and etcd: %w", err)
		}
		return nil
	}

	p := &controlPlane{assets: assets, kubeconfig: w.path("admin.kubeconfig")}
	if p.config, err = env.Start(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("starting etcd and kube-apiserver: %w", err), stop())
	}
	if err := p.connect(env.KubeConfig); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return p, stop, nil
}

func (p *controlPlane) connect(kubeconfig []byte) error {
	if err := os.WriteFile(p.kubeconfig, kubeconfig, 0o600); err != nil {
		return fmt.Errorf("writing a kubeconfig: %w", err)
	}
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	var err error
	if p.client, err = client.New(p.config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("making a client of Kubernetes: %w", err)
	}
	return nil
}

func (p *controlPlane) startControllerManager(ctx context.Context, w *workspace) (*process, error) {
	const name = "kube-controller-manager"
	var err error
	p.manager, err = startProcess(ctx, w, 20*time.Second, nil, filepath.Join(p.assets, name), name,
		"--kubeconfig="+p.kubeconfig, "--controllers="+controllers, "--leader-elect=false", "--secure-port=0")
	if err != nil {
		return nil, err
	}
	p.manager.rude = true
	return p.manager, nil
}

// waitForControllerManager waits until it has made the service account that each namespace gets.
func (p *controlPlane) waitForControllerManager(ctx context.Context) error {
	key := client.ObjectKey{Namespace: operatorNamespace, Name: "default"}
	return p.manager.await(ctx, time.Minute, "kube-controller-manager", func(ctx context.Context) bool {
		return p.client.Get(ctx, key, &corev1.ServiceAccount{}) == nil
	})
}

func startSimulator() (*sfstest.Server, func() error, error) {
	server, err := sfstest.Start(sfstest.WithTokenLifetime(tokenLifetime))
	if err != nil {
		return nil, nil, fmt.Errorf("starting the simulator: %w", err)
	}
	return server, func() error { server.Close(); return nil }, nil
}
