// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

var yamlBlocks = regexp.MustCompile("(?s)\n```yaml\n(.*?\n)```\n")

// documented returns the manifests in a page, without what is only a part of one.
func documented(t *testing.T, page string) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var manifests []*unstructured.Unstructured
	for _, block := range yamlBlocks.FindAllSubmatch(text, -1) {
		var object unstructured.Unstructured
		if err := yaml.Unmarshal(block[1], &object.Object); err != nil {
			t.Errorf("%s: %v in\n%s", page, err, block[1])
		} else if object.GetKind() != "" {
			manifests = append(manifests, &object)
		}
	}
	return manifests
}

func TestTheManifestsInTheDocumentationAreValid(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	api := connect(t, func(wire http.RoundTripper) http.RoundTripper { return wire })
	seen := 0
	for _, page := range append(pages, "../README.md") {
		for _, object := range documented(t, page) {
			seen++
			what := object.GetKind() + " " + object.GetName()
			object.SetName("documented-" + object.GetName()) // that of no other test
			if object.GetNamespace() != "" {
				object.SetNamespace(metav1.NamespaceDefault)
			}
			err := api.Create(t.Context(), object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			if err != nil {
				t.Errorf("%s, %s: %v", page, what, err)
			}
		}
	}
	if seen == 0 {
		t.Error("no page has a manifest")
	}
}

func TestTheDocumentedApplicationMountsWhatIsPublished(t *testing.T) {
	var seen int
	for _, object := range documented(t, "../docs/consuming-tokens.md") {
		if object.GetKind() != "Deployment" {
			continue
		}
		var app appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &app, true); err != nil {
			t.Fatal(err)
		}
		seen++
		owner := v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: app.Namespace, Name: app.Name}}
		pod := app.Spec.Template.Spec
		if got := pod.Volumes[0].Secret.SecretName; got != owner.TokenSecretName() {
			t.Errorf("the volume is of %s, want %s", got, owner.TokenSecretName())
		}
		container := pod.Containers[0]
		if mount := container.VolumeMounts[0]; mount.Name != pod.Volumes[0].Name || mount.SubPath != "" || !mount.ReadOnly {
			t.Errorf("it is mounted as %+v, want the whole of it to be read", mount)
		}
		if got := container.EnvFrom[0].SecretRef.Name; got != owner.SecretName() {
			t.Errorf("the environment is of %s, want %s", got, owner.SecretName())
		}
	}
	if seen != 1 {
		t.Errorf("there are %d Deployments, want one", seen)
	}
}
