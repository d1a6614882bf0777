// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// controllers of kube-controller-manager that matter here: deletion of what belongs to a deleted resource or namespace, and
// the roles that are put together from others.
const controllers = "garbage-collector-controller,namespace-controller,serviceaccount-controller,clusterrole-aggregation-controller"

// startTimeout is how long a part of the control plane may take to start on a machine that is busy.
const startTimeout = 2 * time.Minute

// ControlPlane is Kubernetes without nodes.
type ControlPlane struct {
	// Config is that of an administrator, Kubeconfig the same as a file, Client the same as a client.
	Config     *rest.Config
	Kubeconfig string
	Client     client.Client
	// EtcdURL is where etcd serves everybody on this machine.
	EtcdURL string
	// Etcd and APIServer are the processes. Those who stop one have to start it again before Stop.
	Etcd, APIServer *Process
	// OperatorEnv is added to the environment of each operator that is started.
	OperatorEnv []string

	assets    string
	workspace *Workspace
	apiServer Program
	ready     rest.Interface
}

// StartControlPlane starts etcd and kube-apiserver from the directory assets.
func StartControlPlane(ctx context.Context, w *Workspace, assets string) (*ControlPlane, error) {
	p := &ControlPlane{assets: assets, workspace: w, Kubeconfig: w.Path("admin.kubeconfig")}
	etcd, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	api, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	p.EtcdURL = "http://" + etcd
	if p.apiServer, err = p.describeAPIServer(api); err != nil {
		return nil, err
	}
	if err := p.startEtcd(ctx); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	if err := p.StartAPIServer(ctx); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func (p *ControlPlane) startEtcd(ctx context.Context) (err error) {
	p.Etcd, err = p.workspace.Start(ctx, Program{
		Name: "etcd", Path: filepath.Join(p.assets, "etcd"), Grace: 20 * time.Second, Rude: true,
		Args: []string{
			"--data-dir=" + p.workspace.Path("etcd"), "--listen-client-urls=" + p.EtcdURL, "--advertise-client-urls=" + p.EtcdURL,
			"--listen-peer-urls=http://127.0.0.1:0",
			"--quota-backend-bytes=8589934592", // benchmarks fill it, and 2 GiB are soon full
			"--unsafe-no-fsync",                // what is here need not outlive the machine
		},
	})
	if err != nil {
		return err
	}
	return p.Etcd.Await(ctx, startTimeout, "etcd", AnswersOK(p.EtcdURL+"/health"))
}

// describeAPIServer also makes the keys that it needs.
func (p *ControlPlane) describeAPIServer(address string) (Program, error) {
	dir := p.workspace.Path("kube-apiserver")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return Program{}, fmt.Errorf("making the key of the service accounts: %w", err)
	}
	serviceAccounts, users := filepath.Join(dir, "service-accounts.key"), filepath.Join(dir, "users.csv")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(serviceAccounts, text, 0o600); err != nil {
		return Program{}, fmt.Errorf("writing the key of the service accounts: %w", err)
	}
	admin := rand.Text()
	if err := os.WriteFile(users, []byte(admin+",admin,admin,system:masters\n"), 0o600); err != nil {
		return Program{}, fmt.Errorf("writing the token of the administrator: %w", err)
	}
	host, port := splitAddress(address)
	p.Config = &rest.Config{
		Host: "https://" + address, BearerToken: admin,
		// kube-apiserver signs for itself, when it first starts.
		TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(dir, "apiserver.crt")},
		QPS:             1000, Burst: 2000, // a test may be in a hurry
	}
	return Program{
		Name: "kube-apiserver", Path: filepath.Join(p.assets, "kube-apiserver"), Rude: true,
		Grace: 90 * time.Second, // it gives those who watch a minute to go
		Args: []string{
			"--etcd-servers=" + p.EtcdURL, "--bind-address=" + host, "--secure-port=" + port, "--cert-dir=" + dir,
			"--authorization-mode=RBAC", "--token-auth-file=" + users, "--allow-privileged=true",
			"--service-cluster-ip-range=10.0.0.0/24",
			"--service-account-issuer=https://" + address + "/",
			"--service-account-key-file=" + serviceAccounts, "--service-account-signing-key-file=" + serviceAccounts,
			// Without kube-controller-manager nobody makes the service account that each Pod gets.
			"--disable-admission-plugins=ServiceAccount",
		},
	}, nil
}

// StartAPIServer starts kube-apiserver, also anew after its end, on the same address and with the same data.
func (p *ControlPlane) StartAPIServer(ctx context.Context) (err error) {
	if p.APIServer, err = p.workspace.Start(ctx, p.apiServer); err != nil {
		return err
	}
	return p.APIServer.Await(ctx, startTimeout, "kube-apiserver", func(ctx context.Context) bool {
		if p.Client == nil && p.connect() != nil {
			return false // It has not made its certificate yet.
		}
		// A request that came too early may never be answered.
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return p.ready.Get().AbsPath("/readyz").Do(ctx).Error() == nil
	})
}

func (p *ControlPlane) connect() error {
	ca, err := os.ReadFile(p.Config.CAFile)
	if err != nil {
		return fmt.Errorf("reading the certificate of kube-apiserver: %w", err)
	}
	// It may be about to be written. Nothing at all would stand for the authorities of the system.
	if _, err := cert.NewPoolFromBytes(ca); err != nil {
		return fmt.Errorf("reading the certificate of kube-apiserver: %w", err)
	}
	config := rest.CopyConfig(p.Config)
	config.CAFile, config.CAData = "", ca
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client of Kubernetes: %w", err)
	}
	if err := p.writeKubeconfig(p.Kubeconfig, config, "admin", config.BearerToken); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	made, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("making a client of Kubernetes: %w", err)
	}
	p.Config, p.ready, p.Client = config, clientset.Discovery().RESTClient(), made
	return nil
}

func (*ControlPlane) writeKubeconfig(path string, cluster *rest.Config, user, token string) error {
	const name = "localcluster"
	config := clientcmdapi.NewConfig()
	config.CurrentContext = name
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user}
	config.Clusters[name] = &clientcmdapi.Cluster{Server: cluster.Host, CertificateAuthorityData: cluster.CAData}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: token}
	if err := clientcmd.WriteToFile(*config, path); err != nil { // with mode 0600
		return fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return nil
}

// Stop stops kube-apiserver and etcd.
func (p *ControlPlane) Stop() error {
	var errs []error
	for _, process := range []*Process{p.APIServer, p.Etcd} {
		if process != nil {
			errs = append(errs, process.Stop())
		}
	}
	return errors.Join(errs...)
}

// StartControllerManager starts kube-controller-manager.
func (p *ControlPlane) StartControllerManager(ctx context.Context) (*Process, error) {
	const name = "kube-controller-manager"
	return p.workspace.Start(ctx, Program{
		Name: name, Path: filepath.Join(p.assets, name), Grace: 20 * time.Second, Rude: true,
		Args: []string{"--kubeconfig=" + p.Kubeconfig, "--controllers=" + controllers, "--leader-elect=false", "--secure-port=0"},
	})
}

// AwaitControllerManager waits until it has made the service account that each namespace gets.
func (p *ControlPlane) AwaitControllerManager(ctx context.Context, manager *Process) error {
	key := client.ObjectKey{Namespace: OperatorNamespace, Name: "default"}
	return manager.Await(ctx, time.Minute, manager.Name, func(ctx context.Context) bool {
		return p.Client.Get(ctx, key, &corev1.ServiceAccount{}) == nil
	})
}

// AnswersOK returns whether a GET is answered with 200.
func AnswersOK(url string) func(context.Context) bool {
	probe := &http.Client{Timeout: 2 * time.Second}
	return func(ctx context.Context) bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return false
		}
		response, err := probe.Do(request)
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	}
}
