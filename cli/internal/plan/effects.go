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
		platform, err := p.platformFor(ctx, c, step)
		if err != nil {
			return err
		}
		if was.Status.ClientKey != "" {
			step.keeps("client", was.Status.ClientKey, c.IsObserved(), c.IsSuspended())
			return nil
		}
		p.newClient(c, platform, live != nil, step)
	case "SfsClientUser":
		u, was := &v1alpha1.SfsClientUser{}, &v1alpha1.SfsClientUser{}
		if err := convert(planned, live, u, was); err != nil {
			return err
		}
		owner, err := p.clientOf(ctx, u, step)
		if err != nil {
			return err
		}
		// The users of another client are others.
		moved := owner != nil && owner.Status.ClientKey != "" && owner.Status.ClientKey != was.Status.ClientKey
		if was.Status.UserKey != "" && !moved {
			step.keeps("user", was.Status.UserKey, u.IsObserved(), u.IsSuspended())
			return nil
		}
		newUser(u, owner, step)
	case "OAuthToken":
		if step.Action != Nothing {
			step.say("Its provider is not asked: whether it gives a token is seen once this is applied.")
		}
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

// platformFor says what of the SfsPlatform stands in the way of an SfsClient, and returns it; nil where it is not there, or may
// not be read.
func (p *Planner) platformFor(ctx context.Context, c *v1alpha1.SfsClient, step *Step) (*v1alpha1.SfsPlatform, error) {
	name := cmp.Or(c.Spec.PlatformRef.Name, "default") // the API server says so, unless it could not be asked
	platform := &v1alpha1.SfsPlatform{}
	switch found, err := p.read(ctx, "SfsPlatform", "", name, platform); {
	case apierrors.IsForbidden(err):
		step.say("You may not read the SfsPlatform %s: whether it serves this namespace, and what there is at SFS, is not known.", name)
		return nil, nil
	case err != nil:
		return nil, err
	case !found:
		step.stuck(v1alpha1.PlatformNotFoundReason, "There is no SfsPlatform %s", name)
		return nil, nil
	}
	return platform, p.checkPlatform(ctx, platform, c.Namespace, step)
}

// clientOf does the same for the SfsClient of a user, and the SfsPlatform of that.
func (p *Planner) clientOf(ctx context.Context, u *v1alpha1.SfsClientUser, step *Step) (*v1alpha1.SfsClient, error) {
	name := u.Spec.ClientRef.Name
	owner := &v1alpha1.SfsClient{}
	switch found, err := p.read(ctx, "SfsClient", u.Namespace, name, owner); {
	case apierrors.IsForbidden(err):
		step.say("You may not read the SfsClient %s: whether it is there, and whether its SfsPlatform serves this namespace, is not known.", name)
		return nil, nil
	case err != nil:
		return nil, err
	case !found:
		step.stuck(v1alpha1.ClientNotFoundReason, "There is no SfsClient %s", name)
		return nil, nil
	}
	_, err := p.platformFor(ctx, owner, step)
	return owner, err
}

func (p *Planner) read(ctx context.Context, kind, namespace, name string, into any) (found bool, err error) {
	o, err := p.get(ctx, v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, kind, namespace, name)
	if err == nil && o != nil {
		found, err = true, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, into)
	}
	if err != nil {
		return false, fmt.Errorf("reading the %s %s: %w", kind, name, err)
	}
	return found, nil
}

// newClient is about an SfsClient that has no client yet. there: it is there all the same.
func (p *Planner) newClient(c *v1alpha1.SfsClient, platform *v1alpha1.SfsPlatform, there bool, step *Step) {
	if c.IsSuspended() {
		step.say("It is suspended: nothing is done until it goes on.")
	}
	switch {
	case c.Spec.ClientKey != "":
		step.say("It would take the client %s, if spec.adoption of the SfsPlatform allows that.", c.Spec.ClientKey)
	case c.Spec.CustomKey != "":
		step.depends(fmt.Sprintf("If spec.adoption of the SfsPlatform allows that, and SFS has a client with the customKey %s,", c.Spec.CustomKey),
			prospectOfClient(c))
	case platform != nil:
		p.derived(c, platform, there, step)
	}
}

// derived is about a client whose key is made of the prefix, the namespace and the name.
func (p *Planner) derived(c *v1alpha1.SfsClient, platform *v1alpha1.SfsPlatform, there bool, step *Step) {
	customKey := platform.Spec.CustomKeyPrefix + "/" + c.Namespace + "/" + c.Name
	known, checked := platform.Status.Orphans, platform.Status.LastDriftCheckTime
	would := prospectOfClient(c)
	if known != nil {
		for _, orphan := range known.Clients {
			if orphan.CustomKey == customKey {
				step.say("SFS has the client %s with the customKey %s: it would %s.", orphan.ClientKey, customKey, would.there.text)
				step.Stuck = step.Stuck || would.there.refused
				return
			}
		}
	}
	// What has an SfsClient is no orphan, also where that has not got its client yet.
	if known == nil || checked == nil || there || int(ptr.Deref(known.Count, 0)) > len(known.Clients) {
		step.depends(fmt.Sprintf("The SfsPlatform does not tell whether SFS has a client with the customKey %s: if it has,", customKey), would)
		return
	}
	step.say("No orphan with the customKey %s was listed %s ago: it would %s; if its SfsClient was deleted since, it would %s.",
		customKey, duration.HumanDuration(p.Clock.Since(checked.Time)), would.not.text, would.there.text)
	step.Stuck = step.Stuck || would.not.refused
}

// prospect is what would become of a resource that SFS has something for already, and of one that it has not.
type prospect struct{ there, not outcome }

type outcome struct {
	text    string
	refused bool
}

// depends is about what is not known: only where both ways are refused it is sure to wait.
func (s *Step) depends(condition string, would prospect) {
	s.say("%s it would %s; else it would %s.", condition, would.there.text, would.not.text)
	s.Stuck = s.Stuck || would.there.refused && would.not.refused
}

func prospectOfClient(c *v1alpha1.SfsClient) prospect {
	return prospectOf(c.Spec.AdoptionPolicy, c.NamesItsClient(), c.IsObserved())
}

// prospectOf goes by the policies. named: by its customKey or key, and not by what is derived from its own name.
func prospectOf(adoption v1alpha1.AdoptionPolicy, named, observed bool) prospect {
	would := prospect{there: outcome{text: "be got back"}, not: outcome{text: "be created"}}
	if named {
		would.there.text = "be adopted"
	}
	if observed {
		would.there.text += " and not be changed (managementPolicy Observe)"
	}
	if adoption == v1alpha1.AdoptionPolicyCreate {
		would.there = outcome{"be refused by adoptionPolicy Create (" + v1alpha1.AlreadyExistsReason + ")", true}
	}
	switch {
	case observed:
		would.not = outcome{"not be created by managementPolicy Observe (" + v1alpha1.NothingToAdoptReason + ")", true}
	case adoption == v1alpha1.AdoptionPolicyAdopt:
		would.not = outcome{"not be created by adoptionPolicy Adopt (" + v1alpha1.NothingToAdoptReason + ")", true}
	}
	return would
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

func newUser(u *v1alpha1.SfsClientUser, owner *v1alpha1.SfsClient, step *Step) {
	if u.IsSuspended() {
		step.say("It is suspended: nothing is done until it goes on.")
	}
	key := u.Spec.CustomKey
	switch {
	case u.Spec.Default:
		step.say("It would take the default user of the SfsClient %s.", u.Spec.ClientRef.Name)
		return
	case u.Spec.UserKey != "":
		step.say("It would take the user %s.", u.Spec.UserKey)
		return
	case key == "":
		key = derivedUserKey(u, owner)
	}
	step.depends(fmt.Sprintf("If SFS has a user with the customKey %s,", key), prospectOf(u.Spec.AdoptionPolicy, u.Spec.CustomKey != "", u.IsObserved()))
}

// derivedUserKey is told also where what it begins with is not known.
func derivedUserKey(u *v1alpha1.SfsClientUser, owner *v1alpha1.SfsClient) string {
	of := ""
	if owner != nil {
		of = owner.UsersKey()
	}
	return cmp.Or(of, "<customKey of the SfsClient "+u.Spec.ClientRef.Name+">") + "/" + u.Name
}
