// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package shape renders the data of a Secret: which values stand in it, under which keys, and in the files that
// applications read, such as a .netrc or one of their own. It knows neither Kubernetes nor the API that the values are of.
//
// What a Shape says comes from tenants. It is carried out in a process that holds the tokens of all of them, so that
// nothing in it can reach what is not in its Source, take long, need much memory, or give another result tomorrow. What
// is wrong with it is told to everybody who may read the resource, so that no error holds a value.
package shape

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

const (
	// maxData is how long all keys and values of a Secret may be together. It is half of what Kubernetes allows, which
	// leaves room for what the caller adds, and for the form in base64 in which they are sent and stored.
	maxData = 512 << 10
	// maxKey is how long the key of a Secret may be.
	maxKey = 253
)

// Source is what there is to show.
type Source struct {
	// Values by their default keys. Each key that there may be is there: what is not known is empty.
	Values map[string]string
	// Aliases are further default keys, each with the key in Values that it repeats.
	Aliases map[string]string
	// TokenKey is the key in Values that holds the token. Empty: there is none.
	TokenKey string
	// URLKey is the key in Values that holds the URL of the API.
	URLKey string
	// EnvPrefix is what names of environment variables begin with, such as "SFS_".
	EnvPrefix string
}

// Shape is how a Source is to be shown.
type Shape struct {
	// Keys are the names in the Secret of default keys and aliases. An empty name leaves a key out; without one it keeps
	// its own.
	Keys map[string]string
	// Formats are the built-in formats to show, each with its key in the Secret. Empty: its DefaultKey.
	Formats map[Format]string
	// Template has, for each key in the Secret, the Go template that makes its value.
	Template map[string]string
	// Replace shows formats and templates only.
	Replace bool
}

// Error says what is wrong with a Shape. It holds no value of the Source.
type Error struct {
	// Field of the Shape, as users write it: keys[token], formats[json], template.data[config.ini].
	Field string
	// Line and Column in a template, from 1; Column counts characters. 0: it is not known, or there is none.
	Line, Column int
	// Message says what is wrong, and what to do where that is not plain.
	Message string
}

func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return e.Field + ": " + e.Message
	case e.Column == 0:
		return fmt.Sprintf("%s: line %d: %s", e.Field, e.Line, e.Message)
	}
	return fmt.Sprintf("%s: line %d, column %d: %s", e.Field, e.Line, e.Column, e.Message)
}

// part is one key of the Secret.
type part struct {
	// key in the Secret.
	key string
	// field is where the Shape asks for it. Empty: nowhere, it has its default key.
	field string
	// what it is, for a message.
	what string
	// render makes the value. Of an absent one the key is left out.
	render func() (value []byte, present bool, problem *Error)
}

// Render makes the data of the Secret. The error is an *Error. Whether two parts get in each other's way, and whether a
// template names a value that there is not, does not depend on which values are known.
func (s Shape) Render(src Source) (data map[string][]byte, err error) {
	parts, problem := s.parts(src)
	if problem != nil {
		return nil, problem
	}
	data = make(map[string][]byte, len(parts))
	size, largest, most := 0, "", -1
	for _, p := range parts {
		value, present, problem := p.render()
		if problem != nil {
			return nil, problem
		}
		if !present {
			continue
		}
		data[p.key] = value
		n := len(p.key) + len(value)
		size += n
		if n > most {
			largest, most = p.where(), n
		}
	}
	if size > maxData {
		return nil, &Error{Field: largest, Message: fmt.Sprintf(
			"all keys and values of the Secret together have %d KiB, and may have %d; this is the largest",
			(size+1023)>>10, maxData>>10)}
	}
	return data, nil
}

// TokenAt is the key in the Secret under which the bare token stands, whether or not it is known. Empty: under none.
func (s Shape) TokenAt(src Source) string {
	if src.TokenKey == "" || s.Replace {
		return ""
	}
	if key := s.keyOf(src.TokenKey); key != "" {
		return key
	}
	for _, alias := range slices.Sorted(maps.Keys(src.Aliases)) {
		if src.Aliases[alias] == src.TokenKey && s.keyOf(alias) != "" {
			return s.keyOf(alias)
		}
	}
	return ""
}

// keyOf is the name in the Secret of a default key or alias.
func (s Shape) keyOf(name string) string {
	if key, wished := s.Keys[name]; wished {
		return key
	}
	return name
}

// parts are all keys of the Secret, always in the same order: default keys, formats, templates. No two have the same key.
func (s Shape) parts(src Source) ([]part, *Error) {
	plain, problem := s.defaults(src)
	if problem != nil {
		return nil, problem
	}
	formats, problem := s.formats(src)
	if problem != nil {
		return nil, problem
	}
	templates, problem := s.templates(src)
	if problem != nil {
		return nil, problem
	}
	parts := slices.Concat(plain, formats, templates)
	taken := map[string]part{}
	for _, p := range parts {
		if !isKey(p.key) {
			return nil, &Error{Field: p.where(), Message: fmt.Sprintf(
				`%s is no key for a Secret: it needs 1 to %d of the characters A-Z, a-z, 0-9, "-", "_" and ".", `+
					`and may not be "." or begin with ".."`, quoted(p.key), maxKey)}
		}
		other, found := taken[p.key]
		if !found {
			taken[p.key] = p
			continue
		}
		if p.field == "" { // The default key can not be wrong, so the one that was wished is.
			p, other = other, p
		}
		return nil, &Error{Field: p.where(), Message: fmt.Sprintf("the key %s of the Secret is also that of %s", p.key, other.what)}
	}
	return parts, nil
}

func (s Shape) defaults(src Source) ([]part, *Error) {
	names := slices.Concat(slices.Collect(maps.Keys(src.Values)), slices.Collect(maps.Keys(src.Aliases)))
	slices.Sort(names)
	for _, name := range slices.Sorted(maps.Keys(s.Keys)) {
		if !slices.Contains(names, name) {
			return nil, &Error{Field: field("keys", name), Message: "there is no such key here; there are: " + strings.Join(names, ", ")}
		}
	}
	if s.Replace {
		return nil, nil
	}
	var parts []part
	for _, name := range names {
		p := part{key: s.keyOf(name), what: "the default key " + name}
		if _, wished := s.Keys[name]; wished {
			p.field = field("keys", name)
			p.what = p.field
		}
		if p.key == "" {
			continue
		}
		value, found := src.Values[name]
		if !found {
			value = src.Values[src.Aliases[name]]
		}
		p.render = func() ([]byte, bool, *Error) { return []byte(value), value != "", nil }
		parts = append(parts, p)
	}
	return parts, nil
}

func (s Shape) formats(src Source) ([]part, *Error) {
	var parts []part
	for _, format := range slices.Sorted(maps.Keys(s.Formats)) {
		where := field("formats", string(format))
		known, found := formats[format]
		if !found {
			return nil, &Error{Field: where, Message: "there is no such format; there are: " + join(slices.Sorted(maps.Keys(formats)))}
		}
		key := s.Formats[format]
		if key == "" {
			key = known.key
		}
		parts = append(parts, part{key: key, field: where, what: where, render: func() ([]byte, bool, *Error) {
			text, err := known.render(src)
			if err != nil {
				return nil, false, &Error{Field: where, Message: err.Error()}
			}
			return []byte(text), true, nil
		}})
	}
	return parts, nil
}

func (s Shape) templates(src Source) ([]part, *Error) {
	if len(s.Template) > maxTemplates {
		return nil, &Error{
			Field: "template.data", Message: fmt.Sprintf("there are %d templates, and may be %d", len(s.Template), maxTemplates),
		}
	}
	var parts []part
	m := &meter{left: maxWork}
	total := 0
	for _, key := range slices.Sorted(maps.Keys(s.Template)) {
		where := field("template.data", key)
		if total += len(s.Template[key]); total > maxAllTemplates {
			return nil, &Error{
				Field: where, Message: fmt.Sprintf("with this one, the templates together have more than %d KiB", maxAllTemplates>>10),
			}
		}
		parts = append(parts, part{key: key, field: where, what: where, render: func() ([]byte, bool, *Error) {
			text, problem := render(s.Template[key], src.Values, m)
			if problem != nil {
				problem.Field = where
				return nil, false, problem
			}
			return text, true, nil
		}})
	}
	return parts, nil
}

func (p part) where() string {
	if p.field == "" {
		return field("keys", p.key)
	}
	return p.field
}

var keyPattern = regexp.MustCompile(`^[-._a-zA-Z0-9]+$`)

// isKey is the rule of Kubernetes: keys become names of files, and those that begin with two dots are the kubelet's own.
func isKey(key string) bool {
	return len(key) <= maxKey && keyPattern.MatchString(key) && key != "." && !strings.HasPrefix(key, "..")
}

// field is an entry of a map in the Shape, as users write it.
func field(of, key string) string {
	if !isKey(key) {
		key = quoted(key)
	}
	return of + "[" + key + "]"
}

// quoted is a name that may hold anything, for a message.
func quoted(name string) string {
	const most = 64
	if len(name) > most {
		return fmt.Sprintf("%+q…", name[:most])
	}
	return fmt.Sprintf("%+q", name)
}

func join[T ~string](names []T) string {
	var texts []string
	for _, name := range names {
		texts = append(texts, string(name))
	}
	return strings.Join(texts, ", ")
}
