// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package securedsigning_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/sendforsign/sfs-operator/securedsigning"
)

// printing stands for the network.
type printing struct{}

func (printing) RoundTrip(req *http.Request) (*http.Response, error) {
	for _, name := range []string{"X-CUSTOM-API-KEY", "X-CUSTOM-DATE", "X-CUSTOM-NONCE", "X-CUSTOM-SIGNATURE", "Referer"} {
		fmt.Printf("%s: %s\n", name, req.Header.Get(name))
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
}

// Each request of a client is signed. Clock and nonces are set here for the sake of the example.
func ExampleSigner_Transport() {
	signer, err := securedsigning.NewSigner("key", "secret",
		securedsigning.WithCallbackURL("https://app.example/signed"),
		securedsigning.WithClock(func() time.Time { return time.Unix(0, 0) }),
		securedsigning.WithNonces(func() string { return "nonce" }))
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: signer.Transport(printing{}), Timeout: 30 * time.Second}
	resp, err := client.Get("https://api.securedsigning.com/web/v1.4/Account/Info")
	if err != nil {
		panic(err)
	}
	_ = resp.Body.Close()
	// Output:
	// X-CUSTOM-API-KEY: key
	// X-CUSTOM-DATE: 0
	// X-CUSTOM-NONCE: nonce
	// X-CUSTOM-SIGNATURE: /OxcZ2/N+gGh/mA+/gjjtUmdGRnzjlOC2tuHKMG1g7I=
	// Referer: https://app.example/signed
}
