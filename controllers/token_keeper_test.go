// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/shape"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// otherIssuer is an API that has nothing to do with SFS.
type otherIssuer struct {
	clock    clock.PassiveClock
	gate     *gate
	who      ref
	identity string
	life     time.Duration
	refusal  *problem // of each request for a token
	minted   []string
	dead     []string
}

func (*otherIssuer) name() string                             { return "the other API" }
func (i *otherIssuer) tokenOf() string                        { return i.identity }
func (i *otherIssuer) succeeds(string) bool                   { return false }
func (*otherIssuer) policy() (policy token.Policy, sure bool) { return token.Policy{}, true }
func (*otherIssuer) revokeAllRequested() string               { return "" }
func (*otherIssuer) objection() *problem                      { return nil }
func (i *otherIssuer) isPaused() bool                         { return i.gate.paused() != nil }
func (i *otherIssuer) entrance() *gate                        { return i.gate }
func (i *otherIssuer) circumstances() string                  { return i.identity }

func (*otherIssuer) shown() shape.Source {
	return shape.Source{Values: map[string]string{v1alpha1.KeyScope: ""}, EnvPrefix: "OTHER_"}
}

func (i *otherIssuer) connect(context.Context) (connection, error)        { return i, nil }
func (i *otherIssuer) connectToLeave(context.Context) (connection, error) { return i, nil }

func (i *otherIssuer) mint(context.Context) (mintedToken, error) {
	i.gate.spend(i.who)
	if i.refusal != nil {
		return mintedToken{}, i.refusal
	}
	value := fmt.Sprintf("other-token-%d", len(i.minted)+1)
	i.minted = append(i.minted, value)
	now := i.clock.Now().UTC().Truncate(time.Millisecond)
	return mintedToken{
		value: sendforsign.Secret(value), tokenType: "Bearer", scope: "read", token: token.Token{Issued: now, Expires: now.Add(i.life)},
	}, nil
}

func (i *otherIssuer) revoke(_ context.Context, value sendforsign.Secret) (*problem, error) {
	i.gate.spend(i.who)
	i.dead = append(i.dead, value.Reveal())
	return nil, nil //nolint:nilnil // there is nothing against it
}

func (i *otherIssuer) probe(_ context.Context, value sendforsign.Secret) error {
	i.gate.spend(i.who)
	if slices.Contains(i.dead, value.Reveal()) {
		return &tokenRefusal{errors.New("401")}
	}
	return nil
}

// otherTenant has its token kept by the keeper, in passes of its own.
type otherTenant struct {
	*world
	issuer   *otherIssuer
	object   *v1alpha1.SfsClientUser // which has neither a token nor a platform of its own
	spec     tokenSpec
	recorded *v1alpha1.TokenStatus
	handled  [2]string
}

func newOtherTenant(t *testing.T) *otherTenant {
	t.Helper()
	w := newWorld(t)
	o := &otherTenant{
		world: w, object: w.newSfsClientUser("jane", "nobody"),
		spec: tokenSpec{wanted: true, secretName: "jane-token", revocation: v1alpha1.RevokeOnDelete},
	}
	o.issuer = &otherIssuer{
		clock: w.clock, gate: newGate(w.clock, 10, 10, &workers{size: 4}), identity: "one", life: 10 * time.Minute,
		who: ref{kind: userKind, namespace: w.namespace, name: "jane"},
	}
	return o
}

func (o *otherTenant) begin() *tokenPass {
	o.watch()
	o.reload(o.object)
	users := o.parts.users
	return &tokenPass{
		pass:   newPass(o.issuer.who, o.object, o.clock, users.client, o.recorder, users.attempts),
		issuer: o.issuer, spec: o.spec, recorded: &o.recorded, lastRenew: &o.handled[0], lastRevoke: &o.handled[1],
	}
}

// keepFor lets time pass, with a pass whenever the one before asked for it, and wants a token to be there at any time.
func (o *otherTenant) keepFor(d time.Duration) {
	o.t.Helper()
	for end := o.clock.Now().Add(d); ; {
		p := o.begin()
		err := o.parts.clients.keeper.keep(o.t.Context(), p, nil)
		p.summarize(v1alpha1.TokenValidCondition)
		result, err := p.finish(o.t.Context(), err)
		if err != nil {
			o.t.Fatal(err)
		}
		next := o.clock.Now().Add(result.RequeueAfter)
		if next.After(end) {
			next = end
		}
		o.clock.SetTime(next)
		if expires, err := time.Parse(time.RFC3339, string(o.token()[v1alpha1.KeyExpiresAt])); err != nil || !expires.After(next) {
			o.t.Fatalf("at %s the token has expired at %s (%v)", next, expires, err)
		}
		if !next.Before(end) {
			return
		}
	}
}

func (o *otherTenant) token() map[string][]byte {
	o.t.Helper()
	if s := o.secret(o.spec.secretName); s != nil {
		return s.Data
	}
	o.t.Fatal("there is no Secret")
	return nil
}

func (o *otherTenant) wantToken(value string) {
	o.t.Helper()
	if got := string(o.token()[v1alpha1.KeyToken]); got != value {
		o.t.Errorf("the Secret holds %s, want %s", got, value)
	}
}

func (o *otherTenant) wantValid(status metav1.ConditionStatus, reason, message string) {
	o.t.Helper()
	o.reload(o.object)
	c := conditions.Get(o.object, v1alpha1.TokenValidCondition)
	if c == nil || c.Status != status || c.Reason != reason || !strings.Contains(c.Message, message) {
		o.t.Errorf("TokenValid is %v, want %s, %s, %q", c, status, reason, message)
	}
}

func TestATokenOfAnotherAPIIsKeptAlive(t *testing.T) {
	o := newOtherTenant(t)
	o.keepFor(time.Hour)
	// The last third of ten minutes is the margin, and up to a tenth of what is before it the jitter.
	if n := len(o.issuer.minted); n < 9 || n > 11 {
		t.Errorf("%d tokens were minted in an hour, want one in 6 to 7 minutes", n)
	}
	if got, want := slices.Sorted(maps.Keys(o.token())), []string{"expiresAt", "issuedAt", "scope", "token", "tokenType"}; !slices.Equal(got, want) {
		t.Errorf("the Secret has the keys %v, want %v", got, want)
	}
	if o.recorded.Revision != int64(len(o.issuer.minted)) || o.recorded.SecretRef.Name != "jane-token" {
		t.Errorf("the status tells of %v", o.recorded)
	}
	if len(o.issuer.dead) != 0 {
		t.Errorf("%v were revoked", o.issuer.dead)
	}
}

func TestATokenForSomethingElseIsPublishedUntilThereIsAnother(t *testing.T) {
	o := newOtherTenant(t)
	o.keepFor(time.Minute)
	o.issuer.identity = "two"
	o.issuer.refusal = &problem{reason: v1alpha1.AccessDeniedReason, message: "no such scope", pace: slow}
	o.keepFor(time.Minute)
	o.wantToken("other-token-1")
	o.wantValid(metav1.ConditionTrue, v1alpha1.AccessDeniedReason, "no such scope")
	o.issuer.refusal, o.issuer.identity = nil, "three" // which is not held up by what failed before
	o.keepFor(0)
	o.wantToken("other-token-2")
	o.wantValid(metav1.ConditionTrue, v1alpha1.IssuedReason, "")
}

func TestARefusedTokenOfAnotherAPIIsReplaced(t *testing.T) {
	o := newOtherTenant(t)
	o.spec.probed, o.issuer.life = true, 2*time.Hour
	o.keepFor(time.Minute)
	o.issuer.dead = []string{"other-token-1"}
	o.keepFor(2 * probeInterval)
	o.wantToken("other-token-2")
	o.issuer.dead = []string{"other-token-2"}
	o.keepFor(2 * probeInterval)
	o.wantToken("other-token-3")
	o.issuer.dead = []string{"other-token-3", "other-token-4"}
	o.keepFor(2 * probeInterval)
	o.wantValid(metav1.ConditionFalse, v1alpha1.TokenRejectedReason, "the other API takes neither this token nor the one before it")
}

func TestAnotherAPIRevokesWhatWasReplacedAndWhatIsLeft(t *testing.T) {
	o := newOtherTenant(t)
	o.spec.revocation, o.issuer.life = v1alpha1.RevokeOnRotate, 30*time.Minute
	update(o.world, o.object, func(u *v1alpha1.SfsClientUser) { u.Finalizers = []string{v1alpha1.RevokeTokenFinalizer} })
	o.keepFor(40*time.Minute + 30*time.Second) // two renewals, and the grace period after the first
	o.wantToken("other-token-3")
	if want := []string{"other-token-1"}; !slices.Equal(o.issuer.dead, want) {
		t.Errorf("%v were revoked, want %v", o.issuer.dead, want)
	}
	o.delete(o.object)
	p := o.begin()
	if _, err := p.release(t.Context(), o.parts.clients.keeper.revocation(p)); err != nil {
		t.Fatal(err)
	}
	if want := []string{"other-token-1", "other-token-3", "other-token-2"}; !slices.Equal(o.issuer.dead, want) {
		t.Errorf("%v were revoked, want %v", o.issuer.dead, want)
	}
	if err := o.client.Get(t.Context(), client.ObjectKeyFromObject(o.object), o.object); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the resource is held: %v", err)
	}
}

func TestAPauseOfAnotherAPIIsCalledByItsName(t *testing.T) {
	o := newOtherTenant(t)
	o.keepFor(time.Minute)
	o.issuer.gate.throttled(7*time.Minute+30*time.Second, true)
	o.keepFor(7 * time.Minute)
	o.wantValid(metav1.ConditionTrue, v1alpha1.ThrottledReason, "the other API asked for a pause")
	o.wantToken("other-token-1")
	o.keepFor(time.Minute)
	o.wantToken("other-token-2")
}
