// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

func TestBrokenLinksAreFound(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"docs/guide.md": {Data: []byte("# Guide\n\n## What's new, `in` 1.2?\n\n## Twice\n\n## Twice\n\n## snake_case and Übung\n\n" +
			"<a id=\"by-hand\"></a>\n\n## A [link](guide.md) in it\n\n## spec.items[].name\n\n## `a*b` \\*c\\*\n")},
		"docs/pictures/one.svg": {Data: []byte("<svg/>\n")},
		"main.go":               {Data: []byte("package main\n\nfunc main() {}\n")},
		"with space.md":         {Data: []byte("# Here\n")},
	}
	const from = "docs/page.md"
	for name, c := range map[string]struct{ text, want string }{
		"a page":                               {"[a](guide.md)", ""},
		"a page that is not there":             {"[a](guid.md)", "docs/page.md:1: guid.md: there is no docs/guid.md"},
		"another case":                         {"[a](Guide.md)", "there is no docs/Guide.md"},
		"a heading":                            {"[a](guide.md#guide)", ""},
		"a heading with punctuation and code":  {"[a](guide.md#whats-new-in-12)", ""},
		"a heading with punctuation left in":   {"[a](guide.md#what's-new-in-1.2)", "has no heading"},
		"a heading that is there twice":        {"[a](guide.md#twice-1)", ""},
		"a heading that is not there thrice":   {"[a](guide.md#twice-2)", "docs/guide.md has no heading #twice-2"},
		"an underscore and an umlaut":          {"[a](guide.md#snake_case-and-%C3%BCbung)", ""},
		"an anchor made by hand":               {"[a](guide.md#by-hand)", ""},
		"a heading with a link":                {"[a](guide.md#a-link-in-it)", ""},
		"a heading with brackets":              {"[a](guide.md#specitemsname)", ""},
		"a heading with stars":                 {"[a](guide.md#ab-c)", ""},
		"a heading in capitals":                {"[a](guide.md#Guide)", "has no heading"},
		"a heading of its own":                 {"# Here\n\n[a](#here)", ""},
		"a heading of its own that is not":     {"# Here\n\n\n[a](#there)", "docs/page.md:4: #there: docs/page.md has no heading #there"},
		"a heading in code is none":            {"```sh\n# here\n```\n\n[a](#here)", "has no heading"},
		"a link in code is none":               {"```md\n[a](nothing.md)\n```\n\n`[a](nothing.md)`", ""},
		"a file above":                         {"[a](../main.go)", ""},
		"from the root":                        {"[a](/main.go)", ""},
		"a directory":                          {"[a](pictures)", ""},
		"a heading of a directory":             {"[a](pictures#one)", "is a directory"},
		"a picture":                            {"![a](pictures/one.svg)", ""},
		"a picture that is not there":          {"![a](pictures/two.svg)", "there is no docs/pictures/two.svg"},
		"out of the repository":                {"[a](../../secret.md)", "leads out of the repository"},
		"a line of code":                       {"[a](../main.go#L3)", ""},
		"a line that is not there":             {"[a](../main.go#L2-L4)", "main.go has 3 lines"},
		"a heading of code":                    {"[a](../main.go#main)", "main.go has no headings"},
		"a space":                              {"[a](../with%20space.md#here)", ""},
		"another site":                         {"[a](https://example.com/nothing.md#at-all) <https://example.com>", ""},
		"mail":                                 {"[a](mailto:nobody@example.com)", ""},
		"a link by reference":                  {"see [a][b]\n\n[b]: nothing.md", "docs/page.md:1: nothing.md: there is no docs/nothing.md"},
		"in a table":                           {"| a |\n|---|\n| b |\n| [c](nothing.md) |", "docs/page.md:4: nothing.md"},
		"in HTML":                              {"<p>\n<a href=\"nothing.md\">a</a>\n</p>", "docs/page.md:2: nothing.md"},
		"in HTML within a line":                {"see <img src=\"nothing.svg\">", "nothing.svg: there is no"},
		"in a list, on its second line":        {"- one\n- two, and\n  [a](nothing.md)", "docs/page.md:3: nothing.md"},
		"a comment in HTML has no links of it": {"<!-- [a](nothing.md) -->", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := fstest.MapFS{from: {Data: []byte(c.text)}}
			for path, file := range files {
				with[path] = file
			}
			broken, err := check(with, []string{from})
			if err != nil {
				t.Fatal(err)
			}
			switch got := strings.Join(broken, "\n"); {
			case c.want == "" && got != "":
				t.Errorf("found %s", got)
			case c.want != "" && !strings.Contains(got, c.want):
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

func TestAllBrokenLinksAreTold(t *testing.T) {
	t.Parallel()
	broken, err := check(fstest.MapFS{
		"a.md": {Data: []byte("[one](x.md)\n[two](b.md#y)\n")},
		"b.md": {Data: []byte("![three](z.svg)\n")},
	}, []string{"a.md", "b.md"})
	want := []string{"a.md:1: x.md: there is no x.md", "a.md:2: b.md#y: b.md has no heading #y", "b.md:1: z.svg: there is no z.svg"}
	if err != nil || !reflect.DeepEqual(broken, want) {
		t.Errorf("found %q, %v; want %q", broken, err, want)
	}
}

func TestAPageThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := check(fstest.MapFS{}, []string{"a.md"}); err == nil {
		t.Error("no error for a page that is not there")
	}
	if _, err := check(fstest.MapFS{}, nil); err == nil {
		t.Error("no error where nothing is checked")
	}
}
