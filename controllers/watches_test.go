// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// updateCase is one change of an object, and whether somebody wants to know of it.
type updateCase struct {
	reason        string
	before, after client.Object
	want          bool
}

func checkUpdates(t *testing.T, p predicate.Predicate, cases map[string]updateCase) {
	t.Helper()
	for name, c := range cases {
		if got := p.Update(event.UpdateEvent{ObjectOld: c.before, ObjectNew: c.after}); got != c.want {
			t.Errorf("%s is let through: %t, want %t: %s", name, got, c.want, c.reason)
		}
	}
}

func revisionedSecret(revision string, data string) *corev1.Secret {
	s := &corev1.Secret{Data: map[string][]byte{"clientKey": []byte(data)}}
	s.Labels = map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedByValue, v1alpha1.OwnerLabel: "u"}
	s.Annotations = map[string]string{v1alpha1.KeysAnnotation: "clientKey"}
	s.Annotations[v1alpha1.ContentHashAnnotation] = sealOf(s.Data, []string{"clientKey"}, s.Annotations)
	if revision != "" {
		s.Annotations[v1alpha1.RevisionAnnotation] = revision
	}
	return s
}

func tampered(s *corev1.Secret) *corev1.Secret {
	s.Data["clientKey"] = []byte("z")
	return s
}

func TestChangedByOthers(t *testing.T) {
	t.Parallel()
	p := changedByOthers()
	checkUpdates(t, p, map[string]updateCase{
		"a write of the operator": {
			reason: "it knows what it wrote", before: revisionedSecret("7", "a"), after: revisionedSecret("8", "b"), want: false,
		},
		"a write of the operator that skips revisions": {
			reason: "the watch may have missed some", before: revisionedSecret("7", "a"), after: revisionedSecret("12", "b"), want: false,
		},
		"a write of the operator from nine to ten": {
			reason: "revisions are numbers", before: revisionedSecret("9", "a"), after: revisionedSecret("10", "b"), want: false,
		},
		"the first write of the operator": {
			reason: "the Secret was there before", before: revisionedSecret("", "a"), after: revisionedSecret("1", "b"), want: false,
		},
		"a write of the operator and an edit after it, seen together": {
			reason: "the edit has to be put right", before: revisionedSecret("7", "a"), after: tampered(revisionedSecret("8", "b")), want: true,
		},
		"an edit of the data": {
			reason: "it has to be put right", before: revisionedSecret("7", "a"), after: revisionedSecret("7", "b"), want: true,
		},
		"an edit that takes the revision away": {
			reason: "it has to be put back", before: revisionedSecret("7", "a"), after: revisionedSecret("", "a"), want: true,
		},
		"an edit that makes the revision no number": {
			reason: "it counts as none", before: revisionedSecret("7", "a"), after: revisionedSecret("x", "a"), want: true,
		},
		"an older state that is put back": {
			reason: "as from a backup", before: revisionedSecret("7", "a"), after: revisionedSecret("6", "b"), want: true,
		},
	})
	secret := revisionedSecret("7", "a")
	if p.Create(event.CreateEvent{Object: secret}) {
		t.Error("the creation of a Secret is let through: a start would look at everything twice")
	}
	if !p.Delete(event.DeleteEvent{Object: secret}) {
		t.Error("the deletion of a Secret is not let through")
	}
}

func annotated(generation int64, annotations map[string]string) *v1alpha1.SfsClient {
	return &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Generation: generation, Annotations: annotations}}
}

func another(c *v1alpha1.SfsClient) *v1alpha1.SfsClient {
	c.UID = "another"
	return c
}

func TestWantsAttention(t *testing.T) {
	t.Parallel()
	p := wantsAttention()
	withStatus := annotated(1, nil)
	withStatus.Status.ClientKey = "key-1"
	ready, unready := annotated(1, nil), annotated(1, nil)
	now := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	conditions.Set(ready, now, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.AvailableReason, "all is well")
	conditions.Set(unready, now, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.PlatformNotFoundReason, "there is none")
	withFinalizer := annotated(1, nil)
	withFinalizer.Finalizers = []string{v1alpha1.RevokeTokenFinalizer}
	labelled := annotated(1, nil)
	labelled.Labels = map[string]string{"team": "a"}
	deleted := annotated(2, nil) // the API server counts a deletion as a generation
	deleted.DeletionTimestamp = &metav1.Time{Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	cases := map[string]updateCase{
		"nothing":     {reason: "a resync is not wanted", before: annotated(1, nil), after: annotated(1, nil), want: false},
		"the spec":    {reason: "the user wants something", before: annotated(1, nil), after: annotated(2, nil), want: true},
		"the status":  {reason: "the operator wrote it", before: annotated(1, nil), after: withStatus, want: false},
		"Ready":       {reason: "a pass may have seen an older state", before: ready, after: unready, want: true},
		"a finalizer": {reason: "the operator wrote it", before: annotated(1, nil), after: withFinalizer, want: false},
		"a label":     {reason: "it means nothing here", before: annotated(1, nil), after: labelled, want: false},
		"another object of this name": {
			reason: "a watch that was interrupted shows it so", before: annotated(1, nil), after: another(annotated(1, nil)), want: true,
		},
		"a deletion": {reason: "the token has to be revoked", before: withFinalizer, after: deleted, want: true},
		"another annotation": {
			reason: "it means nothing here", before: annotated(1, nil), after: annotated(1, map[string]string{"note": "x"}), want: false,
		},
	}
	for _, name := range []string{
		v1alpha1.ReconcileRequestedAtAnnotation, v1alpha1.RenewRequestedAtAnnotation, v1alpha1.PausedAnnotation,
	} {
		one, two := map[string]string{name: "1"}, map[string]string{name: "2"}
		cases[name+" that is set"] = updateCase{reason: "the user wants something", before: annotated(1, nil), after: annotated(1, one), want: true}
		cases[name+" that is changed"] = updateCase{reason: "the user wants something", before: annotated(1, one), after: annotated(1, two), want: true}
		cases[name+" that is taken away"] = updateCase{reason: "as when a pause ends", before: annotated(1, one), after: annotated(1, nil), want: true}
		cases[name+" that stays"] = updateCase{reason: "nothing new is wanted", before: annotated(1, one), after: annotated(1, one), want: false}
	}
	checkUpdates(t, p, cases)
	o := annotated(1, nil)
	if !p.Create(event.CreateEvent{Object: o}) || !p.Delete(event.DeleteEvent{Object: o}) {
		t.Error("a creation or a deletion is not let through")
	}
}

func TestPlatformChanged(t *testing.T) {
	t.Parallel()
	platform := func(change func(*v1alpha1.SfsPlatform)) *v1alpha1.SfsPlatform {
		p := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Status: v1alpha1.SfsPlatformStatus{
			CredentialsRevision: "5",
			Conditions: []metav1.Condition{
				{Type: v1alpha1.CredentialsValidCondition, Status: metav1.ConditionTrue, Reason: v1alpha1.VerifiedReason},
				{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: v1alpha1.AvailableReason},
			},
		}}
		change(p)
		return p
	}
	as := platform(func(*v1alpha1.SfsPlatform) {})
	checkUpdates(t, platformChanged(), map[string]updateCase{
		"nothing":  {reason: "a thousand clients would look", before: as, after: as, want: false},
		"the spec": {reason: "it may serve another namespace", before: as, after: platform(func(p *v1alpha1.SfsPlatform) { p.Generation = 2 }), want: true},
		"other credentials": {
			reason: "they may do more", before: as, after: platform(func(p *v1alpha1.SfsPlatform) { p.Status.CredentialsRevision = "6" }), want: true,
		},
		"credentials that are refused": {
			reason: "clients say so", before: as,
			after: platform(func(p *v1alpha1.SfsPlatform) { p.Status.Conditions[0].Status = metav1.ConditionFalse }), want: true,
		},
		"another reason": {
			reason: "clients repeat it", before: as,
			after: platform(func(p *v1alpha1.SfsPlatform) { p.Status.Conditions[0].Reason = "Throttled" }), want: true,
		},
		"the first verdict": {
			reason: "clients go on", before: platform(func(p *v1alpha1.SfsPlatform) { p.Status.Conditions = nil }), after: as, want: true,
		},
		"another condition": {
			reason: "clients do not look at it", before: as,
			after: platform(func(p *v1alpha1.SfsPlatform) { p.Status.Conditions[1].Status = metav1.ConditionFalse }), want: false,
		},
		"the number of clients": {
			reason: "each would wake all the others", before: as,
			after: platform(func(p *v1alpha1.SfsPlatform) {
				p.Status.Clients = &v1alpha1.ClientCount{Total: ptr.To[int32](1), Ready: ptr.To[int32](1)}
			}), want: false,
		},
		"a pause": {
			reason: "clients come back by themselves", before: as,
			after: platform(func(p *v1alpha1.SfsPlatform) {
				p.Status.ThrottledUntil = &metav1.Time{Time: time.Unix(1, 0)}
				p.Status.Conditions = append(p.Status.Conditions, metav1.Condition{Type: v1alpha1.ThrottledCondition, Status: metav1.ConditionTrue})
			}), want: false,
		},
		"the observed generation": {
			reason: "clients do not look at it", before: as,
			after: platform(func(p *v1alpha1.SfsPlatform) { p.Status.ObservedGeneration = 1 }), want: false,
		},
	})
}

func TestKeyAndLabelPredicates(t *testing.T) {
	t.Parallel()
	sfsClient := func(key, user string) *v1alpha1.SfsClient {
		return &v1alpha1.SfsClient{Status: v1alpha1.SfsClientStatus{ClientKey: key, DefaultUserKey: user}}
	}
	checkUpdates(t, clientKeyChanged(), map[string]updateCase{
		"the first clientKey":         {reason: "users wait for it", before: sfsClient("", ""), after: sfsClient("k", ""), want: true},
		"the key of the default user": {reason: "a default user waits for it", before: sfsClient("k", ""), after: sfsClient("k", "u"), want: true},
		"anything else":               {reason: "users do not look at it", before: sfsClient("k", "u"), after: sfsClient("k", "u"), want: false},
	})
	user := func(key string) *v1alpha1.SfsClientUser {
		return &v1alpha1.SfsClientUser{Status: v1alpha1.SfsClientUserStatus{UserKey: key}}
	}
	checkUpdates(t, userKeyChanged(), map[string]updateCase{
		"the first userKey": {reason: "its client publishes it", before: user(""), after: user("u"), want: true},
		"anything else":     {reason: "its client does not look at it", before: user("u"), after: user("u"), want: false},
	})
	namespace := func(labels map[string]string) *metav1.PartialObjectMetadata {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
	}
	checkUpdates(t, labelsChanged(), map[string]updateCase{
		"a label":       {reason: "a selector may fit now", before: namespace(nil), after: namespace(map[string]string{"sfs": "yes"}), want: true},
		"another value": {reason: "a selector may fit now", before: namespace(map[string]string{"sfs": "no"}), after: namespace(map[string]string{"sfs": "yes"}), want: true},
		"anything else": {reason: "no selector looks at it", before: namespace(nil), after: namespace(map[string]string{}), want: false},
	})
}

func TestTheRateLimiterOfTheQueuesStaysWithinTheMargin(t *testing.T) {
	t.Parallel()
	limiter := rateLimiter()
	var last time.Duration
	for i := range 100 {
		wait := limiter.When(ctrl.Request{})
		if wait < last || wait > 30*time.Second {
			t.Fatalf("failure %d waits for %s after %s", i, wait, last)
		}
		last = wait
	}
	if last != 30*time.Second {
		t.Errorf("the longest wait is %s", last)
	}
	other := ctrl.Request{}
	other.Name = strconv.Itoa(1)
	if wait := limiter.When(other); wait != 100*time.Millisecond {
		t.Errorf("the first failure of another waits for %s", wait)
	}
}

func TestCredentialSecrets(t *testing.T) {
	t.Parallel()
	platform := &v1alpha1.SfsPlatform{}
	platform.Spec.CredentialsSecretRef.Name = "now"
	if got := credentialSecrets(platform); !slices.Equal(got, []string{"now"}) {
		t.Errorf("got %v, want the present Secret", got)
	}
	platform.Spec.NextCredentialsSecretRef = &v1alpha1.CredentialsSecretReference{Name: "next"}
	if got := credentialSecrets(platform); !slices.Equal(got, []string{"now", "next"}) {
		t.Errorf("got %v, want both: a change of either is to wake the platform", got)
	}
	for active, want := range map[string]string{"": "now", "next": "next", "now": "now", "former": "now"} {
		platform.Status.ActiveCredentialsSecretRef = nil
		if active != "" {
			platform.Status.ActiveCredentialsSecretRef = &v1alpha1.SecretReference{Name: active}
		}
		if got := activeSecret(platform); got != want {
			t.Errorf("with %q in the status the pair of %s is in use, want %s", active, got, want)
		}
	}
}
