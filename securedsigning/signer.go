// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package securedsigning

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sendforsign/sfs-operator/internal/wire"
	"github.com/sendforsign/sfs-operator/secret"
)

// Signer signs requests with an API key. It is safe for concurrent use, and shows its key and secret in no way of printing it.
type Signer struct {
	// keys are in a function, which package fmt does not look into.
	keys     func() (apiKey, apiSecret secret.Text)
	callback string
	now      func() time.Time
	nonce    func() string
}

// SignerOption changes a default of NewSigner.
type SignerOption func(*Signer)

// WithCallbackURL sets the Referer of requests: the callback URL that the API key is registered with. Default: none is sent.
func WithCallbackURL(callback string) SignerOption { return func(s *Signer) { s.callback = callback } }

// WithClock sets where the time comes from. Default: the system's clock.
func WithClock(now func() time.Time) SignerOption { return func(s *Signer) { s.now = now } }

// WithNonces sets where nonces come from. Each MUST be another one, of at most 32 letters and digits, and the function
// MUST be safe for concurrent use. Default: 26 random characters, which nobody can guess.
func WithNonces(nonce func() string) SignerOption { return func(s *Signer) { s.nonce = nonce } }

// NewSigner returns a Signer. It refuses what a header can not carry, without quoting it: most often it is a line break at
// the end of a file.
func NewSigner(apiKey, apiSecret secret.Text, opts ...SignerOption) (*Signer, error) {
	s := &Signer{
		keys:  func() (secret.Text, secret.Text) { return apiKey, apiSecret },
		now:   time.Now,
		nonce: rand.Text,
	}
	for _, opt := range opts {
		opt(s)
	}
	switch {
	case apiKey == "":
		return nil, errors.New("API key is empty")
	case apiSecret == "":
		return nil, errors.New("API secret is empty")
	case !wire.IsHeaderSafe(apiKey.Reveal()):
		return nil, errors.New("API key holds a space, a line break or another character that a header cannot carry")
	case !wire.IsHeaderSafe(apiSecret.Reveal()):
		return nil, errors.New("API secret holds a space, a line break or another character that no secret has")
	case s.callback != "" && !isCallback(s.callback):
		return nil, errors.New("callback URL is not an absolute http or https URL without a user")
	}
	return s, nil
}

func isCallback(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil &&
		wire.IsHeaderSafe(raw)
}

// Sign sets the headers of one request, with a nonce of its own. A request that is sent again MUST be signed again.
func (s *Signer) Sign(h http.Header) {
	key, apiSecret := s.keys()
	date, nonce := strconv.FormatInt(s.now().Unix(), 10), s.nonce()
	mac := hmac.New(sha256.New, []byte(apiSecret.Reveal()))
	mac.Write([]byte(key.Reveal() + "\n" + date + "\n" + nonce))

	h.Set("X-Custom-Api-Key", key.Reveal())
	h.Set("X-Custom-Date", date)
	h.Set("X-Custom-Nonce", nonce)
	h.Set("X-Custom-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	if s.callback != "" {
		h.Set("Referer", s.callback)
	}
}

// Transport returns a RoundTripper that signs each request and sends it through base. A nil base is
// [http.DefaultTransport]. Have it innermost, next to the network, so that what is sent again is signed again.
//
// Requests that follow a redirect are not signed: nobody knows where they go.
func (s *Signer) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{signer: s, base: base}
}

type transport struct {
	signer *Signer
	base   http.RoundTripper
}

// RoundTrip implements http.RoundTripper. The request of the caller stays as it is.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Response != nil { // is that of the redirect
		return t.base.RoundTrip(req)
	}
	signed := req.Clone(req.Context())
	t.signer.Sign(signed.Header)
	return t.base.RoundTrip(signed)
}
