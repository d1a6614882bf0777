// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tokenfile reads the client token that sfs-operator keeps in the token Secret of an SfsClient, from the directory
// at which an application has that Secret mounted.
//
//	source := tokenfile.New("/var/run/sfs")
//	client := &http.Client{Transport: source.Transport(nil), Timeout: 30 * time.Second}
//
// The token is replaced every 20 minutes or so, by a kubelet that puts a new version of all files in the place of the old
// one. A [Source] notices within a minute, which is in time: the old token has ten minutes left when the new one is
// written. Nothing runs in the background.
//
// A Source is an [oauth2.TokenSource], for use with [oauth2.Transport] or with gRPC. Do not hand it to
// [oauth2.ReuseTokenSource] or [oauth2.NewClient]: they keep a token until it expires, and so notice neither that it was
// replaced nor that it was revoked.
package tokenfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

const (
	// rereadAfter is how long what was read is taken for what is there.
	rereadAfter = time.Minute
	// nearEnd is how long before the end of a token the files are read for each call: a newer one should have been there
	// for long, and is wanted as soon as it comes.
	nearEnd = 2 * time.Minute
	// versionLink is what a kubelet replaces to show the new files all at once. Volumes of type secret, projected and csi
	// have it.
	versionLink = "..data"
)

var _ oauth2.TokenSource = (*Source)(nil)

// Source gives the token of a mounted Secret. It is safe for concurrent use.
type Source struct {
	dir                   string
	tokenFile, expiryFile string
	now                   func() time.Time
	readFile              func(string) ([]byte, error)

	mu      sync.Mutex
	held    *oauth2.Token // the last one that could be read
	readAt  time.Time     // when it was
	refused bool          // held was refused, and there was no other one yet
}

// Option changes a default of New.
type Option func(*Source)

// WithFiles names the files of the token and of the time when it expires. Default: token and expiresAt.
func WithFiles(token, expiresAt string) Option {
	return func(s *Source) { s.tokenFile, s.expiryFile = token, expiresAt }
}

// WithClock sets what tells the time, for tests. Default: time.Now.
func WithClock(now func() time.Time) Option { return func(s *Source) { s.now = now } }

// New makes a Source that reads from dir. It reads nothing yet: whatever is wrong with dir is an error of Token.
func New(dir string, opts ...Option) *Source {
	s := &Source{
		dir:        dir,
		tokenFile:  "token",
		expiryFile: "expiresAt",
		now:        time.Now, //nolint:forbidigo // is what WithClock replaces
		readFile:   os.ReadFile,
	}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// Token returns the token that is mounted. It reads the files if it has not done so for a minute, if the token has less
// than two minutes left, or if the token was refused; otherwise it returns what it has read before.
//
// Where the files can not be read, the token that was read last is returned until it expires, and after that the error,
// which never holds the token.
//
// A token that has expired by the clock of this machine is returned all the same, if it is what is mounted: that clock may
// be wrong, and it is for the API to refuse it.
func (s *Source) Token() (*oauth2.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.isDue(now) {
		found, err := s.read()
		switch {
		case err == nil:
			s.refused = s.refused && found.AccessToken == s.held.AccessToken
			s.held, s.readAt = found, now
		case s.held == nil || !now.Before(s.held.Expiry):
			return nil, err
		}
	}
	token := *s.held // the caller may change what it gets
	return &token, nil
}

// Refused tells the source that the API did not accept this token, so that the next call of Token reads the files. If they
// still hold the same token, it is returned again, and each further call reads them until they hold another one: a kubelet
// may need 90 seconds to show a token that was made in the place of a revoked one.
func (s *Source) Refused(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Another token than the one at hand was replaced already.
	s.refused = s.refused || s.held != nil && s.held.AccessToken == token
}

// String names the directory. Without it fmt would print the token, for some verbs.
func (s *Source) String() string { return "token in " + s.dir }

// isDue says whether the files should be read.
func (s *Source) isDue(now time.Time) bool {
	return s.held == nil || s.refused || now.Sub(s.readAt) >= rereadAfter || s.held.Expiry.Sub(now) < nearEnd
}

// read returns the token and its end as they are now.
func (s *Source) read() (*oauth2.Token, error) {
	for {
		version := s.version()
		found, err := s.readVersion(version)
		if errors.Is(err, fs.ErrNotExist) && s.version() != version {
			continue // it was replaced, and removed, meanwhile
		}
		return found, err
	}
}

// version returns the directory that holds the files at present. It is asked for once for all of them: through the names
// in s.dir the token might be read from one version, and its end from the next.
func (s *Source) version() string {
	if target, err := os.Readlink(filepath.Join(s.dir, versionLink)); err == nil {
		return filepath.Join(s.dir, target)
	}
	return s.dir // no kubelet has made it
}

func (s *Source) readVersion(version string) (*oauth2.Token, error) {
	token, err := s.readValue(version, s.tokenFile)
	if err != nil {
		return nil, err
	}
	expiry, err := s.readValue(version, s.expiryFile)
	if err != nil {
		return nil, err
	}
	expires, err := time.Parse(time.RFC3339, expiry)
	if err != nil {
		// The error itself quotes what was read: the token, where the two names were mixed up.
		return nil, fmt.Errorf("%s holds no time in the form of RFC 3339: name the file that holds the key expiresAt",
			filepath.Join(s.dir, s.expiryFile))
	}
	return &oauth2.Token{AccessToken: token, TokenType: "Bearer", Expiry: expires}, nil
}

// readValue reads one file, less the white space around it, which files that people write by hand end with.
func (s *Source) readValue(version, name string) (string, error) {
	shown := filepath.Join(s.dir, name)
	raw, err := s.readFile(filepath.Join(version, name))
	value := strings.TrimSpace(string(raw))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s is missing: mount the token Secret of the SfsClient at %s, as a volume without subPath, "+
			"with its keys %s and %s: %w", shown, s.dir, s.tokenFile, s.expiryFile, err)
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("%s may not be read by this user: set the fsGroup of the Pod, or the defaultMode of the "+
			"volume: %w", shown, err)
	case err != nil:
		return "", fmt.Errorf("reading %s: %w", shown, err)
	case value == "":
		return "", fmt.Errorf("%s is empty: see whether the SfsClient is Ready", shown)
	}
	return value, nil
}
