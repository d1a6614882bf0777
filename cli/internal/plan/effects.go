// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/utils/ptr"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// atSFS are the fields of a spec that SFS holds.
var atSFS = []string{"spec.fullName", "spec.email", "spec.organization"}

// follow says what a document would bring about at SFS.
func (p *Planner) follow(ctx context.Context, document, live *unstructured.Unstructured, step *Step) error {
	planned := p.tried[idOf(document)]
	switch document.GetKind() {
	case "SfsClient":
		c, was := &v1alpha1.SfsClient{}, &v1alpha1.SfsClient{}
		if err := convert(planned, live, c, was); err != nil {
			return err
		}
		if was.Status.ClientKey != "" {
			step.keeps("client", was.Status.ClientKey, c.IsObserved(), c.IsSuspended())
			return nil
		}
		return p.newClient(ctx, c, live != nil, step)
	case "SfsClientUser":
		u, was := &v1alpha1.SfsClientUser{}, &v1alpha1.SfsClientUser{}
		if err := convert(planned, live, u, was); err != nil {
			return err
		}
		if was.Status.UserKey != "" {
			step.keeps("user", was.Status.UserKey, u.IsObserved(), u.IsSuspended())
			return nil
		}
		return p.newUser(ctx, u, step)
	}
	return nil
}

func convert(planned, live *unstructured.Unstructured, to, was any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(planned.Object, to); err != nil {
		return fmt.Errorf("reading the %s %s: %w", planned.GetKind(), planned.GetName(), err)
	}
	if live == nil {
		return nil
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, was); err != nil {
		return fmt.Errorf("reading the %s %s: %w", live.GetKind(), live.GetName(), err)
	}
	return nil
}

func (s *Step) say(format string, args ...any) {
	s.Effects = append(s.Effects, fmt.Sprintf(format, args...))
}

// stuck says what it would wait for.
func (s *Step) stuck(reason, format string, args ...any) {
	s.Stuck = true
	s.say(format+" ("+reason+")", args...)
}

// keeps is about what stands at SFS already.
func (s *Step) keeps(what, key string, observed, suspended bool) {
	var fields []string
	for _, change := range s.Changes {
		if slices.Contains(atSFS, change.Field) && change.To != "" {
			fields = append(fields, strings.TrimPrefix(change.Field, "spec."))
		}
	}
	switch {
	case len(fields) == 0:
		s.say("It keeps the %s %s.", what, key)
	case suspended:
		s.say("It keeps the %s %s. It is suspended: nothing is changed at SFS until it goes on.", what, key)
	case observed:
		s.say("It keeps the %s %s. managementPolicy Observe: %s would be listed in status.pendingChanges, and not changed at SFS.",
			what, key, strings.Join(fields, ", "))
	default:
		s.say("It keeps the %s %s; %s would be changed at SFS.", what, key, strings.Join(fields, ", "))
	}
}

func (p *Planner) newClient(ctx context.Context, c *v1alpha1.SfsClient, there bool, step *Step) error {
	name := cmp.Or(c.Spec.PlatformRef.Name, "default") // the API server says so, unless it could not be asked
	found, err := p.get(ctx, v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "SfsPlatform", "", name)
	switch {
	case apierrors.IsForbidden(err):
		step.say("You may not read the SfsPlatform %s: whether it serves this namespace, and what there is at SFS, is not known.", name)
		found = nil
	case err != nil:
		return fmt.Errorf("reading the SfsPlatform %s: %w", name, err)
	case found == nil:
		step.stuck(v1alpha1.PlatformNotFoundReason, "There is no SfsPlatform %s", name)
	}
	platform := &v1alpha1.SfsPlatform{}
	if found != nil {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(found.Object, platform); err != nil {
			return fmt.Errorf("reading the SfsPlatform %s: %w", name, err)
		}
		if err := p.checkPlatform(ctx, platform, c.Namespace, step); err != nil {
			return err
		}
	}
	if c.IsSuspended() {
		step.say("It is suspended: nothing is done until it goes on.")
	}
	switch {
	case c.Spec.ClientKey != "":
		step.say("It would take the client %s, if spec.adoption of the SfsPlatform allows that.", c.Spec.ClientKey)
	case c.Spec.CustomKey != "":
		step.say("If spec.adoption of the SfsPlatform allows that, and SFS has a client with the customKey %s, it would %s; else it would %s.",
			c.Spec.CustomKey, ifThere(c), ifNot(c))
	case found != nil:
		p.derived(c, platform, there, step)
	}
	return nil
}

// derived is about a client whose key is made of the prefix, the namespace and the name. there: so is its SfsClient already.
func (p *Planner) derived(c *v1alpha1.SfsClient, platform *v1alpha1.SfsPlatform, there bool, step *Step) {
	customKey := platform.Spec.CustomKeyPrefix + "/" + c.Namespace + "/" + c.Name
	known, checked := platform.Status.Orphans, platform.Status.LastDriftCheckTime
	if known != nil {
		for _, orphan := range known.Clients {
			if orphan.CustomKey == customKey {
				step.say("SFS has the client %s with the customKey %s: it would %s.", orphan.ClientKey, customKey, ifThere(c))
				return
			}
		}
	}
	// What has an SfsClient is no orphan, also where that has not got its client yet.
	if known == nil || checked == nil || there || int(ptr.Deref(known.Count, 0)) > len(known.Clients) {
		step.say("The SfsPlatform does not tell whether SFS has a client with the customKey %s: if it has, it would %s; else it would %s.",
			customKey, ifThere(c), ifNot(c))
		return
	}
	step.say("No orphan with the customKey %s was listed %s ago: it would %s; if its SfsClient was deleted since, it would %s.",
		customKey, duration.HumanDuration(p.Clock.Since(checked.Time)), ifNot(c), ifThere(c))
}

// ifThere is what becomes of a client that SFS has.
func ifThere(c *v1alpha1.SfsClient) string {
	if c.Spec.AdoptionPolicy == v1alpha1.AdoptionPolicyCreate {
		return "be refused by adoptionPolicy Create (" + v1alpha1.AlreadyExistsReason + ")"
	}
	if c.NamesItsClient() {
		return "be adopted" + unwritten(c)
	}
	return "be got back" + unwritten(c)
}

func unwritten(c *v1alpha1.SfsClient) string {
	if c.IsObserved() {
		return " and not be changed (managementPolicy Observe)"
	}
	return ""
}

// ifNot is what becomes of a client that SFS does not have.
func ifNot(c *v1alpha1.SfsClient) string {
	switch {
	case c.IsObserved():
		return "not be created by managementPolicy Observe (" + v1alpha1.NothingToAdoptReason + ")"
	case c.Spec.AdoptionPolicy == v1alpha1.AdoptionPolicyAdopt:
		return "not be created by adoptionPolicy Adopt (" + v1alpha1.NothingToAdoptReason + ")"
	}
	return "be created"
}

// checkPlatform says what of an SfsPlatform stands in the way.
func (p *Planner) checkPlatform(ctx context.Context, platform *v1alpha1.SfsPlatform, namespace string, step *Step) error {
	ready := meta.FindStatusCondition(platform.Status.Conditions, v1alpha1.ReadyCondition)
	if ready != nil && ready.Status != metav1.ConditionTrue {
		step.stuck(ready.Reason, "The SfsPlatform %s is not ready: %s", platform.Name, ready.Message)
	}
	allowed := platform.Spec.AllowedNamespaces
	switch {
	case allowed == nil:
	case len(allowed.Names) > 0:
		if slices.Contains(allowed.Names, "*") || slices.Contains(allowed.Names, namespace) {
			return nil
		}
	case allowed.Selector != nil:
		serves, known, err := p.selects(ctx, allowed.Selector, namespace)
		if err != nil {
			return err
		}
		if !known {
			step.say("You may not read the namespace %s: whether the selector of the SfsPlatform %s is for it is not known.",
				namespace, platform.Name)
		}
		if serves || !known {
			return nil
		}
	}
	step.stuck(v1alpha1.NamespaceNotAllowedReason, "The SfsPlatform %s does not serve the namespace %s", platform.Name, namespace)
	return nil
}

func (p *Planner) selects(ctx context.Context, by *metav1.LabelSelector, namespace string) (serves, known bool, err error) {
	selector, err := metav1.LabelSelectorAsSelector(by)
	if err != nil {
		return false, true, nil //nolint:nilerr // it selects nothing, which the SfsPlatform tells
	}
	found, err := p.get(ctx, "", "v1", "Namespace", "", namespace)
	switch {
	case apierrors.IsForbidden(err):
		return false, false, nil
	case err != nil:
		return false, false, fmt.Errorf("reading the namespace %s: %w", namespace, err)
	case found == nil:
		return false, true, nil
	}
	return selector.Matches(labels.Set(found.GetLabels())), true, nil
}

func (p *Planner) newUser(ctx context.Context, u *v1alpha1.SfsClientUser, step *Step) error {
	found, err := p.get(ctx, v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "SfsClient", u.Namespace, u.Spec.ClientRef.Name)
	if err != nil {
		return fmt.Errorf("reading the SfsClient %s: %w", u.Spec.ClientRef.Name, err)
	}
	if found == nil {
		step.stuck(v1alpha1.ClientNotFoundReason, "There is no SfsClient %s", u.Spec.ClientRef.Name)
	}
	if u.IsSuspended() {
		step.say("It is suspended: nothing is done until it goes on.")
	}
	key, derived := u.Spec.CustomKey, ""
	if found != nil {
		derived, _, _ = unstructured.NestedString(found.Object, "status", "customKey")
	}
	switch {
	case u.Spec.Default:
		step.say("It would take the default user of the SfsClient %s.", u.Spec.ClientRef.Name)
		return nil
	case u.Spec.UserKey != "":
		step.say("It would take the user %s.", u.Spec.UserKey)
		return nil
	case key != "":
	case derived != "":
		key = derived + "/" + u.Name
	default:
		key = "<customKey of the SfsClient " + u.Spec.ClientRef.Name + ">/" + u.Name
	}
	there, not := "be got back", "be created"
	if u.Spec.CustomKey != "" {
		there = "be adopted"
	}
	if u.Spec.AdoptionPolicy == v1alpha1.AdoptionPolicyCreate {
		there = "be refused by adoptionPolicy Create (" + v1alpha1.AlreadyExistsReason + ")"
	}
	if u.IsObserved() {
		not = "not be created by managementPolicy Observe (" + v1alpha1.NothingToAdoptReason + ")"
	} else if u.Spec.AdoptionPolicy == v1alpha1.AdoptionPolicyAdopt {
		not = "not be created by adoptionPolicy Adopt (" + v1alpha1.NothingToAdoptReason + ")"
	}
	step.say("If SFS has a user with the customKey %s, it would %s; else it would %s.", key, there, not)
	return nil
}
