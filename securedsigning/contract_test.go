// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package securedsigning_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/oauth"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
	"github.com/sendforsign/sfs-operator/secret"
	"github.com/sendforsign/sfs-operator/securedsigning"
)

// clock is a clock that the test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// tenant is a client at a simulator, with a token.
type tenant struct {
	*oauthtest.Server
	clock *clock
	api   *securedsigning.API
	given oauthtest.Client
	token secret.Text
}

func simulate(t *testing.T, b oauthtest.Behaviour) *tenant {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)}
	server := oauthtest.New(oauthtest.WithBehaviour(b), oauthtest.WithClock(c))
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(server.CABundle())
	given := server.AddClient(oauthtest.SecuredSigning)
	endpoint, err := oauth.New(server.TokenURL(given.Provider), oauth.WithRootCAs(pool))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(endpoint.Close)
	client := oauth.Client{ID: given.ID, Secret: given.Secret, Authentication: oauth.Form}
	token, err := endpoint.Refresh(t.Context(), client, given.RefreshToken, nil)
	if err != nil {
		t.Fatal(err)
	}
	api, err := securedsigning.New(server.ResourceURL(), securedsigning.WithRootCAs(pool))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	return &tenant{Server: server, clock: c, api: api, given: given, token: token.AccessToken}
}

// account asks for the account as somebody with a right signature would, apart from what change does.
func (n *tenant) account(t *testing.T, change func(*oauthtest.Client), opts ...securedsigning.SignerOption) (securedsigning.Account, error) {
	t.Helper()
	given := n.given
	if change != nil {
		change(&given)
	}
	opts = append([]securedsigning.SignerOption{
		securedsigning.WithClock(n.clock.Now), securedsigning.WithCallbackURL(given.CallbackURL),
	}, opts...)
	signer, err := securedsigning.NewSigner(given.APIKey, given.APISecret, opts...)
	if err != nil {
		t.Fatal(err)
	}
	account, err := n.api.Account(t.Context(), signer, n.token)
	if strings.Contains(fmt.Sprintf("%v %+v", err, account), oauthtest.CanaryPrefix) {
		t.Errorf("a secret is in %v", err)
	}
	return account, err
}

func TestContractOfSignatures(t *testing.T) {
	once := func(nonce string) securedsigning.SignerOption {
		return securedsigning.WithNonces(func() string { return nonce })
	}
	late := func(n *tenant, by time.Duration) securedsigning.SignerOption {
		return securedsigning.WithClock(func() time.Time { return n.clock.now.Add(by) })
	}
	for name, test := range map[string]struct {
		behaviour oauthtest.Behaviour
		change    func(*oauthtest.Client)
		opts      func(*tenant) []securedsigning.SignerOption
		refused   bool
	}{
		"all is well":      {},
		"whole seconds":    {behaviour: oauthtest.Behaviour{Dates: oauthtest.DatesInteger}},
		"little tolerance": {behaviour: oauthtest.Behaviour{DateTolerance: time.Second}},
		"wrong key":        {change: func(c *oauthtest.Client) { c.APIKey = "wrong" }, refused: true},
		"wrong secret":     {change: func(c *oauthtest.Client) { c.APISecret = "wrong" }, refused: true},
		"wrong callback":   {change: func(c *oauthtest.Client) { c.CallbackURL = "https://other.example" }, refused: true},
		"no callback":      {change: func(c *oauthtest.Client) { c.CallbackURL = "" }, refused: true},
		"no callback, and nobody looks": {
			behaviour: oauthtest.Behaviour{Referers: oauthtest.ReferersIgnored},
			change:    func(c *oauthtest.Client) { c.CallbackURL = "" },
		},
		"a clock that is slow": {
			opts: func(n *tenant) []securedsigning.SignerOption {
				return []securedsigning.SignerOption{late(n, -6*time.Minute)}
			},
			refused: true,
		},
		"a clock that is a little slow": {
			opts: func(n *tenant) []securedsigning.SignerOption {
				return []securedsigning.SignerOption{late(n, -4*time.Minute)}
			},
		},
		"a clock that is fast": {
			opts: func(n *tenant) []securedsigning.SignerOption {
				return []securedsigning.SignerOption{late(n, 6*time.Minute)}
			},
			refused: true,
		},
		"a nonce that is too long": {
			opts: func(*tenant) []securedsigning.SignerOption {
				return []securedsigning.SignerOption{once(strings.Repeat("n", 33))}
			},
			refused: true,
		},
	} {
		n := simulate(t, test.behaviour)
		var opts []securedsigning.SignerOption
		if test.opts != nil {
			opts = test.opts(n)
		}
		for range 2 { // the nonce is another one
			if _, err := n.account(t, test.change, opts...); securedsigning.IsUnauthorized(err) != test.refused || !test.refused && err != nil {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}

	for nonces, refused := range map[oauthtest.Nonces]bool{oauthtest.NoncesOnce: true, oauthtest.NoncesAgain: false} {
		n := simulate(t, oauthtest.Behaviour{Nonces: nonces})
		if _, err := n.account(t, nil, once("n")); err != nil {
			t.Error(err)
		}
		if _, err := n.account(t, nil, once("n")); securedsigning.IsUnauthorized(err) != refused {
			t.Errorf("a nonce that was used: %v", err)
		}
	}
}

func TestContractOfAccounts(t *testing.T) {
	n := simulate(t, oauthtest.Behaviour{})
	account, err := n.account(t, nil)
	if err != nil || account.Status != securedsigning.AccountPaid || account.Locked || account.IsSuspended() || account.PlanName == "" {
		t.Errorf("got %+v, %v", account, err)
	}
	for status, suspended := range map[securedsigning.AccountStatus]bool{
		securedsigning.AccountFree: false, securedsigning.AccountPaid: false, "Trial": false, securedsigning.AccountOnHold: true,
		securedsigning.AccountInactive: true, securedsigning.AccountCancelled: true, securedsigning.AccountExpired: true,
		securedsigning.AccountDisabled: true,
	} {
		for _, locked := range []bool{false, true} {
			n.SetAccount(n.given.ID, string(status), locked)
			account, err := n.account(t, nil)
			if account.Status != status || account.Locked != locked || securedsigning.IsSuspended(err) != (suspended || locked) {
				t.Errorf("%s: got %+v, %v", status, account, err)
			}
		}
	}
}

func TestContractOfBadTokens(t *testing.T) {
	n := simulate(t, oauthtest.Behaviour{})
	n.SetAccount(n.given.ID, "Disabled", false)
	n.clock.now = n.clock.now.Add(24 * time.Hour)
	if _, err := n.account(t, nil); !securedsigning.IsUnauthorized(err) {
		t.Errorf("an expired token: got %v", err)
	}
	n.token = "unknown"
	if _, err := n.account(t, nil); !securedsigning.IsUnauthorized(err) {
		t.Errorf("an unknown token: got %v", err)
	}
}

func TestContractOfFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault oauthtest.Fault
		want  securedsigning.Kind
	}{
		"throttled": {oauthtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, securedsigning.KindThrottled},
		"500":       {oauthtest.Fault{Status: 500}, securedsigning.KindUnavailable},
		"lost":      {oauthtest.Fault{CutAfter: true}, securedsigning.KindUnavailable},
		"cut":       {oauthtest.Fault{CutDuring: true}, securedsigning.KindUnavailable},
		"malformed": {oauthtest.Fault{Malformed: true}, securedsigning.KindMalformed},
	} {
		n := simulate(t, oauthtest.Behaviour{})
		test.fault.Endpoint, test.fault.Times = "account", 1
		n.Inject(test.fault)
		_, err := n.account(t, nil)
		var e *securedsigning.Error
		if !errors.As(err, &e) || e.Kind != test.want || (e.RetryAfter == 7*time.Second) != (e.Kind == securedsigning.KindThrottled) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := n.account(t, nil); err != nil {
			t.Errorf("after %s: got %v", name, err)
		}
	}
}
