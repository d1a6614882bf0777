// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"maps"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// shardLabel divides the resources in these tests: shard b has those with the value b, and shard a those without a value.
const shardLabel = "example.com/shard"

// shard is one of several operators of a world, with all that a world has but one of.
type shard struct {
	name     string
	wire     *wire
	options  Options
	api      client.WithWatch
	parts    reconcilers
	cache    *informerCache
	due      map[ref]time.Time
	failures map[string]workqueue.TypedRateLimiter[reconcile.Request]
}

// shards is a world with two operators.
type shards struct {
	*world
	a, b *shard
	now  *shard // the one that the world has
}

func newShards(t *testing.T) *shards {
	t.Helper()
	s := &shards{world: newWorld(t)}
	s.a, s.b = s.start("a", "!"+shardLabel), s.start("b", shardLabel+"=b")
	return s
}

// start puts one more operator into the world.
func (s *shards) start(name, selector string) *shard {
	s.t.Helper()
	served, err := labels.Parse(selector)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.now != nil {
		s.keep()
	}
	w := s.world
	w.wire = &wire{clock: w.clock}
	w.wire.arm(nil)
	w.due = map[ref]time.Time{}
	w.connect()
	w.options.Selector = served
	w.restart()
	s.now = &shard{name: name, wire: w.wire}
	s.keep()
	return s.now
}

// keep takes note of where the present operator is.
func (s *shards) keep() {
	w := s.world
	*s.now = shard{
		name: s.now.name, wire: w.wire, options: w.options, api: w.api, parts: w.parts, cache: w.cache, due: w.due, failures: w.failures,
	}
}

// as has one of the operators do something.
func (s *shards) as(next *shard, do func()) {
	enter := func(one *shard) {
		s.keep()
		s.now = one
		w := s.world
		w.wire, w.options, w.api, w.parts, w.cache, w.due, w.failures = one.wire, one.options, one.api, one.parts, one.cache, one.due, one.failures
	}
	before := s.now
	enter(next)
	do()
	enter(before)
}

func (s *shards) settle() { s.run(0) }

// run lets time pass for both.
func (s *shards) run(d time.Duration) {
	s.t.Helper()
	end := s.clock.Now().Add(d)
	for {
		var first time.Time
		for _, one := range []*shard{s.a, s.b} {
			s.as(one, func() {
				s.watch()
				if _, at := s.next(); len(s.due) > 0 && (first.IsZero() || at.Before(first)) {
					first = at
				}
			})
		}
		if first.IsZero() || first.After(end) {
			break
		}
		s.passTo(first)
		for _, one := range []*shard{s.a, s.b} {
			s.as(one, s.world.settle)
		}
	}
	s.passTo(end)
}

// labelled puts a new resource into shard b.
func labelled[T client.Object](o T) { o.SetLabels(map[string]string{shardLabel: "b"}) }

// move changes nothing but the label.
func (s *shards) move(o client.Object, to *shard) {
	s.t.Helper()
	update(s.world, o, func(o client.Object) {
		if to == s.a {
			o.SetLabels(nil)
		} else {
			labelled(o)
		}
	})
}

// wrote are the resources and Secrets that a shard has sent writes of to the API server.
func (s *shards) wrote(one *shard) map[ref]int {
	all := map[ref]int{}
	for _, c := range one.wire.made(0) {
		if c.plane == planeKubernetes && c.writes() {
			all[c.target]++
		}
	}
	return all
}

// asked are how many requests of a kind a shard has sent to SFS.
func (one *shard) asked(resource, verb string) int {
	n := 0
	for _, c := range one.wire.made(0) {
		if c.plane == planeSFS && c.resource == resource && c.verb == verb {
			n++
		}
	}
	return n
}

// minted is how many tokens of a client a shard has asked for.
func (one *shard) minted(c *v1alpha1.SfsClient) int {
	n := 0
	for _, made := range one.wire.made(0) {
		if made.plane == planeSFS && made.resource == "token" && made.verb == "create" && bytes.Contains(made.body, []byte(c.Status.ClientKey)) {
			n++
		}
	}
	return n
}

// forgetCalls begins to count anew.
func (s *shards) forgetCalls() {
	for _, one := range []*shard{s.a, s.b} {
		one.wire.arm(nil)
	}
	s.sim.ResetCalls()
}

// wantWrites fails unless a shard has written nothing but these resources and their Secrets.
func (s *shards) wantWrites(one *shard, only ...object) {
	s.t.Helper()
	allowed := map[ref]bool{}
	for _, o := range only {
		allowed[refTo(o)] = true
		names := []string{}
		switch o := o.(type) {
		case *v1alpha1.SfsClient:
			names = append(names, o.SecretName(), o.TokenSecretName())
		case *v1alpha1.SfsClientUser:
			names = append(names, o.SecretName())
		case *v1alpha1.OAuthToken:
			names = append(names, o.TokenSecretName(), o.StateSecretName())
		}
		for _, name := range names {
			allowed[ref{kind: secretKind, namespace: o.GetNamespace(), name: name}] = true
		}
	}
	for r, n := range s.wrote(one) {
		if !allowed[r] {
			s.t.Errorf("shard %s has written %v %d times", one.name, r, n)
		}
	}
}

// wantForgotten fails where a shard still knows something of a resource.
func (s *shards) wantForgotten(one *shard, who ref) {
	s.t.Helper()
	p := one.parts
	for what, known := range map[string]bool{
		"a token": has(p.clients.keeper.tokens.memory, who), "an unsaved key": has(p.clients.creator.unsaved, who), "a probe": has(p.clients.keeper.probes, who),
		"a duty": has(p.clients.attempts.fulfilled, who), "an ailment": has(p.clients.attempts.ailing, who),
		"a Secret": len(p.clients.secrets.known[who]) > 0, "a failure": len(p.clients.attempts.next[who]) > 0,
		"a suspicion": p.clients.drift.suspects[who], "a correction": p.clients.drift.corrections[who] != corrections{},
		"a pass to come": !one.due[who].IsZero(), "credentials": has(p.oauth.credentials, who), "an account": has(p.oauth.accounts, who),
		"a refresh token": has(p.oauth.states.memory, who), "a session": p.oauth.sessions.open[who] != nil,
	} {
		if known {
			s.t.Errorf("shard %s still knows %s of %s", one.name, what, who.name)
		}
	}
}

func has[T any](m *memory[T], who ref) bool {
	_, known := m.get(who)
	return known
}

// namesWritten are the names of what a shard has written, for messages.
func (s *shards) namesWritten(one *shard) []string {
	var names []string
	for r := range maps.Keys(s.wrote(one)) {
		names = append(names, r.kind+" "+r.name)
	}
	return names
}
