// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

func TestAUserGetsItsKeyAndItsSecret(t *testing.T) {
	w := newWorld(t)
	u := w.newSfsClientUser("jane", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.FullName, u.Spec.Email = "Jane Roe", "jane@shop.example" })
	w.settle()
	w.wantCondition(u, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ClientNotFoundReason, "shop")
	w.wantCondition(u, v1alpha1.ReconcilingCondition, metav1.ConditionTrue, v1alpha1.ClientNotFoundReason)
	c := w.newSfsClient("shop")
	w.settle()
	w.wantReady(c, u)
	users := w.sim.Users(c.Status.ClientKey)
	if len(users) != 2 {
		t.Fatalf("SFS has %d users, want the default one and jane", len(users))
	}
	jane := users[1]
	if jane.CustomKey != c.Status.CustomKey+"/jane" || jane.FullName != "Jane Roe" || jane.Email != "jane@shop.example" || jane.UserKey != u.Status.UserKey {
		t.Errorf("SFS has %+v, status is %+v", jane, u.Status)
	}
	wantData(t, w.secret("jane-sfs-user"), map[string]string{
		"userKey": jane.UserKey, "SFS_USER_KEY": jane.UserKey,
		"clientKey": c.Status.ClientKey, "SFS_CLIENT_KEY": c.Status.ClientKey, "baseURL": w.sim.BaseURL(),
	})
	if len(u.Finalizers) != 0 {
		t.Errorf("there is nothing to do on deletion, but the finalizers are %v", u.Finalizers)
	}
}

func TestThereIsOneUserWhateverHappensToTheCreate(t *testing.T) {
	for name, fault := range map[string]sfstest.Fault{
		"the connection is lost after the create took effect":  {Endpoint: "user", Action: "create", Times: 1, CutAfter: true},
		"the connection is lost before the create took effect": {Endpoint: "user", Action: "create", Times: 1, CutBefore: true},
		"the create takes effect and is answered 500":          {Endpoint: "user", Action: "create", Times: 1, Status: 500, Apply: true},
		"the answer to the create can not be read":             {Endpoint: "user", Action: "create", Times: 1, Malformed: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sim.Inject(fault)
			c, u := w.newSfsClient("shop"), w.newSfsClientUser("jane", "shop")
			w.settle()
			w.run(5 * time.Minute)
			w.wantReady(c, u)
			if n := len(w.sim.Users(c.Status.ClientKey)); n != 2 {
				t.Errorf("SFS has %d users, want the default one and jane", n)
			}
			if u.Status.CreateIntent != nil || u.Status.Origin != v1alpha1.OriginCreated {
				t.Errorf("status is %+v", u.Status)
			}
		})
	}
}

func TestTheDefaultUserIsBoundAndNotMade(t *testing.T) {
	for name, behaviour := range map[string]sfstest.Behaviour{
		"SFS says which it is":         {},
		"SFS does not say which it is": {DefaultUser: sfstest.DefaultUserHidden},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sfstest.WithBehaviour(behaviour))
			boss := w.newSfsClientUser("boss", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.Default, u.Spec.FullName = true, "The Boss" })
			c := w.newSfsClient("shop")
			w.settle()
			w.wantReady(c, boss)
			users := w.sim.Users(c.Status.ClientKey)
			if len(users) != 1 || users[0].UserKey != boss.Status.UserKey || users[0].FullName != "The Boss" {
				t.Errorf("SFS has the users %+v, the default one is bound to %s", users, boss.Status.UserKey)
			}
			if users[0].CustomKey != boss.Status.CustomKey {
				t.Errorf("the default user has the customKey %q, by which it can not be found again; want %q", users[0].CustomKey, boss.Status.CustomKey)
			}
			if got := string(w.secret("shop-sfs").Data["userKey"]); got != boss.Status.UserKey {
				t.Errorf("userKey in the Secret of the client is %q, want %q", got, boss.Status.UserKey)
			}
			rival := w.newSfsClientUser("rival", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.Default = true })
			w.run(time.Minute)
			w.wantCondition(rival, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ClientTakenReason, "SfsClientUser boss", "older")
			w.wantReady(boss)
		})
	}
}

func TestAChangedUserIsCarriedToSFS(t *testing.T) {
	w := newWorld(t)
	c, u := w.newSfsClient("shop"), w.newSfsClientUser("jane", "shop")
	w.settle()
	w.sim.ResetCalls()
	update(w, u, func(u *v1alpha1.SfsClientUser) { u.Spec.FullName = "Jane Roe" })
	w.settle()
	w.wantReady(c, u)
	if got := w.sim.Users(c.Status.ClientKey)[1]; got.FullName != "Jane Roe" {
		t.Errorf("SFS has %+v", got)
	}
	if l, n := w.sim.CountCalls("user", "list"), w.sim.CountCalls("user", "update"); l != 1 || n != 1 || len(w.sim.Calls()) != 2 {
		t.Errorf("want one list and one update, have %v", w.sim.Calls())
	}
}

// Between the create of a user and the next pass its client may have been given up for another one.
func TestAKeyThatCouldNotBeSavedIsOfItsClientOnly(t *testing.T) {
	w := newWorld(t)
	u := w.newSfsClientUser("jane", "shop") // there is no such client yet
	w.settle()
	w.parts.users.creator.unsaved.put(refTo(u), unsavedKey{
		of: u.UID, customKey: "acme/" + w.namespace + "/shop/jane", within: "another client", key: "of-another-client",
	})
	c := w.newSfsClient("shop")
	w.run(time.Minute)
	w.wantReady(c, u)
	if users := w.sim.Users(c.Status.ClientKey); !slices.ContainsFunc(users, func(at sendforsign.User) bool { return at.UserKey == u.Status.UserKey }) {
		t.Errorf("its client has no user %s: %+v", u.Status.UserKey, users)
	}
}
