// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// kind is what a definition says of one kind.
type kind struct {
	Name, Plural, Scope string
	ShortNames          []string
	Version             string
	Columns             []column
	Schema              schema
}

type column struct {
	Name     string `json:"name"`
	JSONPath string `json:"jsonPath"`
	Priority int    `json:"priority"`
}

// schema is the part of an OpenAPI schema that definitions use.
type schema struct {
	Description          string            `json:"description"`
	Type                 string            `json:"type"`
	Format               string            `json:"format"`
	Default              json.RawMessage   `json:"default"`
	Enum                 []string          `json:"enum"`
	Pattern              string            `json:"pattern"`
	MinLength            *int64            `json:"minLength"`
	MaxLength            *int64            `json:"maxLength"`
	MinItems             *int64            `json:"minItems"`
	MaxItems             *int64            `json:"maxItems"`
	MinProperties        *int64            `json:"minProperties"`
	MaxProperties        *int64            `json:"maxProperties"`
	Minimum              *int64            `json:"minimum"`
	Maximum              *int64            `json:"maximum"`
	Required             []string          `json:"required"`
	Properties           map[string]schema `json:"properties"`
	Items                *schema           `json:"items"`
	AdditionalProperties *schema           `json:"additionalProperties"`
	Rules                []rule            `json:"x-kubernetes-validations"`
}

// rule is one in CEL.
type rule struct {
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

// readKinds reads the definitions, the kinds that others refer to first.
func readKinds(dir string) ([]kind, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var kinds []kind
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading a definition: %w", err)
		}
		var definition struct {
			Spec struct {
				Scope string `json:"scope"`
				Names struct {
					Kind       string   `json:"kind"`
					Plural     string   `json:"plural"`
					ShortNames []string `json:"shortNames"`
				} `json:"names"`
				Versions []struct {
					Name    string   `json:"name"`
					Columns []column `json:"additionalPrinterColumns"`
					Schema  struct {
						OpenAPIV3Schema schema `json:"openAPIV3Schema"`
					} `json:"schema"`
				} `json:"versions"`
			} `json:"spec"`
		}
		if err := yaml.Unmarshal(text, &definition); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		spec := definition.Spec
		if len(spec.Versions) != 1 {
			return nil, fmt.Errorf("reading %s: it has %d versions, and the pages are for one", file, len(spec.Versions))
		}
		kinds = append(kinds, kind{
			Name: spec.Names.Kind, Plural: spec.Names.Plural, Scope: spec.Scope, ShortNames: spec.Names.ShortNames,
			Version: spec.Versions[0].Name, Columns: spec.Versions[0].Columns, Schema: spec.Versions[0].Schema.OpenAPIV3Schema,
		})
	}
	if len(kinds) == 0 {
		return nil, errors.New("there are no definitions in " + dir)
	}
	slices.SortFunc(kinds, func(a, b kind) int { return rank(a.Name) - rank(b.Name) })
	return kinds, nil
}

func rank(kind string) int {
	return slices.Index([]string{"SfsPlatform", "SfsClient", "SfsClientUser", "OAuthToken"}, kind)
}

// field is one of a kind, by its path from the root of the resource, such as spec.adoption[].name.
type field struct {
	path     string
	required bool
	schema   schema
}

// fieldsBelow returns the fields below one, each before those below itself, by name.
func fieldsBelow(path string, of schema) []field {
	var fields []field
	for _, name := range slices.Sorted(maps.Keys(of.Properties)) {
		at := path + "." + name
		below := of.Properties[name]
		fields = append(fields, field{at, slices.Contains(of.Required, name), below})
		if isShared(below) {
			continue
		}
		if below.Type == "array" {
			at, below = at+"[]", *below.Items
		}
		fields = append(fields, fieldsBelow(at, below)...)
	}
	return fields
}

// isShared says whether a field is of a type of Kubernetes, which has its own documentation: a label selector, or a list of
// conditions.
func isShared(s schema) bool {
	if s.Items != nil {
		return isShared(*s.Items)
	}
	_, selects := s.Properties["matchExpressions"]
	_, condition := s.Properties["lastTransitionTime"]
	return selects || condition
}

// typeOf is the type of a field, as one would call it.
func typeOf(f field) string {
	s := f.schema
	switch {
	case strings.HasSuffix(f.path, "conditions"):
		return "list of conditions"
	case isShared(s):
		return "label selector"
	case s.Type == "array" && s.Items.Type == "object":
		return "list of objects"
	case s.Type == "array":
		return "list of " + s.Items.Type + "s"
	case s.AdditionalProperties != nil:
		return "map of " + s.AdditionalProperties.Type + "s"
	case s.Format == "date-time":
		return "time"
	case s.Format == "byte":
		return "bytes in base64"
	case slices.ContainsFunc(s.Rules, func(r rule) bool { return strings.Contains(r.Rule, "duration(self)") }), strings.HasSuffix(f.path, "Interval"):
		return "duration"
	}
	return s.Type
}
