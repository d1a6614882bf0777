package sendforsign

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sendforsign/sfs-operator/internal/wire"
)

// What the vendor's pages say about types differs from page to page, so decoding is lenient about everything but the
// values that matter: keys, tokens and their life.

// What is longer is no token and no key: it would fit neither a header nor the places where keys are kept.
const (
	maxToken     = 16 << 10
	maxTokenType = 32
	maxKey       = 128
)

// answer is the body of a success, of any call.
type answer struct {
	Code code `json:"code"`

	AccessToken string          `json:"access_token"`
	TokenType   wire.Text       `json:"token_type"`
	ExpiresIn   json.RawMessage `json:"expires_in"`

	Client  wireClient       `json:"client"`
	Clients list[wireClient] `json:"clients"`
	User    wireUser         `json:"user"`
	Users   list[wireUser]   `json:"users"`

	status int
}

// decodeAnswer decodes as much as it can: a refusal may be malformed but for its code.
func decodeAnswer(raw []byte) (answer, error) {
	var a answer
	// An array, a string or null is JSON, too, but no answer.
	if !wire.IsObject(raw) || json.Unmarshal(raw, &a) != nil {
		return a, errMalformed
	}
	return a, nil
}

// token returns the token of the answer, or false if there is none that can be used.
func (a *answer) token() (Token, bool) {
	life, ok := wire.TokenLife(a.ExpiresIn)
	if !ok || a.AccessToken == "" || len(a.AccessToken) > maxToken || !wire.IsHeaderSafe(a.AccessToken) {
		return Token{}, false
	}
	// It is put before the token in headers.
	kind := cmp.Or(string(a.TokenType), "Bearer")
	if len(kind) > maxTokenType || !wire.IsHeaderSafe(kind) {
		return Token{}, false
	}
	return Token{AccessToken: Secret(a.AccessToken), TokenType: kind, ExpiresIn: life}, true
}

// refusal is what an error answer says, if it is JSON at all. No field of it can fail to decode.
type refusal struct {
	Code    code            `json:"code"`
	Message wire.Text       `json:"message"`
	Error   json.RawMessage `json:"error"`
}

func decodeRefusal(raw []byte) refusal {
	var r refusal
	if json.Unmarshal(raw, &r) != nil {
		return refusal{} // HTML of a proxy, or cut off: not for logs
	}
	return r
}

func (r refusal) message() string {
	if r.Message != "" {
		return string(r.Message)
	}
	if nested := r.nested(); nested != "" {
		return nested
	}
	return wire.Unquote(r.Error)
}

// nested returns the message of the form {"error":{"message":"…"}}.
func (r refusal) nested() string {
	var e struct {
		Message wire.Text `json:"message"`
	}
	if !wire.IsObject(r.Error) || json.Unmarshal(r.Error, &e) != nil {
		return ""
	}
	return string(e.Message)
}

// isExpired2024 recognises the first documented answer to an expired token, 400 with no code; nothing but
// its text tells it from a bad parameter.
func (r refusal) isExpired2024() bool {
	said := strings.ToLower(r.nested())
	return r.Code == 0 && strings.Contains(said, "token") && strings.Contains(said, "expired")
}

// wireClient is a client, as every answer about one holds it: some with more fields, some with fewer.
type wireClient struct {
	ClientKey    key        `json:"clientKey"`
	FullName     wire.Text  `json:"fullname"`
	Email        wire.Text  `json:"email"`
	Organization wire.Text  `json:"organization"`
	CustomKey    wire.Text  `json:"customKey"`
	Multiple     flag       `json:"multiple"`
	CreateTime   timestamp  `json:"createTime"`
	ChangeTime   timestamp  `json:"changeTime"`
	Users        []wireUser `json:"users"`
}

func (w wireClient) client() Client {
	c := Client{
		ClientKey:    w.ClientKey.value,
		FullName:     string(w.FullName),
		Email:        string(w.Email),
		Organization: string(w.Organization),
		CustomKey:    string(w.CustomKey),
		Multiple:     bool(w.Multiple),
		CreateTime:   w.CreateTime.Time,
		ChangeTime:   w.ChangeTime.Time,
	}
	for _, u := range w.Users {
		if u.UserKey.value != "" { // without a key it is of no use, and no reason to lose the client
			c.Users = append(c.Users, u.user())
		}
	}
	return c
}

// wireUser is a user, as every answer about one holds it.
type wireUser struct {
	UserKey    key       `json:"userKey"`
	FullName   wire.Text `json:"fullname"`
	Email      wire.Text `json:"email"`
	CustomKey  wire.Text `json:"customKey"`
	Default    flag      `json:"default"`
	CreateTime timestamp `json:"createTime"`
	ChangeTime timestamp `json:"changeTime"`
}

func (w wireUser) user() User {
	return User{
		UserKey:    w.UserKey.value,
		FullName:   string(w.FullName),
		Email:      string(w.Email),
		CustomKey:  string(w.CustomKey),
		Default:    bool(w.Default),
		CreateTime: w.CreateTime.Time,
		ChangeTime: w.ChangeTime.Time,
	}
}

// list tells an empty list, or null, from none: to take an answer without a list for "there are no clients" would invite
// a caller to create all of them again.
type list[T any] struct {
	items   []T
	present bool
}

func (l *list[T]) UnmarshalJSON(raw []byte) error {
	l.present = true
	return json.Unmarshal(raw, &l.items)
}

// code is a number, or a number in a string; anything else is 0, which stands for absent.
type code int

func (c *code) UnmarshalJSON(raw []byte) error {
	n, err := strconv.ParseFloat(strings.TrimSpace(wire.Unquote(raw)), 64)
	if err != nil || !(math.Abs(n) < math.MaxInt32) {
		n = 0
	}
	*c = code(n)
	return nil
}

// key names an object at the server. The vendor's keys are UUIDs; taken are letters, digits, "-", "_" and ".", in a string
// or a number. What is present and something else is odd: it is neither used nor taken for absent, since an object whose
// key cannot be read exists all the same.
type key struct {
	value string
	odd   bool
}

func (k *key) UnmarshalJSON(raw []byte) error {
	*k = key{value: wire.Unquote(raw)}
	if raw[0] == '{' || raw[0] == '[' || raw[0] == 't' || raw[0] == 'f' || !isKey(k.value) {
		*k = key{odd: true}
	}
	return nil
}

// isKey reports whether a text may stand for an object; an empty one stands for none.
func isKey(s string) bool {
	if len(s) > maxKey {
		return false
	}
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// check returns what is wrong with the key of an answer that should hold one.
func (k key) check() error {
	switch {
	case k.odd:
		return errOddKey
	case k.value == "":
		return errNoKey
	}
	return nil
}

// flag is true for true, "true", 1 and "1".
type flag bool

func (f *flag) UnmarshalJSON(raw []byte) error {
	s := wire.Unquote(raw)
	*f = s == "true" || s == "1"
	return nil
}

// timestamp takes both documented forms, ISO 8601 and "2006-01-02 15:04:05", which has no zone and is taken as UTC.
// Anything else is the zero time: no time of the server decides anything, so none is worth an error.
type timestamp struct{ time.Time }

func (t *timestamp) UnmarshalJSON(raw []byte) error {
	t.Time = time.Time{}
	for _, layout := range []string{time.RFC3339Nano, time.DateTime} {
		if parsed, err := time.Parse(layout, wire.Unquote(raw)); err == nil {
			t.Time = parsed.UTC()
			break
		}
	}
	return nil
}
