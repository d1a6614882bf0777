// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shape_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/internal/shape"
)

// only is a shape of one template.
func only(text string) shape.Shape {
	return shape.Shape{Template: map[string]string{"k": text}, Replace: true}
}

// rendering are templates and what they write.
var rendering = map[string]string{
	"":                         "",
	"{{/* nothing */}}a":       "a",
	"{{ .tokenType }} {{- 1}}": "Bearer1",
	`{{ $x := .tokenType }}{{ $x = lower $x }}{{ $x }} {{ $.tokenType }}`:                               "bearer Bearer",
	`{{ if .userKey }}a{{ else if .tokenType }}b{{ else }}c{{ end }}`:                                   "b",
	`{{ with .userKey }}{{ . }}{{ else }}{{ .tokenType }}{{ end }}`:                                     "Bearer",
	`{{ with .userKey }}{{ . }}{{ else with $t := .tokenType }}{{ $t }}{{ . }}{{ $.userKey }}{{ end }}`: "BearerBearer",
	`{{ with $ }}{{ .tokenType }}{{ end }}`:                                                             "Bearer",
	`{{ (print (len .tokenType) true 1.5 'a') }}`:                                                       "6 true 1.5 97",
	`{{ coalesce .userKey "" }}{{ coalesce }}{{ default "" .userKey }}`:                                 "",
	`{{ coalesce .userKey "" .tokenType | upper }}`:                                                     "BEARER",
	`{{ default "none" .userKey | quote }}{{ default "none" }}`:                                         `"none"none`,
	`{{ if and .token (not .userKey) (or false (eq .tokenType "x" "Bearer")) }}yes{{ end }}`:            "yes",
	`{{ and .userKey (toDate "" "x") }}`:                                                                "", // and, or stop where they know
	`{{ if lt (len .token) 100 }}short{{ end }}`:                                                        "short",
	`{{ "{{" }}{{ .tokenType }}{{ "}}" }}`:                                                              "{{Bearer}}",
	`{{ index . "tokenType" }}{{ index $ "userKey" }}`:                                                  "Bearer",
	`{{ "a=1&b=é" | b64enc | b64dec | urlquery }}`:                                                      "a%3D1%26b%3D%C3%A9",
	`{{ b64dec "" }}`: "",
	`{{ toDate "2006-01-02 15:04:05 -0700" "2026-01-02 03:04:05 +0200" }}`:                                 "2026-01-02T01:04:05Z",
	`{{ toDate "2006-01-02 15:04" "2026-01-02 03:04" | unixEpoch }}`:                                       "1767323040",
	`{{ toDate "2006-01-02T15:04:05Z07:00" "2026-01-02T03:04:05.5Z" }}`:                                    "2026-01-02T03:04:05.5Z",
	`{{ .expiresAt | toDate "2006-01-02T15:04:05Z07:00" | unixEpoch }}`:                                    "1795296612",
	`{{ unixEpoch .expiresAt }}`:                                                                           "1795296612",
	`{{ squote "a" 1 true }}`:                                                                              `'a' '1' 'true'`,
	`{{ quote "a\"b" 1 }}`:                                                                                 `"a\"b" "1"`,
	`{{ toJson "<é\"" }} {{ toJson 1 }}`:                                                                   `"\u003cé\"" 1`,
	`{{ printf "%s:%d|%5s|%-5s|%05d|%.2f|%x|%X|%q|%v|%t|%%" "a" 1 "b" "c" 7 1.5 "z" 255 "q" true false }}`: `a:1|    b|c    |00007|1.50|7a|FF|"q"|true|false|%`,
	`{{ printf "%05d|%-3s|%.1f|%3.f|%.s|%012.3f|%%|%d%%%d" 1 "a" 1.25 2.5 "zz" 1.5 1 2 }}`:                 "00001|a  |1.2|  2||00000001.500|%|1%2",
	`{{ printf "%v" .userKey }}{{ printf "" }}{{ printf "%+q % x" "é" "ab" }}`:                             `"\u00e9" 61 62`,
	`{{ replace "a" "bb" "xaxa" }}{{ replace "" "-" "ab" }}`:                                               "xbbxbb-a-b-",
	`{{ trimAll "/" "//a/b/" }}{{ trunc 2 "abc" }}{{ trunc -1 "abc" }}`:                                    "a/babc",
	`{{ ternary "a" "b" (hasPrefix "Be" .tokenType) }}{{ .tokenType | contains "z" | ternary "a" "b" }}`:   "ab",
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	for text, want := range rendering {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			data, err := only(text).Render(source())
			if err != nil {
				t.Fatal(err)
			}
			if got := string(data["k"]); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// canary stands in all values of the source of the templates that fail: in no case may an error hold it.
const canary = "CANARY"

func watched() shape.Source {
	return shape.Source{Values: map[string]string{
		"token": canary + "-token", "date": canary + "-date", "long": strings.Repeat(canary+"'é", 5000), "empty": "", "sub-key": canary,
	}}
}

const known = "; there are: date, empty, long, sub-key, token"

// failing are templates and what is said of them, with the line and the column.
var failing = map[string]string{
	// What can not be read.
	"{{":                               "1:0: unclosed action",
	"a\n{{ .token":                     "2:0: unclosed action",
	"{{\n\n.token":                     "3:0: unclosed action that begins in line 1",
	"{{ if .token }}":                  "1:0: the {{end}} of an {{if}} or {{with}} is missing",
	"a\n{{ end }}":                     "2:0: unexpected {{end}}",
	`{{ "a }}`:                         "1:0: unterminated quoted string",
	"{{ /* a }}":                       "1:0: unexpected \"/\" in command",
	"{{/* a }}":                        "1:0: unclosed comment",
	"{{ env \"HOME\" }}":               `1:0: function "env" not defined`,
	"{{ $x }}":                         `1:0: undefined variable "$x"`,
	"{{ 1a }}":                         `1:0: bad number syntax: "1a"`,
	"{{ 5 | 5 }}":                      "1:0: non executable command in pipeline stage 2",
	"{{ }}":                            "1:0: missing value for command",
	"{{ break }}":                      "1:0: {{break}} outside {{range}}",
	"{{ continue }}":                   "1:0: {{continue}} outside {{range}}",
	"{{ nil }}":                        "1:4: nil can not be used here",
	"{{ \x00\x1b }}":                   "1:0: unrecognized character in action: U+0000",
	"{{ \"" + strings.Repeat("é", 150): "1:0: unterminated quoted string",
	"{{ " + strings.Repeat("é", 150) + " }}": `1:0: function "` + strings.Repeat("é", 95) + "…",
	"{{ a" + strings.Repeat("é", 150):        `1:0: function "a` + strings.Repeat("é", 94) + "…",
	`{{ printf "%5" .token }}`:               "1:4: printf: " + badVerb,
	`{{ printf "%-" .token }}`:               "1:4: printf: " + badVerb,
	`{{ printf "%5%" .token }}`:              "1:4: printf: " + badVerb,
	`{{ printf "%.%d" 1 }}`:                  "1:4: printf: " + badVerb,

	// What is not allowed.
	"{{ range 1000000000 }}{{ end }}":                                "1:10: range can not be used here",
	"{{ if .token }}{{ range . }}{{ end }}{{ end }}":                 "1:25: range can not be used here",
	"{{ range 5 }}{{ break }}{{ end }}":                              "1:10: range can not be used here",
	`{{ define "a" }}{{ template "a" }}{{ end }}`:                    "0:0: define can not be used here",
	`{{ define "line" }}a{{ end }}`:                                  "0:0: define can not be used here",
	`{{ template "line" }}`:                                          "1:13: template and block can not be used here",
	`{{ with .token }}{{ else }}{{ block "a" . }}{{ end }}{{ end }}`: "0:0: define can not be used here",
	`{{ block "line" . }}{{ end }}`:                                  "1:10: template and block can not be used here",
	"{{ print nil }}":                                                "1:10: nil can not be used here",
	"{{ (.token).x }}":                                               "1:12: a value has no fields",
	"{{ (print .token).x }}":                                         "1:18: a value has no fields",
	"{{ .token.x }}":                                                 "1:10: a value has no fields",
	"{{ $.token.x }}":                                                "1:5: a value has no fields",
	"{{ $x := . }}{{ $x.token }}":                                    "1:19: a value has no fields",
	"{{ call .token }}":                                              `1:0: function "call" not defined`,
	"{{ html .token }}":                                              `1:0: function "html" not defined`,
	"{{ js .token }}":                                                `1:0: function "js" not defined`,
	"{{ slice .token 1 }}":                                           `1:0: function "slice" not defined`,
	"{{ println .token }}":                                           `1:0: function "println" not defined`,
	"{{ now }}":                                                      `1:0: function "now" not defined`,
	"{{ randAlpha 5 }}":                                              `1:0: function "randAlpha" not defined`,
	"{{ getHostByName .token }}":                                     `1:0: function "getHostByName" not defined`,
	"{{ expandenv .token }}":                                         `1:0: function "expandenv" not defined`,
	"{{ genPrivateKey \"rsa\" }}":                                    `1:0: function "genPrivateKey" not defined`,
	"{{ fail .token }}":                                              `1:0: function "fail" not defined`,
	"{{ repeat 9 .token }}":                                          `1:0: function "repeat" not defined`,
	"{{ regexMatch \"(a*)*\" .token }}":                              `1:0: function "regexMatch" not defined`,

	// Values that there are not.
	"{{ .tokn }}": `1:4: there is no value "tokn"` + known,
	"é\n é{{ if .empty }}{{ .tokn }}{{ end }}":        `2:21: there is no value "tokn"` + known,
	"{{ if .tokn }}{{ end }}":                         `1:7: there is no value "tokn"` + known,
	"{{ if .token }}{{ else }}{{ .tokn }}{{ end }}":   `1:29: there is no value "tokn"` + known,
	"{{ with .empty }}{{ else }}{{ .tokn }}{{ end }}": `1:31: there is no value "tokn"` + known,
	"{{ with .tokn }}{{ end }}":                       `1:9: there is no value "tokn"` + known,
	"{{ with .token }}{{ $.tokn }}{{ end }}":          `1:22: there is no value "tokn"` + known,
	"{{ print (print .tokn) }}":                       `1:17: there is no value "tokn"` + known,
	"{{ $x := .tokn }}":                               `1:10: there is no value "tokn"` + known,
	"{{ .token | default .tokn }}":                    `1:21: there is no value "tokn"` + known,
	`{{ index . "tokn" }}`:                            "1:4: index: there is no value of that name" + known,
	"{{ with .token }}{{ .date }}{{ end }}":           "1:21: within with, the dot stands for another value: write $.date",
	"{{ with 1 }}{{ .date }}{{ end }}":                "1:16: within with, the dot stands for another value: write $.date",
	"{{ with $ }}{{ .tokn }}{{ end }}":                `1:16: there is no value "tokn"`,
	"{{ with .token }}{{ .date.x }}{{ end }}":         "1:26: a value has no fields",

	// Arguments that do not fit.
	`{{ b64dec "1" 2 }}`:             "1:4: b64dec: the number of arguments is 2, and should be 1",
	`{{ b64dec }}`:                   "1:4: b64dec: the number of arguments is 0, and should be 1",
	`{{ len }}`:                      "1:4: len: the number of arguments is 0, and should be 1",
	`{{ default }}`:                  "1:4: default: the number of arguments is 0, and should be at least 1",
	`{{ trim 1 }}`:                   "1:9: a text is needed",
	`{{ trim . }}`:                   "1:9: a text is needed, not the whole of the values (. or $)",
	`{{ trim (len .token) }}`:        "1:14: a text is needed, not a whole number",
	`{{ trim (eq 1 1) }}`:            "1:15: a text is needed, not true or false",
	`{{ 1.5 | trim }}`:               "1:10: a text is needed, not a number",
	`{{ trunc .token .token }}`:      "1:10: a whole number is needed, not a text",
	`{{ trunc "a" .token }}`:         "1:10: a whole number is needed",
	`{{ ternary 1 2 .token }}`:       "1:16: true or false is needed, not a text",
	`{{ ternary 1 2 "a" }}`:          "1:16: true or false is needed",
	`{{ index .token "a" }}`:         "1:10: the whole of the values (. or $) is needed, not a text",
	`{{ index "a" "b" }}`:            "1:10: the whole of the values (. or $) is needed",
	`{{ .token 5 }}`:                 "1:4: only a function has arguments",
	`{{ .date | .token }}`:           "1:12: only a function has arguments",
	`{{ . 5 }}`:                      "1:4: only a function has arguments",
	`{{ $ 5 }}`:                      "1:4: only a function has arguments",
	`{{ print 0xffffffffffffffff }}`: "1:10: the number is too large",
	`{{ eq .token 1 }}`:              "1:4: eq: the arguments do not fit, or are of different kinds",
	`{{ eq . . }}`:                   "1:4: eq: the arguments do not fit, or are of different kinds",
	`{{ eq .token }}`:                "1:4: eq: the arguments do not fit, or are of different kinds",
	`{{ lt .token 1 }}`:              "1:4: lt: the arguments do not fit, or are of different kinds",
	`{{ len 5 }}`:                    "1:4: len: the arguments do not fit, or are of different kinds",
	`{{ if ge . .token }}{{ end }}`:  "1:7: ge: the arguments do not fit, or are of different kinds",
	`{{ toJson 1i }}`:                "1:4: toJson: the arguments do not fit, or are of different kinds",

	// What functions refuse.
	"a\né {{ b64dec .token }}":               "2:6: b64dec: the text is not in base64",
	`{{ b64dec .token }}`:                    "1:4: b64dec: the text is not in base64",
	`{{ .date | toDate "2006" }}`:            "1:12: toDate: the text does not fit the layout",
	`{{ toDate .token .date }}`:              "1:4: toDate: the text does not fit the layout",
	`{{ toDate .token "" }}`:                 "1:4: toDate: the text does not fit the layout",
	`{{ toDate "2006-01-02" "2026-02-30" }}`: "1:4: toDate: the text does not fit the layout",
	`{{ unixEpoch .date }}`:                  "1:4: unixEpoch: the text is no time in RFC 3339",
	`{{ unixEpoch .empty }}`:                 "1:4: unixEpoch: the text is no time in RFC 3339",
	`{{ squote .long }}`:                     "1:4: squote: the text holds a single quote",
	`{{ squote . }}`:                         "1:4: squote: the text holds a single quote",
	`{{ printf "%d" .token }}`:               "1:4: printf: argument 1 does not fit its verb",
	`{{ printf "%v%s" .token . }}`:           "1:4: printf: argument 2 does not fit its verb",
	`{{ printf "%q" 1 }}`:                    "1:4: printf: argument 1 does not fit its verb",
	`{{ printf "%s" }}`:                      "1:4: printf: there are more verbs than arguments",
	`{{ printf "%%" .token }}`:               "1:4: printf: there are more arguments than verbs",
	`{{ printf .token .token }}`:             "1:4: printf: there are more arguments than verbs",
	`{{ printf "a%" }}`:                      "1:4: printf: " + badVerb,
	`{{ printf "%z" .token }}`:               "1:4: printf: " + badVerb,
	`{{ printf "%T" .token }}`:               "1:4: printf: " + badVerb,
	`{{ printf "%p" . }}`:                    "1:4: printf: " + badVerb,
	`{{ printf "%[1]s%[1]s" .token }}`:       "1:4: printf: " + badVerb,
	`{{ printf "%*s" 5 .token }}`:            "1:4: printf: " + badVerb,
	`{{ printf "%.*s" 5 .token }}`:           "1:4: printf: " + badVerb,
	`{{ printf "%1000s" .token }}`:           "1:4: printf: " + badVerb,
	`{{ printf "%.1000s" .token }}`:          "1:4: printf: " + badVerb,

	// What is too much.
	strings.Repeat("a", 16<<10+1):                                                "0:0: it has 16385 bytes, and may have 16384",
	"{{ print .long .long .long }}":                                              "1:4: print: its arguments have more than 128 KiB",
	"{{ print . . . }}":                                                          "1:4: print: its arguments have more than 128 KiB",
	"{{ b64enc .long | b64enc }}":                                                "1:19: b64enc: its result has more than 64 KiB",
	"{{ .long }}{{ .long }}":                                                     "0:0: it writes more than 64 KiB",
	`{{ replace "" "ab" .long }}`:                                                "1:4: replace: its result has more than 64 KiB",
	`{{ trimAll .long "a" }}`:                                                    "1:4: trimAll: there are more than 256 characters to take away",
	"a\n{{ " + strings.Repeat("(", 101):                                          "2:104: conditions and parentheses are nested more than 100 deep",
	strings.Repeat(")", 200) + "{{ " + strings.Repeat("(", 101):                  "1:304: conditions and parentheses are nested more than 100 deep",
	nested(101, "{{ if .token }}", "{{ end }}"):                                  "1:1507: conditions and parentheses are nested more than 100 deep",
	nested(101, "{{ with .token }}{{ else }}", "{{ end }}"):                      "1:2709: conditions and parentheses are nested more than 100 deep",
	"{{ " + strings.Repeat(`(print ")" `, 101) + strings.Repeat(")", 101) + "}}": "1:1105: conditions and parentheses are nested more than 100 deep",
}

const badVerb = "the format has a verb that is none of %d, %f, %q, %s, %t, %v, %x, %X and %%, or a width of more than three digits"

func nested(n int, open, shut string) string {
	return strings.Repeat(open, n) + strings.Repeat(shut, n)
}

func TestWhatIsWrongWithATemplate(t *testing.T) {
	t.Parallel()
	for text, want := range failing {
		t.Run(fmt.Sprintf("%.60q", text), func(t *testing.T) {
			t.Parallel()
			got := problem(t, only(text), watched())
			if got == nil {
				t.Fatalf("nothing is wrong, want %s", want)
			}
			if got.Field != "template.data[k]" {
				t.Errorf("the field is %s", got.Field)
			}
			if said := fmt.Sprintf("%d:%d: %s", got.Line, got.Column, got.Message); said != want {
				t.Errorf("got  %s\nwant %s", said, want)
			}
			if strings.Contains(got.Error(), canary) {
				t.Errorf("it holds a value: %s", got)
			}
		})
	}
}

func TestWhatIsJustWithinTheLimits(t *testing.T) {
	t.Parallel()
	src := shape.Source{Values: map[string]string{"a": "a", "half": strings.Repeat("h", 32<<10), "full": strings.Repeat("f", 64<<10)}}
	for name, test := range map[string]struct {
		text string
		size int
	}{
		"a template of 16 KiB":             {strings.Repeat("t", 16<<10), 16 << 10},
		"a result of 64 KiB":               {"{{ .half }}{{ .half }}", 64 << 10},
		"arguments and a result of a call": {"{{ print .half .half }}", 64 << 10},
		"a text that is replaced":          {`{{ replace "h" "hh" (print .half) | trunc 9 }}`, 9},
		"100 parentheses around something": {"{{ " + strings.Repeat("(", 100) + ".a" + strings.Repeat(")", 100) + " }}", 1},
		"100 conditions":                   {strings.Repeat("{{ if .a }}", 100) + "x" + strings.Repeat("{{ end }}", 100), 1},
		"parentheses that are closed":      {strings.Repeat("()", 200) + "))))", 404},
		"256 characters to take away":      {`{{ trimAll "` + strings.Repeat("f", 256) + `" .full }}`, 0},
		"63 calls with 32 KiB":             {"{{ $x := .half }}" + strings.Repeat("{{ $x = lower $x }}", 63), 0},
		"a wide field":                     {`{{ printf "%999s%-999s" .a .a }}`, 1998},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := only(test.text).Render(src)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(data["k"]); got != test.size {
				t.Errorf("%d bytes, want %d", got, test.size)
			}
		})
	}
}

// bombs are templates that want much more than they are long, and why each is refused.
var bombs = map[string]struct{ text, want string }{
	"quotes of quotes": {
		`{{ $a := "\\" }}` + strings.Repeat("{{ $a = quote $a }}", 800), "quote: its result has more than 64 KiB",
	},
	"JSON of JSON": {
		`{{ $a := "\"" }}` + strings.Repeat("{{ $a = toJson $a }}", 700), "toJson: its result has more than 64 KiB",
	},
	"base64 of base64": {"{{ .token" + strings.Repeat(" | b64enc", 1500) + " }}", "b64enc: its result has more than 64 KiB"},
	"print of twice the same": {
		`{{ $a := "a" }}` + strings.Repeat("{{ $a = print $a $a }}", 600), "print: its result has more than 64 KiB",
	},
	"each character replaced by a long text": {`{{ replace "" .long .long }}`, "replace: its result has more than 64 KiB"},
	"wide fields": {
		`{{ $a := "%999d" }}` + strings.Repeat("{{ $a = print $a $a }}", 12) + "{{ printf $a" + strings.Repeat(" 1", 4096) + "}}",
		"printf: its result has more than 64 KiB",
	},
	"many decimals": {
		`{{ $a := "%.999f" }}` + strings.Repeat("{{ $a = print $a $a }}", 12) + "{{ printf $a" + strings.Repeat(" 1.", 4096) + "}}",
		"printf: its result has more than 64 KiB",
	},
	"more fields than a call has arguments": {
		`{{ $a := "%999d" }}` + strings.Repeat("{{ $a = print $a $a }}", 13) + "{{ printf $a 1 }}", "printf: there are more verbs than arguments",
	},
	"written again and again": {"{{ $a := .long }}" + strings.Repeat("{{$a}}", 2700), "it writes more than 64 KiB"},
	"calls with long texts":   {"{{ .long" + strings.Repeat(" | lower", 1800) + " }}", "lower: " + tooMuch},
	"calls with all values":   {strings.Repeat("{{ toJson . | trunc 0 }}", 680), "trunc: " + tooMuch},
	"characters to take away": {"{{ trimAll .long .long }}", "trimAll: there are more than 256 characters to take away"},
	"one call, many arguments": {
		"{{ $a := .long }}{{ print " + strings.Repeat("$a ", 5000) + "}}", "print: its arguments have more than 128 KiB",
	},
	"parentheses":           {"{{" + nested(8000, "(", ")") + "}}", "conditions and parentheses are nested more than 100 deep"},
	"else if":               {"{{ if .empty }}" + strings.Repeat("{{else if $}}", 1200) + "{{ end }}", "conditions and parentheses are nested more than 100 deep"},
	"a range over a number": {"{{ range 1000000000000 }}a{{ end }}", "range can not be used here"},
	"ranges in ranges":      {nested(500, "{{ range 1000 }}", "{{ end }}"), "range can not be used here"},
	"a template of itself": {
		`{{ define "a" }}{{ template "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`, "define can not be used here",
	},
}

const tooMuch = "the templates together do too much: some calls of functions with long texts must go"

func TestBombsFailFast(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	for name, bomb := range bombs {
		var p *shape.Error
		measured(t, name, func() { p = problem(t, only(bomb.text), watched()) })
		if p == nil || p.Message != bomb.want {
			t.Errorf("%s: got %v, want %s", name, p, bomb.want)
		}
	}
}

// What is let through can not take long either: comparisons, which count for nothing, of texts that are nearly the same,
// in as many templates as there may be.
func TestTheMostThatIsLetThrough(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	src := shape.Source{Values: map[string]string{"a": strings.Repeat("a", 64<<10-1)}}
	text := `{{ $x := print .a "x" }}{{ $y := print .a "y" }}{{ eq $x` + strings.Repeat(" $y", 5400) + " }}"
	s := shape.Shape{Replace: true, Template: numbered(4, text[:len(text)-3]+"}}")}
	measured(t, "comparisons", func() {
		if p := problem(t, s, src); p != nil {
			t.Error(p)
		}
	})
	s = shape.Shape{Replace: true, Template: numbered(1, `{{ $x := .a }}`+strings.Repeat("{{ $x = upper $x }}", 31))}
	measured(t, "calls", func() {
		if p := problem(t, s, src); p != nil {
			t.Error(p)
		}
	})
	s = shape.Shape{Replace: true, Template: numbered(16, strings.Repeat(`{{ printf "%s" .a | sha256sum }}`, 2))}
	measured(t, "many templates", func() {
		if p := problem(t, s, src); p == nil || p.Field != "template.data[k10]" || p.Message != "printf: "+tooMuch {
			t.Errorf("the meter is not that of all templates: %v", p)
		}
	})
}

func measured(t *testing.T, name string, do func()) {
	t.Helper()
	const mostMemory, mostTime = 8 << 20, 10 * time.Second // of a busy machine; alone it takes some milliseconds
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	do()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	used := after.TotalAlloc - before.TotalAlloc
	if used > mostMemory || took > mostTime {
		t.Errorf("%s: it takes %d MiB and %s", name, used>>20, took)
	}
	t.Logf("%s: %d KiB, %s", name, used>>10, took.Round(time.Microsecond))
}
