// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
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
		for _, document := range strings.Split(string(block[1]), "\n---\n") {
			var object unstructured.Unstructured
			if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
				t.Errorf("%s: %v in\n%s", page, err, document)
			} else if object.GetKind() != "" {
				manifests = append(manifests, &object)
			}
		}
	}
	return manifests
}

// foreign are kinds whose CRDs are not installed here, each with what the documentation uses of it: a dry run can not tell
// whether these fields are right, but none is misspelt by chance. A field that is added here is to be looked up in the
// documentation of the kind.
var foreign = map[schema.GroupVersionKind]func() any{
	{Group: "argoproj.io", Version: "v1alpha1", Kind: "Application"}: func() any {
		return &struct {
			metav1.TypeMeta   `json:",inline"`
			metav1.ObjectMeta `json:"metadata"`
			Spec              struct {
				Project string `json:"project"`
				Source  struct {
					RepoURL        string `json:"repoURL"`
					TargetRevision string `json:"targetRevision"`
					Path           string `json:"path"`
					Helm           struct {
						ValuesObject map[string]any `json:"valuesObject"`
					} `json:"helm"`
				} `json:"source"`
				Destination struct {
					Server    string `json:"server"`
					Namespace string `json:"namespace"`
				} `json:"destination"`
				SyncPolicy struct {
					Automated struct {
						Prune    bool `json:"prune"`
						SelfHeal bool `json:"selfHeal"`
					} `json:"automated"`
					ManagedNamespaceMetadata struct {
						Labels map[string]string `json:"labels"`
					} `json:"managedNamespaceMetadata"`
					SyncOptions []string `json:"syncOptions"`
				} `json:"syncPolicy"`
			} `json:"spec"`
		}{}
	},
	{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"}: func() any {
		return &struct {
			metav1.TypeMeta   `json:",inline"`
			metav1.ObjectMeta `json:"metadata"`
			Spec              struct {
				Interval  metav1.Duration `json:"interval"`
				Timeout   metav1.Duration `json:"timeout"`
				Path      string          `json:"path"`
				Prune     bool            `json:"prune"`
				Wait      bool            `json:"wait"`
				SourceRef struct {
					Kind string `json:"kind"`
					Name string `json:"name"`
				} `json:"sourceRef"`
				DependsOn []struct {
					Name string `json:"name"`
				} `json:"dependsOn"`
				HealthChecks []struct {
					APIVersion string `json:"apiVersion"`
					Kind       string `json:"kind"`
					Name       string `json:"name"`
					Namespace  string `json:"namespace"`
				} `json:"healthChecks"`
			} `json:"spec"`
		}{}
	},
}

// checkForeign checks a manifest of a foreign kind. What it says of kinds that are served here is compared with them.
func checkForeign(api client.Client, object *unstructured.Unstructured, into any) error {
	text, err := object.MarshalJSON()
	if err != nil {
		return err
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(into); err != nil {
		return err
	}
	checks, _, err := unstructured.NestedSlice(object.Object, "spec", "healthChecks")
	for _, check := range checks {
		of := schema.FromAPIVersionAndKind(check.(map[string]any)["apiVersion"].(string), check.(map[string]any)["kind"].(string))
		if _, err := api.RESTMapper().RESTMapping(of.GroupKind(), of.Version); err != nil {
			return fmt.Errorf("healthChecks: %w", err)
		}
	}
	return err
}

func TestTheManifestsInTheDocumentationAreValid(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"../docs/*.md", "../docs/*/*.md", "../*.md", "../charts/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: there is no page, %v", pattern, err)
		}
		pages = append(pages, found...)
	}
	api := connect(t, func(wire http.RoundTripper) http.RoundTripper { return wire })
	seen := 0
	for _, page := range pages {
		for _, object := range documented(t, page) {
			seen++
			what := object.GetKind() + " " + object.GetName()
			if known, isForeign := foreign[object.GroupVersionKind()]; isForeign {
				if err := checkForeign(api, object, known()); err != nil {
					t.Errorf("%s, %s: %v", page, what, err)
				}
				continue
			}
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
