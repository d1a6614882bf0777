package sfstest_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// fixture is a simulator, a client of it, and a platform token.
type fixture struct {
	*sfstest.Server
	api      *sendforsign.API
	platform sendforsign.Secret
	auth     sendforsign.Auth
	clock    *clock
}

func start(t *testing.T, b sfstest.Behaviour, opts ...sendforsign.Option) fixture {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	server := sfstest.New(sfstest.WithBehaviour(b), sfstest.WithClock(c))
	t.Cleanup(server.Close)
	api, err := sendforsign.New(server.BaseURL(), append(opts, sendforsign.WithRootCAs(pool(server)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	f := fixture{Server: server, api: api, clock: c}
	f.platform = f.login(t)
	f.auth = sendforsign.PlatformToken(f.platform)
	f.ResetCalls()
	return f
}

func pool(server *sfstest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(server.CABundle())
	return pool
}

// login makes a platform token.
func (f fixture) login(t *testing.T) sendforsign.Secret {
	t.Helper()
	return must(f.api.CreatePlatformToken(t.Context(), f.Credentials()))(t).AccessToken
}

// create makes a client with this customKey, and returns its key.
func (f fixture) create(t *testing.T, customKey string) string {
	t.Helper()
	c := must(f.api.CreateClient(t.Context(), f.auth, sendforsign.ClientFields{CustomKey: customKey}))(t)
	return c.ClientKey
}

func (f fixture) mint(t *testing.T, clientKey string) sendforsign.Secret {
	t.Helper()
	return must(f.api.CreateClientToken(t.Context(), f.platform, clientKey))(t).AccessToken
}

func (f fixture) read(ctx context.Context, q sendforsign.ClientQuery) (sendforsign.Client, error) {
	return f.api.ReadClient(ctx, f.auth, q)
}

// post sends a body that the client would not send.
func (f fixture) post(t *testing.T, endpoint, body string, header ...string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.BaseURL()+"/"+endpoint, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return f.send(t, req)
}

func (f fixture) send(t *testing.T, req *http.Request) (int, map[string]any) {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig.RootCAs = pool(f.Server)
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	_ = json.Unmarshal(raw, &answer)
	return resp.StatusCode, answer
}

func (f fixture) bearer() []string { return []string{"Authorization", "Bearer " + f.platform.Reveal()} }

// must turns (value, error) into the value, or ends the test.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// kindOf names the one predicate that is true for err; "ok" is no error, "" is none of them.
func kindOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case sendforsign.IsNotFound(err):
		return "not found"
	case sendforsign.IsUnauthorized(err):
		return "unauthorized"
	case sendforsign.IsThrottled(err):
		return "throttled"
	case sendforsign.IsInvalid(err):
		return "invalid"
	case sendforsign.IsUnknownOutcome(err):
		return "unknown"
	case sendforsign.IsNotSent(err):
		return "not sent"
	}
	return ""
}

func wantKind(t *testing.T, want string, err error) {
	t.Helper()
	if got := kindOf(err); got != want {
		t.Errorf("got %v, which is %q, want %q", err, got, want)
	}
}

func TestTheLifeOfATenant(t *testing.T) {
	f := start(t, sfstest.Behaviour{})
	ctx := t.Context()

	created := must(f.api.CreateClient(ctx, f.auth, sendforsign.ClientFields{
		FullName: "Acme", Email: "acme@example.com", CustomKey: "uid-1",
		Users: []sendforsign.UserFields{{FullName: "Ada"}, {FullName: "Charles"}},
	}))(t)
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if !uuid.MatchString(created.ClientKey) || len(created.Users) != 2 || !uuid.MatchString(created.Users[0].UserKey) {
		t.Fatalf("created %+v", created)
	}
	if err := f.api.UpdateClient(ctx, f.auth, created.ClientKey, sendforsign.ClientFields{Organization: "Acme Inc."}); err != nil {
		t.Fatal(err)
	}
	read := must(f.read(ctx, sendforsign.ClientQuery{CustomKey: "uid-1"}))(t)
	want := sendforsign.Client{
		ClientKey: created.ClientKey, FullName: "Acme", Email: "acme@example.com", Organization: "Acme Inc.",
		CustomKey: "uid-1", CreateTime: f.clock.Now(), ChangeTime: f.clock.Now(),
	}
	if fmt.Sprint(read) != fmt.Sprint(want) {
		t.Errorf("read %+v, want %+v", read, want)
	}

	token := must(f.api.CreateClientToken(ctx, f.platform, created.ClientKey))(t)
	if token.ExpiresIn != 30*time.Minute {
		t.Errorf("token lives %v", token.ExpiresIn)
	}
	tenant := sendforsign.ClientToken(token.AccessToken)
	if self := must(f.api.ReadClient(ctx, tenant, sendforsign.ClientQuery{}))(t); self.ClientKey != created.ClientKey {
		t.Errorf("the token is that of %+v", self)
	}
	user := must(f.api.CreateUser(ctx, tenant, created.ClientKey, sendforsign.UserFields{Email: "g@example.com"}))(t)
	if err := f.api.UpdateUser(ctx, tenant, created.ClientKey, user.UserKey, sendforsign.UserFields{FullName: "Grace"}); err != nil {
		t.Fatal(err)
	}
	found := must(f.api.ReadUser(ctx, tenant, created.ClientKey, sendforsign.UserQuery{Email: "g@example.com"}))(t)
	if found.UserKey != user.UserKey || found.FullName != "Grace" {
		t.Errorf("found %+v", found)
	}
	users := must(f.api.ListUsers(ctx, sendforsign.APIKey(f.Credentials().APIKey), created.ClientKey))(t)
	if len(users) != 3 || users[2].FullName != "Grace" || len(f.Users(created.ClientKey)) != 3 {
		t.Errorf("listed %+v", users)
	}
	if clients := f.Clients(); len(clients) != 1 || !clients[0].Multiple || !clients[0].Users[0].Default {
		t.Errorf("the server has %+v", clients)
	}

	if f.LiveTokens(created.ClientKey) != 1 {
		t.Error("the token is not alive")
	}
	if err := f.api.RevokeClientToken(ctx, f.platform, token.AccessToken); err != nil {
		t.Fatal(err)
	}
	if info, ok := f.TokenState(token.AccessToken.Reveal()); !ok || info.Alive || !info.Revoked || info.ClientKey != created.ClientKey {
		t.Errorf("the token is %+v", info)
	}
	_, err := f.api.ListUsers(ctx, tenant, created.ClientKey)
	wantKind(t, "unauthorized", err)
	if err := f.api.RevokePlatformToken(ctx, f.platform); err != nil {
		t.Fatal(err)
	}
	_, err = f.api.ListClients(ctx, f.auth)
	wantKind(t, "unauthorized", err)

	if n := f.CountCalls("user", ""); n != 5 || f.CountCalls("", "") != len(f.Calls()) {
		t.Errorf("%d calls on users", n)
	}
	first := f.Calls()[0]
	if first != (sfstest.Call{
		Time: f.clock.Now(), Endpoint: "client", Action: "create", ClientKey: created.ClientKey, CustomKey: "uid-1",
		Status: 201, Effect: true,
	}) {
		t.Errorf("the first call was %+v", first)
	}
	log := fmt.Sprintf("%+v", f.Calls())
	for _, secret := range f.Issued() {
		if !strings.HasPrefix(secret, sfstest.CanaryPrefix) {
			t.Errorf("%s is no canary", secret)
		}
	}
	if len(f.Issued()) != 4 || strings.Contains(log, sfstest.CanaryPrefix) {
		t.Errorf("%d secrets; call log %s", len(f.Issued()), log)
	}
}

func TestRequestsAreValidated(t *testing.T) {
	f := start(t, sfstest.Behaviour{})
	key := f.create(t, "c")
	client := f.mint(t, key).Reveal()
	platform := f.bearer()
	tenant := []string{"Authorization", "Bearer " + client}
	apiKey := []string{"X-Sendforsign-Key", f.Credentials().APIKey.Reveal()}
	tests := []struct {
		endpoint, body string
		header         []string
		want           int
	}{
		{"client", `{"data":{"action":"list"}}`, nil, 401},
		{"client", `{"data":{"action":"list"}}`, []string{"X-Sendforsign-Key", "nonsense"}, 403},
		{"client", `{"data":{"action":"list"}}`, tenant, 403},
		{"client", `{"data":{"action":"list"}}`, apiKey, 200},
		{"client", `{"data":{"action":"list"}}`, platform, 200},
		{"client", `{"action":"list"}`, platform, 400},
		{"client", `{"data":{"action":"list"},"more":1}`, platform, 400},
		{"client", `{"data":{"action":"list","clientKye":"x"}}`, platform, 400},
		{"client", `{"data":{"action":"list"}} x`, platform, 400},
		{"client", `{"data":null}`, platform, 400},
		{"client", `{`, platform, 400},
		{"client", `null`, platform, 400},
		{"client", ``, platform, 400},
		{"client", `{"data":{"action":"archive","client":{}}}`, platform, 400},
		{"client", `{"data":{"action":"create"}}`, platform, 400},
		{"client", `{"data":{"action":"create","client":{}}}`, platform, 400},
		{"client", `{"data":{"action":"create","client":{"clientKey":"x","email":"e"}}}`, platform, 400},
		{"client", `{"data":{"action":"create","client":{"email":7}}}`, platform, 400},
		{"client", `{"data":{"action":"read","client":{}}}`, platform, 400},
		{"client", `{"data":{"action":"read","client":{}}}`, tenant, 200},
		{"client", `{"data":{"action":"update","client":{"email":"e"}}}`, platform, 400},
		{"client", `{"data":{"action":"update","client":{"clientKey":"` + key + `","users":[]}}}`, platform, 400},
		{"user", `{"data":{"action":"list","clientKey":"` + key + `"}}`, platform, 403},
		{"user", `{"data":{"action":"list"}}`, apiKey, 400},
		{"user", `{"data":{"action":"list"}}`, tenant, 200},
		{"user", `{"data":{"action":"list","clientKey":"another"}}`, tenant, 403},
		{"user", `{"data":{"action":"list","clientKey":"another"}}`, apiKey, 404},
		{"user", `{"action":"list"}`, tenant, 400},
		{"user", `{"data":{"action":"create"}}`, tenant, 400},
		{"user", `{"data":{"action":"create","user":{}}}`, tenant, 400},
		{"user", `{"data":{"action":"create","user":{"userKey":"x","email":"e"}}}`, tenant, 400},
		{"user", `{"data":{"action":"read","user":{}}}`, tenant, 400},
		{"user", `{"data":{"action":"update","user":{"email":"e"}}}`, tenant, 400},
		{"user", `{"data":{"action":"update","user":{"userKey":"x","email":"e"}}}`, tenant, 404},
		{"user", `{"data":{"action":"archive","user":{}}}`, tenant, 400},
		{"token", `{"data":{"action":"create","apiKey":"x"}}`, nil, 400},
		{"token", `{"action":"create"}`, platform, 400},
		{"token", `{"action":"create","clientKey":"` + key + `"}`, nil, 401},
		{"token", `{"action":"create","clientKey":"` + key + `"}`, apiKey, 401},
		{"token", `{"action":"create","clientKey":"` + key + `"}`, tenant, 403},
		{"token", `{"action":"revoke","access_token":""}`, platform, 400},
		{"token", `{"action":"renew"}`, platform, 400},
		{"contract", `{}`, platform, 404},
		{"client", `{"data":{"action":"list"}}`, append([]string{"Content-Type", "text/plain"}, platform...), 415},
		{"client", strings.Repeat(" ", 1<<20+1), platform, 413},
	}
	for _, test := range tests {
		if status, answer := f.post(t, test.endpoint, test.body, test.header...); status != test.want {
			t.Errorf("%s %.80s: got %d %v, want %d", test.endpoint, test.body, status, answer, test.want)
		}
	}
	if len(f.Clients()) != 1 || len(f.Users(key)) != 1 {
		t.Error("a request that was refused had an effect")
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, f.BaseURL()+"/client", nil)
	if status, _ := f.send(t, req); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: got %d", status)
	}
}

func TestAccountsAreApart(t *testing.T) {
	f := start(t, sfstest.Behaviour{})
	ctx := t.Context()
	key := f.create(t, "mine")
	token := f.mint(t, key)

	other := f.AddAccount()
	platform := must(f.api.CreatePlatformToken(ctx, other))(t).AccessToken
	auth := sendforsign.PlatformToken(platform)
	if clients := must(f.api.ListClients(ctx, auth))(t); len(clients) != 0 {
		t.Errorf("another account lists %+v", clients)
	}
	for _, q := range []sendforsign.ClientQuery{{CustomKey: "mine"}, {ClientKey: key}} {
		_, err := f.api.ReadClient(ctx, auth, q)
		wantKind(t, "not found", err)
	}
	wantKind(t, "not found", f.api.UpdateClient(ctx, auth, key, sendforsign.ClientFields{Email: "e"}))
	_, err := f.api.CreateClientToken(ctx, platform, key)
	wantKind(t, "not found", err)
	_ = f.api.RevokeClientToken(ctx, platform, token)
	if f.LiveTokens(key) != 1 {
		t.Error("another account revoked the token")
	}
	_, err = f.api.CreatePlatformToken(ctx, sendforsign.Credentials{APIKey: other.APIKey, Secret: f.Credentials().Secret})
	wantKind(t, "unauthorized", err)

	// Whoever uses the same API key sees the same clients.
	second := must(sendforsign.New(f.BaseURL(), sendforsign.WithRootCAs(pool(f.Server))))(t)
	defer second.Close()
	if clients := must(second.ListClients(ctx, sendforsign.APIKey(f.Credentials().APIKey)))(t); len(clients) != 1 {
		t.Errorf("the same account lists %+v", clients)
	}
}

func TestTokensRevokedByOthers(t *testing.T) {
	f := start(t, sfstest.Behaviour{})
	key, other := f.create(t, "c"), f.create(t, "d")
	first, second, kept := f.mint(t, key), f.mint(t, key), f.mint(t, other)
	f.RevokeTokens(key)
	for _, token := range []sendforsign.Secret{first, second} {
		if info, _ := f.TokenState(token.Reveal()); !info.Revoked {
			t.Errorf("the token is %+v", info)
		}
		_, err := f.api.ReadClient(t.Context(), sendforsign.ClientToken(token), sendforsign.ClientQuery{})
		wantKind(t, "unauthorized", err)
	}
	if info, _ := f.TokenState(kept.Reveal()); !info.Alive {
		t.Errorf("the token of another client is %+v", info)
	}
	if f.mint(t, key); f.LiveTokens(key) != 1 {
		t.Error("there are no new tokens")
	}
}

func TestManyClients(t *testing.T) {
	f := start(t, sfstest.Behaviour{})
	const n = 2000
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range n / 8 {
				_, err := f.api.CreateClient(t.Context(), f.auth, sendforsign.ClientFields{CustomKey: fmt.Sprintf("%d-%d", worker, i)})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	clients := must(f.api.ListClients(t.Context(), f.auth))(t)
	sameOrder := slices.EqualFunc(clients, f.Clients(), func(a, b sendforsign.Client) bool { return a.ClientKey == b.ClientKey })
	if len(clients) != n || !sameOrder {
		t.Errorf("listed %d clients, in order: %v", len(clients), sameOrder)
	}
	if c := must(f.read(t.Context(), sendforsign.ClientQuery{CustomKey: "3-77"}))(t); c.CustomKey != "3-77" {
		t.Errorf("read %+v", c)
	}
}

func TestOnlyLoopbackAddresses(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "example.com:0", "192.0.2.1:0", "nonsense", "[::]:0"} {
		if s, err := sfstest.Start(sfstest.WithAddr(addr)); err == nil {
			s.Close()
			t.Errorf("listens on %s", addr)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("New does not panic")
		}
	}()
	sfstest.New(sfstest.WithAddr(":0"))
}

func TestConnectionsAreCounted(t *testing.T) {
	for name, tc := range map[string]struct {
		options []sfstest.Option
		most    int
	}{
		"each call under way needs one": {most: 3},
		"HTTP/2 has calls share one":    {options: []sfstest.Option{sfstest.WithHTTP2()}, most: 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := sfstest.New(tc.options...)
			t.Cleanup(server.Close)
			api, err := sendforsign.New(server.BaseURL(), sendforsign.WithRootCAs(pool(server)))
			if err != nil {
				t.Fatal(err)
			}
			for range 3 { // one after the other
				must(api.CreatePlatformToken(t.Context(), server.Credentials()))(t)
			}
			if open, most := server.Connections(); open != 1 || most != 1 {
				t.Errorf("%d connections are open, and %d were; want 1", open, most)
			}
			arrived, goOn := make(chan struct{}), make(chan struct{})
			server.Inject(sfstest.Fault{Before: func() { arrived <- struct{}{}; <-goOn }})
			var calls sync.WaitGroup
			for range 3 { // at a time
				calls.Go(func() { _, _ = api.CreatePlatformToken(t.Context(), server.Credentials()) })
			}
			for range 3 {
				<-arrived
			}
			close(goOn)
			calls.Wait()
			if _, most := server.Connections(); most != tc.most {
				t.Errorf("%d connections were open at a time, want %d", most, tc.most)
			}
		})
	}
}
