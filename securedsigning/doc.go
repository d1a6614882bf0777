// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package securedsigning signs requests to the API of Secured Signing, and asks it for the state of an account.
//
// Each call of a resource carries an access token, and beside it a signature of the API key that the token does not
// replace. [Signer.Transport] adds the signature, whatever adds the token:
//
//	signer, err := securedsigning.NewSigner(apiKey, apiSecret, securedsigning.WithCallbackURL("https://app.example/signed"))
//	if err != nil { ... }
//	client := &http.Client{Transport: source.Transport(signer.Transport(nil)), Timeout: 30 * time.Second}
//
// where source is a tokenfile.Source. Headers and their values, as the vendor's page
// (https://www.securedsigning.com/developer/api-documentation) and its SDKs for .NET and Java have them:
//
//	X-CUSTOM-API-KEY    the API key
//	X-CUSTOM-DATE       Unix seconds
//	X-CUSTOM-NONCE      random, another one for each request, at most 32 characters
//	X-CUSTOM-SIGNATURE  Base64(HMAC-SHA256(API secret, API key + "\n" + date + "\n" + nonce))
//	Referer             the callback URL that the API key is registered with
//
// Neither method, path nor body is signed.
//
// What is known, and how well:
//
//	the headers and the signature      sure: page and both SDKs agree
//	the date in whole seconds          likely: the Java SDK sends them so, the .NET SDK sends a fraction; both seem to pass
//	how far the date may be off        not known; "a slight buffer", says the page
//	whether a nonce is taken twice     not known; none is sent twice
//	Account/Info and its fields        likely: metadata of the service, and the model of the .NET SDK
//	the states of an account           likely: the same
//	401 for a bad token                sure. That a bad signature is answered alike is likely
//	the form of other errors           not known; nothing depends on it
package securedsigning
