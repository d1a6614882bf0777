// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestActionsWorkThroughTheAPIServer does what the buttons of Argo CD do. Tokens live for half an hour here: none is renewed but
// by an action.
func TestActionsWorkThroughTheAPIServer(t *testing.T) {
	t.Parallel()
	app := newTenants(t, "actions", byAnnotation, serverSide)
	app.deploy(app.files())
	_, before := app.last()
	offers := func(want string) {
		t.Helper()
		if got := app.actions("SfsClient", "shop"); got != want {
			t.Errorf("the actions on shop are %q, want %q", got, want)
		}
	}

	offers("pause renew")
	former, _ := app.token(t, app.name, "shop")
	other, _ := app.token(t, app.name, "office")
	minted, began := mints(app.sim), time.Now()
	app.act("SfsClient", "shop", "renew")
	await(t, patience, "another token", func(context.Context) string {
		if now, _ := app.token(t, app.name, "shop"); now == former {
			return "it is the former one"
		}
		return ""
	})
	renewed := time.Since(began)
	if now, _ := app.token(t, app.name, "office"); now != other || mints(app.sim) != minted+1 {
		t.Errorf("%d tokens were given by one renewal", mints(app.sim)-minted)
	}
	if words := app.words(before); len(words) > 0 {
		t.Errorf("it was news for Argo CD:%s", write(words))
	}

	for _, of := range []struct{ kind, name string }{{"SfsClient", "shop"}, {"SfsClientUser", "shop-john"}} {
		app.act(of.kind, of.name, "pause")
		app.awaitWord("Suspended", func(w word) bool { return w.health == "Suspended" })
		if of.kind == "SfsClient" {
			offers("resume")
		}
		app.act(of.kind, of.name, "resume")
		app.awaitWord("Healthy", word.isWell)
	}
	words := app.words(0)
	if n := syncs(words); n != 1 || count(words[before:], isOutOfSync) > 0 {
		t.Errorf("there were %d syncs:%s", n, write(words))
	}
	t.Logf("renew: another token after %s, by 1 mint, and no news for Argo CD; pause and resume on 2 kinds: Suspended and Healthy; 1 sync, 0 OutOfSync",
		renewed.Round(100*time.Millisecond))
}

// resource names a resource of the Application to the API server of Argo CD.
func (app *application) resource(kind, name string) map[string]string {
	return map[string]string{
		"group": "sendforsign.com", "version": "v1alpha1", "kind": kind, "namespace": app.name, "resourceName": name,
		"appNamespace": app.namespace,
	}
}

// actions returns the names of those that are offered.
func (app *application) actions(kind, name string) string {
	app.t.Helper()
	query := url.Values{}
	for key, value := range app.resource(kind, name) {
		query.Set(key, value)
	}
	var answer struct {
		Actions []struct {
			Name     string `json:"name"`
			Disabled bool   `json:"disabled"`
		} `json:"actions"`
	}
	app.ask(http.MethodGet, "/resource/actions?"+query.Encode(), nil, &answer)
	var names []string
	for _, action := range answer.Actions {
		if !action.Disabled {
			names = append(names, action.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// act has an action carried out.
func (app *application) act(kind, name, action string) {
	app.t.Helper()
	question := maps.Clone(app.resource(kind, name))
	question["action"] = action
	app.ask(http.MethodPost, "/resource/actions/v2", question, &struct{}{})
}

// buttons is what makes requests to the API server of Argo CD.
var buttons = &http.Client{Timeout: patience}

// ask makes a request to the API server of Argo CD.
func (app *application) ask(method, path string, question, answer any) {
	app.t.Helper()
	body, err := json.Marshal(question)
	if err != nil {
		app.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(app.t.Context(), method, app.api+app.name+path, bytes.NewReader(body))
	if err != nil {
		app.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := buttons.Do(request)
	if err != nil {
		app.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		app.t.Fatalf("%s %s: %s %s (%v)", method, path, response.Status, text, err)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		app.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}
