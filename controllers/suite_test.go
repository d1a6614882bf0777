// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

var (
	scheme = runtime.NewScheme()
	// config is that of an administrator. What the operator has is operatorConfig.
	config *rest.Config
	// logs is all that was logged by the operator in this test run.
	logs lockedBuffer
)

// TestMain runs the tests against a real kube-apiserver. After them it looks for secrets in all that was logged.
func TestMain(m *testing.M) {
	flag.Parse()
	if isFuzzing() {
		os.Exit(m.Run())
	}
	code, err := runSuite(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// isFuzzing says whether only fuzz targets run, in this process or by it. They need no control plane, and each of their
// processes would start one.
func isFuzzing() bool {
	target, worker := flag.Lookup("test.fuzz"), flag.Lookup("test.fuzzworker")
	return target.Value.String() != "" || worker.Value.String() == "true"
}

func runSuite(m *testing.M) (code int, err error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return 1, errors.New("KUBEBUILDER_ASSETS is not set: run the tests by `make test`")
	}
	log := logr.FromSlogHandler(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return 1, err
		}
	}
	environment := &envtest.Environment{CRDDirectoryPaths: []string{"../config/crd/bases"}, ErrorIfCRDPathMissing: true}
	// The control plane does not outlive the tests, so etcd need not wait for the disk.
	environment.ControlPlane.Etcd = &envtest.Etcd{}
	environment.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "true")
	// Nor need the API server be sparing of memory: a fifth of its time went into collecting garbage.
	if err := os.Setenv("GOGC", "400"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, environment.Stop()) }() // also what a start leaves that failed halfway
	if config, err = environment.Start(); err != nil {
		return 1, fmt.Errorf("starting the control plane: %w", err)
	}
	config.QPS = -1
	if err := installRights(context.Background()); err != nil {
		return 1, err
	}
	code = m.Run()
	for _, form := range canaries() {
		if leaked := logs.find(form); leaked != "" {
			return 1, fmt.Errorf("a secret was logged: %s", leaked)
		}
	}
	return code, nil
}

func newClient(t testing.TB) client.WithWatch {
	t.Helper()
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lockedBuffer keeps what is written by many.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// find returns the first line that holds the text.
func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *lockedBuffer) find(text string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.text.String()) {
		if strings.Contains(line, text) {
			return line
		}
	}
	return ""
}

// canaries are the forms in which a secret of the simulator may show: as it is, and as in the JSON of a Secret.
func canaries() []string {
	encoded := base64.StdEncoding.EncodeToString([]byte(sfstest.CanaryPrefix))
	return []string{sfstest.CanaryPrefix, encoded[:len(encoded)-2]} // the end depends on what follows
}
