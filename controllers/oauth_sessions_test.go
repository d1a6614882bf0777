// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/sendforsign/sfs-operator/internal/metrics"
)

// Whoever writes OAuthTokens can name as many clients as they like, and paths of a host. When it hangs, the workers that its
// clients have together are those that one client may have.
func TestTheClientsOfAHostLeaveWorkersToOthers(t *testing.T) {
	t.Parallel()
	s := &oauthSessions{
		clock: clocktesting.NewFakePassiveClock(gateStart), metrics: metrics.New(), workers: &workers{size: 64},
		servers: map[oauthProvider]*oauthServer{}, gates: map[oauthAccount]*usedGate{}, open: map[ref]*oauthSession{}, at: map[string]*workers{},
	}
	enter := func(i int, tokenURL string) (*gate, error) {
		t.Helper()
		opened, err := s.connect(visitor(i), oauthProvider{name: "it", tokenURL: tokenURL}, fmt.Sprint("client ", i), "")
		if err != nil {
			t.Fatal(err)
		}
		return opened.gate, opened.gate.admit(visitor(i), "step", classRenewal, time.Time{})
	}
	const clients = 100
	var inside []int
	for host := range 3 {
		n := 0
		for i := range clients {
			if _, err := enter(clients*host+i, fmt.Sprintf("https://host-%d/%d/token", host, i%7)); err == nil {
				n++
			}
		}
		inside = append(inside, n)
	}
	if want := []int{32, 16, 8}; !slices.Equal(inside, want) {
		t.Errorf("the clients of hosts that hang have %v workers of 64, want %v", inside, want)
	}
	for i := range clients {
		who := 1000 + i
		entrance, err := enter(who, "https://well/token")
		if err != nil {
			t.Fatalf("client %d of a host that answers waits: %v", i, err)
		}
		entrance.leave(visitor(who))
	}
	s.open[visitor(0)].gate.leave(visitor(0))
	if _, err := enter(clients-1, "https://host-0/token"); err == nil {
		t.Error("a host that hangs gets a worker back while it has more than are free")
	}
}
