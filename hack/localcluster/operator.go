// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// OperatorNamespace is where the operator is, its credentials Secrets and its lease.
	OperatorNamespace = "sfs-system"
	// ServiceAccount is what the operator runs as.
	ServiceAccount = "sfs-operator"
)

// Operator is the operator as its own process.
type Operator struct {
	*Process

	probes, metrics string
	scraper         *http.Client
	admin           string // the token of somebody who may read the metrics
}

// OperatorKubeconfig writes a kubeconfig with nothing but a token of the service account of the operator.
func (p *ControlPlane) OperatorKubeconfig(ctx context.Context) (string, error) {
	return p.ServiceAccountKubeconfig(ctx, "operator", OperatorNamespace, ServiceAccount)
}

// ServiceAccountKubeconfig writes a kubeconfig with nothing but a token of a service account, into a file of the given name.
func (p *ControlPlane) ServiceAccountKubeconfig(ctx context.Context, file, namespace, name string) (string, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	day := int64((24 * time.Hour).Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &day}}
	if err := p.Client.SubResource("token").Create(ctx, account, request); err != nil {
		return "", fmt.Errorf("requesting a token of the service account %s: %w", name, err)
	}
	path := p.workspace.Path(file + ".kubeconfig")
	return path, p.writeKubeconfig(path, p.Config, name, request.Status.Token)
}

// StartOperator starts the binary with leader election, and with metrics and probes on free ports. It does not wait for it.
func (p *ControlPlane) StartOperator(ctx context.Context, binary, kubeconfig, name string, args ...string) (*Operator, error) {
	probes, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	metrics, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	process, err := p.workspace.Start(ctx, Program{
		Name: name, Path: binary, Env: append([]string{"KUBECONFIG=" + kubeconfig}, p.OperatorEnv...),
		Grace: 40 * time.Second, // what it takes for itself, and some more
		Args: append([]string{
			"--platform-namespace=" + OperatorNamespace, "--leader-elect=true",
			"--health-probe-bind-address=" + probes, "--metrics-bind-address=" + metrics,
		}, args...),
	})
	if err != nil {
		return nil, err
	}
	return &Operator{
		Process: process, probes: probes, metrics: metrics, admin: p.Config.BearerToken,
		scraper: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
			DisableKeepAlives: true,                                  // processes come and go
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // it signs for itself, on this machine
		}},
	}, nil
}

// AwaitReady waits until the operator says that it is ready.
func (o *Operator) AwaitReady(ctx context.Context) error {
	return o.Await(ctx, time.Minute, "the operator to be ready", AnswersOK("http://"+o.probes+"/readyz"))
}

// MetricsURL is where its metrics are.
func (o *Operator) MetricsURL() string { return "https://" + o.metrics + "/metrics" }

// Metrics returns the text of its metrics, which it serves to those only whom kube-apiserver lets read them.
func (o *Operator) Metrics(ctx context.Context) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.MetricsURL(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("reading the metrics of %s: %w", o.Name, err)
	}
	request.Header.Set("Authorization", "Bearer "+o.admin)
	response, err := o.scraper.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading the metrics of %s: %w", o.Name, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the metrics of %s: %w", o.Name, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading the metrics of %s: %s", o.Name, response.Status)
	}
	return text, nil
}

// FreeAddress returns an address on 127.0.0.1 where nobody listens.
func FreeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}

func splitAddress(address string) (host, port string) {
	host, port, _ = net.SplitHostPort(address) // the listener said it so
	return host, port
}
