// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
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

// install applies what the operator needs, apart from its Deployment: there is no node that could run it.
func (p *controlPlane) install(ctx context.Context) error {
	definitions, err := readKustomization("config/crd")
	if err != nil {
		return err
	}
	roles, err := readKustomization("config/rbac")
	if err != nil {
		return err
	}
	namespace, err := readManifest("config/manager/namespace.yaml")
	if err != nil {
		return err
	}
	for _, objects := range [][]*unstructured.Unstructured{definitions, namespace, roles} {
		if err := p.apply(ctx, objects); err != nil {
			return err
		}
	}
	for _, definition := range definitions {
		if err := p.waitUntilServed(ctx, definition); err != nil {
			return err
		}
	}
	return nil
}

func (p *controlPlane) waitUntilServed(ctx context.Context, definition *unstructured.Unstructured) error {
	return p.manager.await(ctx, 30*time.Second, definition.GetName(), func(ctx context.Context) bool {
		if p.client.Get(ctx, client.ObjectKeyFromObject(definition), definition) != nil {
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

// applySamples applies config/samples and the credentials that they lack.
func (p *controlPlane) applySamples(ctx context.Context, sim *sfstest.Server) error {
	objects, err := readKustomization("config/samples")
	if err != nil {
		return err
	}
	for _, object := range objects {
		if object.GetKind() != "SfsPlatform" {
			continue
		}
		name, _, err := unstructured.NestedString(object.Object, "spec", "credentialsSecretRef", "name")
		if err != nil {
			return fmt.Errorf("reading the SfsPlatform of config/samples: %w", err)
		}
		if err := p.createCredentials(ctx, name, sim); err != nil {
			return err
		}
		for field, value := range map[string]string{
			"baseURL":  sim.BaseURL(),
			"caBundle": base64.StdEncoding.EncodeToString(sim.CABundle()),
		} {
			if err := unstructured.SetNestedField(object.Object, value, "spec", field); err != nil {
				return fmt.Errorf("changing the SfsPlatform of config/samples: %w", err)
			}
		}
	}
	return p.apply(ctx, objects)
}

func (p *controlPlane) createCredentials(ctx context.Context, name string, sim *sfstest.Server) error {
	credentials := sim.Credentials()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: name},
		StringData: map[string]string{
			v1alpha1.KeyAPIKey:    credentials.APIKey.Reveal(),
			v1alpha1.KeyAPISecret: credentials.Secret.Reveal(),
		},
	}
	if err := p.client.Create(ctx, secret); err != nil {
		return fmt.Errorf("creating the Secret of the credentials: %w", err)
	}
	return nil
}

// apply does what kubectl apply --server-side does.
func (p *controlPlane) apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		// A copy, since Apply fills in what the server answers.
		config := client.ApplyConfigurationFromUnstructured(object.DeepCopy())
		if err := p.client.Apply(ctx, config, client.FieldOwner("sfs-demo"), client.ForceOwnership); err != nil {
			return fmt.Errorf("applying %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
		}
	}
	return nil
}

// readKustomization reads the resources of a kustomization that lists files and nothing else.
func readKustomization(dir string) ([]*unstructured.Unstructured, error) {
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
		objects, err := readManifest(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	return all, nil
}

func readManifest(path string) ([]*unstructured.Unstructured, error) {
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
