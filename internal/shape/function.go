// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shape

import (
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
)

// values are what a template is applied to. A template knows these, texts, numbers and truth values. The type has no
// exported methods, which templates could call.
type values map[string]string

// names are all keys, for a message.
func (v values) names() string { return strings.Join(slices.Sorted(maps.Keys(v)), ", ") }

// builtIn are the functions of text/template that are let through as they are. What they give is no longer than what they
// were given, and they copy nothing.
var builtIn = []string{"and", "eq", "ge", "gt", "le", "len", "lt", "ne", "not", "or"}

// functions are all others. They are those of sprig, which people know from Helm and many operators, and do what those
// do. But where sprig makes something of a mistake, or asks the machine, they are our own.
var functions = func() map[string]any {
	all := map[string]any{
		"b64dec":    decodeBase64,
		"index":     index,
		"print":     fmt.Sprint,
		"printf":    printf,
		"replace":   replace,
		"squote":    squote,
		"toDate":    toDate,
		"trimAll":   trimAll,
		"unixEpoch": unixEpoch,
		"urlquery":  template.URLQueryEscaper,
	}
	theirs := sprig.TxtFuncMap()
	for _, name := range []string{
		"b64enc", "coalesce", "contains", "default", "empty", "hasPrefix", "hasSuffix", "lower", "quote", "sha256sum",
		"ternary", "trim", "trimPrefix", "trimSuffix", "trunc", "upper",
	} {
		all[name] = theirs[name]
	}
	all["toJson"] = theirs["mustToJson"] // toJson hides errors
	return all
}()

// known are all functions that a template may name, for the parser.
var known = func() map[string]any {
	all := maps.Clone(functions)
	for _, name := range builtIn {
		all[name] = true
	}
	return all
}()

// fault is what a function says about its arguments. It holds none of them.
type fault struct{ function, text string }

func (f *fault) Error() string { return f.function + ": " + f.text }

func faultf(function, format string, args ...any) *fault {
	return &fault{function: function, text: fmt.Sprintf(format, args...)}
}

// meter counts what the templates of a Shape have functions do.
type meter struct{ left int }

// A call costs as much as the text that it reads and writes, and a little for itself.
const costOfCall = 64

func (m *meter) spend(n int) bool {
	m.left -= min(n, m.left+1)
	return m.left >= 0
}

// metered are the functions of these names, for one execution.
func (m *meter) metered(used map[string]bool) template.FuncMap {
	all := template.FuncMap{}
	for name := range used {
		if function, found := functions[name]; found {
			all[name] = m.bound(name, reflect.ValueOf(function))
		}
	}
	return all
}

// bound is a function that refuses arguments and results that are too long. Without it a template of some bytes could
// ask for gigabytes: each quote of a quote is nearly twice as long.
func (m *meter) bound(name string, function reflect.Value) any {
	typ := function.Type()
	var in []reflect.Type
	for i := range typ.NumIn() {
		in = append(in, typ.In(i))
	}
	out := []reflect.Type{typ.Out(0), reflect.TypeFor[error]()}
	none := reflect.Zero(typ.Out(0))
	refuse := func(f *fault) []reflect.Value {
		return []reflect.Value{none, reflect.ValueOf(f)}
	}
	call := function.Call
	if typ.IsVariadic() {
		call = function.CallSlice
	}
	return reflect.MakeFunc(reflect.FuncOf(in, out, typ.IsVariadic()), func(args []reflect.Value) []reflect.Value {
		given := 0
		for _, arg := range args {
			given += size(arg)
		}
		if given > 2*maxText {
			return refuse(faultf(name, "its arguments have more than %d KiB", 2*maxText>>10))
		}
		if !m.spend(costOfCall + given) {
			return refuse(faultf(name, tooMuchWork))
		}
		results := call(args)
		if len(results) == 2 && !results[1].IsNil() {
			return results
		}
		result := results[0]
		if result.Kind() == reflect.Interface && result.IsNil() { // it would show as <no value>
			result = reflect.ValueOf("").Convert(result.Type())
		}
		if size(result) > maxText {
			return refuse(faultf(name, "its result has more than %d KiB", maxText>>10))
		}
		if !m.spend(size(result)) {
			return refuse(faultf(name, tooMuchWork))
		}
		return []reflect.Value{result, reflect.Zero(out[1])}
	}).Interface()
}

// size is how much text an argument or a result holds.
func size(v reflect.Value) int {
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Interface:
		return size(v.Elem())
	case reflect.Slice:
		total := 0
		for i := range v.Len() {
			total += size(v.Index(i))
		}
		return total
	case reflect.Map:
		total := 0
		for key, value := range v.Seq2() {
			total += size(key) + size(value)
		}
		return total
	}
	return 8
}

// index is for keys that can not be written behind a dot. That of text/template gives nothing for an unknown key.
func index(all values, key string) (string, error) {
	value, found := all[key]
	if !found {
		return "", faultf("index", "there is no value of that name; there are: %s", all.names())
	}
	return value, nil
}

// decodeBase64 is sprig's b64dec, which gives the text of the error as the result.
func decodeBase64(text string) (string, error) {
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", faultf("b64dec", "the text is not in base64")
	}
	return string(decoded), nil
}

// replace is sprig's, but counts first: each of 32,000 characters can be replaced by as many.
func replace(from, to, text string) (string, error) {
	if n := strings.Count(text, from); len(text)+n*(len(to)-len(from)) > maxText {
		return "", faultf("replace", "its result has more than %d KiB", maxText>>10)
	}
	return strings.ReplaceAll(text, from, to), nil
}

// trimAll is sprig's, but with few characters: each of the text is compared with each of them.
func trimAll(characters, text string) (string, error) {
	const most = 256
	if len(characters) > most {
		return "", faultf("trimAll", "there are more than %d characters to take away", most)
	}
	return strings.Trim(text, characters), nil
}

// squote is sprig's, but a text that holds a single quote would end the quotes, and what follows would be read as
// something else.
func squote(texts ...any) (string, error) {
	var quoted []string
	for _, text := range texts {
		shown := fmt.Sprint(text)
		if strings.Contains(shown, "'") {
			return "", faultf("squote", "the text holds a single quote")
		}
		quoted = append(quoted, "'"+shown+"'")
	}
	return strings.Join(quoted, " "), nil
}

// toDate reads a time, as sprig's does. But it is the same on each machine: UTC where the text names no zone, and a text
// in RFC 3339. What does not fit is refused, not the year 1.
func toDate(layout, text string) (string, error) {
	read, err := time.ParseInLocation(layout, text, time.UTC)
	if err != nil {
		return "", faultf("toDate", "the text does not fit the layout")
	}
	return read.UTC().Format(time.RFC3339Nano), nil
}

// unixEpoch is sprig's for a text in RFC 3339, such as toDate gives.
func unixEpoch(text string) (string, error) {
	read, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return "", faultf("unixEpoch", "the text is no time in RFC 3339")
	}
	return strconv.FormatInt(read.Unix(), 10), nil
}

// verbs of printf, and the kinds of arguments that each is for. What fmt makes of others is no text that anybody wants in
// a file.
var verbs = map[byte][]reflect.Kind{
	'd': {reflect.Int},
	'f': {reflect.Float64},
	'q': {reflect.String},
	's': {reflect.String},
	't': {reflect.Bool},
	'v': nil, // any
	'x': {reflect.Int, reflect.String},
	'X': {reflect.Int, reflect.String},
}

// printf is that of fmt, but each verb has its argument of the right kind, in order. Widths have up to three digits, and
// count as text: a thousand wide fields are a megabyte.
func printf(format string, args ...any) (string, error) {
	used, length := 0, 0
	for rest := format; ; {
		_, after, found := strings.Cut(rest, "%")
		if !found {
			break
		}
		if rest, found = strings.CutPrefix(after, "%"); found {
			continue
		}
		var wide int
		var verb byte
		wide, verb, rest = directive(after)
		kinds, found := verbs[verb]
		if !found {
			return "", faultf("printf", "the format has a verb that is none of %%d, %%f, %%q, %%s, %%t, %%v, %%x, %%X and %%%%, "+
				"or a width of more than three digits")
		}
		if used == len(args) {
			return "", faultf("printf", "there are more verbs than arguments")
		}
		if kinds != nil && !slices.Contains(kinds, reflect.ValueOf(args[used]).Kind()) {
			return "", faultf("printf", "argument %d does not fit its verb", used+1)
		}
		used++
		length += wide
	}
	if used < len(args) {
		return "", faultf("printf", "there are more arguments than verbs")
	}
	if length > maxText {
		return "", faultf("printf", "its result has more than %d KiB", maxText>>10)
	}
	return fmt.Sprintf(format, args...), nil
}

// directive is what stands behind a %: how wide it makes the result, and its verb. Without one that could be read the
// verb is 0.
func directive(text string) (wide int, verb byte, rest string) {
	rest = strings.TrimLeft(text, "-+# 0")
	width, rest := number(rest)
	precision := 0
	if after, found := strings.CutPrefix(rest, "."); found {
		precision, rest = number(after)
	}
	if rest == "" {
		return 0, 0, ""
	}
	return width + precision, rest[0], rest[1:]
}

// number is that of up to three digits at the beginning of a text.
func number(text string) (n int, rest string) {
	for i := 0; i < 3 && text != "" && text[0] >= '0' && text[0] <= '9'; i++ {
		n, text = 10*n+int(text[0]-'0'), text[1:]
	}
	return n, text
}
