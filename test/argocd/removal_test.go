// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
)

// two are an Argo CD on a stage of its own, with an Application of the operator and one of tenants.
type two struct {
	*stage

	t                 *testing.T
	operator, tenants *application
}

// newTwo installs the operator by an Application, and then tenants by another.
func newTwo(t *testing.T) *two {
	t.Helper()
	s, err := newStage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(t.Failed()); err != nil {
			t.Error(err)
		}
	})
	argo, err := s.startArgo(t.Context(), "argocd", byAnnotation)
	if err != nil {
		t.Fatal(err)
	}
	w := &two{stage: s, t: t}
	w.keepOperator()
	sim := newSimulator(t)
	w.operator = argo.newApplication(t, "operator", serverSide, sim)
	w.tenants = argo.newApplication(t, "tenants", serverSide, sim)
	for _, dir := range []string{"crd", "default", "manager", "rbac"} {
		if err := os.CopyFS(filepath.Join(w.operator.dir, "config", dir), os.DirFS(filepath.Join(root, "config", dir))); err != nil {
			t.Fatal(err)
		}
	}
	w.operator.commit(map[string]string{"kustomization.yaml": "resources: [../config/default]\n"})
	w.installOperator()
	s.createCredentials(t, w.tenants.name, sim)
	w.tenants.deploy(w.tenants.files())
	return w
}

// installOperator creates the Application of config/default, which Argo CD renders with kustomize. There is no node, so the
// Deployment is never available, and the Application not Healthy. But it is Synced, and all of it.
func (w *two) installOperator() {
	w.t.Helper()
	former, _ := w.operator.last()
	w.operator.create()
	w.operator.awaitWord("Synced", func(now word) bool {
		return now.sync == "Synced" && now.phase == "Succeeded" && now.began != former.began
	})
}

// keepOperator has the operator run while its Deployment is there, in the place of kubelet and the controllers of Deployments.
func (w *two) keepOperator() {
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	var kept sync.WaitGroup
	kept.Go(func() {
		var running *localcluster.Operator
		for {
			var err error
			if wanted := w.wantsOperator(ctx); wanted && (running == nil || running.HasExited()) {
				running, err = w.startOperator(ctx) // it fails as long as its account is not there
			} else if !wanted && running != nil {
				// Without rights it ends with a failure; and as a Pod it would have ended all the same.
				err, running = running.Stop(), nil
			}
			if err != nil && ctx.Err() == nil {
				w.t.Log("the operator:", err)
			}
			select {
			case <-ctx.Done():
				if running != nil && !running.HasExited() {
					_ = running.Kill()
				}
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	w.t.Cleanup(func() { stop(); kept.Wait() })
}

func (w *two) wantsOperator(ctx context.Context) bool {
	var deployment appsv1.Deployment
	key := client.ObjectKey{Namespace: localcluster.OperatorNamespace, Name: localcluster.ServiceAccount}
	return w.Client.Get(ctx, key, &deployment) == nil && deployment.DeletionTimestamp == nil
}

// awaitRemoved waits until an Application is gone, and fails the test if the definitions have gone with it.
func (w *two) awaitRemoved(app *application) {
	w.t.Helper()
	app.awaitGone(w.t.Context())
	for _, list := range []client.ObjectList{&v1alpha1.SfsPlatformList{}, &v1alpha1.SfsClientList{}, &v1alpha1.SfsClientUserList{}} {
		if err := w.Client.List(w.t.Context(), list); err != nil {
			w.t.Error(err)
		}
	}
}

// judgeSendforsign fails unless the clients of both tenants are there, and says how many of their tokens are alive.
func (w *two) judgeSendforsign() (live int) {
	w.t.Helper()
	all := w.tenants.sim.Clients()
	if len(all) != 2 {
		w.t.Errorf("Sendforsign has %d clients, want those of the 2 tenants", len(all))
	}
	for _, c := range all {
		live += w.tenants.sim.LiveTokens(c.ClientKey)
	}
	return live
}

func TestTheTenantsAreDeletedAndThenTheOperator(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	began := time.Now()
	w.tenants.delete(t.Context())
	w.awaitRemoved(w.tenants)
	tenants := time.Since(began)
	if live := w.judgeSendforsign(); live > 0 {
		t.Errorf("%d tokens are alive", live)
	}
	began = time.Now()
	w.operator.delete(t.Context())
	w.awaitRemoved(w.operator)
	t.Logf("the tenants were gone after %s, with all tokens revoked, and the operator after %s; the definitions stay",
		tenants.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond))
}

// The operator goes without its definitions, so the tenants stay and only their own deletion waits: for its Application.
func TestTheOperatorIsDeletedBeforeTheTenants(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	began := time.Now()
	w.operator.delete(t.Context())
	w.awaitRemoved(w.operator)
	operator := time.Since(began)
	if last, _ := w.tenants.last(); !last.isWell() {
		t.Errorf("the tenants are not well: %s", last)
	}
	w.tenants.delete(t.Context())
	await(t, patience, "the tenants to wait for the operator", w.waiting)
	if w.wantsOperator(t.Context()) {
		t.Error("the operator is there")
	}
	waiting, live := w.tenants.namesOf(t.Context(), ""), w.judgeSendforsign()

	began = time.Now()
	w.installOperator() // without credentials, which went with the namespace
	w.awaitRemoved(w.tenants)
	t.Logf("the operator was gone after %s; the tenants waited for it with %d living tokens and %v; they were gone %s after its Application was put back, with %d living tokens",
		operator.Round(100*time.Millisecond), live, waiting, time.Since(began).Round(100*time.Millisecond), w.judgeSendforsign())
}

// waiting says what does not wait for the operator: nothing, if each SfsClient is being deleted and has its finalizer.
func (w *two) waiting(ctx context.Context) string {
	var clients v1alpha1.SfsClientList
	if err := w.Client.List(ctx, &clients); err != nil {
		return err.Error()
	}
	for i := range clients.Items {
		if c := &clients.Items[i]; c.DeletionTimestamp == nil || len(c.Finalizers) == 0 {
			return c.Name + " does not wait"
		}
	}
	if len(clients.Items) != 2 {
		return fmt.Sprintf("there are %d SfsClients", len(clients.Items))
	}
	return ""
}
