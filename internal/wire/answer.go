// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxAnswer bounds the bodies of answers, after decompression.
const MaxAnswer = 1 << 20

// MaxRetryAfter bounds what a server may ask for: a typing error there must not silence a client for years.
const MaxRetryAfter = time.Hour

// MaxTokenLife bounds expires_in. A longer life is cut to it: renewing once a day costs nothing, and believing an absurd
// number would mean never to renew. A token of less than MinTokenLife would be dead before anybody has it.
const (
	MaxTokenLife = 24 * time.Hour
	MinTokenLife = time.Second
)

// ErrUnreadable says that an answer has no end that could be reached.
var ErrUnreadable = errors.New("answer could not be read")

// Read reads to the end, so that the connection can be used again, unless that is too far.
func Read(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	case len(raw) > MaxAnswer:
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrUnreadable, MaxAnswer)
	}
	return raw, nil
}

// IsSuccess reports whether a status is one.
func IsSuccess(status int) bool { return status >= 200 && status < 300 }

// IsObject reports whether a JSON value, if it is one, is an object.
func IsObject(raw []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{"))
}

// Unquote returns the text of a JSON string, number or boolean; "" for null, an object or an array.
func Unquote(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	switch raw[0] {
	case '"':
		var s string
		_ = json.Unmarshal(raw, &s)
		return s
	case 'n', '{', '[':
		return ""
	}
	return string(raw)
}

// Text is a string; a number or a boolean is taken as it is written, and anything else is empty.
type Text string

// UnmarshalJSON implements json.Unmarshaler. It has no errors.
func (t *Text) UnmarshalJSON(raw []byte) error {
	*t = Text(Unquote(raw))
	return nil
}

// TokenLife reads expires_in: seconds, as a number or a string, cut to MaxTokenLife. Less than a second and what is not a
// number is no life: to guess one would be to hand out dead tokens.
func TokenLife(raw json.RawMessage) (time.Duration, bool) {
	seconds, err := strconv.ParseFloat(strings.TrimSpace(Unquote(raw)), 64)
	if err != nil || math.IsNaN(seconds) || math.IsInf(seconds, 0) || seconds <= 0 {
		return 0, false
	}
	life := MaxTokenLife
	if seconds < MaxTokenLife.Seconds() {
		life = time.Duration(seconds * float64(time.Second))
	}
	return life, life >= MinTokenLife
}

// RetryAfter reads a Retry-After header: seconds, or an HTTP date, which is taken relative to the Date header of the same
// answer (so that a skewed clock does no harm) or else to now. Anything else counts as absent.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.Atoi(value)
		if err != nil || seconds > int(MaxRetryAfter/time.Second) {
			return MaxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}
