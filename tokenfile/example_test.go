// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenfile_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sendforsign/sfs-operator/internal/secretvolume"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
	"github.com/sendforsign/sfs-operator/tokenfile"
)

// An application goes on calling the API while its token is replaced, and the old one revoked.
func Example() {
	sfs := newTenant()
	defer sfs.server.Close()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	old := sfs.publish(dir)

	// This much is the application. In a Pod it needs neither a clock, nor a base for the authorities of the simulator.
	base := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: sfs.authorities, MinVersion: tls.VersionTLS12}}
	source := tokenfile.New(dir, tokenfile.WithClock(sfs.server.Now))
	client := &http.Client{Transport: source.Transport(base), Timeout: 30 * time.Second}
	listUsers := func() {
		body := strings.NewReader(`{"data":{"action":"list"}}`)
		resp, err := client.Post(sfs.server.BaseURL()+"/user", "application/json", body)
		if err != nil {
			panic(err)
		}
		defer resp.Body.Close()
		fmt.Println("the application sees", resp.StatusCode)
	}

	listUsers()
	sfs.publish(dir)
	sfs.revoke(old)
	listUsers()
	for _, call := range sfs.server.Calls() {
		if call.Endpoint == "user" {
			fmt.Println("SFS has answered", call.Status)
		}
	}
	// Output:
	// the application sees 200
	// the application sees 200
	// SFS has answered 200
	// SFS has answered 401
	// SFS has answered 200
}

// stopped is a clock by which no minute passes, after which the token would be read again anyway.
type stopped struct{}

func (stopped) Now() time.Time { return time.Date(2026, time.November, 21, 20, 15, 4, 0, time.UTC) }

// tenant is a client at a simulator of SFS, and does what the operator and a kubelet do for an application.
type tenant struct {
	server      *sfstest.Server
	authorities *x509.CertPool
	api         *sendforsign.API
	platform    sendforsign.Secret
	clientKey   string
}

func newTenant() *tenant {
	t := &tenant{server: sfstest.New(sfstest.WithClock(stopped{})), authorities: x509.NewCertPool()}
	t.authorities.AppendCertsFromPEM(t.server.CABundle())
	var err error
	if t.api, err = sendforsign.New(t.server.BaseURL(), sendforsign.WithRootCAs(t.authorities)); err != nil {
		panic(err)
	}
	platform, err := t.api.CreatePlatformToken(context.Background(), t.server.Credentials())
	if err != nil {
		panic(err)
	}
	t.platform = platform.AccessToken
	created, err := t.api.CreateClient(context.Background(), sendforsign.PlatformToken(t.platform),
		sendforsign.ClientFields{CustomKey: "acme/team-a/shop"})
	if err != nil {
		panic(err)
	}
	t.clientKey = created.ClientKey
	return t
}

// publish makes a token and mounts it in dir.
func (t *tenant) publish(dir string) sendforsign.Secret {
	token, err := t.api.CreateClientToken(context.Background(), t.platform, t.clientKey)
	if err != nil {
		panic(err)
	}
	if err := secretvolume.Write(dir, map[string]string{
		"token":     token.AccessToken.Reveal(),
		"expiresAt": t.server.Now().Add(token.ExpiresIn).Format(time.RFC3339),
	}); err != nil {
		panic(err)
	}
	return token.AccessToken
}

func (t *tenant) revoke(token sendforsign.Secret) {
	if err := t.api.RevokeClientToken(context.Background(), t.platform, token); err != nil {
		panic(err)
	}
}
