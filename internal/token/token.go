// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package token holds the life cycle of short-lived tokens: when to mint, when to renew, how long to wait after a
// failure, and a source that shares one token among many users. It knows no API's wire format.
//
//	issued                                   renewal      usable until        expires
//	   |------------------------------------------|-- margin -----|--- minimum ---|
//	   |              nothing to do               |  mint, retry  | alarm, retry  |
//
// Every decision is a pure function of what is known and the time, so that a restart decides as the process before it.
package token

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"time"
)

const (
	// defaultMarginFraction of a token's life is left when it is renewed.
	defaultMarginFraction = 1.0 / 3
	// leastMargin is what a kubelet (90 s) and an application (60 s) need to take up a new token, and some more.
	leastMargin = 3 * time.Minute
	// greatestMarginFraction keeps a margin that is longer than the life of the token from renewing without end.
	greatestMarginFraction = 0.8
	// jitterFraction of the time to renewal is by how much a renewal is moved forward, so that tokens that were made
	// together are not renewed together. Only ever earlier: later would eat the margin.
	jitterFraction = 0.1

	leastRemaining         = 2 * time.Minute
	leastRemainingFraction = 0.2

	// clockTolerance is by how much the clock that stamped a token may have been ahead before its times are no longer
	// believed.
	clockTolerance = 2 * time.Minute
)

// Policy is what users say about renewal.
type Policy struct {
	// RenewBefore is how long before its end a token is renewed. Zero: a third of its life.
	RenewBefore time.Duration
}

// Token describes a published token, without its value.
type Token struct {
	// Issued is when the token was asked for, to the millisecond, Expires when it dies.
	Issued, Expires time.Time
	// Owner makes, with Issued, the jitter of the renewal, which must change neither with a restart nor with another write
	// of the same token: the renewal might move into the past, where nobody waits for it.
	Owner string
	// Revision counts the writes of this owner.
	Revision int64
	// RevokePrevious is when the next of the tokens before this one is to be revoked. Zero: none waits for it.
	RevokePrevious time.Time
}

// OwesRevocation says whether a token before this one should have been revoked by now.
func (t Token) OwesRevocation(now time.Time) bool {
	return !t.RevokePrevious.IsZero() && !now.Before(t.RevokePrevious)
}

// Life is how long the token lives in all.
func (t Token) Life() time.Duration { return t.Expires.Sub(t.Issued) }

// Margin is how long before its end a token of this life is renewed.
func (p Policy) Margin(life time.Duration) time.Duration {
	margin := p.RenewBefore
	if margin <= 0 {
		margin = fraction(life, defaultMarginFraction)
	}
	return min(max(margin, leastMargin), fraction(life, greatestMarginFraction))
}

// RenewalTime is when the token is due for renewal.
func (p Policy) RenewalTime(t Token) time.Time {
	untilDue := t.Life() - p.Margin(t.Life())
	jitter := fraction(untilDue, jitterFraction*spread(t.Owner, t.Issued.UnixMilli()))
	return t.Issued.Add(untilDue - jitter)
}

// Phase is how far into an interval what is done for this owner once in each interval has its turn, so that not all do it
// at once.
func Phase(owner string, interval time.Duration) time.Duration {
	return fraction(interval, spread(owner, 0))
}

// spread is a number in [0, 1) that is always the same for the same owner and number.
func spread(owner string, number int64) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(owner))
	_ = binary.Write(h, binary.LittleEndian, number)
	// FNV leaves the high bits of short inputs poorly mixed; the multiplication (of splitmix64) mends that.
	const mix = 0xbf58476d1ce4e5b9
	x := h.Sum64()
	x = (x ^ x>>30) * mix
	return float64((x^x>>31)>>11) / (1 << 53)
}

// MinRemaining is the least life that a published token should have left; with less it can not be counted on.
func MinRemaining(life time.Duration) time.Duration {
	return min(leastRemaining, fraction(life, leastRemainingFraction))
}

// Usable says whether applications can count on the token now.
func (t Token) Usable(now time.Time) bool {
	return t.Expires.Sub(now) >= MinRemaining(t.Life())
}

// Reason says why a token is published anew: another one, unless only what is known of it was lost.
type Reason string

const (
	// NotDue: nothing is done.
	NotDue Reason = ""
	// Missing: there is no token.
	Missing Reason = "Missing"
	// Damaged: what was published is no longer what was written.
	Damaged Reason = "Damaged"
	// Foreign: the token was made for another identity or another API.
	Foreign Reason = "Foreign"
	// RevokeRequested: a user asked to have the token revoked, which needs another one first.
	RevokeRequested Reason = "RevokeRequested"
	// Requested: a user asked for a new token.
	Requested Reason = "Requested"
	// Rejected: the API no longer takes the token.
	Rejected Reason = "Rejected"
	// Due: the time of renewal has come.
	Due Reason = "Due"
	// Reshaped: what was published is to be shown in another form. The same token serves, if its value is known.
	Reshaped Reason = "Reshaped"
	// FromFuture: the token claims to have been issued later than now, so the clock that stamped it was wrong and its
	// expiry can not be believed.
	FromFuture Reason = "FromFuture"
)

// Observed is what is known of the published token.
type Observed struct {
	// Token is nil where none is published.
	Token *Token
	// The facts behind the reasons of the same names.
	Damaged, Foreign, RevokeRequested, Requested, Rejected, Reshaped bool
}

// Decide says whether and why a token must be published now.
func Decide(o Observed, p Policy, now time.Time) Reason {
	switch {
	case o.Token == nil:
		return Missing
	case o.Damaged:
		return Damaged
	case o.Foreign:
		return Foreign
	case o.RevokeRequested:
		return RevokeRequested
	case o.Requested:
		return Requested
	case o.Rejected:
		return Rejected
	case o.Token.Issued.After(now.Add(clockTolerance)):
		return FromFuture
	case !now.Before(p.RenewalTime(*o.Token)):
		return Due
	case o.Reshaped:
		return Reshaped
	}
	return NotDue
}

// RetryDelay is how long to wait before the next attempt to renew a token, after a failure that a general backoff would
// wait out for the given time. It never waits past half of what is left until the token can no longer be counted on, so
// that the last attempts come in time, but at least a second.
func RetryDelay(t *Token, backoff time.Duration, now time.Time) time.Duration {
	if t == nil {
		return backoff
	}
	left := t.Expires.Sub(now) - MinRemaining(t.Life())
	if left <= 0 {
		return backoff
	}
	return max(min(backoff, left/2), time.Second)
}

func fraction(d time.Duration, f float64) time.Duration {
	return time.Duration(math.Round(float64(d) * f))
}
