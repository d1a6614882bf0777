// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// patience is how long what must come may take. No test waits so long but one that fails.
const patience = 2 * time.Minute

// cluster is a real kube-apiserver: what it takes is valid, and what a schema from somewhere else says does not matter.
type cluster struct {
	*localcluster.ControlPlane

	t         *testing.T
	workspace *localcluster.Workspace
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		t.Fatal("KUBEBUILDER_ASSETS is not set: run the tests by `make test-chart`")
	}
	workspace, err := localcluster.NewWorkspace("sfs-chart-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := workspace.Close(t.Failed()); err != nil {
			t.Log(err)
		}
	})
	plane, err := localcluster.StartControlPlane(t.Context(), workspace, assets)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &cluster{plane, t, workspace}
}

// namespaces makes those that values name.
func (c *cluster) namespaces(names ...string) {
	c.t.Helper()
	for _, name := range names {
		if err := c.Client.Create(c.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			c.t.Fatal(err)
		}
	}
}

// install applies objects for good, as `helm install` does: definitions first.
func (c *cluster) install(rendered objects) {
	c.t.Helper()
	var first, then []*unstructured.Unstructured
	for _, key := range slices.Sorted(maps.Keys(rendered)) {
		if o := rendered[key]; o.GetKind() == "CustomResourceDefinition" {
			first = append(first, o)
		} else {
			then = append(then, o)
		}
	}
	for _, all := range [][]*unstructured.Unstructured{first, then} {
		if err := c.Apply(c.t.Context(), all); err != nil {
			c.t.Fatal(err)
		}
	}
	// All of them, before the client asks for the first: it asks once what there is in a group.
	for _, definition := range first {
		c.await(definition.GetName()+" to be served", func(ctx context.Context) error {
			read, is := definition.DeepCopy(), apiextensionsv1.CustomResourceDefinition{}
			if err := c.Client.Get(ctx, client.ObjectKeyFromObject(read), read); err != nil {
				return err
			}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(read.Object, &is); err != nil {
				return err
			}
			for _, condition := range is.Status.Conditions {
				if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
					return nil
				}
			}
			return fmt.Errorf("its conditions are %+v", is.Status.Conditions)
		})
	}
}

func (c *cluster) await(what string, try func(context.Context) error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			c.t.Fatalf("after %s of waiting for %s: %v", patience, what, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// problems of an object are what the API server says against it. Of a kind that it does not know, the Go type says so.
func (c *cluster) problems(o *unstructured.Unstructured) error {
	if known, there := map[string]any{
		"ServiceMonitor": &monitoringv1.ServiceMonitor{}, "PrometheusRule": &monitoringv1.PrometheusRule{},
	}[o.GetKind()]; there {
		return runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, known, true)
	}
	o = o.DeepCopy()
	err := c.Client.Create(c.t.Context(), o, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	// Fields that are not known are refused by the apply itself.
	config := client.ApplyConfigurationFromUnstructured(o.DeepCopy())
	return c.Client.Apply(c.t.Context(), config, client.DryRunAll, client.FieldOwner("chart"), client.ForceOwnership)
}

func TestARealAPIServerTakesTheChart(t *testing.T) {
	c := newCluster(t)
	c.namespaces("team-a", "team-b", "monitoring")
	config := overlay(t)
	c.install(objects{"Namespace": config["Namespace "+namespace]})
	c.install(render(t, ""))

	t.Run("whatever its values are", func(t *testing.T) {
		all := map[string]string{"everything": text(t, everything(t)), "nothing": ""}
		for _, e := range effects {
			all[e.value+" "+e.to] = e.values(t, true)
		}
		tried := map[string]bool{}
		for name, values := range all {
			for key, o := range render(t, values) {
				same := text(t, o)
				if tried[same] {
					continue
				}
				tried[same] = true
				if err := c.problems(o); err != nil {
					t.Errorf("%s, %s: %v", name, key, err)
				}
			}
		}
		t.Logf("%d renderings have %d different objects", len(all), len(tried))
		if len(tried) < 50 {
			t.Errorf("only %d different objects were tried", len(tried))
		}
	})
	t.Run("as well as what kustomize builds", func(t *testing.T) {
		for key, o := range overlay(t, slices.Collect(maps.Keys(components))...) {
			if err := c.problems(o); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
	})
	t.Run("and not a mistake", func(t *testing.T) {
		for key, fields := range map[string][]string{
			deployment:                 {"spec", "replica"},
			policy:                     {"spec", "egres"},
			monitor:                    {"spec", "endpoint"},
			alerts:                     {"spec", "group"},
			dashboard:                  {"dates"},
			"ClusterRole sfs-operator": {"rule"},
			"Service sfs-system/sfs-operator-metrics": {"spec", "port"},
		} {
			o := render(t, text(t, everything(t)))[key]
			set(o, "x", fields...)
			if c.problems(o) == nil {
				t.Errorf("%s may have %s", key, strings.Join(fields, "."))
			}
		}
	})
	t.Run("its Pod in a namespace that is restricted", func(t *testing.T) {
		for name, values := range map[string]string{"default": "", "everything": text(t, everything(t))} {
			pod := podOf(t, render(t, values))
			pod.Namespace, pod.GenerateName = namespace, "operator-"
			if err := c.Client.Create(t.Context(), pod.DeepCopy(), client.DryRunAll); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for what, spoil := range map[string]func(*corev1.Pod){
				"no seccomp profile":   func(p *corev1.Pod) { p.Spec.SecurityContext.SeccompProfile = nil },
				"all capabilities":     func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext.Capabilities = nil },
				"the user root":        func(p *corev1.Pod) { p.Spec.SecurityContext.RunAsUser = new(int64) },
				"a file of the node":   func(p *corev1.Pod) { p.Spec.Volumes = []corev1.Volume{hostPath()} },
				"rights that may grow": func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil },
			} {
				spoilt := pod.DeepCopy()
				spoil(spoilt)
				if err := c.Client.Create(t.Context(), spoilt, client.DryRunAll); !apierrors.IsForbidden(err) {
					t.Errorf("%s: a Pod with %s: %v", name, what, err)
				}
			}
		}
	})
	t.Run("and the examples that it tells Artifact Hub", func(t *testing.T) {
		examples, seen := load(t).Metadata.Annotations["artifacthub.io/crdsExamples"], 0
		list := &unstructured.Unstructured{}
		if err := unmarshal("items:\n"+examples, list); err != nil {
			t.Fatal(err)
		}
		if err := list.EachListItem(func(o runtime.Object) error {
			seen++
			return c.problems(o.(*unstructured.Unstructured))
		}); err != nil || seen != 4 {
			t.Errorf("of %d examples: %v", seen, err)
		}
	})
	t.Run("and an operator for one namespace works with the rights it is given there", c.servesOneNamespace)
}

func hostPath() corev1.Volume {
	return corev1.Volume{Name: "x", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}
}

// servesOneNamespace upgrades from an operator for all namespaces to one for a single namespace, and starts it as the
// rendered Deployment does.
func (c *cluster) servesOneNamespace(t *testing.T) {
	rendered := render(t, "watchNamespaces: [team-a]\nlog: {level: debug}")
	c.install(rendered)
	may := func(verb, resource, group, in string) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User:               "system:serviceaccount:" + namespace + ":" + localcluster.ServiceAccount,
				ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Resource: resource, Group: group, Namespace: in},
			}}
			err := c.Client.Create(ctx, review)
			return review.Status.Allowed, err
		}
	}
	for _, right := range []struct {
		verb, resource, in string
		want               bool
	}{
		{"list", "secrets", "", false}, {"get", "secrets", "team-b", false}, {"patch", "secrets", "team-b", false},
		{"patch", "secrets", "team-a", true}, {"get", "secrets", namespace, true}, {"patch", "secrets", namespace, false},
	} {
		// The authorizer watches the roles.
		c.await(fmt.Sprintf("the right %+v", right), func(ctx context.Context) error {
			if got, err := may(right.verb, right.resource, "", right.in)(ctx); err != nil || got != right.want {
				return fmt.Errorf("allowed: %t, %w", got, err)
			}
			return nil
		})
	}

	sim := sfstest.New()
	t.Cleanup(sim.Close)
	operator := c.startOperator(t, podOf(t, rendered).Spec.Containers[0].Args)
	if err := c.CreateCredentials(t.Context(), "sendforsign", sim); err != nil {
		t.Fatal(err)
	}
	served := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop"}}
	naming := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "old"}, Spec: v1alpha1.SfsClientSpec{CustomKey: "old"}}
	unseen := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: "team-b", Name: "shop"}}
	user := &v1alpha1.SfsClientUser{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "jane"},
		Spec:       v1alpha1.SfsClientUserSpec{ClientRef: v1alpha1.ClientReference{Name: "shop"}},
	}
	platform := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Spec: v1alpha1.SfsPlatformSpec{
		BaseURL: sim.BaseURL(), CABundle: sim.CABundle(), CustomKeyPrefix: "acme",
		CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: "sendforsign"},
		AllowedNamespaces:    &v1alpha1.AllowedNamespaces{Names: []string{"team-a", "team-b"}},
		Adoption:             []v1alpha1.AdoptionRule{{Name: "old", Namespaces: []string{"team-a"}, CustomKeyPatterns: []string{"old"}}},
	}}
	for _, o := range []client.Object{unseen, platform, served, naming, user} {
		if err := c.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range []client.Object{served, naming, user} {
		c.await(o.GetName()+" to be Ready", func(ctx context.Context) error {
			if err := c.Client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
				return err
			}
			if conditions := *o.(interface{ GetConditions() *[]metav1.Condition }).GetConditions(); !meta.IsStatusConditionTrue(conditions, "Ready") {
				return fmt.Errorf("its conditions are %+v", conditions)
			}
			return nil
		})
	}
	// It waits for its clients, and says so.
	if err := c.Client.Delete(t.Context(), platform); err != nil {
		t.Fatal(err)
	}
	c.await("an event of the SfsPlatform", func(ctx context.Context) error {
		var events eventsv1.EventList
		if err := c.Client.List(ctx, &events, client.InNamespace(metav1.NamespaceDefault)); err != nil {
			return err
		}
		if !slices.ContainsFunc(events.Items, func(e eventsv1.Event) bool { return e.Regarding.Kind == "SfsPlatform" }) {
			return fmt.Errorf("there are %d others", len(events.Items))
		}
		return nil
	})
	if err := operator.Stop(); err != nil {
		t.Error(err)
	}
	if err := c.Client.Get(t.Context(), client.ObjectKeyFromObject(unseen), unseen); err != nil || len(unseen.Status.Conditions) > 0 || len(unseen.Finalizers) > 0 {
		t.Errorf("the SfsClient of another namespace: %v, %+v", err, unseen)
	}
	log, err := os.ReadFile(operator.Log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(log) {
		if bytes.Contains(line, []byte("forbidden")) || bytes.Contains(line, []byte(`"ERROR"`)) {
			t.Errorf("the operator complains: %s", line)
		}
	}
}

// startOperator builds the operator and starts it with the arguments of the Deployment and the rights of the service account.
func (c *cluster) startOperator(t *testing.T, args []string) *localcluster.Operator {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sfs-operator")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, ".")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make build` does, so that its cache serves
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the operator: %v\n%s", err, said)
	}
	kubeconfig, err := c.OperatorKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	operator, err := c.StartOperator(t.Context(), binary, kubeconfig, "sfs-operator", args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !operator.HasExited() {
			_ = operator.Kill()
		}
	})
	if err := operator.AwaitReady(t.Context()); err != nil {
		log, _ := os.ReadFile(operator.Log)
		t.Fatalf("%v\n%s", err, log)
	}
	return operator
}

func unmarshal(content string, into *unstructured.Unstructured) error {
	return yaml.Unmarshal([]byte("apiVersion: v1\nkind: List\n"+content), &into.Object)
}
