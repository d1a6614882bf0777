// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// The orphans leave out clients whose SfsClient was there when they were listed: it may be gone since.
func TestWhatTheOrphansSayOfAClient(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	checked := ptr.To(metav1.NewTime(now.Add(-7 * time.Minute)))
	listed := func(count int32, names ...string) *v1alpha1.OrphanStatus {
		o := &v1alpha1.OrphanStatus{Count: &count}
		for _, name := range names {
			o.Clients = append(o.Clients, v1alpha1.OrphanedClient{ClientKey: "key-of-" + name, CustomKey: "acme/team-a/" + name})
		}
		return o
	}
	for name, c := range map[string]struct {
		status v1alpha1.SfsPlatformStatus
		// there: the SfsClient is, without a client.
		there bool
		want  string
	}{
		"not listed": {
			status: v1alpha1.SfsPlatformStatus{Orphans: listed(1, "other"), LastDriftCheckTime: checked},
			want: "No orphan with the customKey acme/team-a/shop was listed 7m ago: it would be created; " +
				"if its SfsClient was deleted since, it would be got back.",
		},
		"not listed since it was there": {
			status: v1alpha1.SfsPlatformStatus{Orphans: listed(1, "other"), LastDriftCheckTime: checked}, there: true,
			want: "does not tell whether SFS has a client with the customKey acme/team-a/shop",
		},
		"listed": {
			status: v1alpha1.SfsPlatformStatus{Orphans: listed(1, "shop"), LastDriftCheckTime: checked},
			want:   "SFS has the client key-of-shop with the customKey acme/team-a/shop: it would be got back.",
		},
		"more than are named": {
			status: v1alpha1.SfsPlatformStatus{Orphans: listed(2, "other"), LastDriftCheckTime: checked},
			want:   "does not tell whether SFS has a client with the customKey acme/team-a/shop",
		},
		"never listed, though there is a time from which on they are": {
			status: v1alpha1.SfsPlatformStatus{LastDriftCheckTime: checked},
			want:   "does not tell whether SFS has a client with the customKey acme/team-a/shop",
		},
		"listed at no known time": {
			status: v1alpha1.SfsPlatformStatus{Orphans: listed(0)},
			want:   "does not tell whether SFS has a client with the customKey acme/team-a/shop",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &Planner{Clock: clocktesting.NewFakePassiveClock(now)}
			platform := &v1alpha1.SfsPlatform{Spec: v1alpha1.SfsPlatformSpec{CustomKeyPrefix: "acme"}, Status: c.status}
			step := &Step{}
			p.derived(&v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop"}}, platform, c.there, step)
			if got := strings.Join(step.Effects, "\n"); !strings.Contains(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
