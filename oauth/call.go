// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/sendforsign/sfs-operator/internal/wire"
	"github.com/sendforsign/sfs-operator/secret"
)

// call is one request, and what came back. It holds secrets in the clear: never print a call.
type call struct {
	action    string
	base      http.RoundTripper
	userAgent string
	secrets   []secret.Text // that are sent, in each form in which they are

	status int
	header http.Header
	body   []byte
	late   error // is set if time was up when the answer had been read
}

// do makes a call, with send, has the answer read, and the whole observed.
func (e *Endpoint) do(ctx context.Context, c *call, send func(context.Context, *http.Client) error, read func() error) error {
	began := time.Now()
	c.base, c.userAgent = e.outer, e.userAgent
	err := c.ask(ctx, e.timeout, send)
	if err == nil {
		err = read()
	}
	if e.observe != nil {
		e.observe(ctx, Exchange{Action: c.action, Status: c.status, Duration: time.Since(began), Err: err})
	}
	return err
}

func (c *call) ask(ctx context.Context, timeout time.Duration, send func(context.Context, *http.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := send(ctx, wire.NewClient(c))
	c.late = ctx.Err()
	if c.body != nil {
		return nil // what send made of it does not count
	}
	if err == nil {
		err = errors.New("request was not sent")
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err // the URL around it says nothing new
	}
	if c.late != nil && !errors.Is(err, c.late) {
		err = fmt.Errorf("%w: %w", err, c.late) // which the connection, closed for that, does not always say
	}
	return c.fail(KindUnavailable, wire.Cleaned(err, c.secrets))
}

// RoundTrip implements http.RoundTripper: it sends the request, and keeps the answer.
func (c *call) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	resp, err := c.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	c.status, c.header = resp.StatusCode, resp.Header
	body, err := wire.Read(resp.Body)
	switch {
	case err != nil && wire.IsSuccess(resp.StatusCode):
		return nil, err
	case err != nil:
		body = []byte{} // the status tells the outcome, whatever the body
	}
	c.body = body
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// fail makes an error of the call.
func (c *call) fail(kind Kind, err error) *Error {
	return &Error{Action: c.action, Kind: kind, Status: c.status, Err: err}
}

// refusal is the error of an answer that is one.
func (c *call) refusal(said answer) *Error {
	e := c.fail(KindUnavailable, nil)
	// Servers and proxies like to echo what they refuse.
	secrets := append(c.secrets, secret.Text(said.AccessToken), secret.Text(said.RefreshToken)) //nolint:gocritic // c is over
	e.Code = wire.Clean(string(said.Error), secrets)
	e.Description = wire.Clean(string(said.Description), secrets)
	e.RetryAfter = wire.RetryAfter(c.header, time.Now())
	e.Kind = kindOf(c.status, string(said.Error), wire.IsObject(c.body))
	switch {
	case c.status >= 300 && c.status < 400:
		e.Err = errors.New("answer is a redirect, which is not followed")
	case c.status < 500 && c.status != http.StatusTooManyRequests && !wire.IsObject(c.body):
		e.Err = errors.New("answer is not in the words of OAuth: the URL may be wrong, or a gateway has answered")
	}
	return e
}
