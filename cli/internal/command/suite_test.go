// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// repository is where the module of the operator is.
const repository = "../../.."

// cluster is what the tests ask: a real control plane, the operator as its own process, and the tenants of testdata/stage.
var cluster struct {
	plane *localcluster.ControlPlane
	sim   *sfstest.Server
	// now is when everything is about a quarter of an hour old, and the tokens expire in another.
	now time.Time
}

func TestMain(m *testing.M) {
	code, err := runSuite(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runSuite(m *testing.M) (code int, err error) {
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		return 1, errors.New("KUBEBUILDER_ASSETS is not set: run the tests by `make test-cli`")
	}
	ctx := context.Background()
	w, err := localcluster.NewWorkspace("sfs-cli-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, w.Close(code != 0)) }()
	binary := w.Path("sfs-operator")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, ".")
	build.Dir = repository
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building the operator: %w\n%s", err, said)
	}
	if cluster.plane, err = localcluster.StartControlPlane(ctx, w, assets); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, cluster.plane.Stop()) }()
	cluster.sim = sfstest.New()
	defer cluster.sim.Close()
	if err := cluster.plane.Install(ctx, repository); err != nil {
		return 1, err
	}
	kubeconfig, err := cluster.plane.OperatorKubeconfig(ctx)
	if err != nil {
		return 1, err
	}
	operator, err := cluster.plane.StartOperator(ctx, binary, kubeconfig, "sfs-operator")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, operator.Stop()) }()
	if err := setTheStage(ctx, operator); err != nil {
		return 1, err
	}
	// What the tool reads by itself.
	for name, value := range map[string]string{"KUBECONFIG": cluster.plane.Kubeconfig, "HOME": w.Path("")} {
		if err := os.Setenv(name, value); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

func setTheStage(ctx context.Context, operator *localcluster.Operator) error {
	p := cluster.plane
	if err := p.CreateCredentials(ctx, "sendforsign", cluster.sim); err != nil {
		return err
	}
	objects, err := localcluster.ReadKustomization(filepath.Join("testdata", "stage"))
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.GetKind() == platformKind {
			reach(o)
		}
	}
	if err := p.Apply(ctx, objects); err != nil {
		return err
	}
	if err := tellOrphans(ctx); err != nil {
		return err
	}
	if err := operator.Await(ctx, 2*time.Minute, "the operator to have looked at all", settled); err != nil {
		return err
	}
	shop := &v1alpha1.SfsClient{}
	if err := p.Client.Get(ctx, client.ObjectKey{Namespace: "team-a", Name: "shop"}, shop); err != nil {
		return err
	}
	cluster.now = shop.Status.Token.ExpirationTime.Add(-14*time.Minute - 30*time.Second)
	return nil
}

// tellOrphans has the SfsPlatforms tell of clients without an SfsClient: one of them of all, one of the first of many, and one
// not yet. The definition is given the field where it lacks it.
func tellOrphans(ctx context.Context) error {
	definition := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "sfsplatforms.sendforsign.com"}}
	definition.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	field := `[{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/orphans",
		"value":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}]`
	if err := cluster.plane.Client.Patch(ctx, definition, client.RawPatch(types.JSONPatchType, []byte(field))); err != nil {
		return err
	}
	for name, count := range map[string]int{"default": 1, "sandbox": 120} {
		p := &unstructured.Unstructured{}
		p.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(platformKind))
		p.SetName(name)
		status := fmt.Sprintf(`{"status":{"orphans":{"count":%d,"clients":[{"customKey":"acme-%s/team-a/cafe","clientKey":%q}]}}}`,
			count, map[string]string{"default": "prod", "sandbox": "sandbox"}[name], "90b1c6de-2f7a-4c58-8e1d-5a04f3d7b692")
		// The definition may not have come into effect yet: then it is left out.
		for {
			if err := cluster.plane.Client.Status().Patch(ctx, p, client.RawPatch(types.MergePatchType, []byte(status))); err != nil {
				return err
			}
			if _, there, _ := unstructured.NestedMap(p.Object, "status", "orphans"); there {
				break
			}
		}
	}
	return nil
}

// reach has an SfsPlatform use the simulator.
func reach(platform *unstructured.Unstructured) {
	spec := platform.Object["spec"].(map[string]any)
	spec["baseURL"] = cluster.sim.BaseURL()
	spec["caBundle"] = base64.StdEncoding.EncodeToString(cluster.sim.CABundle())
}

// settled says whether what can become ready is, and the rest has a reason.
func settled(ctx context.Context) bool {
	want := map[string]string{
		"sfsplatform/default": "Available", "sfsplatform/sandbox": "CredentialsSecretNotFound",
		"sfsclient/shop": "Available", "sfsclient/bakery": "PlatformNotFound", "sfsclient/stray": "NamespaceNotAllowed",
		"sfsclient/depot": "Available", "sfsclient/museum": "Available", "sfsclient/resort": "Suspended",
		"sfsplatform/trial": "Available", "sfsclient/harbour": "Available",
		"sfsclientuser/jane": "Available", "sfsclientuser/tom": "ClientNotFound",
	}
	seen := 0
	for _, kind := range []string{platformKind, clientKind, userKind} {
		found, err := list(ctx, cluster.plane.Client, kind, "")
		if err != nil {
			return false
		}
		for _, r := range found {
			ready := meta.FindStatusCondition(*r.GetConditions(), v1alpha1.ReadyCondition)
			if ready == nil || ready.Reason != want[shortName(r)] {
				return false
			}
			if p, ok := r.(*v1alpha1.SfsPlatform); ok && ready.Status == metav1.ConditionTrue &&
				(p.Status.Clients == nil || *p.Status.Clients.Ready != 2) {
				return false // both have two, which are counted a little later
			}
			seen++
		}
	}
	return seen == len(want)
}

func getClient(t *testing.T, namespace, name string) *v1alpha1.SfsClient {
	t.Helper()
	c := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := cluster.plane.Client.Get(t.Context(), client.ObjectKeyFromObject(c), c); err != nil {
		t.Fatal(err)
	}
	return c
}
