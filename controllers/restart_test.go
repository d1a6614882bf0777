// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/utils/ptr"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/rights"
)

// whenKeysChange is a target as it is by default.
func whenKeysChange(w v1alpha1.RestartedWorkload) v1alpha1.RolloutRestartTarget {
	return v1alpha1.RolloutRestartTarget{RestartedWorkload: w}
}

// restarts adds targets to a spec. Without a kind they are Deployments.
func restarts(targets ...v1alpha1.RolloutRestartTarget) func(*v1alpha1.SfsClient) {
	return func(c *v1alpha1.SfsClient) {
		for _, target := range targets {
			if target.Kind == "" {
				target.Kind = v1alpha1.RestartDeployment
			}
			c.Spec.RolloutRestartTargets = append(c.Spec.RolloutRestartTargets, target)
		}
	}
}

// says has another content stand in the Secret of identifiers.
func says(text string) func(*v1alpha1.SfsClient) {
	return func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"note": v1alpha1.SecretTemplateText(text)}
	}
}

func (w *world) workload(kind v1alpha1.RolloutRestartKind, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(restartKinds[kind])
	o.SetNamespace(w.namespace)
	o.SetName(name)
	return o
}

// newWorkload makes one that has the label app=shop.
func (w *world) newWorkload(kind v1alpha1.RolloutRestartKind, name string) *unstructured.Unstructured {
	w.t.Helper()
	o := w.workload(kind, name)
	o.SetLabels(map[string]string{"app": "shop"})
	labels := map[string]any{"app": "shop"}
	o.Object["spec"] = map[string]any{
		"selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "shop", "image": "shop"}}},
		},
	}
	w.create(o)
	w.t.Cleanup(func() { _ = w.client.Delete(context.Background(), o) })
	return o
}

// wantRestarts checks how often the template of a workload has been changed.
func (w *world) wantRestarts(o *unstructured.Unstructured, want int64) {
	w.t.Helper()
	w.reload(o)
	if n := o.GetGeneration() - 1; n != want {
		w.t.Errorf("%s %s was restarted %d times, want %d", o.GetKind(), o.GetName(), n, want)
	}
}

func TestAWorkloadIsRestartedWhenTheIdentifiersChange(t *testing.T) {
	for _, kind := range []v1alpha1.RolloutRestartKind{v1alpha1.RestartDeployment, v1alpha1.RestartStatefulSet, v1alpha1.RestartDaemonSet} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t)
			w.mayRestart()
			app := w.newWorkload(kind, "shop")
			c := w.newSfsClient("shop", restarts(whenKeysChange(v1alpha1.RestartedWorkload{Name: "shop", Kind: kind})))
			w.run(2 * time.Hour)
			w.wantRestarts(app, 0) // by the first publication, and by the tokens
			w.restart()
			w.run(time.Hour)
			w.wantRestarts(app, 0)

			update(w, c, says("another"))
			w.run(time.Minute)
			w.wantRestarts(app, 1)
			w.wantReady(c)
			fingerprint, _, _ := unstructured.NestedString(app.Object,
				"spec", "template", "metadata", "annotations", v1alpha1.RestartAnnotationPrefix+string(c.UID)[:8])
			note := c.Status.RolloutRestarts[0]
			if note.Fingerprint == "" || note.Fingerprint != fingerprint || note.LastRestartTime == nil || note.Pending || note.Message != "" {
				t.Errorf("the status says %+v, the annotation %q", note, fingerprint)
			}
			w.restart()
			w.run(2 * time.Hour)
			w.wantRestarts(app, 1)
			if n := w.recorder.count("shop", "Restarted"); n != 1 {
				t.Errorf("%d events, want one: %v", n, w.recorder.all())
			}
		})
	}
}

func TestOnlyOtherValuesRestart(t *testing.T) {
	w := newWorld(t)
	w.mayRestart()
	app := w.newWorkload(v1alpha1.RestartDeployment, "shop")
	c := w.newSfsClient("shop", says("something"))
	w.run(time.Minute)
	target := func(c *v1alpha1.SfsClient) *v1alpha1.RolloutRestartTarget { return &c.Spec.RolloutRestartTargets[0] }
	for _, change := range []struct {
		what string
		do   func(*v1alpha1.SfsClient)
	}{
		{"the target is new", restarts(whenKeysChange(v1alpha1.RestartedWorkload{Name: "shop"}))},
		{"an annotation on the Secret", func(c *v1alpha1.SfsClient) {
			c.Spec.Secret.Template.Metadata.Annotations = map[string]v1alpha1.SecretAnnotationValue{"team": "a"}
		}},
		{"another way to say the same", says(`{{ "something" }}`)},
		{"a Secret of another name", func(c *v1alpha1.SfsClient) { c.Spec.Secret.Name = "other" }},
		{"tokens count from now on", func(c *v1alpha1.SfsClient) { target(c).When = v1alpha1.RestartWhenTokenChanged }},
		{"tokens count no more", func(c *v1alpha1.SfsClient) { target(c).When = v1alpha1.RestartWhenKeysChanged }},
		{"the workload is named by labels", func(c *v1alpha1.SfsClient) { target(c).Selector = ofShop }},
	} {
		update(w, c, change.do)
		w.run(6 * time.Minute)
		w.wantReady(c)
		if w.wantRestarts(app, 0); t.Failed() {
			t.Fatal(change.what)
		}
	}
	// Nor does somebody who takes the annotation away, or damages the Secret.
	update(w, c, says("another"))
	w.run(time.Minute)
	w.wantRestarts(app, 1)
	update(w, app, func(o *unstructured.Unstructured) {
		unstructured.RemoveNestedField(o.Object, "spec", "template", "metadata", "annotations")
	})
	w.delete(w.secret(c.SecretName()))
	w.run(time.Hour)
	w.wantRestarts(app, 2) // one was theirs
	w.wantReady(c)
}

var ofShop = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}

func TestATokenRestartsWhoAskedForThat(t *testing.T) {
	w := newWorld(t)
	w.mayRestart()
	app, other := w.newWorkload(v1alpha1.RestartDeployment, "shop"), w.newWorkload(v1alpha1.RestartDeployment, "other")
	c := w.newSfsClient("shop", restarts(
		v1alpha1.RolloutRestartTarget{RestartedWorkload: v1alpha1.RestartedWorkload{Name: "shop"}, When: v1alpha1.RestartWhenTokenChanged},
		whenKeysChange(v1alpha1.RestartedWorkload{Name: "other"}),
	))
	w.run(time.Minute)
	w.wantRestarts(app, 0)
	w.reload(c)
	first := c.Status.Token.Revision
	w.run(3 * time.Hour)
	w.wantReady(c)
	w.wantRestarts(app, c.Status.Token.Revision-first)
	w.wantRestarts(other, 0)
	if c.Status.Token.Revision < first+5 {
		t.Error("no token was renewed")
	}
	// A token that is withdrawn leaves nothing to read.
	before := app.GetGeneration() - 1
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) })
	w.run(time.Hour)
	w.wantRestarts(app, before)
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = nil })
	w.run(time.Minute)
	w.wantRestarts(app, before+1)
}

func TestWhatChangesWithinTheIntervalIsMadeUpForByOneRestart(t *testing.T) {
	w := newWorld(t)
	w.mayRestart()
	app, slow := w.newWorkload(v1alpha1.RestartDeployment, "shop"), w.newWorkload(v1alpha1.RestartDeployment, "slow")
	c := w.newSfsClient("shop", restarts(
		whenKeysChange(v1alpha1.RestartedWorkload{Name: "shop"}),
		whenKeysChange(v1alpha1.RestartedWorkload{Name: "slow", MinInterval: &metav1.Duration{Duration: time.Hour}}),
	))
	w.run(time.Minute)
	for i := range 8 {
		update(w, c, says(fmt.Sprint("number ", i)))
		w.run(30 * time.Second)
		w.restart()
	}
	w.wantRestarts(app, 1)
	w.run(2 * time.Minute)
	w.wantRestarts(app, 2)
	w.wantRestarts(slow, 1)
	last := c.Status.RolloutRestarts
	w.run(time.Hour)
	w.wantRestarts(app, 2)
	w.wantRestarts(slow, 2)
	w.reload(c)
	if a, b := c.Status.RolloutRestarts[0].Fingerprint, c.Status.RolloutRestarts[1].Fingerprint; a != b {
		t.Errorf("they were restarted for %s and %s (before: %+v)", a, b, last)
	}
	// What is as it was before the interval ends needs no restart.
	update(w, c, says("first"))
	w.run(time.Minute)
	update(w, c, says("second"))
	w.run(time.Minute)
	update(w, c, says("first"))
	w.run(2 * time.Hour)
	w.wantRestarts(app, 3)
}

func TestWorkloadsAreFoundByTheirLabels(t *testing.T) {
	w := newWorld(t)
	w.mayRestart()
	first, second := w.newWorkload(v1alpha1.RestartDeployment, "first"), w.newWorkload(v1alpha1.RestartDeployment, "second")
	other, kind := w.newWorkload(v1alpha1.RestartDeployment, "other"), w.newWorkload(v1alpha1.RestartStatefulSet, "first")
	update(w, other, func(o *unstructured.Unstructured) { o.SetLabels(nil) })
	c := w.newSfsClient("shop", restarts(whenKeysChange(v1alpha1.RestartedWorkload{Name: "all", Selector: ofShop})))
	w.run(time.Minute)
	update(w, c, says("another"))
	w.run(time.Minute)
	for o, want := range map[*unstructured.Unstructured]int64{first: 1, second: 1, other: 0, kind: 0} {
		w.wantRestarts(o, want)
	}
	if log := strings.Join(w.recorder.all(), "\n"); !strings.Contains(log, "Deployment first, Deployment second") {
		t.Error(log)
	}
	// The schema lets any operator pass.
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Spec.RolloutRestartTargets[0].Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Is"}}}
		says("a third")(c)
	})
	w.run(10 * time.Minute)
	w.wantReady(c)
	w.wantRestarts(first, 1)
	if note := c.Status.RolloutRestarts[0]; !strings.Contains(note.Message, "selector") {
		t.Errorf("the status says %+v", note)
	}
}

func TestAWorkloadThatIsNotThereHoldsNothingUp(t *testing.T) {
	w := newWorld(t)
	w.mayRestart()
	c := w.newSfsClient("shop", restarts(whenKeysChange(v1alpha1.RestartedWorkload{Name: "shop"})))
	w.run(time.Minute)
	if note := c.Status.RolloutRestarts; w.recorder.count("shop", "NotRestarted") != 0 {
		t.Errorf("nobody has been asked for yet: %v", note)
	}
	update(w, c, says("another"))
	w.run(time.Hour)
	w.wantReady(c)
	w.tokenOf(c)
	note := c.Status.RolloutRestarts[0]
	if note.Pending || !strings.Contains(note.Message, "no Deployment shop") || w.recorder.count("shop", "NotRestarted") != 1 {
		t.Errorf("the status says %+v; %v", note, w.recorder.all())
	}
	// It starts with what there is.
	app := w.newWorkload(v1alpha1.RestartDeployment, "shop")
	w.run(time.Hour)
	w.wantRestarts(app, 0)
	w.reload(c)
	if note := c.Status.RolloutRestarts[0]; note.Message != "" {
		t.Errorf("the status still says %+v", note)
	}
	update(w, c, says("a third"))
	w.run(time.Minute)
	w.wantRestarts(app, 1)
}

// mayRestart binds the optional role in the namespace of the tenants.
func (w *world) mayRestart() {
	w.t.Helper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: restartRole},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: restartRole},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorAccount.Namespace, Name: operatorAccount.Name}},
	}
	w.create(binding)
	w.t.Cleanup(func() { _ = w.client.Delete(context.Background(), binding) })
	patch := rights.Right{Verb: "patch", Group: "apps", Resource: "deployments", Namespace: w.namespace}
	if err := awaitRights(w.t.Context(), w.client, userOf(operatorAccount), patch); err != nil {
		w.t.Fatal(err)
	}
}

func TestWithoutTheOptionalRoleNobodyIsRestarted(t *testing.T) {
	w := newWorld(t)
	app := w.newWorkload(v1alpha1.RestartDeployment, "shop")
	c := w.newSfsClient("shop", restarts(
		whenKeysChange(v1alpha1.RestartedWorkload{Name: "shop"}), whenKeysChange(v1alpha1.RestartedWorkload{Name: "labels", Selector: ofShop}),
	))
	w.run(time.Minute)
	w.wantReady(c)
	// That is said before it is needed.
	wantSaid := func(pending bool) {
		t.Helper()
		w.reload(c)
		for _, note := range c.Status.RolloutRestarts {
			if note.Pending != pending || !strings.Contains(note.Message, restartRole) {
				t.Errorf("the status says %+v", note)
			}
		}
	}
	wantSaid(false)
	update(w, c, says("another"))
	w.run(time.Hour)
	w.wantReady(c)
	w.tokenOf(c)
	w.wantRestarts(app, 0)
	wantSaid(true)
	if n := w.recorder.count("shop", "NotRestarted"); n != 2 {
		t.Errorf("%d events, want one for each target: %v", n, w.recorder.all())
	}
	refused := w.asked.TakeRefused()
	for _, one := range refused {
		if !strings.Contains(one, `resource "deployments" in API group "apps"`) {
			t.Errorf("the API server also refused: %s", one)
		}
	}
	if len(refused) == 0 {
		t.Error("the API server has refused nothing")
	}
	w.mayRestart()
	w.run(11 * time.Minute)
	w.wantRestarts(app, 1) // both targets mean it
	w.reload(c)
	for _, note := range c.Status.RolloutRestarts {
		if note.Pending || note.Message != "" {
			t.Errorf("the status says %+v", note)
		}
	}
}

// installRollouts has the API server serve the kind Rollout, as far as is needed here.
func (w *world) installRollouts() {
	w.t.Helper()
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(`{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "rollouts.argoproj.io"},
		"spec": {
			"group": "argoproj.io", "scope": "Namespaced", "names": {"plural": "rollouts", "singular": "rollout", "kind": "Rollout"},
			"versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
				"type": "object", "x-kubernetes-preserve-unknown-fields": true
			}}}]
		}
	}`), &crd.Object); err != nil {
		w.t.Fatal(err)
	}
	w.create(crd)
	w.t.Cleanup(func() { _ = w.client.Delete(context.Background(), crd) })
	w.eventually(func() bool {
		var list unstructured.UnstructuredList
		list.SetGroupVersionKind(restartKinds[v1alpha1.RestartRollout].GroupVersion().WithKind("RolloutList"))
		return w.client.List(w.t.Context(), &list) == nil
	})
}

// eventually waits for the API server, whose clock is not that of this world.
func (w *world) eventually(done func() bool) {
	w.t.Helper()
	err := wait.PollUntilContextTimeout(w.t.Context(), 50*time.Millisecond, 30*time.Second, true,
		func(context.Context) (bool, error) { return done(), nil })
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestARolloutNeedsItsKind(t *testing.T) {
	w := newWorld(t)
	w.mayRestart()
	c := w.newSfsClient("shop", restarts(whenKeysChange(v1alpha1.RestartedWorkload{Name: "shop", Kind: v1alpha1.RestartRollout})))
	w.run(time.Minute)
	w.wantReady(c)
	if note := c.Status.RolloutRestarts[0]; !strings.Contains(note.Message, "no kind Rollout of argoproj.io/v1alpha1") {
		t.Errorf("the status says %+v", note)
	}
	update(w, c, says("another"))
	w.run(time.Hour)
	w.wantReady(c)

	w.installRollouts()
	app := w.newWorkload(v1alpha1.RestartRollout, "shop")
	w.run(11 * time.Minute)
	w.wantRestarts(app, 1)
	w.reload(c)
	if note := c.Status.RolloutRestarts[0]; note.Message != "" || note.Pending {
		t.Errorf("the status says %+v", note)
	}
	// One that refers to a Deployment has no template of its own, and must not get half of one.
	update(w, app, func(o *unstructured.Unstructured) { unstructured.RemoveNestedField(o.Object, "spec", "template") })
	update(w, c, says("a third"))
	w.run(10 * time.Minute)
	w.wantReady(c)
	if note := c.Status.RolloutRestarts[0]; !strings.Contains(note.Message, "template") {
		t.Errorf("the status says %+v", note)
	}
	if w.reload(app); app.Object["spec"].(map[string]any)["template"] != nil {
		t.Error("it has a template now")
	}
	w.usesAllOfTheOptionalRole(c)
}

// usesAllOfTheOptionalRole has workloads of each kind restarted, by their names and by their labels.
func (w *world) usesAllOfTheOptionalRole(c *v1alpha1.SfsClient) {
	w.t.Helper()
	var targets []v1alpha1.RolloutRestartTarget
	for kind := range restartKinds {
		name := "whole-" + strings.ToLower(string(kind))
		w.newWorkload(kind, name)
		targets = append(targets,
			whenKeysChange(v1alpha1.RestartedWorkload{Name: name, Kind: kind}), whenKeysChange(v1alpha1.RestartedWorkload{Name: "all-" + name, Kind: kind, Selector: ofShop}))
	}
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.RolloutRestartTargets = targets })
	w.run(time.Minute)
	update(w, c, says("a fourth"))
	w.run(time.Minute)
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: restartRole}}
	w.reload(role)
	granted, err := rights.Of(role.Rules, "")
	if err != nil {
		w.t.Fatal(err)
	}
	if unused, _ := rights.Compare(granted, w.asked.Rights()); len(unused) > 0 {
		w.t.Errorf("the role %s gives more than is used: %v", restartRole, unused)
	}
}

// restartStory changes a Secret twice, within the interval and after it, while something goes wrong with one of the calls of
// the operator. It returns how many there are.
func restartStory(t *testing.T, at int, how string) int {
	t.Helper()
	w := newWorld(t)
	w.mayRestart()
	app, labelled := w.newWorkload(v1alpha1.RestartDeployment, "shop"), w.newWorkload(v1alpha1.RestartStatefulSet, "labelled")
	c := w.newSfsClient("shop", restarts(
		whenKeysChange(v1alpha1.RestartedWorkload{Name: "shop"}),
		whenKeysChange(v1alpha1.RestartedWorkload{Name: "labelled", Kind: v1alpha1.RestartStatefulSet, Selector: ofShop}),
	))
	w.run(time.Minute)
	w.wantReady(c)
	faults := map[int]*mode{}
	if at > 0 {
		faults[at] = modeNamed(how)
	}
	w.wire.arm(faults)
	update(w, c, says("another"))
	w.run(time.Minute)
	w.wantRestarts(app, 1)
	w.wantRestarts(labelled, 1)
	calls := len(w.wire.made(0))
	update(w, c, says("a third"))
	w.run(2 * time.Minute)
	w.wantRestarts(app, 1) // the interval is kept, whoever died in it
	w.run(10 * time.Minute)
	w.wantRestarts(app, 2)
	w.wantRestarts(labelled, 2)
	w.wantReady(c)
	for _, note := range c.Status.RolloutRestarts {
		if note.Pending {
			t.Errorf("the status says %+v", note)
		}
	}
	return calls
}

func TestACrashRestartsNobodyTwiceAndSkipsNobody(t *testing.T) {
	calls := restartStory(t, 0, "")
	if calls < 6 {
		t.Fatalf("the story has only %d calls", calls)
	}
	for at := 1; at <= calls; at++ {
		for _, how := range []string{"crash-before", "crash-after", "internal", "conflict", "lost-done", "timeout-done"} {
			t.Run(fmt.Sprintf("%s %d", how, at), func(t *testing.T) { restartStory(t, at, how) })
		}
	}
}

func TestACacheThatIsBehindRestartsNobody(t *testing.T) {
	w := newWorld(t)
	w.mayRestart()
	app := w.newWorkload(v1alpha1.RestartDeployment, "shop")
	c := w.newSfsClient("shop", restarts(whenKeysChange(v1alpha1.RestartedWorkload{Name: "shop"})))
	w.run(time.Minute)
	before := maps.Clone(w.cache.objects)
	update(w, c, says("another"))
	w.run(time.Minute)
	w.wantRestarts(app, 1)
	startBehind := func(kinds ...string) {
		t.Helper()
		w.run(10 * time.Minute)
		view := maps.Clone(w.there)
		for r, o := range before {
			if slices.Contains(kinds, r.kind) {
				view[r] = o
			}
		}
		w.restartWith(view)
		w.fallBehind(100, time.Minute, kinds...)
		w.run(10 * time.Minute)
		w.wantRestarts(app, 1)
	}
	startBehind(secretKind)
	startBehind(clientKind)
	startBehind(clientKind, secretKind)
	w.wantReady(c)
	// Where nothing may be published, the Secret is not written either, which would have it looked at.
	platform := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: w.platform}}
	update(w, platform, func(p *v1alpha1.SfsPlatform) { p.Spec.AllowedNamespaces.Names = []string{"another"} })
	startBehind(secretKind)
}

// TestAWorkloadThatCanNotBeReadCostsNoToken has each request for a workload fail.
func TestAWorkloadThatCanNotBeReadCostsNoToken(t *testing.T) {
	w := newWorld(t)
	w.mayRestart()
	through := w.api
	w.api = w.connectOperator(func(next http.RoundTripper) http.RoundTripper {
		return w.noticing(roundTripper(func(req *http.Request) (*http.Response, error) {
			if strings.Contains(req.URL.Path, "/deployments/") {
				return nil, apierrors.NewInternalError(errKilled)
			}
			return next.RoundTrip(req)
		}))
	})
	w.restart()
	app := w.newWorkload(v1alpha1.RestartDeployment, "shop")
	c := w.newSfsClient("shop", restarts(v1alpha1.RolloutRestartTarget{RestartedWorkload: v1alpha1.RestartedWorkload{Name: "shop"}, When: v1alpha1.RestartWhenTokenChanged}))
	w.each = func() {
		if w.reload(c); c.Status.Token != nil {
			w.tokenOf(c)
		}
	}
	w.run(2 * time.Hour)
	w.wantReady(c)
	w.wantRestarts(app, 0)
	w.api = through
	w.restart()
	w.run(time.Minute)
	w.wantRestarts(app, 1)
}
