// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"github.com/sendforsign/sfs-operator/cli/internal/command"
)

// What kubectl knows as a way to log in is known here too.
func TestAuthProviders(t *testing.T) {
	for name, c := range map[string]struct{ config, want string }{
		// It has neither a token nor what would give one.
		"oidc": {`{idp-issuer-url: "https://127.0.0.1:1", client-id: tool}`, "No valid id-token"},
		// It is gone from kubectl too, which says what to use instead.
		"gcp": {`{}`, "The gcp auth plugin has been removed"},
	} {
		path := filepath.Join(t.TempDir(), "kubeconfig")
		if err := os.WriteFile(path, []byte(`
apiVersion: v1
kind: Config
current-context: it
clusters: [{name: it, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: it, context: {cluster: it, user: it}}]
users: [{name: it, user: {auth-provider: {name: `+name+`, config: `+c.config+`}}}]
`), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		code := command.Run(t.Context(), command.Environment{
			IOStreams: genericiooptions.IOStreams{In: os.Stdin, Out: &out, ErrOut: &out}, Clock: clock.RealClock{},
		}, []string{"kubectl-sendforsign", "status", "--kubeconfig", path})
		if said := out.String(); code != 1 || !strings.Contains(said, c.want) || strings.Contains(said, "no Auth Provider found") {
			t.Errorf("%s: it says %s", name, said)
		}
	}
}
