// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package securedsigning_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/secret"
	"github.com/sendforsign/sfs-operator/securedsigning"
)

// vectors are signed by openssl in testdata/openssl.txt.
var vectors = []struct {
	apiKey, apiSecret secret.Text
	date              int64
	nonce             string
}{
	{"key", "secret", 0, "nonce"},
	{"5f1d7f6e0a4f4f0e9c1b7c0d2e3f4a5b", "b64+/=secret", 1767225600, "abcdefghijklmnopqrstuvwxyz012345"},
	{"k", "a-secret-that-is-longer-than-the-block-of-64-bytes-that-sha256-works-on-0123456789", 4102444800, "N"},
}

// command is how openssl signs a vector. printf of a shell makes \n a line feed.
func command(apiKey, apiSecret secret.Text, date int64, nonce string) string {
	return fmt.Sprintf(`printf '%s\n%d\n%s' | openssl dgst -sha256 -hmac '%s' -binary | openssl base64 -A`,
		apiKey.Reveal(), date, nonce, apiSecret.Reveal())
}

// recorded returns the commands of testdata/openssl.txt with their output.
func recorded(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("testdata/openssl.txt")
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	for part := range strings.SplitSeq(string(raw), "$ ") {
		if command, output, ok := strings.Cut(part, "\n"); ok {
			outputs[command] = strings.TrimSpace(output)
		}
	}
	return outputs
}

func TestSignaturesAreThoseOfOpenSSL(t *testing.T) {
	outputs := recorded(t)
	for _, v := range vectors {
		signer, err := securedsigning.NewSigner(v.apiKey, v.apiSecret,
			securedsigning.WithClock(func() time.Time { return time.Unix(v.date, 999_999_999) }),
			securedsigning.WithNonces(func() string { return v.nonce }))
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		signer.Sign(h)
		want := http.Header{
			"X-Custom-Api-Key":   {v.apiKey.Reveal()},
			"X-Custom-Date":      {fmt.Sprint(v.date)},
			"X-Custom-Nonce":     {v.nonce},
			"X-Custom-Signature": {outputs[command(v.apiKey, v.apiSecret, v.date, v.nonce)]},
		}
		if got := fmt.Sprint(h); got != fmt.Sprint(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestOpenSSLStillSaysSo(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	outputs := recorded(t)
	for _, v := range vectors {
		line := command(v.apiKey, v.apiSecret, v.date, v.nonce)
		got, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output()
		if err != nil || strings.TrimSpace(string(got)) != outputs[line] || len(got) == 0 {
			t.Errorf("$ %s\n%s, %v; recorded is %q", line, got, err, outputs[line])
		}
	}
}

func TestTheTransportSignsEachRequestAndLeavesTheCallersAsItIs(t *testing.T) {
	var seen []http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header)
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
	}))
	defer server.Close()
	signer, err := securedsigning.NewSigner("key", "hunter2", securedsigning.WithCallbackURL("https://app.example/signed?a=b"))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: signer.Transport(nil)}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/", "/", "/moved"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer t")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if len(req.Header) != 1 {
			t.Errorf("the request of the caller has become %v", req.Header)
		}
	}
	nonces := map[string]bool{}
	for _, h := range seen[:3] {
		nonce := h.Get("X-CUSTOM-NONCE")
		if nonce == "" || len(nonce) > 32 || nonces[nonce] {
			t.Errorf("the nonce %q is none, or not new", nonce)
		}
		nonces[nonce] = true
		if h.Get("X-CUSTOM-API-KEY") != "key" || h.Get("X-CUSTOM-DATE") == "" || h.Get("X-CUSTOM-SIGNATURE") == "" ||
			h.Get("Referer") != "https://app.example/signed?a=b" || h.Get("Authorization") != "Bearer t" {
			t.Errorf("got %v", h)
		}
	}
	for name := range seen[3] {
		if strings.HasPrefix(name, "X-Custom-") {
			t.Errorf("what follows a redirect carries %s", name)
		}
	}
}

func TestSignersThatAreNone(t *testing.T) {
	for name, test := range map[string]struct {
		key, secret secret.Text
		callback    string
	}{
		"no key":                             {"", "hunter2", ""},
		"no secret":                          {"hunter2", "", ""},
		"a key with a line break":            {"hunter2\n", "s", ""},
		"a secret with a line break":         {"k", "hunter2\n", ""},
		"a callback that is relative":        {"k", "s", "/hunter2"},
		"a callback with a user":             {"k", "s", "https://u:hunter2@app.example"},
		"a callback of another scheme":       {"k", "s", "javascript://hunter2"},
		"a callback that no header can hold": {"k", "s", "https://app.example/\r\nX: hunter2"},
	} {
		_, err := securedsigning.NewSigner(test.key, test.secret, securedsigning.WithCallbackURL(test.callback))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSignersAreNotPrinted(t *testing.T) {
	signer, err := securedsigning.NewSigner("hunter2-k", "hunter2-s")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, value := range []any{signer, *signer, signer.Transport(printing{})} {
			if out := fmt.Sprintf(verb, value); strings.Contains(out, "hunter2") || strings.Contains(out, fmt.Sprintf("%x", "hunter2")) {
				t.Errorf("%s printed %s", verb, out)
			}
		}
	}
}
