// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// apiPage lists all fields of all kinds.
func apiPage(kinds []kind) []byte {
	var out bytes.Buffer
	out.WriteString(`# API reference

<!-- Written by make docs from config/crd/bases: edit the comments in api/v1alpha1 instead. -->

All fields of all kinds, with what the API server checks, as ` + "`kubectl explain`" + ` shows them. What they are for, with examples,
stands in the page of each kind. "Refuses" is what the API server says to a value that breaks a rule.

Group ` + "`sendforsign.com`" + `. Durations are written as ` + "`90s`, `10m` or `1h30m`" + `, times as in RFC 3339.
`)
	for _, k := range kinds {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n", k.Name, plain(joined(k.Schema.Description)))
		fmt.Fprintf(&out, "Version `%s`, %s, short name `%s`. More: [%s](%s).\n", k.Version, scopeOf(k), strings.Join(k.ShortNames, "`, `"),
			k.Name, strings.TrimPrefix(pageOf(k.Name), "docs/"))
		writeColumns(&out, k)
		if len(k.Schema.Rules) > 0 {
			out.WriteString("\nRules of the whole resource. Refuses:\n\n")
			writeRules(&out, k.Schema.Rules)
		}
		for _, part := range []string{"spec", "status"} {
			fmt.Fprintf(&out, "\n### %s %s\n", k.Name, part)
			if rules := k.Schema.Properties[part].Rules; len(rules) > 0 {
				out.WriteString("\nRules of the whole spec. Refuses:\n\n")
				writeRules(&out, rules)
			}
			out.WriteString("\n| Field | Type | Default | What it is | Checks |\n|---|---|---|---|---|\n")
			for _, f := range fieldsBelow(part, k.Schema.Properties[part]) {
				fmt.Fprintf(&out, "| `%s` | %s | %s | %s | %s |\n", f.path, typeOf(f), initial(f.schema), cell(joined(f.schema.Description)), cell(checks(f)))
			}
		}
	}
	return out.Bytes()
}

func scopeOf(k kind) string {
	if k.Scope == "Cluster" {
		return "of the whole cluster"
	}
	return "in a namespace"
}

func writeColumns(out *bytes.Buffer, k kind) {
	var names, wide []string
	for _, c := range k.Columns {
		name := "`" + strings.ToUpper(c.Name) + "`"
		if c.Priority > 0 {
			wide = append(wide, name)
			continue
		}
		names = append(names, name)
	}
	fmt.Fprintf(out, "Columns: %s; with `-o wide` also %s.\n", strings.Join(names, ", "), strings.Join(wide, ", "))
}

func writeRules(out *bytes.Buffer, rules []rule) {
	for _, r := range rules {
		fmt.Fprintf(out, "- %s\n", plain(r.Message))
	}
}

// initial is the default of a field that has one.
func initial(s schema) string {
	var text string
	switch {
	case s.Default == nil:
		return ""
	case json.Unmarshal(s.Default, &text) == nil:
		return "`" + text + "`"
	}
	return "`" + string(s.Default) + "`"
}

// checks are what the API server checks of a field.
func checks(f field) string {
	var parts []string
	if f.required {
		parts = append(parts, "Required.")
	}
	add := func(before, after string) {
		if after != "" {
			parts = append(parts, sentence(before+after)+".")
		}
	}
	add("", limitsOf(f.schema))
	for _, below := range []*schema{f.schema.Items, f.schema.AdditionalProperties} {
		if below == nil {
			continue
		}
		if limits := limitsOf(*below); limits != "" {
			add("each: ", limits)
		}
		for _, r := range below.Rules {
			add("refuses: ", r.Message)
		}
	}
	for _, r := range f.schema.Rules {
		add("refuses: ", r.Message)
	}
	return strings.Join(parts, " ")
}

// joined is a text in one line.
func joined(text string) string { return strings.Join(strings.Fields(text), " ") }

func limitsOf(s schema) string {
	var limits []string
	add := func(least, most *int64, of string) {
		switch {
		case least != nil && most != nil:
			limits = append(limits, fmt.Sprintf("%d to %d%s", *least, *most, of))
		case most != nil:
			limits = append(limits, fmt.Sprintf("at most %d%s", *most, of))
		case least != nil:
			limits = append(limits, fmt.Sprintf("at least %d%s", *least, of))
		}
	}
	if len(s.Enum) > 0 {
		limits = append(limits, "one of `"+strings.Join(s.Enum, "`, `")+"`")
	}
	add(s.MinLength, s.MaxLength, " characters")
	add(s.MinItems, s.MaxItems, " items")
	add(s.MinProperties, s.MaxProperties, " keys")
	add(s.Minimum, s.Maximum, "")
	if s.Pattern != "" {
		limits = append(limits, "pattern `"+s.Pattern+"`")
	}
	return strings.Join(limits, "; ")
}
