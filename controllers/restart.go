// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// Workloads that read a Secret only when they start are restarted when it changes, where the spec asks for it. The status
// remembers for which content that was last done. A pass that finds another content notes that first; the next one, once
// that is saved, patches the workloads that do not bear the fingerprint of the content yet. So whatever is lost in between
// is made up for, once, and a new process restarts nobody.
//
// The right to do that is in a role of its own (config/rbac/rollout_restart_role.yaml), which is not bound by default.

const (
	defaultRestartInterval = 5 * time.Minute
	// restartTimeout is what all targets of a pass have together: a webhook that hangs must not hold the worker.
	restartTimeout = 10 * time.Second
	restartRole    = "sfs-operator-rollout-restart"
)

// restartKinds are those that can be restarted. They are neither watched nor cached.
var restartKinds = map[v1alpha1.RolloutRestartKind]schema.GroupVersionKind{
	v1alpha1.RestartDeployment:  {Group: "apps", Version: "v1", Kind: "Deployment"},
	v1alpha1.RestartStatefulSet: {Group: "apps", Version: "v1", Kind: "StatefulSet"},
	v1alpha1.RestartDaemonSet:   {Group: "apps", Version: "v1", Kind: "DaemonSet"},
	v1alpha1.RestartRollout:     {Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout"},
}

// restarter restarts workloads, for resources of any kind.
type restarter struct {
	live    client.Reader
	secrets *Secrets
}

// restartPass is the part of a pass that restarts workloads.
type restartPass struct {
	*pass
	targets []v1alpha1.RolloutRestartTarget
	notes   *[]v1alpha1.RolloutRestart // where the status tells of them
	// contentIn returns what the workloads read, from Secrets that it reads through look.
	contentIn func(look func(name string) (*published, error)) (content, error)
}

// content is what workloads read, as digests of what the Secrets hold; empty where there are none of the operator. Without
// identifiers nothing has been published.
type content struct{ identifiers, token string }

func identifiersDigest(have *published) string {
	if have == nil || !have.ours || !have.intact() || len(have.keys()) == 0 {
		return ""
	}
	return have.values()[:16]
}

// tokenDigest is of the token and its shape, from which all follows that applications read. The tokens that wait in the same
// Secret for their revocation are not for them.
func tokenDigest(have *published) string {
	if have == nil || !have.ours || !have.intact() || have.annotations[v1alpha1.TokenHashAnnotation] == withdrawnHash {
		return ""
	}
	facts := map[string][]byte{}
	for _, name := range []string{v1alpha1.TokenHashAnnotation, v1alpha1.ShapeAnnotation} {
		facts[name] = []byte(have.annotations[name])
	}
	return factsHash(facts)[:16]
}

func countsTokens(t v1alpha1.RolloutRestartTarget) bool {
	return t.When == v1alpha1.RestartWhenTokenChanged
}

// after returns the fingerprint of a content for a target, and whether it is another one than that which was noted before. A
// token that was not counted before, or is not there for a while, is no change.
func (c content) after(noted string, t v1alpha1.RolloutRestartTarget) (fingerprint string, changed bool) {
	identifiers, token, _ := strings.Cut(noted, "-")
	if !countsTokens(t) {
		return c.identifiers, identifiers != c.identifiers
	}
	if c.token == "" {
		c.token = token
	}
	fingerprint = c.identifiers
	if c.token != "" {
		fingerprint += "-" + c.token
	}
	return fingerprint, identifiers != c.identifiers || token != "" && token != c.token
}

// restartConsumers does what is due for spec.rolloutRestartTargets. What goes wrong stands in the status and the events: it is
// no failure of the pass, which is there for the Secrets.
func (r restarter) restartConsumers(ctx context.Context, p restartPass) {
	if len(p.targets) == 0 {
		*p.notes = nil
		return
	}
	ctx, cancel := context.WithTimeout(ctx, restartTimeout)
	defer cancel()
	now, err := p.contentIn(func(name string) (*published, error) {
		return r.secrets.observe(ctx, p.ref, p.object.GetUID(), name)
	})
	if err == nil && now.identifiers == "" {
		return // nothing has been published yet, or it is about to be repaired
	}
	if err == nil && slices.ContainsFunc(p.targets, func(t v1alpha1.RolloutRestartTarget) bool { return p.isRestartDue(t, now) }) {
		now, err = r.confirmContent(ctx, p)
	}
	if err != nil {
		if unsettled(p.later(err)) != nil {
			log.FromContext(ctx).Error(err, "Looking for what workloads are restarted for")
			p.wakeIn(p.attempts.failed(p.key(step{name: "restart"}), fast, nil))
		}
		return
	}
	p.attempts.succeeded(p.key(step{name: "restart"}))
	notes := make([]v1alpha1.RolloutRestart, 0, len(p.targets))
	for _, target := range p.targets {
		note := p.restartNote(target.Name)
		r.restartTarget(ctx, p, target, &note, now)
		notes = append(notes, note)
	}
	*p.notes = notes
}

// restartNote is what the status says of a target.
func (p restartPass) restartNote(name string) v1alpha1.RolloutRestart {
	for _, note := range *p.notes {
		if note.Name == name {
			return note
		}
	}
	return v1alpha1.RolloutRestart{Name: name}
}

// isRestartDue says whether something is to be noted, or done, for a target.
func (p restartPass) isRestartDue(t v1alpha1.RolloutRestartTarget, now content) bool {
	note := p.restartNote(t.Name)
	fingerprint, changed := now.after(note.Fingerprint, t)
	if changed {
		return p.restartWait(t, note) == 0
	}
	return note.Pending || fingerprint != note.Fingerprint
}

// restartWait is how long it is until the target may be restarted again.
func (p restartPass) restartWait(t v1alpha1.RolloutRestartTarget, note v1alpha1.RolloutRestart) time.Duration {
	if note.LastRestartTime == nil {
		return 0
	}
	interval := defaultRestartInterval
	if t.MinInterval != nil {
		interval = t.MinInterval.Duration
	}
	// Never for longer than the interval, also where the time was written by a clock that was ahead.
	return min(p.until(note.LastRestartTime.Add(interval)), interval)
}

// confirmContent returns the content as it is now. By a cache that is behind, of the resource or of its Secrets, workloads
// would be restarted for what has long been replaced.
func (r restarter) confirmContent(ctx context.Context, p restartPass) (content, error) {
	now := copyOf(p.object)
	err := r.live.Get(ctx, client.ObjectKeyFromObject(p.object), now)
	if apierrors.IsNotFound(err) || err == nil && now.GetResourceVersion() != p.object.GetResourceVersion() {
		return content{}, deferred{after: staleRead}
	}
	if err != nil {
		return content{}, fmt.Errorf("reading the %s: %w", p.ref.kind, err)
	}
	c, err := p.contentIn(func(name string) (*published, error) {
		_, have, err := r.secrets.read(ctx, p.object, p.ref, name)
		return have, err
	})
	if err == nil && c.identifiers == "" {
		err = deferred{after: staleRead}
	}
	return c, err
}

// restartTarget does what is due for one target, and notes it.
func (r restarter) restartTarget(
	ctx context.Context, p restartPass, t v1alpha1.RolloutRestartTarget, note *v1alpha1.RolloutRestart, now content,
) {
	fingerprint, changed := now.after(note.Fingerprint, t)
	isNew := note.Fingerprint == ""
	if changed && !isNew {
		if wait := p.restartWait(t, *note); wait > 0 {
			p.wakeIn(wait)
			return
		}
		at := metav1.NewTime(p.now.Truncate(time.Second))
		note.Fingerprint, note.LastRestartTime, note.Pending = fingerprint, &at, true
		p.wakeIn(time.Millisecond) // and then it is saved
		return
	}
	note.Fingerprint = fingerprint
	if !isNew && !note.Pending && note.Message == "" {
		return
	}
	key := p.key(step{name: "restart " + t.Name, circumstances: fingerprint})
	if err := p.attempts.due(key); err != nil {
		if note.Pending {
			_ = p.later(err)
		}
		return
	}
	found, err := r.restartWorkloads(ctx, p, t, note)
	failed := problemOf(err)
	switch {
	case err == nil:
		p.attempts.succeeded(key)
		if note.Pending && len(found) > 0 {
			p.tell(restarted(t.Name, found))
		}
		note.Pending, note.Message = false, ""
	case failed != nil && failed.pace == waits && !note.Pending:
		// It is not there yet, or still not: nobody has asked for anything.
	case failed != nil:
		if failed.message != note.Message {
			p.tell(notRestarted(t.Name, failed.message))
			note.Message = failed.message
		}
		if failed.pace == waits {
			note.Pending = false
		}
	}
	if err != nil && (failed == nil || failed.pace != waits) {
		log.FromContext(ctx).Info("Step failed", "step", key.step, "error", err.Error())
		again := fast
		if failed != nil {
			again = failed.pace
		}
		if wait := p.attempts.failed(key, again, nil); note.Pending {
			p.wakeIn(wait)
		}
	}
}

// restartWorkloads patches the workloads of a target that do not bear the fingerprint yet, if that is pending, and else only
// sees whether it could. It returns those that there are.
func (r restarter) restartWorkloads(
	ctx context.Context, p restartPass, t v1alpha1.RolloutRestartTarget, note *v1alpha1.RolloutRestart,
) (found []string, err error) {
	workloads, err := r.workloads(ctx, p.ref.namespace, t)
	if err != nil {
		return nil, explainRestart(err, "read", t)
	}
	var failed []error
	for i := range workloads {
		w := &workloads[i]
		if !w.GetDeletionTimestamp().IsZero() {
			continue
		}
		if note.Pending {
			if err := p.restart(ctx, w, note.Fingerprint); err != nil {
				failed = append(failed, explainRestart(err, "patch", t))
				continue
			}
		}
		found = append(found, w.GetKind()+" "+w.GetName())
	}
	if len(found) == 0 && len(failed) == 0 {
		what := string(t.Kind) + " " + t.Name
		if t.Selector != nil {
			what = string(t.Kind) + " with these labels"
		}
		return nil, &problem{reason: "NotFound", message: "there was no " + what + " to be restarted", pace: waits}
	}
	// One that a person has to look at says more than one that is tried again.
	if i := slices.IndexFunc(failed, func(err error) bool { return problemOf(err) != nil }); i >= 0 {
		return found, failed[i]
	}
	return found, errors.Join(failed...)
}

func (r restarter) workloads(ctx context.Context, namespace string, t v1alpha1.RolloutRestartTarget) ([]unstructured.Unstructured, error) {
	kind := restartKinds[t.Kind]
	if t.Selector == nil {
		var one unstructured.Unstructured
		one.SetGroupVersionKind(kind)
		err := r.live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: t.Name}, &one)
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return []unstructured.Unstructured{one}, err
	}
	selector, err := metav1.LabelSelectorAsSelector(t.Selector)
	if err != nil || selector.Empty() {
		return nil, &problem{reason: "InvalidSelector", message: fmt.Sprintf("the selector can not be used: %v", err), pace: slow}
	}
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	err = r.live.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: selector})
	return list.Items, err
}

// restart has the Pods of a workload replaced, by an annotation in their template. With the resourceVersion a process that
// stood still puts no old fingerprint over a new one.
func (p restartPass) restart(ctx context.Context, w *unstructured.Unstructured, fingerprint string) error {
	if _, there, err := unstructured.NestedMap(w.Object, "spec", "template"); err != nil || !there {
		return &problem{
			reason: "NoTemplate", pace: slow,
			message: fmt.Sprintf("%s %s has no template of Pods; name the workload that it refers to", w.GetKind(), w.GetName()),
		}
	}
	annotation := v1alpha1.RestartAnnotationPrefix + string(p.object.GetUID())[:8]
	if is, _, _ := unstructured.NestedString(w.Object, "spec", "template", "metadata", "annotations", annotation); is == fingerprint {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": w.GetResourceVersion()},
		"spec": map[string]any{"template": map[string]any{
			"metadata": map[string]any{"annotations": map[string]string{annotation: fingerprint}},
		}},
	})
	if err != nil {
		return err
	}
	err = p.client.Patch(ctx, w, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(fieldManager))
	return client.IgnoreNotFound(err) // it is gone
}

// explainRestart puts a failure that a person can mend in words. Others are tried again, without a word in the status.
func explainRestart(err error, verb string, t v1alpha1.RolloutRestartTarget) error {
	switch {
	case problemOf(err) != nil:
		return err
	case meta.IsNoMatchError(err):
		return &problem{
			reason: "NoSuchKind", pace: slow, cause: err,
			message: fmt.Sprintf("this cluster has no kind %s of %s", t.Kind, restartKinds[t.Kind].GroupVersion()),
		}
	case apierrors.IsForbidden(err):
		return &problem{
			reason: "Forbidden", pace: slow, cause: err,
			message: fmt.Sprintf("the operator may not %s a %s here; bind the ClusterRole %s to it in this namespace, "+
				"or see in its log what else forbids it", verb, t.Kind, restartRole),
		}
	case apierrors.IsInvalid(err):
		return &problem{
			reason: "Invalid", pace: slow, cause: err,
			message: fmt.Sprintf("the API server refuses to %s the %s; see the log of the operator", verb, t.Kind),
		}
	}
	return err
}
