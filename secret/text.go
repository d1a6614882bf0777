// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package secret has a string for values that must not be printed: tokens, keys, passwords.
package secret

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what is printed in the place of a secret.
const Redacted = "[redacted]"

// Text is a string that is never printed: fmt, encoding/json, encoding.TextMarshaler users and log/slog all get
// "[redacted]". Call Reveal where the value itself is needed.
//
// Three limits come from the standard library. Package fmt calls no methods on unexported struct fields, so give a type
// that keeps a Text in one its own String; nor for the verb %p, which makes no sense for a string. And package
// encoding/json takes the keys of maps as they are.
type Text string

// Reveal returns the value.
func (t Text) Reveal() string { return string(t) }

// String returns "[redacted]".
func (t Text) String() string { return Redacted }

// GoString returns "[redacted]".
func (t Text) GoString() string { return Redacted }

// Format writes "[redacted]" for every verb: without it %x and %d would print the bytes.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalJSON returns "[redacted]" as a JSON string.
func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(Redacted) }

// MarshalText returns "[redacted]".
func (t Text) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// LogValue returns "[redacted]".
func (t Text) LogValue() slog.Value { return slog.StringValue(Redacted) }
