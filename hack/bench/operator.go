// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
)

const operatorProgram = "operator"

// timesFlag turns off the status write of each renewal.
const timesFlag = "--record-token-times=false"

// operator is the one of this repository, with the rights that ship.
type operator struct {
	*stage

	times bool
}

func (o *operator) prepare(ctx context.Context) (string, error) {
	usage, err := exec.CommandContext(ctx, filepath.Join(o.binaries, operatorProgram), "--help").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("asking the operator for its flags: %w", err)
	}
	if name, _, _ := strings.Cut(timesFlag, "="); !o.times && !strings.Contains(string(usage), strings.TrimPrefix(name, "--")) {
		return "this operator has no " + name, nil
	}
	return "", nil
}

func (o *operator) takes(phase string) bool {
	switch phase {
	case phaseDrift, phaseRestart, phaseForeign, phaseIdle, phaseCycle:
		return o.times
	}
	return true
}

func (*operator) size(tenants int) int { return tenants }

func (o *operator) open(ctx context.Context, p *part) error {
	credentials := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: localcluster.OperatorNamespace, Name: p.namespace},
		StringData: map[string]string{v1alpha1.KeyAPIKey: p.account.APIKey, v1alpha1.KeyAPISecret: p.account.Secret},
	}
	if err := o.driver.Create(ctx, credentials); err != nil {
		return fmt.Errorf("creating the credentials: %w", err)
	}
	platform := &v1alpha1.SfsPlatform{
		ObjectMeta: metav1.ObjectMeta{Name: p.namespace},
		Spec: v1alpha1.SfsPlatformSpec{
			BaseURL: o.sim.baseURL, CABundle: o.sim.ca, CustomKeyPrefix: p.namespace,
			CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: p.namespace},
			AllowedNamespaces:    &v1alpha1.AllowedNamespaces{Names: []string{p.namespace}},
			// As much as there may be, so that it is not what is measured.
			RateLimit:          v1alpha1.RateLimit{RequestsPerSecond: 10000, Burst: 10000},
			DriftCheckInterval: &metav1.Duration{Duration: 24 * time.Hour},
		},
	}
	if err := o.driver.Create(ctx, platform); err != nil {
		return fmt.Errorf("creating the SfsPlatform: %w", err)
	}
	return nil
}

func (o *operator) pace(ctx context.Context, p *part) error {
	life, err := p.life()
	if err != nil {
		return err
	}
	return o.sim.setLife(ctx, p.account, life)
}

func (o *operator) start(ctx context.Context, _ *part) (*localcluster.Process, string, error) {
	args := []string{
		// Alone, it needs no lease: a process that was killed would leave one behind that the next must wait for.
		"--leader-elect=false",
		// Who reads the metrics is not to be asked of kube-apiserver, and not to be told of each tenant.
		"--metrics-secure=false", "--metrics-per-resource=false",
		fmt.Sprintf("--max-concurrent-reconciles=%d", o.workers),
	}
	if !o.times {
		args = append(args, timesFlag)
	}
	started, err := o.plane.StartOperator(ctx, filepath.Join(o.binaries, operatorProgram), o.stage.operator, "operator", args...)
	if err != nil {
		return nil, "", err
	}
	return started.Process, strings.Replace(started.MetricsURL(), "https:", "http:", 1), nil
}

func (*operator) tenant(p *part, i int) client.Object {
	return &v1alpha1.SfsClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: tenantName(i)},
		Spec: v1alpha1.SfsClientSpec{
			PlatformRef: v1alpha1.PlatformReference{Name: p.namespace},
			FullName:    "Tenant " + tenantName(i), Email: tenantName(i) + "@example.com", Organization: "Example",
		},
	}
}

func (*operator) keys(p *part) []string {
	return []string{
		"sendforsign.com/sfsclients/" + p.namespace, "sendforsign.com/sfsplatforms",
		"secrets/" + p.namespace, "secrets/" + localcluster.OperatorNamespace, "events/" + p.namespace, "events/default",
	}
}

func (o *operator) unready(ctx context.Context, p *part) (int, error) {
	n, next := 0, ""
	for {
		var tenants v1alpha1.SfsClientList
		if err := o.driver.List(ctx, &tenants, client.InNamespace(p.namespace), client.Limit(1000), client.Continue(next)); err != nil {
			return 0, fmt.Errorf("listing the SfsClients: %w", err)
		}
		for i := range tenants.Items {
			if !meta.IsStatusConditionTrue(tenants.Items[i].Status.Conditions, v1alpha1.ReadyCondition) {
				n++
			}
		}
		if next = tenants.Continue; next == "" {
			return n, nil
		}
	}
}

func (*operator) controller() string { return "sfsclient" }

func (*operator) isToken(secret *corev1.Secret) bool {
	return secret.Annotations[v1alpha1.ExpiresAtAnnotation] != ""
}

func (*operator) due(secret *corev1.Secret, _ time.Time, _ time.Duration) time.Time {
	return annotated(secret)
}
