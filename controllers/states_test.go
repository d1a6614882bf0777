// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var writeGolden = flag.Bool("update", false, "write the golden files")

// state is one that the controllers bring a resource into, and what tools for GitOps are to make of it. The stories
// (storiesOf) bring it about; what the API server then holds is a golden file, by which test/health judges the health
// scripts of config/argocd and kstatus.
type state struct {
	kind, name string
	// when is for docs/gitops.md and the pages of the kinds.
	when string
	// kstatus is Current, InProgress, Failed or Terminating; health is Argo CD's.
	kstatus, health string
}

// What tools are to make of a resource.
//   - Argo CD: Progressing until the operator has looked, and while what it waits for comes by itself; Degraded only where a
//     person should look or a token is dead; Suspended when paused; else Healthy, whatever is told beside it.
//   - kstatus: Current where it does its job, Failed where a person is needed, InProgress in between.
var states = []state{
	{platformKind, "unobserved", "just applied", "InProgress", "Progressing"},
	{platformKind, "first-sfs-away", "SFS can not be asked about the credentials yet", "InProgress", "Progressing"},
	{platformKind, "first-throttled", "SFS wants a pause before it was asked", "InProgress", "Progressing"},
	{platformKind, "ready", "SFS accepts the credentials", "Current", "Healthy"},
	{platformKind, "edited", "the spec has changed, and was not looked at yet", "InProgress", "Progressing"},
	{platformKind, "throttled", "SFS wants a pause", "Current", "Healthy"},
	{platformKind, "next-credentials-waiting", "SFS was not asked about the next pair yet", "Current", "Healthy"},
	{platformKind, "next-credentials-accepted", "the next pair is in use", "Current", "Healthy"},
	{platformKind, "next-credentials-refused", "SFS refuses the next pair, the present one is in use", "Current", "Healthy"},
	{platformKind, "credentials-secret-not-found", "the credentials Secret is not there", "Failed", "Degraded"},
	{platformKind, "credentials-secret-malformed", "the credentials Secret lacks a key", "Failed", "Degraded"},
	{platformKind, "credentials-invalid", "SFS refuses the credentials", "Failed", "Degraded"},
	{platformKind, "invalid-configuration", "a field of the spec can not be used", "Failed", "Degraded"},
	{platformKind, "deleting", "deleted, and waits for its SfsClients", "Terminating", "Progressing"},

	{clientKind, "unobserved", "just applied", "InProgress", "Progressing"},
	{clientKind, "first-create", "the client is about to be made at SFS", "InProgress", "Progressing"},
	{clientKind, "first-token", "the first token is asked for", "InProgress", "Progressing"},
	{clientKind, "first-sfs-away", "SFS is away before the first token", "InProgress", "Progressing"},
	{clientKind, "first-throttled", "SFS wants a pause before the first token", "InProgress", "Progressing"},
	{clientKind, "first-in-turn", "the first token waits for its turn", "InProgress", "Progressing"},
	{clientKind, "create-outcome-unknown", "the answer to the create was lost", "InProgress", "Progressing"},
	{clientKind, "platform-not-found", "its SfsPlatform is not there", "InProgress", "Progressing"},
	{clientKind, "predecessor-leaving", "another resource that has the client is being deleted", "InProgress", "Progressing"},
	{clientKind, "ready", "all is well", "Current", "Healthy"},
	{clientKind, "renewing", "a routine renewal is under way", "Current", "Healthy"},
	{clientKind, "renewed", "a routine renewal is done", "Current", "Healthy"},
	{clientKind, "default-user-unknown", "SFS does not tell the default user", "Current", "Healthy"},
	{clientKind, "token-disabled", "no token is wanted", "Current", "Healthy"},
	{clientKind, "secret-renamed", "Secrets of a former name are still kept", "Current", "Healthy"},
	{clientKind, "edited", "the spec has changed, and was not looked at yet", "InProgress", "Progressing"},
	{clientKind, "edited-sfs-away", "the spec has changed, and SFS is away", "InProgress", "Progressing"},
	{clientKind, "edited-throttled", "the spec has changed, and SFS wants a pause", "InProgress", "Progressing"},
	{clientKind, "renewal-failing", "the token can not be renewed, and lives", "Current", "Healthy"},
	{clientKind, "renewal-throttled", "SFS wants a pause, and the token lives", "Current", "Healthy"},
	{clientKind, "token-dead", "the token could not be renewed, and is dead", "InProgress", "Degraded"},
	{clientKind, "credentials-invalid", "SFS refuses the credentials, and the token lives", "Current", "Healthy"},
	{clientKind, "credentials-invalid-dead", "SFS refuses the credentials, and the token is dead", "InProgress", "Degraded"},
	{clientKind, "credentials-invalid-new", "SFS refuses the credentials, and there is no token yet", "Failed", "Degraded"},
	{clientKind, "platform-gone", "its SfsPlatform was deleted, and the token lives", "InProgress", "Progressing"},
	{clientKind, "paused", "paused by the annotation", "Current", "Suspended"},
	{clientKind, "suspended", "suspended by the spec", "Current", "Suspended"},
	{clientKind, "suspended-new", "suspended before it had anything", "InProgress", "Suspended"},
	{clientKind, "suspended-dead", "suspended, and the token is dead", "InProgress", "Degraded"},
	{clientKind, "drift-reported", "somebody changed it at SFS, and driftPolicy is Report", "Current", "Healthy"},
	{clientKind, "observe-pending", "only observed, and SFS differs", "Current", "Healthy"},
	{clientKind, "observe-nothing", "only observed, and SFS has no such client", "Failed", "Degraded"},
	{clientKind, "conflicting-manager", "somebody else keeps undoing corrections", "Failed", "Degraded"},
	{clientKind, "namespace-not-allowed", "the SfsPlatform does not serve the namespace", "Failed", "Degraded"},
	{clientKind, "request-refused", "SFS refuses a value of the spec", "Failed", "Degraded"},
	{clientKind, "access-denied", "SFS denies the request", "Failed", "Degraded"},
	{clientKind, "ambiguous-custom-key", "SFS has several clients of the customKey", "Failed", "Degraded"},
	{clientKind, "remote-missing", "SFS no longer has the client", "Failed", "Degraded"},
	{clientKind, "adoption-not-allowed", "it may not name this client", "Failed", "Degraded"},
	{clientKind, "client-taken", "another resource has the client", "Failed", "Degraded"},
	{clientKind, "nothing-to-adopt", "SFS has no client of that key, and none may be made", "Failed", "Degraded"},
	{clientKind, "already-exists", "SFS has a client of the customKey, and adoptionPolicy is Create", "Failed", "Degraded"},
	{clientKind, "token-rejected", "SFS refuses the token that it gave", "Failed", "Degraded"},
	{clientKind, "template-error", "a template can not be carried out", "Failed", "Degraded"},
	{clientKind, "secret-conflict", "a Secret of that name belongs to somebody else", "Failed", "Degraded"},
	{clientKind, "secret-not-found", "the Secret to merge into is not there", "InProgress", "Progressing"},
	{clientKind, "secret-write-failed", "the API server refuses the Secret", "InProgress", "Progressing"},
	{clientKind, "deleting", "deleted, and waits for SFS to revoke the token", "Terminating", "Progressing"},

	{userKind, "unobserved", "just applied", "InProgress", "Progressing"},
	{userKind, "first-create", "the user is about to be made at SFS", "InProgress", "Progressing"},
	{userKind, "client-not-found", "its SfsClient is not there", "InProgress", "Progressing"},
	{userKind, "client-not-ready", "its SfsClient has no clientKey yet", "InProgress", "Progressing"},
	{userKind, "create-outcome-unknown", "the answer to the create was lost", "InProgress", "Progressing"},
	{userKind, "ready", "all is well", "Current", "Healthy"},
	{userKind, "default", "it is the default user of its client", "Current", "Healthy"},
	{userKind, "edited", "the spec has changed, and was not looked at yet", "InProgress", "Progressing"},
	{userKind, "edited-sfs-away", "the spec has changed, and SFS is away", "InProgress", "Progressing"},
	{userKind, "paused", "paused by the annotation", "Current", "Suspended"},
	{userKind, "suspended", "suspended by the spec", "Current", "Suspended"},
	{userKind, "drift-reported", "somebody changed it at SFS, and driftPolicy is Report", "Current", "Healthy"},
	{userKind, "observe-nothing", "only observed, and SFS has no such user", "Failed", "Degraded"},
	{userKind, "credentials-invalid", "SFS refuses the credentials, and there is no user yet", "Failed", "Degraded"},
	{userKind, "default-user-unknown", "SFS does not tell the default user", "Failed", "Degraded"},
	{userKind, "request-refused", "SFS refuses a value of the spec", "Failed", "Degraded"},
	{userKind, "adoption-not-allowed", "it may not name this user", "Failed", "Degraded"},
	{userKind, "client-taken", "another resource has the user", "Failed", "Degraded"},
	{userKind, "secret-conflict", "a Secret of that name belongs to somebody else", "Failed", "Degraded"},
	{userKind, "deleting", "deleted, and waits for SFS to retire the user", "Terminating", "Progressing"},

	{oauthKind, "unobserved", "just applied", "InProgress", "Progressing"},
	{oauthKind, "first-token", "the first token is asked for", "InProgress", "Progressing"},
	{oauthKind, "first-provider-away", "the provider is away before the first token", "InProgress", "Progressing"},
	{oauthKind, "first-throttled", "the provider wants a pause before the first token", "InProgress", "Progressing"},
	{oauthKind, "ready", "all is well", "Current", "Healthy"},
	{oauthKind, "ready-refreshed", "all is well, by a refresh token", "Current", "Healthy"},
	{oauthKind, "renewing", "a routine renewal is under way", "Current", "Healthy"},
	{oauthKind, "renewed", "a routine renewal is done", "Current", "Healthy"},
	{oauthKind, "secret-renamed", "a Secret of a former name is still kept", "Current", "Healthy"},
	{oauthKind, "edited", "the spec has changed, and was not looked at yet", "InProgress", "Progressing"},
	{oauthKind, "edited-provider-away", "the spec has changed, and the provider is away", "Current", "Healthy"},
	{oauthKind, "renewal-failing", "the token can not be renewed, and lives", "Current", "Healthy"},
	{oauthKind, "renewal-throttled", "the provider wants a pause, and the token lives", "Current", "Healthy"},
	{oauthKind, "token-dead", "the token could not be renewed, and is dead", "InProgress", "Degraded"},
	{oauthKind, "credentials-secret-not-found", "the credentials Secret is not there", "Failed", "Degraded"},
	{oauthKind, "credentials-secret-malformed", "the credentials Secret lacks a key", "Failed", "Degraded"},
	{oauthKind, "credentials-invalid", "the provider refuses the client, and the token lives", "Current", "Healthy"},
	{oauthKind, "credentials-invalid-dead", "the provider refuses the client, and the token is dead", "InProgress", "Degraded"},
	{oauthKind, "credentials-invalid-new", "the provider refuses the client, and there is no token yet", "Failed", "Degraded"},
	{oauthKind, "scope-refused", "the provider does not give the scopes, and the token lives", "Current", "Healthy"},
	{oauthKind, "scope-refused-new", "the provider does not give the scopes, and there is no token yet", "Failed", "Degraded"},
	{oauthKind, "refresh-token-refused", "the provider refuses the refresh token, and the token lives", "Current", "Healthy"},
	{oauthKind, "refresh-token-refused-new", "the provider refuses the refresh token, and there is no token yet", "Failed", "Degraded"},
	{oauthKind, "malformed-response", "the provider does not say how long the token lives", "Failed", "Degraded"},
	{oauthKind, "request-refused", "the provider refuses the request", "Failed", "Degraded"},
	{oauthKind, "account-suspended", "the provider has suspended the account", "Failed", "Degraded"},
	{oauthKind, "account-unchecked", "the account can not be checked", "Failed", "Degraded"},
	{oauthKind, "token-rejected", "the provider refuses the token that it gave", "Failed", "Degraded"},
	{oauthKind, "host-not-allowed", "the operator may not ask this host", "Failed", "Degraded"},
	{oauthKind, "invalid-configuration", "a field of the spec can not be used", "Failed", "Degraded"},
	{oauthKind, "template-error", "a template can not be carried out", "Failed", "Degraded"},
	{oauthKind, "secret-conflict", "a Secret of that name belongs to somebody else", "Failed", "Degraded"},
	{oauthKind, "secret-not-found", "the Secret to merge into is not there", "InProgress", "Progressing"},
	{oauthKind, "paused", "paused by the annotation", "Current", "Suspended"},
	{oauthKind, "suspended", "suspended by the spec", "Current", "Suspended"},
	{oauthKind, "suspended-dead", "suspended, and the token is dead", "InProgress", "Degraded"},
	{oauthKind, "deleting", "deleted, and waits for the provider to revoke the token", "Terminating", "Progressing"},
}

// TestStates brings about each state, and compares it with what it was. After a change that is meant:
//
//	make states
func TestStates(t *testing.T) {
	album := newAlbum(t)
	for _, name := range slices.Sorted(maps.Keys(storiesOf)) {
		t.Run(name, func(t *testing.T) { storiesOf[name](newPhotographer(t, album)) })
	}
	if t.Failed() {
		return
	}
	album.isWhole()
	album.showsEveryReason()
	album.compare()
}

// showsEveryReason fails for a reason, or a type of condition, that no state shows.
func (a *album) showsEveryReason() {
	a.t.Helper()
	shown := map[string]bool{}
	for _, picture := range a.pictures {
		for _, c := range picture.conditions {
			shown[c.Reason], shown[c.Type] = true, true
		}
	}
	for constant, value := range wordsOfConditions(a.t) {
		if !shown[value] {
			a.t.Errorf("no state shows %s (%s): add one, so that it is known what Argo CD and kstatus make of it", value, constant)
		}
	}
}

// wordsOfConditions are the types and the reasons that the API knows.
func wordsOfConditions(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if !strings.HasSuffix(name.Name, "Reason") && !strings.HasSuffix(name.Name, "Condition") {
				t.Errorf("%s is neither a reason nor a type of condition", name.Name)
				continue
			}
			value, err := strconv.Unquote(spec.Values[i].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			words[name.Name] = value
		}
		return true
	})
	if len(words) < 40 {
		t.Fatalf("only %d words are found", len(words))
	}
	return words
}

func sortedStates() []state {
	return slices.SortedStableFunc(slices.Values(states), func(a, b state) int { return cmp.Compare(a.kind, b.kind) })
}
