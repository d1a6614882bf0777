// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var durationLiteral = regexp.MustCompile(`duration\('([^']+)'\)`)

// lengthOfNames is how long names of objects may be. All who use Kubernetes know that.
const lengthOfNames = 253

// lacks is what the description of a field should say, and does not: kubectl explain shows neither defaults nor limits, so
// who fills the field in has only that text. A rule here asks for the very words of the schema, so that a text does not
// lag behind it.
func (s *schemaNode) lacks(required bool) []string {
	var wanted []string
	want := func(texts ...string) {
		if !slices.ContainsFunc(texts, func(text string) bool { return containsWord(s.Description, text) }) {
			wanted = append(wanted, strings.Join(texts, " or "))
		}
	}
	inner := len(s.Properties) > 0 // its fields say more
	switch {
	case s.Default != nil && !inner:
		want(fmt.Sprintf("Default: %v", s.Default))
	case !required && !inner:
		want("Absent:", "Set either")
	}
	for _, limit := range []*int64{s.MaxLength, s.Minimum, s.Maximum, s.MaxItems, s.MaxProperties} {
		if limit != nil && *limit != lengthOfNames && s.Enum == nil {
			want(fmt.Sprint(*limit))
		}
	}
	for _, value := range s.Enum {
		want(fmt.Sprint(value))
	}
	if s.Format == "byte" {
		want("base64")
	}
	for _, rule := range s.Rules {
		for _, bound := range durationLiteral.FindAllStringSubmatch(rule.Rule, -1) {
			want(bound[1]) // which also shows how a duration is written
		}
		if rule.Rule == "self == oldSelf" {
			want("Immutable")
		}
	}
	return wanted
}

// containsWord says whether a text holds some words that are not a part of longer ones.
func containsWord(text, words string) bool {
	inText := regexp.MustCompile(`(^|[^0-9A-Za-z])` + regexp.QuoteMeta(words) + `($|[^0-9A-Za-z])`)
	return inText.MatchString(strings.Join(strings.Fields(text), " "))
}

func TestKubectlExplainIsEnoughToWorkFrom(t *testing.T) {
	t.Parallel()
	for kind, schema := range readSchemas(t) {
		fields := 0
		var walk func(path string, node *schemaNode)
		walk = func(path string, node *schemaNode) {
			for name, child := range node.Properties {
				at := path + "." + name
				fields++
				for _, text := range child.lacks(slices.Contains(node.Required, name)) {
					t.Errorf("%s %s: the description should say %q: %s", kind, at, text, child.Description)
				}
				if name != "selector" { // what is in it is of Kubernetes
					walk(at, child)
				}
			}
			if node.Items != nil {
				walk(path+"[]", node.Items)
			}
		}
		walk("spec", schema.Properties["spec"])
		if fields < 10 {
			t.Errorf("%s: only %d fields are found", kind, fields)
		}
	}
}

func TestWhatADescriptionLacksIsFound(t *testing.T) {
	t.Parallel()
	one, two := int64(1), int64(2000)
	duration := &schemaNode{Description: "wait is how long. Absent: 5m.", Rules: []celRule{{Rule: "duration(self) >= duration('3m')"}}}
	immutable := &schemaNode{Description: "key of it. Absent: none.", Rules: []celRule{{Rule: "self == oldSelf"}}}
	for name, test := range map[string]struct {
		node     *schemaNode
		required bool
		want     []string
	}{
		"nothing":            {&schemaNode{Description: "name of it."}, true, nil},
		"what absence means": {&schemaNode{Description: "name of it."}, false, []string{"Absent: or Set either"}},
		"a default":          {&schemaNode{Description: "n. Default: 10.", Default: 1}, false, []string{"Default: 1"}},
		"limits":             {&schemaNode{Description: "n from 1 to 20001", Minimum: &one, Maximum: &two}, true, []string{"2000"}},
		"a value":            {&schemaNode{Description: "p: Adopt", Enum: []any{"Adopt", "AdoptOrCreate"}}, true, []string{"AdoptOrCreate"}},
		"a bound":            {duration, false, []string{"3m"}},
		"immutability":       {immutable, false, []string{"Immutable"}},
		"an encoding":        {&schemaNode{Description: "PEM", Format: "byte"}, true, []string{"base64"}},
	} {
		if got := test.node.lacks(test.required); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
