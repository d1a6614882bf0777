// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
)

// ReachOAuth has the operators that are started from now on trust a simulator of OAuth providers. It returns the flags that
// have these presets stand for it, such as Signicat/Platform.
func (p *ControlPlane) ReachOAuth(sim *oauthtest.Server, presets ...string) (flags []string, err error) {
	path := p.workspace.Path("oauth-ca.crt")
	if err := os.WriteFile(path, sim.CABundle(), 0o600); err != nil {
		return nil, fmt.Errorf("writing the authority of the simulator: %w", err)
	}
	p.OperatorEnv = append(p.OperatorEnv, "SSL_CERT_FILE="+path)
	for _, preset := range presets {
		flags = append(flags, "--oauth-preset-url="+preset+"="+sim.URL())
	}
	return flags, nil
}

// CreateOAuthCredentials creates the Secret with what the simulator gave a client.
func (p *ControlPlane) CreateOAuthCredentials(ctx context.Context, namespace, name string, given oauthtest.Client) error {
	o := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		StringData: map[string]string{v1alpha1.KeyClientID: given.ID, v1alpha1.KeyClientSecret: given.Secret.Reveal()},
	}
	for key, value := range map[string]string{
		v1alpha1.KeyRefreshToken: given.RefreshToken.Reveal(), v1alpha1.KeyAPIKey: given.APIKey.Reveal(),
		v1alpha1.KeySigningSecret: given.APISecret.Reveal(), v1alpha1.KeyCallbackURL: given.CallbackURL,
	} {
		if value != "" {
			o.StringData[key] = value
		}
	}
	if err := p.Client.Create(ctx, o); err != nil {
		return fmt.Errorf("creating the Secret of the credentials: %w", err)
	}
	return nil
}
