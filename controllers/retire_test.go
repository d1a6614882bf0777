// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

func retiring(c *v1alpha1.SfsClient) { c.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetire }

func TestAClientThatIsRetainedIsFoundAgain(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.reload(c)
	key := c.Status.ClientKey
	w.delete(c)
	w.settle()
	w.collectGarbage()
	again := w.newSfsClient("shop")
	w.settle()
	w.wantReady(again)
	if again.Status.ClientKey != key || again.Status.Origin != v1alpha1.OriginRecovered {
		t.Errorf("want the client %s again, have %+v", key, again.Status)
	}
}

func TestAClientThatIsRetiredIsNotFoundAgain(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", retiring)
	u := w.newSfsClientUser("jane", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetire })
	w.settle()
	w.wantReady(c, u)
	key, user := c.Status.ClientKey, u.Status.UserKey
	w.delete(u)
	w.settle()
	w.collectGarbage()
	again := w.newSfsClientUser("jane", "shop")
	w.settle()
	w.wantReady(again)
	if again.Status.UserKey == user || !w.isGone(u) && u.UID != again.UID {
		t.Errorf("want another user than %s, have %+v", user, again.Status)
	}
	for _, at := range w.sim.Users(key) {
		if at.UserKey == user && !strings.HasPrefix(at.CustomKey, "acme/"+w.namespace+"/shop/jane#retired-") {
			t.Errorf("the retired user has the customKey %s", at.CustomKey)
		}
	}
	w.delete(again)
	w.delete(c)
	w.settle()
	if !w.isGone(c) || w.sim.LiveTokens(key) != 0 {
		t.Error("the SfsClient is still there, or its token")
	}
	w.collectGarbage()
	next := w.newSfsClient("shop")
	w.settle()
	w.wantReady(next)
	if next.Status.ClientKey == key || next.Status.Origin != v1alpha1.OriginCreated || len(w.sim.Clients()) != 2 {
		t.Errorf("want a new client, have %+v", next.Status)
	}
	if w.recorder.count("shop", "Retired") != 1 || w.recorder.count("jane", "Retired") != 1 {
		t.Errorf("want an event for each, have %v", w.recorder.all())
	}
}

// retiredMark stands between the customKey of what was retired and the time of that.
const retiredMark = "#retired-"

// isRetired says whether a client has the customKey of one that was retired.
func (w *world) isRetired(clientKey string) bool {
	return slices.ContainsFunc(w.sim.Clients(), func(at sendforsign.Client) bool {
		return at.ClientKey == clientKey && strings.Contains(at.CustomKey, retiredMark)
	})
}

func TestADeletionEndsWhateverFails(t *testing.T) {
	down := sfstest.Fault{Status: 503}
	for name, c := range map[string]struct {
		before    func(*world)
		fault     *sfstest.Fault
		behaviour sfstest.Behaviour
		within    time.Duration
		event     string
	}{
		"SFS is away":                         {fault: &down, within: time.Minute, event: "NotRetired"},
		"the platform is deleted as well":     {before: func(w *world) { w.delete(w.sfsPlatform()) }, within: time.Second, event: "Retired"},
		"the credentials are gone":            {before: func(w *world) { w.delete(w.credentials(w.sim.Credentials())) }, within: time.Second, event: "NotRetired"},
		"the credentials have been replaced":  {before: func(w *world) { w.sim.RotateCredentials(); w.restart() }, within: time.Minute, event: "NotRetired"},
		"SFS does not show what came of it":   {fault: &sfstest.Fault{Endpoint: "client", Action: "read", Status: 503}, within: time.Minute, event: "NotRetired"},
		"SFS refuses to show what came of it": {fault: &sfstest.Fault{Endpoint: "client", Action: "read", Status: 422}, within: time.Second, event: "NotRetired"},
		"SFS changes no customKey":            {behaviour: sfstest.Behaviour{CustomKeyUpdate: sfstest.UpdateIgnored}, within: time.Second, event: "NotRetired"},
		"SFS refuses a change of a customKey": {behaviour: sfstest.Behaviour{CustomKeyUpdate: sfstest.Update400}, within: time.Second, event: "NotRetired"},
		"SFS forgot the client":               {before: func(w *world) { w.sim.RemoveClient(w.sim.Clients()[0].ClientKey) }, within: time.Second, event: "NotRetired"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sfstest.WithBehaviour(c.behaviour))
			shop := w.newSfsClient("shop", retiring)
			w.settle()
			w.wantReady(shop)
			key := shop.Status.ClientKey
			if c.before != nil {
				c.before(w)
			}
			if c.fault != nil {
				w.sim.Inject(*c.fault)
			}
			w.delete(shop)
			w.run(c.within + 5*time.Second) // the clock of the API server may be ahead of this one by what the test took
			if !w.isGone(shop) {
				t.Fatalf("it is still there after %s: %v", c.within, shop.Finalizers)
			}
			if n := w.recorder.count("shop", c.event); n != 1 {
				t.Errorf("%d events %s, want 1: %v", n, c.event, w.recorder.all())
			}
			if told := strings.Join(w.recorder.all(), "\n"); c.event == "NotRetired" && w.isRetired(key) && !strings.Contains(told, "may be as it was") {
				t.Errorf("it is told for sure that the client is not retired, and it is: %s", told)
			}
		})
	}
}

func TestAResourceThatHasNoRightToAClientDoesNotRetireIt(t *testing.T) {
	w := newWorld(t)
	w.adopting(w.legacyRule())
	older := w.newSfsClient("a-older", named("legacy-7"))
	w.settle()
	w.reload(older)
	younger := w.newSfsClient("b-younger", named("legacy-7"), retiring)
	w.settle()
	w.reload(younger)
	before := younger.DeepCopy()
	younger.Status.ClientKey, younger.Status.CustomKey = older.Status.ClientKey, "legacy-7"
	if err := w.client.Status().Patch(t.Context(), younger, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.delete(younger)
	w.settle()
	if got := w.sim.Clients()[0].CustomKey; got != "legacy-7" {
		t.Errorf("the client of the older one has the customKey %s now", got)
	}
	if w.isGone(older) {
		t.Error("the older one is gone")
	}
}

func TestWhatIsDoneForADeletionIsDoneOnce(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", retiring)
	w.settle()
	w.sim.ResetCalls()
	w.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "update", Status: 503, Times: 1})
	w.delete(c)
	w.watch()
	// The finalizer of the token goes, of which the cache knows nothing: that of the retirement can not be taken away.
	w.fallBehind(1000, 30*time.Second, clientKind)
	w.run(time.Minute)
	if !w.isGone(c) {
		t.Fatal("the SfsClient is still there")
	}
	if revoked, retired := w.sim.CountCalls("token", "revoke"), w.sim.CountCalls("client", "update"); revoked != 1 || retired != 2 {
		t.Errorf("the token was revoked %d times, and the customKey changed %d times, of which one failed; want 1 and 2", revoked, retired)
	}
	w.collectGarbage()
	// The next one of the name is another one.
	next := w.newSfsClient("shop", retiring)
	w.settle()
	w.wantReady(next)
	w.sim.ResetCalls()
	w.delete(next)
	w.run(time.Minute)
	if retired := w.sim.CountCalls("client", "update"); !w.isGone(next) || retired != 1 {
		t.Errorf("the next client was retired %d times, want once", retired)
	}
}

func TestWhatMayHaveBeenMadeAndIsNotRetiredIsTold(t *testing.T) {
	w := newWorld(t)
	w.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "create", Status: 503, Apply: true, Times: 1})
	c := w.newSfsClient("shop", retiring)
	w.run(time.Second / 2) // it is not looked up yet
	w.wantCondition(c, v1alpha1.SyncedCondition, metav1.ConditionFalse, v1alpha1.CreateOutcomeUnknownReason)
	w.delete(c)
	w.run(time.Second)
	if !w.isGone(c) || w.recorder.count("shop", "NotRetired") != 1 {
		t.Errorf("want it gone, and an event that says what may be left: %v", w.recorder.all())
	}
}
