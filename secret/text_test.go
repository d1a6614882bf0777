// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sendforsign/sfs-operator/secret"
)

func TestTextsAreNeverPrinted(t *testing.T) {
	const canary = "hunter2"
	text := secret.Text(canary)
	values := map[string]any{
		"text":    text,
		"pointer": &text,
		"slice":   []secret.Text{canary},
		"map":     map[string]secret.Text{"key": canary},
		"struct":  struct{ T secret.Text }{canary},
		"error":   fmt.Errorf("minting with %v", text),
	}
	leaks := func(out string) bool {
		return strings.Contains(out, canary) || strings.Contains(strings.ToLower(out), fmt.Sprintf("%x", canary))
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%t", "%20v", "%-5s", "%.3s"} {
				if out := fmt.Sprintf(verb, value); leaks(out) {
					t.Errorf("%s printed %s", verb, out)
				}
			}
			if out, err := json.Marshal(value); err == nil && leaks(string(out)) {
				t.Errorf("JSON is %s", out)
			}
			var log bytes.Buffer
			slog.New(slog.NewTextHandler(&log, nil)).Info("text", "value", value)
			slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "value", value)
			if leaks(log.String()) {
				t.Errorf("logged %s", &log)
			}
		})
	}
	if got := fmt.Sprintf("%d", text) + text.String() + text.GoString(); got != strings.Repeat(secret.Redacted, 3) {
		t.Errorf("got %q", got)
	}
	if got, err := text.MarshalText(); string(got) != secret.Redacted || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if text.Reveal() != canary {
		t.Error("Reveal does not")
	}
}
