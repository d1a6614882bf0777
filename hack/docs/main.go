// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command docs writes what the documentation says of the API: docs/api.md from the definitions in config/crd/bases,
// docs/conditions.md from the comments in api/v1alpha1/conditions.go, and the states in the page of each kind from those
// that the tests of the controllers bring about. What people have written in these pages stays.
//
//	go run ./hack/docs
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Where it is read from, from the root of the repository.
var (
	crds       = filepath.FromSlash("config/crd/bases")
	statesFile = filepath.FromSlash("test/health/testdata/states.json")
	statesDir  = filepath.FromSlash("config/argocd/sendforsign.com")
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// run writes the pages that differ.
func run(root string) error {
	pages, err := write(root)
	if err != nil {
		return err
	}
	for path, text := range pages {
		at := filepath.Join(root, path)
		if there, err := os.ReadFile(at); err == nil && bytes.Equal(there, text) {
			continue
		}
		if err := os.WriteFile(at, text, 0o644); err != nil { //nolint:gosec // a page is for everybody to read
			return fmt.Errorf("writing a page: %w", err)
		}
	}
	return nil
}

// write returns the text of each page, by its path from the root of the repository.
func write(root string) (map[string][]byte, error) {
	kinds, err := readKinds(filepath.Join(root, crds))
	if err != nil {
		return nil, err
	}
	states, err := readStates(root)
	if err != nil {
		return nil, err
	}
	conditions, err := conditionsPage(root, states)
	if err != nil {
		return nil, err
	}
	pages := map[string][]byte{
		"docs/api.md":        apiPage(kinds),
		"docs/conditions.md": conditions,
	}
	for _, kind := range kinds {
		path := pageOf(kind.Name)
		page, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return nil, fmt.Errorf("reading the page of a kind: %w", err)
		}
		if pages[path], err = into(page, "states", statesOf(kind.Name, states)); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return pages, nil
}

// pageOf is the page of a kind.
func pageOf(kind string) string { return "docs/" + strings.ToLower(kind) + ".md" }

// into puts a text between the two comments that mark its place in a page.
func into(page []byte, place, text string) ([]byte, error) {
	begin, end := "<!-- "+place+" begin: written by make docs -->\n", "<!-- "+place+" end -->\n"
	before, rest, begins := strings.Cut(string(page), begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		return nil, fmt.Errorf("there is no place for the %s", place)
	}
	return []byte(before + begin + "\n" + text + "\n" + end + after), nil
}

// cell makes of a text one that can stand in a table.
func cell(text string) string { return strings.ReplaceAll(plain(text), "|", `\|`) }

// plain keeps what looks like HTML from being taken for it, such as <name>, outside of code.
func plain(text string) string {
	var out strings.Builder
	for i, part := range strings.Split(text, "`") {
		if i > 0 {
			out.WriteByte('`')
		}
		if i%2 == 0 {
			part = strings.NewReplacer("<", "&lt;", ">", "&gt;", "*", `\*`).Replace(part)
		}
		out.WriteString(part)
	}
	return out.String()
}

// sentence begins a text with a capital, unless it begins with the name of a field.
func sentence(text string) string {
	if first, _, _ := strings.Cut(text, " "); text == "" || strings.Contains(strings.TrimSuffix(first, "."), ".") {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
