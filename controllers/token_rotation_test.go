// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

func onRotate(c *v1alpha1.SfsClient) { c.Spec.Token.RevocationPolicy = v1alpha1.RevokeOnRotate }

func neverRevoke(c *v1alpha1.SfsClient) { c.Spec.Token.RevocationPolicy = v1alpha1.RevokeNever }

// annotate sets an annotation as a user would.
func annotate[T client.Object](w *world, o T, name, value string) {
	w.t.Helper()
	update(w, o, func(o T) {
		all := o.GetAnnotations()
		if all == nil {
			all = map[string]string{}
		}
		all[name] = value
		o.SetAnnotations(all)
	})
}

// valueOf returns the token in the Secret of a client.
func (w *world) valueOf(c *v1alpha1.SfsClient) string {
	w.t.Helper()
	_, s := w.tokenOf(c)
	return string(s.Data[v1alpha1.KeyToken])
}

func (w *world) isAlive(value string) bool {
	info, _ := w.sim.TokenState(value)
	return info.Alive
}

// wantWaiting checks how many tokens wait in the Secret of a client for their revocation, and what is told of them.
func (w *world) wantWaiting(c *v1alpha1.SfsClient, want int) {
	w.t.Helper()
	_, s := w.tokenOf(c)
	w.reload(c)
	at, told := s.Annotations[v1alpha1.RevokePreviousAtAnnotation]
	if got := len(parsePrevious(s.Data[v1alpha1.KeyPreviousTokens])); got != want {
		w.t.Errorf("%d tokens wait for their revocation, want %d", got, want)
	}
	if _, there := s.Data[v1alpha1.KeyPreviousTokens]; there != (want > 0) || told != (want > 0) || (c.Status.Token.PreviousRevocationTime != nil) != (want > 0) {
		w.t.Errorf("with %d waiting: the key is there: %t, the annotation is %q, status has %v", want, there, at, c.Status.Token.PreviousRevocationTime)
	}
}

func TestAReplacedTokenIsRevokedAfterTheGracePeriod(t *testing.T) {
	for name, test := range map[string]struct {
		grace *metav1.Duration
		want  time.Duration
	}{
		"of five minutes":     {nil, 5 * time.Minute},
		"that the spec names": {&metav1.Duration{Duration: 3 * time.Minute}, 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop", onRotate, func(c *v1alpha1.SfsClient) { c.Spec.Token.PreviousTokenGracePeriod = test.grace })
			w.settle()
			first := w.valueOf(c)
			w.wantWaiting(c, 0)
			w.run(20 * time.Minute)
			second := w.valueOf(c)
			if first == second {
				t.Fatal("the token was not renewed in 20 minutes")
			}
			w.reload(c)
			written := c.Status.Token.IssuedTime.Time
			w.clock.SetTime(w.clock.Now().Truncate(time.Second))
			if w.clock.Now().Before(written.Add(test.want)) {
				w.wantWaiting(c, 1)
				w.run(written.Add(test.want).Sub(w.clock.Now()) - time.Second)
				if !w.isAlive(first) {
					t.Error("it was revoked before its time")
				}
			}
			w.run(2 * time.Second)
			if w.isAlive(first) || w.valueOf(c) != second || w.sim.LiveTokens(c.Status.ClientKey) != 1 {
				t.Errorf("want the old token revoked and the new one kept, %d live", w.sim.LiveTokens(c.Status.ClientKey))
			}
			w.wantWaiting(c, 0)
			w.wantReady(c)
			if n := w.recorder.count("shop", "Revoked"); n != 0 {
				t.Errorf("a routine revocation was told of: %v", w.recorder.all())
			}
		})
	}
}

func TestSeveralReplacedTokensWait(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", onRotate)
	w.settle()
	for _, request := range []string{"one", "two", "three"} {
		annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, request)
		w.run(time.Minute)
	}
	w.wantWaiting(c, 3)
	if n := w.sim.LiveTokens(c.Status.ClientKey); n != 4 {
		t.Errorf("%d tokens live, want all 4", n)
	}
	w.sim.ResetCalls()
	before := w.versionsNow()
	w.restart()
	w.run(time.Minute)
	if len(w.sim.Calls()) != 0 || fmt.Sprint(w.versionsNow()) != fmt.Sprint(before) {
		t.Errorf("a restart while they wait is not free: %v", w.sim.Calls())
	}
	for left := 3; left > 0; left-- {
		w.run(time.Minute)
		w.wantWaiting(c, left-1)
	}
	if n := w.sim.LiveTokens(c.Status.ClientKey); n != 1 {
		t.Errorf("%d tokens live, want 1", n)
	}
}

// crashStory runs a story of rotations, and kills the operator at one of its calls. It returns how many there are.
func crashStory(t *testing.T, dieAt int, how string, change func(*v1alpha1.SfsClient), annotation string, options ...sfstest.Option) (calls int) {
	t.Helper()
	w := newWorld(t, options...)
	w.connect()
	w.restart()
	c := w.newSfsClient("shop", change)
	w.settle()
	w.reload(c)
	first := w.valueOf(c)
	w.wire.arm(map[int]*mode{dieAt: modeNamed(how)})
	annotate(w, c, annotation, "now")
	w.run(time.Second)
	w.settle()
	w.tokenOf(c) // the world after at most one crash and one more pass
	w.run(10 * time.Minute)
	w.wantReady(c)
	if w.isAlive(first) || w.valueOf(c) == first {
		t.Error("the replaced token lives")
	}
	w.wantWaiting(c, 0)
	// A token that was minted and not written is lost, and expires.
	if n := w.sim.LiveTokens(c.Status.ClientKey); n > 2 || n == 2 && how == "" {
		t.Errorf("%d tokens live, want the published one, and one that was lost between its mint and the write", n)
	}
	calls = len(w.wire.made(0))
	w.wire.heal()
	w.sim.ResetCalls()
	w.restart()
	w.run(5 * time.Minute)
	if n := w.sim.CountCalls("token", "revoke") + w.sim.CountCalls("token", "create"); n != 0 {
		t.Errorf("a restart repeats something: %v", w.sim.Calls())
	}
	return calls
}

func TestACrashAtAnyCallLosesNoRevocation(t *testing.T) {
	for name, story := range map[string]struct {
		change     func(*v1alpha1.SfsClient)
		annotation string
		options    []sfstest.Option
	}{
		"of a rotation":      {change: onRotate, annotation: v1alpha1.RenewRequestedAtAnnotation},
		"of a requested one": {change: neverRevoke, annotation: v1alpha1.RevokeRequestedAtAnnotation},
		"of a rotation at an SFS where a mint kills the token before": {
			change: onRotate, annotation: v1alpha1.RenewRequestedAtAnnotation,
			options: []sfstest.Option{sfstest.WithBehaviour(sfstest.Behaviour{Renewal: sfstest.RenewalRevokes, RevokeUnknown: sfstest.RevokeUnknown404})},
		},
	} {
		t.Run(name, func(t *testing.T) {
			calls := crashStory(t, 0, "", story.change, story.annotation, story.options...)
			if calls < 5 {
				t.Fatalf("the story has only %d calls", calls)
			}
			for at := 1; at <= calls; at++ {
				for _, how := range []string{"crash-before", "crash-after"} {
					t.Run(fmt.Sprintf("%s %d", how, at), func(t *testing.T) {
						crashStory(t, at, how, story.change, story.annotation, story.options...)
					})
				}
			}
		})
	}
}

func TestWhereAMintKillsTheTokenBeforeItsRevocationIsQuiet(t *testing.T) {
	for name, test := range map[string]struct {
		answer   sfstest.RevokeUnknown
		warnings int
	}{
		"201": {sfstest.RevokeUnknown201, 0},
		"404": {sfstest.RevokeUnknown404, 0},
		"401": {sfstest.RevokeUnknown401, 1},
		"400": {sfstest.RevokeUnknown400, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sfstest.WithBehaviour(sfstest.Behaviour{Renewal: sfstest.RenewalRevokes, RevokeUnknown: test.answer}))
			c := w.newSfsClient("shop", onRotate)
			w.settle()
			annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
			w.each = func() { w.tokenOf(c) }
			w.run(10 * time.Minute)
			w.each = nil
			w.wantReady(c)
			w.wantWaiting(c, 0)
			if n := w.sim.CountCalls("token", "revoke"); n < 1 || n > 2 {
				t.Errorf("%d revocations, want one, and one more with another platform token at most", n)
			}
			if n := w.recorder.count("shop", "NotRevoked"); n != test.warnings {
				t.Errorf("%d warnings, want %d: %v", n, test.warnings, w.recorder.all())
			}
			w.wantCondition(w.sfsPlatform(), v1alpha1.CredentialsValidCondition, metav1.ConditionTrue, v1alpha1.VerifiedReason)
		})
	}
}

// The API server carried out the write, but its answer was lost, and the cache shows the Secret as it was before: then the
// token that is in the Secret must not be taken for one that is replaced.
func TestAWriteWhoseAnswerWasLostDoesNotRevokeTheTokenThatItPublished(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", onRotate)
	w.settle()
	lose := false
	w.api = interceptor.NewClient(w.api, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			err := c.Patch(ctx, o, p, opts...)
			if lose && o.GetName() == "shop-sfs-token" {
				lose = false
				return errors.New("connection lost")
			}
			return err
		},
	})
	w.restart()
	w.settle()
	first := w.valueOf(c)
	w.fallBehind(1_000, 5*time.Second, secretKind)
	lose = true
	annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
	w.settle()
	w.run(5 * time.Second)
	w.each = func() { w.tokenOf(c) }
	w.run(10 * time.Minute)
	if lose {
		t.Fatal("no answer was lost")
	}
	if w.isAlive(first) || w.sim.LiveTokens(c.Status.ClientKey) != 1 {
		t.Errorf("want the replaced token revoked and the published one alone alive, %d live", w.sim.LiveTokens(c.Status.ClientKey))
	}
}

func TestAnEditedListOfPreviousTokensCostsNoToken(t *testing.T) {
	for name, test := range map[string]struct {
		edit    func(*corev1.Secret)
		revoked bool
	}{
		"it is gone":    {edit: func(s *corev1.Secret) { delete(s.Data, v1alpha1.KeyPreviousTokens) }},
		"it is garbage": {edit: func(s *corev1.Secret) { s.Data[v1alpha1.KeyPreviousTokens] = []byte("[{") }},
		"it is no list": {edit: func(s *corev1.Secret) { s.Data[v1alpha1.KeyPreviousTokens] = []byte(`{"token":"x"}`) }},
		"it is emptied": {edit: func(s *corev1.Secret) { s.Data[v1alpha1.KeyPreviousTokens] = nil }},
		"it has garbage": {
			edit: func(s *corev1.Secret) {
				s.Data[v1alpha1.KeyPreviousTokens] = []byte(strings.Replace(string(s.Data[v1alpha1.KeyPreviousTokens]), "[", `[7,{"token":""},{"token":"x","expiresAt":"soon"},`, 1))
			},
			revoked: true,
		},
		"its annotation is gone": {
			edit:    func(s *corev1.Secret) { delete(s.Annotations, v1alpha1.RevokePreviousAtAnnotation) },
			revoked: true,
		},
		"it has the published token": {
			edit: func(s *corev1.Secret) {
				list := parsePrevious(s.Data[v1alpha1.KeyPreviousTokens])
				list = append(list, previousToken{value: sendforsign.Secret(s.Data[v1alpha1.KeyToken]), expires: list[0].expires})
				s.Data[v1alpha1.KeyPreviousTokens] = list.encode()
			},
			revoked: true,
		},
		"its time is edited": {
			edit:    func(s *corev1.Secret) { s.Annotations[v1alpha1.RevokePreviousAtAnnotation] = "soon" },
			revoked: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop", onRotate)
			w.settle()
			first := w.valueOf(c)
			annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
			w.settle()
			second := w.valueOf(c)
			w.run(repairPause)
			update(w, w.secret("shop-sfs-token"), test.edit)
			w.settle()
			if held := w.secret("shop-sfs-token"); !seen(asCached(held), ref{}, "").intact() {
				t.Error("the Secret was not put right")
			}
			w.run(6 * time.Minute)
			w.wantReady(c)
			// The key itself is left to whoever has edited it.
			if _, s := w.tokenOf(c); c.Status.Token.PreviousRevocationTime != nil || seen(asCached(s), ref{}, "").listsPrevious() {
				t.Error("a token still waits")
			}
			if w.valueOf(c) != second {
				t.Error("another token was minted")
			}
			if w.isAlive(first) == test.revoked {
				t.Errorf("the replaced token is alive: %t", w.isAlive(first))
			}
		})
	}
}

// What somebody adds to a Secret that lists nothing is theirs: the operator does not act on it, and empties the annotation once.
func TestAListOfPreviousTokensThatIsNotTheOperatorsIsIgnored(t *testing.T) {
	past := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, edit := range map[string]func(*corev1.Secret){
		"the annotation": func(s *corev1.Secret) {
			s.Annotations[v1alpha1.RevokePreviousAtAnnotation] = past.Format(time.RFC3339)
		},
		"garbage in the annotation": func(s *corev1.Secret) { s.Annotations[v1alpha1.RevokePreviousAtAnnotation] = "soon" },
		"the key":                   func(s *corev1.Secret) { s.Data[v1alpha1.KeyPreviousTokens] = []byte("[]") },
		"both, with the published token": func(s *corev1.Secret) {
			held := sendforsign.Secret(s.Data[v1alpha1.KeyToken])
			s.Data[v1alpha1.KeyPreviousTokens] = previousTokens{{value: held, expires: past.AddDate(100, 0, 0), revoke: past, requested: true}}.encode()
			s.Annotations[v1alpha1.RevokePreviousAtAnnotation] = past.Format(time.RFC3339)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.maxPasses = 100
			c := w.newSfsClient("shop", onRotate)
			w.settle()
			w.sim.ResetCalls()
			update(w, w.secret("shop-sfs-token"), edit)
			w.settle()
			rested := w.secret("shop-sfs-token").ResourceVersion
			w.restart()
			w.run(time.Minute)
			w.wantReady(c)
			w.tokenOf(c)
			if n := len(w.sim.Calls()); n != 0 || w.secret("shop-sfs-token").ResourceVersion != rested {
				t.Errorf("%d calls, or the Secret is written again and again: %v", n, w.sim.Calls())
			}
			annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
			w.run(6 * time.Minute)
			w.wantReady(c)
			if w.tokenOf(c); w.sim.LiveTokens(c.Status.ClientKey) != 1 || w.sim.CountCalls("token", "revoke") != 1 {
				t.Errorf("the token that was replaced is not revoked as ever: %v", w.sim.Calls())
			}
		})
	}
}

// An export of the Secret, from when a token waited in it, is applied by somebody: then they own the list as well, and it
// stays where the operator leaves it out.
func TestAnExportedListOfPreviousTokensComesToRest(t *testing.T) {
	w := newWorld(t)
	w.maxPasses = 200
	c := w.newSfsClient("shop", onRotate)
	w.settle()
	first := w.valueOf(c)
	annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
	w.settle()
	second := w.valueOf(c)
	s := w.secret("shop-sfs-token")
	for range 2 {
		exported := corev1ac.Secret(s.Name, s.Namespace).WithData(s.Data).WithAnnotations(s.Annotations)
		if err := w.client.Apply(t.Context(), exported, client.FieldOwner("kubectl"), client.ForceOwnership); err != nil {
			t.Fatal(err)
		}
		w.run(6 * time.Minute)
		w.wantReady(c)
	}
	before := w.secret("shop-sfs-token").ResourceVersion
	w.restart()
	w.run(time.Minute)
	if w.secret("shop-sfs-token").ResourceVersion != before || !seen(asCached(w.secret("shop-sfs-token")), ref{}, "").intact() {
		t.Error("it does not come to rest")
	}
	if w.isAlive(first) || w.valueOf(c) != second || c.Status.Token.PreviousRevocationTime != nil || w.sim.CountCalls("token", "create") != 3 {
		t.Errorf("want the first token revoked and the second one kept: %v", w.sim.Calls())
	}
}

// Somebody keeps editing the list.
func TestAListOfPreviousTokensThatSomebodyKeepsEditingIsNoStreamOfWrites(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", onRotate)
	w.settle()
	annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
	w.settle()
	second := w.valueOf(c)
	writes := int64(-1)
	var last string
	for range 100 {
		if now := w.secret("shop-sfs-token").Annotations[v1alpha1.ContentHashAnnotation]; now != last {
			writes, last = writes+1, "edited"
		}
		update(w, w.secret("shop-sfs-token"), func(s *corev1.Secret) {
			s.Annotations[v1alpha1.ContentHashAnnotation], s.Annotations[v1alpha1.RevokePreviousAtAnnotation] = "edited", "soon"
		})
		w.run(500 * time.Millisecond)
	}
	if writes > 12 {
		t.Errorf("%d writes in 50 s, want two in each pause at most", writes)
	}
	w.run(time.Minute)
	w.wantReady(c)
	if w.valueOf(c) != second {
		t.Error("another token was minted")
	}
}

func asCached(s *corev1.Secret) *corev1.Secret {
	s = s.DeepCopy()
	_, _ = digestSecret(s)
	return s
}

func TestADamagedSecretIsRepairedWithTheTokenThatItHad(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*corev1.Secret)
		lost bool // nobody knows the token any more, once the operator is another one
	}{
		"the clientKey was edited":        {edit: func(s *corev1.Secret) { s.Data[v1alpha1.KeyClientKey] = []byte("x") }},
		"a time was edited":               {edit: func(s *corev1.Secret) { s.Data[v1alpha1.KeyExpiresAt] = []byte("x") }},
		"the labels are gone":             {edit: func(s *corev1.Secret) { s.Labels = nil }},
		"all is copied from somewhere":    {edit: func(s *corev1.Secret) { s.Annotations[v1alpha1.ContentHashAnnotation] = "x" }},
		"the token was edited":            {edit: func(s *corev1.Secret) { s.Data[v1alpha1.KeyToken] = []byte("x") }, lost: true},
		"the time that counts was edited": {edit: func(s *corev1.Secret) { s.Annotations[v1alpha1.ExpiresAtAnnotation] = "2100-01-01T00:00:00Z" }, lost: true},
		"the annotations are gone":        {edit: func(s *corev1.Secret) { s.Annotations = nil }, lost: true},
	} {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarted %t", name, restarted), func(t *testing.T) {
				w := newWorld(t)
				c := w.newSfsClient("shop", onRotate)
				w.settle()
				w.run(repairPause)
				first := w.valueOf(c)
				w.sim.ResetCalls()
				update(w, w.secret("shop-sfs-token"), test.edit)
				if restarted {
					w.restart()
				}
				w.run(6 * time.Minute)
				w.wantReady(c)
				w.tokenOf(c)
				lost := test.lost && restarted
				if (w.valueOf(c) != first) != lost {
					t.Errorf("it holds another token: %t", w.valueOf(c) != first)
				}
				if n := len(w.sim.Calls()); n != 0 && !lost || w.sim.CountCalls("token", "revoke") != 0 {
					t.Errorf("%d calls: %v", n, w.sim.Calls())
				}
				if n := w.recorder.count("shop", "SecretRepaired"); n != 1 {
					t.Errorf("%d events, want 1: %v", n, w.recorder.all())
				}
			})
		}
	}
}

func TestADeletedTokenSecretComesBackWithTheSameToken(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	first := w.valueOf(c)
	w.sim.ResetCalls()
	w.delete(w.secret("shop-sfs-token"))
	w.run(time.Second)
	w.wantReady(c)
	if w.tokenOf(c); w.valueOf(c) != first || len(w.sim.Calls()) != 0 {
		t.Errorf("want the same token without a call, have %v", w.sim.Calls())
	}
	// Another process does not know it.
	w.run(repairPause)
	w.delete(w.secret("shop-sfs-token"))
	w.restart()
	w.run(time.Second)
	w.wantReady(c)
	if w.tokenOf(c); w.valueOf(c) == first || w.sim.CountCalls("token", "create") != 2 {
		t.Errorf("want another token (and one of the platform), have %v", w.sim.Calls())
	}
}

func TestTheTokenOfADamagedSecretIsRevokedWhenItIsReplaced(t *testing.T) {
	for name, test := range map[string]struct {
		edit    func(*corev1.Secret)
		revoked bool
	}{
		"the clientKey was edited": {func(s *corev1.Secret) { s.Data[v1alpha1.KeyClientKey] = []byte("x") }, true},
		"the token was edited":     {func(s *corev1.Secret) { s.Data[v1alpha1.KeyToken] = []byte("x") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop", onRotate)
			w.settle()
			first := w.valueOf(c)
			w.sim.ResetCalls()
			update(w, w.secret("shop-sfs-token"), test.edit)
			annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
			w.restart() // which has another token minted, the first one being asked for
			w.run(6 * time.Minute)
			w.wantReady(c)
			if w.valueOf(c) == first || w.isAlive(first) == test.revoked {
				t.Errorf("the token before is alive: %t", w.isAlive(first))
			}
			if n := w.sim.CountCalls("token", "revoke"); n != 1 && test.revoked || n != 0 && !test.revoked {
				t.Errorf("%d revocations", n)
			}
		})
	}
}

func TestAReplacedTokenIsLeftToExpireWhenThePolicyNoLongerAsksForMore(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", onRotate)
	w.settle()
	first := w.valueOf(c)
	annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
	w.settle()
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.RevocationPolicy = v1alpha1.RevokeOnDelete })
	w.run(10 * time.Minute)
	w.wantReady(c)
	w.wantWaiting(c, 0)
	if !w.isAlive(first) || w.sim.CountCalls("token", "revoke") != 0 {
		t.Error("it was revoked")
	}
}

func TestAnOutageDelaysARevocationAndNothingElse(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", onRotate)
	w.settle()
	first := w.valueOf(c)
	annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
	w.settle()
	heal := w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "revoke", Status: 503})
	w.sim.ResetCalls()
	w.each = func() {
		w.wantCondition(c, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.AvailableReason)
	}
	w.run(10 * time.Minute)
	if n := len(w.sim.Calls()); n < 5 || n > 20 {
		t.Errorf("%d calls in 5 minutes of an outage", n)
	}
	w.wantWaiting(c, 1)
	heal()
	w.run(30 * time.Second)
	w.wantWaiting(c, 0)
	if w.isAlive(first) {
		t.Error("it was not revoked after the outage")
	}
}

func TestATokenThatExpiresBeforeItCouldBeRevokedCostsNoRequest(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", onRotate)
	w.settle()
	w.run(13 * time.Minute)
	annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
	w.settle()
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
	w.wantWaiting(c, 1)
	w.run(13*time.Minute + 30*time.Second) // it would be due after 5 minutes
	w.wantWaiting(c, 1)
	w.sim.ResetCalls()
	w.clock.SetTime(w.clock.Now().Add(4 * time.Minute))
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = false })
	w.settle()
	w.wantWaiting(c, 0)
	if n := w.sim.CountCalls("token", "revoke"); n != 0 {
		t.Errorf("%d revocations of a token that has expired", n)
	}
}

func TestARefusedRevocationIsGivenUp(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", onRotate)
	w.settle()
	annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
	w.settle()
	w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "revoke", Status: 400})
	w.run(10 * time.Minute)
	w.wantReady(c)
	w.wantWaiting(c, 0)
	if n := w.recorder.count("shop", "NotRevoked"); n != 1 || w.sim.CountCalls("token", "revoke") != 1 {
		t.Errorf("want one attempt and one warning, have %v", w.recorder.all())
	}
}

func TestTheEndRevokesWhatWaitsToo(t *testing.T) {
	for name, end := range map[string]func(*world, *v1alpha1.SfsClient){
		"deletion": func(w *world, c *v1alpha1.SfsClient) { w.delete(c) },
		"a token is unwanted": func(w *world, c *v1alpha1.SfsClient) {
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop", onRotate)
			w.settle()
			for _, request := range []string{"one", "two"} {
				annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, request)
				w.settle()
			}
			w.wantWaiting(c, 2)
			end(w, c)
			w.run(time.Second)
			if n := w.sim.LiveTokens(c.Status.ClientKey); n != 0 {
				t.Errorf("%d tokens live", n)
			}
			if n := w.recorder.count("shop", "Revoked"); n != 1 {
				t.Errorf("%d events, want 1: %v", n, w.recorder.all())
			}
		})
	}
}

func TestATokenThatMovesWithItsSecretIsTheSame(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		w := newWorld(t)
		c := w.newSfsClient("shop", onRotate)
		w.settle()
		annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now") // so that one waits for its revocation
		w.settle()
		held := w.valueOf(c)
		w.sim.ResetCalls()
		if restarted {
			w.restart()
		}
		update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.Secret.Name = "live" })
		w.settle()
		w.wantWaiting(c, 1)
		w.run(6 * time.Minute)
		w.wantReady(c)
		w.wantWaiting(c, 0)
		if w.valueOf(c) != held || string(w.secret("shop-sfs-token").Data[v1alpha1.KeyToken]) != held {
			t.Error("the new Secret, or for its time the former one, does not hold the token")
		}
		if w.sim.CountCalls("token", "create") > 1 || w.sim.LiveTokens(c.Status.ClientKey) != 1 {
			t.Errorf("want the platform's token at most, and one living: %v", w.sim.Calls())
		}
	}
}

// A write that only shows the token in another shape must not move its renewal into the past, where nobody looks for it.
func TestAWriteOfTheSameTokenDoesNotMoveItsRenewal(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.reload(c)
	want := c.Status.Token.RenewalTime
	for i := range 20 {
		w.run(repairPause)
		update(w, c, func(c *v1alpha1.SfsClient) {
			c.Spec.Token.Secret.Keys = map[string]v1alpha1.SecretKey{"token": v1alpha1.SecretKey(fmt.Sprint("key-", i))}
		})
		w.settle()
		w.reload(c)
		if got := c.Status.Token.RenewalTime; !got.Equal(&want) {
			t.Fatalf("write %d: the renewal moved from %s to %s", c.Status.Token.Revision, want, got)
		}
	}
	if c.Status.Token.Revision != 21 {
		t.Errorf("the Secret was written %d times, so this test shows nothing", c.Status.Token.Revision)
	}
}

// A former Secret must not hold a dead token as long as it is there.
func TestAFormerSecretIsKeptFresh(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.Token.RenewBefore = &metav1.Duration{Duration: 3 * time.Minute} })
	w.settle()
	w.run(24 * time.Minute)
	update(w, c, renamed)
	w.settle()
	first := w.valueOf(c)
	end := w.clock.Now().Add(formerGracePeriod)
	for ; w.clock.Now().Before(end.Add(-time.Second)); w.run(10 * time.Second) {
		s := w.secret("shop-sfs-token")
		if s == nil {
			t.Fatal("it was removed too early")
		}
		if info, _ := w.sim.TokenState(string(s.Data[v1alpha1.KeyToken])); !info.Alive || info.Expires.Sub(w.clock.Now()) < 2*time.Minute {
			t.Fatalf("its token expires at %s, now it is %s", info.Expires, w.clock.Now())
		}
	}
	if w.valueOf(c) == first {
		t.Error("the token was not renewed meanwhile, so this test shows nothing")
	}
	w.run(time.Minute)
	w.wantReady(c)
	w.wantSwept()
	if len(c.Status.FormerSecrets) != 0 {
		t.Errorf("status still tells of %v", c.Status.FormerSecrets)
	}
}

// The write of the new Secret may be the last thing that a process does: then the status does not tell of the former one.
func TestAFormerSecretIsKeptFreshAfterACrash(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", onRotate)
	w.settle()
	update(w, c, renamed)
	w.settle()
	w.wantReady(c)
	before := c.DeepCopy()
	c.Status.FormerSecrets = nil
	if err := w.client.Status().Patch(t.Context(), c, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	w.run(time.Second) // so that the next token is of another time
	annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
	w.restart()
	w.run(4 * time.Minute)
	w.wantWaiting(c, 1)
	if string(w.secret("shop-sfs-token").Data[v1alpha1.KeyToken]) != w.valueOf(c) {
		t.Error("the former Secret holds a token that is about to be revoked")
	}
}

func TestARequestReplacesAndThenRevokesTheToken(t *testing.T) {
	for name, test := range map[string]struct {
		policy   func(*v1alpha1.SfsClient)
		platform bool
	}{
		"policy Never":              {policy: neverRevoke},
		"policy OnRotate":           {policy: onRotate},
		"policy Never, platform":    {policy: neverRevoke, platform: true},
		"policy OnRotate, platform": {policy: onRotate, platform: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop", test.policy)
			w.settle()
			values := []string{w.valueOf(c)}
			annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, "now")
			w.settle()
			values = append(values, w.valueOf(c))
			w.sim.ResetCalls()
			if test.platform {
				annotate(w, w.sfsPlatform(), v1alpha1.RevokeRequestedAtAnnotation, "monday")
			} else {
				annotate(w, c, v1alpha1.RevokeRequestedAtAnnotation, "monday")
			}
			w.each = func() { w.tokenOf(c) }
			w.settle()
			w.wantReady(c)
			w.wantWaiting(c, 0)
			// With policy Never nobody knows the first token any more.
			if w.isAlive(values[1]) || w.isAlive(values[0]) == (c.Spec.Token.RevocationPolicy == v1alpha1.RevokeOnRotate) {
				t.Errorf("alive: %t %t", w.isAlive(values[0]), w.isAlive(values[1]))
			}
			if calls := w.sim.Calls(); calls[0].Action != "create" || calls[1].Action != "revoke" {
				t.Errorf("want a mint and then a revocation, have %v", calls)
			}
			if want := map[bool]string{false: "monday"}[test.platform]; c.Status.LastHandledRevokeAt != want {
				t.Errorf("handled %q, want %q", c.Status.LastHandledRevokeAt, want)
			}
			if w.recorder.count("shop", "Revoked") == 0 {
				t.Errorf("nobody was told: %v", w.recorder.all())
			}
			w.sim.ResetCalls()
			w.restart()
			w.run(time.Minute)
			later := w.newSfsClient("later", test.policy)
			w.run(time.Minute)
			w.tokenOf(later)
			if n := w.sim.CountCalls("token", "create"); n > 2 || w.sim.CountCalls("token", "revoke") != 0 {
				t.Errorf("a request that was handled is handled again, or for a token that was made after it: %v", w.sim.Calls())
			}
		})
	}
}

func TestARequestedRevocationIsReportedOnceItIsDone(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", neverRevoke)
	w.settle()
	first := w.valueOf(c)

	w.step("not while no token is given", func(t *testing.T) {
		heal := w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "create", Status: 503})
		annotate(w, c, v1alpha1.RevokeRequestedAtAnnotation, "monday")
		w.run(time.Minute)
		w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionTrue, v1alpha1.APIUnavailableReason, "can not be renewed")
		if w.valueOf(c) != first || w.sim.CountCalls("token", "revoke") != 0 || c.Status.LastHandledRevokeAt != "" {
			t.Error("the token was touched although there is no other")
		}
		heal()
	})
	w.step("not while it can not be revoked", func(t *testing.T) {
		heal := w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "revoke", Status: 503})
		w.run(time.Minute)
		w.wantReady(c)
		w.wantWaiting(c, 1)
		if w.valueOf(c) == first || c.Status.LastHandledRevokeAt != "" {
			t.Errorf("handled %q", c.Status.LastHandledRevokeAt)
		}
		heal()
	})
	w.step("when it is revoked", func(t *testing.T) {
		w.run(time.Minute)
		w.wantReady(c)
		w.wantWaiting(c, 0)
		if w.isAlive(first) || c.Status.LastHandledRevokeAt != "monday" || w.recorder.count("shop", "Revoked") != 1 {
			t.Errorf("handled %q, told %v", c.Status.LastHandledRevokeAt, w.recorder.all())
		}
	})
	w.step("and when SFS refuses to", func(t *testing.T) {
		w.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "revoke", Status: 400})
		annotate(w, c, v1alpha1.RevokeRequestedAtAnnotation, "tuesday")
		w.run(time.Minute)
		w.wantReady(c)
		if c.Status.LastHandledRevokeAt != "tuesday" || w.recorder.count("shop", "NotRevoked") != 1 {
			t.Errorf("handled %q, told %v", c.Status.LastHandledRevokeAt, w.recorder.all())
		}
	})
}

func TestARequestForATokenThatNobodyHoldsAnyMoreIsToldOf(t *testing.T) {
	stripped := func(w *world) {
		update(w, w.secret("shop-sfs-token"), func(s *corev1.Secret) { s.Annotations = nil })
	}
	onClient := func(w *world, c *v1alpha1.SfsClient, value string) {
		annotate(w, c, v1alpha1.RevokeRequestedAtAnnotation, value)
	}
	onPlatform := func(w *world, _ *v1alpha1.SfsClient, value string) {
		annotate(w, w.sfsPlatform(), v1alpha1.RevokeRequestedAtAnnotation, value)
	}
	for name, test := range map[string]struct {
		ask  func(*world, *v1alpha1.SfsClient, string)
		lose func(*world)
	}{
		"the Secret is deleted":                        {onClient, func(w *world) { w.delete(w.secret("shop-sfs-token")) }},
		"the Secret is changed":                        {onClient, stripped},
		"the Secret is deleted, and the platform asks": {onPlatform, func(w *world) { w.delete(w.secret("shop-sfs-token")) }},
		"the Secret is changed, and the platform asks": {onPlatform, stripped},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.newSfsClient("shop")
			w.settle()
			first := w.valueOf(c)
			w.run(time.Minute)
			for i, want := range []int{1, 1} {
				if i == 0 {
					test.ask(w, c, w.clock.Now().Format(time.RFC3339))
				}
				test.lose(w)
				w.run(time.Minute)
				w.wantReady(c)
				if n := w.recorder.count("shop", "NotRevoked"); n != want {
					t.Errorf("%d warnings, want %d, have %v", n, want, w.recorder.all())
				}
			}
			if !w.isAlive(first) || w.valueOf(c) == first {
				t.Error("the story is another one: the token was revoked, or is still there")
			}
			w.restart()
			w.run(time.Minute)
			if n := w.recorder.count("shop", "NotRevoked"); n != 1 {
				t.Errorf("%d warnings after a restart", n)
			}
			next := w.newSfsClient("next", func(c *v1alpha1.SfsClient) {
				c.Annotations = map[string]string{v1alpha1.RevokeRequestedAtAnnotation: "now"}
			})
			w.run(time.Minute)
			w.wantReady(next)
			if n := w.recorder.count("next", "NotRevoked"); n != 0 {
				t.Error("there was nothing to revoke of a new client")
			}
		})
	}
}

func TestASuspendedClientRevokesNothingUntilItIsResumed(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	first := w.valueOf(c)
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
	annotate(w, c, v1alpha1.RevokeRequestedAtAnnotation, "monday")
	w.run(5 * time.Minute)
	if w.valueOf(c) != first {
		t.Error("the token of a suspended client was replaced")
	}
	w.reload(c)
	if c.Status.LastHandledRevokeAt != "" {
		t.Error("the request is said to have been handled")
	}
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = false })
	w.settle()
	w.wantReady(c)
	if w.isAlive(first) || c.Status.LastHandledRevokeAt != "monday" {
		t.Error("the request was not carried out after all")
	}
}

func TestARequestForAPlatformKeepsToItsRate(t *testing.T) {
	w := newWorld(t)
	const clients = 30
	var all []*v1alpha1.SfsClient
	for i := range clients {
		all = append(all, w.newSfsClient(fmt.Sprintf("shop-%02d", i)))
	}
	w.settle()
	old := make([]string, clients)
	for i, c := range all {
		old[i] = w.valueOf(c)
	}
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) {
		p.Spec.RateLimit = v1alpha1.RateLimit{RequestsPerSecond: 2, Burst: 2}
		p.Annotations = map[string]string{v1alpha1.RevokeRequestedAtAnnotation: "now"}
	})
	w.sim.ResetCalls()
	began := w.clock.Now()
	w.run(2 * time.Minute)
	for i, c := range all {
		w.wantReady(c)
		if w.valueOf(c) == old[i] || w.isAlive(old[i]) {
			t.Errorf("the token of %s was not replaced and revoked", c.Name)
		}
	}
	calls := w.sim.Calls()
	if n := len(calls); n > 2*clients+2 {
		t.Errorf("%d calls for %d clients", n, clients)
	}
	if took := calls[len(calls)-1].Time.Sub(began); took < (2*clients-3)*time.Second/2 {
		t.Errorf("%d calls in %s, at 2 in a second", len(calls), took)
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		reason       string
		token        previousToken
		onRotate     bool
		due, waiting bool
	}{
		"its time has come":            {"it is revoked", previousToken{expires: now.Add(time.Minute), revoke: now}, true, true, false},
		"its time has not come":        {"it waits", previousToken{expires: now.Add(time.Minute), revoke: now.Add(time.Second)}, true, false, true},
		"it has expired":               {"there is nothing to revoke", previousToken{expires: now, revoke: now.Add(-time.Minute)}, true, false, false},
		"by a policy that has changed": {"nobody wants it any more", previousToken{expires: now.Add(time.Minute), revoke: now}, false, false, false},
		"it was requested":             {"whatever the policy", previousToken{expires: now.Add(time.Minute), revoke: now, requested: true}, false, true, false},
		"requested, but has expired":   {"there is nothing to revoke", previousToken{expires: now, revoke: now, requested: true}, false, false, false},
	}
	for name, test := range tests {
		due, waiting := previousTokens{test.token}.split(now, test.onRotate)
		if (len(due) == 1) != test.due || (len(waiting) == 1) != test.waiting {
			t.Errorf("%s: %d due, %d wait: %s", name, len(due), len(waiting), test.reason)
		}
	}
}

func TestPreviousTokensAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 1e6, time.UTC)
	list := previousTokens{
		{value: "a", expires: now.Add(time.Hour), revoke: now.Add(time.Minute)},
		{value: "b", expires: now.Add(time.Hour), revoke: now, requested: true},
	}
	got := parsePrevious(list.encode())
	if fmt.Sprint(got) != fmt.Sprint(list) || got[1].value != "b" || !got.next().Equal(now) {
		t.Errorf("got %v, want %v", got, list)
	}
	long := make(previousTokens, 3*mostPrevious)
	for i := range long {
		long[i] = previousToken{value: "a", expires: now, revoke: now.Add(time.Duration(i))}
	}
	if got := parsePrevious(long.encode()); len(got) != mostPrevious || !got[mostPrevious-1].revoke.Equal(long[len(long)-1].revoke) {
		t.Errorf("of a long list %d are kept, want the newest %d", len(got), mostPrevious)
	}
	// In UTC the first has a year that JSON can not tell, and a list that can not be written again would end each pass in a panic.
	edited := `[{"token":"a","expiresAt":"9999-12-31T23:59:59-01:00"},{"token":"b","expiresAt":"2026-03-01T12:00:00Z"}]`
	if got := parsePrevious([]byte(edited)); len(got) != 1 || got[0].value != "b" || len(got.encode()) == 0 {
		t.Errorf("of an edited list are kept %v, want what can be written again", got)
	}
}
