// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// OAuthServers are the servers that may be asked for the tokens of OAuthTokens.
type OAuthServers struct {
	// AllowedHosts are those of generic providers, each as host:port in lower case. None: no generic provider is asked.
	AllowedHosts []string
	// PresetURLs take the place of scheme and host of presets, by their names, such as Signicat/Platform.
	PresetURLs map[string]string
	// RootCAs may vouch for the servers that no caBundle is given for. Nil: those of the system.
	RootCAs *x509.CertPool
}

// oauthProvider is where the tokens of an OAuthToken come from.
type oauthProvider struct {
	// name is what people call it.
	name          string
	tokenURL      string
	revocationURL string // empty: tokens are left to expire
	bearer        bool   // a token is revoked by showing it
	baseURL       string // of its API; empty where it is not known
	caBundle      string // empty: the roots that are trusted anyway
}

// preset is a provider whose URLs are known.
type preset struct {
	name string
	// host is that of the tokens, and resources that of the API.
	host, resources              string
	tokenPath, revoke, resourced string // paths; revoke may be empty
}

// presets by their names.
var presets = map[string]preset{
	"Signicat/Express": { //nolint:gosec // paths
		name: "Signicat", host: "api.signicat.io", resources: "api.signicat.io", tokenPath: "/oauth/connect/token",
	},
	"Signicat/Platform": { //nolint:gosec // paths
		name: "Signicat", host: "api.signicat.com", resources: "api.signicat.com", tokenPath: "/auth/open/connect/token",
	},
	"SecuredSigning/Global":     securedSigning("securedsigning.com"),
	"SecuredSigning/NewZealand": securedSigning("dsx.co.nz"),
}

func securedSigning(domain string) preset {
	return preset{ //nolint:gosec // paths
		name: "Secured Signing", host: "www." + domain, resources: "api." + domain,
		tokenPath: "/api/oauth2/token", revoke: "/api/oauth2/revoke", resourced: "/web/v1.4",
	}
}

// providerOf returns where the tokens of an OAuthToken come from, or why they may not come from there.
func (s OAuthServers) providerOf(o *v1alpha1.OAuthToken) (oauthProvider, error) {
	if generic := o.Spec.Provider.Generic; generic != nil {
		return s.generic(generic)
	}
	name := o.Spec.Provider.Preset()
	known, ok := presets[name]
	if !ok {
		return oauthProvider{}, invalidProvider("there is no preset " + name)
	}
	tokens, resources := "https://"+known.host, "https://"+known.resources
	if instead := s.PresetURLs[name]; instead != "" {
		tokens, resources = instead, instead
	}
	p := oauthProvider{name: known.name, tokenURL: tokens + known.tokenPath, baseURL: resources + known.resourced}
	if known.revoke != "" {
		p.revocationURL, p.bearer = tokens+known.revoke, true
	}
	return p, nil
}

// generic refuses hosts that whoever runs the operator has not named: with a URL of its own choice a tenant could have the
// operator speak to servers that only the operator reaches.
func (s OAuthServers) generic(g *v1alpha1.GenericProvider) (oauthProvider, error) {
	p := oauthProvider{name: "the provider", tokenURL: g.TokenURL, revocationURL: g.RevocationURL, caBundle: string(g.CABundle)}
	for _, asked := range append([]string{g.TokenURL}, present(g.RevocationURL)...) {
		u, err := url.Parse(asked)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" {
			return p, invalidProvider("a URL of generic is no https URL")
		}
		if !slices.Contains(s.AllowedHosts, hostOf(u)) {
			return p, &problem{
				reason: v1alpha1.HostNotAllowedReason,
				message: fmt.Sprintf("the operator's flag --oauth-allowed-hosts does not name %s, so nothing is sent there. "+
					"Correct spec.provider.generic, or have the host added to the flag", u.Host),
				pace: waits,
			}
		}
	}
	if u, err := url.Parse(g.TokenURL); err == nil {
		p.name = u.Hostname()
	}
	return p, nil
}

// hostOf is the host and port of a URL as AllowedHosts has them.
func hostOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

func invalidProvider(why string) *problem {
	return &problem{reason: v1alpha1.InvalidConfigurationReason, message: "spec.provider: " + why, pace: waits}
}
