// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package token_test

import (
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/internal/token"
)

// BenchmarkDecide is what each pass of an SfsClient asks first.
func BenchmarkDecide(b *testing.B) {
	issued := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	observed := token.Observed{Token: &token.Token{
		Issued: issued, Expires: issued.Add(30 * time.Minute), Owner: "3f0f4f5e-6c5c-4c1b-9c6e-0a6f3f1d2b7a", Revision: 7,
	}}
	for name, now := range map[string]time.Time{"NotDue": issued.Add(time.Minute), "Due": issued.Add(20 * time.Minute)} {
		want := token.Decide(observed, token.Policy{}, now)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := token.Decide(observed, token.Policy{}, now); got != want {
					b.Fatalf("decided %q, and %q before", got, want)
				}
			}
		})
	}
}
