package sendforsign_test

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sendforsign/sfs-operator/sendforsign"
)

func TestAnswersAreBounded(t *testing.T) {
	var body string
	var size int // white space goes after body up to it
	api := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, body)
		padding := strings.Repeat(" ", 1<<20)
		for left := size - len(body); left > 0; left -= len(padding) {
			if _, err := io.WriteString(w, padding[:min(left, len(padding))]); err != nil {
				return
			}
		}
	})
	auth := sendforsign.APIKey("k")
	read := func() error {
		_, err := api.ReadClient(t.Context(), auth, sendforsign.ClientQuery{CustomKey: "c"})
		return err
	}
	list := func() error {
		_, err := api.ListClients(t.Context(), auth)
		return err
	}
	users := func() error {
		_, err := api.ListUsers(t.Context(), auth, "k")
		return err
	}
	for _, test := range []struct {
		body          string
		call          func() error
		good, tooLong int
	}{
		{`{"client":{"clientKey":"k"}}`, read, 1 << 20, 1<<20 + 1},
		{`{"clients":[]}`, list, 2 << 20, 64<<20 + 1},
		{`{"users":[]}`, users, 2 << 20, 64<<20 + 1},
	} {
		body, size = test.body, test.good
		if err := test.call(); err != nil {
			t.Errorf("%s of %d bytes: %v", body, size, err)
		}
		size = test.tooLong
		if err := test.call(); !sendforsign.IsUnknownOutcome(err) || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%s of %d bytes: %v", body, size, err)
		}
	}
}

// countingServer counts its connections.
func countingServer(t *testing.T, http2 bool, handler http.HandlerFunc) (*sendforsign.API, *atomic.Int32) {
	t.Helper()
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.EnableHTTP2 = http2
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	api, err := sendforsign.New(server.URL, sendforsign.WithRootCAs(pool))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	return api, &connections
}

func TestConnectionsAreKept(t *testing.T) {
	for major, http2 := range map[int]bool{1: false, 2: true} {
		t.Run(fmt.Sprintf("HTTP/%d", major), func(t *testing.T) {
			api, connections := countingServer(t, http2, func(w http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor != major {
					t.Errorf("came by %s", r.Proto)
				}
				if strings.HasSuffix(r.URL.Path, "/token") {
					w.WriteHeader(http.StatusBadGateway) // an error must not cost a connection
					_, _ = io.WriteString(w, strings.Repeat("<p>", 10_000))
					return
				}
				_, _ = io.WriteString(w, `{"clients":[]}`)
			})
			for range 20 {
				if _, err := api.ListClients(t.Context(), sendforsign.APIKey("k")); err != nil {
					t.Fatal(err)
				}
				if err := api.RevokePlatformToken(t.Context(), "t"); !sendforsign.IsUnknownOutcome(err) {
					t.Fatal(err)
				}
			}
			if n := connections.Load(); n != 1 {
				t.Errorf("%d connections for 40 calls", n)
			}
		})
	}
}

func TestConnectionsAreKeptAfterABurst(t *testing.T) {
	const burst = 16
	var together *sync.WaitGroup // all calls of a burst are under way at once
	api, connections := countingServer(t, false, func(w http.ResponseWriter, _ *http.Request) {
		together.Done()
		together.Wait()
		_, _ = io.WriteString(w, `{"clients":[]}`)
	})
	for range 3 {
		together = &sync.WaitGroup{}
		together.Add(burst)
		var calls sync.WaitGroup
		for range burst {
			calls.Go(func() {
				if _, err := api.ListClients(t.Context(), sendforsign.APIKey("k")); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
	}
	if n := connections.Load(); n != burst {
		t.Errorf("%d connections for bursts of %d", n, burst)
	}
}
