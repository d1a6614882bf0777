// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	operatorNamespace = "sfs-system"
	serviceAccount    = "sfs-operator"
)

// startOperator starts the operator with nothing but a token of its service account, and waits until it is ready.
func startOperator(ctx context.Context, w *workspace, plane *controlPlane) (*process, error) {
	kubeconfig, err := plane.operatorKubeconfig(ctx, w)
	if err != nil {
		return nil, err
	}
	probes, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	// It gets the time that it takes for itself when it is asked to end, and some more.
	operator, err := startProcess(ctx, w, 40*time.Second, []string{"KUBECONFIG=" + kubeconfig}, operatorBinary, "sfs-operator",
		"--platform-namespace="+operatorNamespace, "--health-probe-bind-address="+probes, "--metrics-bind-address=127.0.0.1:0",
		"--leader-elect=true")
	if err != nil {
		return nil, err
	}
	if err := operator.await(ctx, time.Minute, "the operator to be ready", isReady("http://"+probes+"/readyz")); err != nil {
		return nil, errors.Join(err, operator.stop())
	}
	return operator, nil
}

// operatorKubeconfig writes the kubeconfig of the operator.
func (p *controlPlane) operatorKubeconfig(ctx context.Context, w *workspace) (string, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: serviceAccount}}
	day := int64((24 * time.Hour).Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &day}}
	if err := p.client.SubResource("token").Create(ctx, account, request); err != nil {
		return "", fmt.Errorf("requesting a token of the service account %s: %w", serviceAccount, err)
	}
	config := clientcmdapi.NewConfig()
	config.CurrentContext = "demo"
	config.Contexts["demo"] = &clientcmdapi.Context{Cluster: "demo", AuthInfo: serviceAccount}
	config.Clusters["demo"] = &clientcmdapi.Cluster{Server: p.config.Host, CertificateAuthorityData: p.config.CAData}
	config.AuthInfos[serviceAccount] = &clientcmdapi.AuthInfo{Token: request.Status.Token}
	path := w.path("operator.kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil { // with mode 0600
		return "", fmt.Errorf("writing the kubeconfig of the operator: %w", err)
	}
	return path, nil
}

func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}

func isReady(url string) func(context.Context) bool {
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
