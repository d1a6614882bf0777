// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(t time.Time) string { return t.Format(http.TimeFormat) }
	tests := map[string]struct {
		value, date string
		want        time.Duration
	}{
		"absent":                            {"", "", 0},
		"seconds":                           {"7", "", 7 * time.Second},
		"white space":                       {" 7 ", "", 7 * time.Second},
		"zero":                              {"0", "", 0},
		"negative":                          {"-7", "", 0},
		"fraction":                          {"1.5", "", 0},
		"words":                             {"soon", "", 0},
		"an hour":                           {"3600", "", time.Hour},
		"more than an hour is cut":          {"3601", "", time.Hour},
		"more than a number holds":          {strings.Repeat("9", 40), "", time.Hour},
		"date":                              {at(now.Add(time.Minute)), "", time.Minute},
		"date in the past":                  {at(now.Add(-time.Minute)), "", 0},
		"date far away is cut":              {at(now.AddDate(900, 0, 0)), "", time.Hour},
		"date relative to the server's":     {at(now.Add(time.Hour)), at(now.Add(59 * time.Minute)), time.Minute},
		"date with a Date that is nonsense": {at(now.Add(time.Minute)), "today", time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := http.Header{"Retry-After": {test.value}, "Date": {test.date}}
			if got := RetryAfter(h, now); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"", "0", "7", "-1", "3600", "3601", "99999999999999999999", "NaN", "1e3", "٣", "0x10",
		"Thu, 01 Jan 2026 12:00:00 GMT", "Thursday, 01-Jan-26 13:00:00 GMT", "Thu Jan  1 12:30:00 2026", "Fri, 31 Dec 9999 23:59:59 GMT",
	} {
		f.Add(seed, "Thu, 01 Jan 2026 11:59:00 GMT")
		f.Add(seed, "Sat, 01 Jan 0000 00:00:00 GMT")
	}
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value, date string) {
		got := RetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, now)
		if got < 0 || got > MaxRetryAfter {
			t.Fatalf("got %v", got)
		}
		// Whoever asks for a number of seconds gets it, or an hour: never less, however long the number is.
		digits := strings.TrimSpace(value)
		if digits == "" || strings.Trim(digits, "0123456789") != "" {
			return
		}
		asked, _ := new(big.Int).SetString(digits, 10)
		if want := min(asked.Uint64(), 3600); asked.IsUint64() && got != time.Duration(want)*time.Second || !asked.IsUint64() && got != MaxRetryAfter {
			t.Errorf("%s seconds: got %v", digits, got)
		}
	})
}
