// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// plane is one of the servers that the operator talks to.
type plane string

const (
	planeSFS        plane = "sfs"
	planeKubernetes plane = "api"
	planeOAuth      plane = "oauth" // the providers of OAuthTokens
)

// call is one request of the operator.
type call struct {
	n     int // counted from when the wire was armed, over both planes
	plane plane
	// verb and resource are "patch" and "sfsclients/status", or the action and the endpoint of SFS.
	verb, resource string
	at             time.Time
	target         ref // of a request to Kubernetes
	body           []byte

	carriedOut bool // the server answered that it did as asked
	status     int
	retryAfter time.Duration // what the server asked for
}

func (c *call) String() string { return string(c.plane) + " " + c.verb + " " + c.resource }

// publishes says whether the request is to write a Secret with all that the operator puts into one.
func (c *call) publishes() bool {
	return c.plane == planeKubernetes && c.target.kind == secretKind &&
		(c.verb == "apply" || c.verb == "create" || c.verb == "patch" && bytes.Contains(c.body, []byte(v1alpha1.ContentHashAnnotation)))
}

// writes says whether the request changes something.
func (c *call) writes() bool {
	return c.verb != "get" && c.verb != "list" && c.verb != "read"
}

var errKilled = errors.New("the operator was killed")

// wire is the connection of one operator to both servers. It numbers its requests, and lets go wrong what the plan of a
// test says.
type wire struct {
	clock clock.PassiveClock

	mu    sync.Mutex
	armed bool
	n     int
	dead  bool
	calls []*call
	// faults are what goes wrong, by the number of the call.
	faults map[int]*mode
	// hidden are keys of objects at SFS that lookups do not show until then.
	hidden      map[string]bool
	hiddenUntil time.Time
	// say is told what happens, where a plan is replayed; nil else.
	say func(format string, args ...any)
}

// tell says what happens, and when.
func (w *wire) tell(format string, args ...any) {
	if w.say != nil {
		w.say(w.clock.Now().Format(time.TimeOnly)+" "+format, args...)
	}
}

// arm begins to count.
func (w *wire) arm(faults map[int]*mode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed, w.n, w.faults = true, 0, faults
	w.calls = nil
}

// heal has nothing more go wrong.
func (w *wire) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = nil
}

// made returns the calls since the wire was armed, or since the first n of them.
func (w *wire) made(since int) []*call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[min(since, len(w.calls)):]
}

func (w *wire) isDead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

// kill cuts the connection: the process on this end is gone.
func (w *wire) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = true
}

// revive connects a new process.
func (w *wire) revive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = false
}

// on returns a transport that leads the requests of one plane through the wire.
func (w *wire) on(p plane, next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) { return w.carry(p, req, next) })
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func (w *wire) carry(p plane, req *http.Request, next http.RoundTripper) (*http.Response, error) {
	c := describeCall(p, req)
	c.at = w.clock.Now()
	w.mu.Lock()
	if w.dead {
		w.mu.Unlock()
		return nil, errKilled
	}
	var fault *mode
	if w.armed {
		w.n++
		c.n = w.n
		w.calls = append(w.calls, c)
		fault = w.faults[c.n]
	}
	w.mu.Unlock()
	x := &exchange{wire: w, call: c, request: req, next: next}
	struck, carry := "", func() (*http.Response, error) { return w.shown(c, x) }
	if fault != nil && fault.fits(c) {
		struck, carry = " with "+fault.name, func() (*http.Response, error) { return fault.strike(x) }
	}
	resp, err := carry()
	w.tell("%3d %s %s%s: %d", c.n, c, c.target.name, struck, c.status)
	return resp, err
}

// describeCall reads from a request what it wants.
func describeCall(p plane, req *http.Request) *call {
	c := &call{plane: p}
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			c.body, _ = io.ReadAll(body)
		}
	}
	if p == planeSFS && isOAuth(req.URL.Path) {
		c.plane, c.verb = planeOAuth, strings.ToLower(req.Method)
		c.resource = strings.ToLower(req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:])
		if form, err := url.ParseQuery(string(c.body)); err == nil && form.Has("grant_type") {
			c.verb = form.Get("grant_type")
		}
		return c
	}
	if p == planeSFS {
		c.resource = req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]
		var said struct {
			Action string `json:"action"`
			Data   struct {
				Action string `json:"action"`
			} `json:"data"`
		}
		_ = json.Unmarshal(c.body, &said)
		c.verb = said.Action + said.Data.Action
		return c
	}
	c.verb = map[string]string{
		http.MethodGet: "get", http.MethodPost: "create", http.MethodPut: "update", http.MethodDelete: "delete", http.MethodPatch: "patch",
	}[req.Method]
	switch {
	case req.URL.Query().Has("dryRun"):
		c.verb = "rehearse"
	case strings.Contains(req.Header.Get("Content-Type"), "apply-patch"):
		c.verb = "apply"
	}
	c.target, c.resource = targetOf(req, c.body)
	return c
}

// isOAuth says of the path of a request whether it is one of a provider of OAuthTokens. They are asked through the transport of
// SFS.
func isOAuth(path string) bool {
	return strings.Contains(path, "/oauth2/") || strings.HasSuffix(path, "/connect/token") || strings.HasSuffix(path, "/Account/Info")
}

var kindsByResource = map[string]string{
	"namespaces": namespaceName, "secrets": secretKind,
	"sfsplatforms": platformKind, "sfsclients": clientKind, "sfsclientusers": userKind, "oauthtokens": oauthKind,
}

// targetOf reads from the path of a request what it is about.
func targetOf(req *http.Request, body []byte) (r ref, resource string) {
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	parts = parts[min(map[string]int{"api": 2, "apis": 3}[parts[0]], len(parts)):]
	if len(parts) > 2 && parts[0] == "namespaces" {
		r.namespace, parts = parts[1], parts[2:]
	}
	if len(parts) == 0 {
		return r, req.URL.Path
	}
	r.kind, resource = kindsByResource[parts[0]], parts[0]
	if len(parts) > 1 {
		r.name = parts[1]
	}
	if len(parts) > 2 {
		resource += "/" + parts[2]
	}
	if r.name == "" && len(body) > 0 {
		var o struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		_ = json.Unmarshal(body, &o)
		r.name = o.Metadata.Name
	}
	return r, resource
}

// exchange is a request that something goes wrong with.
type exchange struct {
	wire    *wire
	call    *call
	request *http.Request
	next    http.RoundTripper
}

// send has the server carry the request out, and waits until it has.
func (x *exchange) send() (*http.Response, []byte, error) {
	req := x.request
	if x.request.GetBody != nil {
		body, err := x.request.GetBody()
		if err != nil {
			return nil, nil, err
		}
		req = x.request.Clone(x.request.Context())
		req.Body = body
	}
	resp, err := x.next.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	// What goes on for longer is the operator's affair.
	const longest = 4 << 20
	body, err := io.ReadAll(io.LimitReader(resp.Body, longest))
	if err != nil {
		_ = resp.Body.Close()
		return nil, nil, err
	}
	x.call.status = resp.StatusCode
	x.call.carriedOut = resp.StatusCode < 300
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), resp.Body), resp.Body}
	return resp, body, nil
}

// answer makes up an answer.
func (x *exchange) answer(status int, contentType, body string, header http.Header) (*http.Response, error) {
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", contentType)
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: x.request,
	}, nil
}

// shown passes a request on. While objects at SFS are hidden the answer does not show them.
func (w *wire) shown(c *call, x *exchange) (*http.Response, error) {
	resp, body, err := x.send()
	if err != nil || c.plane != planeSFS || c.writes() || !w.hides() {
		return resp, err
	}
	var said map[string]any
	if !json.Valid(body) {
		return resp, nil
	}
	_ = json.Unmarshal(body, &said)
	for _, list := range []string{"clients", "users"} {
		if items, ok := said[list].([]any); ok {
			said[list] = w.withoutHidden(items)
		}
	}
	if one, ok := said["client"].(map[string]any); ok && len(w.withoutHidden([]any{one})) == 0 {
		return x.answer(http.StatusNotFound, "application/json", `{"message":"Client not found","code":404}`, nil)
	}
	left, err := json.Marshal(said)
	if err != nil {
		return nil, err
	}
	return x.answer(resp.StatusCode, "application/json", string(left), nil)
}

func (w *wire) hides() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.hidden) > 0 && w.clock.Now().Before(w.hiddenUntil)
}

func (w *wire) withoutHidden(items []any) []any {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := []any{}
	for _, item := range items {
		o, _ := item.(map[string]any)
		clientKey, _ := o["clientKey"].(string)
		userKey, _ := o["userKey"].(string)
		if !w.hidden[clientKey] && !w.hidden[userKey] {
			left = append(left, item)
		}
	}
	return left
}

// hide has what an answer tells of not be shown for a while.
func (w *wire) hide(body []byte, d time.Duration) {
	var said struct {
		Client struct {
			ClientKey string `json:"clientKey"`
		} `json:"client"`
		User struct {
			UserKey string `json:"userKey"`
		} `json:"user"`
	}
	_ = json.Unmarshal(body, &said)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hidden = map[string]bool{}
	for _, key := range []string{said.Client.ClientKey, said.User.UserKey} {
		if key != "" {
			w.hidden[key] = true
		}
	}
	w.hiddenUntil = w.clock.Now().Add(d)
}
