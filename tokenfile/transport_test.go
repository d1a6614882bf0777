// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenfile

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// exchange is an API in memory: it takes one token, and notes what it was sent.
type exchange struct {
	takes    string
	before   func() // runs before each answer
	redirect string // is where a request that is taken is sent on to
	sent     []string
	closed   int // bodies of answers
}

func (e *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.Body != nil {
		raw, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
		body = string(raw)
	}
	authorization := req.Header.Get("Authorization")
	e.sent = append(e.sent, strings.TrimSpace(req.URL.Host+" "+authorization+" "+body))
	if e.before != nil {
		e.before()
	}
	resp := &http.Response{
		StatusCode: http.StatusUnauthorized, Header: http.Header{}, Request: req,
		Body: &counted{Reader: strings.NewReader("answer"), closed: &e.closed},
	}
	if authorization == "Bearer "+e.takes {
		resp.StatusCode = http.StatusOK
		if e.redirect != "" {
			resp.StatusCode = http.StatusTemporaryRedirect
			resp.Header.Set("Location", e.redirect)
		}
	}
	return resp, nil
}

type counted struct {
	io.Reader
	closed *int
}

func (c *counted) Close() error {
	*c.closed++
	return nil
}

func TestA401IsTriedOnceMoreWithAnotherToken(t *testing.T) {
	type test struct {
		*mounted
		*exchange
		request *http.Request
	}
	for name, c := range map[string]struct {
		arrange func(*test)
		status  int
		sent    []string
	}{
		"a token that is taken is sent once": {
			arrange: func(c *test) { c.takes = "one" },
			status:  http.StatusOK,
			sent:    []string{"sfs Bearer one body"},
		},
		"another one is mounted meanwhile": {
			arrange: func(c *test) {
				c.takes = "two"
				c.before = func() { c.show("two", start.Add(50*time.Minute)) }
			},
			status: http.StatusOK,
			sent:   []string{"sfs Bearer one body", "sfs Bearer two body"},
		},
		"another one is mounted, and refused too": {
			arrange: func(c *test) {
				c.before = func() { c.show("two", start.Add(50*time.Minute)) }
			},
			status: http.StatusUnauthorized,
			sent:   []string{"sfs Bearer one body", "sfs Bearer two body"},
		},
		"the same one is mounted": {
			arrange: func(*test) {},
			status:  http.StatusUnauthorized,
			sent:    []string{"sfs Bearer one body"},
		},
		"none can be read any more": {
			arrange: func(c *test) {
				c.before = func() {
					c.write(nil)
					c.now = start.Add(time.Hour)
				}
			},
			status: http.StatusUnauthorized,
			sent:   []string{"sfs Bearer one body"},
		},
		"the body is gone": {
			arrange: func(c *test) {
				c.request.GetBody = nil
				c.before = func() { c.show("two", start.Add(50*time.Minute)) }
			},
			status: http.StatusUnauthorized,
			sent:   []string{"sfs Bearer one body"},
		},
		"the body can not be had again": {
			arrange: func(c *test) {
				c.request.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
				c.before = func() { c.show("two", start.Add(50*time.Minute)) }
			},
			status: http.StatusUnauthorized,
			sent:   []string{"sfs Bearer one body"},
		},
		"there is no body": {
			arrange: func(c *test) {
				c.takes = "two"
				c.request.Body, c.request.GetBody = nil, nil
				c.before = func() { c.show("two", start.Add(50*time.Minute)) }
			},
			status: http.StatusOK,
			sent:   []string{"sfs Bearer one", "sfs Bearer two"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://sfs/api/user", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			test := &test{mount(t), &exchange{}, request}
			test.show("one", start.Add(30*time.Minute))
			c.arrange(test)
			client := &http.Client{Transport: test.Transport(test.exchange)}
			resp, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			answer, err := io.ReadAll(resp.Body)
			if err != nil || string(answer) != "answer" {
				t.Errorf("the answer is %q, %v", answer, err)
			}
			if resp.StatusCode != c.status {
				t.Errorf("the status is %d, want %d", resp.StatusCode, c.status)
			}
			if !slices.Equal(test.sent, c.sent) {
				t.Errorf("sent was %q, want %q", test.sent, c.sent)
			}
			if want := len(c.sent) - 1; test.closed != want {
				t.Errorf("%d answers were closed, want the %d that the caller does not see", test.closed, want)
			}
			if request.Header.Get("Authorization") != "" {
				t.Error("the request of the caller was changed")
			}
		})
	}
}

func TestARefusalByTheSecondTokenIsRemembered(t *testing.T) {
	m, api := mount(t), &exchange{}
	m.show("one", start.Add(30*time.Minute))
	client := &http.Client{Transport: m.Transport(api)}
	api.before = func() { m.show("two", start.Add(50*time.Minute)) }
	get(t, client, http.StatusUnauthorized)
	api.before = nil
	m.show("three", start.Add(70*time.Minute))
	api.takes = "three"
	get(t, client, http.StatusOK)
	if got := len(api.sent); got != 3 {
		t.Errorf("%d requests were sent, want 3: %q", got, api.sent)
	}
}

func TestARedirectGetsNoToken(t *testing.T) {
	m, api := mount(t), &exchange{takes: "one", redirect: "https://elsewhere/api/user"}
	m.show("one", start.Add(30*time.Minute))
	get(t, &http.Client{Transport: m.Transport(api)}, http.StatusUnauthorized)
	if want := []string{"sfs Bearer one", "elsewhere"}; !slices.Equal(api.sent, want) {
		t.Errorf("sent was %q, want %q", api.sent, want)
	}
}

func TestWithoutATokenNothingIsSent(t *testing.T) {
	m, api := mount(t), &exchange{}
	closed := 0
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://sfs/api/user",
		&counted{Reader: strings.NewReader("body"), closed: &closed})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := m.Transport(api).RoundTrip(request)
	if err == nil {
		_ = resp.Body.Close()
		t.Error("there is no error")
	}
	if len(api.sent) != 0 || closed != 1 {
		t.Errorf("sent was %q, and the body closed %d times, want nothing and once", api.sent, closed)
	}
}

func TestAFailureIsNotTriedAgain(t *testing.T) {
	m := mount(t)
	m.show("one", start.Add(30*time.Minute))
	failure, tries := errors.New("connection reset"), 0
	base := roundTripper(func(*http.Request) (*http.Response, error) {
		tries++
		return nil, failure
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://sfs/api/user", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := m.Transport(base).RoundTrip(request)
	if resp != nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, failure) || tries != 1 {
		t.Errorf("got %v after %d tries, want %v after one", err, tries, failure)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func get(t *testing.T, client *http.Client, status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://sfs/api/user", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		t.Errorf("the status is %d, want %d", resp.StatusCode, status)
	}
}
