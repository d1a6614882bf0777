package sfstest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// The tests of this file show what the client makes of each behaviour that the documentation leaves open. They are in the
// order of the package comment.

func TestEnvelopes(t *testing.T) {
	type e = sendforsign.Envelope
	for accepts, sends := range map[sfstest.Envelope]map[e]string{
		sfstest.AcceptBoth: {sendforsign.EnvelopeDocumented: "ok", sendforsign.EnvelopeWrapped: "ok", sendforsign.EnvelopeBare: "ok"},
		sfstest.AcceptBare: {sendforsign.EnvelopeDocumented: "ok", sendforsign.EnvelopeWrapped: "invalid", sendforsign.EnvelopeBare: "ok"},
		sfstest.AcceptWrapped: {
			sendforsign.EnvelopeDocumented: "invalid", sendforsign.EnvelopeWrapped: "ok", sendforsign.EnvelopeBare: "invalid",
		},
	} {
		for envelope, want := range sends {
			t.Run(fmt.Sprintf("%d %d", accepts, envelope), func(t *testing.T) {
				f := start(t, sfstest.Behaviour{Envelope: accepts}, sendforsign.WithEnvelope(envelope))
				_, err := f.api.CreateClientToken(t.Context(), f.platform, f.create(t, "c"))
				wantKind(t, want, err)
				wantKind(t, want, f.api.RevokeClientToken(t.Context(), f.platform, "t"))
				wantKind(t, want, f.api.RevokePlatformToken(t.Context(), f.platform))
			})
		}
	}
}

func TestFormsOfAnswers(t *testing.T) {
	// Whatever the form of code, status, time and expires_in, the client reads the same.
	for _, b := range []sfstest.Behaviour{
		{},
		{Codes: sfstest.CodesNumber}, {Codes: sfstest.CodesString}, {Codes: sfstest.CodesAbsent},
		{Statuses: sfstest.Statuses200}, {Statuses: sfstest.Statuses201},
		{Times: sfstest.TimesPlain},
		{ExpiresIn: sfstest.ExpiresInString},
	} {
		t.Run(fmt.Sprintf("%+v", b), func(t *testing.T) {
			f := start(t, b)
			key := f.create(t, "c")
			c := must(f.read(t.Context(), sendforsign.ClientQuery{ClientKey: key}))(t)
			if !c.CreateTime.Equal(f.clock.Now()) || c.CustomKey != "c" {
				t.Errorf("read %+v", c)
			}
			if token := must(f.api.CreateClientToken(t.Context(), f.platform, key))(t); token.ExpiresIn != 30*time.Minute {
				t.Errorf("token lives %v", token.ExpiresIn)
			}
			_, err := f.read(t.Context(), sendforsign.ClientQuery{ClientKey: "nonsense"})
			wantKind(t, "not found", err)
			wantKind(t, "ok", f.api.RevokePlatformToken(t.Context(), f.platform))
		})
	}
	// The simulator does what it says.
	f := start(t, sfstest.Behaviour{Codes: sfstest.CodesNumber, Statuses: sfstest.Statuses201, Times: sfstest.TimesPlain})
	f.create(t, "c")
	status, answer := f.post(t, "client", `{"data":{"action":"read","client":{"customKey":"c"}}}`, f.bearer()...)
	client, _ := answer["client"].(map[string]any)
	if status != 201 || answer["code"] != 200.0 || client["createTime"] != "2026-01-02 03:04:05" {
		t.Errorf("got %d %v", status, answer)
	}
}

func TestBadCredentials(t *testing.T) {
	for behaviour, want := range map[sfstest.BadCredentials]string{
		sfstest.BadCredentials403: "unauthorized",
		sfstest.BadCredentials401: "unauthorized",
		sfstest.BadCredentials200: "unauthorized",
		sfstest.BadCredentials400: "invalid",
		sfstest.BadCredentials404: "not found",
	} {
		f := start(t, sfstest.Behaviour{BadCredentials: behaviour})
		_, err := f.api.CreatePlatformToken(t.Context(), sendforsign.Credentials{APIKey: "a", Secret: "b"})
		wantKind(t, want, err)
	}
}

func TestBadTokens(t *testing.T) {
	for _, b := range []sfstest.Behaviour{
		{},
		{UnknownBearer: sfstest.UnknownBearer403},
		{UnknownBearer: sfstest.UnknownBearerExpired},
		{ExpiredBearer: sfstest.ExpiredBearer2024},
		{MissingAuth: sfstest.MissingAuth403},
	} {
		f := start(t, b)
		_, err := f.api.ListClients(t.Context(), sendforsign.PlatformToken("nonsense"))
		wantKind(t, "unauthorized", err)
		_, err = f.api.CreateClientToken(t.Context(), "nonsense", "k")
		wantKind(t, "unauthorized", err)
		// An API key does not authenticate token calls: for the server there is none.
		status, _ := f.post(t, "token", `{"action":"revoke"}`)
		if want := map[sfstest.MissingAuth]int{0: 401, sfstest.MissingAuth403: 403}[b.MissingAuth]; status != want {
			t.Errorf("no credentials: got %d, want %d", status, want)
		}

		f.clock.advance(30*time.Minute - 1)
		_, err = f.api.ListClients(t.Context(), f.auth)
		wantKind(t, "ok", err)
		f.clock.advance(1)
		_, err = f.api.ListClients(t.Context(), f.auth)
		wantKind(t, "unauthorized", err)
		if info, _ := f.TokenState(f.platform.Reveal()); !info.Expired || info.Alive {
			t.Errorf("the token is %+v", info)
		}
	}
}

func TestNotFound(t *testing.T) {
	for behaviour, want := range map[sfstest.NotFound]struct{ read, update, create string }{
		sfstest.NotFound404:        {"not found", "not found", "not found"},
		sfstest.NotFound200Code404: {"not found", "not found", "not found"},
		// An answer without the object tells nothing to an update, and that no user was made is beyond knowing.
		sfstest.NotFoundEmpty200: {"not found", "ok", "unknown"},
		// Nothing but the message tells it from a bad parameter.
		sfstest.NotFound400: {"invalid", "invalid", "invalid"},
	} {
		f := start(t, sfstest.Behaviour{NotFound: behaviour})
		key := sendforsign.APIKey(f.Credentials().APIKey)
		ctx := t.Context()
		_, err := f.read(ctx, sendforsign.ClientQuery{CustomKey: "none"})
		wantKind(t, want.read, err)
		_, err = f.api.ReadUser(ctx, key, f.create(t, "c"), sendforsign.UserQuery{CustomKey: "none"})
		wantKind(t, want.read, err)
		wantKind(t, want.update, f.api.UpdateClient(ctx, f.auth, "none", sendforsign.ClientFields{Email: "e"}))
		_, err = f.api.CreateUser(ctx, key, "none", sendforsign.UserFields{Email: "e"})
		wantKind(t, want.create, err)
	}
}

func TestBadRequests(t *testing.T) {
	for _, behaviour := range []sfstest.BadRequest{sfstest.BadRequest400, sfstest.BadRequest200} {
		f := start(t, sfstest.Behaviour{BadRequest: behaviour})
		_, err := f.api.CreateClient(t.Context(), f.auth, sendforsign.ClientFields{})
		wantKind(t, "invalid", err)
		wantKind(t, "invalid", f.api.UpdateClient(t.Context(), f.auth, "", sendforsign.ClientFields{Email: "e"}))
	}
}

func TestRepeatedCustomKeys(t *testing.T) {
	for behaviour, want := range map[sfstest.CustomKeys]struct {
		kind string
		n    int
		same bool
	}{
		sfstest.CustomKeysRepeat:   {"ok", 2, false},
		sfstest.CustomKeys400:      {"invalid", 1, false},
		sfstest.CustomKeys409:      {"invalid", 1, false},
		sfstest.CustomKeysExisting: {"ok", 1, true},
	} {
		f := start(t, sfstest.Behaviour{CustomKeys: behaviour})
		first := f.create(t, "c")
		second, err := f.api.CreateClient(t.Context(), f.auth, sendforsign.ClientFields{CustomKey: "c"})
		wantKind(t, want.kind, err)
		if n := len(f.Clients()); n != want.n || (second.ClientKey == first) != want.same {
			t.Errorf("%d clients, the same: %v", n, second.ClientKey == first)
		}
	}
}

func TestSeveralMatches(t *testing.T) {
	for behaviour, want := range map[sfstest.Matches]struct {
		kind  string
		index int
	}{
		sfstest.MatchesFirst: {"ok", 0},
		sfstest.MatchesLast:  {"ok", 2},
		sfstest.Matches400:   {"invalid", -1},
		sfstest.Matches404:   {"not found", -1},
	} {
		f := start(t, sfstest.Behaviour{Matches: behaviour})
		keys := []string{f.create(t, "c"), f.create(t, "c"), f.create(t, "c")}
		c, err := f.read(t.Context(), sendforsign.ClientQuery{CustomKey: "c"})
		wantKind(t, want.kind, err)
		if err == nil && c.ClientKey != keys[want.index] {
			t.Errorf("read %+v of %v", c, keys)
		}
	}
}

func TestSeveralCriteria(t *testing.T) {
	for behaviour, want := range map[sfstest.Criteria]string{
		sfstest.CriteriaAnd: "", sfstest.CriteriaOr: "a", sfstest.CriteriaFirst: "b",
	} {
		f := start(t, sfstest.Behaviour{Criteria: behaviour})
		for _, name := range []string{"a", "b"} {
			_ = must(f.api.CreateClient(t.Context(), f.auth, sendforsign.ClientFields{FullName: name, CustomKey: name}))(t)
		}
		c, err := f.read(t.Context(), sendforsign.ClientQuery{FullName: "b", CustomKey: "a"})
		if c.FullName != want {
			t.Errorf("%d: read %+v, %v, want %q", behaviour, c, err, want)
		}
		if c := must(f.read(t.Context(), sendforsign.ClientQuery{FullName: "b", CustomKey: "b"}))(t); c.FullName != "b" {
			t.Errorf("%d: read %+v", behaviour, c)
		}
	}
}

func TestDefaultUsers(t *testing.T) {
	given := []sendforsign.UserFields{{FullName: "Ada"}, {FullName: "Charles"}}
	for _, test := range []struct {
		behaviour                 sfstest.Behaviour
		users                     []sendforsign.UserFields
		returned, made, byDefault int // byDefault: index of the default user, -1 for none
	}{
		{sfstest.Behaviour{}, nil, 1, 1, 0},
		{sfstest.Behaviour{DefaultUser: sfstest.DefaultUserHidden}, nil, 0, 1, 0},
		{sfstest.Behaviour{DefaultUser: sfstest.DefaultUserNone}, nil, 0, 0, -1},
		{sfstest.Behaviour{}, given, 2, 2, 0},
		{sfstest.Behaviour{DefaultFlag: sfstest.DefaultExtra}, given, 3, 3, 0},
	} {
		f := start(t, test.behaviour)
		c := must(f.api.CreateClient(t.Context(), f.auth, sendforsign.ClientFields{CustomKey: "c", Users: test.users}))(t)
		users := f.Users(c.ClientKey)
		if len(c.Users) != test.returned || len(users) != test.made {
			t.Errorf("%+v: %d users returned, %d made", test.behaviour, len(c.Users), len(users))
		}
		for i, u := range users {
			if u.Default != (i == test.byDefault) {
				t.Errorf("%+v: default user %d", test.behaviour, i)
			}
		}
		listed := must(f.api.ListClients(t.Context(), f.auth))(t)
		if listed[0].Multiple != (test.users != nil) {
			t.Errorf("%+v: multiple is %v", test.behaviour, listed[0].Multiple)
		}
	}
}

func TestAuthPolicies(t *testing.T) {
	for policy, want := range map[sfstest.AuthPolicy]struct{ clientByKey, clientByPlatform, userByKey, userByClient, userByPlatform string }{
		sfstest.AuthDocumented:      {"ok", "ok", "ok", "ok", "unauthorized"},
		sfstest.AuthBearerOnly:      {"unauthorized", "ok", "unauthorized", "ok", "unauthorized"},
		sfstest.AuthAPIKeyOnly:      {"ok", "unauthorized", "ok", "unauthorized", "unauthorized"},
		sfstest.AuthPlatformOnUsers: {"ok", "ok", "ok", "ok", "ok"},
	} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			f := start(t, sfstest.Behaviour{Auth: policy})
			ctx := t.Context()
			apiKey := sendforsign.APIKey(f.Credentials().APIKey)
			maker := f.auth
			if policy == sfstest.AuthAPIKeyOnly {
				maker = apiKey
			}
			key := must(f.api.CreateClient(ctx, maker, sendforsign.ClientFields{CustomKey: "c"}))(t).ClientKey
			tenant := sendforsign.ClientToken(f.mint(t, key))

			_, err := f.api.ListClients(ctx, apiKey)
			wantKind(t, want.clientByKey, err)
			_, err = f.api.ListClients(ctx, f.auth)
			wantKind(t, want.clientByPlatform, err)
			_, err = f.api.ListUsers(ctx, apiKey, key)
			wantKind(t, want.userByKey, err)
			_, err = f.api.ListUsers(ctx, tenant, key)
			wantKind(t, want.userByClient, err)
			_, err = f.api.ListUsers(ctx, f.auth, key)
			wantKind(t, want.userByPlatform, err)
		})
	}
}

func TestRenewals(t *testing.T) {
	for _, test := range []struct {
		behaviour sfstest.Behaviour
		alive     []bool // of four tokens
	}{
		{sfstest.Behaviour{}, []bool{true, true, true, true}},
		{sfstest.Behaviour{Renewal: sfstest.RenewalRevokes}, []bool{false, false, false, true}},
		{sfstest.Behaviour{Renewal: sfstest.RenewalCaps, TokenCap: 2}, []bool{false, false, true, true}},
	} {
		f := start(t, test.behaviour)
		key, living := f.create(t, "c"), 0
		tokens := []sendforsign.Secret{f.mint(t, key), f.mint(t, key), f.mint(t, key), f.mint(t, key)}
		for i, token := range tokens {
			_, err := f.api.ListUsers(t.Context(), sendforsign.ClientToken(token), key)
			want := "unauthorized"
			if test.alive[i] {
				want = "ok"
				living++
			}
			wantKind(t, want, err)
		}
		if n := f.LiveTokens(key); n != living {
			t.Errorf("%+v: %d tokens live, want %d", test.behaviour, n, living)
		}
	}
}

func TestPlatformRevocation(t *testing.T) {
	for behaviour, want := range map[sfstest.PlatformRevoke]int{
		sfstest.PlatformRevokeAlone: 1, sfstest.PlatformRevokeCascades: 0,
	} {
		f := start(t, sfstest.Behaviour{PlatformRevoke: behaviour})
		key := f.create(t, "c")
		f.mint(t, key)
		if err := f.api.RevokePlatformToken(t.Context(), f.platform); err != nil {
			t.Fatal(err)
		}
		if n := f.LiveTokens(key); n != want {
			t.Errorf("%d: %d tokens live, want %d", behaviour, n, want)
		}
	}
}

func TestClientTokenLife(t *testing.T) {
	for behaviour, want := range map[sfstest.ClientTokenLife]time.Duration{
		sfstest.ClientTokenLifeOwn: 30 * time.Minute, sfstest.ClientTokenLifeCapped: 20 * time.Minute,
	} {
		f := start(t, sfstest.Behaviour{ClientTokenLife: behaviour})
		key := f.create(t, "c")
		f.clock.advance(10 * time.Minute)
		token := must(f.api.CreateClientToken(t.Context(), f.platform, key))(t)
		if token.ExpiresIn != want {
			t.Errorf("%d: lives %v, want %v", behaviour, token.ExpiresIn, want)
		}
		f.clock.advance(want)
		if f.LiveTokens(key) != 0 {
			t.Errorf("%d: lives longer than it said", behaviour)
		}
	}
}

func TestRevocationOfDeadTokens(t *testing.T) {
	for behaviour, want := range map[sfstest.RevokeUnknown]string{
		sfstest.RevokeUnknown201: "ok",
		sfstest.RevokeUnknown404: "not found",
		sfstest.RevokeUnknown401: "unauthorized",
		sfstest.RevokeUnknown400: "invalid",
	} {
		f := start(t, sfstest.Behaviour{RevokeUnknown: behaviour})
		token := f.mint(t, f.create(t, "c"))
		wantKind(t, "ok", f.api.RevokeClientToken(t.Context(), f.platform, token))
		wantKind(t, want, f.api.RevokeClientToken(t.Context(), f.platform, token))
		wantKind(t, want, f.api.RevokeClientToken(t.Context(), f.platform, "nonsense"))
	}
}

func TestTokenLifetimes(t *testing.T) {
	server := sfstest.New(sfstest.WithTokenLifetime(5 * time.Minute))
	defer server.Close()
	api := must(sendforsign.New(server.BaseURL(), sendforsign.WithRootCAs(pool(server))))(t)
	defer api.Close()
	cred := server.Credentials()
	for _, want := range []time.Duration{5 * time.Minute, time.Minute} {
		if token := must(api.CreatePlatformToken(t.Context(), cred))(t); token.ExpiresIn != want {
			t.Errorf("lives %v, want %v", token.ExpiresIn, want)
		}
		server.SetTokenLifetime(cred.APIKey, time.Minute)
	}
}

func TestClockSkew(t *testing.T) {
	for _, skew := range []time.Duration{-2 * time.Minute, 2 * time.Minute} {
		f := start(t, sfstest.Behaviour{ClockSkew: skew})
		f.create(t, "c")
		c := must(f.read(t.Context(), sendforsign.ClientQuery{CustomKey: "c"}))(t)
		if got := c.CreateTime.Sub(f.clock.Now()); got != skew {
			t.Errorf("the server's clock is off by %v, want %v", got, skew)
		}
		// The life of a token and a Retry-After date do not depend on it.
		if token := must(f.api.CreatePlatformToken(t.Context(), f.Credentials()))(t); token.ExpiresIn != 30*time.Minute {
			t.Errorf("token lives %v", token.ExpiresIn)
		}
		f.Inject(sfstest.Fault{Status: 429, Header: http.Header{
			"Retry-After": {f.Now().Add(7 * time.Second).UTC().Format(http.TimeFormat)},
		}})
		_, err := f.api.ListClients(t.Context(), f.auth)
		if wait, ok := sendforsign.RetryAfter(err); !ok || wait != 7*time.Second {
			t.Errorf("%v asks to wait %v", err, wait)
		}
	}
}

func TestDelete(t *testing.T) {
	for behaviour, want := range map[sfstest.Delete]int{sfstest.DeleteUnknownAction: 400, sfstest.Delete404: 404} {
		f := start(t, sfstest.Behaviour{Delete: behaviour})
		body := fmt.Sprintf(`{"data":{"action":"delete","client":{"clientKey":%q}}}`, f.create(t, "c"))
		if status, _ := f.post(t, "client", body, f.bearer()...); status != want || len(f.Clients()) != 1 {
			t.Errorf("got %d, want %d", status, want)
		}
	}
}

func TestRemovedClients(t *testing.T) {
	for behaviour, want := range map[sfstest.GoneClientToken]string{
		sfstest.GoneClientToken404: "not found",
		sfstest.GoneClientToken403: "unauthorized",
		sfstest.GoneClientToken400: "invalid",
	} {
		f := start(t, sfstest.Behaviour{GoneClientToken: behaviour})
		key := f.create(t, "c")
		tenant := sendforsign.ClientToken(f.mint(t, key))
		f.RemoveClient(key)
		f.RemoveClient(key)
		_, err := f.api.CreateClientToken(t.Context(), f.platform, key)
		wantKind(t, want, err)
		for _, q := range []sendforsign.ClientQuery{{ClientKey: key}, {CustomKey: "c"}} {
			_, err = f.read(t.Context(), q)
			wantKind(t, "not found", err)
		}
		_, err = f.api.ReadClient(t.Context(), tenant, sendforsign.ClientQuery{})
		wantKind(t, "not found", err)
		_, err = f.api.ListUsers(t.Context(), tenant, key)
		wantKind(t, "not found", err)
		if len(f.Clients()) != 0 || f.Users(key) != nil {
			t.Error("it is still there")
		}
	}
}

func TestQuestionableUpdates(t *testing.T) {
	for rule, want := range map[sfstest.UpdateRule]struct {
		status           int
		kind             string
		email, customKey string
	}{
		sfstest.UpdateApplied: {201, "ok", "", "d"},
		sfstest.UpdateIgnored: {201, "ok", "e", "c"},
		sfstest.Update400:     {400, "invalid", "e", "c"},
	} {
		f := start(t, sfstest.Behaviour{EmptyFields: rule, CustomKeyUpdate: rule})
		ctx := t.Context()
		c := must(f.api.CreateClient(ctx, f.auth, sendforsign.ClientFields{Email: "e", CustomKey: "c"}))(t)
		for _, empty := range []string{`""`, `null`} {
			body := fmt.Sprintf(`{"data":{"action":"update","client":{"clientKey":%q,"fullname":"n","email":%s}}}`, c.ClientKey, empty)
			status, _ := f.post(t, "client", body, f.bearer()...)
			read := must(f.read(ctx, sendforsign.ClientQuery{ClientKey: c.ClientKey}))(t)
			if status != want.status || read.Email != want.email || (status == 400) == (read.FullName == "n") {
				t.Errorf("%d: %s: got %d and %+v", rule, empty, status, read)
			}
		}
		// The client itself never sends an empty field.
		wantKind(t, want.kind, f.api.UpdateClient(ctx, f.auth, c.ClientKey, sendforsign.ClientFields{CustomKey: "d"}))
		found := must(f.read(ctx, sendforsign.ClientQuery{CustomKey: want.customKey}))(t)
		if found.ClientKey != c.ClientKey {
			t.Errorf("%d: found %+v by customKey", rule, found)
		}
	}
}

func TestLists(t *testing.T) {
	for behaviour, want := range map[sfstest.EmptyList]string{
		sfstest.EmptyListArray: "ok", sfstest.EmptyList404: "not found",
	} {
		f := start(t, sfstest.Behaviour{EmptyList: behaviour})
		_, err := f.api.ListClients(t.Context(), f.auth)
		wantKind(t, want, err)
	}
	f := start(t, sfstest.Behaviour{ListOrder: sfstest.ListShuffled})
	made := map[string]bool{}
	for i := range 20 {
		made[f.create(t, fmt.Sprint(i))] = true
	}
	for _, c := range must(f.api.ListClients(t.Context(), f.auth))(t) {
		delete(made, c.ClientKey)
	}
	if len(made) > 0 {
		t.Errorf("the list lacks %v", made)
	}
	f = start(t, sfstest.Behaviour{ListLimit: 2})
	for i := range 3 {
		f.create(t, fmt.Sprint(i))
	}
	if clients := must(f.api.ListClients(t.Context(), f.auth))(t); len(clients) != 2 {
		t.Errorf("listed %d", len(clients))
	}
}

// contentType changes the Content-Type of requests.
type contentType struct {
	value string
	next  http.RoundTripper
}

func (c contentType) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Content-Type", c.value)
	return c.next.RoundTrip(r)
}

func TestContentTypes(t *testing.T) {
	for behaviour, want := range map[sfstest.ContentTypes]string{
		sfstest.ContentTypesBoth: "ok", sfstest.ContentTypesJSON: "invalid",
	} {
		f := start(t, sfstest.Behaviour{ContentTypes: behaviour})
		vendor := must(sendforsign.New(f.BaseURL(), sendforsign.WithRootCAs(pool(f.Server)),
			sendforsign.WithTransport(func(next http.RoundTripper) http.RoundTripper {
				return contentType{"application/vnd.api+json", next}
			})))(t)
		t.Cleanup(vendor.Close)
		_, err := vendor.ListClients(t.Context(), f.auth)
		wantKind(t, want, err)
		_, err = f.api.ListClients(t.Context(), f.auth)
		wantKind(t, "ok", err)
	}
}

func TestRotatedCredentials(t *testing.T) {
	for behaviour, want := range map[sfstest.Rotation]string{
		sfstest.RotationKeepsTokens: "ok", sfstest.RotationKillsTokens: "unauthorized",
	} {
		f := start(t, sfstest.Behaviour{Rotation: behaviour})
		old := f.Credentials()
		fresh := f.RotateCredentials()
		_, err := f.api.CreatePlatformToken(t.Context(), old)
		wantKind(t, "unauthorized", err)
		_, err = f.api.ListClients(t.Context(), sendforsign.APIKey(old.APIKey))
		wantKind(t, "unauthorized", err)
		_, err = f.api.ListClients(t.Context(), f.auth)
		wantKind(t, want, err)
		_, err = f.api.CreatePlatformToken(t.Context(), fresh)
		wantKind(t, "ok", err)
	}
}

func TestPlainHTTP(t *testing.T) {
	f := start(t, sfstest.Behaviour{})
	plain := strings.Replace(f.BaseURL(), "https", "http", 1)
	if f.PlainURL() != "" {
		t.Error("there is a server for plain HTTP")
	}
	if _, err := sendforsign.New(plain); err == nil {
		t.Error("the client takes http")
	}
	if status, _ := f.get(t, plain+"/client"); status != http.StatusBadRequest {
		t.Errorf("got %d", status)
	}
	f = start(t, sfstest.Behaviour{PlainHTTP: sfstest.PlainHTTPRedirected})
	if status, location := f.get(t, f.PlainURL()+"/client"); status != 301 || location != f.BaseURL()+"/client" {
		t.Errorf("got %d to %s", status, location)
	}
	f.Inject(sfstest.Fault{Status: 301, Header: http.Header{"Location": {f.PlainURL() + "/client"}}})
	_, err := f.api.ListClients(t.Context(), f.auth)
	wantKind(t, "", err)
	if err == nil || f.CountCalls("", "") != 1 {
		t.Errorf("followed a redirect: %v", err)
	}
}

func (f fixture) get(t *testing.T, url string) (status int, location string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Location")
}

func TestAnswersAreAsDocumented(t *testing.T) {
	f := start(t, sfstest.Behaviour{})
	key := f.create(t, "c")
	for body, want := range map[string]string{
		`{"data":{"action":"create","client":{"email":"e"}}}`: `["client" ["clientKey" "createTime" "users"] "code" "message"]`,
		`{"data":{"action":"read","client":{"customKey":"c"}}}`: `["client" ["changeTime" "clientKey" "createTime" "customKey"` +
			` "email" "fullname" "organization"] "code" "message"]`,
		`{"data":{"action":"update","client":{"clientKey":"` + key + `","email":"e"}}}`: `["client" ["changeTime" "clientKey"]` +
			` "code" "message"]`,
	} {
		status, answer := f.post(t, "client", body, f.bearer()...)
		if got := shape(answer); got != want {
			t.Errorf("%s: got %d %s, want %s", body, status, got, want)
		}
		if code, ok := answer["code"].(string); !ok || code != fmt.Sprint(status) {
			t.Errorf("%s: code is %v", body, answer["code"])
		}
	}
	_, answer := f.post(t, "token", `{"action":"create","clientKey":"`+key+`"}`, f.bearer()...)
	if got := shape(answer); got != `["access_token" "expires_in" "token_type"]` || answer["expires_in"] != 1800.0 {
		t.Errorf("got %s", got)
	}
	f.clock.advance(time.Hour)
	status, answer := f.post(t, "token", `{"action":"revoke"}`, f.bearer()...)
	if raw, _ := json.Marshal(answer); status != 401 || string(raw) != `{"code":401,"message":"Token expired"}` {
		t.Errorf("got %d %s", status, raw)
	}
}
