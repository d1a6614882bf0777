// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shape

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Format is a built-in rendering of all values in one key.
type Format string

const (
	// JSON is one object with all values that are known, in a line.
	JSON Format = "json"
	// Env has a line NAME=value for each value that is known. All that read such files read it alike: Docker takes quotes
	// for a part of the value, a shell needs them, and so there are none. A value that would need some is refused.
	Env Format = "env"
	// Netrc names the token as the password for the host of the API, for curl and those that read the same file.
	Netrc Format = "netrc"
	// NginxHeader has nginx send the token, where the file is included.
	NginxHeader Format = "nginx-header"
)

// Errors of a format say what is wrong without the value.
var formats = map[Format]struct {
	key    string
	render func(Source) (string, error)
}{
	JSON:        {"credentials.json", renderJSON},
	Env:         {"credentials.env", renderEnv},
	Netrc:       {"netrc", renderNetrc},
	NginxHeader: {"nginx.conf", renderNginxHeader},
}

// DefaultKey is the key in the Secret of a format for which none is wished. Empty: there is no such format.
func DefaultKey(f Format) string { return formats[f].key }

// known are the keys of the values that are known, sorted.
func (src Source) known() []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(src.Values)) {
		if src.Values[key] != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

func renderJSON(src Source) (string, error) {
	object := map[string]string{}
	for _, key := range src.known() {
		if !utf8.ValidString(src.Values[key]) { // encoding/json would put another character there, and say nothing
			return "", fmt.Errorf("the value of %s is no text in UTF-8, which JSON needs", key)
		}
		object[key] = src.Values[key]
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(object)
	return text.String(), err
}

var (
	variablePattern = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)
	// bare values mean the same to Docker, systemd, readers of .env files and a shell. A tilde is the home directory where
	// a shell finds it at the beginning or after a colon.
	bare       = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,~-]*$`)
	tildeAhead = regexp.MustCompile(`(^|[:=])~`)

	// Where the words of a key end: at the last capital of some before a word, and before a capital.
	capitalsEnd = regexp.MustCompile(`([A-Z])([A-Z][a-z])`)
	wordEnds    = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

func renderEnv(src Source) (string, error) {
	lines := map[string]string{}
	from := map[string]string{}
	for _, key := range src.known() {
		name, value := variable(src.EnvPrefix, key), src.Values[key]
		switch {
		case !variablePattern.MatchString(name):
			return "", fmt.Errorf("the key %s makes no name of an environment variable", key)
		case from[name] != "":
			return "", fmt.Errorf("the keys %s and %s make the same environment variable, %s", from[name], key, name)
		case !bare.MatchString(value) || tildeAhead.MatchString(value):
			return "", fmt.Errorf("the value of %s needs quotes, which Docker and shells read differently; "+
				"use a template for the one that reads it", key)
		}
		from[name], lines[name] = key, name+"="+value+"\n"
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		text.WriteString(lines[name])
	}
	return text.String(), nil
}

// variable makes SFS_BASE_URL of baseURL.
func variable(prefix, key string) string {
	words := wordEnds.ReplaceAllString(capitalsEnd.ReplaceAllString(key, "${1}_${2}"), "${1}_${2}")
	return prefix + strings.Map(func(r rune) rune {
		switch {
		case r == '-', r == '.':
			return '_'
		case r <= unicode.MaxASCII:
			return unicode.ToUpper(r)
		}
		return r
	}, words)
}

func renderNetrc(src Source) (string, error) {
	// Readers take these for something else, or each in its own way: curl and Python unescape differently.
	token, err := src.tokenWithout(`"\#`)
	if err != nil {
		return "", err
	}
	api, err := url.Parse(src.Values[src.URLKey])
	if err != nil || api.Hostname() == "" || strings.ContainsFunc(api.Hostname(), isNoToken) {
		return "", errors.New("there is no URL of the API whose host could be named")
	}
	return fmt.Sprintf("machine %s login token password %s\n", api.Hostname(), token), nil
}

func renderNginxHeader(src Source) (string, error) {
	// nginx has no way to write a $ that begins no variable.
	token, err := src.tokenWithout(`"\$`)
	return fmt.Sprintf("proxy_set_header Authorization \"Bearer %s\";\n", token), err
}

// tokenWithout is the token, unless it holds one of these characters or one that no token has.
func (src Source) tokenWithout(characters string) (string, error) {
	token := src.Values[src.TokenKey]
	switch {
	case src.TokenKey == "":
		return "", errors.New("there is no token here")
	case token == "":
		return "", errors.New("the token is not known")
	case strings.ContainsFunc(token, isNoToken) || strings.ContainsAny(token, characters):
		return "", fmt.Errorf("the token holds a space, a control character, or one of %s", characters)
	}
	return token, nil
}

// isNoToken says whether a character is none of printable ASCII, or a space.
func isNoToken(r rune) bool { return r <= ' ' || r >= 0x7f }
