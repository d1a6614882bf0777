// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// patience is how long what must come may take, on a machine that is busy. No test waits so long but one that fails.
const patience = 4 * time.Minute

// stage is a control plane with the definitions of Argo CD.
type stage struct {
	*localcluster.ControlPlane

	// watching is a client that can watch.
	watching  client.WithWatch
	workspace *localcluster.Workspace
	stops     []func() error
}

func newStage(ctx context.Context) (s *stage, err error) {
	s = &stage{}
	if s.workspace, err = localcluster.NewWorkspace("sfs-argocd-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(true))
		}
	}()
	if s.ControlPlane, err = localcluster.StartControlPlane(ctx, s.workspace, assets); err != nil {
		return nil, err
	}
	s.atTheEnd(s.Stop)
	manager, err := s.StartControllerManager(ctx)
	if err != nil {
		return nil, err
	}
	s.atTheEnd(manager.Stop)
	if s.watching, err = client.NewWithWatch(s.Config, client.Options{Scheme: s.Client.Scheme()}); err != nil {
		return nil, fmt.Errorf("making a client that watches: %w", err)
	}
	definitions, err := localcluster.ReadKustomization(filepath.Join(manifests, "crds"))
	if err != nil {
		return nil, err
	}
	if err := s.Apply(ctx, definitions); err != nil {
		return nil, err
	}
	return s, s.APIServer.Await(ctx, patience, "the definitions of Argo CD", func(ctx context.Context) bool {
		return s.Client.List(ctx, applicationList()) == nil
	})
}

// atTheEnd has the stage stop what was started on it, the last first.
func (s *stage) atTheEnd(stop func() error) { s.stops = append(s.stops, stop) }

func (s *stage) close(keepLogs bool) error {
	var errs []error
	for _, stop := range slices.Backward(s.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(append(errs, s.workspace.Close(keepLogs))...)
}

// startOperator starts the operator with the rights of its service account.
func (s *stage) startOperator(ctx context.Context) (*localcluster.Operator, error) {
	kubeconfig, err := s.OperatorKubeconfig(ctx)
	if err != nil {
		return nil, err
	}
	return s.StartOperator(ctx, operator, kubeconfig, "sfs-operator")
}

// createCredentials creates the credentials Secret that an SfsPlatform of this name uses.
func (s *stage) createCredentials(t *testing.T, name string, sim *sfstest.Server) {
	t.Helper()
	if err := s.CreateCredentials(t.Context(), name, sim); err != nil {
		t.Fatal(err)
	}
}

// token returns what the token Secret of an SfsClient holds.
func (s *stage) token(t *testing.T, namespace, name string) (token string, expires time.Time) {
	t.Helper()
	var secret corev1.Secret
	if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name + "-sfs-token"}, &secret); err != nil {
		t.Fatal(err)
	}
	expires, err := time.Parse(time.RFC3339, string(secret.Data[v1alpha1.KeyExpiresAt]))
	if err != nil {
		t.Fatal(err)
	}
	return string(secret.Data[v1alpha1.KeyToken]), expires
}

// sfsClient reads an SfsClient.
func (s *stage) sfsClient(t *testing.T, namespace, name string) *v1alpha1.SfsClient {
	t.Helper()
	found := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(found), found); err != nil {
		t.Fatal(err)
	}
	return found
}

// await tries until nothing is missing, and fails the test with what was missing last.
func await(t *testing.T, limit time.Duration, what string, missing func(context.Context) string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		lack := missing(ctx)
		if lack == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %s of waiting for %s: %s", limit, what, lack)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// newSimulator starts a simulator of Sendforsign.
func newSimulator(t *testing.T, options ...sfstest.Option) *sfstest.Server {
	t.Helper()
	sim := sfstest.New(options...)
	t.Cleanup(sim.Close)
	return sim
}

// tenancy is a stage with the operator, and with one Argo CD for each way of tracking, since that is a setting of all of it.
type tenancy struct {
	*stage

	argo map[string]*instance
}

const (
	byAnnotation = "annotation"
	byLabel      = "label"
)

// shared is for all tests that take no operator away. It is made for the first that asks.
var (
	shared      = sync.OnceValues(newTenancy)
	sharedStage *stage
)

func closeShared(failed bool) error {
	if sharedStage == nil {
		return nil
	}
	return sharedStage.close(failed)
}

func newTenancy() (*tenancy, error) {
	ctx := context.Background() // it outlives the test that asks first
	s, err := newStage(ctx)
	if err != nil {
		return nil, err
	}
	sharedStage = s
	if err := s.Install(ctx, root); err != nil {
		return nil, err
	}
	o, err := s.startOperator(ctx)
	if err != nil {
		return nil, err
	}
	s.atTheEnd(o.Stop)
	if err := o.AwaitReady(ctx); err != nil {
		return nil, err
	}
	all := &tenancy{stage: s, argo: map[string]*instance{}}
	for _, tracking := range []string{byAnnotation, byLabel} {
		if all.argo[tracking], err = s.startArgo(ctx, "argocd-"+tracking, tracking); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ready returns the shared stage.
func ready(t *testing.T) *tenancy {
	t.Helper()
	all, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
