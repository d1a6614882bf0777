// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/campaign"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// operation is one change of one field; a value of nil takes the field away.
type operation struct {
	kind, path string
	edit       edit
	bad        bool
}

func (o operation) String() string {
	value := fmt.Sprintf("%v", o.edit.value)
	if o.edit.value == nil {
		value = "unset"
	}
	return fmt.Sprintf("%s %s=%.24s", o.kind, o.path, value)
}

// operations are all that the table knows, always in the same order.
func operations() []operation {
	var all []operation
	for _, kind := range []string{clientKind, platformKind, userKind} {
		fields := editedFields()[kind]
		for _, path := range slices.Sorted(maps.Keys(fields)) {
			field := fields[path]
			for _, e := range field.good {
				all = append(all, operation{kind, path, e, field.fixed})
			}
			for _, v := range field.bad {
				all = append(all, operation{kind, path, edit{value: v}, true})
			}
			if !field.kept {
				all = append(all, operation{kind, path, field.unset, field.required || field.fixed})
			}
		}
	}
	return all
}

// laterPlans have together, as far as they go together, the values whose effect is seen later.
var laterPlans = [][]string{
	{
		"SfsClient managementPolicy=Observe", "SfsClient token.previousTokenGracePeriod=3m", "SfsClient token.verification=Probe",
		"SfsClientUser driftPolicy=Report", "SfsClientUser deletionPolicy=Retire", "SfsPlatform nextCredentialsSecretRef.name=next",
	},
	{
		"SfsClient driftPolicy=Report", "SfsClient deletionPolicy=Retire", "SfsClient token.revocationPolicy=Never",
		"SfsClientUser managementPolicy=Observe", "SfsPlatform nextCredentialsSecretRef.name=missing",
	},
}

// editPlans are laterPlans, each operation alone, and then sequences of up to three as chance makes them.
func editPlans(seed uint64, total int) [][]operation {
	all := operations()
	var plans [][]operation
	for _, names := range laterPlans {
		var plan []operation
		for _, name := range names {
			plan = append(plan, all[slices.IndexFunc(all, func(o operation) bool { return o.String() == name })])
		}
		plans = append(plans, plan)
	}
	for _, o := range all {
		plans = append(plans, []operation{o})
	}
	chance := rand.New(rand.NewPCG(seed, 1))
	for len(plans) < total {
		plan := make([]operation, 2+chance.IntN(2))
		for i := range plan {
			plan[i] = all[chance.IntN(len(all))]
		}
		plans = append(plans, plan)
	}
	return plans
}

// TestCampaignSpecEdits edits the specs as people do, by and by, in good ways and bad ones. The API server refuses what
// is bad, and then nothing has changed; what is good is carried out; and once all is as it was in the spec, all is as it
// was in the cluster and at SFS.
func TestCampaignSpecEdits(t *testing.T) {
	c := campaign.Start(t, "spec-edits")
	const total, sample, each = 600, 22, 40 // plans; those of a bounded run, beside the later ones; how many share a world
	plans := editPlans(c.Seed, total)
	if !c.Full && c.Plan == "" {
		some, rest := slices.Clone(plans[:len(laterPlans)]), plans[len(laterPlans):]
		for i := range sample {
			some = append(some, rest[i*len(rest)/sample])
		}
		plans = some
	}
	if c.Plan != "" {
		plans = slices.DeleteFunc(plans, func(plan []operation) bool { return planName(plan) != c.Plan })
	}
	for at := 0; at < len(plans); at += each {
		t.Run(fmt.Sprint("from plan ", at), func(t *testing.T) {
			e := newEditor(t, c)
			for i, plan := range plans[at:min(at+each, len(plans))] {
				e.try(plan, i%5 == 0)
				c.Tried(fmt.Sprintf("sequences of %d", len(plan)), 1)
				if t.Failed() {
					break // the world is not as it was
				}
			}
		})
	}
}

func planName(plan []operation) string {
	names := make([]string, len(plan))
	for i, o := range plan {
		names[i] = o.String()
	}
	return strings.Join(names, "; ")
}

// editor is one world whose specs are edited.
type editor struct {
	t        *testing.T
	c        *campaign.Campaign
	w        *world
	client   *v1alpha1.SfsClient
	user     *v1alpha1.SfsClientUser
	platform *v1alpha1.SfsPlatform
	specs    map[string]any // by kind, as they were
	state    string
	waiting  string // a token that waits for its revocation when the specs are taken back
	fresh    int
	plan     string
}

func newEditor(t *testing.T, c *campaign.Campaign) *editor {
	t.Helper()
	w := newWorld(t)
	w.mayRestart() // or each target would be refused
	e := &editor{t: t, c: c, w: w, platform: &v1alpha1.SfsPlatform{}, specs: map[string]any{}}
	e.platform.Name = w.platform
	w.create(w.pair("next", w.sim.Credentials()))
	// What is absent in a spec is left as it is at SFS, so all is set that is to come back.
	e.client = w.newSfsClient("globex", func(c *v1alpha1.SfsClient) {
		c.Spec.FullName, c.Spec.Email, c.Spec.Organization = "Globex", "a@globex.example", "Globex Corporation"
	})
	e.user = w.newSfsClientUser("jane", "globex", func(u *v1alpha1.SfsClientUser) {
		u.Spec.FullName, u.Spec.Email = "Jane", "jane@globex.example"
	})
	w.run(2 * time.Minute)
	w.wantReady(e.client, e.user, e.platform)
	for kind := range editedFields() {
		e.specs[kind] = e.read(kind).Object["spec"]
	}
	e.state = stateOf(w, e.client, e.user)
	return e
}

func (e *editor) broken(format string, args ...any) {
	e.t.Helper()
	e.c.Broken(e.t, e.plan, format, args...)
}

func (e *editor) read(kind string) *unstructured.Unstructured {
	e.t.Helper()
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	key := client.ObjectKeyFromObject(map[string]client.Object{clientKind: e.client, userKind: e.user, platformKind: e.platform}[kind])
	if err := e.w.client.Get(e.t.Context(), key, o); err != nil {
		e.t.Fatal(err)
	}
	return o
}

func (e *editor) try(plan []operation, compareWithFresh bool) {
	e.t.Helper()
	e.plan, e.waiting = planName(plan), ""
	in := map[string]edit{} // what is in force, by kind and path
	for _, o := range plan {
		if e.apply(o) {
			in[o.kind+" "+o.path] = o.edit
		}
		e.run(0)
	}
	settling := 3 * time.Minute
	if strings.Contains(e.plan, "secret.name") {
		settling += formerGracePeriod
	}
	e.run(settling)
	stops, mutes, ofPlatform := false, false, false
	for where, made := range in {
		stops, mutes = stops || made.stops, mutes || made.mutes
		ofPlatform = ofPlatform || strings.HasPrefix(where, platformKind)
	}
	if !stops {
		e.checkReady()
	}
	reached := stateOf(e.w, e.client, e.user)
	spec := [2]any{e.read(clientKind).Object["spec"], e.read(userKind).Object["spec"]}
	if !stops {
		e.judgeEffects(in)
	}
	e.takeBack()
	if compareWithFresh && !stops && !mutes && !ofPlatform {
		e.compareWithFresh(reached, spec)
	}
}

// refusals are those by rules that speak of several fields, so that a good value may meet them.
var refusals = []string{
	"previousTokenGracePeriod needs revocationPolicy OnRotate",
	"deletionPolicy Retire changes the",
	"must differ: one Secret is stable",
	"secret.deletionPolicy Retain needs revocationPolicy Never",
}

// apply carries an operation out, and says whether the API server let it pass.
func (e *editor) apply(o operation) bool {
	e.t.Helper()
	found := e.read(o.kind)
	before := found.DeepCopy()
	assign(found, o.path, o.edit.value)
	for path, value := range o.edit.with {
		assign(found, path, value)
	}
	err := e.w.client.Patch(e.t.Context(), found, client.MergeFrom(before))
	now := e.read(o.kind)
	same := fmt.Sprint(before.Object["spec"]) == fmt.Sprint(now.Object["spec"]) && before.GetGeneration() == now.GetGeneration()
	crossed := err != nil && slices.ContainsFunc(refusals, func(r string) bool { return strings.Contains(err.Error(), r) })
	switch {
	case err == nil && o.bad && !same:
		e.broken("%s: the API server lets it pass", o)
	case err != nil && !apierrors.IsInvalid(err):
		e.broken("%s: %v", o, err)
	case err != nil && !o.bad && !crossed:
		e.broken("%s: the API server refuses it: %v", o, err)
	case err != nil && !same:
		e.broken("%s: it was refused, and there is something else all the same", o)
	}
	return err == nil && !same
}

// assign sets a field of a spec, or takes it away.
func assign(o *unstructured.Unstructured, path string, value any) {
	fields := append([]string{"spec"}, strings.Split(path, ".")...)
	if value == nil {
		unstructured.RemoveNestedField(o.Object, fields...)
		return
	}
	at := o.Object
	for _, name := range fields[:len(fields)-1] {
		next, ok := at[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[name] = next
		}
		at = next
	}
	at[fields[len(fields)-1]] = value
}

func (e *editor) checkReady() {
	e.t.Helper()
	for _, o := range []object{e.platform, e.client, e.user} {
		e.w.reload(o)
		if !conditions.IsTrue(o, v1alpha1.ReadyCondition) {
			e.broken("%T is not Ready, though its spec is good: %s", o, describe(o))
		}
	}
	if e.client.TokenEnabled() {
		s := e.w.secret(e.client.TokenSecretName())
		if s == nil {
			e.broken("there is no Secret %s", e.client.TokenSecretName())
		} else if info, known := e.w.sim.TokenState(string(s.Data[v1alpha1.KeyToken])); !known || !info.Alive {
			e.broken("the token in Secret %s does not live", s.Name)
		}
	}
	e.checkFinalizers()
	e.checkNextCredentials()
	for _, kind := range []string{clientKind, userKind} {
		held := e.held(kind)
		e.checkSynced(held, held.observed)
	}
}

// takeBack makes all specs what they were, after which all has to be as it was.
func (e *editor) takeBack() {
	e.t.Helper()
	for kind, spec := range e.specs {
		found := e.read(kind)
		before := found.DeepCopy()
		found.Object["spec"] = spec
		if err := e.w.client.Patch(e.t.Context(), found, client.MergeFrom(before)); err != nil {
			e.broken("the old spec of the %s is refused: %v", kind, err)
		}
	}
	e.run(12*time.Minute - quiet)
	e.run(quiet)
	if n := e.w.sim.CountCalls("client", "read"); n > 0 {
		e.broken("the client is read %d times in %s, though nobody asks for it any more", n, quiet)
	}
	if info, known := e.w.sim.TokenState(e.waiting); known && info.Revoked {
		e.broken("a token was revoked by a policy that was taken back")
	}
	if state := stateOf(e.w, e.client, e.user); state != e.state {
		e.broken("the specs are as they were, and this is not: %s", unlike(e.state, state))
	}
	if n := len(e.w.sim.Clients()); n != 1+e.fresh {
		e.broken("SFS has %d clients, want %d", n, 1+e.fresh)
	}
}

// compareWithFresh wants what a sequence of edits has led to to be what a new resource of that spec comes to.
func (e *editor) compareWithFresh(reached string, specs [2]any) {
	e.t.Helper()
	e.fresh++
	names := [2]string{fmt.Sprint("globex-", e.fresh), fmt.Sprint("jane-", e.fresh)}
	c, u := &v1alpha1.SfsClient{}, &v1alpha1.SfsClientUser{}
	for i, kind := range []string{clientKind, userKind} {
		o := &unstructured.Unstructured{Object: map[string]any{"spec": specs[i]}}
		o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
		o.SetNamespace(e.w.namespace)
		o.SetName(names[i])
		if kind == userKind {
			assign(o, "clientRef.name", names[0])
		}
		e.w.create(o)
	}
	c.Namespace, c.Name, u.Namespace, u.Name = e.w.namespace, names[0], e.w.namespace, names[1]
	e.w.run(3 * time.Minute)
	e.w.reload(c)
	e.w.reload(u)
	if fresh := stateOf(e.w, c, u); onlySpecified(fresh, c, u) != onlySpecified(reached, c, u) {
		e.broken("new resources of the same spec come to something else: %s", unlike(onlySpecified(reached, c, u), onlySpecified(fresh, c, u)))
	}
	for _, o := range []client.Object{u, c} {
		e.w.delete(o)
	}
	e.w.run(2 * time.Minute)
	e.removeOrphans()
}
