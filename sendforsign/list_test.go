// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sendforsign

import (
	"errors"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/sendforsign/sfs-operator/internal/wire"
)

// repeated is a text that is repeated for as long as it is read.
type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.text[r.at]
		r.at = (r.at + 1) % len(r.text)
	}
	return len(p), nil
}

// A list without an end, in whatever form, takes little memory before it is given up.
func TestListsTakeMemoryForWhatTheyListOnly(t *testing.T) {
	tests := map[string]struct{ begin, then, says string }{
		"white space":             {`{"clients":[]`, "\n \t", "longer than"},
		"white space in the list": {`{"clients":[`, " ", "longer than"},
		"zeros":                   {"", "\x00", "malformed"},
		"a text":                  {`{"clients":[{"clientKey":"k","fullname":"`, "a", "longer than"},
		"a text of escapes":       {`{"message":"`, `\"`, "longer than"},
		"levels":                  {`{"clients":`, "[", "malformed"},
		"levels of another field": {`{"x":`, `{"x":`, "malformed"},
		"a list of another field": {`{"x":[`, "1,", "longer than"},
		"many other fields":       {`{"x":1`, `,"` + strings.Repeat("y", 30) + `":"` + strings.Repeat("z", 1000) + `"`, "longer than"},
		"an item without an end":  {`{"clients":[{"clientKey":"k","x":[0`, ",0", "longer than"},
		"items without a key":     {`{"clients":[{}`, ",{}", "no key"},
		"a number":                {`{"code":`, "1", "longer than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := decodeList(io.MultiReader(strings.NewReader(test.begin), &repeated{text: test.then}))
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %q", err, test.says)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
				t.Errorf("it took %d MiB", used>>20)
			}
		})
	}
}

func TestListsAreBoundedInNumber(t *testing.T) {
	_, _, err := decodeList(io.MultiReader(strings.NewReader(`{"users":[{"userKey":"k"}`), &repeated{text: `,{"userKey":"k"}`}))
	if !errors.Is(err, errTooMany) {
		t.Errorf("got %v", err)
	}
}

func TestListsAreDecodedAsOtherAnswers(t *testing.T) {
	for body, want := range map[string]struct {
		keys []string
		code code
		good bool
	}{
		`{"clients":[{"clientKey":"a"},{"clientKey":"b"}],"code":"200"}`: {[]string{"a", "b"}, 200, true},
		` { "code" : 200 , "CLIENTS" : [ { "clientKey" : "a" } ] } `:     {[]string{"a"}, 200, true},
		`{"meta":{"page":[1,2]},"clients":[{"clientKey":"a","x":[{}]}]}`: {[]string{"a"}, 0, true},
		`{"clients":null,"code":404,"message":"no clients"}`:             {nil, 404, true},
		`{"clients":[],"clients":[{"clientKey":"b"}]}`:                   {[]string{"b"}, 0, true},
		`{"clients":[{"clientKey":"a","fullname":"x  \" \\\\ y"}]}`:      {[]string{"a"}, 0, true},
		`{"code":404,"clients":{}}`:                                      {nil, 404, false},
		`{"clients":["a","b"],"code":200}`:                               {nil, 0, false},
		`{"clients":[{"clientKey":"a"} {"clientKey":"b"}]}`:              {[]string{"a"}, 0, false},
		`{"clients":[{"clientKey":"a"}]} {}`:                             {[]string{"a"}, 0, false},
		`{"clients":[{"clientKey":"a"}],}`:                               {[]string{"a"}, 0, false},
		`{"clients":[{"clientKey":"a"}]`:                                 {[]string{"a"}, 0, false},
		`{"co de":1,"clients":[{"clientKey":"a"}],"code":1 2}`:           {[]string{"a"}, 1, false},
		`[]`: {nil, 0, false}, ``: {nil, 0, false}, `null`: {nil, 0, false},
	} {
		a, _, err := decodeList(strings.NewReader(body))
		var keys []string
		for _, c := range a.Clients.items {
			keys = append(keys, c.ClientKey.value)
		}
		if !reflect.DeepEqual(keys, want.keys) || a.Code != want.code || (err == nil) != want.good {
			t.Errorf("%s: got %v with code %d, %v", body, keys, a.Code, err)
		}
	}
}

func TestAListThatBreaksOffSaysWhy(t *testing.T) {
	lost := errors.New("connection lost")
	_, _, err := decodeList(io.MultiReader(strings.NewReader(`{"clients":[`), failing{lost}))
	if !errors.Is(err, lost) || !errors.Is(err, wire.ErrUnreadable) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
