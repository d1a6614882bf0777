// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauthtest_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/sendforsign/sfs-operator/oauth"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
)

// A refresh token that rotates is used up, even if the answer is lost.
func Example() {
	clock := &clock{now: time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)}
	server := oauthtest.New(oauthtest.WithClock(clock))
	defer server.Close()
	given := server.AddClient(oauthtest.SecuredSigning)

	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(server.CABundle())
	endpoint, err := oauth.New(server.TokenURL(given.Provider), oauth.WithRootCAs(pool))
	if err != nil {
		panic(err)
	}
	defer endpoint.Close()
	client := oauth.Client{ID: given.ID, Secret: given.Secret, Authentication: oauth.Form}

	token, err := endpoint.Refresh(context.Background(), client, given.RefreshToken, nil)
	fmt.Println("lives for", token.ExpiresIn, err)
	fmt.Println("another refresh token:", token.RefreshToken != "" && token.RefreshToken != given.RefreshToken)

	server.Inject(oauthtest.Fault{Endpoint: "token", Times: 1, CutAfter: true})
	for range 2 {
		_, err = endpoint.Refresh(context.Background(), client, token.RefreshToken, nil)
		fmt.Println("refused:", oauth.KindOf(err) == oauth.KindInvalidGrant)
	}
	// Output:
	// lives for 24h0m0s <nil>
	// another refresh token: true
	// refused: false
	// refused: true
}
