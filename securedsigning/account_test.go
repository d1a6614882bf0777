// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package securedsigning_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/secret"
	"github.com/sendforsign/sfs-operator/securedsigning"
)

// newAPI starts a TLS server and makes a client of it.
func newAPI(t *testing.T, handler http.HandlerFunc, opts ...securedsigning.Option) *securedsigning.API {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	api, err := securedsigning.New(server.URL+"/web/v1.4/", append(opts, securedsigning.WithRootCAs(pool))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	return api
}

func newSigner(t *testing.T) *securedsigning.Signer {
	t.Helper()
	signer, err := securedsigning.NewSigner("hunter2-key", "hunter2-secret")
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestAccountAnswers(t *testing.T) {
	const ok = securedsigning.Kind(255)
	for name, test := range map[string]struct {
		status int
		body   string
		kind   securedsigning.Kind
		want   securedsigning.Account
	}{
		"paid":               {200, `{"AccountStatus":"Paid","Locked":false,"PlanName":"Pro","Email":"a@b.example"}`, ok, securedsigning.Account{Status: "Paid", PlanName: "Pro"}},
		"free":               {200, `{"AccountStatus":"FreeWay"}`, ok, securedsigning.Account{Status: "FreeWay"}},
		"a state to come":    {200, `{"AccountStatus":"Trial","Locked":null}`, ok, securedsigning.Account{Status: "Trial"}},
		"camel case":         {200, `{"accountStatus":"Paid"}`, ok, securedsigning.Account{Status: "Paid"}},
		"on hold":            {200, `{"AccountStatus":"OnHold"}`, securedsigning.KindSuspended, securedsigning.Account{Status: "OnHold"}},
		"inactive":           {200, `{"AccountStatus":"Inactive"}`, securedsigning.KindSuspended, securedsigning.Account{Status: "Inactive"}},
		"cancelled":          {200, `{"AccountStatus":"Cancelled"}`, securedsigning.KindSuspended, securedsigning.Account{Status: "Cancelled"}},
		"expired":            {200, `{"AccountStatus":"Expired"}`, securedsigning.KindSuspended, securedsigning.Account{Status: "Expired"}},
		"disabled":           {200, `{"AccountStatus":"Disabled"}`, securedsigning.KindSuspended, securedsigning.Account{Status: "Disabled"}},
		"locked":             {200, `{"AccountStatus":"Paid","Locked":true}`, securedsigning.KindSuspended, securedsigning.Account{Status: "Paid", Locked: true}},
		"locked in a string": {200, `{"AccountStatus":"Paid","Locked":"True"}`, securedsigning.KindSuspended, securedsigning.Account{Status: "Paid", Locked: true}},
		"no state":           {200, `{}`, securedsigning.KindMalformed, securedsigning.Account{}},
		"an object for one":  {200, `{"AccountStatus":{}}`, securedsigning.KindMalformed, securedsigning.Account{}},
		"HTML":               {200, `<html>`, securedsigning.KindMalformed, securedsigning.Account{}},
		"an array":           {200, `[{"AccountStatus":"Paid"}]`, securedsigning.KindMalformed, securedsigning.Account{}},
		"more than a bound":  {200, `{"AccountStatus":"Paid"}` + strings.Repeat(" ", 1<<20), securedsigning.KindUnavailable, securedsigning.Account{}},
		"a bad token":        {401, `{"ResponseStatus":{"Message":"Session expired or invalid"}}`, securedsigning.KindUnauthorized, securedsigning.Account{}},
		"forbidden":          {403, ``, securedsigning.KindRefused, securedsigning.Account{}},
		"a wrong URL":        {404, `<html>`, securedsigning.KindRefused, securedsigning.Account{}},
		"throttled":          {429, ``, securedsigning.KindThrottled, securedsigning.Account{}},
		"redirect":           {302, ``, securedsigning.KindUnavailable, securedsigning.Account{}},
		"500":                {500, `{"AccountStatus":"Disabled"}`, securedsigning.KindUnavailable, securedsigning.Account{}},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/web/v1.4/Account/Info" || r.Method != http.MethodGet {
					t.Errorf("got %s %s", r.Method, r.URL)
				}
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			got, err := api.Account(t.Context(), newSigner(t), "t")
			kind := ok
			if err != nil {
				kind = securedsigning.KindOf(fmt.Errorf("checking: %w", err))
			}
			if kind != test.kind || got != test.want {
				t.Errorf("got %+v, %v", got, err)
			}
			e, _ := err.(*securedsigning.Error) //nolint:errorlint // it is not wrapped
			if test.status == 429 && e.RetryAfter != 7*time.Second {
				t.Errorf("to be asked again after %v", e.RetryAfter)
			}
			if securedsigning.IsSuspended(err) && !strings.Contains(err.Error(), "account is") {
				t.Errorf("%v does not say what is wrong", err)
			}
		})
	}
}

func TestErrorsHoldNoSecrets(t *testing.T) {
	echo := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		all := strings.ReplaceAll(fmt.Sprint(r.Header), `"`, "")
		fmt.Fprintf(w, `{"AccountStatus":"OnHold","PlanName":%q}`, all)
	})
	account, err := echo.Account(t.Context(), newSigner(t), "hunter2-token")
	if !securedsigning.IsSuspended(err) || strings.Contains(fmt.Sprintf("%+v %+v", account, err), "hunter2") {
		t.Errorf("got %+v, %+v", account, err)
	}
	refuse := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_ = r.Header.Write(w)
	})
	if _, err := refuse.Account(t.Context(), newSigner(t), "hunter2-token"); !securedsigning.IsUnauthorized(err) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestTokensThatNoHeaderCanCarryAreNotSent(t *testing.T) {
	api := newAPI(t, func(http.ResponseWriter, *http.Request) { t.Error("sent") })
	for _, token := range []string{"", "hunter2\n", strings.Repeat("t", 16<<10+1)} {
		if _, err := api.Account(t.Context(), newSigner(t), secret.Text(token)); !securedsigning.IsUnauthorized(err) {
			t.Errorf("got %v", err)
		}
	}
}

func TestAServerThatCanNotBeReached(t *testing.T) {
	api := newAPI(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := api.Account(t.Context(), newSigner(t), "t"); securedsigning.KindOf(err) != securedsigning.KindUnavailable {
		t.Errorf("got %v", err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := api.Account(done, newSigner(t), "t"); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("got %v", err)
	}
}

func TestBaseURLs(t *testing.T) {
	for _, bad := range []string{"", "http://x", "https://u:hunter2@x", "https://x?hunter2"} {
		if _, err := securedsigning.New(bad); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	if _, err := securedsigning.New("https://x", securedsigning.WithTimeout(0)); err == nil {
		t.Error("took a timeout of nothing")
	}
}
