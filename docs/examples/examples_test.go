// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package examples_test runs the examples as processes against a simulator of SFS, while their token is replaced as a
// kubelet replaces it.
package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/secretvolume"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// deadline is reached only by a test that fails.
const deadline = 2 * time.Minute

// example is how one of them is run.
type example struct {
	// probe succeeds where the machine has what the example needs.
	probe []string
	// command is what is run, and env what has it trust the authority in that file.
	command func(t *testing.T) []string
	trust   func(t *testing.T, authority string) (env string)
}

var examples = map[string]example{
	"go": {
		probe: []string{"go", "version"},
		command: func(t *testing.T) []string {
			binary := filepath.Join(t.TempDir(), "example")
			build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./go")
			build.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make build` does, so that its cache serves
			if said, err := build.CombinedOutput(); err != nil {
				t.Fatalf("building the example: %v\n%s", err, said)
			}
			return []string{binary}
		},
		trust: func(t *testing.T, authority string) string {
			if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
				t.Skip("Go takes authorities from the system only here")
			}
			return "SSL_CERT_FILE=" + authority
		},
	},
	"node": {
		probe:   []string{"node", "--eval", "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)"},
		command: func(*testing.T) []string { return []string{"node", "node/main.mjs"} },
		trust:   func(_ *testing.T, authority string) string { return "NODE_EXTRA_CA_CERTS=" + authority },
	},
	"python": {
		probe:   []string{"python3", "-c", "import sys; sys.exit(sys.version_info < (3, 8))"},
		command: func(*testing.T) []string { return []string{"python3", "python/main.py"} },
		trust:   func(_ *testing.T, authority string) string { return "SSL_CERT_FILE=" + authority },
	},
	"java": {
		probe:   []string{"java", "--version"}, // an option that Java 8 does not know
		command: func(*testing.T) []string { return []string{"java", "java/Main.java"} },
		trust: func(t *testing.T, authority string) string {
			store := filepath.Join(t.TempDir(), "authorities")
			imported := exec.CommandContext(t.Context(), "keytool", "-importcert", "-noprompt", "-alias", "sfstest",
				"-file", authority, "-keystore", store, "-storepass", "changeit", "-J-XX:TieredStopAtLevel=1")
			if said, err := imported.CombinedOutput(); err != nil {
				t.Fatalf("making a store of authorities: %v\n%s", err, said)
			}
			return "JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore=" + store + " -Djavax.net.ssl.trustStorePassword=changeit" +
				" -XX:TieredStopAtLevel=1" // it does not run for long enough to be worth the other
		},
	},
}

// TestEveryExampleIsRun holds the table to the directories beside it.
func TestEveryExampleIsRun(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, entry := range entries {
		if entry.IsDir() {
			there = append(there, entry.Name())
		}
	}
	if run := slices.Sorted(maps.Keys(examples)); !slices.Equal(there, run) {
		t.Errorf("there are examples %v, and run are %v", there, run)
	}
}

func TestAnApplicationSeesNoRefusalWhileItsTokenIsReplaced(t *testing.T) {
	for name, e := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			e.require(ctx, t)
			sfs := newTenant(ctx, t)
			first := sfs.mint(ctx, t)
			sfs.mount(t, first, sfs.server.BaseURL())
			app := e.start(ctx, t, sfs)
			app.wants(t, "with the first token", "200", "200")

			second := sfs.mint(ctx, t)
			sfs.mount(t, second, sfs.server.BaseURL())
			sfs.revoke(ctx, t, first)
			// Who reads the file for each request is not refused at all, who reads it each minute is once.
			app.wants(t, "after its token was replaced and revoked", "200", "200", "401 200")

			third := sfs.mint(ctx, t)
			sfs.server.Inject(sfstest.Fault{Endpoint: "user", Times: 1, Before: func() {
				sfs.mount(t, third, sfs.server.BaseURL())
				sfs.revoke(ctx, t, second)
			}})
			app.wants(t, "with its token replaced and revoked while a request is under way", "200", "401 200")

			fourth := sfs.mint(ctx, t)
			sfs.revoke(ctx, t, third)
			app.wants(t, "with a revoked token and no other one yet", "401", "401")
			sfs.mount(t, fourth, sfs.server.BaseURL())
			app.wants(t, "with the one that came then", "200", "200")

			sfs.mount(t, fourth, strings.Replace(sfs.server.BaseURL(), "127.0.0.1", "localhost", 1))
			app.wantsNoTrust(t)
		})
	}
}

// require skips the test where the machine lacks what the example needs, unless all examples are to be run.
func (e example) require(ctx context.Context, t *testing.T) {
	said, err := exec.CommandContext(ctx, e.probe[0], e.probe[1:]...).CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("EXAMPLES") == "all":
		t.Fatalf("EXAMPLES=all, but %v fails: %v\n%s", e.probe, err, said)
	default:
		t.Skipf("not run, since %v fails: %v", e.probe, err)
	}
}

// application is an example that runs.
type application struct {
	sfs    *tenant
	ask    io.Writer
	lines  chan string // what it prints; closed when it has ended
	done   <-chan struct{}
	ended  func() error
	stderr *bytes.Buffer // to be looked at when it has ended
}

func (e example) start(ctx context.Context, t *testing.T, sfs *tenant) *application {
	authority := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(authority, sfs.server.CABundle(), 0o600); err != nil {
		t.Fatal(err)
	}
	command := e.command(t)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "SFS_TOKEN_DIR="+sfs.dir, "NO_PROXY=*", "no_proxy=*", e.trust(t, authority))
	a := &application{sfs: sfs, lines: make(chan string), done: ctx.Done(), stderr: &bytes.Buffer{}}
	cmd.Stderr = a.stderr
	ask, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.ask = ask
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(a.lines)
		for printed := bufio.NewScanner(stdout); printed.Scan(); {
			a.lines <- printed.Text()
		}
	}()
	a.ended = cmd.Wait
	t.Cleanup(func() {
		_ = ask.Close()
		for line := range a.lines {
			t.Errorf("printed that nobody asked for: %s", line)
		}
		_ = cmd.Wait()
		if strings.Contains(a.stderr.String(), sfstest.CanaryPrefix) {
			t.Errorf("a secret was printed: %s", a.stderr)
		}
	})
	return a
}

// wants has the application make a call, which must come to the status and to one of the sequences of answers by SFS.
func (a *application) wants(t *testing.T, when, status string, answers ...string) {
	t.Helper()
	a.sfs.server.ResetCalls()
	line, ok := a.call(t)
	if !ok {
		t.Fatalf("%s: it has ended: %v\n%s", when, a.ended(), a.stderr)
	}
	if !strings.HasPrefix(line, status+" {") || strings.Contains(line, sfstest.CanaryPrefix) {
		t.Fatalf("%s: it printed %q, want %s and what SFS has answered", when, line, status)
	}
	if status == "200" && !strings.Contains(line, a.sfs.userKey) {
		t.Errorf("%s: it printed %q, want the user %s", when, line, a.sfs.userKey)
	}
	if got := a.sfs.answers(); !slices.Contains(answers, got) {
		t.Errorf("%s: SFS has answered %s, want %v", when, got, answers)
	}
}

// wantsNoTrust has the application make a call to a server whose certificate has another name.
func (a *application) wantsNoTrust(t *testing.T) {
	t.Helper()
	a.sfs.server.ResetCalls()
	if line, ok := a.call(t); ok {
		t.Fatalf("it printed %q, where it should not have trusted the server", line)
	}
	if err := a.ended(); err == nil || !strings.Contains(strings.ToLower(a.stderr.String()), "certificate") {
		t.Errorf("it has ended with %v and said %q, want a complaint about the certificate", err, a.stderr)
	}
	if got := a.sfs.answers(); got != "" {
		t.Errorf("SFS was asked all the same, and answered %s", got)
	}
}

// call has the application make a call, and returns what it prints; false if it ends.
func (a *application) call(t *testing.T) (string, bool) {
	t.Helper()
	if _, err := io.WriteString(a.ask, "\n"); err != nil {
		t.Fatalf("asking: %v", err)
	}
	select {
	case line, ok := <-a.lines:
		return line, ok
	case <-a.done:
		t.Fatal("it has not answered in time")
		return "", false
	}
}

// tenant is a client at SFS, and the directory where an application has its token mounted.
type tenant struct {
	server             *sfstest.Server
	api                *sendforsign.API
	platform           sendforsign.Secret
	clientKey, userKey string
	dir                string
}

func newTenant(ctx context.Context, t *testing.T) *tenant {
	s := &tenant{server: sfstest.New(), dir: t.TempDir()}
	t.Cleanup(s.server.Close)
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(s.server.CABundle())
	var err error
	if s.api, err = sendforsign.New(s.server.BaseURL(), sendforsign.WithRootCAs(authorities)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.api.Close)
	platform, err := s.api.CreatePlatformToken(ctx, s.server.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	s.platform = platform.AccessToken
	created, err := s.api.CreateClient(ctx, sendforsign.PlatformToken(s.platform), sendforsign.ClientFields{FullName: "Jane Roe"})
	if err != nil {
		t.Fatal(err)
	}
	s.clientKey, s.userKey = created.ClientKey, created.Users[0].UserKey
	return s
}

func (s *tenant) mint(ctx context.Context, t *testing.T) sendforsign.Secret {
	t.Helper()
	token, err := s.api.CreateClientToken(ctx, s.platform, s.clientKey)
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken
}

// mount shows the token to the application, as a kubelet does. It may be called from any goroutine, as revoke may.
func (s *tenant) mount(t *testing.T, token sendforsign.Secret, baseURL string) {
	t.Helper()
	if err := secretvolume.Write(s.dir, map[string]string{
		v1alpha1.KeyToken:     token.Reveal(),
		v1alpha1.KeyTokenType: "Bearer",
		v1alpha1.KeyIssuedAt:  s.server.Now().UTC().Format(time.RFC3339),
		v1alpha1.KeyExpiresAt: s.server.Now().Add(30 * time.Minute).UTC().Format(time.RFC3339),
		v1alpha1.KeyClientKey: s.clientKey,
		v1alpha1.KeyBaseURL:   baseURL,
	}); err != nil {
		t.Error(err)
	}
}

func (s *tenant) revoke(ctx context.Context, t *testing.T, token sendforsign.Secret) {
	t.Helper()
	if err := s.api.RevokeClientToken(ctx, s.platform, token); err != nil {
		t.Error(err)
	}
}

// answers are the statuses with which SFS has answered the application.
func (s *tenant) answers() string {
	var statuses []string
	for _, call := range s.server.Calls() {
		if call.Endpoint == "user" {
			statuses = append(statuses, strconv.Itoa(call.Status))
		}
	}
	return strings.Join(statuses, " ")
}
