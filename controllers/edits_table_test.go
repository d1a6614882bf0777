// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// editedField is what is done to one field of a spec: it is set to each of the good values, to the bad ones, and taken away.
type editedField struct {
	good []edit
	// bad is refused whatever else the spec says.
	bad []any
	// fixed fields are immutable: good values are refused for a resource that is there.
	fixed bool
	// required: it can not be taken away.
	required bool
	// unset is what it means to take it away, where that is no good value.
	unset edit
	// kept: it is not to be taken away, since the default leads out of this world.
	kept bool
}

// edit is one value of a field.
type edit struct {
	value any
	// with are other fields that must be set in the same request; nil takes one away.
	with map[string]any
	// stops: with it the resources need not be Ready.
	stops bool
	// mutes: what the spec asks for is not, or need not be, carried out at SFS, at least for a new resource.
	mutes bool
	// effect judges what the value leads to, where that is not seen by just looking; nil where it is. It is given the kind.
	effect func(*editor, string)
}

func values(all ...any) []edit {
	edits := make([]edit, len(all))
	for i, v := range all {
		edits[i] = edit{value: v}
	}
	return edits
}

// tried has the effect of each value judged.
func tried(effect func(*editor, string), edits ...edit) []edit {
	for i := range edits {
		edits[i].effect = effect
	}
	return edits
}

func long(n int) string { return strings.Repeat("a", n) }

var rotating = map[string]any{"token.revocationPolicy": "OnRotate"}

// personFields are those that clients and users have in common.
func personFields() map[string]editedField {
	return map[string]editedField{
		"fullName": {good: values("Globex", "X", strings.Repeat("é", 256)), bad: []any{"", long(257), int64(7)}},
		"email": {
			good: values("b@globex.example", "a@b", long(242)+"@example.com"),
			bad:  []any{"", "globex", "a@b@c", "a b@c", long(243) + "@example.com"},
		},
		"customKey":        {fixed: true, good: values("crm-1"), bad: []any{"", "a b", "é", long(257)}},
		"adoptionPolicy":   {good: []edit{{value: "AdoptOrCreate"}, {value: "Adopt", mutes: true}, {value: "Create"}}, bad: []any{"", "adopt", true}},
		"managementPolicy": {good: tried((*editor).meddle, edit{value: "Manage"}, edit{value: "Observe", mutes: true}), bad: []any{"", "Ignore"}},
		"driftPolicy":      {good: tried((*editor).meddle, values("Correct", "Report")...), bad: []any{"", "None"}},
		"deletionPolicy":   {good: values("Retain", "Retire"), bad: []any{"", "Delete"}},
		"secret.name":      {good: values("keys", "k", long(253)), bad: []any{"", "Keys", "a/b", long(254)}},
		"suspend":          {good: []edit{{value: true, stops: true, mutes: true}, {value: false}}, bad: []any{"true"}},
	}
}

// secretFields are those that shape a Secret at a path, which has a key of this default name. alone is what may replace all.
func secretFields(path, key, alone string) map[string]editedField {
	template := func(field string, value any) map[string]any { return map[string]any{field: value} }
	label := func(name string) map[string]any {
		return template("metadata", map[string]any{"labels": map[string]any{name: "x"}})
	}
	return map[string]editedField{
		path + ".type": {good: values("example.com/x", "Opaque"), bad: []any{"", long(254), "kubernetes.io/service-account-token"}},
		path + ".keys": {
			good: values(map[string]any{key: "id"}, map[string]any{key: "", "baseURL": "url"}),
			bad:  []any{map[string]any{}, map[string]any{"none": "x"}, map[string]any{key: "a b"}, map[string]any{key: "previousTokens"}},
		},
		path + ".formats": {
			good: values([]any{map[string]any{"format": "json"}}, []any{map[string]any{"format": "env", "key": "x.env"}}),
			bad:  []any{[]any{map[string]any{"format": "xml"}}, []any{map[string]any{"key": "x"}}},
		},
		path + ".template": {
			good: values(
				template("data", map[string]any{"file": "key={{ ." + key + " }}"}),
				map[string]any{"data": map[string]any{"token": alone}, "mergePolicy": "Replace"},
				label("team"),
			),
			bad: []any{template("data", map[string]any{}), template("mergePolicy", "Replace"), label("sendforsign.com/x"), label("argocd.argoproj.io/instance")},
		},
		path + ".creationPolicy": {good: values("Owner", "Orphan"), bad: []any{"", "None", "Merge"}},
	}
}

// editedFields are all fields of the specs, by kind. TestEveryFieldIsEdited compares them with the schema.
func editedFields() map[string]map[string]editedField {
	client := map[string]editedField{
		"platformRef.name": {fixed: true, good: values("another"), bad: []any{"", long(254)}},
		"organization":     {good: values("Globex Ltd", "X", long(256)), bad: []any{"", long(257)}},
		"clientKey":        {fixed: true, good: values("key-1"), bad: []any{"", "a/b", "a b", long(129)}},
		"token.enabled":    {good: values(true, false), bad: []any{"no"}},
		"token.renewBefore": {
			good: values("3m", "10m", "25m", "1000h"), bad: []any{"179s", "-1h", "soon", "1d", int64(600)},
		},
		"token.revocationPolicy": {good: tried((*editor).rotate, values("OnDelete", "Never", "OnRotate")...), bad: []any{"", "Always"}},
		"token.previousTokenGracePeriod": {
			good: tried((*editor).rotate, edit{value: "3m", with: rotating}, edit{value: "10m", with: rotating}, edit{value: "24h", with: rotating}),
			bad:  []any{"179s", "0s", "soon"},
		},
		"token.verification": {good: tried((*editor).awaitProbes, values("None", "Probe")...), bad: []any{"", "Always"}},
		"token.secret.name":  {good: values("token", "t", long(253)), bad: []any{"", "Token", "a_b", long(254)}},
		// None of these workloads is there, nor the kind Rollout: that is no reason not to be Ready.
		"rolloutRestartTargets": {
			good: values(restarting(nil), restarting(map[string]any{"kind": "Rollout", "when": "TokenChanged", "minInterval": "1m"}),
				restarting(map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"app": "shop"}}})),
			bad: []any{
				restarting(map[string]any{"kind": "Pod"}), restarting(map[string]any{"kind": nil}), restarting(map[string]any{"name": "A"}),
				restarting(map[string]any{"minInterval": "59s"}), restarting(map[string]any{"when": "Always"}),
				restarting(map[string]any{"selector": map[string]any{}}), append(restarting(nil), restarting(nil)...),
			},
		},
	}
	maps.Copy(client, secretFields("secret", "clientKey", "x"))
	maps.Copy(client, secretFields("token.secret", "tokenType", "{{ .token }}"))
	client["secret.deletionPolicy"] = editedField{good: values("Delete", "Retain"), bad: []any{"", "Keep"}}
	client["token.secret.deletionPolicy"] = editedField{
		good: []edit{{value: "Delete"}, {value: "Retain", with: map[string]any{"token.revocationPolicy": "Never"}}}, bad: []any{"", "Keep"},
	}
	maps.Copy(client, personFields())
	user := map[string]editedField{
		"clientRef.name": {fixed: true, required: true, good: values("another"), bad: []any{"", long(254)}},
		"default":        {fixed: true, good: values(true), bad: []any{"yes"}},
		"userKey":        {fixed: true, good: values("key-1"), bad: []any{"", "a/b", long(129)}},
	}
	maps.Copy(user, secretFields("secret", "userKey", "x"))
	user["secret.deletionPolicy"] = editedField{good: values("Delete", "Retain"), bad: []any{"", "Keep"}}
	maps.Copy(user, personFields())
	// Else chance would give the Secrets of both one name, which only one of them can have.
	user["secret.name"] = editedField{good: values("ids", "i", strings.Repeat("i", 253)), bad: user["secret.name"].bad}
	return map[string]map[string]editedField{platformKind: platformFields(), clientKind: client, userKind: user}
}

// restarting is a list of one target.
func restarting(change map[string]any) []any {
	target := map[string]any{"name": "shop", "kind": "Deployment"}
	maps.Copy(target, change)
	maps.DeleteFunc(target, func(_ string, v any) bool { return v == nil })
	return []any{target}
}

func platformFields() map[string]editedField {
	adopting := func(change map[string]any) []any {
		rule := map[string]any{"name": "crm", "namespaces": []any{"*"}, "customKeyPatterns": []any{"crm-*"}}
		maps.Copy(rule, change)
		maps.DeleteFunc(rule, func(_ string, v any) bool { return v == nil })
		return []any{rule}
	}
	byName := func(names ...any) any { return map[string]any{"names": names} }
	selector := map[string]any{"matchLabels": map[string]any{"sfs": "no"}}
	return map[string]editedField{
		"baseURL": {
			kept: true,
			good: []edit{{value: "https://127.0.0.1:1/api", stops: true, mutes: true}},
			bad:  []any{"", "http://sfs.example.com", "https://", "https://a:b@c", "https://a/?b"},
		},
		"credentialsSecretRef.name": {
			required: true, good: []edit{{value: "missing", stops: true, mutes: true}}, bad: []any{"", "a/b", long(254)},
		},
		// A pair that is no good disturbs nobody.
		"nextCredentialsSecretRef.name": {good: values("missing", "credentials", "next"), bad: []any{"", "a/b"}},
		"customKeyPrefix":               {fixed: true, required: true, good: values("other"), bad: []any{"", "A", "a/b", long(64)}},
		"allowedNamespaces": {
			good: []edit{
				{value: byName("*")}, {value: byName("another"), stops: true, mutes: true},
				{value: map[string]any{"selector": selector}, stops: true, mutes: true},
				// An empty selector fits all.
				{value: map[string]any{"selector": map[string]any{}}},
			},
			unset: edit{stops: true, mutes: true}, // none is served
			bad:   []any{map[string]any{}, byName(), byName(""), byName("a", "a"), map[string]any{"names": []any{"*"}, "selector": selector}},
		},
		"adoption": {
			good: values([]any{}, adopting(nil), adopting(map[string]any{"customKeyPatterns": nil, "allowClientKey": true})),
			bad: []any{
				adopting(map[string]any{"name": nil}), adopting(map[string]any{"namespaces": nil}),
				adopting(map[string]any{"customKeyPatterns": nil}), append(adopting(nil), adopting(nil)...),
			},
		},
		"token.renewBefore":           {good: values("3m", "15m"), bad: []any{"1m", "soon"}},
		"rateLimit.requestsPerSecond": {good: values(int64(1), int64(10), int64(10000)), bad: []any{int64(0), int64(10001), "10"}},
		"rateLimit.burst":             {good: values(int64(1), int64(20), int64(10000)), bad: []any{int64(0), int64(10001)}},
		"driftCheckInterval":          {good: values("1m", "1h", "10000h"), bad: []any{"59s", "0s", "daily"}},
		"caBundle": {
			unset: edit{stops: true, mutes: true}, // the system does not know the simulator
			good:  []edit{{value: "bm8gY2VydGlmaWNhdGU=", stops: true, mutes: true}}, bad: []any{"", "-----BEGIN"},
		},
		"timeout": {good: values("1s", "30s"), bad: []any{"999ms", "31s", "soon"}},
	}
}

// TestEveryFieldIsEdited fails when a spec gets a field to which nothing is done here.
func TestEveryFieldIsEdited(t *testing.T) {
	edited := editedFields()
	for _, file := range []string{"sfsplatforms", "sfsclients", "sfsclientusers"} {
		kind, leaves := specFields(t, file)
		for _, path := range leaves {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(edited[kind])), func(known string) bool {
				return path == known || strings.HasPrefix(path, known+".")
			}) {
				t.Errorf("%s: nobody edits spec.%s; see editedFields", kind, path)
			}
		}
		for path, field := range edited[kind] {
			if !slices.ContainsFunc(leaves, func(leaf string) bool { return leaf == path || strings.HasPrefix(leaf, path+".") }) {
				t.Errorf("%s has no field spec.%s", kind, path)
			}
			if len(field.good) == 0 || len(field.bad) == 0 {
				t.Errorf("%s spec.%s needs good and bad values", kind, path)
			}
		}
	}
}

// specFields reads the kind of a CRD, and the paths of the fields of its spec. A list counts as one field.
func specFields(t *testing.T, plural string) (kind string, leaves []string) {
	t.Helper()
	type node struct {
		Properties map[string]any `json:"properties"`
	}
	var crd struct {
		Spec struct {
			Names    struct{ Kind string }
			Versions []struct {
				Schema struct {
					Root node `json:"openAPIV3Schema"`
				}
			}
		}
	}
	raw, err := os.ReadFile(filepath.Join("..", "config", "crd", "bases", "sendforsign.com_"+plural+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	var collect func(path string, properties map[string]any)
	collect = func(path string, properties map[string]any) {
		for name, child := range properties {
			below, deeper := child.(map[string]any)["properties"].(map[string]any)
			if at := strings.TrimPrefix(path+"."+name, "."); deeper {
				collect(at, below)
			} else {
				leaves = append(leaves, at)
			}
		}
	}
	spec := crd.Spec.Versions[0].Schema.Root.Properties["spec"].(map[string]any)
	collect("", spec["properties"].(map[string]any))
	if len(leaves) == 0 {
		t.Fatalf("no field is found in the CRD of %s", plural)
	}
	return crd.Spec.Names.Kind, leaves
}
