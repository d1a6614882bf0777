// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
)

// compareEvery is how often Argo CD compares each Application with Git if nothing else wakes it.
const compareEvery = 10 * time.Second

// instance is an Argo CD: all that belongs to it is in one namespace.
type instance struct {
	*stage

	namespace string
	api       string // the URL of its API server
}

// startArgo starts the parts of Argo CD with its own settings, patched as docs/gitops.md says.
func (s *stage) startArgo(ctx context.Context, namespace, tracking string) (*instance, error) {
	a := &instance{stage: s, namespace: namespace}
	if err := a.configure(ctx, tracking); err != nil {
		return nil, err
	}
	redis := miniredis.NewMiniRedis()
	if err := redis.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("starting redis: %w", err)
	}
	aging := time.NewTicker(time.Second) // its keys do not expire by themselves
	go func() {
		for range aging.C {
			redis.FastForward(time.Second)
		}
	}()
	s.atTheEnd(func() error { aging.Stop(); redis.Close(); return nil })

	repoServer, err := a.start(ctx, "argocd-repo-server", redis.Addr(), "--disable-tls", "--metrics-address=127.0.0.1")
	if err != nil {
		return nil, err
	}
	cluster := []string{"--kubeconfig=" + s.Kubeconfig, "--namespace=" + namespace, "--repo-server=" + repoServer}
	if _, err := a.start(ctx, "argocd-application-controller", redis.Addr(), append(cluster, "--app-resync="+compareEvery.String())...); err != nil {
		return nil, err
	}
	server, err := a.start(ctx, "argocd-server", redis.Addr(),
		append(cluster, "--repo-server-plaintext", "--insecure", "--disable-auth", "--staticassets="+s.workspace.Path(namespace))...)
	a.api = "http://" + server + "/api/v1/applications/"
	return a, err
}

// configure makes the namespace with what Argo CD reads there.
func (a *instance) configure(ctx context.Context, tracking string) error {
	if err := a.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.namespace}}); err != nil {
		return fmt.Errorf("creating the namespace of Argo CD: %w", err)
	}
	settings, err := localcluster.ReadKustomization(filepath.Join(manifests, "base", "config"))
	if err != nil {
		return err
	}
	settings = append(settings, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v1alpha1", "kind": "AppProject",
		"metadata": map[string]any{"name": "default"},
		"spec": map[string]any{
			"sourceRepos":              []any{"*"},
			"destinations":             []any{map[string]any{"server": "*", "namespace": "*"}},
			"clusterResourceWhitelist": []any{map[string]any{"group": "*", "kind": "*"}},
		},
	}})
	for _, o := range settings {
		o.SetNamespace(a.namespace)
	}
	if err := a.Apply(ctx, settings); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(root, "config", "argocd", "argocd-cm.yaml"))
	if err != nil {
		return fmt.Errorf("reading the health scripts: %w", err)
	}
	scripts, err := yaml.YAMLToJSON(text)
	if err != nil {
		return fmt.Errorf("reading the health scripts: %w", err)
	}
	for _, patch := range [][]byte{scripts, fmt.Appendf(nil, `{"data":{"application.resourceTrackingMethod":%q}}`, tracking)} {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: "argocd-cm"}}
		if err := a.Client.Patch(ctx, cm, client.RawPatch(types.MergePatchType, patch)); err != nil {
			return fmt.Errorf("patching argocd-cm: %w", err)
		}
	}
	return nil
}

// start starts a part of Argo CD, waits until it is well, and returns the address where it serves.
func (a *instance) start(ctx context.Context, part, redis string, args ...string) (string, error) {
	address, err := localcluster.FreeAddress(ctx)
	if err != nil {
		return "", err
	}
	metrics, err := localcluster.FreeAddress(ctx)
	if err != nil {
		return "", err
	}
	args = append(args, "--redis="+redis, "--metrics-port="+portOf(metrics))
	well := metrics
	if part != "argocd-application-controller" {
		args = append(args, "--address=127.0.0.1", "--port="+portOf(address))
	}
	if part == "argocd-server" {
		well = address
	}
	name := a.namespace + "-" + part
	temporary := a.workspace.Path(name)
	if err := os.Mkdir(temporary, 0o700); err != nil {
		return "", fmt.Errorf("making a directory: %w", err)
	}
	process, err := a.workspace.Start(ctx, localcluster.Program{
		Name: name, Path: argo, Args: args, Grace: 30 * time.Second, Rude: true,
		Env: []string{
			"ARGOCD_BINARY_NAME=" + part, "TMPDIR=" + temporary, "HOME=" + temporary, "KUBECONFIG=" + a.Kubeconfig,
			"PATH=" + kustomize + string(filepath.ListSeparator) + os.Getenv("PATH"),
			"ARGOCD_FAKE_IN_CLUSTER=true",                                // in its cluster, but not in a Pod
			"ARGOCD_GPG_ENABLED=false",                                   // commits are not signed
			"ARGOCD_ASK_PASS_SOCK=" + filepath.Join(temporary, "a.sock"), // by default there is one for the machine
		},
	})
	if err != nil {
		return "", err
	}
	a.atTheEnd(process.Stop)
	return address, process.Await(ctx, patience, name, localcluster.AnswersOK("http://"+well+"/healthz"))
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address) // the listener said it so
	return port
}
