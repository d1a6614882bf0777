// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

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
		spec  v1alpha1.SfsClientSpec
		want  string
		// stuck: whatever is at SFS, it would wait for somebody.
		stuck bool
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
		"not listed, and not to be created": {
			status: v1alpha1.SfsPlatformStatus{Orphans: listed(0), LastDriftCheckTime: checked},
			spec:   v1alpha1.SfsClientSpec{AdoptionPolicy: v1alpha1.AdoptionPolicyAdopt},
			want:   "it would not be created by adoptionPolicy Adopt (NothingToAdopt)", stuck: true,
		},
		"not listed, and only observed": {
			status: v1alpha1.SfsPlatformStatus{Orphans: listed(0), LastDriftCheckTime: checked},
			spec:   v1alpha1.SfsClientSpec{ManagementPolicy: v1alpha1.ManagementPolicyObserve},
			want:   "it would not be created by managementPolicy Observe (NothingToAdopt)", stuck: true,
		},
		"listed, and to be new": {
			status: v1alpha1.SfsPlatformStatus{Orphans: listed(1, "shop"), LastDriftCheckTime: checked},
			spec:   v1alpha1.SfsClientSpec{AdoptionPolicy: v1alpha1.AdoptionPolicyCreate},
			want:   "it would be refused by adoptionPolicy Create (AlreadyExists)", stuck: true,
		},
		"listed, and to be adopted": {
			status: v1alpha1.SfsPlatformStatus{Orphans: listed(1, "shop"), LastDriftCheckTime: checked},
			spec:   v1alpha1.SfsClientSpec{AdoptionPolicy: v1alpha1.AdoptionPolicyAdopt},
			want:   "it would be got back",
		},
		"not known, and to be new": {
			spec: v1alpha1.SfsClientSpec{AdoptionPolicy: v1alpha1.AdoptionPolicyCreate},
			want: "if it has, it would be refused by adoptionPolicy Create (AlreadyExists); else it would be created.",
		},
		"not known, and neither to be taken nor created": {
			spec: v1alpha1.SfsClientSpec{AdoptionPolicy: v1alpha1.AdoptionPolicyCreate, ManagementPolicy: v1alpha1.ManagementPolicyObserve},
			want: "does not tell", stuck: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &Planner{Clock: clocktesting.NewFakePassiveClock(now)}
			platform := &v1alpha1.SfsPlatform{Spec: v1alpha1.SfsPlatformSpec{CustomKeyPrefix: "acme"}, Status: c.status}
			step := &Step{}
			shop := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop"}, Spec: c.spec}
			p.derived(shop, platform, c.there, step)
			if got := strings.Join(step.Effects, "\n"); !strings.Contains(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if step.Stuck != c.stuck {
				t.Errorf("it would wait: %t", step.Stuck)
			}
		})
	}
}

// What has its client or user already needs the SfsPlatform all the same.
func TestThePlatformOfWhatIsBound(t *testing.T) {
	t.Parallel()
	const (
		open     = `{kind: SfsPlatform, metadata: {name: default}, spec: {allowedNamespaces: {names: [team-a]}}}`
		closed   = `{kind: SfsPlatform, metadata: {name: default}, spec: {allowedNamespaces: {names: [team-b]}}}`
		notReady = `{kind: SfsPlatform, metadata: {name: default}, spec: {allowedNamespaces: {names: [team-a]}},
			status: {conditions: [{type: Ready, status: "False", reason: CredentialsRejected, message: SFS refuses them}]}}`
		shop = `{kind: SfsClient, metadata: {namespace: team-a, name: shop}, spec: {platformRef: {name: default}}, status: {clientKey: c}}`
		jane = `{kind: SfsClientUser, metadata: {namespace: team-a, name: jane}, spec: {clientRef: {name: shop}}, status: {userKey: u, clientKey: c}}`
	)
	for name, c := range map[string]struct {
		others []string
		bound  string
		want   []string
		stuck  bool
	}{
		"a client, and it serves":        {[]string{open}, shop, []string{"It keeps the client c."}, false},
		"a client, and it does not":      {[]string{closed}, shop, []string{"(NamespaceNotAllowed)", "It keeps the client c."}, true},
		"a client, and it is not ready":  {[]string{notReady}, shop, []string{"SFS refuses them (CredentialsRejected)", "It keeps the client c."}, true},
		"a client, and there is none":    {nil, shop, []string{"(PlatformNotFound)", "It keeps the client c."}, true},
		"a user, and it serves":          {[]string{open, shop}, jane, []string{"It keeps the user u."}, false},
		"a user, and it does not":        {[]string{closed, shop}, jane, []string{"(NamespaceNotAllowed)", "It keeps the user u."}, true},
		"a user, and there is no client": {[]string{open}, jane, []string{"(ClientNotFound)", "It keeps the user u."}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &Planner{Client: fake.NewClientBuilder().WithScheme(scheme(t)).Build(), tried: map[id]*unstructured.Unstructured{}}
			for _, text := range append(c.others, c.bound) {
				o := object(t, text)
				o.SetAPIVersion(v1alpha1.GroupVersion.String())
				p.tried[idOf(o)] = o
			}
			bound := object(t, c.bound)
			bound.SetAPIVersion(v1alpha1.GroupVersion.String())
			step := &Step{}
			if err := p.follow(t.Context(), bound, bound, step); err != nil {
				t.Fatal(err)
			}
			if len(step.Effects) != len(c.want) || step.Stuck != c.stuck {
				t.Fatalf("got %q, it would wait: %t", step.Effects, step.Stuck)
			}
			for i, want := range c.want {
				if !strings.Contains(step.Effects[i], want) {
					t.Errorf("got %q, want %q", step.Effects[i], want)
				}
			}
		})
	}
}

// A user belongs to a client at SFS, and its derived customKey begins with what that is found by.
func TestWhatBecomesOfAUser(t *testing.T) {
	t.Parallel()
	client := func(spec v1alpha1.SfsClientSpec, status v1alpha1.SfsClientStatus) *v1alpha1.SfsClient {
		return &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop"}, Spec: spec, Status: status}
	}
	for name, c := range map[string]struct {
		owner *v1alpha1.SfsClient
		bound v1alpha1.SfsClientUserStatus
		want  string
	}{
		"of the client that it is bound to": {
			client(v1alpha1.SfsClientSpec{}, v1alpha1.SfsClientStatus{ClientKey: "c-1"}),
			v1alpha1.SfsClientUserStatus{UserKey: "u", ClientKey: "c-1"}, "It keeps the user u.",
		},
		"of a client that is not known yet": {
			client(v1alpha1.SfsClientSpec{}, v1alpha1.SfsClientStatus{}),
			v1alpha1.SfsClientUserStatus{UserKey: "u", ClientKey: "c-1"}, "It keeps the user u.",
		},
		"of another client than it is bound to": {
			client(v1alpha1.SfsClientSpec{}, v1alpha1.SfsClientStatus{ClientKey: "c-2", CustomKey: "acme/team-a/shop"}),
			v1alpha1.SfsClientUserStatus{UserKey: "u", ClientKey: "c-1"}, "customKey acme/team-a/shop/jane,",
		},
		"of an imported client": {
			client(v1alpha1.SfsClientSpec{ClientKey: "c-3"}, v1alpha1.SfsClientStatus{ClientKey: "c-3", CustomKey: "theirs"}),
			v1alpha1.SfsClientUserStatus{}, "customKey c-3/jane,",
		},
		"of a client that is to be imported": {
			client(v1alpha1.SfsClientSpec{ClientKey: "c-3"}, v1alpha1.SfsClientStatus{}),
			v1alpha1.SfsClientUserStatus{}, "customKey c-3/jane,",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			platform := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
			p := &Planner{
				Client: fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(c.owner, platform).Build(),
				tried:  map[id]*unstructured.Unstructured{},
			}
			jane := object(t, `{kind: SfsClientUser, metadata: {namespace: team-a, name: jane}, spec: {clientRef: {name: shop}}}`)
			p.tried[idOf(jane)] = jane
			live := jane.DeepCopy()
			live.Object["status"] = map[string]any{"userKey": c.bound.UserKey, "clientKey": c.bound.ClientKey}
			step := &Step{}
			if err := p.follow(t.Context(), jane, live, step); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(step.Effects, "\n"); !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	all := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(all); err != nil {
		t.Fatal(err)
	}
	return all
}
