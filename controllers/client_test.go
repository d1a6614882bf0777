// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

func TestAClientGetsItsTenantItsIdentifiersAndALivingToken(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.FullName, c.Spec.Email, c.Spec.Organization = "Jane Roe", "jane@shop.example", "Shop Ltd"
	})
	w.settle()
	w.wantReady(c)

	tenants := w.sim.Clients()
	if len(tenants) != 1 {
		t.Fatalf("SFS has %d clients, want 1", len(tenants))
	}
	tenant := tenants[0]
	if want := "acme/" + w.namespace + "/shop"; tenant.CustomKey != want || c.Status.CustomKey != want {
		t.Errorf("customKey is %q at SFS and %q in status, want %q", tenant.CustomKey, c.Status.CustomKey, want)
	}
	if tenant.FullName != "Jane Roe" || tenant.Email != "jane@shop.example" || tenant.Organization != "Shop Ltd" {
		t.Errorf("SFS has %+v", tenant)
	}
	if c.Status.ClientKey != tenant.ClientKey || c.Status.Origin != v1alpha1.OriginCreated || c.Status.CreateIntent != nil {
		t.Errorf("status does not fit the client at SFS: %+v", c.Status)
	}
	user := w.sim.Users(tenant.ClientKey)[0].UserKey
	wantData(t, w.secret("shop-sfs"), map[string]string{
		"clientKey": tenant.ClientKey, "SFS_CLIENT_KEY": tenant.ClientKey,
		"userKey": user, "SFS_USER_KEY": user, "baseURL": w.sim.BaseURL(),
	})
	info, secret := w.tokenOf(c)
	wantData(t, secret, map[string]string{
		"token": string(secret.Data["token"]), "tokenType": "Bearer", "clientKey": tenant.ClientKey, "baseURL": w.sim.BaseURL(),
		"issuedAt":  info.Issued.UTC().Format(time.RFC3339),
		"expiresAt": info.Expires.UTC().Format(time.RFC3339),
	})
	if info.ClientKey != tenant.ClientKey {
		t.Errorf("the token is for client %s, want %s", info.ClientKey, tenant.ClientKey)
	}
	if got := c.Status.Token; !got.ExpirationTime.Time.Equal(info.Expires) || got.Revision != 1 || got.SecretRef.Name != "shop-sfs-token" {
		t.Errorf("status.token is %+v, the token expires at %s", got, info.Expires)
	}
	for _, s := range []*corev1.Secret{secret, w.secret("shop-sfs")} {
		if !metav1.IsControlledBy(s, c) || s.Labels[v1alpha1.ManagedByLabel] != v1alpha1.ManagedByValue || s.Type != corev1.SecretTypeOpaque {
			t.Errorf("Secret %s: owner, label or type is wrong: %+v", s.Name, s.ObjectMeta)
		}
	}
	if n := w.recorder.count("shop", "Created"); n != 1 {
		t.Errorf("%d events tell of the create, want 1: %v", n, w.recorder.all())
	}
}

func wantData(t *testing.T, s *corev1.Secret, want map[string]string) {
	t.Helper()
	if s == nil {
		t.Fatal("there is no Secret")
	}
	if got, want := slices.Sorted(maps.Keys(s.Data)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
		t.Errorf("Secret %s has the keys %v, want %v", s.Name, got, want)
	}
	for key, value := range want {
		if string(s.Data[key]) != value {
			t.Errorf("Secret %s: %s is not what it should be", s.Name, key)
		}
	}
}

func TestNoSecretEverHoldsADeadToken(t *testing.T) {
	for _, life := range []time.Duration{1800 * time.Second, 600 * time.Second, time.Minute, 5 * time.Second} {
		t.Run(life.String(), func(t *testing.T) {
			w := newWorld(t, sfstest.WithTokenLifetime(life))
			c := w.newSfsClient("shop")
			w.settle()
			w.each = func() { w.tokenOf(c) }
			w.run(3 * life)
			w.wantReady(c)
			if c.Status.Token.Revision < 4 {
				t.Errorf("%d tokens in three lives, want at least 4", c.Status.Token.Revision)
			}
			// A token is replaced when a fifth of its life has passed, at the earliest, and by then not twice.
			if most := int64(3*life/(life/7)) + 2; c.Status.Token.Revision > most {
				t.Errorf("%d tokens in three lives, want at most %d", c.Status.Token.Revision, most)
			}
		})
	}
}

func TestARoutineRenewalChangesNothingButTheToken(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.reload(c)
	before, stable, events := c.DeepCopy(), w.secret("shop-sfs"), len(w.recorder.all())
	w.sim.ResetCalls()
	w.run(20 * time.Minute)
	w.reload(c)
	if c.Status.Token.Revision != 2 {
		t.Fatalf("token revision is %d after 20 minutes, want 2", c.Status.Token.Revision)
	}
	tokens, lists := w.sim.CountCalls("token", "create"), w.sim.CountCalls("client", "list")
	if len(w.sim.Calls()) != tokens+lists || tokens > 2 || lists != 2 {
		t.Errorf("want one token for the client, at most one for the platform and two lists to look for changes, have the calls %v", w.sim.Calls())
	}
	if got := w.secret("shop-sfs"); got.ResourceVersion != stable.ResourceVersion {
		t.Error("the Secret of identifiers was written")
	}
	before.Status.Token, c.Status.Token = nil, nil
	if got, want := describe(c), describe(before); got != want {
		t.Errorf("conditions changed from %s\nto %s", want, got)
	}
	for i, cond := range c.Status.Conditions {
		if !cond.LastTransitionTime.Equal(&before.Status.Conditions[i].LastTransitionTime) {
			t.Errorf("the transition time of %s moved", cond.Type)
		}
	}
	if n := len(w.recorder.all()); n != events {
		t.Errorf("events were told: %v", w.recorder.all()[events:])
	}
}

func TestARestartCostsNothing(t *testing.T) {
	w := newWorld(t)
	clients := make([]object, 50)
	for i := range clients {
		clients[i] = w.newSfsClient("shop-" + string(rune('a'+i/26)) + string(rune('a'+i%26)))
	}
	w.newSfsClientUser("jane", clients[0].GetName())
	w.settle()
	w.wantReady(clients...)
	before := w.versionsNow()
	w.sim.ResetCalls()
	for range 3 {
		w.restart()
		w.settle()
		w.run(time.Minute)
	}
	if calls := w.sim.Calls(); len(calls) != 0 {
		t.Errorf("%d calls to SFS after restarts, want none: %v", len(calls), calls)
	}
	if after := w.versionsNow(); !maps.Equal(before, after) {
		t.Error("objects were written after restarts")
	}
}

func (w *world) versionsNow() map[string]string {
	versions := map[string]string{}
	for _, o := range w.everything() {
		versions[string(o.GetUID())] = o.GetResourceVersion()
	}
	return versions
}

func TestAnOutageIsNotNoticedWhileTokensLive(t *testing.T) {
	w := newWorld(t)
	var clients []object
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		clients = append(clients, w.newSfsClient(name))
	}
	w.settle()
	w.run(17 * time.Minute) // shortly before the first renewals
	heal := w.sim.Inject(sfstest.Fault{Status: 503})
	outageBegan := w.clock.Now()
	states := map[string]bool{}
	w.each = func() {
		for _, o := range clients {
			c := o.(*v1alpha1.SfsClient)
			if s := w.secret(c.TokenSecretName()); s == nil || len(s.Data["token"]) == 0 {
				t.Fatal("a Secret lost its token in the outage")
			}
			w.reload(c)
			states[c.Name+"/"+c.ResourceVersion] = true
			expires := c.Status.Token.ExpirationTime.Time
			if ready := metav1.ConditionStatus(condition(c, v1alpha1.ReadyCondition)); ready != metav1.ConditionTrue && expires.Sub(w.clock.Now()) > 2*time.Minute {
				t.Fatalf("%s is not Ready although its token lives until %s: %s", c.Name, expires, describe(c))
			}
		}
	}
	w.run(10 * time.Minute)
	for _, o := range clients {
		w.reload(o)
		c := o.(*v1alpha1.SfsClient)
		if c.Status.Token.ExpirationTime.Sub(w.clock.Now()) < 2*time.Minute {
			w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.TokenExpiringReason, "SFS can not be reached")
		} else {
			w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.APIUnavailableReason, "SFS can not be reached")
		}
	}
	// A status says that renewals fail, and then that the token is about to die: an attempt alone is no news.
	if most := 3 * len(clients); len(states) > most {
		t.Errorf("%d writes of a status in the outage, want at most %d", len(states)-len(clients), most-len(clients))
	}
	outage := w.clock.Now().Sub(outageBegan)
	if calls, most := len(w.sim.Calls()), len(clients)*int(outage/(10*time.Second)); calls > most {
		t.Errorf("%d calls in an outage of %s, want at most %d", calls, outage, most)
	}
	heal()
	w.sim.ResetCalls()
	w.run(time.Minute)
	w.each = nil
	w.wantReady(clients...)
	for _, o := range clients {
		w.tokenOf(o.(*v1alpha1.SfsClient))
	}
	if calls := len(w.sim.Calls()); calls > len(clients)+2 {
		t.Errorf("%d calls to recover %d clients: %v", calls, len(clients), w.sim.Calls())
	}
}

func condition(o object, conditionType string) string {
	for _, c := range *o.GetConditions() {
		if c.Type == conditionType {
			return string(c.Status)
		}
	}
	return ""
}

func TestThereIsOneClientWhateverHappensToTheCreate(t *testing.T) {
	for name, fault := range map[string]sfstest.Fault{
		"the connection is lost after the create took effect":  {Endpoint: "client", Action: "create", Times: 1, CutAfter: true},
		"the connection is lost before the create took effect": {Endpoint: "client", Action: "create", Times: 1, CutBefore: true},
		"the create takes effect and is answered 500":          {Endpoint: "client", Action: "create", Times: 1, Status: 500, Apply: true},
		"the create is answered 503":                           {Endpoint: "client", Action: "create", Times: 1, Status: 503},
		"the create is answered 429":                           {Endpoint: "client", Action: "create", Times: 1, Status: 429},
		"the answer to the create can not be read":             {Endpoint: "client", Action: "create", Times: 1, Malformed: true},
		"the lookup fails":                                     {Endpoint: "client", Action: "read", Times: 2, Status: 502},
		"the platform token is not given at first":             {Endpoint: "token", Action: "create", Times: 3, Status: 503},
		"every second answer is lost":                          {Endpoint: "client", Action: "create", Times: 2, CutAfter: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sim.Inject(fault)
			c := w.newSfsClient("shop")
			w.settle()
			w.run(5 * time.Minute)
			w.wantReady(c)
			if n := len(w.sim.Clients()); n != 1 {
				t.Errorf("SFS has %d clients, want 1", n)
			}
			if c.Status.CreateIntent != nil {
				t.Error("the intent was not cleared")
			}
			if c.Status.Origin != v1alpha1.OriginCreated {
				t.Errorf("origin is %s, want Created", c.Status.Origin)
			}
			w.tokenOf(c)
		})
	}
}

func TestAnIntentIsWrittenBeforeTheCreate(t *testing.T) {
	w := newWorld(t)
	w.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "create", Times: 1, CutBefore: true})
	c := w.newSfsClient("shop")
	w.settle()
	w.reload(c)
	if c.Status.CreateIntent == nil {
		t.Fatal("there is no intent although the outcome of the create is unknown")
	}
	w.wantCondition(c, v1alpha1.SyncedCondition, metav1.ConditionFalse, v1alpha1.CreateOutcomeUnknownReason)
	w.sim.ResetCalls()
	w.run(settlingTime - 2*time.Second)
	if n := w.sim.CountCalls("client", "create"); n != 0 {
		t.Errorf("%d creates before the first one has settled, want none", n)
	}
	if w.sim.CountCalls("client", "read") == 0 {
		t.Error("the client was not looked for meanwhile")
	}
	w.run(time.Minute)
	w.wantReady(c)
}

func TestAClientIsFoundAgainWhenTheClusterIsRebuiltFromGit(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	u := w.newSfsClientUser("jane", "shop")
	boss := w.newSfsClientUser("boss", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.Default = true })
	w.settle()
	w.wantReady(c, u, boss)
	clientKey, userKey, bossKey := c.Status.ClientKey, u.Status.UserKey, boss.Status.UserKey
	stable := w.secret("shop-sfs").Data

	for _, o := range []object{c, u, boss} {
		w.delete(o)
	}
	w.settle()
	for _, s := range []string{"shop-sfs", "shop-sfs-token", "jane-sfs-user", "boss-sfs-user"} {
		w.delete(w.secret(s)) // as the garbage collector does
	}
	w.restart()
	c, u = w.newSfsClient("shop"), w.newSfsClientUser("jane", "shop")
	boss = w.newSfsClientUser("boss", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.Default = true })
	w.settle()
	w.wantReady(c, u, boss)
	if c.Status.ClientKey != clientKey || u.Status.UserKey != userKey || boss.Status.UserKey != bossKey {
		t.Errorf("keys changed: client %s -> %s, user %s -> %s, default user %s -> %s",
			clientKey, c.Status.ClientKey, userKey, u.Status.UserKey, bossKey, boss.Status.UserKey)
	}
	if c.Status.Origin != v1alpha1.OriginRecovered || u.Status.Origin != v1alpha1.OriginRecovered {
		t.Errorf("origin is %s and %s, want Recovered", c.Status.Origin, u.Status.Origin)
	}
	if len(w.sim.Clients()) != 1 || len(w.sim.Users(clientKey)) != 2 {
		t.Errorf("SFS has %d clients and %d users, want 1 and 2", len(w.sim.Clients()), len(w.sim.Users(clientKey)))
	}
	for key, value := range stable {
		if string(w.secret("shop-sfs").Data[key]) != string(value) {
			t.Errorf("%s in the Secret of identifiers is not what it was", key)
		}
	}
}

func TestAChangedSpecIsCarriedToSFS(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.FullName = "Jane" })
	w.settle()
	w.sim.ResetCalls()
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.FullName, c.Spec.Email = "Jane Roe", "jane@shop.example" })
	w.settle()
	w.wantReady(c)
	if got := w.sim.Clients()[0]; got.FullName != "Jane Roe" || got.Email != "jane@shop.example" {
		t.Errorf("SFS has %+v", got)
	}
	if r, u := w.sim.CountCalls("client", "read"), w.sim.CountCalls("client", "update"); r != 1 || u != 1 || len(w.sim.Calls()) != 2 {
		t.Errorf("want one read and one update, have %v", w.sim.Calls())
	}
	if n := w.recorder.count("shop", "Updated"); n != 1 {
		t.Errorf("%d events tell of it, want 1", n)
	}
}

func TestARefusedProfileDoesNotStopTheToken(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "update", Status: 400, Body: `{"code":400,"message":"email is not deliverable"}`})
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Email = "jane@nowhere.example" })
	w.each = func() { w.tokenOf(c) }
	w.run(time.Hour)
	w.wantCondition(c, v1alpha1.SyncedCondition, metav1.ConditionFalse, v1alpha1.RequestRefusedReason, "email is not deliverable")
	w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.RequestRefusedReason)
	w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
	if n := w.sim.CountCalls("client", "update"); n > 15 {
		t.Errorf("the refused update was tried %d times in an hour", n)
	}
}

func TestAnnotationsAskForAComparisonAndForANewToken(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.FullName = "Jane" })
	w.settle()
	_, first := w.tokenOf(c)
	w.sim.ResetCalls()
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Annotations = map[string]string{v1alpha1.RenewRequestedAtAnnotation: "monday", v1alpha1.ReconcileRequestedAtAnnotation: "tuesday"}
	})
	w.run(time.Minute)
	w.wantReady(c)
	if c.Status.LastHandledRenewAt != "monday" || c.Status.LastHandledReconcileAt != "tuesday" {
		t.Errorf("handled %q and %q", c.Status.LastHandledRenewAt, c.Status.LastHandledReconcileAt)
	}
	if n := w.sim.CountCalls("token", "create"); n != 1 || w.sim.CountCalls("client", "read") != 1 || len(w.sim.Calls()) != 2 {
		t.Errorf("want one token and one read, have %v", w.sim.Calls())
	}
	if _, second := w.tokenOf(c); string(second.Data["token"]) == string(first.Data["token"]) {
		t.Error("the token is the same")
	}
	if n := w.recorder.count("shop", "Renewed"); n != 1 {
		t.Errorf("%d events tell of the renewal, want 1", n)
	}
	w.restart()
	w.run(time.Minute)
	if len(w.sim.Calls()) != 2 {
		t.Errorf("a request that was handled is handled again: %v", w.sim.Calls())
	}
}

func TestSecretsAreRepaired(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.reload(c)
	clientKey := c.Status.ClientKey
	stable, rotating := w.secret("shop-sfs"), w.secret("shop-sfs-token")

	w.step("deleted", func(t *testing.T) {
		w.delete(stable)
		w.delete(rotating)
		w.settle()
		w.wantReady(c)
		if got := string(w.secret("shop-sfs").Data["clientKey"]); got != clientKey {
			t.Errorf("clientKey is %s, want %s", got, clientKey)
		}
		w.tokenOf(c)
		if c.Status.Token.Revision != 2 {
			t.Errorf("revision is %d, want 2", c.Status.Token.Revision)
		}
	})
	w.step("edited", func(t *testing.T) {
		w.run(repairPause)
		for _, name := range []string{"shop-sfs", "shop-sfs-token"} {
			update(w, w.secret(name), func(s *corev1.Secret) {
				s.Data["clientKey"], s.Data["token"], s.Data["mine"] = []byte("x"), []byte("y"), []byte("z")
			})
		}
		w.settle()
		w.wantReady(c)
		w.tokenOf(c)
		for _, name := range []string{"shop-sfs", "shop-sfs-token"} {
			if s := w.secret(name); string(s.Data["clientKey"]) != clientKey || string(s.Data["mine"]) != "z" {
				t.Errorf("Secret %s: our keys should be restored and the foreign one kept", name)
			}
		}
	})
	w.step("label and annotations removed", func(t *testing.T) {
		w.run(repairPause)
		update(w, w.secret("shop-sfs-token"), func(s *corev1.Secret) { s.Labels, s.Annotations = nil, nil })
		w.settle()
		w.wantReady(c)
		w.tokenOf(c)
		if s := w.secret("shop-sfs-token"); s.Labels[v1alpha1.ManagedByLabel] != v1alpha1.ManagedByValue {
			t.Error("the label is not back")
		}
	})
	if n := len(w.sim.Clients()); n != 1 {
		t.Errorf("SFS has %d clients, want 1", n)
	}
}

func TestAForeignSecretIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "shop-sfs-token"}, StringData: map[string]string{"password": "theirs"}}
	w.create(foreign)
	before := foreign.ResourceVersion
	c := w.newSfsClient("shop")
	w.run(10 * time.Minute)
	w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.SecretConflictReason, "shop-sfs-token", "does not belong")
	w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.SecretConflictReason)
	w.wantCondition(c, v1alpha1.SecretReadyCondition, metav1.ConditionTrue, v1alpha1.PublishedReason)
	if got := w.secret("shop-sfs-token"); got.ResourceVersion != before {
		t.Error("the foreign Secret was written")
	}
	if n := w.sim.LiveTokens(c.Status.ClientKey); n != 0 {
		t.Errorf("%d tokens were minted that could not be published", n)
	}
	w.delete(foreign)
	w.run(11 * time.Minute)
	w.wantReady(c)
	w.tokenOf(c)
}

func TestSecretsMoveToAnotherName(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Secret.Name, c.Spec.Token.Secret.Name = "ids", "live" })
	w.settle()
	w.wantReady(c)
	w.tokenOf(c)
	if w.secret("ids") == nil || w.secret("shop-sfs") == nil || w.secret("shop-sfs-token") == nil || len(c.Status.FormerSecrets) != 2 {
		t.Errorf("want the new Secrets, and for a while the old ones: %v", c.Status.FormerSecrets)
	}
	if c.Status.SecretRef.Name != "ids" || c.Status.Token.SecretRef.Name != "live" {
		t.Errorf("status names %s and %s", c.Status.SecretRef.Name, c.Status.Token.SecretRef.Name)
	}
	w.run(formerGracePeriod)
	w.wantReady(c)
	w.wantSwept()
}

func TestATokenSecretOfTheOldNameServesUntilTheNewOneDoes(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	heal := w.sim.Inject(sfstest.Fault{Endpoint: "token", Status: 503})
	w.run(21 * time.Minute) // so that the token is due, and can not be published under the new name
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Name = "live" })
	w.run(5 * time.Minute)
	old := w.secret("shop-sfs-token")
	if old == nil {
		t.Fatal("the Secret of the old name was removed while there was no other")
	}
	if info, _ := w.sim.TokenState(string(old.Data["token"])); !info.Alive {
		t.Error("the token in the Secret of the old name does not live")
	}
	heal()
	w.run(time.Minute)
	w.wantReady(c)
	w.tokenOf(c)
	w.run(formerGracePeriod)
	if w.secret("shop-sfs-token") != nil {
		t.Error("the Secret of the old name is still there")
	}
}

func TestATokenThatIsNoLongerWantedIsWithdrawn(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.reload(c)
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) })
	w.run(time.Minute)
	w.wantReady(c)
	w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.DisabledReason)
	if w.secret("shop-sfs-token") != nil || w.sim.LiveTokens(c.Status.ClientKey) != 0 || c.Status.Token != nil || len(c.Finalizers) != 0 {
		t.Errorf("the token is still there: %d alive, status %+v, finalizers %v", w.sim.LiveTokens(c.Status.ClientKey), c.Status.Token, c.Finalizers)
	}
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = nil })
	w.run(time.Minute)
	w.wantReady(c)
	w.tokenOf(c)
}

func TestASuspendedClientIsLeftAsItIs(t *testing.T) {
	for name, suspend := range map[string]func(*v1alpha1.SfsClient){
		"by spec":       func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true },
		"by annotation": func(c *v1alpha1.SfsClient) { c.Annotations = map[string]string{v1alpha1.PausedAnnotation: "true"} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.checkDriftEvery(time.Hour)
			c := w.newSfsClient("shop")
			w.settle()
			update(w, c, suspend)
			w.sim.ResetCalls()
			w.run(20 * time.Minute)
			w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.SuspendedReason, "suspended")
			w.run(9 * time.Minute)
			w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.SuspendedReason, "suspended")
			w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.TokenExpiringReason, "suspended")
			if c.Status.ObservedGeneration != c.Generation {
				t.Errorf("observedGeneration is %d, generation %d", c.Status.ObservedGeneration, c.Generation)
			}
			if len(w.sim.Calls()) != 0 {
				t.Errorf("calls were made: %v", w.sim.Calls())
			}
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend, c.Annotations = false, nil })
			w.settle()
			w.wantReady(c)
			w.tokenOf(c)
		})
	}
}

func TestNobodyChoosesAmongSeveralClientsWithOneCustomKey(t *testing.T) {
	w := newWorld(t)
	api, key := w.apiOfSFS()
	for range 2 {
		if _, err := api.CreateClient(t.Context(), key, sendforsign.ClientFields{CustomKey: "acme/" + w.namespace + "/shop"}); err != nil {
			t.Fatal(err)
		}
	}
	c := w.newSfsClient("shop")
	w.run(time.Minute)
	w.wantCondition(c, v1alpha1.SyncedCondition, metav1.ConditionFalse, v1alpha1.AmbiguousCustomKeyReason, "2 clients", w.sim.Clients()[0].ClientKey)
	w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.AmbiguousCustomKeyReason)
	if c.Status.ClientKey != "" || len(w.sim.Clients()) != 2 {
		t.Errorf("clientKey is %q, SFS has %d clients", c.Status.ClientKey, len(w.sim.Clients()))
	}
}

func TestOnlyAClientWithTheVeryCustomKeyIsBound(t *testing.T) {
	for name, answer := range map[string]string{
		"the answer has no customKey":      `{"client":{"clientKey":"somebody-else"},"code":200}`,
		"the answer has another customKey": `{"client":{"clientKey":"somebody-else","customKey":"theirs"},"code":200}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "read", Status: 200, Body: answer})
			w.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "create", Times: 1, CutAfter: true})
			c := w.newSfsClient("shop")
			w.run(5 * time.Minute)
			w.wantReady(c)
			if n := len(w.sim.Clients()); n != 1 || c.Status.ClientKey != w.sim.Clients()[0].ClientKey {
				t.Errorf("bound to %s, SFS has %+v", c.Status.ClientKey, w.sim.Clients())
			}
		})
	}
}

func TestAnIntentOfAClockThatWasAheadDoesNotBlock(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
	w.settle()
	w.reload(c)
	before := c.DeepCopy()
	c.Status.CreateIntent = &v1alpha1.CreateIntent{ID: "x", StartedAt: metav1.NewMicroTime(w.clock.Now().Add(24 * time.Hour))}
	if err := w.client.Status().Patch(t.Context(), c, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = false })
	w.run(settlingTime - 5*time.Second)
	if n := w.sim.CountCalls("client", "create"); n != 0 {
		t.Errorf("%d creates before the settling time is over", n)
	}
	w.run(time.Minute)
	w.wantReady(c)
}

func TestAChangeThatHasToWaitIsNotCalledReady(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.sim.Inject(sfstest.Fault{Times: 1, Status: 429, Header: map[string][]string{"Retry-After": {"600"}}})
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Annotations = map[string]string{v1alpha1.RenewRequestedAtAnnotation: "now"}
	})
	w.settle()
	w.wantReady(c)
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.FullName = "Jane" })
	w.settle()
	w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ProgressingReason)
	w.wantCondition(c, v1alpha1.ReconcilingCondition, metav1.ConditionTrue, v1alpha1.ProgressingReason)
	w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.ThrottledReason)
	w.run(11 * time.Minute)
	w.wantReady(c)
	if got := w.sim.Clients()[0].FullName; got != "Jane" {
		t.Errorf("SFS has the name %q", got)
	}
}

func TestATokenIsWithdrawnThatTheStatusDoesNotTellOf(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.reload(c)
	before := c.DeepCopy()
	c.Status.Token = nil // as after a crash between the Secret and the status
	if err := w.client.Status().Patch(t.Context(), c, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) })
	w.run(time.Minute)
	w.wantReady(c)
	if w.secret("shop-sfs-token") != nil || w.sim.LiveTokens(c.Status.ClientKey) != 0 {
		t.Error("the token is still there")
	}
}

func TestSecretsMaySwapTheirNames(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Name, c.Spec.Token.Secret.Name = "shop-sfs-token", "shop-sfs"
	})
	w.run(time.Minute)
	w.wantReady(c)
	w.tokenOf(c)
	if s := w.secret("shop-sfs-token"); string(s.Data["clientKey"]) != c.Status.ClientKey || s.Data["token"] != nil {
		t.Error("the Secret of identifiers is not what it should be")
	}
}

// apiOfSFS is SFS as somebody else who has the account uses it.
func (w *world) apiOfSFS() (*sendforsign.API, sendforsign.Auth) {
	w.t.Helper()
	api, err := sendforsign.New(w.sim.BaseURL(), sendforsign.WithRootCAs(certPool(w.sim.CABundle())))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(api.Close)
	return api, sendforsign.APIKey(w.sim.Credentials().APIKey)
}

func TestAClientThatIsGoneAtSFSIsNotMadeAnew(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.reload(c)
	w.sim.RemoveClient(c.Status.ClientKey)
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Annotations = map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "now"}
	})
	w.run(time.Hour)
	w.wantCondition(c, v1alpha1.SyncedCondition, metav1.ConditionFalse, v1alpha1.RemoteMissingReason, c.Status.ClientKey)
	w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.RemoteMissingReason)
	if n := len(w.sim.Clients()); n != 0 {
		t.Errorf("SFS has %d clients, want none", n)
	}
}

func TestDeletion(t *testing.T) {
	t.Run("revokes the token", func(t *testing.T) {
		w := newWorld(t)
		c := w.newSfsClient("shop")
		w.settle()
		w.reload(c)
		w.delete(c)
		w.settle()
		w.wantGone(c)
		if n := w.sim.LiveTokens(c.Status.ClientKey); n != 0 {
			t.Errorf("%d tokens live after the deletion", n)
		}
		if len(w.sim.Clients()) != 1 {
			t.Error("the client at SFS should be left alone")
		}
	})
	t.Run("leaves the token with revocationPolicy Never", func(t *testing.T) {
		w := newWorld(t)
		c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.Token.RevocationPolicy = v1alpha1.RevokeNever })
		w.settle()
		w.reload(c)
		if len(c.Finalizers) != 0 {
			t.Errorf("there is nothing to do on deletion, but the finalizers are %v", c.Finalizers)
		}
		w.delete(c)
		w.settle()
		w.wantGone(c)
		if n := w.sim.LiveTokens(c.Status.ClientKey); n != 1 {
			t.Errorf("%d tokens live, want 1", n)
		}
	})
	t.Run("waits for SFS no longer than a minute", func(t *testing.T) {
		w := newWorld(t)
		c := w.newSfsClient("shop")
		w.settle()
		w.sim.Inject(sfstest.Fault{Status: 503})
		w.delete(c)
		w.run(30 * time.Second)
		w.reload(c)
		w.run(40 * time.Second)
		w.wantGone(c)
		if n := w.recorder.count("shop", "NotRevoked"); n != 1 {
			t.Errorf("%d events say that the token was not revoked, want 1: %v", n, w.recorder.all())
		}
	})
	t.Run("waits no longer than the token lives", func(t *testing.T) {
		w := newWorld(t, sfstest.WithTokenLifetime(20*time.Second))
		c := w.newSfsClient("shop")
		w.settle()
		w.sim.Inject(sfstest.Fault{Status: 503})
		w.delete(c)
		w.run(21 * time.Second)
		w.wantGone(c)
	})
	t.Run("does not need the platform", func(t *testing.T) {
		w := newWorld(t)
		c := w.newSfsClient("shop")
		w.settle()
		w.delete(&v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: w.platform}})
		w.delete(c)
		w.settle()
		w.wantGone(c)
	})
	t.Run("does not need the credentials", func(t *testing.T) {
		w := newWorld(t)
		c := w.newSfsClient("shop")
		w.settle()
		w.delete(w.credentials(w.sim.Credentials()))
		w.delete(c)
		w.settle()
		w.wantGone(c)
	})
	t.Run("does not need a Secret", func(t *testing.T) {
		w := newWorld(t)
		c := w.newSfsClient("shop")
		w.settle()
		update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
		w.delete(w.secret("shop-sfs-token"))
		w.delete(c)
		w.settle()
		w.wantGone(c)
	})
}

func (w *world) wantGone(c *v1alpha1.SfsClient) {
	w.t.Helper()
	var list v1alpha1.SfsClientList
	if err := w.client.List(w.t.Context(), &list); err != nil {
		w.t.Fatal(err)
	}
	for _, item := range list.Items {
		if item.UID == c.UID {
			w.t.Fatalf("%s is still there: finalizers %v %s", c.Name, item.Finalizers, describe(&item))
		}
	}
}

// Somebody keeps deleting the token Secret: each repair costs a token.
func TestASecretThatSomebodyKeepsDeletingCostsNoStreamOfTokens(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.sim.ResetCalls()
	const deletions = 120
	for range deletions {
		for _, name := range []string{"shop-sfs", "shop-sfs-token"} {
			if s := w.secret(name); s != nil {
				w.delete(s)
			}
		}
		w.run(500 * time.Millisecond)
	}
	if n := w.sim.CountCalls("token", "create"); n > 14 {
		t.Errorf("%d tokens were minted in a minute, want two in each pause at most", n)
	}
	w.run(15 * time.Second)
	w.wantReady(c)
	w.tokenOf(c)
}
