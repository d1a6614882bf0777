// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
)

// presets are the providers that the simulator stands for.
var presets = []string{"Signicat/Platform", "SecuredSigning/Global"}

// tenantsOfOthers are the tenants of config/samples/oauth that the demo has: those of the others need more than a demo shows.
var tenantsOfOthers = map[string]oauthtest.Provider{
	"signicat":        oauthtest.SignicatPlatform,
	"secured-signing": oauthtest.SecuredSigning,
}

// providers is the simulator of Signicat and Secured Signing, and whose clients it has.
type providers struct {
	*oauthtest.Server

	flags   []string // for the operator
	clients map[types.NamespacedName]string
}

func startProviders(plane *localcluster.ControlPlane) (*providers, func() error, error) {
	server, err := oauthtest.Start(oauthtest.WithTokenLifetime(tokenLifetime))
	if err != nil {
		return nil, nil, fmt.Errorf("starting the simulator of Signicat and Secured Signing: %w", err)
	}
	flags, err := plane.ReachOAuth(server, presets...)
	if err != nil {
		server.Close()
		return nil, nil, err
	}
	return &providers{server, flags, map[types.NamespacedName]string{}}, func() error { server.Close(); return nil }, nil
}

// applySamples applies what config/samples/oauth has of the tenants, and the credentials that they lack.
func (p *providers) applySamples(ctx context.Context, plane *localcluster.ControlPlane) error {
	objects, err := localcluster.ReadKustomization("config/samples/oauth")
	if err != nil {
		return err
	}
	for _, object := range objects {
		provider, shown := tenantsOfOthers[object.GetName()]
		if !shown {
			continue
		}
		credentials, _, err := unstructured.NestedString(object.Object, "spec", "credentialsSecretRef", "name")
		if err != nil {
			return fmt.Errorf("reading the OAuthToken %s of config/samples/oauth: %w", object.GetName(), err)
		}
		given := p.AddClient(provider)
		if err := plane.CreateOAuthCredentials(ctx, object.GetNamespace(), credentials, given); err != nil {
			return err
		}
		p.clients[types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}] = given.ID
		if err := plane.Apply(ctx, []*unstructured.Unstructured{object}); err != nil {
			return err
		}
	}
	return nil
}

// newCaller makes an application of its own, with connections of its own.
func (p *providers) newCaller() (caller, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(p.CABundle()) {
		return nil, errors.New("the simulator of Signicat and Secured Signing has no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return &oauthCaller{providers: p, http: &http.Client{Transport: transport, Timeout: canaryTimeout}}, nil
}

type oauthCaller struct {
	*providers

	http *http.Client
}

// call asks the API of a provider for something, and the simulator whose token it is.
func (c *oauthCaller) call(ctx context.Context, t published) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.CanaryURL(), http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", t.tokenType+" "+t.token.Reveal())
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s", response.Status)
	}
	if state, _ := c.TokenState(t.token); state.ClientID != c.clients[t.owner.NamespacedName] {
		return fmt.Errorf("the token is one of the client %s, not %s", state.ClientID, c.clients[t.owner.NamespacedName])
	}
	return nil
}

func (c *oauthCaller) close() { c.http.CloseIdleConnections() }
