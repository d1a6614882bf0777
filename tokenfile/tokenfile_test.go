// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/internal/secretvolume"
)

var start = time.Date(2026, time.November, 21, 20, 15, 4, 0, time.UTC)

// mounted is a directory with a token, a source that reads from it, and a clock that the test moves.
type mounted struct {
	*testing.T
	*Source
	dir   string
	now   time.Time
	reads int // of the token
}

func mount(t *testing.T, opts ...Option) *mounted {
	t.Helper()
	m := &mounted{T: t, dir: t.TempDir(), now: start}
	m.Source = New(m.dir, append(opts, WithClock(func() time.Time { return m.now }))...)
	m.readFile = func(name string) ([]byte, error) {
		if filepath.Base(name) == m.tokenFile {
			m.reads++
		}
		return os.ReadFile(name)
	}
	return m
}

// show replaces what is mounted, as a kubelet does.
func (m *mounted) show(token string, expires time.Time) {
	m.Helper()
	m.write(map[string]string{"token": token, "expiresAt": expires.Format(time.RFC3339)})
}

func (m *mounted) write(files map[string]string) {
	m.Helper()
	if err := secretvolume.Write(m.dir, files); err != nil {
		m.Fatal(err)
	}
}

func (m *mounted) want(token string) {
	m.Helper()
	got, err := m.Token()
	if err != nil {
		m.Fatal(err)
	}
	if got.AccessToken != token {
		m.Errorf("the token is %q, want %q", got.AccessToken, token)
	}
}

// wantReads checks how often the token was read since it was called last.
func (m *mounted) wantReads(n int) {
	m.Helper()
	if m.reads != n {
		m.Errorf("the token was read %d times, want %d", m.reads, n)
	}
	m.reads = 0
}

func TestTheTokenAndItsEndAreRead(t *testing.T) {
	end := start.Add(30 * time.Minute)
	for name, c := range map[string]struct {
		opts  []Option
		write func(dir string, files map[string]string) error
		files map[string]string
	}{
		"as a kubelet mounts them": {
			write: secretvolume.Write,
			files: map[string]string{"token": "one", "expiresAt": "2026-11-21T20:45:04Z"},
		},
		"with milliseconds, in another time zone": {
			write: secretvolume.Write,
			files: map[string]string{"token": "one", "expiresAt": "2026-11-21T21:45:04.000+01:00"},
		},
		"from a directory that no kubelet has made, with line breaks": {
			write: writePlainly,
			files: map[string]string{"token": "one\n", "expiresAt": "2026-11-21T20:45:04Z\r\n"},
		},
		"under other names": {
			opts:  []Option{WithFiles("SFS_TOKEN", "until")},
			write: secretvolume.Write,
			files: map[string]string{"SFS_TOKEN": "one", "until": "2026-11-21T20:45:04Z", "token": "another"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, c.opts...)
			if err := c.write(m.dir, c.files); err != nil {
				t.Fatal(err)
			}
			got, err := m.Token()
			if err != nil {
				t.Fatal(err)
			}
			if got.AccessToken != "one" || got.Type() != "Bearer" || !got.Expiry.Equal(end) {
				t.Errorf("got %q of type %q until %v, want one of type Bearer until %v",
					got.AccessToken, got.Type(), got.Expiry, end)
			}
		})
	}
}

func writePlainly(dir string, files map[string]string) error {
	var failed error
	for name, value := range files {
		failed = errors.Join(failed, os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600))
	}
	return failed
}

func TestAReplacedTokenIsNoticedWithinAMinute(t *testing.T) {
	m := mount(t)
	m.show("one", start.Add(10*time.Minute))
	m.want("one")
	m.show("two", start.Add(30*time.Minute))
	m.now = start.Add(time.Minute - time.Millisecond)
	m.want("one")
	m.wantReads(1)
	m.now = start.Add(time.Minute)
	m.want("two")
	m.want("two")
	m.wantReads(1)
	m.now = start.Add(2 * time.Minute)
	m.want("two")
	m.wantReads(1)
}

func TestNearItsEndATokenIsReadForEachCall(t *testing.T) {
	m := mount(t)
	m.show("one", start.Add(2*time.Minute+30*time.Second))
	m.want("one")
	m.now = start.Add(30 * time.Second)
	m.want("one")
	m.wantReads(1)
	m.now = m.now.Add(time.Millisecond)
	m.want("one")
	m.want("one")
	m.wantReads(2)
	m.show("two", start.Add(30*time.Minute))
	m.want("two")
	m.want("two")
	m.wantReads(1)
}

func TestARefusedTokenIsReadAgain(t *testing.T) {
	m := mount(t)
	m.Refused("anything")
	m.show("one", start.Add(30*time.Minute))
	m.want("one")
	m.wantReads(1)

	m.Refused("one")
	m.want("one")
	m.want("one")
	m.wantReads(2)
	m.show("two", start.Add(50*time.Minute))
	m.want("two")
	m.want("two")
	m.wantReads(1)

	m.Refused("one")
	m.want("two")
	m.wantReads(0)
}

func TestARefusedTokenIsStillReadAgainAfterAnError(t *testing.T) {
	m := mount(t)
	m.show("one", start.Add(30*time.Minute))
	m.want("one")
	m.Refused("one")
	m.write(nil)
	m.want("one")
	m.show("two", start.Add(50*time.Minute))
	m.want("two")
}

func TestAnExpiredTokenIsForTheAPIToRefuse(t *testing.T) {
	m := mount(t)
	m.show("one", start.Add(-time.Hour))
	m.want("one")
}

// unreadable is what a directory may hold instead of a token, and what is said of it.
var unreadable = map[string]struct {
	files map[string]string
	want  string
}{
	"nothing":        {nil, "token is missing: mount the token Secret of the SfsClient at "},
	"no token":       {map[string]string{"expiresAt": "2026-11-21T20:45:04Z"}, "token is missing: mount the token Secret"},
	"no end":         {map[string]string{"token": "SECRET"}, "expiresAt is missing: mount the token Secret"},
	"an empty token": {map[string]string{"token": "\n", "expiresAt": "2026-11-21T20:45:04Z"}, "token is empty: see whether"},
	"an end that is no time": {map[string]string{"token": "SECRET", "expiresAt": "SECRET"},
		"expiresAt holds no time in the form of RFC 3339: name the file"},
	"the two mixed up": {map[string]string{"token": "2026-11-21T20:45:04Z", "expiresAt": "SECRET"},
		"expiresAt holds no time in the form of RFC 3339: name the file"},
}

func TestErrorsSayWhatIsWrongAndNothingSecret(t *testing.T) {
	for name, c := range unreadable {
		t.Run(name, func(t *testing.T) {
			m := mount(t)
			m.write(c.files)
			_, err := m.Token()
			if err == nil {
				t.Fatal("there is no error")
			}
			if want := m.dir + string(filepath.Separator) + c.want; !strings.Contains(err.Error(), want) {
				t.Errorf("the error is %q, want it to say %q", err, want)
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("the error holds what was read: %q", err)
			}
		})
	}
}

func TestAFileThatMayNotBeReadIsToldOf(t *testing.T) {
	for failure, want := range map[error]string{
		fs.ErrPermission:             "token may not be read by this user: set the fsGroup of the Pod",
		errors.New("device on fire"): "token: device on fire",
	} {
		m := mount(t)
		m.show("one", start.Add(30*time.Minute))
		m.readFile = func(string) ([]byte, error) { return nil, failure }
		if _, err := m.Token(); !errors.Is(err, failure) || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want it to say %q", err, want)
		}
	}
}

func TestTheLastTokenIsKeptUntilItExpires(t *testing.T) {
	for name, c := range unreadable {
		t.Run(name, func(t *testing.T) {
			m := mount(t)
			end := start.Add(30 * time.Minute)
			m.show("one", end)
			m.want("one")
			m.write(c.files)
			m.now = end.Add(-time.Millisecond)
			m.want("one")
			m.now = end
			if got, err := m.Token(); err == nil {
				t.Errorf("got %q after its end, want the error", got.AccessToken)
			}
			m.show("two", end.Add(20*time.Minute))
			m.want("two")
		})
	}
}

// A kubelet may replace the files after the token was read, and before its end is.
func TestTheTokenAndItsEndAreOfOneVersion(t *testing.T) {
	m := mount(t)
	m.show("one", start.Add(10*time.Minute))
	replaced := false
	m.readFile = func(name string) ([]byte, error) {
		if filepath.Base(name) == "expiresAt" && !replaced {
			replaced = true
			m.show("two", start.Add(30*time.Minute))
		}
		return os.ReadFile(name)
	}
	got, err := m.Token()
	if err != nil {
		t.Fatal(err)
	}
	if !replaced || got.AccessToken != "two" || !got.Expiry.Equal(start.Add(30*time.Minute)) {
		t.Errorf("got %q until %v, want two until %v", got.AccessToken, got.Expiry, start.Add(30*time.Minute))
	}
}

func TestManyReadWhileTheTokenIsReplaced(t *testing.T) {
	dir := t.TempDir()
	ends := map[string]time.Time{}
	for i := range 50 {
		ends[fmt.Sprintf("token-%d", i)] = start.Add(time.Duration(i) * time.Second)
	}
	show := func(i int) error {
		token := fmt.Sprintf("token-%d", i)
		return secretvolume.Write(dir, map[string]string{"token": token, "expiresAt": ends[token].Format(time.RFC3339)})
	}
	if err := show(0); err != nil {
		t.Fatal(err)
	}
	source := New(dir, WithClock(func() time.Time { return start.Add(time.Hour) })) // near its end, so each call reads
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				got, err := source.Token()
				if err != nil || !ends[got.AccessToken].Equal(got.Expiry) {
					t.Errorf("got %+v, %v, want a token with its own end", got, err)
					return
				}
				source.Refused(got.AccessToken)
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := 1; i < len(ends); i++ {
		if err := show(i); err != nil {
			t.Error(err)
			break
		}
	}
	close(done)
	readers.Wait()
	if got, err := source.Token(); err != nil || got.AccessToken != "token-49" {
		t.Errorf("at last got %+v, %v, want token-49", got, err)
	}
}

func TestWhatACallerDoesToATokenIsItsOwn(t *testing.T) {
	m := mount(t)
	m.show("one", start.Add(30*time.Minute))
	got, err := m.Token()
	if err != nil {
		t.Fatal(err)
	}
	got.AccessToken = "spoilt"
	m.want("one")
}

func TestASourceDoesNotPrintItsToken(t *testing.T) {
	m := mount(t)
	m.show("SECRET", start.Add(30*time.Minute))
	m.want("SECRET")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if shown := fmt.Sprintf(verb, m.Source); strings.Contains(shown, "SECRET") {
			t.Errorf("%s shows the token: %s", verb, shown)
		}
	}
}
