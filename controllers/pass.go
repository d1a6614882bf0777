// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// object is a resource of this operator.
type object interface {
	client.Object
	conditions.Setter
}

// pass is one reconcile of one resource: it collects what was found and when to come back, and ends in finish.
type pass struct {
	ref      ref
	object   object
	now      time.Time
	clock    clock.PassiveClock
	client   client.Client
	recorder events.EventRecorder
	attempts *attempts

	began    object // as it was read
	saved    object // as the API server has it
	wake     time.Duration
	urgency  int
	hasTurn  bool // at a gate
	happened []happening
	resting  bool // the user has stopped the work on this resource
	outdated bool // what was read, as a write has shown
	// against is what keeps the resource from being Ready beside its other conditions, which are all well; nil: nothing.
	against *problem
}

func newPass(r ref, o object, clk clock.PassiveClock, c client.Client, recorder events.EventRecorder, a *attempts) *pass {
	asRead := copyOf(o)
	return &pass{
		ref: r, object: o, now: clk.Now(), clock: clk, client: c, recorder: recorder, attempts: a, began: asRead, saved: asRead,
	}
}

// withGeneration has all that is logged say which generation of the resource it is about. Kind and name stand there already.
func withGeneration(ctx context.Context, o client.Object) context.Context {
	return log.IntoContext(ctx, log.FromContext(ctx).WithValues("generation", o.GetGeneration()))
}

func copyOf(o object) object { return o.DeepCopyObject().(object) }

// wakeIn asks to come back. The earliest wish counts.
func (p *pass) wakeIn(d time.Duration) {
	// What is due by now still takes another pass, and a wish for no time at all would mean never.
	d = max(d, time.Millisecond)
	if p.wake == 0 || d < p.wake {
		p.wake = d
	}
}

// until is how long it is to a time, and never negative.
func (p *pass) until(t time.Time) time.Duration { return max(t.Sub(p.now), 0) }

func (p *pass) set(conditionType string, status metav1.ConditionStatus, reason, message string) {
	conditions.Set(p.object, metav1.NewTime(p.now), conditionType, status, reason, message)
}

// wrote notes how the write of a Secret went, and says when one that failed is tried again.
func (p *pass) wrote(ctx context.Context, name string, err error) error {
	key := p.key(step{name: "secret " + name})
	if failed := problemOf(err); failed != nil {
		logFailure(ctx, key.step, failed)
		p.wakeIn(p.attempts.failed(key, failed.pace, nil))
	} else if err == nil {
		p.attempts.succeeded(key)
	}
	return p.later(err)
}

// later notes when a deferred step wants to be taken up.
func (p *pass) later(err error) error {
	var wait deferred
	if errors.As(err, &wait) {
		p.wakeIn(wait.after)
	}
	return err
}

// report turns the outcome of a step into a condition. A deferral changes nothing; what is neither a problem nor a
// deferral is a failure of the Kubernetes API, which the caller returns.
func (p *pass) report(conditionType, goodReason, goodMessage string, err error) {
	failed := problemOf(err)
	switch {
	case err == nil:
		p.set(conditionType, metav1.ConditionTrue, goodReason, goodMessage)
	case failed != nil:
		message := failed.message
		before := conditions.Get(p.object, conditionType)
		if failed.reason == v1alpha1.RequestRefusedReason && before != nil && before.Reason == failed.reason &&
			before.ObservedGeneration == p.object.GetGeneration() {
			message = before.Message // SFS may put another number into it each time
		}
		p.set(conditionType, metav1.ConditionFalse, failed.reason, message)
	}
}

// summarize derives Ready, Reconciling and Stalled from the conditions of the given types, of which the first that is not
// True explains Ready.
func (p *pass) summarize(types ...string) {
	var blocking, remark *metav1.Condition
	for _, t := range types {
		c := conditions.Get(p.object, t)
		if c == nil {
			p.set(t, metav1.ConditionUnknown, v1alpha1.ProgressingReason, "the work has begun")
			c = conditions.Get(p.object, t)
		}
		if blocking == nil {
			blocking = p.blocking(c)
		}
		if remark == nil && p.blocking(c) == nil && ails(c.Reason) {
			remark = c.DeepCopy()
		}
	}
	if blocking == nil && p.against != nil {
		blocking = &metav1.Condition{Reason: p.against.reason, Message: p.against.message}
	}
	conditions.Remove(p.object, v1alpha1.ReconcilingCondition)
	conditions.Remove(p.object, v1alpha1.StalledCondition)
	switch {
	case blocking == nil && remark == nil:
		p.set(v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.AvailableReason, "all is as the spec asks for")
	case blocking == nil:
		// It works now, but will not for ever.
		p.set(v1alpha1.ReadyCondition, metav1.ConditionTrue, remark.Reason, remark.Message)
	default:
		p.set(v1alpha1.ReadyCondition, metav1.ConditionFalse, blocking.Reason, blocking.Message)
		if needsPerson(blocking.Reason) {
			p.set(v1alpha1.StalledCondition, metav1.ConditionTrue, blocking.Reason, blocking.Message)
		} else {
			p.set(v1alpha1.ReconcilingCondition, metav1.ConditionTrue, blocking.Reason, blocking.Message)
		}
	}
	// Ready and its companions are derived anew each time; what they said before must not move their times.
	p.keepTransitionTimes()
}

// blocking returns what a condition has against Ready, or nil.
func (p *pass) blocking(c *metav1.Condition) *metav1.Condition {
	// What is only reported, because the user wants it so, keeps nobody from using the resource.
	if c.Status != metav1.ConditionTrue && c.Reason != v1alpha1.DriftDetectedReason {
		return c.DeepCopy()
	}
	if c.ObservedGeneration != p.object.GetGeneration() && !p.resting {
		return &metav1.Condition{Reason: v1alpha1.ProgressingReason, Message: "the change of the spec has not been carried out yet"}
	}
	return nil
}

func suspended() *problem {
	return &problem{
		reason:  v1alpha1.SuspendedReason,
		message: "the work is suspended by spec.suspend or the annotation " + v1alpha1.PausedAnnotation,
		pace:    waits,
	}
}

// remarkSuspended has Ready and its companions say that nothing is done; what works goes on to be called so.
func (p *pass) remarkSuspended() {
	s := suspended()
	ready := conditions.Get(p.object, v1alpha1.ReadyCondition)
	p.set(v1alpha1.ReadyCondition, ready.Status, s.reason, s.message)
	conditions.Remove(p.object, v1alpha1.ReconcilingCondition)
	conditions.Remove(p.object, v1alpha1.StalledCondition)
	p.keepTransitionTimes()
}

// ails says whether a condition that is True tells of trouble to come.
func ails(reason string) bool {
	switch reason {
	case v1alpha1.AvailableReason, v1alpha1.InSyncReason, v1alpha1.PublishedReason, v1alpha1.IssuedReason,
		v1alpha1.VerifiedReason, v1alpha1.DisabledReason:
		return false
	}
	return true
}

func (p *pass) keepTransitionTimes() {
	current := *p.object.GetConditions()
	for i := range current {
		if before := conditions.Get(p.saved, current[i].Type); before != nil && before.Status == current[i].Status {
			current[i].LastTransitionTime = before.LastTransitionTime
		}
	}
}

// save writes the status now, if it differs from what the API server has. The write fails if anything of the resource has
// changed since it was read: a pass that acted on an old state must not overwrite what a later one has recorded.
func (p *pass) save(ctx context.Context) error {
	if equality.Semantic.DeepEqual(p.saved, p.object) {
		return nil // which is mostly so, and found out at a fraction of the cost of a patch
	}
	if p.outdated {
		return deferred{after: staleRead} // it would be refused as well
	}
	patch, err := p.statusPatch()
	if err != nil || patch == nil {
		return err
	}
	written := metadataOf(p.ref.kind, p.object)
	if err := p.client.Status().Patch(ctx, written, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(fieldManager)); err != nil {
		return p.orOutdated(fmt.Errorf("writing the status: %w", err))
	}
	p.object.SetResourceVersion(written.GetResourceVersion())
	p.saved = copyOf(p.object)
	p.attempts.wrote(p.ref, p.object)
	return nil
}

// metadataOf is a resource of the operator for a write of which no more is asked back than the metadata: the rest is known, and
// would have to be encoded and decoded.
func metadataOf(kind string, o client.Object) *metav1.PartialObjectMetadata {
	metadata := meta.AsPartialObjectMetadata(o)
	metadata.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	return metadata
}

// orOutdated is orStale for a write of the resource itself.
func (p *pass) orOutdated(err error) error {
	if apierrors.IsConflict(err) {
		p.outdated = true
		p.attempts.refused(p.ref, p.saved)
	}
	return orStale(err)
}

// tellAilment tells when Ready begins to say something against the resource, and when all is well again, however long after.
func (p *pass) tellAilment() {
	told, known := p.attempts.ailing.get(p.ref)
	if before := ailment(p.began); !known && before != nil {
		told = before.Reason
	}
	ready := conditions.Get(p.object, v1alpha1.ReadyCondition)
	if ready != nil && ready.Status == metav1.ConditionTrue && !ails(ready.Reason) {
		if told != "" {
			p.tell(resolved(told))
		}
		p.attempts.ailing.drop(p.ref)
		return
	}
	if now := ailment(p.object); now != nil && now.Reason != told && !p.mayPass(now) {
		p.tell(failing(now))
		told = now.Reason
	}
	p.attempts.ailing.put(p.ref, told)
}

// mayPass says of an SFS that did not answer, while the token lives, whether that was once or twice only: of ten thousand
// clients some meet that every minute.
func (p *pass) mayPass(c *metav1.Condition) bool {
	const blips = 3
	return c.Reason == v1alpha1.APIUnavailableReason && c.Status == metav1.ConditionTrue && p.attempts.failures(p.ref, tokenStep) < blips
}

// ailment is what Ready says against a resource or warns of, unless it goes by itself in no time, was asked for, or is told of
// another resource.
func ailment(o object) *metav1.Condition {
	ready := conditions.Get(o, v1alpha1.ReadyCondition)
	if ready == nil || !ails(ready.Reason) {
		return nil
	}
	switch ready.Reason {
	case v1alpha1.ProgressingReason, v1alpha1.ClientNotReadyReason, v1alpha1.SuspendedReason, v1alpha1.DeletingReason,
		v1alpha1.DriftDetectedReason, v1alpha1.ThrottledReason:
		return nil
	case v1alpha1.CredentialsInvalidReason, v1alpha1.CredentialsSecretNotFoundReason,
		v1alpha1.CredentialsSecretMalformedReason, v1alpha1.InvalidConfigurationReason:
		if _, own := o.(*v1alpha1.OAuthToken); !own && ready.Status == metav1.ConditionTrue {
			return nil // of the platform, once and not for each of its clients
		}
	}
	return ready
}

// statusPatch is what differs from what the API server has, or nil if that is no part of the status.
func (p *pass) statusPatch() ([]byte, error) {
	patch, err := client.MergeFromWithOptions(onlyStatus(p.saved), client.MergeFromWithOptimisticLock{}).Data(onlyStatus(p.object))
	if err != nil {
		return nil, fmt.Errorf("comparing the status: %w", err)
	}
	var change struct {
		Status json.RawMessage `json:"status"`
	}
	if err := json.Unmarshal(patch, &change); err != nil {
		return nil, fmt.Errorf("comparing the status: %w", err)
	}
	if change.Status == nil {
		return nil, nil
	}
	return patch, nil
}

// onlyStatus is what a write of the status can change, and of which state of a resource.
func onlyStatus(o object) object {
	at := metav1.ObjectMeta{ResourceVersion: o.GetResourceVersion()}
	switch o := o.(type) {
	case *v1alpha1.SfsPlatform:
		return &v1alpha1.SfsPlatform{ObjectMeta: at, Status: o.Status}
	case *v1alpha1.SfsClient:
		return &v1alpha1.SfsClient{ObjectMeta: at, Status: o.Status}
	case *v1alpha1.SfsClientUser:
		return &v1alpha1.SfsClientUser{ObjectMeta: at, Status: o.Status}
	case *v1alpha1.OAuthToken:
		return &v1alpha1.OAuthToken{ObjectMeta: at, Status: o.Status}
	}
	return o
}

// longestBlindness is after how long what is not Ready is looked at again, also where a watch should bring it back: what it
// waits for may be at SFS, or may have been overlooked.
const longestBlindness = 10 * time.Minute

// shortestAccount is how old a new resource is at the least when its status first says that its turn has not come.
const shortestAccount = 10 * time.Second

// isAboutToBegin says of a new resource whether it only waits for its turn, and will not for long. A status that says so would
// be a write for each of very many that are made at once, and untrue when it is read; until there is another, it says that
// nothing has been observed.
func (p *pass) isAboutToBegin() bool {
	ready := conditions.Get(p.object, v1alpha1.ReadyCondition)
	age := max(p.now.Sub(p.object.GetCreationTimestamp().Time), 0) // by two clocks
	return p.hasTurn && p.wake > 0 && age+p.wake < shortestAccount &&
		len(*p.saved.GetConditions()) == 0 && ready != nil && ready.Reason == v1alpha1.ProgressingReason
}

// finish ends the pass: the status is written once, and only what was saved is told.
func (p *pass) finish(ctx context.Context, err error) (ctrl.Result, error) {
	if unsettled(err) == nil && p.isAboutToBegin() {
		return p.result(), nil
	}
	saveErr := p.save(ctx)
	if apierrors.IsNotFound(saveErr) {
		saveErr = nil // deleted meanwhile: there is nobody to tell
	}
	if saveErr = p.later(saveErr); saveErr == nil {
		p.tellAilment()
		for _, h := range p.happened {
			log.FromContext(ctx).Info("Done", "what", h.reason, "note", h.note)
			h.tell(p.recorder, p.object)
		}
	}
	if !conditions.IsTrue(p.object, v1alpha1.ReadyCondition) && !p.resting {
		p.wakeIn(longestBlindness)
	}
	if err := errors.Join(unsettled(err), unsettled(saveErr)); err != nil {
		return ctrl.Result{Priority: p.priority()}, err
	}
	return p.result(), nil
}

// priority is that of the next pass.
func (p *pass) priority() *int {
	if p.hasTurn {
		return ptr.To(p.urgency + urgencyTurn)
	}
	return ptr.To(p.urgency)
}

// result asks for the next pass. What was wished for is counted from the beginning of this one, which may have taken long.
func (p *pass) result() ctrl.Result {
	wait := p.wake
	if wait > 0 {
		wait = max(wait-p.clock.Now().Sub(p.now), time.Millisecond)
	}
	return ctrl.Result{RequeueAfter: wait, Priority: p.priority()}
}

// unsettled returns the errors that neither a condition nor a wish to come back has dealt with.
func unsettled(err error) error {
	var wait deferred
	if problemOf(err) != nil || errors.As(err, &wait) {
		return nil //nolint:nilerr // that it is dealt with is what this function finds out
	}
	return err
}
