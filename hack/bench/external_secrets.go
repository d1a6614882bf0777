// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// externalSecrets is External Secrets, unmodified. Each tenant is an ExternalSecret, and all of them name one generator, which
// asks the simulator for a token by the one call that SFS has for it. It does less than the operator: it makes no client, knows
// of one only, and does not look at how long a token lives. Where it could be measured in two ways it is the better one:
//   - the platform token stands in the generator. In a Secret it would be read twice for each token;
//   - the certificate of the simulator comes by SSL_CERT_FILE. With caBundle each call opens a connection that stays.
type externalSecrets struct {
	*stage

	tuned bool
}

const (
	generatorGroup   = "generators.external-secrets.io"
	generatorVersion = generatorGroup + "/v1alpha1"
)

func (e *externalSecrets) prepare(ctx context.Context) (string, error) {
	if e.peer != "" {
		return "", nil
	}
	program, definitions, err := buildPeer(ctx)
	if err != nil {
		return fmt.Sprintf("it could not be built: %v", err), ctx.Err()
	}
	files, err := filepath.Glob(filepath.Join(definitions, "*external-secrets.io_*.yaml"))
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("there are no CustomResourceDefinitions in %s", definitions)
	}
	for _, file := range files {
		objects, err := localcluster.ReadManifest(file)
		if err != nil {
			return "", err
		}
		if err := e.plane.Apply(ctx, objects); err != nil {
			return "", err
		}
		for _, object := range objects {
			if err := e.plane.AwaitServed(ctx, object); err != nil {
				return "", err
			}
		}
	}
	e.peer = program
	return "", nil
}

func (e *externalSecrets) takes(phase string) bool {
	return !slices.Contains(phasesOnce, phase) || e.tuned && phase != phaseDrift && phase != phaseCycle
}

func (e *externalSecrets) size(tenants int) int {
	if e.tuned {
		return tenants
	}
	return min(tenants, e.slow)
}

func (e *externalSecrets) open(ctx context.Context, p *part) error {
	platform, err := e.sim.login(ctx, p.account)
	if err != nil {
		return err
	}
	made, err := e.sim.api.CreateClient(ctx, sendforsign.PlatformToken(platform), sendforsign.ClientFields{CustomKey: p.namespace})
	if err != nil {
		return err
	}
	// Of one client there would be very many living tokens, which the simulator would have to look through. Nobody uses them.
	if err := e.sim.setLife(ctx, p.account, 10*time.Second); err != nil {
		return err
	}
	generator := object(generatorVersion, "Webhook", p.namespace, "sendforsign", map[string]any{
		"url": e.sim.baseURL + "/token", "method": "POST",
		"headers": map[string]any{"Content-Type": "application/json", "Authorization": "Bearer " + platform.Reveal()},
		"body":    fmt.Sprintf(`{"action":"create","clientKey":%q}`, made.ClientKey),
		"result":  map[string]any{"jsonPath": "$"},
	})
	if err := e.driver.Create(ctx, generator); err != nil {
		return fmt.Errorf("creating the generator: %w", err)
	}
	return nil
}

// pace changes the tenants that are there.
func (e *externalSecrets) pace(ctx context.Context, p *part) error {
	patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"refreshInterval":%q}}`, refreshInterval(p)))
	return p.each(ctx, p.created, 0, func(ctx context.Context, i int) error {
		return e.driver.Patch(ctx, e.tenant(p, i), patch)
	})
}

func refreshInterval(p *part) string {
	if p.interval == 0 {
		return "24h"
	}
	return p.interval.Round(time.Millisecond).String()
}

func (e *externalSecrets) start(ctx context.Context, p *part) (*localcluster.Process, string, error) {
	metrics, err := localcluster.FreeAddress(ctx)
	if err != nil {
		return nil, "", err
	}
	live, err := localcluster.FreeAddress(ctx)
	if err != nil {
		return nil, "", err
	}
	args := []string{"--metrics-addr=" + metrics, "--live-addr=" + live}
	if e.tuned {
		args = append(args, "--concurrent=32", "--client-qps=5000", "--client-burst=5000", "--enable-secrets-caching=true",
			"--enable-cluster-store-reconciler=false", "--enable-cluster-external-secret-reconciler=false",
			"--enable-cluster-push-secret-reconciler=false", "--enable-push-secret-reconciler=false",
			"--loglevel=error", "--namespace="+p.namespace)
	}
	process, err := e.workspace.Start(ctx, localcluster.Program{
		Name: "external-secrets", Path: e.peer, Args: args, Grace: 40 * time.Second, Rude: true,
		Env: []string{"KUBECONFIG=" + e.others, "SSL_CERT_FILE=" + e.sim.caFile},
	})
	return process, "http://" + metrics + "/metrics", err
}

func (*externalSecrets) tenant(p *part, i int) client.Object {
	return object("external-secrets.io/v1", "ExternalSecret", p.namespace, tenantName(i), map[string]any{
		"refreshInterval": refreshInterval(p),
		"target":          map[string]any{"name": tenantName(i)},
		"dataFrom": []any{map[string]any{"sourceRef": map[string]any{"generatorRef": map[string]any{
			"apiVersion": generatorVersion, "kind": "Webhook", "name": "sendforsign",
		}}}},
	})
}

func (*externalSecrets) keys(p *part) []string {
	return []string{
		"external-secrets.io/externalsecrets/" + p.namespace, generatorGroup + "/webhooks/" + p.namespace,
		"secrets/" + p.namespace, "events/" + p.namespace,
	}
}

// unready: a Secret is all that is waited for, though the status comes after it.
func (*externalSecrets) unready(context.Context, *part) (int, error) { return 0, nil }

func (*externalSecrets) controller() string { return "externalsecret" }

func (*externalSecrets) isToken(secret *corev1.Secret) bool {
	return slices.ContainsFunc(secret.OwnerReferences, func(o metav1.OwnerReference) bool { return o.Kind == "ExternalSecret" })
}

func (*externalSecrets) due(_ *corev1.Secret, changed time.Time, interval time.Duration) time.Time {
	return changed.Add(interval)
}

func object(apiVersion, kind, namespace, name string, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(strings.ToLower(name))
	return o
}
