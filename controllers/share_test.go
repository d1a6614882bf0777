// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

func TestEachProcessServesItsShare(t *testing.T) {
	s := newShards(t)
	inA, inB := s.newSfsClient("in-a"), s.newSfsClient("in-b", labelled[*v1alpha1.SfsClient])
	userA := s.newSfsClientUser("user-a", "in-a")
	userB := s.newSfsClientUser("user-b", "in-b", labelled[*v1alpha1.SfsClientUser])
	s.run(time.Hour)
	platform := s.sfsPlatform()
	s.wantReady(platform, inA, inB, userA, userB)
	s.wantClients(2, 2) // of both shards
	s.wantWrites(s.a, platform, inA, userA)
	s.wantWrites(s.b, inB, userB)
	for _, c := range []*v1alpha1.SfsClient{inA, inB} {
		s.tokenOf(c)
	}
	if a, b := s.a.asked("client", "create"), s.b.asked("client", "create"); a != 1 || b != 1 {
		t.Errorf("the shards have made %d and %d clients, want one each", a, b)
	}
	for c, by := range map[*v1alpha1.SfsClient][2]*shard{inA: {s.a, s.b}, inB: {s.b, s.a}} {
		// In an hour a token is renewed three times.
		if own, others := by[0].minted(c), by[1].minted(c); own != 4 || others != 0 {
			t.Errorf("for %s %d tokens were minted by its shard and %d by the other one, want 4 and 0", c.Name, own, others)
		}
	}
}

func TestWhatNobodyServesIsLeftAlone(t *testing.T) {
	s := newShards(t)
	of := func(o *v1alpha1.SfsClient) { o.Labels = map[string]string{shardLabel: "c"} }
	c := s.newSfsClient("shop", of)
	u := s.newSfsClientUser("jane", "shop", func(u *v1alpha1.SfsClientUser) { u.Labels = map[string]string{shardLabel: "c"} })
	s.run(time.Hour)
	for _, o := range []object{c, u} {
		s.reload(o)
		if len(o.GetFinalizers()) > 0 || len(*o.GetConditions()) > 0 {
			t.Errorf("somebody has worked on %s: %s", o.GetName(), describe(o))
		}
	}
	s.wantWrites(s.a, s.sfsPlatform())
	s.wantWrites(s.b)
	s.wantClients(1, 0)
	if n := len(s.sim.Clients()); n != 0 {
		t.Errorf("SFS has %d clients, want none", n)
	}
}

// TestALabelHandsATenantOver moves one by nothing but its label, there and back.
func TestALabelHandsATenantOver(t *testing.T) {
	s := newShards(t)
	c, u := s.newSfsClient("shop"), s.newSfsClientUser("jane", "shop")
	other := s.newSfsClient("other")
	s.run(time.Minute)
	s.wantReady(c, u, other)
	_, first := s.tokenOf(c)
	for _, move := range []struct{ from, to *shard }{{s.a, s.b}, {s.b, s.a}, {s.a, s.b}} {
		s.forgetCalls()
		s.move(c, move.to)
		s.move(u, move.to)
		s.settle()
		s.wantForgotten(move.from, refTo(c))
		s.wantForgotten(move.from, refTo(u))
		// The token that lives is good, and nothing else is to be done.
		for _, one := range []*shard{s.a, s.b} {
			if names := s.namesWritten(one); len(names) > 0 {
				t.Errorf("shard %s has written %v when the label changed", one.name, names)
			}
		}
		if calls := s.sim.Calls(); len(calls) > 0 {
			t.Errorf("%d calls when the label changed, first %s %s", len(calls), calls[0].Endpoint, calls[0].Action)
		}
		if move.to.due[refTo(c)].IsZero() {
			t.Errorf("shard %s does not mean to renew the token", move.to.name)
		}
	}
	_, still := s.tokenOf(c)
	if still.ResourceVersion != first.ResourceVersion {
		t.Error("the token was replaced")
	}
	s.forgetCalls()
	s.run(time.Hour)
	s.wantReady(c, u, other)
	s.tokenOf(c)
	s.wantWrites(s.a, s.sfsPlatform(), other)
	s.wantWrites(s.b, c, u)
	if n := len(s.sim.Clients()); n != 2 {
		t.Errorf("SFS has %d clients, want 2", n)
	}
}

// TestTheRecipeOfAMoveCostsNothing is what docs/scaling.md says.
func TestTheRecipeOfAMoveCostsNothing(t *testing.T) {
	s := newShards(t)
	c, u := s.newSfsClient("shop"), s.newSfsClientUser("jane", "shop")
	s.run(time.Minute)
	_, before := s.tokenOf(c)
	s.forgetCalls()
	pause := func(on string) {
		for _, o := range []client.Object{c, u} {
			update(s.world, o, func(o client.Object) { o.SetAnnotations(map[string]string{v1alpha1.PausedAnnotation: on}) })
		}
		s.settle()
	}
	pause("true")
	for _, o := range []object{c, u} {
		s.wantCondition(o, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.SuspendedReason)
	}
	for _, o := range []client.Object{c, u} {
		s.move(o, s.b)
	}
	s.settle()
	s.wantWrites(s.b)
	pause("")
	s.wantReady(c, u)
	_, after := s.tokenOf(c)
	if after.ResourceVersion != before.ResourceVersion || len(s.sim.Calls()) > 0 {
		t.Errorf("the move had the Secret written, or cost a call: %v", s.sim.Calls())
	}
	s.run(20 * time.Minute)
	if a, b := s.a.minted(c), s.b.minted(c); a != 0 || b != 1 {
		t.Errorf("the next renewal had the shards mint %d and %d tokens, want 0 and 1", a, b)
	}
}

// TestALabelThatChangesAtAnyMomentMakesNoSecondClient changes the label while the shard that has the tenant makes a request, at
// each of those that the first sync and a renewal take, and lets the other shard do all it can before the request goes on.
func TestALabelThatChangesAtAnyMomentMakesNoSecondClient(t *testing.T) {
	tried := 0
	for n := 1; ; n++ {
		struck := false
		t.Run(fmt.Sprintf("call %d", n), func(t *testing.T) {
			s := newShards(t)
			s.run(time.Second) // the platform
			c := s.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
				c.Spec.Token.RevocationPolicy = v1alpha1.RevokeOnRotate
				c.Spec.FullName = "The Shop"
			})
			u := s.newSfsClientUser("jane", "shop")
			meanwhile := &mode{name: "move", fits: anyCall, strike: func(x *exchange) (*http.Response, error) {
				struck = true
				s.move(c, s.b)
				s.move(u, s.b)
				s.as(s.b, s.world.settle)
				return x.wire.shown(x.call, x)
			}}
			s.a.wire.arm(map[int]*mode{n: meanwhile})
			s.run(2 * time.Minute) // longer than a create whose outcome is unknown
			if !struck {
				s.run(20 * time.Minute)
			}
			s.run(5 * time.Minute)
			s.wantReady(c, u)
			s.tokenOf(c)
			if clients, users := len(s.sim.Clients()), len(s.sim.Users(c.Status.ClientKey)); clients != 1 || users != 2 {
				t.Errorf("SFS has %d clients and %d users, want 1 and 2, of which one is the default user", clients, users)
			}
			if n := s.sim.LiveTokens(c.Status.ClientKey); n > 3 {
				t.Errorf("%d tokens live, want the published one, the one before it, and one more at most", n)
			}
			s.a.wire.arm(nil)
			s.run(30 * time.Minute)
			s.tokenOf(c)
			if struck {
				s.wantWrites(s.a, s.sfsPlatform())
			}
		})
		if !struck {
			break
		}
		tried++
	}
	if tried < 12 {
		t.Errorf("only %d requests were tried", tried)
	}
}

func TestTwoThatNameOneClientAreRivalsAcrossShares(t *testing.T) {
	s := newShards(t)
	s.adopting(s.legacyRule())
	naming := func(c *v1alpha1.SfsClient) { c.Spec.CustomKey = "legacy-1" }
	older := s.newSfsClient("older", naming, labelled[*v1alpha1.SfsClient])
	s.run(2 * time.Second)
	younger := s.newSfsClient("younger", naming)
	s.run(time.Minute)
	s.wantReady(older)
	s.wantCondition(younger, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ClientTakenReason, "older")
	if n := len(s.sim.Clients()); n != 1 {
		t.Fatalf("SFS has %d clients, want 1", n)
	}
	s.delete(older)
	s.run(2 * time.Second)
	s.wantReady(younger)
	if n := len(s.sim.Clients()); n != 1 {
		t.Errorf("SFS has %d clients, want 1", n)
	}
}

func TestTheUsersOfAClientMayBeOfAnotherShare(t *testing.T) {
	s := newShards(t)
	c := s.newSfsClient("shop", labelled[*v1alpha1.SfsClient])
	jane := s.newSfsClientUser("jane", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.FullName = "Jane" })
	joe := s.newSfsClientUser("joe", "shop", labelled[*v1alpha1.SfsClientUser], func(u *v1alpha1.SfsClientUser) { u.Spec.FullName = "Joe" })
	s.run(time.Minute)
	s.wantReady(c, jane, joe)
	for _, u := range []*v1alpha1.SfsClientUser{jane, joe} {
		fields := sendforsign.UserFields{FullName: "Somebody"}
		if err := s.sfs().UpdateUser(t.Context(), sendforsign.APIKey(s.sim.Credentials().APIKey), c.Status.ClientKey, u.Status.UserKey, fields); err != nil {
			t.Fatal(err)
		}
	}
	s.forgetCalls()
	s.run(45 * time.Minute) // until the next pass of the client, and an interval
	for _, u := range s.sim.Users(c.Status.ClientKey) {
		if u.FullName == "Somebody" {
			t.Errorf("the user %s is not corrected", u.CustomKey)
		}
	}
	if a, b := s.a.asked("user", "update"), s.b.asked("user", "update"); a != 1 || b != 1 {
		t.Errorf("the shards have corrected %d and %d users, want the one that each serves", a, b)
	}
	s.wantWrites(s.a, s.sfsPlatform(), jane)
	s.wantWrites(s.b, c, joe)
	s.wantForgotten(s.b, refTo(jane))
}

func TestDriftIsFoundByWhoServesTheClient(t *testing.T) {
	s := newShards(t)
	inA, inB := s.newSfsClient("in-a", called("A")), s.newSfsClient("in-b", labelled[*v1alpha1.SfsClient], called("B"))
	s.run(time.Minute)
	s.wantReady(inA, inB)
	s.atSFS(sendforsign.ClientFields{FullName: "gone", CustomKey: "acme/" + s.namespace + "/gone"})
	for _, c := range []*v1alpha1.SfsClient{inA, inB} {
		s.somebodyElse(c.Status.ClientKey, sendforsign.ClientFields{FullName: "Hijacked"})
	}
	s.forgetCalls()
	s.run(15 * time.Minute)
	for _, c := range s.sim.Clients() {
		if c.FullName == "Hijacked" {
			t.Errorf("%s is not corrected", c.CustomKey)
		}
	}
	if a, b := s.a.asked("client", "update"), s.b.asked("client", "update"); a != 1 || b != 1 {
		t.Errorf("the shards have corrected %d and %d clients, want the one that each serves", a, b)
	}
	if a, b := s.a.asked("client", "list"), s.b.asked("client", "list"); a != 1 || b < 1 || b > 2 {
		t.Errorf("the shards have made %d and %d lists in a quarter of an hour", a, b)
	}
	s.wantWrites(s.b, inB)
	if n, _ := s.orphans(); n != 1 {
		t.Errorf("the platform tells of %d orphans, want 1", n)
	}
}

func TestAShareWithoutClientsOfAPlatformAsksNothing(t *testing.T) {
	s := newShards(t)
	c := s.newSfsClient("shop")
	s.run(time.Hour)
	s.wantReady(c)
	if calls := s.b.wire.made(0); s.b.asked("client", "list")+s.b.asked("token", "create") > 0 || len(s.wrote(s.b)) > 0 {
		t.Errorf("the shard has made the calls %v", calls)
	}
}

func TestAShareUsesThePairThatAnotherPromoted(t *testing.T) {
	s := newShards(t)
	c := s.newSfsClient("shop", labelled[*v1alpha1.SfsClient])
	s.run(time.Minute)
	s.create(s.pair("next", s.sim.RotateCredentials()))
	s.nameNext("next")
	s.run(time.Minute)
	s.wantActive("next")
	s.run(time.Hour)
	s.wantReady(c)
	s.wantWrites(s.b, c)
}

// startRefusing has a client that shard b serves want another token, and SFS take no credentials any more, as shard b has found
// out. heal ends that.
func (s *shards) startRefusing() (c *v1alpha1.SfsClient, heal func()) {
	s.t.Helper()
	c = s.newSfsClient("shop", labelled[*v1alpha1.SfsClient])
	s.run(time.Second)
	s.wantReady(c)
	heal = s.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "create", Status: 401})
	s.refuse(s.b)
	s.renew(c)
	return c, heal
}

// refuse has SFS take no credentials from a shard, which has to show them.
func (s *shards) refuse(from *shard) {
	session := from.parts.clients.sessions.open[sessionKey{s.platform, "credentials"}]
	session.tokens.Forget()
	session.verdict.doubt()
}

// TestCredentialsThatAreTakenAgainBringBackWhoIsServedElsewhere has SFS refuse a pair to the shard that does not serve the
// platform, so that its status says all the time that all is well.
func TestCredentialsThatAreTakenAgainBringBackWhoIsServedElsewhere(t *testing.T) {
	s := newShards(t)
	c, heal := s.startRefusing()
	s.run(8 * time.Minute) // until the client would wait for longer than the session does
	s.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.CredentialsInvalidReason)
	s.wantReady(s.sfsPlatform())
	heal()
	session := s.b.parts.clients.sessions.open[sessionKey{s.platform, "credentials"}]
	for range int(longRefusalPause / time.Second) {
		if _, refusal := session.verdict.last(); refusal == nil {
			break
		}
		s.run(time.Second)
	}
	s.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
	if c.Status.LastHandledRenewAt == "" {
		t.Error("the token was not renewed when SFS took the credentials again")
	}
	s.wantWrites(s.b, c)
}

// TestWhatThePlatformSaysOfItsCredentialsHoldsForEachShare has SFS refuse a pair for long to the shard that does not serve the
// platform, and then for a short time to the other one.
func TestWhatThePlatformSaysOfItsCredentialsHoldsForEachShare(t *testing.T) {
	s := newShards(t)
	c, heal := s.startRefusing()
	s.run(6 * time.Minute)
	s.refuse(s.a)
	s.run(5 * time.Second)
	s.wantCondition(s.sfsPlatform(), v1alpha1.CredentialsValidCondition, metav1.ConditionFalse, v1alpha1.CredentialsInvalidReason)
	if wait, _ := s.b.parts.clients.sessions.open[sessionKey{s.platform, "credentials"}].verdict.last(); wait <= firstRefusalPause {
		t.Fatalf("the shard would try again in %s by itself, which would prove nothing", wait)
	}
	heal()
	s.run(firstRefusalPause) // in which the shard that serves the platform tries again
	s.wantReady(s.sfsPlatform())
	s.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
	s.wantWrites(s.b, c)
}

func TestAPauseThatOneShareWasAskedForDoesNotStopTheOthers(t *testing.T) {
	s := newShards(t)
	inA, inB := s.newSfsClient("in-a"), s.newSfsClient("in-b", labelled[*v1alpha1.SfsClient])
	s.run(time.Minute)
	s.throttle(1, "300")
	s.renew(inB)
	s.run(time.Second)
	s.renew(inA)
	s.run(time.Second)
	s.wantNotThrottled()
	s.reload(inA)
	s.reload(inB)
	if inA.Status.LastHandledRenewAt == "" || inB.Status.LastHandledRenewAt != "" {
		t.Errorf("renewed are in-a %q and in-b %q", inA.Status.LastHandledRenewAt, inB.Status.LastHandledRenewAt)
	}
	s.run(5 * time.Minute)
	s.reload(inB)
	if inB.Status.LastHandledRenewAt == "" {
		t.Error("the shard does not go on after the pause")
	}
}

func TestARevocationForAPlatformReachesEachShare(t *testing.T) {
	s := newShards(t)
	inA, inB := s.newSfsClient("in-a"), s.newSfsClient("in-b", labelled[*v1alpha1.SfsClient])
	s.run(time.Minute)
	var before []string
	for _, c := range []*v1alpha1.SfsClient{inA, inB} {
		before = append(before, s.valueOf(c))
	}
	update(s.world, s.sfsPlatform(), func(p *v1alpha1.SfsPlatform) {
		p.Annotations = map[string]string{v1alpha1.RevokeRequestedAtAnnotation: "now"}
	})
	s.run(time.Minute)
	for i, c := range []*v1alpha1.SfsClient{inA, inB} {
		s.tokenOf(c)
		if s.isAlive(before[i]) {
			t.Errorf("the token of %s is not revoked", c.Name)
		}
	}
	s.wantWrites(s.b, inB)
}

func TestAPlatformIsHeldForTheClientsOfAllShares(t *testing.T) {
	s := newShards(t)
	c := s.newSfsClient("shop", labelled[*v1alpha1.SfsClient])
	s.run(time.Minute)
	value := s.valueOf(c)
	s.delete(s.sfsPlatform())
	s.run(2 * time.Second)
	p := s.sfsPlatform()
	s.wantCondition(p, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.DeletingReason, "shop")
	s.delete(c)
	s.run(5 * time.Second)
	s.wantGone(c)
	if s.isAlive(value) {
		t.Error("the token lives after the deletion")
	}
	if !s.isGone(p) {
		t.Error("the platform is not gone")
	}
	for _, one := range []*shard{s.a, s.b} {
		if n := len(one.parts.clients.sessions.open); n != 0 {
			t.Errorf("shard %s keeps %d sessions", one.name, n)
		}
	}
}

// TestAPlatformThatIsHandedOver changes who writes the status of a platform, and nothing else.
func TestAPlatformThatIsHandedOver(t *testing.T) {
	s := newShards(t)
	c := s.newSfsClient("shop")
	s.run(time.Minute)
	s.forgetCalls()
	s.move(s.sfsPlatform(), s.b)
	s.run(time.Hour)
	s.wantReady(s.sfsPlatform(), c)
	s.tokenOf(c)
	s.wantWrites(s.a, c)
	s.wantWrites(s.b, s.sfsPlatform())
	s.newSfsClient("another")
	s.run(time.Minute)
	s.wantClients(2, 2)
}

func TestWhoServesAResourceFinalizesIt(t *testing.T) {
	s := newShards(t)
	c := s.newSfsClient("shop", labelled[*v1alpha1.SfsClient], func(c *v1alpha1.SfsClient) { c.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetire })
	s.run(time.Minute)
	s.reload(c)
	key, value := c.Status.ClientKey, s.valueOf(c)
	// Nobody can take it off the resource while no shard serves it.
	update(s.world, c, func(c *v1alpha1.SfsClient) { c.Labels[shardLabel] = "c" })
	s.delete(c)
	s.run(time.Minute)
	s.reload(c)
	if !s.isAlive(value) {
		t.Error("a shard has revoked the token that does not serve the client")
	}
	s.move(c, s.a)
	s.run(time.Second)
	s.wantGone(c)
	if s.isAlive(value) || !s.isRetired(key) {
		t.Errorf("the token lives: %t; the client is retired: %t", s.isAlive(value), s.isRetired(key))
	}
	s.wantForgotten(s.a, ref{kind: clientKind, namespace: s.namespace, name: "shop"})
}

func TestOnlyWhatIsServedIsBroughtBack(t *testing.T) {
	s := newShards(t)
	inA, inB := s.newSfsClient("in-a"), s.newSfsClient("in-b", labelled[*v1alpha1.SfsClient])
	s.newSfsClientUser("user-a", "in-a")
	s.newSfsClientUser("user-b", "in-b", labelled[*v1alpha1.SfsClientUser])
	s.run(time.Minute)
	s.wantReady(inA, inB)
	for what, change := range map[string]func(){
		"the namespace": func() {
			update(s.world, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}, func(n *corev1.Namespace) { n.Labels["a"] = "b" })
		},
		"the platform": func() {
			update(s.world, s.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.AllowedNamespaces.Names = []string{"*"} })
		},
		"a Secret": func() { s.delete(s.secret(inB.SecretName())) },
		"a client": func() { update(s.world, inB, func(c *v1alpha1.SfsClient) { c.Spec.FullName = "Another" }) },
	} {
		s.settle()
		change()
		woken := map[*shard]int{}
		for _, one := range []*shard{s.a, s.b} {
			before := maps.Clone(one.due)
			s.as(one, func() {
				s.watch()
				for r, at := range s.due {
					if r.kind == platformKind || at.Equal(before[r]) {
						continue
					}
					woken[one]++
					if o := s.there[r]; !s.parts.share.has(o) {
						t.Errorf("a change of %s has shard %s look at %s %s", what, one.name, r.kind, r.name)
					}
				}
			})
		}
		if woken[s.b] == 0 {
			t.Errorf("a change of %s has shard b look at nothing", what)
		}
	}
}

func TestALabelCountsForNothingWithoutASelector(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.run(time.Minute)
	passes := 0
	w.each = func() { passes++ }
	update(w, c, func(c *v1alpha1.SfsClient) { c.Labels = map[string]string{"a": "b"} })
	w.settle()
	if passes != 0 {
		t.Errorf("a label had %d passes made, want none", passes)
	}
	if conditions.Get(c, v1alpha1.ReadyCondition) == nil {
		t.Error("the client has never been looked at")
	}
}

// TestALabelHandsAnOAuthTokenOver: the refresh token that replaced the one before it goes with it.
func TestALabelHandsAnOAuthTokenOver(t *testing.T) {
	s := newShards(t)
	w := &oauthWorld{world: s.world, providers: oauthtest.New(oauthtest.WithClock(s.clock))}
	t.Cleanup(w.providers.Close)
	for _, one := range []*shard{s.a, s.b} {
		s.as(one, func() {
			s.options.OAuth = serversOf(w.providers)
			s.restart()
		})
	}
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning, checked)
	w.shortOf(c)
	s.settle()
	s.wantReady(o)
	for _, move := range []struct{ from, to *shard }{{s.a, s.b}, {s.b, s.a}, {s.a, s.b}} {
		s.forgetCalls()
		s.move(o, move.to)
		s.run(time.Hour)
		s.wantForgotten(move.from, refTo(o))
		if n := s.wrote(move.from)[refTo(o)]; n > 0 {
			t.Errorf("shard %s has written the OAuthToken of the other one %d times", move.from.name, n)
		}
		s.wantReady(o)
		w.accessToken(o)
		if !w.providers.TakesRefreshToken(w.refreshToken(o)) {
			t.Error("the last refresh token is lost")
		}
	}
}

// TestALabelLosesNoRefreshToken: a process that could not store one goes on trying, also for a resource that it serves no more.
func TestALabelLosesNoRefreshToken(t *testing.T) {
	s := newShards(t)
	w := &oauthWorld{world: s.world, providers: oauthtest.New(oauthtest.WithClock(s.clock))}
	t.Cleanup(w.providers.Close)
	refusing := false
	for _, one := range []*shard{s.a, s.b} {
		s.as(one, func() {
			s.options.OAuth = serversOf(w.providers)
			s.api = refusingStates(s.api, &refusing)
			s.restart()
		})
	}
	o, c := w.newOAuthToken("it", oauthtest.SecuredSigning)
	w.shortOf(c)
	s.run(30 * time.Minute)
	s.wantReady(o)
	refusing = true
	s.run(15 * time.Minute)
	s.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.SecretWriteFailedReason, "it-oauth-state")
	s.move(o, s.b)
	s.run(2 * time.Minute)
	s.wantCondition(o, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.RefreshTokenRefusedReason)
	refusing = false
	s.run(10 * time.Minute)
	s.wantReady(o)
	w.accessToken(o)
	if !w.providers.TakesRefreshToken(w.refreshToken(o)) {
		t.Error("the last refresh token is lost")
	}
	s.wantForgotten(s.a, refTo(o))
}
