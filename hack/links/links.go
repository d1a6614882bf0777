// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// pages holds what is known of each page.
type pages struct {
	files fs.FS
	read  map[string]*page
}

// check returns what is wrong with the links of the pages: "<page>:<line>: <what>" each.
func check(files fs.FS, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, errors.New("no page is named")
	}
	p := &pages{files: files, read: map[string]*page{}}
	var broken []string
	for _, name := range names {
		from, err := p.page(name)
		if err != nil {
			return nil, err
		}
		for _, l := range from.links {
			complaint, err := p.follow(name, l.to)
			if err != nil {
				return nil, err
			}
			if complaint != "" {
				broken = append(broken, fmt.Sprintf("%s:%d: %s: %s", name, l.line, l.to, complaint))
			}
		}
	}
	return broken, nil
}

// page reads a page once.
func (p *pages) page(name string) (*page, error) {
	if known := p.read[name]; known != nil {
		return known, nil
	}
	source, err := fs.ReadFile(p.files, name)
	if err != nil {
		return nil, fmt.Errorf("reading a page: %w", err)
	}
	p.read[name] = parse(source)
	return p.read[name], nil
}

// follow says what is wrong with a link, if anything is.
func (p *pages) follow(from, to string) (string, error) {
	target, err := url.Parse(to)
	if err != nil {
		return "this is no link", nil //nolint:nilerr // that is what is told
	}
	if target.Scheme != "" || target.Host != "" {
		return "", nil
	}
	name := from
	switch {
	case strings.HasPrefix(target.Path, "/"): // from the root, as GitHub has it
		name = path.Clean(target.Path[1:])
	case target.Path != "":
		name = path.Join(path.Dir(from), target.Path)
	}
	if !fs.ValidPath(name) {
		return "this leads out of the repository", nil
	}
	there, err := fs.Stat(p.files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "there is no " + name, nil
	}
	if err != nil {
		return "", fmt.Errorf("following a link: %w", err)
	}
	if target.Fragment == "" {
		return "", nil
	}
	return p.followInto(name, there.IsDir(), target.Fragment)
}

var lines = regexp.MustCompile(`^L[1-9][0-9]*(-L[1-9][0-9]*)?$`)

// followInto says what is wrong with the part of a link that names a place in a file.
func (p *pages) followInto(name string, isDir bool, anchor string) (string, error) {
	switch {
	case isDir:
		return name + " is a directory, which has no headings", nil
	case !strings.HasSuffix(name, ".md"):
		return p.followLine(name, anchor)
	}
	into, err := p.page(name)
	if err != nil {
		return "", err
	}
	if !into.anchors[anchor] {
		return fmt.Sprintf("%s has no heading #%s", name, anchor), nil
	}
	return "", nil
}

func (p *pages) followLine(name, anchor string) (string, error) {
	if !lines.MatchString(anchor) {
		return name + " has no headings", nil
	}
	text, err := fs.ReadFile(p.files, name)
	if err != nil {
		return "", fmt.Errorf("following a link: %w", err)
	}
	var last int
	if _, err := fmt.Sscanf(anchor[strings.LastIndex(anchor, "L"):], "L%d", &last); err != nil {
		return "", fmt.Errorf("following a link: %w", err)
	}
	if there := bytes.Count(text, []byte("\n")); last > there {
		return fmt.Sprintf("%s has %d lines", name, there), nil
	}
	return "", nil
}
