// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/utils/clock"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

const (
	// createTimeout is how long after it was decided on a create request may be under way.
	createTimeout = 30 * time.Second
	// settlingTime is how long a create whose outcome is unknown is only looked for. It is longer than createTimeout by
	// what SFS may need to show what it made. Only then is the create tried again.
	settlingTime = 2 * createTimeout
	// tooLate is the delay between the decision and the request after which the request is not made: this process may
	// have been stopped in between, and another one may have taken over.
	tooLate = createTimeout / 2
)

// creator makes an object at SFS exactly once, where SFS has neither a delete nor an idempotency key:
//
//	lookup by customKey -- found ----------------------------------> bind
//	     | none
//	intent unresolved and young? ---- yes --> wait, then lookup again
//	     | no
//	write intent (fails on a stale read) -> create -- key ---------> bind, intent cleared
//	                                            |--- refused ------> intent cleared
//	                                            '--- unknown ------> intent stays; next pass begins with the lookup
//
// A crash before the create leaves an intent and no object: after the settling time it is created. A crash after it
// leaves an intent and an object: the lookup finds it.
type creator struct {
	clock clock.PassiveClock

	// unsaved holds keys that SFS returned but that could not be written to the status: SFS may take a while to show in a
	// lookup what it has made.
	unsaved *memory[unsavedKey]
}

// unsavedKey belongs to one resource, and to what it stood for then: it may have been made for something else since.
type unsavedKey struct {
	of                types.UID
	customKey, within string
	key               string
}

// creation is one object to be made.
type creation struct {
	// intent is the place in the status.
	intent **v1alpha1.CreateIntent
	// lookup returns the key of the object with the customKey, or errNone.
	lookup func(context.Context) (string, error)
	// create makes the object. It is called at most once in a pass, and MUST NOT do anything after the request that can
	// fail.
	create func(context.Context) (string, error)
	// guard refuses an object that was found, or, with an empty key, the making of one.
	guard func(ctx context.Context, key string) error
	// bind enters the key in the status.
	bind func(key string, origin v1alpha1.Origin)

	// customKey is what is looked for, within a client where that is a user. found is the origin of what is there already.
	customKey, within string
	found             v1alpha1.Origin
	adoption          v1alpha1.AdoptionPolicy
	// observed: nothing may be made.
	observed bool
}

// made is what is remembered of a key that SFS has returned.
func (c creation) made(p *pass, key string) unsavedKey {
	return unsavedKey{of: p.object.GetUID(), customKey: c.customKey, within: c.within, key: key}
}

// mayAdopt refuses to take what was there before, where the policy says so. What the operator has made itself, in an
// attempt that the intent tells of, is no stranger's.
func (c creation) mayAdopt() error {
	if c.adoption != v1alpha1.AdoptionPolicyCreate || *c.intent != nil {
		return nil
	}
	return &problem{
		reason:  v1alpha1.AlreadyExistsReason,
		message: fmt.Sprintf("SFS has an object of the customKey %s already, and adoptionPolicy is Create", c.customKey),
		pace:    slow,
	}
}

// mayCreate refuses to make an object where a policy says so.
func (c creation) mayCreate() error {
	switch {
	case c.observed:
		return nothingToAdopt("customKey", c.customKey, "managementPolicy is Observe")
	case c.adoption == v1alpha1.AdoptionPolicyAdopt:
		return nothingToAdopt("customKey", c.customKey, "adoptionPolicy is Adopt")
	}
	return nil
}

func nothingToAdopt(what, key, why string) error {
	return &problem{
		reason:  v1alpha1.NothingToAdoptReason,
		message: fmt.Sprintf("SFS has no object of the %s %s, and none is made, since %s", what, key, why),
		pace:    slow,
	}
}

var errNone = errors.New("no such object")

func (c *creator) ensure(ctx context.Context, p *pass, what creation) error {
	if made, ok := c.unsaved.get(p.ref); ok && made == what.made(p, made.key) {
		return c.bind(ctx, p, what, made.key, v1alpha1.OriginCreated)
	}
	key, err := what.lookup(ctx)
	switch {
	case err == nil:
		origin := what.found
		if *what.intent != nil {
			origin = v1alpha1.OriginCreated // by the attempt that the intent tells of
		}
		if err := errors.Join(what.mayAdopt(), what.guard(ctx, key)); err != nil {
			return err
		}
		return c.bind(ctx, p, what, key, origin)
	case !errors.Is(err, errNone):
		return err
	}
	if err := errors.Join(what.mayCreate(), what.guard(ctx, "")); err != nil {
		return err
	}
	if intent := *what.intent; intent != nil {
		if now := c.clock.Now(); intent.StartedAt.After(now) {
			// It was written by a clock that was ahead. When it really began is not known, so it begins anew.
			*what.intent = &v1alpha1.CreateIntent{ID: intent.ID, StartedAt: metav1.NewMicroTime(now)}
			intent = *what.intent
		}
		if wait := intent.StartedAt.Add(settlingTime).Sub(c.clock.Now()); wait > 0 {
			p.wakeIn(wait)
			return outcomeUnknown(nil)
		}
	}
	// By the clock on the wall: the other one stands still while a machine sleeps, in which another process may take over.
	started := c.clock.Now().Round(0)
	*what.intent = &v1alpha1.CreateIntent{ID: string(uuid.NewUUID()), StartedAt: metav1.NewMicroTime(started)}
	if err := p.save(ctx); err != nil {
		return err
	}
	return c.create(ctx, p, what, started)
}

func (c *creator) create(ctx context.Context, p *pass, what creation, started time.Time) error {
	late := c.clock.Now().Round(0).Sub(started)
	if late > tooLate {
		return outcomeUnknown(nil) // nothing was sent, but who took over need not know
	}
	ctx, cancel := context.WithTimeout(ctx, createTimeout-late)
	defer cancel()
	key, err := what.create(ctx)
	switch {
	case err == nil:
		c.unsaved.put(p.ref, what.made(p, key))
		p.tell(created(key))
		return c.bind(context.WithoutCancel(ctx), p, what, key, v1alpha1.OriginCreated)
	// A problem comes from before the request, for example because there was no platform token to make it with.
	case problemOf(err) == nil && sendforsign.IsUnknownOutcome(err):
		return outcomeUnknown(err)
	}
	*what.intent = nil
	return err
}

func outcomeUnknown(cause error) error {
	return &problem{
		reason:  v1alpha1.CreateOutcomeUnknownReason,
		message: "it is not known whether SFS carried out the create; it is looked up before it is tried again",
		pace:    fast, cause: cause,
	}
}

// neverBound is what is told of the retirement of an object whose key is not known.
func neverBound(intent *v1alpha1.CreateIntent) happening {
	if intent == nil {
		return happening{} // there is none
	}
	return notRetired("it is not known whether SFS carried out its create")
}

// bind writes the key at once: it is the one thing that must not be lost.
func (c *creator) bind(ctx context.Context, p *pass, what creation, key string, origin v1alpha1.Origin) error {
	what.bind(key, origin)
	*what.intent = nil
	if origin != v1alpha1.OriginCreated {
		p.tell(adopted(origin, key))
		// What it looks like at SFS is not known, whatever was known of the one before.
		conditions.Remove(p.object, v1alpha1.SyncedCondition)
	}
	if err := p.save(ctx); err != nil {
		return err
	}
	c.unsaved.drop(p.ref)
	return nil
}
