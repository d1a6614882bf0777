// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// schemaNode is what a CRD says of a field. An unknown key is an error: a new kind of constraint has to be taken up in
// constraintsOf.
type schemaNode struct {
	Type                 string                 `json:"type"`
	Description          string                 `json:"description"`
	Format               string                 `json:"format"`
	Default              any                    `json:"default"`
	Enum                 []any                  `json:"enum"`
	Pattern              string                 `json:"pattern"`
	MinLength            *int64                 `json:"minLength"`
	MaxLength            *int64                 `json:"maxLength"`
	Minimum              *int64                 `json:"minimum"`
	Maximum              *int64                 `json:"maximum"`
	MinItems             *int64                 `json:"minItems"`
	MaxItems             *int64                 `json:"maxItems"`
	MinProperties        *int64                 `json:"minProperties"`
	MaxProperties        *int64                 `json:"maxProperties"`
	Required             []string               `json:"required"`
	Properties           map[string]*schemaNode `json:"properties"`
	AdditionalProperties *schemaNode            `json:"additionalProperties"`
	Items                *schemaNode            `json:"items"`
	ListType             string                 `json:"x-kubernetes-list-type"`
	ListMapKeys          []string               `json:"x-kubernetes-list-map-keys"`
	MapType              string                 `json:"x-kubernetes-map-type"`
	Rules                []celRule              `json:"x-kubernetes-validations"`
}

type celRule struct {
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

// crdFile is what these tests read of a CRD.
type crdFile struct {
	Spec struct {
		Names struct {
			Kind string `json:"kind"`
		} `json:"names"`
		Versions []struct {
			Schema struct {
				Root any `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

// readSchemas reads the schema of each kind.
func readSchemas(t *testing.T) map[string]*schemaNode {
	t.Helper()
	schemas := map[string]*schemaNode{}
	for _, path := range crdPaths(t) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var crd crdFile
		if err := yaml.Unmarshal(raw, &crd); err != nil {
			t.Fatalf("reading %s: %v", path, err)
		}
		for _, version := range crd.Spec.Versions {
			root := &schemaNode{}
			raw, err := json.Marshal(version.Schema.Root)
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.UnmarshalStrict(raw, root); err != nil {
				t.Fatalf("%s says something of a field that this test does not know: %v", path, err)
			}
			schemas[crd.Spec.Names.Kind] = root
		}
	}
	if got := sortedKeys(schemas); !slices.Equal(got, slices.Sorted(slices.Values(kinds))) {
		t.Fatalf("there are CRDs of %v, and tests of %v", got, kinds)
	}
	return schemas
}

func crdPaths(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(crdDirectory, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no CRD in %s: %v", crdDirectory, err)
	}
	return paths
}

// walk calls visit for a field and all below it. Items of a list have the path of the list and [], values of a map that of
// the map and {}.
func (s *schemaNode) walk(path string, visit func(path string, node *schemaNode)) {
	visit(path, s)
	for name, child := range s.Properties {
		child.walk(strings.TrimPrefix(path+"."+name, "."), visit)
	}
	if s.Items != nil {
		s.Items.walk(path+"[]", visit)
	}
	if s.AdditionalProperties != nil {
		s.AdditionalProperties.walk(path+"{}", visit)
	}
}

// constraint is one thing that the API server can find fault with.
type constraint struct {
	field string // where it finds it
	says  string // what it says then
}

// constraintsOf lists what a field is held to.
func constraintsOf(path string, s *schemaNode) []constraint {
	var found []constraint
	add := func(field, format string, args ...any) {
		found = append(found, constraint{field, fmt.Sprintf(format, args...)})
	}
	maxItems := s.MaxItems
	if s.hasAnItemPerWord() {
		maxItems = nil
	}
	for _, limit := range []struct {
		value *int64
		says  string
	}{
		{s.MinLength, "should be at least %d chars long"},
		{s.MaxLength, "may not be more than %d bytes"},
		{s.Minimum, "should be greater than or equal to %d"},
		{s.Maximum, "should be less than or equal to %d"},
		{s.MinItems, "should have at least %d items"},
		{maxItems, "must have at most %d items"},
		{s.MinProperties, "should have at least %d properties"},
		{s.MaxProperties, "must have at most %d items"}, // so it is said of properties, too
	} {
		if limit.value != nil {
			add(path, limit.says, *limit.value)
		}
	}
	if s.Enum != nil {
		add(path, "Unsupported value")
	}
	if s.Pattern != "" {
		add(path, "should match '%s'", s.Pattern)
	}
	if s.Format == "byte" {
		add(path, "must be of type byte")
	}
	if s.ListType == "set" || s.ListType == "map" {
		add(path+"[]", "Duplicate value")
	}
	for _, name := range s.Required {
		add(strings.TrimPrefix(path+"."+name, "."), requiredMessage)
	}
	for _, rule := range s.Rules {
		if path == "" {
			path = wholeObject
		}
		add(path, "%s", rule.Message)
	}
	return found
}

// hasAnItemPerWord says whether a list has room for each word that its key can be: one item more is refused as a
// duplicate as well, so that no case could show the limit by itself.
func (s *schemaNode) hasAnItemPerWord() bool {
	return len(s.ListMapKeys) == 1 && s.MaxItems != nil && int64(len(s.Items.Properties[s.ListMapKeys[0]].Enum)) == *s.MaxItems
}

var index = regexp.MustCompile(`\[\d+\]`)

// inSchema is the path, as walk has it, of a field that the API server names: items by their index, and values of a map as
// map.key, or map[key] where a rule in CEL finds the fault.
func (s *schemaNode) inSchema(field string) string {
	field = index.ReplaceAllString(field, "[]")
	s.walk("", func(path string, node *schemaNode) {
		if rest, below := strings.CutPrefix(field, path); below && node.AdditionalProperties != nil && strings.IndexAny(rest, ".[") == 0 {
			field = path + "{}"
		}
	})
	return field
}

// TestEveryRuleHasACase fails when a CRD gets a rule for which nobody has shown what it refuses and what it lets pass.
func TestEveryRuleHasACase(t *testing.T) {
	t.Parallel()
	for kind, schema := range readSchemas(t) {
		var refused []validationCase
		accepted := map[string]bool{}
		for _, c := range casesOf(t, kind) {
			c.field = schema.inSchema(c.field)
			if len(c.wantErrors) > 0 {
				refused = append(refused, c)
			} else {
				accepted[c.field] = true
			}
		}
		rules := 0
		schema.walk("", func(path string, node *schemaNode) {
			if strings.HasPrefix(path, "status.conditions") {
				return // see TestConditionsAreAMapByType; metav1.Condition is tested by those who made it
			}
			for _, rule := range node.Rules {
				rules++
				if rule.Message == "" {
					t.Errorf("%s %s: the rule %s has no message: its users would read CEL", kind, path, rule.Rule)
				}
			}
			for _, c := range constraintsOf(path, node) {
				fits := func(vc validationCase) bool {
					return vc.field == c.field &&
						slices.ContainsFunc(vc.wantErrors, func(want string) bool { return strings.Contains(c.says, want) })
				}
				if !slices.ContainsFunc(refused, fits) {
					t.Errorf("%s %s: no case is refused with %q", kind, c.field, c.says)
				}
				if c.says != requiredMessage && !accepted[c.field] {
					t.Errorf("%s %s: no case is accepted", kind, c.field)
				}
			}
		})
		if rules == 0 {
			t.Errorf("%s: no rule is found, so this test does not read the CRD aright", kind)
		}
	}
}

// What is not found can not be missed by the test above.
func TestConstraintsAreFound(t *testing.T) {
	t.Parallel()
	one, two := int64(1), int64(2)
	node := &schemaNode{
		MinLength: &one, MinItems: &one, MaxItems: &two, MinProperties: &one, MaxProperties: &two,
		Enum: []any{"a"}, Pattern: "^a$", Format: "byte", ListType: "set", Required: []string{"b"},
	}
	want := []constraint{
		{"spec.x", "should be at least 1 chars long"},
		{"spec.x", "should have at least 1 items"},
		{"spec.x", "must have at most 2 items"},
		{"spec.x", "should have at least 1 properties"},
		{"spec.x", "must have at most 2 items"},
		{"spec.x", "Unsupported value"},
		{"spec.x", "should match '^a$'"},
		{"spec.x", "must be of type byte"},
		{"spec.x[]", "Duplicate value"},
		{"spec.x.b", "Required value"},
	}
	if got := constraintsOf("spec.x", node); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}

	word := &schemaNode{Enum: []any{"a", "b"}}
	byWord := &schemaNode{
		MaxItems: &two, ListType: "map", ListMapKeys: []string{"word"},
		Items: &schemaNode{Properties: map[string]*schemaNode{"word": word}},
	}
	onlyDuplicates := []constraint{{"spec.x[]", "Duplicate value"}}
	if got := constraintsOf("spec.x", byWord); !slices.Equal(got, onlyDuplicates) {
		t.Errorf("with an item for each word: got %v, want %v", got, onlyDuplicates)
	}
	word.Enum = []any{"a", "b", "c"}
	if got := constraintsOf("spec.x", byWord); len(got) != 2 {
		t.Errorf("with more words than items: got %v, want the limit as well", got)
	}
}

func TestFieldsAreFoundInTheSchema(t *testing.T) {
	t.Parallel()
	texts := &schemaNode{AdditionalProperties: &schemaNode{}}
	schema := &schemaNode{Properties: map[string]*schemaNode{
		"map": texts, "mapped": {}, "list": {Items: &schemaNode{Properties: map[string]*schemaNode{"map": texts}}},
	}}
	for field, want := range map[string]string{
		"map": "map", "map.a": "map{}", "map.example.com/a": "map{}", "map[a]": "map{}", "mapped": "mapped",
		"list[12].map": "list[].map", "list[0].map.a": "list[].map{}", wholeObject: wholeObject,
	} {
		if got := schema.inSchema(field); got != want {
			t.Errorf("%s: got %s, want %s", field, got, want)
		}
	}
}

func TestNoItemOfAListOrMapHasADefault(t *testing.T) {
	t.Parallel()
	for kind, schema := range readSchemas(t) {
		lists := 0
		schema.walk("", func(path string, node *schemaNode) {
			if strings.HasSuffix(path, "[]") {
				lists++
			}
			if (strings.Contains(path, "[]") || strings.Contains(path, "{}")) && node.Default != nil {
				t.Errorf("%s %s has a default: whoever applies the list or map from Git would see it differ for ever", kind, path)
			}
		})
		if lists == 0 {
			t.Errorf("%s: no list is found, so this test does not read the CRD aright", kind)
		}
	}
}

func TestListsSayHowTheyAreMerged(t *testing.T) {
	t.Parallel()
	for kind, schema := range readSchemas(t) {
		schema.walk("", func(path string, node *schemaNode) {
			if node.Type == "array" && node.ListType == "" {
				t.Errorf("%s %s has no x-kubernetes-list-type: two appliers would overwrite each other", kind, path)
			}
		})
	}
}

func TestFieldsAreDescribed(t *testing.T) {
	t.Parallel()
	for kind, schema := range readSchemas(t) {
		schema.walk("", func(path string, node *schemaNode) {
			inner := strings.HasSuffix(path, "[]") || strings.HasSuffix(path, "{}") || path == "metadata"
			if !inner && node.Description == "" {
				t.Errorf("%s %q: kubectl explain has nothing to say of it", kind, path)
			}
		})
	}
}

func TestCRDsAreFarBelowTheLimit(t *testing.T) {
	t.Parallel()
	// kubectl apply keeps the whole CRD in an annotation, which may have 256 KiB; the metadata has a share in that.
	const most = 64 << 10
	for _, path := range crdPaths(t) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > most {
			t.Errorf("%s has %d bytes, want at most %d", path, info.Size(), most)
		}
	}
}
