// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// Install applies what the operator needs, from the config of the repository at root, apart from its Deployment: there is no
// node that could run it.
func (p *ControlPlane) Install(ctx context.Context, root string) error {
	config := filepath.Join(root, "config")
	definitions, err := ReadKustomization(filepath.Join(config, "crd"))
	if err != nil {
		return err
	}
	roles, err := ReadKustomization(filepath.Join(config, "rbac"))
	if err != nil {
		return err
	}
	namespace, err := ReadManifest(filepath.Join(config, "manager", "namespace.yaml"))
	if err != nil {
		return err
	}
	for _, objects := range [][]*unstructured.Unstructured{definitions, namespace, roles} {
		if err := p.Apply(ctx, objects); err != nil {
			return err
		}
	}
	for _, definition := range definitions {
		if err := p.AwaitServed(ctx, definition); err != nil {
			return err
		}
	}
	return nil
}

// AwaitServed waits until the objects of a CustomResourceDefinition are served.
func (p *ControlPlane) AwaitServed(ctx context.Context, definition *unstructured.Unstructured) error {
	return p.APIServer.Await(ctx, 30*time.Second, definition.GetName(), func(ctx context.Context) bool {
		if p.Client.Get(ctx, client.ObjectKeyFromObject(definition), definition) != nil {
			return false
		}
		conditions, _, _ := unstructured.NestedSlice(definition.Object, "status", "conditions")
		for _, condition := range conditions {
			if c, ok := condition.(map[string]any); ok && c["type"] == "Established" {
				return c["status"] == "True"
			}
		}
		return false
	})
}

// CreateCredentials creates the Secret with the credentials of the simulator.
func (p *ControlPlane) CreateCredentials(ctx context.Context, name string, sim *sfstest.Server) error {
	credentials := sim.Credentials()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: OperatorNamespace, Name: name},
		StringData: map[string]string{
			v1alpha1.KeyAPIKey:    credentials.APIKey.Reveal(),
			v1alpha1.KeyAPISecret: credentials.Secret.Reveal(),
		},
	}
	if err := p.Client.Create(ctx, secret); err != nil {
		return fmt.Errorf("creating the Secret of the credentials: %w", err)
	}
	return nil
}

// Apply does what kubectl apply --server-side does.
func (p *ControlPlane) Apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		// A copy, since Apply fills in what the server answers.
		config := client.ApplyConfigurationFromUnstructured(object.DeepCopy())
		if err := p.Client.Apply(ctx, config, client.FieldOwner("localcluster"), client.ForceOwnership); err != nil {
			return fmt.Errorf("applying %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
		}
	}
	return nil
}

// ReadKustomization reads the resources of a kustomization that lists files and nothing else.
func ReadKustomization(dir string) ([]*unstructured.Unstructured, error) {
	var kustomization struct {
		Resources []string `json:"resources"`
	}
	content, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading a kustomization: %w", err)
	}
	if err := yaml.Unmarshal(content, &kustomization); err != nil {
		return nil, fmt.Errorf("reading the kustomization of %s: %w", dir, err)
	}
	var all []*unstructured.Unstructured
	for _, file := range kustomization.Resources {
		objects, err := ReadManifest(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	return all, nil
}

// ReadManifest reads the objects of a file.
func ReadManifest(path string) ([]*unstructured.Unstructured, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a manifest: %w", err)
	}
	defer func() { _ = f.Close() }()
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(f, 4096)
	for {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(object); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, fmt.Errorf("reading %s: %w", path, err)
		case len(object.Object) > 0: // and not just a comment between two lines of dashes
			objects = append(objects, object)
		}
	}
}
