// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
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

func scrub(text string, secrets []secret.Text) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s.Reveal(), secret.Redacted)
		}
	}
	return text
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
