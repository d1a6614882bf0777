// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// somebodyElse changes a client at SFS behind the operator's back.
func (w *world) somebodyElse(clientKey string, fields sendforsign.ClientFields) {
	w.t.Helper()
	if err := w.sfs().UpdateClient(w.t.Context(), sendforsign.APIKey(w.sim.Credentials().APIKey), clientKey, fields); err != nil {
		w.t.Fatal(err)
	}
}

// checkDriftEvery sets how often the platform lists what is at SFS, which it does whatever becomes of its clients.
func (w *world) checkDriftEvery(interval time.Duration) {
	w.t.Helper()
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.DriftCheckInterval = &metav1.Duration{Duration: interval} })
}

func called(fullName string) func(*v1alpha1.SfsClient) {
	return func(c *v1alpha1.SfsClient) { c.Spec.FullName = fullName }
}

func TestWhatOthersChangeAtSFSIsCorrected(t *testing.T) {
	w := newWorld(t)
	shop, other := w.newSfsClient("shop", called("The Shop")), w.newSfsClient("other")
	jane := w.newSfsClientUser("jane", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.FullName = "Jane" })
	w.settle()
	w.wantReady(shop, other, jane)
	w.somebodyElse(shop.Status.ClientKey, sendforsign.ClientFields{FullName: "Hijacked", Email: "x@y.example", CustomKey: "mine-now"})
	w.somebodyElse(other.Status.ClientKey, sendforsign.ClientFields{FullName: "A name that the spec does not ask for"})
	if err := w.sfs().UpdateUser(t.Context(), sendforsign.APIKey(w.sim.Credentials().APIKey), shop.Status.ClientKey, jane.Status.UserKey, sendforsign.UserFields{FullName: "Joan"}); err != nil {
		t.Fatal(err)
	}
	w.sim.ResetCalls()
	w.run(11 * time.Minute)
	w.wantReady(shop, other, jane)
	for _, c := range w.sim.Clients() {
		want := "The Shop acme/" + w.namespace + "/shop"
		if c.ClientKey == other.Status.ClientKey {
			want = "A name that the spec does not ask for acme/" + w.namespace + "/other"
		}
		if got := c.FullName + " " + c.CustomKey; got != want {
			t.Errorf("SFS has the client %q, want %q", got, want)
		}
	}
	for _, u := range w.sim.Users(shop.Status.ClientKey) {
		if u.UserKey == jane.Status.UserKey && u.FullName != "Jane" {
			t.Errorf("the user is called %s", u.FullName)
		}
	}
	if n := w.recorder.count("shop", "DriftCorrected"); n != 1 {
		t.Errorf("%d events of a correction, want 1", n)
	}
}

func TestOneListServesAllClientsOfAPlatform(t *testing.T) {
	w := newWorld(t)
	var all []*v1alpha1.SfsClient
	for i := range 20 {
		all = append(all, w.newSfsClient(fmt.Sprintf("shop-%d", i), called("Shop")))
	}
	w.newSfsClientUser("jane", "shop-0")
	w.newSfsClientUser("joe", "shop-0")
	w.settle()
	w.sim.ResetCalls()
	versions := map[string]string{}
	for _, c := range all {
		w.reload(c)
		versions[c.Name] = c.ResourceVersion
	}
	w.run(15 * time.Minute)
	if lists, reads, users := w.sim.CountCalls("client", "list"), w.sim.CountCalls("client", "read"), w.sim.CountCalls("user", "list"); lists != 1 || reads != 0 || users != 1 {
		t.Errorf("%d lists of clients, %d reads and %d lists of users in a quarter of an hour, want 1, 0 and 1", lists, reads, users)
	}
	for _, c := range all {
		if w.reload(c); c.ResourceVersion != versions[c.Name] {
			t.Errorf("%s was written although nothing has changed", c.Name)
		}
	}
	// A process that starts anew goes on where the one before it was.
	w.restart()
	w.sim.ResetCalls()
	w.settle()
	if n := w.sim.CountCalls("client", "list") + w.sim.CountCalls("user", "list"); n != 0 {
		t.Errorf("%d lists because of a restart, want none", n)
	}
}

func TestDriftThatIsOnlyReported(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", called("The Shop"), func(c *v1alpha1.SfsClient) { c.Spec.DriftPolicy = v1alpha1.DriftPolicyReport })
	w.settle()
	w.reload(c)
	w.somebodyElse(c.Status.ClientKey, sendforsign.ClientFields{FullName: "Renamed"})
	w.sim.ResetCalls()
	w.run(11 * time.Minute)
	w.wantCondition(c, v1alpha1.SyncedCondition, metav1.ConditionFalse, v1alpha1.DriftDetectedReason)
	w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.DriftDetectedReason)
	if p := c.Status.PendingChanges; len(p) != 1 || p[0] != (v1alpha1.PendingChange{Field: "fullName", From: "Renamed", To: "The Shop"}) {
		t.Errorf("pendingChanges are %+v", p)
	}
	synced := c.Status.LastSyncTime
	w.run(20 * time.Minute)
	if w.reload(c); w.sim.CountCalls("client", "update") != 0 || w.sim.CountCalls("client", "read") != 1 || !c.Status.LastSyncTime.Equal(synced) {
		t.Errorf("what is known was looked at or changed again: %v", w.sim.Calls())
	}
	update(w, c, called("The Best Shop"))
	w.settle()
	w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.AvailableReason)
	if got := w.sim.Clients()[0].FullName; got != "The Best Shop" || len(c.Status.PendingChanges) != 0 {
		t.Errorf("a change of the spec was not carried out: SFS has %q, pending is %+v", got, c.Status.PendingChanges)
	}
	// It is also seen when somebody puts it right at SFS.
	w.somebodyElse(c.Status.ClientKey, sendforsign.ClientFields{FullName: "Wrong"})
	w.run(11 * time.Minute)
	w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.DriftDetectedReason)
	w.somebodyElse(c.Status.ClientKey, sendforsign.ClientFields{FullName: "The Best Shop"})
	w.run(11 * time.Minute)
	w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.AvailableReason)
}

func TestTwoManagersThatUndoEachOtherAreNoticed(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", called("The Shop"))
	w.settle()
	w.reload(c)
	key := c.Status.ClientKey
	meddle := func() { w.somebodyElse(key, sendforsign.ClientFields{FullName: "Theirs"}) }
	w.sim.ResetCalls()
	for range 6 {
		if w.sim.Clients()[0].FullName == "The Shop" {
			meddle()
		}
		w.run(10 * time.Minute)
	}
	w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ConflictingManagerReason, "somebody else")
	w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.IssuedReason)
	w.tokenOf(c)
	ours := func() int { return w.recorder.count("shop", "DriftCorrected") }
	if n := ours(); n != 2 {
		t.Errorf("%d corrections before it was noticed, want 2", n)
	}
	// Also the next process does not begin again.
	w.restart()
	w.run(25 * time.Minute)
	if n := ours(); n != 2 {
		t.Errorf("%d corrections after a restart, want the 2 from before", n)
	}
	w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ConflictingManagerReason)
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Annotations = map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "now"}
	})
	w.settle()
	w.wantReady(c)
	if n := ours(); n != 3 || w.sim.Clients()[0].FullName != "The Shop" {
		t.Errorf("%d corrections after a person asked for one, want 3", n)
	}
	// What happens once in a while is no conflict.
	for range 3 {
		w.run(2 * time.Hour)
		meddle()
		w.run(11 * time.Minute)
	}
	w.wantReady(c)
	if n := ours(); n != 6 {
		t.Errorf("%d corrections, want 6", n)
	}
}

// TestAListThatIsCutIsNoReasonForAnything has SFS leave a client out of a list that it cuts.
func TestAListThatIsCutIsNoReasonForAnything(t *testing.T) {
	w := newWorld(t, sfstest.WithBehaviour(sfstest.Behaviour{ListLimit: 1}))
	a, b := w.newSfsClient("a"), w.newSfsClient("b")
	w.settle()
	w.run(25 * time.Minute)
	w.wantReady(a, b)
	if len(w.sim.Clients()) != 2 {
		t.Errorf("SFS has %d clients, want 2", len(w.sim.Clients()))
	}
}

func TestAClientThatIsGoneAtSFSIsNoticed(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.reload(c)
	w.sim.RemoveClient(c.Status.ClientKey)
	w.run(11 * time.Minute)
	w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.RemoteMissingReason, c.Status.ClientKey)
	if conditions.Get(c, v1alpha1.TokenValidCondition) == nil || w.sim.CountCalls("client", "create") != 1 {
		t.Errorf("another one was made: %d creates", w.sim.CountCalls("client", "create"))
	}
}

func TestAValueThatSomebodyHasMadeLongOrOddIsShownInPart(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", called("The Shop"), func(c *v1alpha1.SfsClient) { c.Spec.DriftPolicy = v1alpha1.DriftPolicyReport })
	w.settle()
	w.reload(c)
	w.somebodyElse(c.Status.ClientKey, sendforsign.ClientFields{FullName: "a\nb\x00" + strings.Repeat("é", 500_000)})
	w.run(11 * time.Minute)
	w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.DriftDetectedReason)
	if p := c.Status.PendingChanges; len(p) != 1 || p[0].From != "a?b?"+strings.Repeat("é", 124)+"…" {
		t.Errorf("pendingChanges are %+v", p)
	}
}
