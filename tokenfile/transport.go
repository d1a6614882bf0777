// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenfile

import (
	"io"
	"net/http"

	"golang.org/x/oauth2"
)

// Transport returns a RoundTripper that sends requests through base with the token of the source, which MUST go to the API
// only. A nil base is [http.DefaultTransport].
//
// A request that is answered 401 is sent once more, if another token is mounted by then, and if its body can be had again:
// it has none, or a GetBody, as all requests have that [http.NewRequest] makes of a bytes.Buffer, bytes.Reader or
// strings.Reader. Otherwise the 401 is what is returned. No other answer, and no failure, has a request sent again: only a
// 401 says for sure that nothing was done.
//
// Requests that follow a redirect carry no token: nobody knows where they go.
func (s *Source) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{source: s, base: base}
}

type transport struct {
	source *Source
	base   http.RoundTripper
}

// maxDrained is how much of a refusal is read, so that its connection can be used again.
const maxDrained = 64 << 10

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Response != nil { // is that of the redirect
		return t.base.RoundTrip(req)
	}
	token, err := t.source.Token()
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // as a RoundTripper has to, whatever comes
		}
		return nil, err
	}
	resp, err := t.send(req.Clone(req.Context()), token)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	next, err := t.source.Token()
	if err != nil || next.AccessToken == token.AccessToken {
		return resp, nil //nolint:nilerr // the answer says more than that there is no other token
	}
	again, ok := replay(req)
	if !ok {
		return resp, nil
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrained)
	_ = resp.Body.Close()
	return t.send(again, next)
}

// send sends a request of its own with the token, and notes if it was refused.
func (t *transport) send(req *http.Request, token *oauth2.Token) (*http.Response, error) {
	token.SetAuthHeader(req)
	resp, err := t.base.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		t.source.Refused(token.AccessToken)
	}
	return resp, err
}

// replay returns the request as it was before it was sent, if that is possible.
func replay(req *http.Request) (*http.Request, bool) {
	again := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return again, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	again.Body = body
	return again, true
}
