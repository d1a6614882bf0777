package sendforsign

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/internal/wire"
)

func TestTokenAnswers(t *testing.T) {
	tests := map[string]struct {
		body string
		want time.Duration // 0: not a token
	}{
		"number":                           {`{"access_token":"t","expires_in":1800}`, 30 * time.Minute},
		"string":                           {`{"access_token":"t","expires_in":"600"}`, 10 * time.Minute},
		"fraction":                         {`{"access_token":"t","expires_in":1.5}`, 3 * time.Second / 2},
		"with code and message":            {`{"access_token":"t","expires_in":1,"code":"201","message":"ok"}`, time.Second},
		"a life beyond a day is cut":       {`{"access_token":"t","expires_in":86401}`, 24 * time.Hour},
		"an absurd life is cut":            {`{"access_token":"t","expires_in":1e300}`, 24 * time.Hour},
		"no life":                          {`{"access_token":"t"}`, 0},
		"null life":                        {`{"access_token":"t","expires_in":null}`, 0},
		"zero life":                        {`{"access_token":"t","expires_in":0}`, 0},
		"less than a second":               {`{"access_token":"t","expires_in":0.5}`, 0},
		"a life that rounds to zero":       {`{"access_token":"t","expires_in":1e-30}`, 0},
		"negative life":                    {`{"access_token":"t","expires_in":-1}`, 0},
		"not a number":                     {`{"access_token":"t","expires_in":"NaN"}`, 0},
		"infinite":                         {`{"access_token":"t","expires_in":"Inf"}`, 0},
		"words":                            {`{"access_token":"t","expires_in":"soon"}`, 0},
		"object for life":                  {`{"access_token":"t","expires_in":{}}`, 0},
		"boolean for life":                 {`{"access_token":"t","expires_in":true}`, 0},
		"no token":                         {`{"expires_in":1800}`, 0},
		"empty token":                      {`{"access_token":"","expires_in":1800}`, 0},
		"a token that no header can carry": {`{"access_token":"a\nb","expires_in":1800}`, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ans, err := decodeAnswer([]byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			token, ok := ans.token()
			if ok != (test.want > 0) || token.ExpiresIn != test.want {
				t.Errorf("got %v, %v, want %v", token.ExpiresIn, ok, test.want)
			}
		})
	}
}

func TestDecodingIsLenient(t *testing.T) {
	iso := time.Date(2024, 4, 8, 8, 58, 54, 0, time.UTC)
	tests := map[string]struct {
		body string
		want Client
	}{
		"ISO time":            {`{"client":{"clientKey":"k","createTime":"2024-04-08T08:58:54.000Z"}}`, Client{ClientKey: "k", CreateTime: iso}},
		"ISO time with zone":  {`{"client":{"clientKey":"k","createTime":"2024-04-08T10:58:54+02:00"}}`, Client{ClientKey: "k", CreateTime: iso}},
		"time without zone":   {`{"client":{"clientKey":"k","changeTime":"2024-04-08 08:58:54"}}`, Client{ClientKey: "k", ChangeTime: iso}},
		"nonsense for a time": {`{"client":{"clientKey":"k","createTime":"yesterday","changeTime":17}}`, Client{ClientKey: "k"}},
		"object for a time":   {`{"client":{"clientKey":"k","createTime":{}}}`, Client{ClientKey: "k"}},
		"nulls":               {`{"client":{"clientKey":"k","fullname":null,"users":null,"createTime":null},"code":null}`, Client{ClientKey: "k"}},
		"number for a text":   {`{"client":{"clientKey":"k","customKey":42}}`, Client{ClientKey: "k", CustomKey: "42"}},
		"string for a flag":   {`{"client":{"clientKey":"k","multiple":"true"}}`, Client{ClientKey: "k", Multiple: true}},
		"number for a flag":   {`{"client":{"clientKey":"k","multiple":1}}`, Client{ClientKey: "k", Multiple: true}},
		"code as number":      {`{"client":{"clientKey":"k"},"code":201}`, Client{ClientKey: "k"}},
		"code as nonsense":    {`{"client":{"clientKey":"k"},"code":{"a":1}}`, Client{ClientKey: "k"}},
		"unknown fields":      {`{"client":{"clientKey":"k","plan":"pro"},"meta":[]}`, Client{ClientKey: "k"}},
		"white space":         {" \n\t{\"client\":{\"clientKey\":\"k\"}} \n", Client{ClientKey: "k"}},
		"null for the client": {`{"client":null}`, Client{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ans, err := decodeAnswer([]byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := ans.Client.client(); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestMalformedAnswers(t *testing.T) {
	for _, body := range []string{
		``, `null`, `[]`, `"ok"`, `1`, `{`, `{"client":{"clientKey":"k"}`, `{} {}`, `<html>`, "\xff",
		`{"client":{"changeTime":"2023-12-01 12:18:55","clientKey":"k",}}`, // the vendor's page really says so
		`{"client":[]}`, `{"clients":{}}`, `{"access_token":1}`,
	} {
		if _, err := decodeAnswer([]byte(body)); err == nil {
			t.Errorf("%q was taken for an answer", body)
		}
	}
}

func TestCodes(t *testing.T) {
	for body, want := range map[string]code{
		`{"code":404}`: 404, `{"code":"404"}`: 404, `{"code":404.0}`: 404, `{"code":" 404 "}`: 404,
		`{}`: 0, `{"code":null}`: 0, `{"code":""}`: 0, `{"code":"OK"}`: 0, `{"code":true}`: 0, `{"code":[404]}`: 0,
		`{"code":1e99}`: 0, `{"code":"NaN"}`: 0,
	} {
		if got := decodeRefusal([]byte(body)).Code; got != want {
			t.Errorf("%s: got %d, want %d", body, got, want)
		}
	}
}

func TestMessages(t *testing.T) {
	for body, want := range map[string]string{
		`{"message":"a"}`:                                "a",
		`{"error":"a"}`:                                  "a",
		`{"error":{"message":"a"}}`:                      "a",
		`{"message":"a","error":"b"}`:                    "a",
		`{"message":"line\none\u0000\u202etwo"}`:         "line one  two",
		`{"message":"the key hunter2 is bad"}`:           "the key [redacted] is bad",
		`{"message":"hunter2hunter2"}`:                   "[redacted][redacted]",
		`{"message":"` + strings.Repeat("é", 300) + `"}`: strings.Repeat("é", 200),
		`{"message":{"text":"a"}}`:                       "",
		`<html>hunter2</html>`:                           "",
		``:                                               "",
		`["a"]`:                                          "",
		`{"message":"` + strings.Repeat("x", 197) + `hunter2"}`: strings.Repeat("x", 197) + "[re",
	} {
		if got := wire.Clean(decodeRefusal([]byte(body)).message(), []Secret{"hunter2", ""}); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
