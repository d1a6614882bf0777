// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sfstest_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// manualClock is a clock that the example moves.
type manualClock struct{ now time.Time }

func (c *manualClock) Now() time.Time { return c.now }

func connect(server *sfstest.Server) *sendforsign.API {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(server.CABundle())
	api, err := sendforsign.New(server.BaseURL(), sendforsign.WithRootCAs(pool))
	if err != nil {
		panic(err)
	}
	return api
}

// A create whose answer is lost has taken effect all the same.
func Example_fault() {
	server := sfstest.New()
	defer server.Close()
	api := connect(server)
	defer api.Close()
	server.Inject(sfstest.Fault{Endpoint: "client", Action: "create", Times: 1, CutAfter: true})

	_, err := api.CreateClient(context.Background(), sendforsign.APIKey(server.Credentials().APIKey),
		sendforsign.ClientFields{CustomKey: "acme/team-a/shop"})
	fmt.Println("unknown outcome:", sendforsign.IsUnknownOutcome(err))
	fmt.Println("clients:", len(server.Clients()))
	for _, call := range server.Calls() {
		fmt.Println(call.Endpoint, call.Action, "effect:", call.Effect, "lost:", call.Lost)
	}
	// Output:
	// unknown outcome: true
	// clients: 1
	// client create effect: true lost: true
}

// Tokens expire by the clock of the test.
func ExampleWithClock() {
	clock := &manualClock{now: time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)}
	server := sfstest.New(sfstest.WithClock(clock))
	defer server.Close()
	api := connect(server)
	defer api.Close()

	token, err := api.CreatePlatformToken(context.Background(), server.Credentials())
	if err != nil {
		panic(err)
	}
	for range 2 {
		_, err = api.ListClients(context.Background(), sendforsign.PlatformToken(token.AccessToken))
		fmt.Println("refused:", sendforsign.IsUnauthorized(err))
		clock.now = clock.now.Add(token.ExpiresIn)
	}
	// Output:
	// refused: false
	// refused: true
}
