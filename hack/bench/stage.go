// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
)

// stage is what all contenders share: a control plane, a simulator, and who creates tenants and looks at them.
type stage struct {
	settings

	workspace *localcluster.Workspace
	plane     *localcluster.ControlPlane
	sim       *simulator
	driver    client.Client         // creates tenants
	clientset *kubernetes.Clientset // watches Secrets, in the form in which they are least work
	operator  string                // kubeconfig of the operator, with the rights that ship
	others    string                // kubeconfig of all others, with all rights, but with no privilege in queues
	peer      string                // the program of External Secrets
}

// othersNamespace holds the service account of the contenders that are not the operator.
const othersNamespace = "bench"

// startStage also returns a stage that could not be started whole, to be stopped.
func startStage(ctx context.Context, s settings) (st *stage, err error) {
	st = &stage{settings: s}
	if st.workspace, err = localcluster.NewWorkspace("sfs-bench-"); err != nil {
		return nil, err
	}
	say("Starting etcd, kube-apiserver and the simulator")
	if st.plane, err = localcluster.StartControlPlane(ctx, st.workspace, s.assets); err != nil {
		st.plane = nil // it has been stopped
		return st, err
	}
	if s.memory != "" {
		st.plane.OperatorEnv = []string{"GOMEMLIMIT=" + s.memory}
	}
	if st.sim, err = startSimulator(ctx, st.workspace, s); err != nil {
		return st, err
	}
	if err := st.plane.Install(ctx, "."); err != nil {
		return st, err
	}
	config := rest.CopyConfig(st.plane.Config)
	config.QPS = -1 // tenants are created as fast as they are taken
	if st.driver, err = client.New(config, client.Options{Scheme: st.plane.Client.Scheme()}); err != nil {
		return st, fmt.Errorf("making a client of Kubernetes: %w", err)
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	if st.clientset, err = kubernetes.NewForConfig(config); err != nil {
		return st, fmt.Errorf("making a client of Kubernetes: %w", err)
	}
	if st.operator, err = st.plane.OperatorKubeconfig(ctx); err != nil {
		return st, err
	}
	err = st.admitOthers(ctx)
	return st, err
}

// admitOthers makes a service account for those who bring no rights of their own.
func (st *stage) admitOthers(ctx context.Context) (err error) {
	const name = "contender"
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: othersNamespace}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: othersNamespace, Name: name}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "bench-contender"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: othersNamespace, Name: name}},
		},
	} {
		if err := st.driver.Create(ctx, o); err != nil {
			return fmt.Errorf("creating %s: %w", o.GetName(), err)
		}
	}
	st.others, err = st.plane.ServiceAccountKubeconfig(ctx, name, othersNamespace, name)
	return err
}

func (st *stage) stop(keepLogs bool) error {
	var errs []error
	if st.sim != nil && st.sim.Process != nil {
		errs = append(errs, st.sim.Stop())
	}
	if st.plane != nil {
		errs = append(errs, st.plane.Stop())
	}
	return errors.Join(append(errs, st.workspace.Close(keepLogs))...)
}

// drop takes all objects whose keys begin with the prefix out of etcd. To delete them one by one takes longer than what is
// measured, and needs whoever holds them by a finalizer.
func (st *stage) drop(ctx context.Context, prefix string) error {
	type keys struct {
		Key      []byte `json:"key"`
		RangeEnd []byte `json:"range_end"`
		Limit    int    `json:"limit,string,omitempty"`
		KeysOnly bool   `json:"keys_only,omitempty"`
	}
	all := keys{Key: []byte("/registry/" + prefix + "/"), Limit: 1000, KeysOnly: true}
	all.RangeEnd = bytes.Clone(all.Key)
	all.RangeEnd[len(all.RangeEnd)-1]++
	for {
		var found struct {
			KVs []struct {
				Key []byte `json:"key"`
			} `json:"kvs"`
		}
		if err := st.askEtcd(ctx, "range", all, &found); err != nil {
			return fmt.Errorf("dropping %s: %w", prefix, err)
		}
		if len(found.KVs) == 0 {
			return nil
		}
		// Not all at once: kube-apiserver is told of those that go together in one message.
		some := keys{Key: all.Key, RangeEnd: append(found.KVs[len(found.KVs)-1].Key, 0)}
		if err := st.askEtcd(ctx, "deleterange", some, nil); err != nil {
			return fmt.Errorf("dropping %s: %w", prefix, err)
		}
	}
}

func (st *stage) askEtcd(ctx context.Context, what string, question, into any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, st.plane.EtcdURL+"/v3/kv/"+what, bytes.NewReader(body)) //nolint:gosec // it was started here
	if err != nil {
		return err
	}
	response, err := loopback.Do(request) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd says %s", response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}
