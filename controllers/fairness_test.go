// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// Twice as many renewals come due as there are workers for. Whoever has no token yet must get one all the same.
func TestUnderOverloadEveryTenantIsServed(t *testing.T) {
	t.Parallel()
	const workers, pass = 8, 4 * time.Second
	const capacity = 2 // passes in a second
	// Each is renewed after 1080 to 1200 s.
	const tenants = 2 * capacity * 1140
	const bound = 3 * time.Second * tenants / capacity / 2
	for name, existing := range map[string]int{"all are new": 0, "half of them were there before": tenants / 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, c := newFleet(t, workers)
				f.write = pass
				platform, s := f.open("busy", 1000, 1000, &account{})
				f.add(existing, platform, s, evenly(existing))
				f.add(tenants-existing, platform, s, never)
				end := f.start(c)
				lapse(bound)
				synctest.Wait()
				end()
				unserved := 0
				var minted int
				for _, n := range f.order {
					minted += len(n.minted)
					if n.current == nil {
						unserved++
					}
				}
				if unserved > 0 {
					t.Errorf("after %s %d of %d have never been served", bound, unserved, tenants)
				}
				if want := 95 * capacity * int(bound.Seconds()) / 100; minted < want {
					t.Errorf("%d tokens were minted, want the capacity to be used: %d", minted, want)
				}
			})
		})
	}
}

// A platform whose API is slow, or wants few requests, has a thousand clients, and they all come due at once. Those of another
// platform do not notice.
func TestASlowPlatformDelaysNoOther(t *testing.T) {
	t.Parallel()
	const each, workers = 1000, 64
	slow := func() *account { return &account{latency: 10 * time.Second} }
	silent := func() *account { return &account{latency: time.Hour} }
	refusing := func() *account { return &account{latency: 50 * time.Millisecond, limit: 1} }
	for name, others := range map[string][]func() *account{
		"one takes ten seconds for each answer": {slow},
		"four take ten seconds":                 {slow, slow, slow, slow},
		"one takes ten seconds, one never answers, one wants a request in a second": {slow, silent, refusing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, c := newFleet(t, workers)
				f.write = 50 * time.Millisecond
				platform, s := f.open("good", 10, 20, &account{latency: 50 * time.Millisecond})
				good := f.add(each, platform, s, evenly(each))
				var bad []*tenant
				for i, at := range others {
					platform, s := f.open(fmt.Sprintf("bad-%d", i), 10, 20, at())
					bad = append(bad, f.add(each, platform, s, func(int) time.Time { return time.Now().Add(-20 * time.Minute) })...)
				}
				end := f.start(c)
				lapse(20 * time.Minute)
				synctest.Wait()
				end()
				late := latest(good)
				if n := len(late); n < each {
					t.Fatalf("there were %d renewals of %d tokens", n, each)
				}
				p99, most := late[len(late)*99/100], late[len(late)-1]
				t.Logf("of %d renewals 99 %% are at most %s late, all at most %s; %d passes; %d tokens of the others", len(late), p99, most, f.passes.Load(), len(latest(bad)))
				if p99 > 2*time.Second {
					t.Errorf("1 %% of the renewals of the other platform are more than %s late", p99)
				}
			})
		})
	}
}

// SFS is away for longer than the margin, and then most tokens are dead. Each is replaced as soon as the rate limit allows,
// those that died first before the others, and those who wait do not keep the process busy.
func TestAfterAnOutageAllIsAliveAgainAsSoonAsTheRateAllows(t *testing.T) {
	t.Parallel()
	const outage = 25 * time.Minute
	for name, test := range map[string]struct {
		tenants, rate int
		stalls        time.Duration
	}{
		"20,000 clients, connections are refused": {tenants: 20_000, rate: 20, stalls: 50 * time.Millisecond},
		"4,000 clients, connections hang":         {tenants: 4000, rate: 4, stalls: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, c := newFleet(t, 64)
				f.write = 20 * time.Millisecond
				var away atomic.Bool
				at := &account{latency: 50 * time.Millisecond, away: away.Load, stalls: test.stalls}
				platform, s := f.open("main", test.rate, 20, at)
				f.add(test.tenants, platform, s, evenly(test.tenants))
				end := f.start(c)
				lapse(time.Minute)
				away.Store(true)
				lapse(outage)
				synctest.Wait()
				waiting := f.passes.Load()
				away.Store(false)
				back := time.Now()
				dead := f.expiries()
				lapse(time.Duration(test.tenants) * time.Second * 12 / 10 / time.Duration(test.rate))
				synctest.Wait()
				end()
				f.wantRecovered(back, dead, test.rate)
				// Each is looked at some times in the outage, and not each second.
				if each := waiting / int64(test.tenants); each > 25 {
					t.Errorf("there were %d passes for each client in the outage", each)
				}
			})
		})
	}
}

// expiries are those of the tokens as they are.
func (f *fleet) expiries() map[*tenant]time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[*tenant]time.Time{}
	for _, n := range f.order {
		all[n] = n.current.Expires
	}
	return all
}

// wantRecovered checks that each tenant has had a token since SFS is back, about in the order in which the old ones died.
func (f *fleet) wantRecovered(back time.Time, dead map[*tenant]time.Time, rate int) {
	f.t.Helper()
	order := slices.SortedFunc(maps.Keys(dead), func(a, b *tenant) int { return dead[a].Compare(dead[b]) })
	var last, late time.Duration
	missed := 0
	for i, n := range order {
		at := slices.IndexFunc(n.minted, func(m time.Time) bool { return m.After(back) })
		if at < 0 {
			missed++
			continue
		}
		after := n.minted[at].Sub(back)
		last, late = max(last, after), max(late, after-time.Duration(i)*time.Second/time.Duration(rate))
	}
	f.t.Logf("all had a token %s after SFS was back, none more than %s after its turn; %d have none", last, late, missed)
	if missed > 0 {
		f.t.Errorf("%d of %d have no token", missed, len(order))
	}
	if all := time.Second * time.Duration(len(order)/rate); late > all/10 {
		f.t.Errorf("where all take %s, one has come %s after those whose tokens died before its own", all, late)
	}
}

// Another leader finds twenty thousand clients, of which by far the most have nothing to do. Those that have are in the end of
// the list, and do not wait behind the others.
func TestAtAStartTheMostUrgentGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, c := newFleet(t, 1)
		platform, s := f.open("main", 1000, 1000, &account{})
		ago := func(d time.Duration) func(int) time.Time { return func(int) time.Time { return time.Now().Add(-d) } }
		f.add(20_000, platform, s, ago(time.Minute))
		fresh := f.add(10, platform, s, never)
		due := f.add(10, platform, s, ago(20*time.Minute))
		// Of these the status tells no times. Their Secrets do.
		omitted := f.add(10, platform, s, ago(25*time.Minute))
		secrets := newInformerCache("operator")
		for _, n := range omitted {
			secrets.objects[ref{kind: secretKind, namespace: n.object.Namespace, name: n.object.TokenSecretName()}] = secretOf(n)
			n.object.Status.Token = &v1alpha1.TokenStatus{SecretRef: n.object.Status.Token.SecretRef}
		}
		f.r.secrets.cached = secrets
		lost := f.add(10, platform, s, never)
		for _, n := range lost {
			n.object.Status.Token = &v1alpha1.TokenStatus{SecretRef: v1alpha1.SecretReference{Name: "lost"}}
		}
		dying := f.add(10, platform, s, ago(fleetLife-3*time.Minute))
		expired := f.add(10, platform, s, ago(time.Hour))
		changed := f.add(10, platform, s, ago(time.Minute))
		for _, n := range changed {
			n.object.Generation = 2
		}
		end := f.start(c)
		lapse(time.Second)
		end()
		if len(f.served) != len(f.order) {
			t.Fatalf("there were %d passes for %d clients", len(f.served), len(f.order))
		}
		for _, next := range []struct {
			what string
			all  [][]*tenant
		}{
			{"expired", [][]*tenant{expired}}, {"about to die", [][]*tenant{dying}},
			{"due, new, or without any knowledge of a token", [][]*tenant{fresh, due, omitted, lost}}, {"changed", [][]*tenant{changed}},
		} {
			want := slices.Concat(next.all...)
			for _, n := range f.served[:len(want)] {
				if !slices.Contains(want, n) {
					t.Errorf("%s goes before those that are %s", n.object.Name, next.what)
				}
			}
			f.served = f.served[len(want):]
		}
		minted := 0
		for _, n := range f.order {
			minted += len(n.minted)
		}
		if want := 6 * 10; minted != want {
			t.Errorf("%d tokens were minted, want %d: of those that have none, or whose time has come", minted, want)
		}
	})
}

// secretOf is the Secret of a token as the cache holds it.
func secretOf(n *tenant) *corev1.Secret {
	s := &corev1.Secret{}
	s.Labels = map[string]string{v1alpha1.OwnerLabel: string(n.object.UID)}
	s.Annotations = map[string]string{
		v1alpha1.IssuedAtAnnotation: n.current.Issued.Format(time.RFC3339), v1alpha1.ExpiresAtAnnotation: n.current.Expires.Format(time.RFC3339),
	}
	return s
}

// latest returns how late the renewals of tenants were, in order.
func latest(all []*tenant) []time.Duration {
	var late []time.Duration
	for _, n := range all {
		late = append(late, n.late...)
	}
	slices.Sort(late)
	return late
}
