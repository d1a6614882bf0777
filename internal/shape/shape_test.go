// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shape_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sendforsign/sfs-operator/internal/shape"
)

var update = flag.Bool("update", false, "write the golden files")

// source is what the Secret of a token is made of. The user is not known.
func source() shape.Source {
	return shape.Source{
		Values: map[string]string{
			"baseURL":   "https://api.sendforsign.com/api",
			"clientKey": "8f14e45f-ceea-467f-9a36-dcc4d1b1f2aa",
			"expiresAt": "2026-11-21T21:30:12Z",
			"issuedAt":  "2026-11-21T21:00:12Z",
			"token":     "4f6Jq0.x_Zk~Yw+b/A1=",
			"tokenType": "Bearer",
			"userKey":   "",
		},
		Aliases:   map[string]string{"SFS_CLIENT_KEY": "clientKey", "SFS_USER_KEY": "userKey"},
		TokenKey:  "token",
		URLKey:    "baseURL",
		EnvPrefix: "SFS_",
	}
}

// with is the source with another value.
func with(key, value string) shape.Source {
	src := source()
	src.Values[key] = value
	return src
}

// texts are data as they are compared.
func texts(data map[string][]byte) map[string]string {
	all := map[string]string{}
	for key, value := range data {
		all[key] = string(value)
	}
	return all
}

// problem is what is wrong with a shape, or nil.
func problem(t *testing.T, s shape.Shape, src shape.Source) *shape.Error {
	t.Helper()
	data, err := s.Render(src)
	if err == nil {
		return nil
	}
	if data != nil {
		t.Error("there are data and an error")
	}
	var problem *shape.Error
	if !errors.As(err, &problem) {
		t.Fatalf("the error is a %T: %v", err, err)
	}
	return problem
}

func TestRender(t *testing.T) {
	t.Parallel()
	values := source().Values
	plain := map[string]string{
		"baseURL": values["baseURL"], "clientKey": values["clientKey"], "SFS_CLIENT_KEY": values["clientKey"], "token": values["token"],
		"tokenType": "Bearer", "expiresAt": values["expiresAt"], "issuedAt": values["issuedAt"],
	}
	but := func(changes map[string]string) map[string]string {
		all := maps.Clone(plain)
		for key, value := range changes {
			if value == "" {
				delete(all, key)
			} else {
				all[key] = value
			}
		}
		return all
	}
	tests := map[string]struct {
		shape shape.Shape
		src   shape.Source
		want  map[string]string
	}{
		"no wishes": {src: source(), want: plain},
		"a value that is known stands under its key and its alias": {
			src: with("userKey", "u-1"), want: but(map[string]string{"userKey": "u-1", "SFS_USER_KEY": "u-1"}),
		},
		"a key of another name": {
			shape: shape.Shape{Keys: map[string]string{"token": "SFS_TOKEN"}},
			src:   source(), want: but(map[string]string{"token": "", "SFS_TOKEN": values["token"]}),
		},
		"an alias goes its own way": {
			shape: shape.Shape{Keys: map[string]string{"clientKey": "id", "SFS_CLIENT_KEY": "ID"}},
			src:   source(), want: but(map[string]string{"clientKey": "", "SFS_CLIENT_KEY": "", "id": values["clientKey"], "ID": values["clientKey"]}),
		},
		"keys that are left out": {
			shape: shape.Shape{Keys: map[string]string{"issuedAt": "", "SFS_CLIENT_KEY": ""}},
			src:   source(), want: but(map[string]string{"issuedAt": "", "SFS_CLIENT_KEY": ""}),
		},
		"two keys that change places": {
			shape: shape.Shape{Keys: map[string]string{"expiresAt": "issuedAt", "issuedAt": "expiresAt"}},
			src:   source(), want: but(map[string]string{"expiresAt": values["issuedAt"], "issuedAt": values["expiresAt"]}),
		},
		"a name that another key has given up": {
			shape: shape.Shape{Keys: map[string]string{"token": "", "clientKey": "token"}},
			src:   source(), want: but(map[string]string{"clientKey": "", "token": values["clientKey"]}),
		},
		"a key of another name is left out while its value is not known": {
			shape: shape.Shape{Keys: map[string]string{"userKey": "user"}}, src: source(), want: plain,
		},
		"a format beside the keys": {
			shape: shape.Shape{Formats: map[shape.Format]string{shape.Netrc: ""}},
			src:   source(), want: but(map[string]string{"netrc": "machine api.sendforsign.com login token password " + values["token"] + "\n"}),
		},
		"a template beside the keys": {
			shape: shape.Shape{Template: map[string]string{"header": "Authorization: {{ .tokenType }} {{ .token }}"}},
			src:   source(), want: but(map[string]string{"header": "Authorization: Bearer " + values["token"]}),
		},
		"an unknown value is empty in a template": {
			shape: shape.Shape{Template: map[string]string{"a": "[{{ .userKey }}]{{ if .userKey }}yes{{ end }}"}, Replace: true},
			src:   source(), want: map[string]string{"a": "[]"},
		},
		"an empty template makes an empty key": {
			shape: shape.Shape{Template: map[string]string{"a": ""}, Replace: true},
			src:   source(), want: map[string]string{"a": ""},
		},
		"formats and templates in the place of the keys": {
			shape: shape.Shape{
				Keys:    map[string]string{"clientKey": "token"}, // is not shown, and so in nobody's way
				Formats: map[shape.Format]string{shape.NginxHeader: "auth.conf"}, Template: map[string]string{"token": "{{ .token }}"}, Replace: true,
			},
			src: source(), want: map[string]string{"auth.conf": "proxy_set_header Authorization \"Bearer " + values["token"] + "\";\n", "token": values["token"]},
		},
		"nothing in the place of the keys": {shape: shape.Shape{Replace: true}, src: source(), want: map[string]string{}},
		"no values":                        {shape: shape.Shape{}, want: map[string]string{}},
		"a name of 253 characters, and odd ones": {
			shape: shape.Shape{Replace: true, Template: map[string]string{strings.Repeat("k", 253): "a", ".a": "b", "-": "c", "_": "d", "a..": "e"}},
			src:   source(), want: map[string]string{strings.Repeat("k", 253): "a", ".a": "b", "-": "c", "_": "d", "a..": "e"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := test.shape.Render(test.src)
			if err != nil {
				t.Fatal(err)
			}
			if got := texts(data); !maps.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestWhatIsWrongWithAShape(t *testing.T) {
	t.Parallel()
	const all = "SFS_CLIENT_KEY, SFS_USER_KEY, baseURL, clientKey, expiresAt, issuedAt, token, tokenType, userKey"
	const noKey = ` is no key for a Secret: it needs 1 to 253 of the characters A-Z, a-z, 0-9, "-", "_" and ".", and may not be "." or begin with ".."`
	template := func(key string) shape.Shape { return shape.Shape{Template: map[string]string{key: "a"}} }
	long := strings.Repeat("k", 254)
	tests := map[string]struct {
		shape shape.Shape
		src   func(*shape.Source)
		want  string
	}{
		"a default key that there is not": {
			shape: shape.Shape{Keys: map[string]string{"tokn": "t"}}, want: "keys[tokn]: there is no such key here; there are: " + all,
		},
		"also where keys are not shown": {
			shape: shape.Shape{Keys: map[string]string{"tokn": ""}, Replace: true}, want: "keys[tokn]: there is no such key here; there are: " + all,
		},
		"a format that there is not": {
			shape: shape.Shape{Formats: map[shape.Format]string{"yaml": ""}},
			want:  "formats[yaml]: there is no such format; there are: env, json, netrc, nginx-header",
		},
		"a key with a slash":       {shape: shape.Shape{Keys: map[string]string{"token": "a/b"}}, want: `keys[token]: "a/b"` + noKey},
		"a format under a bad key": {shape: shape.Shape{Formats: map[shape.Format]string{shape.JSON: " "}}, want: `formats[json]: " "` + noKey},
		"a template under no key":  {shape: template(""), want: `template.data[""]: ""` + noKey},
		"a dot":                    {shape: template("."), want: `template.data["."]: "."` + noKey},
		"two dots":                 {shape: template(".."), want: `template.data[".."]: ".."` + noKey},
		"two dots and more":        {shape: template("..data"), want: `template.data["..data"]: "..data"` + noKey},
		"a name that nobody can read": {
			shape: template("\x1b[2Jé"), want: `template.data["\x1b[2J\u00e9"]: "\x1b[2J\u00e9"` + noKey,
		},
		"a name of 254 characters": {shape: template(long), want: `template.data["` + long[:64] + `"…]: "` + long[:64] + `"…` + noKey},
		"two default keys under one name": {
			shape: shape.Shape{Keys: map[string]string{"clientKey": "id", "userKey": "id"}},
			want:  "keys[userKey]: the key id of the Secret is also that of keys[clientKey]",
		},
		"a default key under the name of a later one": {
			shape: shape.Shape{Keys: map[string]string{"clientKey": "token"}},
			want:  "keys[clientKey]: the key token of the Secret is also that of the default key token",
		},
		"a default key under the name of an earlier one that is not known": {
			shape: shape.Shape{Keys: map[string]string{"userKey": "SFS_USER_KEY"}},
			want:  "keys[userKey]: the key SFS_USER_KEY of the Secret is also that of the default key SFS_USER_KEY",
		},
		"two formats under one key": {
			shape: shape.Shape{Formats: map[shape.Format]string{shape.Env: "netrc", shape.Netrc: ""}},
			want:  "formats[netrc]: the key netrc of the Secret is also that of formats[env]",
		},
		"a format under a default key": {
			shape: shape.Shape{Formats: map[shape.Format]string{shape.Env: "token"}},
			want:  "formats[env]: the key token of the Secret is also that of the default key token",
		},
		"a template under a default key": {shape: template("userKey"), want: "template.data[userKey]: the key userKey of the Secret is also that of the default key userKey"},
		"a template under the key of a format": {
			shape: shape.Shape{Formats: map[shape.Format]string{shape.JSON: ""}, Template: map[string]string{"credentials.json": ""}, Replace: true},
			want:  "template.data[credentials.json]: the key credentials.json of the Secret is also that of formats[json]",
		},
		"an alias of the name of a key": {
			src:  func(s *shape.Source) { s.Aliases["token"] = "clientKey" },
			want: "keys[token]: the key token of the Secret is also that of the default key token",
		},
		"netrc where there is no token": {
			shape: shape.Shape{Formats: map[shape.Format]string{shape.Netrc: ""}}, src: func(s *shape.Source) { s.TokenKey = "" },
			want: "formats[netrc]: there is no token here",
		},
		"nginx-header where there is no token": {
			shape: shape.Shape{Formats: map[shape.Format]string{shape.NginxHeader: ""}}, src: func(s *shape.Source) { s.TokenKey = "" },
			want: "formats[nginx-header]: there is no token here",
		},
		"netrc while the token is not known": {
			shape: shape.Shape{Formats: map[shape.Format]string{shape.Netrc: ""}}, src: func(s *shape.Source) { s.Values["token"] = "" },
			want: "formats[netrc]: the token is not known",
		},
		"netrc without the URL of an API": {
			shape: shape.Shape{Formats: map[shape.Format]string{shape.Netrc: ""}}, src: func(s *shape.Source) { s.URLKey = "" },
			want: "formats[netrc]: there is no URL of the API whose host could be named",
		},
		"a template of the right key with a mistake": {
			shape: shape.Shape{Template: map[string]string{"a": "{{ .token }}", "config.ini": "[sfs]\nkey = {{ .clientKy }}"}},
			want:  `template.data[config.ini]: line 2, column 10: there is no value "clientKy"; there are: baseURL, clientKey, expiresAt, issuedAt, token, tokenType, userKey`,
		},
		"the first of many mistakes": {
			shape: shape.Shape{Template: map[string]string{"b": "{{", "a": "{{", "c": "{{"}, Formats: map[shape.Format]string{shape.Env: ""}},
			want:  "template.data[a]: line 1: unclosed action",
		},
		"17 templates": {
			shape: shape.Shape{Template: numbered(17, "")}, want: "template.data: there are 17 templates, and may be 16",
		},
		"templates of more than 64 KiB together": {
			shape: shape.Shape{Template: numbered(16, strings.Repeat("a", 4097))}, want: "template.data[k15]: with this one, the templates together have more than 64 KiB",
		},
		"more than half of what Kubernetes allows": {
			src:  func(s *shape.Source) { s.Values["clientKey"] = strings.Repeat("a", 256<<10) },
			want: "keys[SFS_CLIENT_KEY]: all keys and values of the Secret together have 513 KiB, and may have 512; this is the largest",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := source()
			if test.src != nil {
				test.src(&src)
			}
			got := problem(t, test.shape, src)
			if got == nil {
				t.Fatal("nothing is wrong")
			}
			if got.Error() != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// numbered are n templates of the same text.
func numbered(n int, text string) map[string]string {
	all := map[string]string{}
	for i := range n {
		all[fmt.Sprintf("k%02d", i)] = text
	}
	return all
}

func TestAFullSecret(t *testing.T) {
	t.Parallel()
	const most = 512 << 10
	src := shape.Source{Values: map[string]string{"a": strings.Repeat("a", most-1)}}
	if p := problem(t, shape.Shape{}, src); p != nil {
		t.Error(p)
	}
	src.Values["a"] += "a"
	if p := problem(t, shape.Shape{}, src); p == nil || p.Field != "keys[a]" {
		t.Errorf("one byte more: %v", p)
	}
}

func TestTokenAt(t *testing.T) {
	t.Parallel()
	aliased := source()
	aliased.Aliases["SFS_TOKEN"], aliased.Aliases["A_TOKEN"] = "token", "token"
	none := source()
	none.TokenKey = ""
	tests := map[string]struct {
		shape shape.Shape
		src   shape.Source
		want  string
	}{
		"its default key":                  {src: source(), want: "token"},
		"another name":                     {shape: shape.Shape{Keys: map[string]string{"token": "key"}}, src: source(), want: "key"},
		"it is left out":                   {shape: shape.Shape{Keys: map[string]string{"token": ""}}, src: source()},
		"others are renamed":               {shape: shape.Shape{Keys: map[string]string{"clientKey": "", "SFS_USER_KEY": "x"}}, src: source(), want: "token"},
		"its key is not shown":             {shape: shape.Shape{Replace: true, Template: map[string]string{"token": "{{ .token }}"}}, src: source()},
		"it is not known":                  {src: with("token", ""), want: "token"},
		"there is none":                    {src: none},
		"the key goes before an alias":     {src: aliased, want: "token"},
		"an alias, the first of two":       {shape: shape.Shape{Keys: map[string]string{"token": ""}}, src: aliased, want: "A_TOKEN"},
		"an alias of another name":         {shape: shape.Shape{Keys: map[string]string{"token": "", "A_TOKEN": "z"}}, src: aliased, want: "z"},
		"an alias, where the first is not": {shape: shape.Shape{Keys: map[string]string{"token": "", "A_TOKEN": ""}}, src: aliased, want: "SFS_TOKEN"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := test.shape.TokenAt(test.src)
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			data, err := test.shape.Render(test.src)
			if err != nil {
				t.Fatal(err)
			}
			if got != "" && string(data[got]) != test.src.Values["token"] {
				t.Error("something else stands there")
			}
		})
	}
}

func TestDefaultKeys(t *testing.T) {
	t.Parallel()
	for format, want := range map[shape.Format]string{
		shape.JSON: "credentials.json", shape.Env: "credentials.env", shape.Netrc: "netrc", shape.NginxHeader: "nginx.conf", "yaml": "",
	} {
		if got := shape.DefaultKey(format); got != want {
			t.Errorf("%s: got %q, want %q", format, got, want)
		}
	}
}

// The golden files are what applications read: a change of one breaks them.
func TestFormatsAreAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, format := range []shape.Format{shape.JSON, shape.Env, shape.Netrc, shape.NginxHeader} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			data, err := shape.Shape{Formats: map[shape.Format]string{format: ""}, Replace: true}.Render(source())
			if err != nil {
				t.Fatal(err)
			}
			got := data[shape.DefaultKey(format)]
			file := filepath.Join("testdata", string(format)+".golden")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestValuesInFormats(t *testing.T) {
	t.Parallel()
	const (
		quotes = "needs quotes, which Docker and shells read differently; use a template for the one that reads it"
		other  = "the token holds a space, a control character, or one of "
		host   = "there is no URL of the API whose host could be named"
	)
	tests := []struct {
		format     shape.Format
		key, value string
		want       string // a part of the result
		wrong      string
	}{
		{format: shape.JSON, key: "token", value: "a\"\\\n<&>é\u2028", want: `"token":"a\"\\\n<&>é\u2028",`},
		{format: shape.JSON, key: "userKey", value: "u", want: `,"userKey":"u"}` + "\n"},
		{format: shape.JSON, key: "token", value: "", want: `21:00:12Z","tokenType"`},
		{format: shape.JSON, key: "token", value: "\xff", wrong: "the value of token is no text in UTF-8, which JSON needs"},

		{format: shape.Env, key: "token", value: "azAZ09_./:@%+=,-~", want: "\nSFS_TOKEN=azAZ09_./:@%+=,-~\nSFS_TOKEN_TYPE=Bearer\n"},
		{format: shape.Env, key: "token", value: "", want: "12Z\nSFS_TOKEN_TYPE=Bearer\n"},
		{format: shape.Env, key: "userKey", value: "u", want: "SFS_TOKEN_TYPE=Bearer\nSFS_USER_KEY=u\n"},
		{format: shape.Env, key: "token", value: "~root", wrong: "the value of token " + quotes},
		{format: shape.Env, key: "token", value: "a:~root", wrong: "the value of token " + quotes},
		{format: shape.Env, key: "token", value: "a=~root", wrong: "the value of token " + quotes},
		{format: shape.Env, key: "token", value: "a b", wrong: "the value of token " + quotes},
		{format: shape.Env, key: "token", value: "a\n", wrong: "the value of token " + quotes},
		{format: shape.Env, key: "token", value: "$HOME", wrong: "the value of token " + quotes},
		{format: shape.Env, key: "token", value: "a#b", wrong: "the value of token " + quotes},
		{format: shape.Env, key: "token", value: "é", wrong: "the value of token " + quotes},
		{format: shape.Env, key: "token", value: `a\`, wrong: "the value of token " + quotes},
		{format: shape.Env, key: "httpURLPath", value: "p", want: "SFS_HTTP_URL_PATH=p\n"},
		{format: shape.Env, key: "isAUser", value: "p", want: "SFS_IS_A_USER=p\n"},
		{format: shape.Env, key: "tokenV2ID", value: "p", want: "SFS_TOKEN_V2_ID=p\n"},
		{format: shape.Env, key: "tls.crt-file_x", value: "p", want: "SFS_TLS_CRT_FILE_X=p\n"},
		{format: shape.Env, key: "ein schlüssel", value: "p", wrong: "the key ein schlüssel makes no name of an environment variable"},
		{format: shape.Env, key: "client_key", value: "p", wrong: "the keys clientKey and client_key make the same environment variable, SFS_CLIENT_KEY"},
		{format: shape.Env, key: "client_key", value: "", want: "SFS_CLIENT_KEY=8f14e45f-"},

		{format: shape.Netrc, key: "baseURL", value: "https://localhost:8443/api", want: "machine localhost login"},
		{format: shape.Netrc, key: "baseURL", value: "https://[::1]:8443/api", want: "machine ::1 login"},
		{format: shape.Netrc, key: "baseURL", value: "", wrong: host},
		{format: shape.Netrc, key: "baseURL", value: "api.example.com", wrong: host},
		{format: shape.Netrc, key: "baseURL", value: "https://a%20b/", wrong: host},
		{format: shape.Netrc, key: "baseURL", value: "https://é/", wrong: host},
		{format: shape.Netrc, key: "token", value: "!$%'az09", want: " password !$%'az09\n"},
		{format: shape.Netrc, key: "token", value: "a b", wrong: other + `"\#`},
		{format: shape.Netrc, key: "token", value: "a\nmachine b", wrong: other + `"\#`},
		{format: shape.Netrc, key: "token", value: `a"`, wrong: other + `"\#`},
		{format: shape.Netrc, key: "token", value: `a\`, wrong: other + `"\#`},
		{format: shape.Netrc, key: "token", value: `#`, wrong: other + `"\#`},

		{format: shape.NginxHeader, key: "token", value: "!'#;{}~az09", want: `"Bearer !'#;{}~az09";`},
		{format: shape.NginxHeader, key: "token", value: "", wrong: "the token is not known"},
		{format: shape.NginxHeader, key: "token", value: `a"; deny all; "`, wrong: other + `"\$`},
		{format: shape.NginxHeader, key: "token", value: "$http_cookie", wrong: other + `"\$`},
		{format: shape.NginxHeader, key: "token", value: `a\`, wrong: other + `"\$`},
		{format: shape.NginxHeader, key: "token", value: "a\r\nX: y", wrong: other + `"\$`},
		{format: shape.NginxHeader, key: "token", value: "\x7f", wrong: other + `"\$`},
		{format: shape.NginxHeader, key: "token", value: "é", wrong: other + `"\$`},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s, %s %q", test.format, test.key, test.value), func(t *testing.T) {
			t.Parallel()
			data, err := shape.Shape{Formats: map[shape.Format]string{test.format: "x"}, Replace: true}.Render(with(test.key, test.value))
			if test.wrong != "" {
				if want := "formats[" + string(test.format) + "]: " + test.wrong; err == nil || err.Error() != want {
					t.Errorf("got  %v\nwant %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(data["x"]), test.want) {
				t.Errorf("got %q, want %q in it", data["x"], test.want)
			}
		})
	}
}

func TestAKeyThatBeginsWithADigitIsNoVariable(t *testing.T) {
	t.Parallel()
	src := shape.Source{Values: map[string]string{"2nd": "a"}}
	s := shape.Shape{Formats: map[shape.Format]string{shape.Env: ""}}
	if p := problem(t, s, src); p == nil || p.Message != "the key 2nd makes no name of an environment variable" {
		t.Error(p)
	}
	src.EnvPrefix = "_"
	if p := problem(t, s, src); p != nil {
		t.Error(p)
	}
}

// A shell reads what Docker takes as it stands.
func TestAShellReadsTheEnvFormat(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell")
	}
	for _, token := range []string{source().Values["token"], "azAZ09_./:@%+=,-~", "=a", "-n", "%s", "a~b~", "a/~b"} {
		data, err := shape.Shape{Formats: map[shape.Format]string{shape.Env: ""}}.Render(with("token", token))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "env")
		if err := os.WriteFile(file, data["credentials.env"], 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(sh, "-c", `. "$0"; printf '%s' "$SFS_TOKEN"`, file)
		cmd.Env = []string{"HOME=/elsewhere"}
		if read, err := cmd.CombinedOutput(); err != nil || string(read) != token {
			t.Errorf("it reads %q (%v), want %q", read, err, token)
		}
	}
}

func TestItIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	s := shape.Shape{
		Formats:  map[shape.Format]string{shape.JSON: "", shape.Env: "", shape.Netrc: "", shape.NginxHeader: ""},
		Template: map[string]string{"all": "{{ . }} {{ toJson . }} {{ print . }}"},
	}
	first, err := s.Render(source())
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		again, err := s.Render(source())
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range slices.Sorted(maps.Keys(first)) {
			if string(first[key]) != string(again[key]) {
				t.Fatalf("%s: %q, and then %q", key, first[key], again[key])
			}
		}
	}
}
