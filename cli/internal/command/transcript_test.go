// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

var update = flag.Bool("update", false, "write the transcripts")

// transcript is what somebody sees in a terminal.
type transcript struct {
	t    *testing.T
	text strings.Builder
	now  time.Time
	// clock, if any, tells the time instead.
	clock clock.Clock
}

func newTranscript(t *testing.T) *transcript {
	t.Helper()
	return &transcript{t: t, now: cluster.now}
}

// invocation is one start of the tool.
type invocation struct {
	program  string // kubectl-sendforsign
	stdin    string
	terminal bool
	args     []string
}

// run starts the tool with the words of a line, and returns what it wrote to its standard output.
func (tr *transcript) run(line string) string {
	tr.t.Helper()
	args := strings.Fields(line)
	for i := range args {
		args[i] = strings.Trim(args[i], "'")
	}
	return tr.start(invocation{args: args})
}

func (tr *transcript) start(in invocation) string {
	tr.t.Helper()
	out, all, code := tr.exec(in)
	fmt.Fprintf(&tr.text, "$ kubectl sendforsign %s\n%s", strings.Join(in.args, " "), all)
	if code != 0 {
		fmt.Fprintf(&tr.text, "(exit code %d)\n", code)
	}
	tr.text.WriteString("\n")
	return out
}

// exec also watches over what it writes: nothing but annotations to the API server, and a token nowhere unless it is asked for.
func (tr *transcript) exec(in invocation) (stdout, all string, code int) {
	tr.t.Helper()
	if in.program == "" {
		in.program = "/usr/local/bin/kubectl-sendforsign"
	}
	var out, both lockedBuffer
	guard := &guard{}
	var tells clock.Clock = clocktesting.NewFakeClock(tr.now)
	if tr.clock != nil {
		tells = tr.clock
	}
	code = Run(tr.t.Context(), Environment{
		IOStreams:  genericiooptions.IOStreams{In: strings.NewReader(in.stdin), Out: io.MultiWriter(&out, &both), ErrOut: &both},
		Clock:      tells,
		IsTerminal: in.terminal,
		Wrap: func(config *rest.Config) *rest.Config {
			config.Wrap(guard.over)
			return config
		},
	}, append([]string{in.program}, in.args...))
	for _, write := range guard.forbidden {
		tr.t.Errorf("%s writes: %s", strings.Join(in.args, " "), write)
	}
	encoded := base64Canary()
	if text := both.String(); !slices.Contains(in.args, "--reveal") &&
		(strings.Contains(text, sfstest.CanaryPrefix) || strings.Contains(text, encoded)) {
		tr.t.Errorf("%s shows a secret:\n%s", strings.Join(in.args, " "), text)
	}
	return out.String(), both.String(), code
}

// matches compares all that was seen with the file.
func (tr *transcript) matches(name string) {
	tr.t.Helper()
	got := scrub(tr.t, tr.text.String())
	path := filepath.Join("testdata", "transcripts", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			tr.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tr.t.Fatal(err)
	}
	if got != string(want) {
		tr.t.Errorf("%s is\n%s\nand was\n%s\n(go test ./internal/command -update writes it)", path, got, want)
	}
}

// What differs each time is replaced by what has the same width, so that columns stay where they are.
var moving = []struct{ found, by string }{
	{`\b1[3-7]m ago\b`, "15m ago"}, // it took some time to make all of it
	{`\bin 1[3-7]m\b`, "in 14m"},
	{`is renewed in \d\w+`, "is renewed in 3m"},
	{`revision \d+ and expires`, "revision 2 and expires"},
	{`https://127\.0\.0\.1:\d\d+`, "https://api.sendforsign.com"},
	{`"?20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"?`, `"2026-11-21T20:15:00Z"`},
	{`\S+ leads$`, "sfs-operator-7c9d8f6b5-x2x4v leads"},
}

// cafeKey stands for the clientKey of cafe.
const cafeKey = "90b1c6de-2f7a-4c58-8e1d-5a04f3d7b692"

func scrub(t *testing.T, text string) string {
	t.Helper()
	text = strings.ReplaceAll(text, cluster.cafe, cafeKey)
	for n, key := range keysAtSFS(t) {
		text = strings.ReplaceAll(text, key, fmt.Sprintf("%08d-5f2c-4d0b-9a57-0c3e8b1d6f24", n+1))
	}
	for _, m := range moving {
		text = regexp.MustCompile("(?m)"+m.found).ReplaceAllString(text, m.by)
	}
	// Events of several resources come in any order.
	text = regexp.MustCompile(`(?m)(^15m ago .*\n)+`).ReplaceAllStringFunc(text, func(events string) string {
		return strings.Join(slices.Sorted(strings.Lines(events)), "")
	})
	return strings.TrimRight(text, "\n") + "\n"
}

// keysAtSFS are those that SFS gave, in an order that stays.
func keysAtSFS(t *testing.T) []string {
	t.Helper()
	var keys []string
	for _, kind := range []*kinds.Kind{kinds.Client, kinds.User} {
		found, err := list(context.Background(), cluster.plane.Client, kind, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range found {
			switch r := r.(type) {
			case *v1alpha1.SfsClient:
				if r.Status.ClientKey != "" {
					keys = append(keys, r.Status.ClientKey)
				}
			case *v1alpha1.SfsClientUser:
				if r.Status.UserKey != "" {
					keys = append(keys, r.Status.UserKey)
				}
			}
		}
	}
	return keys
}

// guard knows what may be written.
type guard struct {
	mu        sync.Mutex
	forbidden []string
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (g *guard) over(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if why := g.judge(r); why != "" {
			g.mu.Lock()
			g.forbidden = append(g.forbidden, why)
			g.mu.Unlock()
		}
		return next.RoundTrip(r)
	})
}

func (*guard) judge(r *http.Request) string {
	what := r.Method + " " + r.URL.String()
	dry := r.URL.Query().Get("dryRun") == "All"
	switch {
	case r.Method == http.MethodGet:
		return ""
	case r.Method == http.MethodPatch && dry:
		return ""
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/subjectaccessreviews"):
		return "" // a question, which leaves nothing behind
	case r.Method != http.MethodPatch || r.Header.Get("Content-Type") != "application/merge-patch+json":
		return what
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return what + ": " + err.Error()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var patch struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&patch); err != nil {
		return what + ": " + string(body)
	}
	for name := range patch.Metadata.Annotations {
		if name != v1alpha1.RenewRequestedAtAnnotation && name != v1alpha1.RevokeRequestedAtAnnotation {
			return what + ": " + string(body)
		}
	}
	return ""
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// What docs/cli.md shows was seen. With -update it is shown anew, where there is one transcript that begins with its command:
// these have been written by the tests before this one.
func TestTheDocumentationShowsWhatIsSeen(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "transcripts", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string][]string{} // by the command
	for _, file := range files {
		for part := range strings.SplitSeq("\n\n"+strings.TrimRight(readText(t, file), "\n"), "\n\n$ ") {
			command, _, _ := strings.Cut(part, "\n")
			seen["$ "+command] = append(seen["$ "+command], "$ "+part+"\n")
		}
	}
	path := filepath.Join(repository, "docs", "cli.md")
	text := readText(t, path)
	blocks := regexp.MustCompile("(?s)```console\n(.*?)```\n").FindAllStringSubmatch(text, -1)
	if len(blocks) < 10 {
		t.Fatalf("there are only %d blocks", len(blocks))
	}
	for _, block := range blocks {
		command, _, _ := strings.Cut(block[1], "\n")
		switch now := seen[command]; {
		case slices.Contains(now, block[1]):
		case *update && len(now) == 1:
			text = strings.ReplaceAll(text, block[1], now[0])
		default:
			t.Errorf("no transcript has\n%s", block[1])
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
