// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// fateOf says what became of a Secret that held a key of somebody else.
func fateOf(before, after *corev1.Secret) string {
	switch {
	case after == nil:
		return "deleted"
	case string(after.Data[v1alpha1.KeyClientKey]) == string(before.Data[v1alpha1.KeyClientKey]):
		return "stays as it is"
	case string(after.Data["theirs"]) == "x" && after.Labels[v1alpha1.OwnerLabel] == "" && len(after.Annotations) == 0:
		return "stays, without the keys of the operator"
	}
	return fmt.Sprintf("something else: %+v", after)
}

// TestSecretPolicies finds out what each combination does, and compares it with the matrix of the docs.
func TestSecretPolicies(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "docs", "secret-shapes.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, creation := range []v1alpha1.SecretCreationPolicy{v1alpha1.SecretOwner, v1alpha1.SecretOrphan, v1alpha1.SecretMerge} {
		for _, deletion := range []v1alpha1.SecretDeletionPolicy{v1alpha1.SecretDelete, v1alpha1.SecretRetain} {
			row := behaviourOf(t, creation, deletion)
			if !strings.Contains(string(raw), row+"\n") {
				t.Errorf("docs/secret-shapes.md does not say\n%s", row)
			}
		}
	}
}

// behaviourOf is a row of the matrix: who makes the Secret, whether it has an owner reference, what becomes of it when it is
// deleted by hand, when the spec names another one, and when the resource is deleted.
func behaviourOf(t *testing.T, creation v1alpha1.SecretCreationPolicy, deletion v1alpha1.SecretDeletionPolicy) string {
	t.Helper()
	cells := []string{string(creation), string(deletion)}
	policy := func(name string) func(*v1alpha1.SfsClient) {
		return func(c *v1alpha1.SfsClient) {
			c.Spec.Secret.Name, c.Spec.Secret.CreationPolicy, c.Spec.Secret.DeletionPolicy = name, creation, deletion
		}
	}
	w := newWorld(t)
	w.collects = true
	c := w.newSfsClient("shop", policy("ids"))
	w.settle()
	makes := "the operator"
	if w.secret("ids") == nil {
		makes = "somebody else"
		w.wantCondition(c, v1alpha1.SecretReadyCondition, metav1.ConditionFalse, v1alpha1.SecretNotFoundReason)
		w.newSecretOf("ids")
		w.newSecretOf("other")
		w.run(time.Minute)
	}
	w.wantReady(c)
	reference := "no"
	if metav1.IsControlledBy(w.secret("ids"), c) {
		reference = "yes"
	}
	update(w, w.secret("ids"), func(s *corev1.Secret) { s.Data["theirs"] = []byte("x") })
	w.settle()
	before := w.secret("ids")

	update(w, c, policy("other"))
	w.run(formerGracePeriod + time.Minute)
	w.wantReady(c)
	renamed := fateOf(before, w.secret("ids"))

	update(w, w.secret("other"), func(s *corev1.Secret) { s.Data["theirs"] = []byte("x") })
	w.settle()
	before = w.secret("other")
	w.delete(c)
	w.run(2 * time.Minute)
	if w.there[refTo(c)] != nil {
		t.Errorf("%s, %s: the deletion does not end", creation, deletion)
	}
	return "| " + strings.Join(append(cells, makes, reference, renamed, fateOf(before, w.secret("other"))), " | ") + " |"
}

func (w *world) newSecretOf(name string) {
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Data: map[string][]byte{"theirs": []byte("x")}})
}

func TestASecretThatIsMergedIntoKeepsWhatIsTheirs(t *testing.T) {
	w := newWorld(t)
	w.newSecretOf("app")
	update(w, w.secret("app"), func(s *corev1.Secret) {
		s.Labels = map[string]string{v1alpha1.ManagedByLabel: "helm"}
		s.Data[v1alpha1.KeyToken] = []byte("theirs")
	})
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.Token.Secret.Name, c.Spec.Token.Secret.CreationPolicy = "app", v1alpha1.SecretMerge
	})
	w.settle()
	// A key that is there is not taken from whoever put it there.
	w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.SecretConflictReason)
	if n := w.sim.LiveTokens(c.Status.ClientKey); n > 1 {
		t.Errorf("%d tokens were minted for a Secret that can not be written", n)
	}
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Spec.Token.Secret.Keys = map[string]v1alpha1.SecretKey{"token": "sfs-token"}
	})
	w.run(time.Minute)
	w.wantReady(c)
	wantAlive := func() {
		t.Helper()
		s := w.secret("app")
		if info, _ := w.sim.TokenState(string(s.Data["sfs-token"])); !info.Alive {
			t.Errorf("sfs-token is no living token: %+v", info)
		}
		if string(s.Data["theirs"]) != "x" || string(s.Data["token"]) != "theirs" || s.Labels[v1alpha1.ManagedByLabel] != "helm" {
			t.Errorf("what is theirs was changed: %v %v", s.Labels, s.Data)
		}
	}
	wantAlive()
	w.run(time.Hour)
	wantAlive()
	update(w, w.secret("app"), func(s *corev1.Secret) { delete(s.Data, "sfs-token") })
	w.run(time.Minute)
	wantAlive()
	w.delete(c)
	w.run(time.Second)
	s := w.secret("app")
	if len(s.Data) != 2 || len(s.Annotations) != 0 || len(s.Labels) != 1 || w.there[refTo(c)] != nil {
		t.Errorf("want what is theirs and nothing else, have %v %v %v", s.Labels, s.Annotations, s.Data)
	}
}

func TestTheTypeAndTheImmutabilityOfASecretAreHandled(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	typed := func(name string) func(*v1alpha1.SfsClient) {
		return func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Type, c.Spec.Secret.Type = name, name }
	}
	update(w, c, typed("example.com/sfs"))
	w.run(time.Minute)
	w.wantReady(c)
	for _, name := range []string{"shop-sfs", "shop-sfs-token"} {
		if s := w.secret(name); s.Type != "example.com/sfs" {
			t.Errorf("Secret %s is of type %s", name, s.Type)
		}
	}
	yes := true
	for _, name := range []string{"shop-sfs", "shop-sfs-token"} {
		update(w, w.secret(name), func(s *corev1.Secret) { s.Immutable, s.Labels = &yes, nil })
	}
	w.run(time.Minute)
	w.wantReady(c)
	if _, s := w.tokenOf(c); s.Immutable != nil {
		t.Error("it is still immutable")
	}
	update(w, w.secret("shop-sfs-token"), func(s *corev1.Secret) { s.Immutable = &yes })
	w.run(time.Hour)
	w.wantReady(c)
	w.tokenOf(c)
	// A type that demands other keys is refused by the API server, and what is there stays.
	update(w, c, typed("kubernetes.io/tls"))
	w.run(time.Minute)
	w.wantCondition(c, v1alpha1.SecretReadyCondition, metav1.ConditionFalse, v1alpha1.SecretWriteFailedReason)
}

func TestOfTwoThatNameOneSecretTheOlderHasIt(t *testing.T) {
	w := newWorld(t)
	named := func(c *v1alpha1.SfsClient) { c.Spec.Secret.Name = "ids" }
	older := w.newSfsClient("a-older", named)
	younger := w.newSfsClient("b-younger", named) // perhaps in the same second: then the name decides
	user := w.newSfsClientUser("c-jane", "a-older", func(u *v1alpha1.SfsClientUser) { u.Spec.Secret.Name = "ids" })
	w.pass(ref{kind: clientKind, namespace: w.namespace, name: "b-younger"}) // whichever the operator looks at first
	w.run(time.Minute)
	w.wantReady(older)
	for _, o := range []object{younger, user} {
		w.wantCondition(o, v1alpha1.SecretReadyCondition, metav1.ConditionFalse, v1alpha1.SecretConflictReason)
		w.wantCondition(o, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.SecretConflictReason)
	}
	if owner := metav1.GetControllerOf(w.secret("ids")); owner == nil || owner.Name != "a-older" {
		t.Errorf("it belongs to %v", owner)
	}
	update(w, older, func(c *v1alpha1.SfsClient) { c.Spec.Secret.Name = "" })
	w.run(formerGracePeriod + time.Second)
	w.wantReady(younger)
	if owner := metav1.GetControllerOf(w.secret("ids")); owner == nil || owner.Name != "b-younger" {
		t.Errorf("it belongs to %v", owner)
	}
}

func TestSecretsHaveTheShapeThatIsAskedFor(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Formats = []v1alpha1.SecretFormat{{Format: "env"}}
		c.Spec.Secret.Template.Metadata.Labels = map[string]v1alpha1.SecretLabelValue{"team": "blue"}
		c.Spec.Token.Secret.Keys = map[string]v1alpha1.SecretKey{"token": "access_token", "issuedAt": ""}
		c.Spec.Token.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"header": "Authorization: Bearer {{ .token }}"}
		c.Spec.Token.Secret.Template.Metadata.Annotations = map[string]v1alpha1.SecretAnnotationValue{"reloader.stakater.com/ignore": "false"}
	})
	w.settle()
	w.wantReady(c)
	ids, held := w.secret("shop-sfs"), w.secret("shop-sfs-token")
	if ids.Labels["team"] != "blue" || !strings.Contains(string(ids.Data["credentials.env"]), "SFS_CLIENT_KEY="+c.Status.ClientKey) {
		t.Errorf("the Secret of identifiers is %v %s", ids.Labels, ids.Data["credentials.env"])
	}
	value := string(held.Data["access_token"])
	if info, _ := w.sim.TokenState(value); !info.Alive || string(held.Data["header"]) != "Authorization: Bearer "+value ||
		held.Data["token"] != nil || held.Data["issuedAt"] != nil || held.Annotations["reloader.stakater.com/ignore"] != "false" {
		t.Errorf("the token Secret has %v", slices.Sorted(maps.Keys(held.Data)))
	}

	// Another shape is another form of the same token, also for another process.
	w.run(repairPause)
	w.restart()
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Keys["token"] = "bearer" })
	w.run(time.Minute)
	w.wantReady(c)
	if got := string(w.secret("shop-sfs-token").Data["bearer"]); got != value || w.sim.LiveTokens(c.Status.ClientKey) != 1 {
		t.Errorf("want the same token under another key, have %v", w.sim.Calls())
	}

	// One that can not be is told, and the token goes on in the last one.
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Spec.Token.Secret.Template.Data["header"] = "first\n{{ .tokn }}"
	})
	w.run(time.Hour)
	w.reload(c)
	w.wantCondition(c, v1alpha1.SecretReadyCondition, metav1.ConditionFalse, v1alpha1.TemplateErrorReason)
	w.wantCondition(c, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.TemplateErrorReason)
	message := readyMessage(c)
	if !strings.Contains(message, "spec.token.secret.template.data[header]") || !strings.Contains(message, "line 2") {
		t.Errorf("the message is %q", message)
	}
	last := w.secret("shop-sfs-token")
	if info, _ := w.sim.TokenState(string(last.Data["bearer"])); !info.Alive || string(last.Data["header"]) != "Authorization: Bearer "+string(last.Data["bearer"]) {
		t.Errorf("the token was not renewed in its last form: %+v", info)
	}
	w.delete(last)
	w.run(time.Minute)
	if again := w.secret("shop-sfs-token"); again == nil || !maps.EqualFunc(again.Data, last.Data, bytes.Equal) {
		t.Errorf("the Secret that was deleted is not back in its last form, have %v", again)
	}

	// With Replace there is nothing but the template.
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Spec.Token.Secret.Keys = nil
		c.Spec.Token.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"config": "token={{ .token }}"}
		c.Spec.Token.Secret.Template.MergePolicy = v1alpha1.TemplateReplace
	})
	w.run(time.Minute)
	w.wantReady(c)
	for range 3 {
		s := w.secret("shop-sfs-token")
		value, _ := strings.CutPrefix(string(s.Data["config"]), "token=")
		if info, _ := w.sim.TokenState(value); !info.Alive || len(s.Data) != 1 {
			t.Errorf("the Secret has %v, and a token %+v", slices.Sorted(maps.Keys(s.Data)), info)
		}
		w.restart()
		w.run(30 * time.Minute)
	}
	w.wantReady(c)
}

func readyMessage(o object) string {
	for _, c := range *o.GetConditions() {
		if c.Type == v1alpha1.ReadyCondition {
			return c.Message
		}
	}
	return ""
}

// What an apply leaves out is taken away, but somebody has to notice that there is something to leave out.
func TestWhatTheTemplateNoLongerSaysIsTakenAway(t *testing.T) {
	w := newWorld(t)
	said := v1alpha1.SecretMetadata{
		Labels:      map[string]v1alpha1.SecretLabelValue{"team": "x", "tier": "y"},
		Annotations: map[string]v1alpha1.SecretAnnotationValue{"example.com/a": "b"},
	}
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Template.Metadata, c.Spec.Token.Secret.Template.Metadata = said, said
	})
	u := w.newSfsClientUser("jane", "shop", func(u *v1alpha1.SfsClientUser) { u.Spec.Secret.Template.Metadata = said })
	w.settle()
	w.wantReady(c, u)
	names := []string{"shop-sfs", "shop-sfs-token", "jane-sfs-user"}
	wantMetadata := func(team, tier, annotation string) {
		t.Helper()
		for _, name := range names {
			s := w.secret(name)
			if s.Labels["team"] != team || s.Labels["tier"] != tier || s.Annotations["example.com/a"] != annotation {
				t.Errorf("%s has the labels %v and the annotations %v", name, s.Labels, s.Annotations)
			}
		}
	}
	wantMetadata("x", "y", "b")
	token := w.valueOf(c)
	said.Labels = map[string]v1alpha1.SecretLabelValue{"team": "x"}
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Template.Metadata, c.Spec.Token.Secret.Template.Metadata = said, said
	})
	update(w, u, func(u *v1alpha1.SfsClientUser) { u.Spec.Secret.Template.Metadata = said })
	w.restart() // what is known in memory only does not help
	w.settle()
	wantMetadata("x", "", "b")
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Template, c.Spec.Token.Secret.Template = v1alpha1.SecretTemplate{}, v1alpha1.SecretTemplate{}
	})
	update(w, u, func(u *v1alpha1.SfsClientUser) { u.Spec.Secret.Template = v1alpha1.SecretTemplate{} })
	w.settle()
	wantMetadata("", "", "")
	w.wantReady(c, u)
	if w.valueOf(c) != token {
		t.Error("another token was made, though the one that was there lives")
	}
}

// It is known only when the cache shows that Secret, and the operator's own writes bring nobody back.
func TestASecretThatHasAnOwnerAgainNeedsNoFinalizer(t *testing.T) {
	w := newWorld(t)
	c, u := w.newSfsClient("shop"), w.newSfsClientUser("jane", "shop")
	w.settle()
	w.wantReady(c, u)
	before := c.Finalizers
	orphaned := func(policy v1alpha1.SecretCreationPolicy) {
		update(w, c, func(c *v1alpha1.SfsClient) {
			c.Spec.Secret.CreationPolicy, c.Spec.Token.Secret.CreationPolicy = policy, policy
		})
		update(w, u, func(u *v1alpha1.SfsClientUser) { u.Spec.Secret.CreationPolicy = policy })
		w.settle()
		w.wantReady(c, u)
	}
	orphaned(v1alpha1.SecretOrphan)
	for _, o := range []client.Object{c, u} {
		if !slices.Contains(o.GetFinalizers(), v1alpha1.ReleaseSecretsFinalizer) {
			t.Errorf("%s has the finalizers %v", o.GetName(), o.GetFinalizers())
		}
	}
	orphaned(v1alpha1.SecretOwner)
	if !slices.Equal(c.Finalizers, before) || len(u.Finalizers) > 0 {
		t.Errorf("the finalizers are %v and %v, want %v and none", c.Finalizers, u.Finalizers, before)
	}
}

// The garbage collector takes what was written for an owner that is gone; from a Secret of somebody else nobody does.
func TestNothingIsMergedForAnOwnerThatIsGone(t *testing.T) {
	w := newWorld(t)
	w.newSecretOf("app")
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Name, c.Spec.Secret.CreationPolicy = "app", v1alpha1.SecretMerge
	})
	w.settle()
	w.wantReady(c)
	w.look()
	before := maps.Clone(w.there)
	w.delete(c)
	w.run(2 * time.Minute)
	if len(w.secret("app").Data) != 1 {
		t.Fatalf("Secret app has the keys %v, want its own only", slices.Sorted(maps.Keys(w.secret("app").Data)))
	}
	w.restartWith(before)
	w.fallBehind(100, time.Minute, clientKind)
	w.run(5 * time.Minute)
	if s := w.secret("app"); len(s.Data) != 1 || len(s.Labels)+len(s.Annotations) > 0 {
		t.Errorf("Secret app has the keys %v, the labels %v and the annotations %v, want its own only", slices.Sorted(maps.Keys(s.Data)), s.Labels, s.Annotations)
	}
}
