// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consumers

import (
	"context"
	"errors"
	"reflect"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

func TestEachWayToReadASecretIsFound(t *testing.T) {
	t.Parallel()
	got := UsesOf(podSpec(t, `
volumes:
- {name: whole, secret: {secretName: mounted}}
- {name: unused, secret: {secretName: not-mounted}}
- {name: many, projected: {sources: [{secret: {name: projected}}, {configMap: {name: other}}]}}
- {name: scratch, emptyDir: {}}
initContainers:
- {name: first, envFrom: [{secretRef: {name: of-init}}, {configMapRef: {name: other}}]}
containers:
- name: app
  volumeMounts:
  - {name: whole, mountPath: /a}
  - {name: many, mountPath: /b}
  - {name: whole, mountPath: /c, subPath: token}
  - {name: many, mountPath: /d, subPathExpr: $(NAME)}
  - {name: scratch, mountPath: /e, subPath: token}
  env:
  - {name: TOKEN, valueFrom: {secretKeyRef: {name: named, key: token}}}
  - {name: PLAIN, value: token}
  - {name: FIELD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: side, volumeMounts: [{name: whole, mountPath: /a}]}
ephemeralContainers:
- {name: debug, envFrom: [{secretRef: {name: of-debug}}]}
`))
	want := []Use{
		{Secret: "of-init", How: "envFrom", Frozen: true},
		{Secret: "mounted", How: "volume"},
		{Secret: "projected", How: "volume"},
		{Secret: "mounted", How: "volume with subPath", Frozen: true},
		{Secret: "projected", How: "volume with subPath", Frozen: true},
		{Secret: "named", How: "env TOKEN", Key: "token", Frozen: true},
		{Secret: "of-debug", How: "envFrom", Frozen: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

const reads = `containers: [{name: app, envFrom: [{secretRef: {name: keys}}]}]`

func TestPodsCountForWhatMadeThem(t *testing.T) {
	t.Parallel()
	spec, none := *podSpec(t, reads), *podSpec(t, `containers: [{name: app}]`)
	old := replicaSet("web-old", "Deployment", "web")
	old.Spec.Template.Spec = spec // what the Deployment once was
	rollout := replicaSet("shop-1", "Rollout", "shop")
	finished := pod("finished", "", "", spec)
	finished.Status.Phase = corev1.PodSucceeded
	c := fake.NewClientBuilder().WithObjects(
		deployment("web", none), old, replicaSet("web-new", "Deployment", "web"),
		pod("web-1", "ReplicaSet", "web-new", none),
		deployment("api", spec), replicaSet("api-1", "Deployment", "api"),
		pod("api-1-a", "ReplicaSet", "api-1", spec), pod("api-1-b", "ReplicaSet", "api-1", spec),
		rollout, pod("shop-1-a", "ReplicaSet", "shop-1", spec),
		&batchv1.CronJob{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "nightly", UID: "CronJob/nightly"},
			Spec:       batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: spec}}}},
		},
		&batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "team-a", Name: "nightly-1", UID: "Job/nightly-1", OwnerReferences: ownedBy("CronJob", "nightly"),
			},
			Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: spec}},
		},
		pod("nightly-1-a", "Job", "nightly-1", spec),
		pod("alone", "", "", spec), finished,
	).Build()
	all, unseen, err := List(context.Background(), c, "team-a", "")
	if err != nil || !reflect.DeepEqual(unseen, Unseen{}) {
		t.Fatal(unseen, err)
	}
	got := map[string]int{}
	for _, w := range all {
		got[w.Kind+" "+w.Name] = w.Pods
		if len(w.Of("keys")) != 1 || len(w.Of("others")) != 0 {
			t.Errorf("%s %s has the uses %v", w.Kind, w.Name, w.Uses)
		}
	}
	want := map[string]int{"Deployment api": 2, "Rollout shop": 1, "CronJob nightly": 1, "Pod alone": 1}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWhatMayNotBeListedIsTold(t *testing.T) {
	t.Parallel()
	var failure error
	everywhere := false // it fails, and not only elsewhere
	elsewhere := deployment("web", *podSpec(t, reads))
	elsewhere.Namespace = "team-b"
	beside := pod("beside", "", "", *podSpec(t, reads))
	beside.Namespace = "team-b"
	cluster := fake.NewClientBuilder().WithObjects(
		deployment("api", *podSpec(t, reads)), elsewhere, pod("alone", "", "", *podSpec(t, reads)), beside,
	).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			in := client.ListOptions{}
			in.ApplyOptions(opts)
			if _, pods := list.(*corev1.PodList); pods && (everywhere || in.Namespace == "") {
				return failure
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
	failure = apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("not you"))
	for name, c := range map[string]struct {
		everywhere bool
		instead    string
		unseen     Unseen
		want       []string
	}{
		"elsewhere":                 {false, "team-a", Unseen{Elsewhere: []string{"pods"}}, []string{"Deployment api", "Pod alone", "Deployment web"}},
		"anywhere":                  {true, "team-a", Unseen{Nowhere: []string{"pods"}}, []string{"Deployment api", "Deployment web"}},
		"in the cluster as a whole": {false, "", Unseen{Nowhere: []string{"pods"}}, []string{"Deployment api", "Deployment web"}},
	} {
		everywhere = c.everywhere
		all, unseen, err := List(context.Background(), cluster, "", c.instead)
		var got []string
		for _, w := range all {
			got = append(got, w.Kind+" "+w.Name)
		}
		if !reflect.DeepEqual(got, c.want) || !reflect.DeepEqual(unseen, c.unseen) || err != nil {
			t.Errorf("%s: got %q, unseen %+v, and the error %v", name, got, unseen, err)
		}
	}
	failure = errors.New("away")
	if _, _, err := List(context.Background(), cluster, "", ""); !errors.Is(err, failure) {
		t.Errorf("got the error %v, want %v", err, failure)
	}
}

// What a ReplicaSet belongs to, and whether that is restarted with each token, is not known then. The Deployment is.
func TestPodsOfWhatMayNotBeListedCountForNobody(t *testing.T) {
	t.Parallel()
	spec := *podSpec(t, reads)
	c := fake.NewClientBuilder().WithObjects(
		deployment("api", spec), replicaSet("api-1", "Deployment", "api"), pod("api-1-a", "ReplicaSet", "api-1", spec),
		pod("shop-0", "StatefulSetPlus", "shop", spec),
	).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, is := list.(*appsv1.ReplicaSetList); is {
				return apierrors.NewForbidden(appsv1.Resource("replicasets"), "", errors.New("not you"))
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
	all, _, err := List(context.Background(), c, "team-a", "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range all {
		got = append(got, w.Kind+" "+w.Name)
	}
	if want := []string{"Deployment api", "StatefulSetPlus shop"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func podSpec(t *testing.T, text string) *corev1.PodSpec {
	t.Helper()
	spec := &corev1.PodSpec{}
	if err := yaml.UnmarshalStrict([]byte(text), spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

func deployment(name string, spec corev1.PodSpec) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: name, UID: types.UID("Deployment/" + name)},
		Spec:       appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: spec}},
	}
}

func replicaSet(name, kind, owner string) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team-a", Name: name, UID: types.UID("ReplicaSet/" + name), OwnerReferences: ownedBy(kind, owner),
	}}
}

func pod(name, kind, owner string, spec corev1.PodSpec) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: name, OwnerReferences: ownedBy(kind, owner)}, Spec: spec,
	}
}

func ownedBy(kind, name string) []metav1.OwnerReference {
	if kind == "" {
		return nil
	}
	return []metav1.OwnerReference{{Kind: kind, Name: name, UID: types.UID(kind + "/" + name), Controller: ptr.To(true)}}
}

func TestWhoNeverSeesANewToken(t *testing.T) {
	t.Parallel()
	const secret = "shop-sfs-token"
	frozen := Use{Secret: secret, How: "envFrom", Frozen: true}
	byKey := func(key string) Use { return Use{Secret: secret, How: "env X", Key: key, Frozen: true} }
	restart := func(target v1alpha1.RolloutRestartTarget) []v1alpha1.RolloutRestartTarget {
		return []v1alpha1.RolloutRestartTarget{{
			RestartedWorkload: v1alpha1.RestartedWorkload{Name: "other", Kind: v1alpha1.RestartStatefulSet}, When: v1alpha1.RestartWhenTokenChanged,
		}, target}
	}
	withEachToken := func(w v1alpha1.RestartedWorkload) v1alpha1.SfsClientSpec {
		return v1alpha1.SfsClientSpec{RolloutRestartTargets: restart(v1alpha1.RolloutRestartTarget{RestartedWorkload: w, When: "TokenChanged"})}
	}
	selector := func(app string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	}
	for name, c := range map[string]struct {
		use  Use
		spec v1alpha1.SfsClientSpec
		want int
	}{
		"a volume follows":                  {use: Use{Secret: secret, How: "volume"}},
		"envFrom does not":                  {use: frozen, want: 1},
		"the token through env does not":    {use: byKey("token"), want: 1},
		"what lasts may be read so":         {use: byKey("clientKey")},
		"another Secret is not about this":  {use: Use{Secret: "shop-sfs", How: "envFrom", Frozen: true}},
		"a key that is called as one lasts": {use: byKey("clientKey"), spec: renaming("token", "clientKey", "clientKey", ""), want: 1},
		"a key that lasts, renamed":         {use: byKey("ID"), spec: renaming("clientKey", "ID")},
		"restarted with each token": {
			use:  frozen,
			spec: withEachToken(v1alpha1.RestartedWorkload{Name: "web", Kind: "Deployment"}),
		},
		"restarted for keys only": {
			use: frozen, want: 1,
			spec: v1alpha1.SfsClientSpec{RolloutRestartTargets: restart(v1alpha1.RolloutRestartTarget{
				RestartedWorkload: v1alpha1.RestartedWorkload{Name: "web", Kind: "Deployment"},
			})},
		},
		"another is restarted": {
			use: frozen, want: 1,
			spec: withEachToken(v1alpha1.RestartedWorkload{Name: "api", Kind: "Deployment"}),
		},
		"restarted by its labels": {
			use:  frozen,
			spec: withEachToken(v1alpha1.RestartedWorkload{Name: "x", Kind: "Deployment", Selector: selector("web")}),
		},
		"others are restarted by their labels": {
			use: frozen, want: 1,
			spec: withEachToken(v1alpha1.RestartedWorkload{Name: "web", Kind: "Deployment", Selector: selector("api")}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &Workload{Kind: "Deployment", Namespace: "team-a", Name: "web", Labels: map[string]string{"app": "web"}, Uses: []Use{c.use}}
			client := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop"}, Spec: c.spec}
			if got := Stale(w, client); len(got) != c.want {
				t.Errorf("got %v, want %d", got, c.want)
			}
			client.Namespace = "team-b"
			if got := Stale(w, client); len(got) != 0 {
				t.Errorf("in another namespace there is %v", got)
			}
		})
	}
}

func TestWhoNeverSeesANewTokenOfAnotherAPI(t *testing.T) {
	t.Parallel()
	owner := &v1alpha1.OAuthToken{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "signicat"}}
	w := &Workload{Kind: "Deployment", Namespace: "team-a", Name: "web"}
	for key, want := range map[string]int{"token": 1, "expiresAt": 1, "tokenType": 0, "baseURL": 0, "scope": 0} {
		w.Uses = []Use{{Secret: "signicat-oauth-token", How: "env X", Key: key, Frozen: true}}
		if got := Stale(w, owner); len(got) != want {
			t.Errorf("%s: got %v, want %d", key, got, want)
		}
	}
	w.Uses = []Use{{Secret: "signicat-oauth-token", How: "envFrom", Frozen: true}}
	if got := Stale(w, owner); len(got) != 1 {
		t.Errorf("envFrom: got %v", got)
	}
	owner.Spec.RolloutRestartTargets = []v1alpha1.RestartedWorkload{{Name: "web", Kind: v1alpha1.RestartDeployment}}
	if got := Stale(w, owner); len(got) != 0 {
		t.Errorf("restarted with each token it sees them all, but got %v", got)
	}
}

// renaming gives keys other names: one after its default each.
func renaming(pairs ...string) v1alpha1.SfsClientSpec {
	keys := map[string]v1alpha1.SecretKey{}
	for i := 0; i < len(pairs); i += 2 {
		keys[pairs[i]] = v1alpha1.SecretKey(pairs[i+1])
	}
	return v1alpha1.SfsClientSpec{Token: v1alpha1.TokenSpec{Secret: v1alpha1.SecretSpec{Keys: keys}}}
}
