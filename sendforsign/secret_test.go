package sendforsign_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sendforsign/sfs-operator/sendforsign"
)

func TestSecretsAreNeverPrinted(t *testing.T) {
	const canary = "hunter2"
	secret := sendforsign.Secret(canary)
	credentials := sendforsign.Credentials{APIKey: canary, Secret: canary}
	values := map[string]any{
		"secret":             secret,
		"pointer":            &secret,
		"credentials":        credentials,
		"credentials ptr":    &credentials,
		"token":              sendforsign.Token{AccessToken: canary},
		"platform auth":      sendforsign.PlatformToken(canary),
		"client auth":        sendforsign.ClientToken(canary),
		"key auth":           sendforsign.APIKey(canary),
		"slice":              []sendforsign.Secret{canary},
		"map":                map[string]sendforsign.Secret{"key": canary},
		"struct":             struct{ S sendforsign.Secret }{canary},
		"struct credentials": struct{ C sendforsign.Credentials }{credentials},
		"unexported auth":    struct{ a sendforsign.Auth }{sendforsign.PlatformToken(canary)},
		"error":              fmt.Errorf("minting with %v: %w", secret, &sendforsign.Error{Err: fmt.Errorf("%s", secret)}),
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
	if got := fmt.Sprintf("%d", credentials) + credentials.String() + credentials.GoString(); got != strings.Repeat("[redacted]", 3) {
		t.Errorf("got %q", got)
	}
}
