// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

const crdDirectory = "../../config/crd/bases"

// cluster is the API server that all tests of this package share. Each test uses names of its own.
var cluster struct {
	config *rest.Config
	// strict refuses fields that the schema does not know, so that a typing error in a case does not make it pass.
	strict client.Client
}

func TestMain(m *testing.M) {
	code, err := runWithCluster(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func runWithCluster(m *testing.M) (code int, err error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return 0, errors.New("KUBEBUILDER_ASSETS is not set, and these tests need a kube-apiserver: run them with `make test` " +
			"(these alone: `make test PKG=./api/...`)")
	}
	log.SetLogger(logr.Discard())
	environment := &envtest.Environment{CRDDirectoryPaths: []string{crdDirectory}, ErrorIfCRDPathMissing: true}
	cluster.config, err = environment.Start()
	if err != nil {
		return 0, fmt.Errorf("starting the control plane: %w", errors.Join(err, environment.Stop()))
	}
	defer func() { err = errors.Join(err, environment.Stop()) }()

	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return 0, err
	}
	direct, err := client.New(cluster.config, client.Options{Scheme: scheme})
	if err != nil {
		return 0, err
	}
	cluster.strict = client.WithFieldValidation(direct, "Strict")
	return m.Run(), nil
}
