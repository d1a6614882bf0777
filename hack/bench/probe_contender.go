// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

const probeProgram = "probe"

// probe is the program of that name: the least that can be done for a tenant, whose client at SFS is there already.
type probe struct {
	*stage

	status bool

	mu         sync.Mutex
	clientKeys []string
}

func (*probe) prepare(context.Context) (string, error) { return "", nil }

func (*probe) takes(phase string) bool {
	return !slices.Contains(phasesOnce, phase) || phase == phaseLateness
}

func (*probe) size(tenants int) int { return tenants }

// open makes the clients, which is not what the probe is measured by, and hands the credentials over in a file.
func (b *probe) open(ctx context.Context, p *part) error {
	platform, err := b.sim.login(ctx, p.account)
	if err != nil {
		return err
	}
	b.clientKeys = make([]string, p.n)
	if err := p.each(ctx, p.n, 0, func(ctx context.Context, i int) error {
		made, err := b.sim.api.CreateClient(ctx, sendforsign.PlatformToken(platform), sendforsign.ClientFields{CustomKey: tenantName(i)})
		if err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.clientKeys[i] = made.ClientKey
		return nil
	}); err != nil {
		return err
	}
	text, err := json.Marshal(map[string]string{"apiKey": p.account.APIKey, "secret": p.account.Secret})
	if err != nil {
		return err
	}
	if err := os.WriteFile(b.workspace.Path(p.namespace), text, 0o600); err != nil {
		return fmt.Errorf("writing the credentials of the probe: %w", err)
	}
	return nil
}

func (b *probe) pace(ctx context.Context, p *part) error {
	life, err := p.life()
	if err != nil {
		return err
	}
	return b.sim.setLife(ctx, p.account, life)
}

func (b *probe) start(ctx context.Context, p *part) (*localcluster.Process, string, error) {
	process, err := b.workspace.Start(ctx, localcluster.Program{
		Name: probeProgram, Path: filepath.Join(b.binaries, probeProgram), Grace: 10 * time.Second,
		Env: []string{"KUBECONFIG=" + b.others},
		Args: []string{
			"-namespace=" + p.namespace, "-base-url=" + b.sim.baseURL, "-ca-file=" + b.sim.caFile,
			"-credentials-file=" + b.workspace.Path(p.namespace),
			fmt.Sprintf("-workers=%d", b.workers), fmt.Sprintf("-status=%t", b.status),
		},
	})
	return process, "", err
}

func (b *probe) tenant(p *part, i int) client.Object {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{
		Namespace: p.namespace, Name: tenantName(i), Annotations: map[string]string{"bench/client-key": b.clientKeys[i]},
	}}
}

func (*probe) keys(p *part) []string {
	return []string{"sendforsign.com/sfsclients/" + p.namespace, "secrets/" + p.namespace}
}

func (*probe) unready(context.Context, *part) (int, error) { return 0, nil }

func (*probe) controller() string { return "" }

func (*probe) isToken(secret *corev1.Secret) bool {
	return secret.Annotations[v1alpha1.ExpiresAtAnnotation] != ""
}

func (*probe) due(secret *corev1.Secret, _ time.Time, _ time.Duration) time.Time {
	return annotated(secret)
}
