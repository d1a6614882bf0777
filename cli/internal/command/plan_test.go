// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strings"
	"testing"
)

func TestPlan(t *testing.T) {
	tr := newTranscript(t)
	t.Chdir("testdata/plan")
	tr.run("plan -f tenants.yaml")
	tr.run("plan -f refused.yaml")
	tr.run("plan -f waiting.yaml")
	tr.run("plan -f policies.yaml")
	tr.run("plan -f people.yaml --as=clerk")
	tr.run("plan -k overlay")
	tr.run("plan -f others.yaml")
	tr.start(invocation{args: strings.Fields("plan -n team-a -f -"), stdin: "apiVersion: sendforsign.com/v1alpha1\nkind: SfsClient\nmetadata: {name: piped}\n"})
	tr.run("plan -f nowhere.yaml")
	tr.run("plan -f tenants.yaml --as=tenant")
	tr.run("plan")
	t.Chdir("../..")
	tr.matches("plan")
}
