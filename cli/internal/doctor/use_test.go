// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

func TestWhatIsKnownOfCredentials(t *testing.T) {
	t.Parallel()
	valid := metav1.Condition{Type: v1alpha1.CredentialsValidCondition, Status: metav1.ConditionTrue, ObservedGeneration: 2, Reason: v1alpha1.VerifiedReason}
	of := func(change func(*metav1.Condition)) metav1.Condition {
		c := valid
		change(&c)
		return c
	}
	next := of(func(c *metav1.Condition) { c.Type = v1alpha1.NextCredentialsValidCondition })
	for name, c := range map[string]struct {
		conditions []metav1.Condition
		want       []string
	}{
		"they are good":      {[]metav1.Condition{valid, next}, []string{"ok SFS accepts those"}},
		"they are not tried": {nil, []string{"warning the operator has not tried the credentials"}},
		"those before them were good": {
			[]metav1.Condition{of(func(c *metav1.Condition) { c.ObservedGeneration = 1 })}, []string{"warning the operator has not tried those of the present spec"},
		},
		"they are bad": {
			[]metav1.Condition{of(func(c *metav1.Condition) { c.Status, c.Reason = metav1.ConditionFalse, "CredentialsRejected" })},
			[]string{"problem SfsPlatform default: CredentialsRejected"},
		},
		"the next are bad": {
			[]metav1.Condition{valid, of(func(c *metav1.Condition) {
				c.Type, c.Status, c.Reason = v1alpha1.NextCredentialsValidCondition, metav1.ConditionFalse, "CredentialsRejected"
			})},
			[]string{"ok SFS accepts those", "warning SfsPlatform default: those of spec.nextCredentialsSecretRef: CredentialsRejected"},
		},
		"SFS wants a pause": {
			[]metav1.Condition{valid, of(func(c *metav1.Condition) { c.Type, c.Reason = v1alpha1.ThrottledCondition, v1alpha1.ThrottledReason })},
			[]string{"ok SFS accepts those", "warning SfsPlatform default: Throttled"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := patient(t, nil, &v1alpha1.SfsPlatform{
				ObjectMeta: metav1.ObjectMeta{Name: "default", Generation: 2}, Status: v1alpha1.SfsPlatformStatus{Conditions: c.conditions},
			})
			d.finds(t, d.checkPlatforms, c.want...)
		})
	}
}

func TestWhoNeedsAPlatform(t *testing.T) {
	t.Parallel()
	signicat := &v1alpha1.OAuthToken{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "signicat"}}
	shop := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: "team-b", Name: "shop"}}
	const missing, needless = "warning there is no SfsPlatform", "ok all tokens in the cluster are of OAuthTokens"
	for name, c := range map[string]struct {
		hidden  client.ObjectList
		objects []client.Object
		want    string
	}{
		"nobody yet":                         {nil, nil, missing},
		"an OAuthToken alone":                {nil, []client.Object{signicat}, needless},
		"an SfsClient beside OAuthTokens":    {nil, []client.Object{signicat, shop}, missing},
		"OAuthTokens of one's own namespace": {&v1alpha1.OAuthTokenList{}, []client.Object{signicat, shop}, "ok all tokens in the namespace team-a are of OAuthTokens"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := patient(t, c.hidden, c.objects...)
			d.finds(t, d.checkPlatforms, c.want)
		})
	}
}

func TestArgoCDElsewhere(t *testing.T) {
	t.Parallel()
	d := patient(t, nil)
	d.finds(t, d.checkArgoCD, "ok there is none here")
	d = patient(t, &corev1.ConfigMapList{})
	d.finds(t, d.checkArgoCD, "unknown there is none in the namespace argocd, and you may not look in others")
	d = patient(t, &corev1.ConfigMapList{}, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: argoConfig}})
	d.finds(t, d.checkArgoCD, "warning the ConfigMap argocd/argocd-cm has no health check for")
}

func TestConsumersElsewhere(t *testing.T) {
	t.Parallel()
	reads := corev1.PodSpec{Containers: []corev1.Container{{Name: "a", EnvFrom: []corev1.EnvFromSource{
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "shop-sfs-token"}}},
	}}}}
	objects := []client.Object{
		&v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: "team-b", Name: "shop"}},
		&appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team-b", Name: "web"}, Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: reads}},
		},
	}
	d := patient(t, &corev1.PodList{}, objects...)
	d.finds(t, d.checkConsumers, "unknown outside of the namespace team-a you may not list pods", "problem Deployment team-b/web reads the Secret shop-sfs-token")
	d = patient(t, &corev1.PodList{})
	d.finds(t, d.checkConsumers, "unknown outside of the namespace team-a you may not list pods")
	d = patient(t, nil)
	d.finds(t, d.checkConsumers, "ok no workload in the cluster")
	// Who may look at SfsClients in one namespace alone is told no more than that.
	d = patient(t, &v1alpha1.SfsClientList{}, objects...)
	d.finds(t, d.checkConsumers, "ok no workload in the namespace team-a")
}

func TestConsumersOfOAuthTokens(t *testing.T) {
	t.Parallel()
	reads := corev1.PodSpec{Containers: []corev1.Container{{Name: "a", EnvFrom: []corev1.EnvFromSource{
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "signicat-oauth-token"}}},
	}}}}
	objects := []client.Object{
		&v1alpha1.OAuthToken{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "signicat"}},
		&appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "web"}, Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: reads}},
		},
	}
	d := patient(t, nil, objects...)
	d.finds(t, d.checkConsumers, "problem Deployment team-a/web reads the Secret signicat-oauth-token by envFrom")
	// What may be listed in one namespace alone is looked at there, whatever its kind.
	d = patient(t, &v1alpha1.OAuthTokenList{}, objects...)
	d.finds(t, d.checkConsumers, "problem Deployment team-a/web reads the Secret signicat-oauth-token by envFrom")
}

type examined struct{ *Doctor }

// patient is a cluster of which one kind may be listed in single namespaces alone.
func patient(t *testing.T, hidden client.ObjectList, objects ...client.Object) examined {
	t.Helper()
	all := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(all), v1alpha1.AddToScheme(all)); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(all).WithObjects(objects...).WithIndex(&corev1.ConfigMap{}, "metadata.name", func(o client.Object) []string {
		return []string{o.GetName()}
	}).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			in := client.ListOptions{}
			in.ApplyOptions(opts)
			if hidden != nil && in.Namespace == "" && reflect.TypeOf(list) == reflect.TypeOf(hidden) {
				return apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("not you"))
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
	return examined{&Doctor{Client: c, Namespace: "team-a"}}
}

// finds compares levels and how the texts begin.
func (e examined) finds(t *testing.T, check func(context.Context) error, want ...string) {
	t.Helper()
	if err := check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(e.findings) != len(want) {
		t.Fatalf("got %+v, want %q", e.findings, want)
	}
	for i, f := range e.findings {
		if !strings.HasPrefix(string(f.Level)+" "+f.Text, want[i]) {
			t.Errorf("got %s %s, want %s", f.Level, f.Text, want[i])
		}
	}
}
