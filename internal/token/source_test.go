// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package token_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/sendforsign/sfs-operator/internal/token"
)

// issuer mints t1, t2, and so on.
type issuer struct {
	life    time.Duration
	latency time.Duration

	mu    sync.Mutex
	asked int
	fails error
}

func (i *issuer) mint(context.Context) (token.Minted[string], error) {
	<-time.After(i.latency)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	if i.fails != nil {
		return token.Minted[string]{}, i.fails
	}
	return token.Minted[string]{Value: "t" + strconv.Itoa(i.asked), Life: i.life}, nil
}

func (i *issuer) failWith(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fails = err
}

func (i *issuer) wasAsked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// inBubble runs a test in which time passes only while all wait.
func inBubble(t *testing.T, life time.Duration, test func(t *testing.T, from *issuer, source *token.Source[string])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		from := &issuer{life: life, latency: time.Second}
		test(t, from, token.NewSource(clock.RealClock{}, from.mint))
	})
}

func wantToken(t *testing.T, source *token.Source[string], want string) {
	t.Helper()
	got, err := source.Get(t.Context())
	if err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func pass(d time.Duration) { <-time.After(d) }

var errAway = errors.New("the issuer is away")

func TestAHundredUsersCauseOneRequest(t *testing.T) {
	t.Parallel()
	inBubble(t, 1800*time.Second, func(t *testing.T, from *issuer, source *token.Source[string]) {
		for round := 1; round <= 3; round++ {
			var users sync.WaitGroup
			for range 100 {
				users.Go(func() {
					if got, err := source.Get(t.Context()); err != nil || got != "t"+strconv.Itoa(round) {
						t.Errorf("got %q, %v in round %d", got, err, round)
					}
				})
			}
			users.Wait()
			if got := from.wasAsked(); got != round {
				t.Fatalf("%d requests in %d rounds", got, round)
			}
			pass(1300 * time.Second)
		}
	})
}

func TestAHundredUsersShareAFailure(t *testing.T) {
	t.Parallel()
	inBubble(t, 1800*time.Second, func(t *testing.T, from *issuer, source *token.Source[string]) {
		from.failWith(errAway)
		var users sync.WaitGroup
		for range 100 {
			users.Go(func() {
				if got, err := source.Get(t.Context()); !errors.Is(err, errAway) || got != "" {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		users.Wait()
		if got := from.wasAsked(); got != 1 {
			t.Errorf("%d requests", got)
		}
	})
}

func TestATokenIsRenewedBeforeItDies(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{1800 * time.Second, 600 * time.Second, 60 * time.Second, 15 * time.Second} {
		inBubble(t, life, func(t *testing.T, from *issuer, source *token.Source[string]) {
			wantToken(t, source, "t1")
			issued := time.Now().Add(-from.latency) // its life counts from before it was asked for
			due := token.Policy{}.RenewalTime(token.Token{Issued: issued, Expires: issued.Add(life)})
			pass(time.Until(due) - time.Nanosecond)
			wantToken(t, source, "t1")
			pass(time.Nanosecond)
			wantToken(t, source, "t2")
			if left := life - time.Since(issued); left < token.MinRemaining(life) {
				t.Errorf("the first token of %s had %s left when it was replaced", life, left)
			}
		})
	}
}

func TestAFailedRenewalKeepsATokenThatServes(t *testing.T) {
	t.Parallel()
	inBubble(t, 1800*time.Second, func(t *testing.T, from *issuer, source *token.Source[string]) {
		wantToken(t, source, "t1")
		issued := time.Now().Add(-from.latency)
		from.failWith(errAway)
		pass(1250 * time.Second)

		wantToken(t, source, "t1")
		if got := from.wasAsked(); got != 2 {
			t.Fatalf("%d requests, want one attempt of renewal", got)
		}
		pass(5*time.Second - time.Nanosecond)
		wantToken(t, source, "t1")
		if got := from.wasAsked(); got != 2 {
			t.Errorf("%d requests: it is asked again in the pause", got)
		}
		pass(time.Nanosecond)
		wantToken(t, source, "t1")
		if got := from.wasAsked(); got != 3 {
			t.Errorf("%d requests: it is not asked again after the pause", got)
		}

		// The last moment in which it can be counted on is at an attempt's end.
		pass(time.Until(issued.Add(1680*time.Second)) - from.latency)
		wantToken(t, source, "t1")
		pass(time.Nanosecond)
		if got, err := source.Get(t.Context()); !errors.Is(err, errAway) || got != "" {
			t.Errorf("got %q, %v: it has too little life left", got, err)
		}

		from.failWith(nil)
		asked := from.wasAsked()
		wantToken(t, source, "t"+strconv.Itoa(asked+1))
	})
}

func TestAnIssuerThatComesBackIsSeenAfterThePause(t *testing.T) {
	t.Parallel()
	inBubble(t, 1800*time.Second, func(t *testing.T, from *issuer, source *token.Source[string]) {
		wantToken(t, source, "t1")
		from.failWith(errAway)
		pass(1250 * time.Second)
		wantToken(t, source, "t1")
		from.failWith(nil)
		wantToken(t, source, "t1")
		pass(5 * time.Second)
		wantToken(t, source, "t3")
	})
}

func TestWithoutATokenEachUserTriesAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, 1800*time.Second, func(t *testing.T, from *issuer, source *token.Source[string]) {
		from.failWith(errAway)
		for range 2 {
			if _, err := source.Get(t.Context()); !errors.Is(err, errAway) {
				t.Fatalf("got %v", err)
			}
		}
		if got := from.wasAsked(); got != 2 {
			t.Errorf("%d requests, want 2: the pace without a token is the caller's", got)
		}
	})
}

func TestAUserWhoGivesUpDoesNotTakeTheOthersDown(t *testing.T) {
	t.Parallel()
	inBubble(t, 1800*time.Second, func(t *testing.T, from *issuer, source *token.Source[string]) {
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		var users sync.WaitGroup
		users.Go(func() {
			if got, err := source.Get(ctx); !errors.Is(err, enough) || got != "" {
				t.Errorf("who gave up got %q, %v", got, err)
			}
		})
		synctest.Wait() // the first has asked
		for range 10 {
			users.Go(func() { wantToken(t, source, "t1") })
		}
		synctest.Wait()
		began := time.Now()
		cancel(enough)
		synctest.Wait()
		if waited := time.Since(began); waited != 0 {
			t.Errorf("who gave up waited for %s", waited)
		}
		users.Wait()
		if got := from.wasAsked(); got != 1 {
			t.Errorf("%d requests", got)
		}
		wantToken(t, source, "t1")
	})
}

func TestADeadlineOfAUserDoesNotReachTheIssuer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		var hasDeadline, hasValue bool
		source := token.NewSource(clock.RealClock{}, func(ctx context.Context) (token.Minted[string], error) {
			_, hasDeadline = ctx.Deadline()
			hasValue = ctx.Value(key{}) == "kept"
			<-time.After(time.Minute)
			return token.Minted[string]{Value: "t1", Life: time.Hour}, ctx.Err()
		})
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "kept"), time.Second)
		defer cancel()
		if _, err := source.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		pass(time.Minute)
		wantToken(t, source, "t1")
		if hasDeadline || !hasValue {
			t.Errorf("the issuer saw a deadline: %t, the values: %t", hasDeadline, hasValue)
		}
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	is := func(value string) func(string) bool { return func(have string) bool { return have == value } }
	tests := map[string]struct {
		reason  string
		age     time.Duration // of the token at hand, from before it was asked for
		refused string
		want    bool
		next    string
	}{
		"the token at hand": {
			reason: "it may have been revoked", age: 10 * time.Second, refused: "t1", want: true, next: "t2",
		},
		"the token at hand when it is too fresh": {
			reason: "another one would fare no better", age: 10*time.Second - time.Nanosecond, refused: "t1", want: false, next: "t1",
		},
		"another token": {
			reason: "somebody has replaced it since", age: time.Minute, refused: "t0", want: true, next: "t1",
		},
		"another token when the one at hand is fresh": {
			reason: "the one at hand has not been tried yet", age: time.Second, refused: "t0", want: true, next: "t1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, 1800*time.Second, func(t *testing.T, from *issuer, source *token.Source[string]) {
				wantToken(t, source, "t1")
				pass(test.age - from.latency)
				if got := source.Refused(is(test.refused)); got != test.want {
					t.Errorf("got %t, want %t: %s", got, test.want, test.reason)
				}
				wantToken(t, source, test.next)
			})
		})
	}
}

func TestRefusedByManyCausesOneRequest(t *testing.T) {
	t.Parallel()
	inBubble(t, 1800*time.Second, func(t *testing.T, from *issuer, source *token.Source[string]) {
		wantToken(t, source, "t1")
		pass(time.Minute)
		var users sync.WaitGroup
		for range 100 {
			users.Go(func() {
				if source.Refused(func(have string) bool { return have == "t1" }) {
					wantToken(t, source, "t2")
				} else {
					t.Error("one of many was told that another token is not worth it")
				}
			})
		}
		users.Wait()
		if got := from.wasAsked(); got != 2 {
			t.Errorf("%d requests", got)
		}
	})
}

func TestRefusedBeforeThereIsAToken(t *testing.T) {
	t.Parallel()
	inBubble(t, 1800*time.Second, func(t *testing.T, _ *issuer, source *token.Source[string]) {
		if !source.Refused(func(string) bool { t.Error("there is nothing to compare with"); return true }) {
			t.Error("got false, want true")
		}
	})
}
