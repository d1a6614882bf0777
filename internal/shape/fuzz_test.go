// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shape_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/sendforsign/sfs-operator/internal/shape"
)

// FuzzTemplate tries whether a template can do harm: end the process, take long, grow, come out different the next time,
// or have an error tell a value.
func FuzzTemplate(f *testing.F) {
	for text := range failing {
		f.Add(text)
	}
	for _, bomb := range bombs {
		f.Add(bomb.text)
	}
	for text := range rendering {
		f.Add(text)
	}
	src := watched()
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToUpper(text), canary) {
			t.Skip() // what stands in the template may stand in the error
		}
		began := time.Now()
		data, err := only(text).Render(src)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it takes %s", took)
		}
		again, err2 := only(text).Render(src)
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() || !maps.EqualFunc(data, again, bytes.Equal) {
			t.Errorf("%q %v, and then %q %v", data, err, again, err2)
		}
		if err == nil {
			if n := len(data["k"]); n > 64<<10 {
				t.Errorf("%d bytes", n)
			}
			if bytes.Contains(data["k"], []byte("<no value>")) && !strings.Contains(text, "<") && !strings.Contains(text, "no value") {
				t.Errorf("something is nil: %q", data["k"])
			}
			return
		}
		var p *shape.Error
		if !errors.As(err, &p) {
			t.Fatalf("the error is a %T", err)
		}
		if strings.Contains(strings.ToUpper(p.Error()), canary) {
			t.Errorf("the error holds a value: %s", p)
		}
		if len(p.Message) > 400 || strings.ContainsFunc(p.Message, unicode.IsControl) {
			t.Errorf("nobody can read %q", p.Message)
		}
		if lines := strings.Split(text, "\n"); p.Line > len(lines) || p.Line == 0 && p.Column != 0 ||
			p.Column > 1 && p.Column > len([]rune(lines[p.Line-1]))+1 {
			t.Errorf("line %d, column %d is not in the template", p.Line, p.Column)
		}
	})
}

// FuzzFormats tries whether a value can break out of its place in a format.
func FuzzFormats(f *testing.F) {
	for _, token := range []string{"4f6Jq0.x_Zk~Yw+b/A1=", "a b", "a\nSFS_X=y", `";`, "$host", "~", "a:~b", "é", "\xff", "#", "'", "\\"} {
		f.Add(token, "https://api.sendforsign.com/api")
		f.Add("t", token)
	}
	f.Add("t", "https://a b/")
	f.Add("t", "//[fe80::1%25 x]/")
	f.Fuzz(func(t *testing.T, token, url string) {
		src := source()
		src.Values["token"], src.Values["baseURL"] = token, url
		rendered := func(format shape.Format) (string, bool) {
			data, err := shape.Shape{Formats: map[shape.Format]string{format: "k"}, Replace: true}.Render(src)
			// A value of some letters stands in a message by chance.
			if err != nil && (len(token) > 8 && strings.Contains(err.Error(), token) || len(url) > 8 && strings.Contains(err.Error(), url)) {
				t.Errorf("the error holds a value: %v", err)
			}
			return string(data["k"]), err == nil
		}
		if text, good := rendered(shape.JSON); good {
			var read map[string]string
			if err := json.Unmarshal([]byte(text), &read); err != nil || read["token"] != token || read["baseURL"] != url || strings.Count(text, "\n") != 1 {
				t.Errorf("%q is read as %q (%v)", text, read, err)
			}
		}
		if text, good := rendered(shape.Env); good {
			read := map[string]string{}
			for line := range strings.Lines(text) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				read[name] = value
			}
			if read["SFS_TOKEN"] != token || read["SFS_BASE_URL"] != url || strings.ContainsAny(text, " \t\r\"'`$\\#&;|<>*?(){}!^[]") {
				t.Errorf("%q is read as %q", text, read)
			}
		}
		if text, good := rendered(shape.Netrc); good {
			words := strings.Fields(text)
			if len(words) != 6 || words[1] == "" || words[5] != token || strings.Join(words, " ")+"\n" != text {
				t.Errorf("%q is read as %q", text, words)
			}
		}
		if text, good := rendered(shape.NginxHeader); good {
			inner, found := strings.CutPrefix(text, `proxy_set_header Authorization "Bearer `)
			inner, end := strings.CutSuffix(inner, "\";\n")
			if !found || !end || inner != token || strings.ContainsAny(inner, "\"\\$\n ") {
				t.Errorf("%q is something else for nginx", text)
			}
		}
	})
}
