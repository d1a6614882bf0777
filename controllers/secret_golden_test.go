// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// Applications read these names: another one breaks them, however good it is.
func TestTheDefaultKeysAreThoseOfTheGoldenFile(t *testing.T) {
	w := newWorld(t)
	c, u := w.newSfsClient("shop"), w.newSfsClientUser("jane", "shop")
	w.settle()
	w.wantReady(c, u)
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.RevocationPolicy = v1alpha1.RevokeOnRotate })
	w.run(22 * time.Minute) // a token was replaced, and is not revoked yet
	w.wantReady(c)
	if c.Status.Token.Revision != 2 {
		t.Fatalf("there were %d tokens, want 2", c.Status.Token.Revision)
	}
	token := w.secret(c.Status.Token.SecretRef.Name)
	told := map[string]string{
		c.Status.ClientKey: "<clientKey of the SfsClient>", w.sim.Users(c.Status.ClientKey)[0].UserKey: "<userKey of its default user>",
		u.Status.UserKey: "<userKey of the SfsClientUser>", w.sim.BaseURL(): "<URL of the API>",
		string(token.Data[v1alpha1.KeyToken]):          "<token>",
		string(token.Data[v1alpha1.KeyPreviousTokens]): "<previous tokens, as JSON>",
	}
	form := func(value string) string {
		if text, known := told[value]; known {
			return text
		}
		if _, err := time.Parse("2006-01-02T15:04:05Z", value); err == nil {
			return "<RFC 3339, UTC>"
		}
		return value
	}
	var text strings.Builder
	for _, name := range []string{"shop-sfs", "shop-sfs-token", "jane-sfs-user"} {
		s := w.secret(name)
		fmt.Fprintf(&text, "%s, %s\n", name, s.Type)
		for _, key := range slices.Sorted(maps.Keys(s.Data)) {
			fmt.Fprintf(&text, "  %s: %s\n", key, form(string(s.Data[key])))
		}
	}
	golden(t, "testdata/default-secrets.txt", []byte(text.String()))
}
