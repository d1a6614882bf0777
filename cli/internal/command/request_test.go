// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
)

// A proxy, or an API server that is being stopped, may end each watch as soon as it is there.
func TestAWatchThatEndsIsNotReopenedAtOnce(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	server := &impatient{most: 10, stop: stop}
	pauses := &pausing{most: 3, stop: stop}
	o := &renewCommand{session: &session{Environment: Environment{Clock: pauses}}}
	target := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop"}}
	done, err := o.watchUntil(ctx, server, held(target), func(*kinds.Token) bool { return false })
	if done || err != nil {
		t.Errorf("it is done: %t, %v", done, err)
	}
	if want := []time.Duration{time.Second, time.Second, time.Second}; !slices.Equal(pauses.seen, want) || server.watches != 3 {
		t.Errorf("%d watches, with the pauses %v", server.watches, pauses.seen)
	}
}

// impatient ends all watches at once, and after the last of them the test.
type impatient struct {
	client.WithWatch

	watches, most int
	stop          func()
}

func (i *impatient) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	if i.watches++; i.watches == i.most {
		i.stop()
	}
	return watch.NewEmptyWatch(), nil
}

// pausing lets time pass at once, and in the last pause ends the test.
type pausing struct {
	clock.Clock

	seen []time.Duration
	most int
	stop func()
}

func (p *pausing) After(d time.Duration) <-chan time.Time {
	over := make(chan time.Time, 1)
	if p.seen = append(p.seen, d); len(p.seen) == p.most {
		p.stop()
		return over
	}
	over <- time.Time{}
	return over
}

func TestARequestIsDone(t *testing.T) {
	const own = "2026-11-21T20:00:00.5Z"
	for name, c := range map[string]struct {
		asked, before, now string
		done               bool
	}{
		"not yet":                                {own, "", "", false},
		"as asked":                               {own, "", own, true},
		"somebody asked a little later":          {own, "", "2026-11-21T20:00:01Z", true},
		"at the same time, in another form":      {own, "", "2026-11-21T21:00:00.500+01:00", true},
		"somebody asked before":                  {own, "", "2026-11-21T20:00:00Z", false},
		"what was done before, by a wrong clock": {own, "2026-11-22T20:00:00Z", "2026-11-22T20:00:00Z", false},
		"another word":                           {own, "", "now", false},
		"words":                                  {"now", "", "now", true},
		"a word, and then a time":                {"now", "", own, false},
	} {
		if got := isDone(c.asked, c.before, c.now); got != c.done {
			t.Errorf("%s: %t", name, got)
		}
	}
}
