// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shape

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// page is the page that tells users of all this. What it shows must be so.
func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "secret-shapes.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section is what stands under a heading, up to the next one.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, after, found := strings.Cut(page(t), "\n"+heading+"\n")
	if !found {
		t.Fatalf("the page has no heading %q", heading)
	}
	before, _, _ := strings.Cut(after, "\n#")
	return before
}

// cells of the rows of a table, without the head. A bar within a cell has a backslash before it.
func cells(text string) [][]string {
	var rows [][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| `") && !strings.HasPrefix(line, "| A") {
			continue
		}
		var row []string
		for cell := range strings.SplitSeq(strings.Trim(strings.ReplaceAll(line, `\|`, "\x00"), "|"), "|") {
			row = append(row, strings.Trim(strings.ReplaceAll(strings.TrimSpace(cell), "\x00", "|"), "`"))
		}
		rows = append(rows, row)
	}
	return rows
}

func TestThePageShowsEachFunction(t *testing.T) {
	t.Parallel()
	src := Source{Values: map[string]string{"token": "s3cr3t", "clientKey": "Shop-1", "expiresAt": "2026-11-21T21:30:12Z", "userKey": ""}}
	text := section(t, "### Functions")
	for key, value := range src.Values {
		if !strings.Contains(strings.ReplaceAll(text, "\n", " "), "`"+key+"`: `"+value+"`") && value != "" {
			t.Errorf("the page gives %s another value", key)
		}
	}
	var shown []string
	for _, row := range cells(text) {
		name, example, want := row[0], row[2], row[3]
		shown = append(shown, name)
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(example) {
			t.Errorf("the example of %s does not use it", name)
		}
		data, err := Shape{Template: map[string]string{"k": example}, Replace: true}.Render(src)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := string(data["k"]); got != want {
			t.Errorf("%s gives %s, want %s", example, got, want)
		}
	}
	if all := slices.Sorted(maps.Keys(known)); !slices.Equal(shown, all) {
		t.Errorf("the page shows  %s\nbut there are   %s", shown, all)
	}
}

func TestThePageShowsEachFormat(t *testing.T) {
	t.Parallel()
	fence := regexp.MustCompile("(?s)\n```[a-z]*\n(.*?)```\n")
	keys := map[string]string{}
	for _, row := range cells(section(t, "## Built-in formats")) {
		keys[row[0]] = row[1]
	}
	for format, known := range formats {
		if keys[string(format)] != known.key {
			t.Errorf("the page gives %s the key %q", format, keys[string(format)])
		}
		golden, err := os.ReadFile(filepath.Join("testdata", string(format)+".golden"))
		if err != nil {
			t.Fatal(err)
		}
		shown := fence.FindStringSubmatch(section(t, "### "+string(format)))
		if len(shown) != 2 || shown[1] != string(golden) {
			t.Errorf("the page shows for %s: %q", format, shown)
		}
	}
	if len(keys) != len(formats) {
		t.Errorf("the page has the formats %v", keys)
	}
}

func TestThePageShowsTheLimits(t *testing.T) {
	t.Parallel()
	shown := section(t, "## Limits")
	for what, most := range map[string]string{
		"A template":                                         kibibytes(maxTemplate),
		"All templates of a Secret":                          fmt.Sprintf("%d, with %s together", maxTemplates, kibibytes(maxAllTemplates)),
		"What a template writes":                             kibibytes(maxText),
		"The result of a function":                           kibibytes(maxText),
		"The arguments of a call together":                   kibibytes(2 * maxText),
		"What the functions of all templates read and write": fmt.Sprintf("%d MiB", maxWork>>20),
		"Conditions and parentheses in each other":           strconv.Itoa(maxDepth),
		"All keys and values of a Secret together":           kibibytes(maxData),
	} {
		if !strings.Contains(shown, "| "+what+" | "+most+" |\n") {
			t.Errorf("the page does not show that %q is %s", what, most)
		}
	}
	if want := fmt.Sprintf("up to %d of", maxKey); !strings.Contains(shown, want) {
		t.Errorf("the page does not show %q", want)
	}
	if want := fmt.Sprintf(" %d deep", maxDepth); !strings.HasSuffix(tooDeep, want) {
		t.Errorf("the message says something else than %d", maxDepth)
	}
}

func kibibytes(n int) string { return fmt.Sprintf("%d KiB", n>>10) }

func TestThePageShowsErrorsAsTheyAre(t *testing.T) {
	t.Parallel()
	src := Source{Values: map[string]string{"baseURL": "u", "clientKey": "c", "token": "t"}}
	var said []string
	for _, s := range []Shape{
		{Template: map[string]string{"config.ini": "[sfs]\nkey = {{ .clientKy }}"}},
		{Template: map[string]string{"config.ini": `{{ env "HOME" }}`}},
		{Template: map[string]string{"expiry": `{{ toDate "2006" .token }}`}},
		{Formats: map[Format]string{NginxHeader: ""}},
		{Keys: map[string]string{"clientKey": "token"}},
	} {
		if _, err := s.Render(src); err == nil {
			t.Errorf("%+v is right", s)
		} else {
			said = append(said, err.Error())
		}
	}
	if all := strings.Join(said, "\n"); !strings.Contains(section(t, "## Errors"), "\n```\n"+all+"\n```\n") {
		t.Errorf("the page shows other errors than\n%s", all)
	}
}

// A later version of sprig may have another function of the same name. It would take other arguments, which must not go
// unnoticed where nobody calls it.
func TestFunctionsTakeTextsNumbersAndTruth(t *testing.T) {
	t.Parallel()
	for name, function := range functions {
		typ := reflect.TypeOf(function)
		if typ == nil || typ.Kind() != reflect.Func {
			t.Errorf("%s is a %T", name, function)
			continue
		}
		for in := range typ.Ins() {
			switch in {
			case reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[bool](), reflect.TypeFor[any](), reflect.TypeFor[[]any](), reflect.TypeFor[values]():
			default:
				t.Errorf("%s takes a %s", name, in)
			}
		}
		switch out := typ.Out(0); out {
		case reflect.TypeFor[string](), reflect.TypeFor[bool](), reflect.TypeFor[any]():
		default:
			t.Errorf("%s gives a %s", name, out)
		}
	}
	if n := reflect.TypeFor[values]().NumMethod(); n > 0 {
		t.Errorf("a template can call %d methods of its values", n)
	}
}

// Each function with all kinds of arguments, also those that it can not take: none ends in something that the errors do
// not know, and none tells a value.
func TestAnyCallIsUnderstood(t *testing.T) {
	t.Parallel()
	const secret = "CANARY"
	src := Source{Values: map[string]string{"token": secret, "time": "2026-11-21T21:30:12Z", "empty": "", "long": strings.Repeat(secret, 2000)}}
	few := []string{".token", "2", ".", "true", `"%d"`, "(len .long)"}
	more := append(slices.Clone(few), ".time", ".empty", ".long", "-1", "1.5", "1i", "99999999", `""`, "$x", "(not .token)", `(coalesce "")`, "(index $ .token)")
	lists := []string{""}
	for _, a := range more {
		lists = append(lists, a)
		for _, b := range few {
			lists = append(lists, a+" "+b)
		}
	}
	for _, a := range few {
		for _, b := range few[:4] {
			for _, c := range few[:3] {
				lists = append(lists, a+" "+b+" "+c)
			}
		}
	}
	for name := range known {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, list := range lists {
				for _, text := range []string{"{{ $x := .time }}{{ " + name + " " + list + " }}", "{{ $x := 5 }}{{ .token | " + name + " " + list + " }}"} {
					data, err := Shape{Template: map[string]string{"k": text}, Replace: true}.Render(src)
					switch {
					case err == nil && (strings.Contains(string(data["k"]), "%!") || strings.Contains(string(data["k"]), "<no value>")):
						t.Errorf("%s gives %q", text, data["k"])
					case err != nil && (strings.Contains(err.Error(), notCarriedOut) || !strings.Contains(err.Error(), ": line 1, column ")):
						t.Errorf("%s: %v", text, err)
					case err != nil && strings.Contains(strings.ToUpper(err.Error()), secret):
						t.Errorf("%s tells a value: %v", text, err)
					}
				}
			}
		})
	}
}
