// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// applySamples applies config/samples and the credentials that they lack.
func applySamples(ctx context.Context, p *localcluster.ControlPlane, sim *sfstest.Server) error {
	objects, err := localcluster.ReadKustomization("config/samples")
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
		if err := p.CreateCredentials(ctx, name, sim); err != nil {
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
	return p.Apply(ctx, objects)
}
