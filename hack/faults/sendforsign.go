// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// ProbeInterval is in what time the operator probes each token of an SfsClient with token.verification: Probe, as
// docs/sfsclient.md says.
const ProbeInterval = 5 * time.Minute

// ProbePhase is how long it takes until the first probe of an SfsClient, which its UID decides.
func ProbePhase(uid types.UID) time.Duration { return token.Phase(string(uid), ProbeInterval) }

// stageRevokedToken has each token of a tenant revoked as soon as it is made. A token that is revoked once is replaced after
// the probe, and that was it.
func stageRevokedToken(ctx context.Context, s Scene) (*Staged, error) {
	var clients v1alpha1.SfsClientList
	if err := s.Client.List(ctx, &clients, client.InNamespace(s.Namespace)); err != nil {
		return nil, fmt.Errorf("listing the SfsClients: %w", err)
	}
	bound := slices.DeleteFunc(clients.Items, func(c v1alpha1.SfsClient) bool { return c.Status.ClientKey == "" })
	if len(bound) == 0 {
		return nil, fmt.Errorf("there is no SfsClient in %s", s.Namespace)
	}
	// The first of them to be probed, for nobody likes to wait.
	tenant := slices.MinFunc(bound, func(a, b v1alpha1.SfsClient) int { return int(ProbePhase(a.UID) - ProbePhase(b.UID)) })
	key := tenant.Status.ClientKey
	remove := s.Simulator.Inject(sfstest.Fault{
		Endpoint: "token", Action: "create", ClientKey: key, After: func() { s.Simulator.RevokeTokens(key) },
	})
	s.Simulator.RevokeTokens(key)
	err := edit(ctx, s.Client, &tenant, func() { tenant.Spec.Token.Verification = v1alpha1.TokenVerificationProbe })
	if err != nil {
		return nil, err
	}
	return &Staged{
		Done: []string{
			"The application of a tenant was reported to fail, so token.verification of the SfsClient " + tenant.Name +
				" in the namespace " + tenant.Namespace + " was set to Probe.",
			fmt.Sprintf("This takes a while: its token is probed in %s, and once more half a minute later.", ProbePhase(tenant.UID).Round(time.Second)),
		},
		Resource: &tenant,
		Says:     []string{"SFS takes neither this token nor the one before it"},
		cure: func(ctx context.Context) error {
			remove()
			return annotate(ctx, s.Client, &tenant, v1alpha1.RenewRequestedAtAnnotation)
		},
	}, nil
}

// stageDriftWar has another program, which has the API key as well, give the client another name.
func stageDriftWar(ctx context.Context, s Scene) (*Staged, error) {
	tenant, err := s.tenant(ctx)
	if err != nil {
		return nil, err
	}
	api, err := s.api()
	if err != nil {
		return nil, err
	}
	const name = "Globex (from the CRM)"
	key, clientKey := sendforsign.APIKey(s.Simulator.Credentials().APIKey), tenant.Status.ClientKey
	crm := begin(ctx, func(ctx context.Context) error {
		defer api.Close()
		return every(ctx, 200*time.Millisecond, func(ctx context.Context) error {
			found, err := api.ReadClient(ctx, key, sendforsign.ClientQuery{ClientKey: clientKey})
			if err != nil || found.FullName == name {
				return err
			}
			if err := api.UpdateClient(ctx, key, clientKey, sendforsign.ClientFields{FullName: name}); err != nil {
				return err
			}
			return s.compareNow(ctx)
		})
	})
	return &Staged{
		Done: []string{
			"A CRM was connected to the same account of Sendforsign.",
			"The operator compares its clients with Sendforsign each ten minutes; here it is made to each time that there is something to see.",
		},
		Resource: tenant,
		Says:     []string{"somebody else keeps changing", "status.pendingChanges"},
		beside:   crm,
		cure: func(ctx context.Context) error {
			return annotate(ctx, s.Client, tenant, v1alpha1.ReconcileRequestedAtAnnotation)
		},
	}, nil
}

// compareNow has the operator compare all clients with Sendforsign now, as if the time for it had come: it keeps the time of
// the last comparison in the status.
func (s Scene) compareNow(ctx context.Context) error {
	platform := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: s.Platform}}
	longAgo := client.RawPatch(types.MergePatchType, []byte(`{"status":{"lastDriftCheckTime":"2000-01-01T00:00:00Z"}}`))
	if err := s.Client.Status().Patch(ctx, platform, longAgo); err != nil {
		return fmt.Errorf("bringing the comparison forward: %w", err)
	}
	return annotate(ctx, s.Client, platform, v1alpha1.ReconcileRequestedAtAnnotation)
}

// api is a connection to the simulator.
func (s Scene) api() (*sendforsign.API, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.Simulator.CABundle())
	api, err := sendforsign.New(s.Simulator.BaseURL(), sendforsign.WithRootCAs(roots))
	if err != nil {
		return nil, fmt.Errorf("connecting to the simulator: %w", err)
	}
	return api, nil
}
