// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/token"
)

func TestTokenClass(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	left := func(life, left time.Duration) *token.Token {
		return &token.Token{Issued: now.Add(left - life), Expires: now.Add(left)}
	}
	for name, test := range map[string]struct {
		token *token.Token
		want  class
	}{
		"no token was ever published":           {want: classLosing},
		"it is new":                             {token: left(1800*time.Second, 1800*time.Second), want: classRenewal},
		"it can be counted on for two minutes":  {token: left(1800*time.Second, 240*time.Second), want: classRenewal},
		"it can be counted on for less":         {token: left(1800*time.Second, 240*time.Second-1), want: classLosing},
		"it can no longer be counted on":        {token: left(1800*time.Second, time.Second), want: classLosing},
		"it is dead":                            {token: left(1800*time.Second, 0), want: classLosing},
		"it lives for a minute, of which 24 s":  {token: left(time.Minute, 24*time.Second), want: classRenewal},
		"it lives for a minute, of which 23 s":  {token: left(time.Minute, 23*time.Second), want: classLosing},
		"it has been dead for a very long time": {token: left(1800*time.Second, -time.Hour), want: classLosing},
	} {
		if got := tokenClass(test.token, now); got != test.want {
			t.Errorf("%s: class %d, want %d", name, got, test.want)
		}
	}
}

// A renewal that waits for its turn behind much other work comes back when it has become more urgent, and no later than at its
// turn.
func TestADeferralEndsWhenTheStepBecomesMoreUrgent(t *testing.T) {
	t.Parallel()
	const urgent = 4 * time.Minute
	for wait, want := range map[time.Duration]time.Duration{
		100 * time.Millisecond: 100 * time.Millisecond,
		time.Minute:            time.Minute,
		10 * time.Minute:       urgent,
	} {
		if got := waitOf(t, step{sooner: urgent}.inTime(deferred{after: wait})); got != want {
			t.Errorf("with a turn in %s it comes back in %s, want %s", wait, got, want)
		}
		if got := waitOf(t, step{}.inTime(deferred{after: wait})); got != wait {
			t.Errorf("with the same urgency for ever a turn in %s becomes one in %s", wait, got)
		}
	}
}

func TestUrgencyOfAUser(t *testing.T) {
	t.Parallel()
	user := func(userKey string, generation int64, suspended bool) *v1alpha1.SfsClientUser {
		u := &v1alpha1.SfsClientUser{ObjectMeta: metav1.ObjectMeta{Generation: generation}}
		u.Spec.Suspend, u.Status.UserKey, u.Status.ObservedGeneration = suspended, userKey, 1
		return u
	}
	for name, test := range map[string]struct {
		user *v1alpha1.SfsClientUser
		want int
	}{
		"it is as it was":                     {user("key", 1, false), urgencyRoutine},
		"it is new":                           {user("", 1, false), urgencyDue},
		"its spec has changed":                {user("key", 2, false), urgencyAsked},
		"it is suspended":                     {user("", 1, true), urgencyRoutine},
		"it is new, and its spec has changed": {user("", 2, false), urgencyDue},
	} {
		if got := (&UserReconciler{}).urgency(t.Context(), test.user); got != test.want {
			t.Errorf("%s: its urgency is %d, want %d", name, got, test.want)
		}
	}
}

func TestUrgencyOfAToken(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	left := func(left time.Duration) *token.Token {
		return &token.Token{Issued: now.Add(left - 1800*time.Second), Expires: now.Add(left)}
	}
	last := urgencyExpired + 1
	for _, next := range []struct {
		what  string
		token *token.Token
	}{
		{"it has expired", left(0)}, {"it is about to expire", left(time.Minute)}, {"it is missing", nil}, {"it lives", left(10 * time.Minute)},
	} {
		got := tokenUrgency(next.token, now)
		if got >= last {
			t.Errorf("%s: the urgency is %d, want less than %d, that of the one before", next.what, got, last)
		}
		last = got
	}
	if last <= urgencyAsked+urgencyTurn {
		t.Errorf("a renewal has the urgency %d, not more than what somebody has changed and has a turn", last)
	}
}
