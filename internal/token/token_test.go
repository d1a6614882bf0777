// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package token_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sendforsign/sfs-operator/internal/token"
)

const (
	day = 24 * time.Hour
	ns  = time.Nanosecond
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// made is a token that was asked for at start.
func made(life time.Duration) token.Token {
	return token.Token{Issued: start, Expires: start.Add(life), Owner: "0b6e7a1c-5c3a-4f0f-8d5e-2f1a6f3f9f10", Revision: 1}
}

// madeLater returns the token that is made some milliseconds later.
func madeLater(ms int, life time.Duration) token.Token {
	tok := made(life)
	tok.Issued = tok.Issued.Add(time.Duration(ms) * time.Millisecond)
	tok.Expires = tok.Issued.Add(life)
	return tok
}

func TestMargin(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason            string
		renewBefore, life time.Duration
		want              time.Duration
	}{
		"a third of the life of an SFS token": {
			reason: "nobody said anything else", life: 1800 * time.Second, want: 600 * time.Second,
		},
		"a third of nine minutes and a bit": {
			reason: "it is more than three minutes", life: 9*time.Minute + 3*time.Second, want: 3*time.Minute + time.Second,
		},
		"three minutes of nine": {
			reason: "a third and the least are the same", life: 9 * time.Minute, want: 3 * time.Minute,
		},
		"three minutes of less than nine": {
			reason: "a third is too little to take up a new token", life: 9*time.Minute - 3*time.Second, want: 3 * time.Minute,
		},
		"three minutes of 225 s": {
			reason: "four fifths and the least are the same", life: 225 * time.Second, want: 180 * time.Second,
		},
		"four fifths of 224 s": {
			reason: "the least would leave less than a fifth before the renewal", life: 224 * time.Second, want: 179200 * time.Millisecond,
		},
		"four fifths of a minute": {
			reason: "the least is longer than the life", life: time.Minute, want: 48 * time.Second,
		},
		"four fifths of a second": {
			reason: "whatever the life", life: time.Second, want: 800 * time.Millisecond,
		},
		"what was asked for": {
			reason: "users know their applications", renewBefore: 7 * time.Minute, life: 1800 * time.Second, want: 7 * time.Minute,
		},
		"the least that may be asked for": {
			reason: "three minutes are enough", renewBefore: 3 * time.Minute, life: 1800 * time.Second, want: 3 * time.Minute,
		},
		"less than may be asked for": {
			reason: "an object that was stored before the rule may say so", renewBefore: 3*time.Minute - ns, life: 1800 * time.Second, want: 3 * time.Minute,
		},
		"nearly the whole life was asked for": {
			reason: "it is within four fifths", renewBefore: 24 * time.Minute, life: 1800 * time.Second, want: 24 * time.Minute,
		},
		"more than four fifths of the life were asked for": {
			reason: "the token would be renewed without end", renewBefore: 24*time.Minute + ns, life: 1800 * time.Second, want: 24 * time.Minute,
		},
		"more than the life was asked for": {
			reason: "SFS may give shorter tokens one day", renewBefore: time.Hour, life: 1800 * time.Second, want: 24 * time.Minute,
		},
		"less than nothing was asked for": {
			reason: "it counts as nothing", renewBefore: -time.Hour, life: 1800 * time.Second, want: 10 * time.Minute,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := (token.Policy{RenewBefore: test.renewBefore}).Margin(test.life); got != test.want {
				t.Errorf("got %s, want %s: %s", got, test.want, test.reason)
			}
		})
	}
}

func TestMinRemaining(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration]time.Duration{
		day:                   2 * time.Minute,
		1800 * time.Second:    2 * time.Minute,
		10*time.Minute + 5*ns: 2 * time.Minute,
		10 * time.Minute:      2 * time.Minute,
		10*time.Minute - 5*ns: 2*time.Minute - ns,
		time.Minute:           12 * time.Second,
		5 * time.Second:       time.Second,
		0:                     0,
	} {
		if got := token.MinRemaining(life); got != want {
			t.Errorf("of a life of %s: got %s, want %s", life, got, want)
		}
	}
}

func TestUsable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		life, age time.Duration
		want      bool
	}{
		{1800 * time.Second, 0, true},
		{1800 * time.Second, 1680*time.Second - ns, true},
		{1800 * time.Second, 1680 * time.Second, true},
		{1800 * time.Second, 1680*time.Second + ns, false},
		{1800 * time.Second, 1800 * time.Second, false},
		{1800 * time.Second, day, false},
		{60 * time.Second, 48 * time.Second, true},
		{60 * time.Second, 48*time.Second + ns, false},
		{5 * time.Second, 4 * time.Second, true},
		{5 * time.Second, 4*time.Second + ns, false},
		{1800 * time.Second, -time.Minute, true}, // stamped by a clock that is a little ahead
	} {
		if got := made(test.life).Usable(start.Add(test.age)); got != test.want {
			t.Errorf("a token of %s is usable at the age of %s: %t, want %t", test.life, test.age, got, test.want)
		}
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	living := made(1800 * time.Second)
	due := token.Policy{}.RenewalTime(living)
	tests := map[string]struct {
		reason   string
		observed token.Observed
		policy   token.Policy
		now      time.Time
		want     token.Reason
	}{
		"a fresh token is kept": {
			reason: "there is nothing to do", observed: token.Observed{Token: &living}, now: start, want: token.NotDue,
		},
		"no token": {
			reason: "there has to be one", now: start, want: token.Missing,
		},
		"no token is the first thing that matters": {
			reason:   "nothing can be wrong with a token that is not there",
			observed: token.Observed{Damaged: true, Foreign: true, Requested: true}, now: start, want: token.Missing,
		},
		"a damaged token": {
			reason: "the value is gone", observed: token.Observed{Token: &living, Damaged: true, Foreign: true, Requested: true},
			now: start, want: token.Damaged,
		},
		"a token of somebody else": {
			reason: "it must not stay", observed: token.Observed{Token: &living, Foreign: true, Requested: true}, now: start, want: token.Foreign,
		},
		"a token that somebody wants renewed": {
			reason: "they may know that it leaked", observed: token.Observed{Token: &living, Requested: true}, now: start, want: token.Requested,
		},
		"a token that somebody wants revoked": {
			reason: "it goes before a mere renewal, which it includes", observed: token.Observed{Token: &living, RevokeRequested: true, Requested: true},
			now: start, want: token.RevokeRequested,
		},
		"a damaged token that somebody wants revoked": {
			reason: "what was published may not be it", observed: token.Observed{Token: &living, Damaged: true, RevokeRequested: true},
			now: start, want: token.Damaged,
		},
		"a token that the API does not take": {
			reason: "applications can do nothing with it", observed: token.Observed{Token: &living, Rejected: true}, now: start, want: token.Rejected,
		},
		"a request goes before the schedule": {
			reason:   "so that it is told to have been done",
			observed: token.Observed{Token: &living, Requested: true}, now: start.Add(day), want: token.Requested,
		},
		"just before the renewal": {
			reason: "it is not yet time", observed: token.Observed{Token: &living}, now: due.Add(-ns), want: token.NotDue,
		},
		"at the renewal": {
			reason: "it is time", observed: token.Observed{Token: &living}, now: due, want: token.Due,
		},
		"long after the end": {
			reason: "the operator was away", observed: token.Observed{Token: &living}, now: start.Add(day), want: token.Due,
		},
		"with a longer margin it is due earlier": {
			reason:   "the policy of the moment counts, not that of the mint",
			observed: token.Observed{Token: &living}, policy: token.Policy{RenewBefore: 20 * time.Minute},
			now: start.Add(10 * time.Minute), want: token.Due,
		},
		"issued two minutes from now": {
			reason: "clocks differ that much", observed: token.Observed{Token: &living}, now: start.Add(-2 * time.Minute), want: token.NotDue,
		},
		"issued more than two minutes from now": {
			reason:   "the clock was wrong, so its end is not known",
			observed: token.Observed{Token: &living}, now: start.Add(-2*time.Minute - ns), want: token.FromFuture,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := token.Decide(test.observed, test.policy, test.now); got != test.want {
				t.Errorf("got %q, want %q: %s", got, test.want, test.reason)
			}
		})
	}
}

func TestOwesRevocation(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		previous time.Time
		want     bool
	}{
		"none waits":      {},
		"before its time": {previous: start.Add(ns)},
		"at its time":     {previous: start, want: true},
		"after its time":  {previous: start.Add(-day), want: true},
	}
	for name, test := range tests {
		if got := (token.Token{RevokePrevious: test.previous}).OwesRevocation(start); got != test.want {
			t.Errorf("%s: got %t, want %t", name, got, test.want)
		}
	}
}

func TestPhasesAreSpreadOverTheInterval(t *testing.T) {
	t.Parallel()
	const owners, parts = 10_000, 10
	var counts [parts]int
	for i := range owners {
		owner := fmt.Sprintf("0b6e7a1c-5c3a-4f0f-8d5e-%012d", i)
		phase := token.Phase(owner, time.Minute)
		if phase != token.Phase(owner, time.Minute) {
			t.Fatalf("the phase of %s is not always the same", owner)
		}
		counts[int(phase*parts/time.Minute)%parts]++
	}
	for part, n := range counts {
		if n < owners/parts*8/10 || n > owners/parts*12/10 {
			t.Errorf("%d of %d owners have their turn in part %d of %d", n, owners, part, parts)
		}
	}
}

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	living := made(1800 * time.Second)
	last := living.Expires.Add(-2 * time.Minute) // until then it is usable
	tests := map[string]struct {
		reason  string
		token   *token.Token
		backoff time.Duration
		now     time.Time
		want    time.Duration
	}{
		"without a token": {
			reason: "nothing is left that could be lost", backoff: 30 * time.Second, now: start, want: 30 * time.Second,
		},
		"far from the end": {
			reason: "the backoff is the shorter", token: &living, backoff: 30 * time.Second, now: last.Add(-61 * time.Second), want: 30 * time.Second,
		},
		"at a minute from the end of its use": {
			reason: "half of it is the backoff", token: &living, backoff: 30 * time.Second, now: last.Add(-60 * time.Second), want: 30 * time.Second,
		},
		"at less than a minute from the end of its use": {
			reason: "half of it is less than the backoff", token: &living, backoff: 30 * time.Second, now: last.Add(-50 * time.Second), want: 25 * time.Second,
		},
		"with a slow backoff": {
			reason: "however slow it is", token: &living, backoff: 10 * time.Minute, now: last.Add(-8 * time.Minute), want: 4 * time.Minute,
		},
		"at two seconds from the end of its use": {
			reason: "half of it is a second", token: &living, backoff: 30 * time.Second, now: last.Add(-2 * time.Second), want: time.Second,
		},
		"at less than two seconds from the end of its use": {
			reason: "ever smaller halves would be a storm", token: &living, backoff: 30 * time.Second, now: last.Add(-ns), want: time.Second,
		},
		"at the end of its use": {
			reason: "the general backoff goes on", token: &living, backoff: 30 * time.Second, now: last, want: 30 * time.Second,
		},
		"after its end": {
			reason: "the general backoff goes on", token: &living, backoff: 30 * time.Second, now: start.Add(day), want: 30 * time.Second,
		},
		"with a backoff of less than a second": {
			reason: "a second is the least while it lives", token: &living, backoff: 5 * time.Millisecond, now: start, want: time.Second,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := token.RetryDelay(test.token, test.backoff, test.now); got != test.want {
				t.Errorf("got %s, want %s: %s", got, test.want, test.reason)
			}
		})
	}
}

var (
	lives    = []time.Duration{time.Second, 5 * time.Second, time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, day}
	policies = []time.Duration{0, ns, 3 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 48 * time.Hour}
)

func TestEveryTokenIsRenewedInItsTime(t *testing.T) {
	t.Parallel()
	for _, life := range lives {
		for _, renewBefore := range policies {
			policy := token.Policy{RenewBefore: renewBefore}
			for i := range 1000 {
				tok := madeLater(i, life)
				renewal := policy.RenewalTime(tok)
				about := fmt.Sprintf("a life of %s from %s with a margin of %s", life, tok.Issued, renewBefore)
				switch left := tok.Expires.Sub(renewal); {
				case !renewal.After(tok.Issued):
					t.Fatalf("%s: renewed at %s after its issue", about, renewal.Sub(tok.Issued))
				case !renewal.Before(tok.Expires):
					t.Fatalf("%s: renewed after its end", about)
				case left < policy.Margin(life):
					t.Fatalf("%s: renewed %s before its end, later than the margin of %s", about, left, policy.Margin(life))
				case left < token.MinRemaining(life):
					t.Fatalf("%s: renewed %s before its end, when it can no longer be counted on", about, left)
				}
				// Not so early either that twice the work would be done.
				if age, latest := renewal.Sub(tok.Issued), life-policy.Margin(life); age < latest*9/10-ns {
					t.Fatalf("%s: renewed at the age of %s, want no less than nine tenths of %s", about, age, latest)
				}
			}
		}
	}
}

func TestAnSFSTokenIsRenewedAt1080To1200Seconds(t *testing.T) {
	t.Parallel()
	earliest, latest := day, time.Duration(0)
	for i := range 10_000 {
		tok := madeLater(i, 1800*time.Second)
		age := token.Policy{}.RenewalTime(tok).Sub(tok.Issued)
		earliest, latest = min(earliest, age), max(latest, age)
	}
	if earliest < 1080*time.Second || earliest > 1081*time.Second || latest > 1200*time.Second || latest < 1199*time.Second {
		t.Errorf("renewed at the age of %s to %s, want nearly all of 1080 s to 1200 s", earliest, latest)
	}
}

func TestARestartDoesNotMoveARenewal(t *testing.T) {
	t.Parallel()
	// Known values: another build decides the same, or all tokens of a fleet might be due at once after an upgrade.
	for i, want := range map[int]time.Duration{
		1: 18*time.Minute + 23590*time.Millisecond,
		2: 18*time.Minute + 14480*time.Millisecond,
	} {
		tok := madeLater(i, 1800*time.Second)
		for tok.Revision = range int64(3) { // nor does another write of it
			if got := (token.Policy{}).RenewalTime(tok).Sub(tok.Issued).Round(time.Millisecond); got != want {
				t.Errorf("token %d, revision %d: renewed at the age of %s, want %s", i, tok.Revision, got, want)
			}
		}
	}
}

func TestRenewalsAreSpread(t *testing.T) {
	t.Parallel()
	const many, buckets = 10_000, 10
	tests := map[string]func(i int) (owner string, later int){
		"over owners with UIDs": func(i int) (string, int) {
			return fmt.Sprintf("%08x-5c3a-4f0f-8d5e-2f1a6f3f9f10", i*2654435761%(1<<32)), 1
		},
		"over owners who differ in a digit": func(i int) (string, int) { return fmt.Sprintf("owner-%d", i), 1 },
		"over the tokens of one owner":      func(i int) (string, int) { return "owner", i },
		"over tokens without an owner":      func(i int) (string, int) { return "", i },
	}
	for name, of := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var count [buckets]int
			for i := range many {
				owner, later := of(i)
				tok := madeLater(later, 1800*time.Second)
				tok.Owner = owner
				early := 1200*time.Second - token.Policy{}.RenewalTime(tok).Sub(tok.Issued)
				count[min(int(early*buckets/(120*time.Second)), buckets-1)]++
			}
			for bucket, n := range count {
				if n < many*5/100 || n > many*15/100 {
					t.Errorf("%d of %d renewals are in tenth %d, want a tenth: %v", n, many, bucket, count)
				}
			}
		})
	}
}

// After an outage, or for very many new clients, tokens are made at the pace that a rate limit allows. They come due again no
// faster, and spread further with each cycle: so there is nothing that a wider jitter would be good for.
func TestTokensThatWereMadeAtAPaceComeDueAtThatPaceOrLess(t *testing.T) {
	t.Parallel()
	const tokens, pace, life, minute = 12_000, 20, 1800 * time.Second, 60
	all := make([]token.Token, tokens)
	for i := range all {
		issued := start.Add(time.Duration(i) * time.Second / pace)
		all[i] = token.Token{Owner: fmt.Sprintf("owner-%d", i), Issued: issued, Expires: issued.Add(life)}
	}
	const most = pace * minute * 11 / 10 // by chance some more come due in a minute
	var first, last int
	for cycle := range 30 {
		inMinute := map[int]int{}
		for i := range all {
			due := token.Policy{}.RenewalTime(all[i])
			inMinute[int(due.Sub(start)/time.Minute)]++
			all[i].Issued, all[i].Expires = due, due.Add(life)
		}
		last = slices.Max(slices.Collect(maps.Values(inMinute)))
		if last > most {
			t.Errorf("in cycle %d %d come due in one minute, want about as many as were made in one at most", cycle, last)
		}
		if cycle == 0 {
			first = last
		}
	}
	if last >= first*95/100 {
		t.Errorf("in the end %d come due in the busiest minute, want them to spread: in the beginning it was %d", last, first)
	}
}

// A loop that does what is due, and sleeps until the next renewal, keeps a usable token at every instant.
func TestATokenIsKeptAliveForFiftyLives(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{1800 * time.Second, 600 * time.Second, 60 * time.Second, 5 * time.Second} {
		for _, policy := range []token.Policy{{}, {RenewBefore: 3 * time.Minute}, {RenewBefore: time.Hour}} {
			t.Run(fmt.Sprintf("a life of %s with a margin of %s", life, policy.RenewBefore), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { keepAlive(t, life, policy) })
			})
		}
	}
}

func keepAlive(t *testing.T, life time.Duration, policy token.Policy) {
	t.Helper()
	const latency = 100 * time.Millisecond // of the issuer
	end := time.Now().Add(50 * life)
	var current *token.Token
	mints := 0
	for time.Now().Before(end) {
		if reason := token.Decide(token.Observed{Token: current}, policy, time.Now()); reason != token.NotDue {
			if current != nil && reason != token.Due {
				t.Fatalf("renewed as %q", reason)
			}
			issued := time.Now()
			<-time.After(latency)
			if current != nil {
				if left := time.Until(current.Expires); left < token.MinRemaining(life) {
					t.Fatalf("renewal %d: %s is left, want at least %s", mints, left, token.MinRemaining(life))
				}
			}
			mints++
			current = &token.Token{Issued: issued, Expires: issued.Add(life), Revision: int64(mints), Owner: "owner"}
		}
		if !current.Usable(time.Now()) {
			t.Fatalf("after mint %d the token is not usable", mints)
		}
		wait := time.Until(policy.RenewalTime(*current))
		if wait <= 0 {
			t.Fatalf("mint %d is due again at once", mints+1)
		}
		<-time.After(wait)
	}
	// At least one per life; and no more than a renewal at a fifth of the life, moved forward by a tenth, needs.
	if least, most := 50, 50*5*10/9+2; mints < least || mints > most {
		t.Errorf("%d tokens for 50 lives, want %d to %d", mints, least, most)
	}
}

// An issuer that is away for a while costs no token its life: the attempts go on until the last moment.
func TestAttemptsReachTheEndOfTheUseOfAToken(t *testing.T) {
	t.Parallel()
	for _, backoff := range []time.Duration{time.Second, 30 * time.Second, 10 * time.Minute} {
		tok := made(1800 * time.Second)
		now := token.Policy{}.RenewalTime(tok)
		attempts := 0
		var before time.Time
		for tok.Usable(now) {
			before = now
			now = now.Add(token.RetryDelay(&tok, backoff, now))
			attempts++
		}
		if left := tok.Expires.Sub(before) - token.MinRemaining(tok.Life()); left > 2*time.Second {
			t.Errorf("with a backoff of %s the last attempt is %s before the end", backoff, left)
		}
		if most := int(10*time.Minute/min(backoff, 10*time.Second)) + 20; attempts > most {
			t.Errorf("with a backoff of %s there are %d attempts, want at most %d", backoff, attempts, most)
		}
	}
}
