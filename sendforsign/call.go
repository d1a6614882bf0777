package sendforsign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/sendforsign/sfs-operator/internal/wire"
)

// The errors of answers never quote the answer.
var (
	errMalformed = errors.New("answer is malformed")
	errNoKey     = errors.New("answer holds no key")
	errOddKey    = errors.New("answer holds a key in a form that is not known")
)

// call is one request. Its body is JSON that holds secrets in the clear: never print a call.
type call struct {
	endpoint, action string
	auth             *Auth // nil for the one call that needs none
	body             any
	secrets          []Secret // those in body
	list             bool     // is asked for
	// holds, which may be nil, returns what a success lacks of what was asked for.
	holds func(*answer) error
}

// fail makes an error of the call that Status and Code do not explain.
func (c call) fail(k kind, status int, err error) *Error {
	return &Error{Endpoint: c.endpoint, Action: c.action, Status: status, Err: err, kind: k}
}

// do makes the call once, has it observed, and returns the answer, if it was a success.
func (a *API) do(ctx context.Context, c call) (*answer, error) {
	began := time.Now()
	ans, err := a.ask(ctx, c)
	if a.observe != nil {
		a.observe(ctx, c.exchange(ans, err, time.Since(began)))
	}
	return ans, err
}

// ask returns an answer that holds what was asked for, or else why there is none.
func (a *API) ask(ctx context.Context, c call) (*answer, error) {
	ans, err := a.send(ctx, c)
	if err != nil || c.holds == nil {
		return ans, err
	}
	switch err := c.holds(ans); {
	case err == nil:
		return ans, nil
	case c.action == "read" && errors.Is(err, errNoKey):
		return nil, c.fail(kindAbsent, ans.status, err)
	default:
		return nil, c.fail(kindNoAnswer, ans.status, err)
	}
}

// send sends the call once and returns the answer, if it was a success.
func (a *API) send(ctx context.Context, c call) (*answer, error) {
	body, err := json.Marshal(c.body)
	if err != nil {
		return nil, c.fail(kindUnsendable, 0, errors.New("body cannot be encoded"))
	}

	// A request that got no connection cannot have taken effect. One that got a connection may have, even
	// where writing it failed.
	var connected atomic.Bool
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/"+c.endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, c.fail(kindUnsendable, 0, errors.New("request cannot be made"))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", a.userAgent)
	secrets := c.secrets
	if c.auth != nil {
		if err := c.auth.apply(req.Header); err != nil {
			return nil, c.fail(kindUnsendable, 0, err)
		}
		secrets = append(secrets, c.auth.reveal())
	}
	secrets = a.sent.with(c, secrets)

	resp, err := a.client.Do(req)
	if err != nil {
		k := kindNotSent
		if connected.Load() {
			k = kindNoAnswer
		}
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // the URL around it says nothing new
		}
		return nil, c.fail(k, 0, wire.Cleaned(err, secrets))
	}
	defer resp.Body.Close()

	if !wire.IsSuccess(resp.StatusCode) {
		raw, _ := wire.Read(resp.Body) // the status tells the outcome, whatever the body
		return nil, c.refusal(resp, raw, secrets)
	}
	ans, raw, err := c.read(resp.Body)
	switch {
	case ans.Code >= http.StatusBadRequest:
		return nil, c.refusal(resp, raw, secrets)
	case errors.Is(err, wire.ErrUnreadable):
		if over := ctx.Err(); over != nil && !errors.Is(err, over) {
			err = fmt.Errorf("%w: %w", err, over) // which the connection, closed for that, does not always say
		}
		return nil, c.fail(kindNoAnswer, resp.StatusCode, wire.Cleaned(err, secrets))
	case err != nil:
		return nil, c.fail(kindNoAnswer, resp.StatusCode, err)
	}
	ans.status = resp.StatusCode
	return &ans, nil
}

// read decodes the body of a success, and returns what of its text may say that it is none.
func (c call) read(body io.Reader) (ans answer, raw []byte, err error) {
	if c.list {
		return decodeList(body)
	}
	if raw, err = wire.Read(body); err != nil {
		return answer{}, nil, err
	}
	ans, err = decodeAnswer(raw)
	return ans, raw, err
}

// presence is what is wrong with an answer that lacks what it must hold.
func presence(present bool) error {
	if !present {
		return errMalformed
	}
	return nil
}

// refusal is the error for an answer whose status or code is one.
func (c call) refusal(resp *http.Response, raw []byte, secrets []Secret) *Error {
	said := decodeRefusal(raw)
	e := c.fail(kindAnswered, resp.StatusCode, nil)
	e.Code = int(said.Code)
	e.RetryAfter = wire.RetryAfter(resp.Header, time.Now())
	if e.Message = wire.Clean(said.message(), secrets); e.Message == "" {
		e.Message = http.StatusText(e.decisive())
	}
	switch {
	case resp.StatusCode == http.StatusBadRequest && said.isExpired2024():
		e.kind = kindExpired
	case resp.StatusCode == http.StatusNotFound && !wire.IsObject(raw):
		e.kind = kindForeign
	}
	return e
}
