// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const patchFile = argoDirectory + "/argocd-cm.yaml"

// TestThePatchHoldsTheScripts keeps the patch for the ConfigMap of Argo CD equal to the scripts. After a change of one:
//
//	make states
func TestThePatchHoldsTheScripts(t *testing.T) {
	var text strings.Builder
	text.WriteString(`# The scripts beside this file, in the form in which Argo CD reads them; make states writes it.
#
#   kubectl patch configmap argocd-cm -n argocd --patch-file config/argocd/argocd-cm.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
  labels:
    app.kubernetes.io/name: argocd-cm
    app.kubernetes.io/part-of: argocd
data:
`)
	block := func(depth int, key, script string) {
		indent := strings.Repeat("  ", depth)
		fmt.Fprintf(&text, "%s%s: |\n", indent, key)
		for line := range strings.Lines(script) {
			if line != "\n" {
				line = indent + "  " + line
			}
			text.WriteString(line)
		}
	}
	for _, kind := range kinds {
		block(1, "resource.customizations.health."+group+"_"+kind, readText(t, filepath.Join(directoryOf(kind), "health.lua")))
	}
	for _, kind := range kindsWithActions(t) {
		directory := filepath.Join(directoryOf(kind), "actions")
		fmt.Fprintf(&text, "  resource.customizations.actions.%s_%s: |\n", group, kind)
		block(2, "discovery.lua", readText(t, filepath.Join(directory, "discovery.lua")))
		text.WriteString("    definitions:\n")
		for _, name := range actionsOf(t, kind) {
			fmt.Fprintf(&text, "    - name: %s\n", name)
			block(3, "action.lua", readText(t, filepath.Join(directory, name, "action.lua")))
		}
	}
	golden(t, patchFile, []byte(text.String()))
}

// What is read from the patch by its keys is each script, to the letter.
func TestThePatchIsReadAsArgoCDReadsIt(t *testing.T) {
	var patch struct {
		Data map[string]string `json:"data"`
	}
	if err := yaml.Unmarshal([]byte(readText(t, patchFile)), &patch); err != nil {
		t.Fatal(err)
	}
	read := 0
	same := func(name, got, file string) {
		t.Helper()
		read++
		if got != readText(t, file) {
			t.Errorf("%s is not %s, but\n%s", name, file, got)
		}
	}
	for _, kind := range kinds {
		key := "resource.customizations.health." + group + "_" + kind
		same(key, patch.Data[key], filepath.Join(directoryOf(kind), "health.lua"))
	}
	for _, kind := range kindsWithActions(t) {
		key := "resource.customizations.actions." + group + "_" + kind
		var actions struct {
			Discovery   string `json:"discovery.lua"`
			Definitions []struct {
				Name   string `json:"name"`
				Action string `json:"action.lua"`
			} `json:"definitions"`
		}
		if err := yaml.UnmarshalStrict([]byte(patch.Data[key]), &actions); err != nil {
			t.Fatal(err)
		}
		same(key, actions.Discovery, filepath.Join(directoryOf(kind), "actions", "discovery.lua"))
		for _, d := range actions.Definitions {
			same(key+" "+d.Name, d.Action, filepath.Join(directoryOf(kind), "actions", d.Name, "action.lua"))
		}
	}
	if read != 4+3+8 || len(patch.Data) != 7 {
		t.Errorf("%d scripts are read from %d keys", read, len(patch.Data))
	}
}
