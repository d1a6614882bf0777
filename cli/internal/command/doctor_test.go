// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
)

// shifted is a clock that is wrong.
type shifted struct {
	clock.RealClock

	by time.Duration
}

func (c shifted) Now() time.Time                  { return c.RealClock.Now().Add(c.by) }
func (c shifted) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func TestDoctor(t *testing.T) {
	tr := newTranscript(t)
	tr.clock = clock.RealClock{}
	tr.run("doctor")
	installed := deployOperator(t, localcluster.OperatorNamespace, 1, nil)
	tr.run("doctor")
	tr.run("doctor --as=tenant -n team-a")
	tr.clock = shifted{by: 10 * time.Minute}
	tr.run("doctor")
	tr.clock = shifted{by: -10 * time.Minute}
	tr.run("doctor")
	tr.clock = clock.RealClock{}

	remove(t, installed)
	installed = deployOperator(t, localcluster.OperatorNamespace, 0, func(o *appsv1.Deployment) {
		o.Spec.Template.Spec.ServiceAccountName = "other"
		o.Spec.Template.Spec.Containers[0].Args = []string{"--watch-namespaces=team-a,team-b"}
	})
	config := create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: newNamespace(t, "argocd"), Name: "argocd-cm"}})
	tr.run("doctor")

	remove(t, installed)
	elsewhere := newNamespace(t, "elsewhere")
	deployOperator(t, elsewhere, 0, func(o *appsv1.Deployment) { o.Spec.Replicas = ptr.To[int32](0) })
	deployOperator(t, newNamespace(t, "twice"), 1, nil)
	update := &corev1.ConfigMap{}
	read(t, filepath.Join(repository, "config", "argocd", "argocd-cm.yaml"), update)
	config.Data = update.Data
	if err := cluster.plane.Client.Update(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	tr.run("doctor")

	lease := create(t, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere, Name: "sfs-operator.sendforsign.com"},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To("sfs-operator-0_1"), LeaseDurationSeconds: ptr.To[int32](15),
			RenewTime: &metav1.MicroTime{Time: time.Now().Add(-1830 * time.Minute)},
		},
	})
	tr.run("doctor")
	lease.Spec.HolderIdentity = nil
	if err := cluster.plane.Client.Update(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	tr.run("doctor")
	tr.matches("doctor")
}

// deployOperator makes the Deployment, whose Pods run nowhere.
func deployOperator(t *testing.T, namespace string, available int32, change func(*appsv1.Deployment)) *appsv1.Deployment {
	t.Helper()
	o := &appsv1.Deployment{}
	read(t, filepath.Join(repository, "config", "manager", "deployment.yaml"), o)
	o.Namespace = namespace
	if change != nil {
		change(o)
	}
	create(t, o)
	o.Status.Replicas, o.Status.ReadyReplicas, o.Status.AvailableReplicas = available, available, available
	if err := cluster.plane.Client.Status().Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return o
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err == nil {
		err = yaml.UnmarshalStrict(content, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newNamespace(t *testing.T, name string) string {
	t.Helper()
	// Nobody here would finish its deletion, so that it stays.
	err := cluster.plane.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	return name
}

// create makes an object that goes with the test.
func create[T client.Object](t *testing.T, o T) T {
	t.Helper()
	if err := cluster.plane.Client.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, o) })
	return o
}

func remove(t *testing.T, o client.Object) {
	t.Helper()
	// After a test its context is over.
	if err := cluster.plane.Client.Delete(context.WithoutCancel(t.Context()), o); client.IgnoreNotFound(err) != nil {
		t.Error(err)
	}
}
