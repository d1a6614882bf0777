// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// Asked notes what is asked for over the connections to an API server that it is put into. It is safe for concurrent use.
type Asked struct {
	// Home is the namespace in which rights may be given that are given nowhere else: what is asked for there is told apart.
	Home string

	mu      sync.Mutex
	rights  map[Right]bool
	refused []string
}

// Over puts it into a connection.
func (a *Asked) Over(next http.RoundTripper) http.RoundTripper {
	return connection(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			return resp, err
		}
		return resp, a.note(req, resp)
	})
}

type connection func(*http.Request) (*http.Response, error)

func (c connection) RoundTrip(req *http.Request) (*http.Response, error) { return c(req) }

// understood reads requests as kube-apiserver does to find out which right they need.
var understood = request.RequestInfoFactory{
	APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api"),
}

func (a *Asked) note(req *http.Request, resp *http.Response) error {
	info, err := understood.NewRequestInfo(req)
	if err != nil {
		return fmt.Errorf("reading what is asked for: %w", err)
	}
	refused := ""
	if resp.StatusCode == http.StatusForbidden {
		if refused, err = refusal(resp); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if refused != "" {
		a.refused = append(a.refused, refused)
	}
	if !info.IsResourceRequest {
		return nil // what there is, which anybody may ask
	}
	right := Right{Verb: info.Verb, Group: info.APIGroup, Resource: info.Resource}
	if info.Subresource != "" {
		right.Resource += "/" + info.Subresource
	}
	if a.Home != "" && info.Namespace == a.Home {
		right.Namespace = a.Home
	}
	if a.rights == nil {
		a.rights = map[Right]bool{}
	}
	a.rights[right] = true
	if info.Verb == "patch" && resp.StatusCode == http.StatusCreated {
		right.Verb = "create" // an apply of what is not there needs both
		a.rights[right] = true
	}
	return nil
}

// noRight is what an API server says of a request that its authorizer refuses. Quotas, admission and namespaces that are on
// their way out refuse with the same status, and are no matter of rights.
var noRight = regexp.MustCompile(`User \\?"[^"]+" cannot \w+ (path \\?"[^"]*"|resource .*?(at the cluster scope|in the namespace \\?"[^"]*"))`)

// refusal returns what the API server says, if it is about a right. The answer can be read again.
func refusal(resp *http.Response) (string, error) {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("reading a refusal: %w", err)
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return strings.ReplaceAll(string(noRight.Find(body)), `\"`, `"`), nil
}

// Rights returns what was asked for, whether it was granted or not.
func (a *Asked) Rights() []Right {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.rights))
}

// TakeRefused returns which requests the API server refused for want of a right since the last call.
func (a *Asked) TakeRefused() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.refused
	a.refused = nil
	return all
}
