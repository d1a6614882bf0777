// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// hostileAnswer is one that does harm, for as long as it lasts.
type hostileAnswer struct {
	name  string
	lasts time.Duration
	fault func(w *world) sfstest.Fault
}

// oversized is one that the simulator of SFS makes up while it answers.
const oversized = "80 MB"

// hostileAnswers are those to one request.
func hostileAnswers(s hostileSite, elsewhere string) []hostileAnswer {
	var all []hostileAnswer
	add := func(name string, f sfstest.Fault) {
		all = append(all, hostileAnswer{name: name, lasts: 3 * time.Minute, fault: func(*world) sfstest.Fault { return f }})
	}
	body := func(name string, status int, text string) {
		add(name, sfstest.Fault{Status: status, Body: text})
		if s.action == "create" && s.endpoint != "token" {
			add(name+", and it was carried out", sfstest.Fault{Status: status, Body: text, Apply: true, Times: 1})
		}
	}
	body("10 MB", http.StatusOK, `{"client":{"clientKey":"`+strings.Repeat("k", 10<<20))
	add(oversized, sfstest.Fault{Oversized: true})
	body("100,000 levels", http.StatusOK, strings.Repeat(`{"client":`, 100_000))
	body("100,000 levels of an error", http.StatusBadRequest, `{"message":`+strings.Repeat("[", 100_000))
	body("HTML 200", http.StatusOK, "<!doctype html><title>Sign in to the network</title>")
	body("HTML 502", http.StatusBadGateway, "<html><h1>502 Bad Gateway</h1></html>")
	body("no body 204", http.StatusNoContent, "")
	body("white space 200", http.StatusOK, " ")
	body("NUL bytes", http.StatusOK, "\x00\x00{\"client\":\x00}")
	body("NUL bytes in texts", http.StatusBadRequest, `{"message":"a\u0000b\u0000","code":400}`)
	body("no UTF-8", http.StatusBadRequest, "{\"message\":\"\xff\xfe\",\"code\":400}")
	body("half of an object", http.StatusOK, `{"client":{"clientKey":"k"`)
	body("an array", http.StatusOK, `[{"client":{"clientKey":"k"}}]`)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		add(fmt.Sprint("redirect ", status), sfstest.Fault{Status: status, Header: http.Header{"Location": {elsewhere + "/api/" + s.endpoint}}})
	}
	add("gzip bomb", sfstest.Fault{Status: http.StatusOK, Body: gzipBomb(), Header: http.Header{"Content-Encoding": {"gzip"}}})
	add("gzip bomb of an error", sfstest.Fault{Status: http.StatusBadRequest, Body: gzipBomb(), Header: http.Header{"Content-Encoding": {"gzip"}}})
	add("large headers", sfstest.Fault{Status: http.StatusOK, Header: http.Header{"X-Padding": {strings.Repeat("x", 1<<20)}}})
	all = append(all, echoes()...)
	all = append(all, misshapen(s)...)
	if s.name == "client token" || s.name == "client create" {
		// It takes real time: one timeout of the platform for each attempt.
		all = append(all, hostileAnswer{name: "trickle", lasts: time.Second, fault: func(*world) sfstest.Fault { return sfstest.Fault{Trickle: true, Times: 1} }})
	}
	return all
}

// echoes are messages that repeat the credentials, which the server knows.
func echoes() []hostileAnswer {
	var all []hostileAnswer
	for _, form := range []struct {
		name   string
		status int
		text   string // %s is the message
	}{
		{"400", http.StatusBadRequest, `{"message":%s,"code":400}`},
		{"403", http.StatusForbidden, `{"error":{"message":%s}}`},
		{"500", http.StatusInternalServerError, `{"message":%s}`},
		{"200 with code 400", http.StatusOK, `{"message":%s,"code":"400"}`},
	} {
		all = append(all, hostileAnswer{name: "echo " + form.name, lasts: 3 * time.Minute, fault: func(w *world) sfstest.Fault {
			pair := w.sim.Credentials()
			said := strings.Repeat("the key "+pair.APIKey.Reveal()+" and the secret "+pair.Secret.Reveal()+" are bad\n", 5000)
			message, _ := json.Marshal(said)
			return sfstest.Fault{Status: form.status, Body: fmt.Sprintf(form.text, message)}
		}})
	}
	return all
}

// misshapen are answers that are good but for one value.
func misshapen(s hostileSite) []hostileAnswer {
	var all []hostileAnswer
	values := map[string][]string{
		"access_token": {`"a\nb"`, `"a\u0000"`, `"` + strings.Repeat("t", 1_000_000) + `"`, `{}`, `[]`, `7`, `""`, `"a b"`},
		"expires_in":   {`-1`, `0`, `0.0001`, `1e-300`, `"NaN"`, `"soon"`, `{}`, `null`},
		"clientKey":    {`"a/b"`, `"a\nb"`, `"\u0000"`, `"` + strings.Repeat("k", 100_000) + `"`, `{}`, `["k"]`, `true`},
		"userKey":      {`"a/b"`, `"a\nb"`, `"\u0000"`, `"` + strings.Repeat("k", 100_000) + `"`, `{}`, `["k"]`, `true`},
		"client":       {`[]`, `"k"`, `7`},
		"user":         {`[]`, `"k"`, `7`},
		"clients":      {`{}`, `"k"`, `7`, `[null]`, `[[]]`, `[{}]`},
		"users":        {`{}`, `"k"`, `7`, `[null]`, `[[]]`, `[{}]`},
	}
	for _, field := range s.essential {
		for _, value := range values[field] {
			text := withValue(s.answer, field, value)
			all = append(all, hostileAnswer{
				name: fmt.Sprintf("%s is %.20s", field, value), lasts: 3 * time.Minute,
				fault: func(*world) sfstest.Fault {
					return sfstest.Fault{Status: http.StatusOK, Body: text, Apply: s.action == "create"}
				},
			})
		}
		// Of two equal names the last one counts, as in most programs; here it is none.
		twice := strings.Replace(withValue(s.answer, field, `"x/y"`), "{", `{"code":404,`, 1)
		all = append(all, hostileAnswer{name: field + " twice", lasts: 3 * time.Minute, fault: func(*world) sfstest.Fault {
			return sfstest.Fault{Status: http.StatusOK, Body: strings.TrimSuffix(twice, "}") + `,"code":500}`}
		}})
	}
	return all
}

// withValue puts another value in the place of that of a field.
func withValue(answer, field, value string) string {
	raw := strings.ReplaceAll(answer, "%s", "k")
	at := strings.Index(raw, `"`+field+`":`) + len(field) + 3
	decoder := json.NewDecoder(strings.NewReader(raw[at:]))
	var old json.RawMessage
	if err := decoder.Decode(&old); err != nil {
		panic(err)
	}
	return raw[:at] + value + raw[at+len(old):]
}

// gzipBomb is 1 GiB of zeros, of which each of many parts says that another follows.
var gzipBomb = sync.OnceValue(func() string {
	var part bytes.Buffer
	writer := gzip.NewWriter(&part)
	_, _ = writer.Write(make([]byte, 16<<20))
	_ = writer.Close()
	return strings.Repeat(part.String(), 64)
})
