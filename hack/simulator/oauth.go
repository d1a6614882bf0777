// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
)

// providers are those that have a client each, by what the file of credentials calls them.
var providers = map[string]oauthtest.Provider{
	"signicatExpress": oauthtest.SignicatExpress, "signicatPlatform": oauthtest.SignicatPlatform,
	"securedSigning": oauthtest.SecuredSigning, "generic": oauthtest.Generic,
}

// oauthClient is a client as the keys of a credentials Secret have it.
type oauthClient struct {
	TokenURL     string `json:"tokenURL"`
	ClientID     string `json:"clientID"`
	ClientSecret string `json:"clientSecret"`
	RefreshToken string `json:"refreshToken,omitempty"`
	APIKey       string `json:"apiKey,omitempty"`
	APISecret    string `json:"apiSecret,omitempty"`
	CallbackURL  string `json:"callbackURL,omitempty"`
}

// startOAuth serves the OAuth providers, each with one client, which it writes to the file if that has a name.
func startOAuth(addr, credentialsFile string) (*oauthtest.Server, error) {
	server, err := oauthtest.Start(oauthtest.WithAddr(addr))
	if err != nil {
		return nil, fmt.Errorf("starting the OAuth providers: %w", err)
	}
	if credentialsFile == "" {
		return server, nil
	}
	clients := map[string]oauthClient{}
	for name, provider := range providers {
		c := server.AddClient(provider)
		clients[name] = oauthClient{
			TokenURL: server.TokenURL(provider), ClientID: c.ID, ClientSecret: c.Secret.Reveal(), RefreshToken: c.RefreshToken.Reveal(),
			APIKey: c.APIKey.Reveal(), APISecret: c.APISecret.Reveal(), CallbackURL: c.CallbackURL,
		}
	}
	if err := writeSecret(credentialsFile, clients); err != nil {
		server.Close()
		return nil, fmt.Errorf("writing the credentials of the OAuth clients: %w", err)
	}
	return server, nil
}
