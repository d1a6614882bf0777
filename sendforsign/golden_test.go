package sendforsign_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/sendforsign"
)

// newAPI starts a TLS server and makes a client of it.
func newAPI(t *testing.T, handler http.HandlerFunc, opts ...sendforsign.Option) *sendforsign.API {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	api, err := sendforsign.New(server.URL+"/api", append(opts, sendforsign.WithRootCAs(pool))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	return api
}

// golden is a file under testdata: a request, and the answer that is documented for it.
type golden struct {
	request string
	status  int
	header  http.Header
	body    string
}

func readGolden(t *testing.T, name string) golden {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".http"))
	if err != nil {
		t.Fatal(err)
	}
	request, answer, ok := strings.Cut(string(raw), "\n\n--- answer\n")
	if !ok {
		t.Fatalf("%s has no answer", name)
	}
	head, body, _ := strings.Cut(answer, "\n\n")
	lines := strings.Split(head, "\n")
	g := golden{request: request, header: http.Header{}, body: body}
	if g.status, err = strconv.Atoi(lines[0][:3]); err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		key, value, _ := strings.Cut(line, ": ")
		g.header.Set(key, value)
	}
	return g
}

// dump writes a request the way the golden files have it: every header but Host, sorted, and the body byte for byte.
func dump(r *http.Request) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.RequestURI)
	header := r.Header.Clone()
	header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	for _, key := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintf(&b, "%s: %s\n", key, strings.Join(header[key], ", "))
	}
	b.WriteByte('\n')
	_, _ = io.Copy(&b, r.Body)
	return b.String()
}

func TestCallsSendAndReadWhatIsDocumented(t *testing.T) {
	var (
		platform = sendforsign.PlatformToken("platform-token")
		client   = sendforsign.ClientToken("client-token")
		key      = sendforsign.APIKey("api-key")

		created = time.Date(2023, 12, 1, 12, 18, 55, 0, time.UTC)
		changed = created.Add(time.Second)
		token   = sendforsign.Token{AccessToken: "123456789...", TokenType: "Bearer", ExpiresIn: 30 * time.Minute}
		ada     = sendforsign.Client{
			ClientKey: "CLIENT_KEY", FullName: "Ada Lovelace", Email: "ada@example.com",
			Organization: "Analytical Engines", CustomKey: "uid-1", CreateTime: created, ChangeTime: changed,
		}
		charles = sendforsign.User{
			UserKey: "USER_KEY", FullName: "Charles Babbage", Email: "charles@example.com", CustomKey: "uid-2",
			CreateTime: created, ChangeTime: changed,
		}
		charlesFields = sendforsign.UserFields{FullName: "Charles Babbage", Email: "charles@example.com", CustomKey: "uid-2"}
		newUser       = sendforsign.User{UserKey: "USER_KEY", CreateTime: created}
	)
	listed := ada
	listed.Multiple = true

	type (
		ctx = context.Context
		api = *sendforsign.API
	)
	nothing := func(err error) (any, error) { return nil, err }
	tests := []struct {
		golden    string
		envelope  sendforsign.Envelope
		call      func(ctx, api) (any, error)
		want      any
		wantError func(error) bool
		wantText  string
	}{
		{
			golden: "token_create_platform",
			call: func(c ctx, a api) (any, error) {
				return a.CreatePlatformToken(c, sendforsign.Credentials{APIKey: "api-key", Secret: "api-secret"})
			},
			want: token,
		},
		{
			golden:   "token_create_platform",
			envelope: sendforsign.EnvelopeWrapped,
			call: func(c ctx, a api) (any, error) {
				return a.CreatePlatformToken(c, sendforsign.Credentials{APIKey: "api-key", Secret: "api-secret"})
			},
			want: token,
		},
		{
			golden:   "token_create_platform_bare",
			envelope: sendforsign.EnvelopeBare,
			call: func(c ctx, a api) (any, error) {
				return a.CreatePlatformToken(c, sendforsign.Credentials{APIKey: "api-key", Secret: "api-secret"})
			},
			want: token,
		},
		{
			golden: "token_create_client",
			call:   func(c ctx, a api) (any, error) { return a.CreateClientToken(c, "platform-token", "client-key") },
			want:   token,
		},
		{
			golden:   "token_create_client",
			envelope: sendforsign.EnvelopeBare,
			call:     func(c ctx, a api) (any, error) { return a.CreateClientToken(c, "platform-token", "client-key") },
			want:     token,
		},
		{
			golden:   "token_create_client_wrapped",
			envelope: sendforsign.EnvelopeWrapped,
			call:     func(c ctx, a api) (any, error) { return a.CreateClientToken(c, "platform-token", "client-key") },
			want:     token,
		},
		{
			golden: "token_revoke_platform",
			call:   func(c ctx, a api) (any, error) { return nothing(a.RevokePlatformToken(c, "platform-token")) },
		},
		{
			golden:   "token_revoke_platform_wrapped",
			envelope: sendforsign.EnvelopeWrapped,
			call:     func(c ctx, a api) (any, error) { return nothing(a.RevokePlatformToken(c, "platform-token")) },
		},
		{
			golden: "token_revoke_platform_2024",
			call:   func(c ctx, a api) (any, error) { return nothing(a.RevokePlatformToken(c, "platform-token")) },
		},
		{
			golden: "token_revoke_client",
			call: func(c ctx, a api) (any, error) {
				return nothing(a.RevokeClientToken(c, "platform-token", "client-token"))
			},
		},
		{
			golden:   "token_revoke_client_wrapped",
			envelope: sendforsign.EnvelopeWrapped,
			call: func(c ctx, a api) (any, error) {
				return nothing(a.RevokeClientToken(c, "platform-token", "client-token"))
			},
		},
		{
			golden:    "token_expired",
			call:      func(c ctx, a api) (any, error) { return a.CreateClientToken(c, "platform-token", "client-key") },
			wantError: sendforsign.IsUnauthorized,
			wantText:  "token create: 401: Token expired",
		},
		{
			golden:    "token_expired_2024",
			call:      func(c ctx, a api) (any, error) { return a.CreateClientToken(c, "platform-token", "client-key") },
			wantError: sendforsign.IsUnauthorized,
			wantText:  "token create: 400: The token has been expired.",
		},
		{
			golden: "client_create",
			call: func(c ctx, a api) (any, error) {
				return a.CreateClient(c, platform, sendforsign.ClientFields{
					FullName: "Ada Lovelace", Email: "ada@example.com", Organization: "Analytical Engines", CustomKey: "uid-1",
					Users: []sendforsign.UserFields{charlesFields},
				})
			},
			want: sendforsign.Client{
				ClientKey: "CLIENT_KEY", CreateTime: created,
				Users: []sendforsign.User{{UserKey: "USER_KEY", Default: true, CreateTime: created}},
			},
		},
		{
			golden: "client_create_key",
			call: func(c ctx, a api) (any, error) {
				return a.CreateClient(c, key, sendforsign.ClientFields{CustomKey: "uid-1"})
			},
			want: sendforsign.Client{ClientKey: "CLIENT_KEY", CreateTime: created},
		},
		{
			golden: "client_read",
			call: func(c ctx, a api) (any, error) {
				return a.ReadClient(c, platform, sendforsign.ClientQuery{
					ClientKey: "CLIENT_KEY", FullName: "Ada Lovelace", Email: "ada@example.com",
					Organization: "Analytical Engines", CustomKey: "uid-1",
				})
			},
			want: ada,
		},
		{
			golden: "client_read_self",
			call:   func(c ctx, a api) (any, error) { return a.ReadClient(c, client, sendforsign.ClientQuery{}) },
			want:   ada,
		},
		{
			golden: "client_read_missing",
			call: func(c ctx, a api) (any, error) {
				return a.ReadClient(c, key, sendforsign.ClientQuery{CustomKey: "uid-1"})
			},
			wantError: sendforsign.IsNotFound,
			wantText:  "client read: 404: Client not found",
		},
		{
			golden: "client_list",
			call:   func(c ctx, a api) (any, error) { return a.ListClients(c, platform) },
			want:   []sendforsign.Client{listed},
		},
		{
			golden: "client_update",
			call: func(c ctx, a api) (any, error) {
				return nothing(a.UpdateClient(c, platform, "CLIENT_KEY", sendforsign.ClientFields{
					FullName: "Ada King", Email: "king@example.com", Organization: "Engines", CustomKey: "uid-9",
					Users: []sendforsign.UserFields{charlesFields}, // not a field of an update
				}))
			},
		},
		{
			golden: "client_update_key",
			call: func(c ctx, a api) (any, error) {
				return nothing(a.UpdateClient(c, key, "CLIENT_KEY", sendforsign.ClientFields{Email: "king@example.com"}))
			},
		},
		{
			golden:    "client_throttled",
			call:      func(c ctx, a api) (any, error) { return a.ListClients(c, platform) },
			wantError: sendforsign.IsThrottled,
			wantText:  "client list: 429: Too many requests",
		},
		{
			golden:    "client_bad_gateway",
			call:      func(c ctx, a api) (any, error) { return a.ListClients(c, platform) },
			wantError: sendforsign.IsUnknownOutcome,
			wantText:  "client list: 502: Bad Gateway",
		},
		{
			golden: "user_create",
			call:   func(c ctx, a api) (any, error) { return a.CreateUser(c, client, "CLIENT_KEY", charlesFields) },
			want:   newUser,
		},
		{
			golden: "user_create_key",
			call: func(c ctx, a api) (any, error) {
				return a.CreateUser(c, key, "CLIENT_KEY", sendforsign.UserFields{Email: "charles@example.com"})
			},
			want: newUser,
		},
		{
			golden: "user_read",
			call: func(c ctx, a api) (any, error) {
				return a.ReadUser(c, client, "CLIENT_KEY", sendforsign.UserQuery{
					UserKey: "USER_KEY", FullName: "Charles Babbage", Email: "charles@example.com", CustomKey: "uid-2",
				})
			},
			want: charles,
		},
		{
			golden: "user_read_key",
			call: func(c ctx, a api) (any, error) {
				return a.ReadUser(c, key, "CLIENT_KEY", sendforsign.UserQuery{CustomKey: "uid-2"})
			},
			want: charles,
		},
		{
			golden: "user_list",
			call:   func(c ctx, a api) (any, error) { return a.ListUsers(c, client, "CLIENT_KEY") },
			want:   []sendforsign.User{charles},
		},
		{
			golden: "user_list_key",
			call:   func(c ctx, a api) (any, error) { return a.ListUsers(c, key, "CLIENT_KEY") },
			want:   []sendforsign.User{charles},
		},
		{
			golden:    "user_list_platform",
			call:      func(c ctx, a api) (any, error) { return a.ListUsers(c, platform, "CLIENT_KEY") },
			wantError: sendforsign.IsUnauthorized,
			wantText:  "user list: 403: Forbidden",
		},
		{
			golden: "user_update",
			call: func(c ctx, a api) (any, error) {
				return nothing(a.UpdateUser(c, client, "CLIENT_KEY", "USER_KEY", sendforsign.UserFields{
					FullName: "C. Babbage", Email: "c@example.com", CustomKey: "uid-3",
				}))
			},
		},
		{
			golden: "user_update_key",
			call: func(c ctx, a api) (any, error) {
				return nothing(a.UpdateUser(c, key, "CLIENT_KEY", "USER_KEY", sendforsign.UserFields{Email: "c@example.com"}))
			},
		},
	}
	used := map[string]bool{}
	for _, test := range tests {
		used[test.golden+".http"] = true
		t.Run(test.golden, func(t *testing.T) {
			g := readGolden(t, test.golden)
			requests := make(chan string, 2)
			a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
				requests <- dump(r)
				maps.Copy(w.Header(), g.header)
				w.WriteHeader(g.status)
				_, _ = io.WriteString(w, g.body)
			}, sendforsign.WithEnvelope(test.envelope))

			got, err := test.call(t.Context(), a)
			if sent := <-requests; sent != g.request {
				t.Errorf("sent:\n%s\n\nwant:\n%s", sent, g.request)
			}
			if len(requests) > 0 {
				t.Error("sent more than once")
			}
			switch {
			case test.wantError == nil && err != nil:
				t.Fatal(err)
			case test.wantError == nil && !reflect.DeepEqual(got, test.want):
				t.Errorf("got %#v, want %#v", got, test.want)
			case test.wantError != nil && !test.wantError(err):
				t.Errorf("%v is of another kind", err)
			case test.wantError != nil && err.Error() != test.wantText:
				t.Errorf("got error %q, want %q", err, test.wantText)
			}
		})
	}
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !file.IsDir() && !used[file.Name()] {
			t.Errorf("no test uses %s", file.Name())
		}
	}
}
