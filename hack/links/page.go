// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"html"
	"regexp"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// page is what one page has to do with links.
type page struct {
	links []link
	// anchors are the places in it that a link can name.
	anchors map[string]bool
}

type link struct {
	to   string
	line int
}

var (
	// In HTML: what a link can name, and links.
	htmlAnchor = regexp.MustCompile(`<\w+[^>]*\s(?:id|name)="([^"]+)"`)
	htmlLink   = regexp.MustCompile(`<\w+[^>]*\s(?:href|src)="([^"]+)"`)
)

// parse reads a page, as GitHub does.
func parse(source []byte) *page {
	p := &page{anchors: map[string]bool{}}
	document := goldmark.New(goldmark.WithExtensions(extension.Table)).Parser().Parse(text.NewReader(source))
	seen := map[string]int{}
	line := 1
	_ = ast.Walk(document, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if at, ok := begins(n); ok {
			line = 1 + bytes.Count(source[:at], []byte("\n"))
		}
		switch n := n.(type) {
		case *ast.Heading:
			p.anchors[unique(anchorOf(textOf(n, source)), seen)] = true
		case *ast.Link:
			p.links = append(p.links, link{string(n.Destination), lineOf(n, source, line)})
		case *ast.Image:
			p.links = append(p.links, link{string(n.Destination), lineOf(n, source, line)})
		case *ast.HTMLBlock:
			p.addHTML(n.Lines().Value(source), line)
		case *ast.RawHTML:
			p.addHTML(n.Segments.Value(source), line)
		}
		return ast.WalkContinue, nil
	})
	return p
}

func (p *page) addHTML(markup []byte, line int) {
	for _, match := range htmlAnchor.FindAllSubmatch(markup, -1) {
		p.anchors[string(match[1])] = true
	}
	for _, match := range htmlLink.FindAllSubmatchIndex(markup, -1) {
		below := bytes.Count(markup[:match[2]], []byte("\n"))
		p.links = append(p.links, link{html.UnescapeString(string(markup[match[2]:match[3]])), line + below})
	}
}

// begins is where a node begins that knows it.
func begins(n ast.Node) (int, bool) {
	if n, ok := n.(*ast.Text); ok {
		return n.Segment.Start, true
	}
	if n.Type() == ast.TypeBlock && n.Lines() != nil && n.Lines().Len() > 0 {
		return n.Lines().At(0).Start, true
	}
	return 0, false
}

// lineOf is the line of a link, by what it shows; of one that shows nothing it is that of what was before it.
func lineOf(n ast.Node, source []byte, before int) int {
	for child := n.FirstChild(); child != nil; child = child.FirstChild() {
		if at, ok := begins(child); ok {
			return 1 + bytes.Count(source[:at], []byte("\n"))
		}
	}
	return before
}

// textOf is what a reader sees of a heading.
func textOf(n ast.Node, source []byte) string {
	var shown strings.Builder
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		switch child := child.(type) {
		case *ast.CodeSpan:
			for part := child.FirstChild(); part != nil; part = part.NextSibling() {
				if part, ok := part.(*ast.Text); ok {
					shown.Write(part.Segment.Value(source))
				}
			}
		case *ast.Text:
			shown.WriteString(html.UnescapeString(string(util.UnescapePunctuations(child.Segment.Value(source)))))
			if child.SoftLineBreak() {
				shown.WriteByte(' ')
			}
		case *ast.String:
			shown.Write(child.Value)
		case *ast.Image: // its text is not shown
		default:
			shown.WriteString(textOf(child, source))
		}
	}
	return shown.String()
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{M}\p{Nd}\p{Pc} -]`)

// anchorOf is what GitHub makes of a heading: lower case, no punctuation but - and _, and - for each space.
func anchorOf(heading string) string {
	return strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// unique counts the headings of the same text, as GitHub does: text, text-1, text-2.
func unique(anchor string, seen map[string]int) string {
	n, again := seen[anchor]
	seen[anchor] = n + 1
	if !again {
		return anchor
	}
	return unique(anchor+"-"+strconv.Itoa(n), seen)
}
