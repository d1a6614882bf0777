// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// atSFS makes a client at SFS that no resource stands for.
func (w *world) atSFS(fields sendforsign.ClientFields) string {
	w.t.Helper()
	made, err := w.sfs().CreateClient(w.t.Context(), sendforsign.APIKey(w.sim.Credentials().APIKey), fields)
	if err != nil {
		w.t.Fatal(err)
	}
	return made.ClientKey
}

func (w *world) sfs() *sendforsign.API {
	w.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.sim.CABundle())
	api, err := sendforsign.New(w.sim.BaseURL(), sendforsign.WithRootCAs(roots))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(api.Close)
	return api
}

// adopting lets the tenants' namespace name clients of its own.
func (w *world) adopting(rules ...v1alpha1.AdoptionRule) {
	w.t.Helper()
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.Adoption = rules })
}

func (w *world) legacyRule() v1alpha1.AdoptionRule {
	return v1alpha1.AdoptionRule{Name: "legacy", Namespaces: []string{w.namespace}, CustomKeyPatterns: []string{"legacy-*"}, AllowClientKey: true}
}

func named(customKey string) func(*v1alpha1.SfsClient) {
	return func(c *v1alpha1.SfsClient) { c.Spec.CustomKey = customKey }
}

func imported(clientKey string) func(*v1alpha1.SfsClient) {
	return func(c *v1alpha1.SfsClient) { c.Spec.ClientKey = clientKey }
}

func TestAClientIsAdoptedByTheKeyThatItsResourceNames(t *testing.T) {
	w := newWorld(t)
	w.adopting(w.legacyRule())
	key := w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7", FullName: "Old Name"})
	byCustomKey := w.newSfsClient("by-custom-key", named("legacy-7"), func(c *v1alpha1.SfsClient) { c.Spec.FullName = "New Name" })
	w.settle()
	w.wantReady(byCustomKey)
	w.tokenOf(byCustomKey)
	if s := byCustomKey.Status; s.ClientKey != key || s.Origin != v1alpha1.OriginAdopted || s.CustomKey != "legacy-7" {
		t.Errorf("want the client %s, adopted; have %+v", key, s)
	}
	if got := w.sim.Clients(); len(got) != 1 || got[0].FullName != "New Name" {
		t.Errorf("SFS has %+v, want one client with the name of the spec", got)
	}
	// One that is not there is made, with that key.
	made := w.newSfsClient("made", named("legacy-8"))
	w.settle()
	w.wantReady(made)
	if made.Status.Origin != v1alpha1.OriginCreated || w.sim.CountCalls("client", "create") != 2 {
		t.Errorf("a client that nobody had should have been made: %+v", made.Status)
	}
}

func TestAClientIsImportedByItsKeyAtSFS(t *testing.T) {
	w := newWorld(t)
	w.adopting(w.legacyRule())
	key := w.atSFS(sendforsign.ClientFields{FullName: "Somebody", Email: "a@old.example"})
	c := w.newSfsClient("shop", imported(key), func(c *v1alpha1.SfsClient) { c.Spec.Email = "a@new.example" })
	u := w.newSfsClientUser("jane", "shop")
	w.settle()
	w.wantReady(c, u)
	w.tokenOf(c)
	if s := c.Status; s.ClientKey != key || s.Origin != v1alpha1.OriginImported || s.CustomKey != "" {
		t.Errorf("want the client %s, imported; have %+v", key, s)
	}
	if got := w.sim.Clients(); len(got) != 1 || got[0].FullName != "Somebody" || got[0].Email != "a@new.example" || got[0].CustomKey != "" {
		t.Errorf("SFS has %+v, want what the spec names and nothing else changed", got)
	}
	lost := w.newSfsClient("lost", imported("00000000-0000-4000-8000-000000000000"))
	w.settle()
	w.wantCondition(lost, v1alpha1.SyncedCondition, metav1.ConditionFalse, v1alpha1.NothingToAdoptReason, "00000000-0000-4000-8000-000000000000")
	w.wantCondition(lost, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.NothingToAdoptReason)
}

func TestTheAdoptionPolicyIsKept(t *testing.T) {
	w := newWorld(t)
	w.adopting(w.legacyRule())
	w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-there"})
	w.sim.ResetCalls()
	with := func(policy v1alpha1.AdoptionPolicy) func(*v1alpha1.SfsClient) {
		return func(c *v1alpha1.SfsClient) { c.Spec.AdoptionPolicy = policy }
	}
	refused := w.newSfsClient("create-there", named("legacy-there"), with(v1alpha1.AdoptionPolicyCreate))
	w.settle()
	w.wantCondition(refused, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.AlreadyExistsReason, "legacy-there", "Create")
	missing := w.newSfsClient("adopt-missing", named("legacy-missing"), with(v1alpha1.AdoptionPolicyAdopt))
	w.settle()
	w.wantCondition(missing, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.NothingToAdoptReason, "legacy-missing", "Adopt")
	if n := w.sim.CountCalls("client", "create"); n != 0 {
		t.Errorf("%d clients were made, want none", n)
	}
	made := w.newSfsClient("create-missing", named("legacy-new"), with(v1alpha1.AdoptionPolicyCreate))
	w.settle()
	w.wantReady(made)
	// Once it is there, at SFS, it is found.
	w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-missing"})
	w.run(15 * time.Minute)
	w.wantReady(missing)
}

// TestACreateThatWasLostIsNotTakenForAStrangers has the answer to the create lost, with the policy that takes nothing which
// is there already.
func TestACreateThatWasLostIsNotTakenForAStrangers(t *testing.T) {
	w := newWorld(t)
	w.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "create", Times: 1, CutAfter: true})
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.AdoptionPolicy = v1alpha1.AdoptionPolicyCreate })
	w.run(5 * time.Minute)
	w.wantReady(c)
	if c.Status.Origin != v1alpha1.OriginCreated || len(w.sim.Clients()) != 1 {
		t.Errorf("want the one client that was made, have %d and %+v", len(w.sim.Clients()), c.Status)
	}
}

func TestANamespaceReachesNoStrangersTenant(t *testing.T) {
	w := newWorld(t)
	stranger := w.newSfsClient("stranger")
	w.settle()
	w.wantReady(stranger)
	secret := w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-secret"})
	other := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: w.platform + "-other"}, Spec: v1alpha1.SfsPlatformSpec{
		BaseURL: w.sim.BaseURL(), CustomKeyPrefix: "other", CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: "credentials"},
	}}
	w.create(other)
	t.Cleanup(func() { _ = w.client.Delete(context.Background(), other) })
	all := v1alpha1.AdoptionRule{Name: "all", Namespaces: []string{"*"}, CustomKeyPatterns: []string{"*"}, AllowClientKey: true}
	elsewhere := all
	elsewhere.Namespaces = []string{"somewhere-else"}
	for name, attack := range map[string]struct {
		rules []v1alpha1.AdoptionRule
		spec  func(*v1alpha1.SfsClient)
	}{
		"names a customKey without a rule":       {nil, named("legacy-secret")},
		"names a clientKey without a rule":       {nil, imported(secret)},
		"has a rule of another namespace":        {[]v1alpha1.AdoptionRule{elsewhere}, named("legacy-secret")},
		"names a customKey beyond the patterns":  {[]v1alpha1.AdoptionRule{{Name: "some", Namespaces: []string{"*"}, CustomKeyPatterns: []string{"legacy-s", "egacy-secret"}}}, named("legacy-secret")},
		"names a clientKey where customKeys may": {[]v1alpha1.AdoptionRule{{Name: "some", Namespaces: []string{"*"}, CustomKeyPatterns: []string{"*"}}}, imported(secret)},
		"spells a derived key":                   {[]v1alpha1.AdoptionRule{all}, named("acme/" + w.namespace + "/stranger")},
		"spells its own derived key":             {[]v1alpha1.AdoptionRule{all}, named("acme/" + w.namespace + "/attacker")},
		"spells a derived key of another prefix": {[]v1alpha1.AdoptionRule{all}, named("other/team/shop")},
		"imports what another has by its name":   {[]v1alpha1.AdoptionRule{all}, imported(stranger.Status.ClientKey)},
		"imports what another has, who is older": {[]v1alpha1.AdoptionRule{all}, imported(stranger.Status.ClientKey)},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.adopting(attack.rules...)
			attacker := w.newSfsClient("attacker", attack.spec)
			w.run(time.Minute)
			w.reload(attacker)
			if attacker.Status.ClientKey != "" || w.secret("attacker-sfs") != nil || w.secret("attacker-sfs-token") != nil {
				t.Errorf("it got %+v", attacker.Status)
			}
			c := conditions.Get(attacker, v1alpha1.StalledCondition)
			if c == nil || !slices.Contains([]string{v1alpha1.AdoptionNotAllowedReason, v1alpha1.ClientTakenReason}, c.Reason) {
				t.Errorf("want it Stalled since it is not allowed, have %s", describe(attacker))
			}
			if got := w.sim.LiveTokens(secret); got != 0 {
				t.Errorf("%d tokens were made for the client that was named", got)
			}
			w.delete(attacker)
			w.settle()
			w.wantReady(stranger)
		})
	}
}

func TestOfTwoThatNameTheSameClientTheOlderHasIt(t *testing.T) {
	for name, second := range map[string]func(key string) func(*v1alpha1.SfsClient){
		"by the same customKey": func(string) func(*v1alpha1.SfsClient) { return named("legacy-7") },
		"by its clientKey":      imported,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.adopting(w.legacyRule())
			key := w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7"})
			older := w.newSfsClient("a-older", named("legacy-7"))
			younger := w.newSfsClient("b-younger", second(key)) // perhaps in the same second: then the name decides
			// Whichever the operator looks at first.
			w.pass(ref{kind: clientKind, namespace: w.namespace, name: "b-younger"})
			w.settle()
			w.wantReady(older)
			w.wantCondition(younger, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ClientTakenReason, "a-older", "older")
			if younger.Status.ClientKey != "" || w.secret("b-younger-sfs-token") != nil {
				t.Errorf("the younger one got %+v", younger.Status)
			}
			// A new process knows nothing, and decides the same.
			w.restart()
			w.settle()
			w.wantReady(older)
			w.wantCondition(younger, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ClientTakenReason)
			// When the older one goes, the younger has it, but not before the older is gone.
			w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "revoke", Times: 1, CutBefore: true})
			w.delete(older)
			w.pass(ref{kind: clientKind, namespace: w.namespace, name: "a-older"})
			w.pass(ref{kind: clientKind, namespace: w.namespace, name: "b-younger"})
			w.reload(younger)
			if younger.Status.ClientKey != "" {
				t.Error("the younger one has the client while the older is still being deleted")
			}
			w.run(time.Minute)
			w.wantReady(younger)
			w.tokenOf(younger)
			if younger.Status.ClientKey != key || len(w.sim.Clients()) != 1 {
				t.Errorf("want the client %s, have %+v", key, younger.Status)
			}
		})
	}
}

// TestTwoThatHaveTheSameClientComeToOne begins with what two processes can leave behind that bound it at the same time.
func TestTwoThatHaveTheSameClientComeToOne(t *testing.T) {
	w := newWorld(t)
	w.adopting(w.legacyRule())
	key := w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7"})
	older := w.newSfsClient("a-older", named("legacy-7"))
	w.settle()
	younger := w.newSfsClient("b-younger", named("legacy-7"))
	w.reload(younger)
	before := younger.DeepCopy()
	younger.Status.ClientKey, younger.Status.CustomKey = key, "legacy-7"
	if err := w.client.Status().Patch(t.Context(), younger, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.wantReady(older)
	w.wantCondition(younger, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ClientTakenReason, "a-older")
	if w.secret("b-younger-sfs-token") != nil || w.secret("b-younger-sfs") != nil {
		t.Error("the younger one published the keys of the client")
	}
}

func TestANameIsNoClaimForThoseWhoMayNotNameIt(t *testing.T) {
	w := newWorld(t)
	elsewhere := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + "-elsewhere"}}
	w.create(elsewhere)
	squatter := &v1alpha1.SfsClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere.Name, Name: "squatter"},
		Spec:       v1alpha1.SfsClientSpec{PlatformRef: v1alpha1.PlatformReference{Name: w.platform}, CustomKey: "legacy-7"},
	}
	w.create(squatter)
	w.adopting(w.legacyRule())
	c := w.newSfsClient("shop", named("legacy-7"))
	w.settle()
	w.wantReady(c)
}

func TestAnObservedClientIsReadAndNotWritten(t *testing.T) {
	w := newWorld(t)
	w.adopting(w.legacyRule())
	observe := func(c *v1alpha1.SfsClient) { c.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve }
	w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7", FullName: "Old Name", Email: "old@shop.example"})
	w.sim.ResetCalls()
	c := w.newSfsClient("shop", named("legacy-7"), observe, func(c *v1alpha1.SfsClient) {
		c.Spec.FullName, c.Spec.Email = "New Name", "new@shop.example"
	})
	u := w.newSfsClientUser("jane", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve })
	missing := w.newSfsClient("missing", named("legacy-8"), observe)
	w.run(25 * time.Minute)
	w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.DriftDetectedReason, "pendingChanges")
	w.tokenOf(c)
	want := []v1alpha1.PendingChange{{Field: "fullName", From: "Old Name", To: "New Name"}, {Field: "email", From: "o***@shop.example", To: "n***@shop.example"}}
	if !slices.Equal(c.Status.PendingChanges, want) {
		t.Errorf("pendingChanges are %+v, want %+v", c.Status.PendingChanges, want)
	}
	w.wantCondition(u, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.NothingToAdoptReason, "Observe")
	w.wantCondition(missing, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.NothingToAdoptReason, "Observe")
	if p := missing.Status.PendingChanges; len(p) != 1 || p[0].Field != "client" || p[0].To != "legacy-8" {
		t.Errorf("pendingChanges of what would be made are %+v", p)
	}
	for _, call := range w.sim.Calls() {
		if call.Endpoint != "token" && (call.Action == "create" || call.Action == "update") {
			t.Errorf("%s %s was asked for", call.Endpoint, call.Action)
		}
	}
	// Managed, they are carried out.
	for _, o := range []*v1alpha1.SfsClient{c, missing} {
		update(w, o, func(c *v1alpha1.SfsClient) { c.Spec.ManagementPolicy = v1alpha1.ManagementPolicyManage })
	}
	w.settle()
	w.wantReady(c, missing)
	if len(c.Status.PendingChanges)+len(missing.Status.PendingChanges) != 0 {
		t.Errorf("pendingChanges are left: %+v %+v", c.Status.PendingChanges, missing.Status.PendingChanges)
	}
}

func TestAUserIsAdoptedAndImported(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.reload(c)
	key := func(name, customKey string) string {
		made, err := w.sfs().CreateUser(t.Context(), sendforsign.APIKey(w.sim.Credentials().APIKey), c.Status.ClientKey, sendforsign.UserFields{FullName: name, CustomKey: customKey})
		if err != nil {
			t.Fatal(err)
		}
		return made.UserKey
	}
	jane, joe := key("Jane", "hr-1"), key("Joe", "hr-2")
	byCustomKey := w.newSfsClientUser("jane", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.CustomKey = "hr-1" })
	byKey := w.newSfsClientUser("joe", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.UserKey, u.Spec.FullName = joe, "Joseph" })
	rival := w.newSfsClientUser("zoe", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.UserKey = joe })
	spelled := w.newSfsClientUser("spelled", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.CustomKey = c.Status.CustomKey + "/anna" })
	w.settle()
	w.wantReady(byCustomKey, byKey)
	if byCustomKey.Status.UserKey != jane || byCustomKey.Status.Origin != v1alpha1.OriginAdopted {
		t.Errorf("want %s adopted, have %+v", jane, byCustomKey.Status)
	}
	if byKey.Status.UserKey != joe || byKey.Status.Origin != v1alpha1.OriginImported || byKey.Status.CustomKey != "hr-2" {
		t.Errorf("want %s imported, have %+v", joe, byKey.Status)
	}
	w.wantCondition(rival, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ClientTakenReason, "joe")
	w.wantCondition(spelled, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.AdoptionNotAllowedReason, c.Status.CustomKey+"/")
	names := map[string]string{}
	for _, u := range w.sim.Users(c.Status.ClientKey) {
		names[u.UserKey] = u.FullName + " " + u.CustomKey
	}
	if len(names) != 3 || names[joe] != "Joseph hr-2" || names[jane] != "Jane hr-1" {
		t.Errorf("SFS has the users %v, want the default one, Jane and Joseph", names)
	}
	w.delete(byKey)
	w.settle()
	w.wantReady(rival)
}

func TestPatternsOfCustomKeys(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"legacy-*", "legacy-7", true}, {"legacy-*", "legacy-", true}, {"legacy-*", "xlegacy-7", false},
		{"*", "anything/at all", true}, {"a.c", "abc", false}, {"a.c", "a.c", true}, {"a|b", "a", false},
		{"*-x-*", "1-x-2", true}, {"*-x-*", "1-y-2", false}, {"(", "(", true}, {"tenant", "tenants", false},
	} {
		if got := matches(c.pattern, c.key); got != c.want {
			t.Errorf("matches(%q, %q) is %t", c.pattern, c.key, got)
		}
	}
}

// forbidding lets no namespace name a client any more.
func (w *world) forbidding() { w.adopting() }

func TestUsersOfAClientThatIsRefusedReachNothing(t *testing.T) {
	w := newWorld(t)
	w.adopting(w.legacyRule())
	key := w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7"})
	c := w.newSfsClient("shop", imported(key))
	before := w.newSfsClientUser("before", "shop")
	w.settle()
	w.wantReady(c, before)
	w.forbidding()
	w.settle()
	w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.AdoptionNotAllowedReason)
	after := w.newSfsClientUser("after", "shop")
	boss := w.newSfsClientUser("boss", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.Default, u.Spec.Email = true, "mine@evil.example" })
	update(w, before, func(u *v1alpha1.SfsClientUser) { u.Spec.Email = "mine@evil.example" })
	w.run(20 * time.Minute)
	for _, u := range []*v1alpha1.SfsClientUser{after, boss, before} {
		w.wantCondition(u, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ClientNotReadyReason, "may not have its client")
	}
	for _, u := range w.sim.Users(key) {
		if u.Email == "mine@evil.example" {
			t.Errorf("user %s at SFS was changed", u.UserKey)
		}
	}
	if n := len(w.sim.Users(key)); n != 2 {
		t.Errorf("SFS has %d users of the client, want the default one and the one from before", n)
	}
	w.adopting(w.legacyRule())
	w.settle()
	w.wantReady(c, after, boss, before)
}

func TestAFinalizerThatSomebodyAddsRetiresNothing(t *testing.T) {
	for name, prepare := range map[string]func(*world, *v1alpha1.SfsClient){
		"of an imported client": func(*world, *v1alpha1.SfsClient) {},
		"of one that lost the right": func(w *world, _ *v1alpha1.SfsClient) {
			w.forbidding()
			w.settle()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.adopting(w.legacyRule())
			key := w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7"})
			c := w.newSfsClient("shop", imported(key))
			w.settle()
			prepare(w, c)
			update(w, c, func(c *v1alpha1.SfsClient) { c.Finalizers = append(c.Finalizers, v1alpha1.RetireFinalizer) })
			w.delete(c)
			w.run(2 * time.Minute)
			if !w.isGone(c) || w.sim.Clients()[0].CustomKey != "legacy-7" {
				t.Errorf("the customKey at SFS is %s, finalizers %v", w.sim.Clients()[0].CustomKey, c.Finalizers)
			}
		})
	}
}

func TestWhoMayNameAClientLateDoesNotEvictWhoHasIt(t *testing.T) {
	w := newWorld(t)
	key := w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7"})
	planted := w.newSfsClient("a-planted", imported(key))
	w.settle()
	w.adopting(v1alpha1.AdoptionRule{Name: "names", Namespaces: []string{"*"}, CustomKeyPatterns: []string{"legacy-*"}})
	c := w.newSfsClient("shop", named("legacy-7"))
	w.settle()
	w.wantReady(c)
	w.adopting(w.legacyRule())
	w.run(25 * time.Minute)
	w.wantReady(c)
	w.wantCondition(planted, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ClientTakenReason, "shop")
}

func TestWhoLostTheRightKeepsAClientFromNobody(t *testing.T) {
	w := newWorld(t)
	key := w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7"})
	rule := w.legacyRule()
	w.adopting(rule)
	former := w.newSfsClient("former", imported(key))
	w.settle()
	w.wantReady(former)
	next := w.newSfsClient("next", named("legacy-7"))
	w.settle()
	w.wantCondition(next, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ClientTakenReason)
	rule.AllowClientKey = false
	w.adopting(rule)
	w.settle()
	w.wantReady(next)
	w.wantCondition(former, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.AdoptionNotAllowedReason)
	// Also a finalizer of somebody else keeps it for nobody.
	rule.AllowClientKey = true
	w.adopting(rule)
	update(w, next, func(c *v1alpha1.SfsClient) { c.Finalizers = append(c.Finalizers, "example.com/mine") })
	w.delete(next)
	w.run(2 * time.Minute)
	w.wantReady(former)
	w.reload(next)
	update(w, next, func(c *v1alpha1.SfsClient) { c.Finalizers = nil })
}

func TestAnImportYieldsToAPlatformThatComesLater(t *testing.T) {
	w := newWorld(t)
	w.adopting(w.legacyRule())
	key := w.atSFS(sendforsign.ClientFields{CustomKey: "late-" + w.platform + "/team/shop"})
	c := w.newSfsClient("shop", imported(key))
	w.settle()
	w.wantReady(c)
	late := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: w.platform + "-late"}, Spec: v1alpha1.SfsPlatformSpec{
		BaseURL: w.sim.BaseURL(), CustomKeyPrefix: "late-" + w.platform, CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: "credentials"},
	}}
	w.create(late)
	t.Cleanup(func() { _ = w.client.Delete(context.Background(), late) })
	w.settle()
	w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.AdoptionNotAllowedReason, "late-")
}

func TestTheDeletionOfARivalThatNeverGotAnythingIsNoticed(t *testing.T) {
	w := newWorld(t)
	w.adopting(w.legacyRule())
	key := w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7"})
	older := w.newSfsClient("a-older", imported(key), func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
	c := w.newSfsClient("b-younger", imported(key))
	w.settle()
	w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ClientTakenReason)
	w.delete(older)
	w.settle()
	w.wantReady(c)
}

func TestARefusalToTellTheDefaultUserIsNotForGood(t *testing.T) {
	w := newWorld(t)
	heal := w.sim.Inject(sfstest.Fault{Endpoint: "user", Action: "list", Status: 403})
	w.adopting(w.legacyRule())
	key := w.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7"})
	c := w.newSfsClient("shop", imported(key))
	w.settle()
	w.wantCondition(c, v1alpha1.SecretReadyCondition, metav1.ConditionTrue, v1alpha1.DefaultUserUnknownReason)
	w.restart() // which forgets how often it was refused
	heal()
	w.run(time.Minute)
	w.wantCondition(c, v1alpha1.SecretReadyCondition, metav1.ConditionTrue, v1alpha1.PublishedReason)
	if data := w.secret("shop-sfs").Data; len(data[v1alpha1.KeyUserKey]) == 0 {
		t.Error("the Secret lacks the key of the default user")
	}
}
