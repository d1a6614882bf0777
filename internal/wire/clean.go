// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/sendforsign/sfs-operator/secret"
)

// MaxMessage is how many characters of a server's message are kept.
const MaxMessage = 200

// Clean makes a text from outside fit for logs: printable, without the given secrets, bounded to 200 characters. Servers and
// proxies like to echo what they refuse.
func Clean(text string, secrets []secret.Text) string {
	text = scrub(text, secrets)
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	runes := []rune(scrub(strings.TrimSpace(text), secrets))
	return string(runes[:min(len(runes), MaxMessage)])
}

// scrub looks for the longest first: one that is part of another must not leave the rest of it.
func scrub(text string, secrets []secret.Text) string {
	longest := slices.Clone(secrets)
	slices.SortFunc(longest, func(a, b secret.Text) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, s := range longest {
		if s != "" {
			pairs = append(pairs, s.Reveal(), secret.Redacted)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Cleaned returns err with its text made fit for logs. It still answers errors.Is and errors.As.
func Cleaned(err error, secrets []secret.Text) error {
	return &cleaned{text: Clean(err.Error(), secrets), err: err}
}

type cleaned struct {
	text string
	err  error
}

func (c *cleaned) Error() string { return c.text }
func (c *cleaned) Unwrap() error { return c.err }

// IsHeaderSafe reports whether a header can carry a value, without spaces.
func IsHeaderSafe(value string) bool {
	for _, c := range []byte(value) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
