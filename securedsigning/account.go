// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package securedsigning

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sendforsign/sfs-operator/internal/wire"
	"github.com/sendforsign/sfs-operator/secret"
)

const (
	defaultUserAgent = "securedsigning-go"

	// maxToken is the longest token that a header should carry.
	maxToken = 16 << 10
)

// AccountStatus is the state of an account, in the vendor's words.
type AccountStatus string

// The states of an account.
const (
	AccountFree      AccountStatus = "FreeWay"
	AccountPaid      AccountStatus = "Paid"
	AccountOnHold    AccountStatus = "OnHold"
	AccountInactive  AccountStatus = "Inactive"
	AccountCancelled AccountStatus = "Cancelled"
	AccountExpired   AccountStatus = "Expired"
	AccountDisabled  AccountStatus = "Disabled"
)

var suspended = []AccountStatus{AccountOnHold, AccountInactive, AccountCancelled, AccountExpired, AccountDisabled}

// Account is what Account/Info tells of the account that a token belongs to. Names and addresses are left out: whoever
// watches a token needs none.
type Account struct {
	// Status may be one that this package does not know: the vendor can add some.
	Status   AccountStatus
	Locked   bool
	PlanName string
}

// IsSuspended reports that calls are in vain until somebody sees to the account at Secured Signing. An unknown state is
// none of these.
func (a Account) IsSuspended() bool { return a.Locked || slices.Contains(suspended, a.Status) }

type config struct {
	wire.Options
}

// Option changes a default of New.
type Option func(*config)

// WithRootCAs sets the authorities that may vouch for the server. Default, and for nil: those of the system.
func WithRootCAs(pool *x509.CertPool) Option { return func(c *config) { c.RootCAs = pool } }

// WithTimeout sets the deadline of one call. It must be positive. Default: 15 s.
func WithTimeout(d time.Duration) Option { return func(c *config) { c.Timeout = d } }

// WithUserAgent sets the User-Agent header. Default: "securedsigning-go".
func WithUserAgent(ua string) Option { return func(c *config) { c.UserAgent = ua } }

// WithProxy chooses the proxy of a request. Default: http.ProxyFromEnvironment; nil means none.
func WithProxy(proxy func(*http.Request) (*url.URL, error)) Option {
	return func(c *config) { c.Proxy = proxy }
}

// WithTransport puts a decorator around the transport, for metrics; the last one given is outermost. It sees credentials.
func WithTransport(wrap func(http.RoundTripper) http.RoundTripper) Option {
	return func(c *config) { c.Wraps = append(c.Wraps, wrap) }
}

// API is the resource server of one region. It owns one keep-alive transport: make one per server and share it; it is safe for
// concurrent use.
type API struct {
	base      string
	client    *http.Client
	transport *http.Transport
	timeout   time.Duration
	userAgent string
}

// New returns a client of the API below baseURL, for example "https://api.securedsigning.com/web/v1.4".
func New(baseURL string, opts ...Option) (*API, error) {
	c := config{wire.DefaultOptions(defaultUserAgent)}
	for _, opt := range opts {
		opt(&c)
	}
	u, err := wire.CheckURL("base URL", baseURL)
	if err != nil {
		return nil, err
	}
	transport, outer, err := c.Connect()
	if err != nil {
		return nil, err
	}
	return &API{
		base:      strings.TrimRight(u.String(), "/"),
		client:    wire.NewClient(outer),
		transport: transport,
		timeout:   c.Timeout,
		userAgent: c.UserAgent,
	}, nil
}

// Close closes the idle connections. Calls under way go on.
func (a *API) Close() { a.transport.CloseIdleConnections() }

// Account asks for the account that an access token belongs to. It changes nothing. For a suspended account it returns an
// error for which IsSuspended is true, and the account as well.
func (a *API) Account(ctx context.Context, signer *Signer, token secret.Text) (Account, error) {
	if token == "" || len(token) > maxToken || !wire.IsHeaderSafe(token.Reveal()) {
		return Account{}, &Error{Kind: KindUnauthorized, Err: errors.New("access token is empty or none that a header can carry")}
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/Account/Info", http.NoBody)
	if err != nil {
		return Account{}, &Error{Kind: KindUnavailable, Err: errors.New("request cannot be made")}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", a.userAgent)
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	signer.Sign(req.Header)

	apiKey, apiSecret := signer.keys()
	secrets := []secret.Text{token, apiSecret, apiKey}
	resp, err := a.client.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // the URL around it says nothing new
		}
		return Account{}, &Error{Kind: KindUnavailable, Err: wire.Cleaned(err, secrets)}
	}
	defer resp.Body.Close()
	raw, err := wire.Read(resp.Body)
	switch {
	case !wire.IsSuccess(resp.StatusCode):
		return Account{}, refusal(resp) // whatever the body, which nothing is documented about
	case err != nil:
		return Account{}, &Error{Kind: KindUnavailable, Status: resp.StatusCode, Err: wire.Cleaned(err, secrets)}
	}
	account, err := decodeAccount(raw, secrets)
	switch {
	case err != nil:
		return Account{}, &Error{Kind: KindMalformed, Status: resp.StatusCode, Err: err}
	case account.IsSuspended():
		return account, &Error{Kind: KindSuspended, Status: resp.StatusCode, Err: account.why()}
	}
	return account, nil
}

// why is what is wrong with a suspended account.
func (a Account) why() error {
	if slices.Contains(suspended, a.Status) {
		return errors.New("account is " + string(a.Status))
	}
	return errors.New("account is locked")
}

// decodeAccount is lenient about types. An answer without a state is none: to take it for a good account would hide that
// nothing is known.
func decodeAccount(raw []byte, secrets []secret.Text) (Account, error) {
	var said struct {
		AccountStatus wire.Text
		Locked        wire.Text
		PlanName      wire.Text
	}
	if !wire.IsObject(raw) || json.Unmarshal(raw, &said) != nil || said.AccountStatus == "" {
		return Account{}, errors.New("answer holds no account")
	}
	status := AccountStatus(said.AccountStatus)
	if !slices.Contains(suspended, status) {
		status = AccountStatus(wire.Clean(string(status), secrets)) // it can be anything
	}
	return Account{
		Status:   status,
		Locked:   strings.EqualFold(string(said.Locked), "true") || said.Locked == "1",
		PlanName: wire.Clean(string(said.PlanName), secrets),
	}, nil
}
