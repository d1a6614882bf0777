// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package chart tests the Helm chart: against config/, which says the same to kustomize, against its own values and schema,
// and against a real kube-apiserver. It is a module of its own, so that Helm is none of the operator's dependencies.
package chart

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const (
	root      = "../.."
	chartDir  = root + "/charts/sfs-operator"
	namespace = "sfs-system"
)

var update = flag.Bool("update", false, "write what is generated, and do not compare it")

// objects by kind, namespace and name, such as "Role sfs-system/sfs-operator".
type objects map[string]*unstructured.Unstructured

func keyOf(o *unstructured.Unstructured) string {
	if o.GetNamespace() == "" {
		return o.GetKind() + " " + o.GetName()
	}
	return o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
}

func parse(t *testing.T, manifests string, into objects) {
	t.Helper()
	decoder := yamlutil.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 4096)
	for {
		o := &unstructured.Unstructured{}
		switch err := decoder.Decode(&o.Object); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			t.Fatalf("%v in\n%s", err, manifests)
		case len(o.Object) == 0:
		case into[keyOf(o)] != nil:
			t.Errorf("%s is rendered twice", keyOf(o))
		default:
			into[keyOf(o)] = o
		}
	}
}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tryRender renders the chart as `helm install -n sfs-system sfs-operator` does, and returns its notes as well.
func tryRender(t *testing.T, values string) (objects, string, error) {
	t.Helper()
	var given map[string]any
	if err := yaml.Unmarshal([]byte(values), &given); err != nil {
		t.Fatalf("%v in\n%s", err, values)
	}
	c := load(t)
	release := chartutil.ReleaseOptions{Name: "sfs-operator", Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(c, given, release, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, "", err
	}
	texts, err := engine.Engine{Strict: true}.Render(c, all)
	if err != nil {
		return nil, "", err
	}
	rendered, notes := objects{}, ""
	for file, text := range texts {
		switch {
		case strings.HasSuffix(file, "NOTES.txt"):
			notes = text
		case strings.HasSuffix(file, ".yaml"):
			parse(t, text, rendered)
		}
	}
	return rendered, notes, nil
}

func render(t *testing.T, values string) objects {
	t.Helper()
	rendered, _, err := tryRender(t, values)
	if err != nil {
		t.Fatalf("%v with\n%s", err, values)
	}
	return rendered
}

// kustomize builds a directory with the kustomize that the repository pins.
func kustomize(t *testing.T, dir string) objects {
	t.Helper()
	tool, err := filepath.Abs(filepath.Join(root, "hack", "tools", "kustomize"))
	if err != nil {
		t.Fatal(err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "-C", tool, "tool", "kustomize", "build", dir)
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make` builds it
	var said, complaints strings.Builder
	build.Stdout, build.Stderr = &said, &complaints
	if err := build.Run(); err != nil {
		t.Fatalf("kustomize build %s: %v\n%s", dir, err, &complaints)
	}
	built := objects{}
	parse(t, said.String(), built)
	return built
}

// overlay is config/default with components.
func overlay(t *testing.T, components ...string) objects {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	config, err := filepath.Abs(filepath.Join(root, "config"))
	if err != nil {
		t.Fatal(err)
	}
	if config, err = filepath.Rel(dir, config); err != nil {
		t.Fatal(err)
	}
	paths := []string{}
	for _, component := range components {
		paths = append(paths, config+"/components/"+component)
	}
	kustomization := map[string][]string{"resources": {config + "/default"}, "components": paths}
	text, err := yaml.Marshal(kustomization)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return kustomize(t, dir)
}

// withoutHelm returns the objects without what Helm alone reads.
func withoutHelm(rendered objects) objects {
	bare := objects{}
	for key, o := range rendered {
		o = o.DeepCopy()
		labels, annotations := o.GetLabels(), o.GetAnnotations()
		for _, label := range []string{
			"app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart",
		} {
			delete(labels, label)
		}
		delete(annotations, "helm.sh/resource-policy")
		o.SetLabels(labels)
		o.SetAnnotations(annotations)
		bare[key] = o
	}
	return bare
}

func text(t *testing.T, v any) string {
	t.Helper()
	encoded, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// readable is for messages.
func readable(t *testing.T, o *unstructured.Unstructured) string {
	t.Helper()
	encoded, err := yaml.Marshal(o.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// differences compares by value: what kustomize and Helm write is read in the same way.
func differences(t *testing.T, got, want objects) []string {
	t.Helper()
	var all []string
	for key, o := range want {
		switch {
		case got[key] == nil:
			all = append(all, key+" is missing")
		case !reflect.DeepEqual(got[key].Object, o.Object):
			all = append(all, key+" differs:\n"+readable(t, got[key])+"--- instead of\n"+readable(t, o))
		}
	}
	for key := range got {
		if want[key] == nil {
			all = append(all, key+" should not be there")
		}
	}
	return all
}
