// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// TestWhatEachStoryCosts holds the requests of the operator, to both servers and in their order, to what docs/scaling.md says
// of them. Beside them stand the events; a story without news for people has none.
func TestWhatEachStoryCosts(t *testing.T) {
	t.Parallel()
	const margin, interval, never = 20 * time.Minute, 5 * time.Minute, 24 * time.Hour
	renewal := func(w *world, _ *v1alpha1.SfsClient) { w.run(11 * time.Minute) }
	for name, test := range map[string]struct {
		omitTimes bool
		drift     time.Duration // interval of the comparison; 0: never
		// story is what is done while the requests are counted, with a client that is Ready.
		story  func(*world, *v1alpha1.SfsClient)
		events int
		want   []string
	}{
		"the first sync of another client": {
			story: func(w *world, _ *v1alpha1.SfsClient) {
				w.newSfsClient("another")
				w.settle()
			},
			events: 2,
			want: []string{
				"api patch sfsclients",                             // the finalizer, for the token
				"sfs read client",                                  // there is none; the list of all is young enough
				"api patch sfsclients/status", "sfs create client", // the intent, the client
				"api patch sfsclients/status",           // its key
				"api get secrets", "api create secrets", // its identifiers, unless somebody has such a Secret
				"api get secrets", "sfs create token", "api create secrets",
				"api patch sfsclients/status",   // all is well
				"api patch sfsplatforms/status", // one more, counted once in five seconds
			},
		},
		"a renewal": {
			story: renewal,
			want:  []string{"sfs create token", "api patch secrets", "api patch sfsclients/status"},
		},
		"a renewal that leaves the times to the Secret": {
			omitTimes: true, story: renewal,
			want: []string{"sfs create token", "api patch secrets"},
		},
		"a restart": {
			story: func(w *world, _ *v1alpha1.SfsClient) {
				w.restart()
				w.run(5 * time.Minute)
			},
			want: []string{"api get secrets"}, // the credentials
		},
		"a restart that leaves the times to the Secret from now on": {
			story: func(w *world, _ *v1alpha1.SfsClient) {
				w.options.OmitTokenTimes = true
				w.restart()
				w.run(5 * time.Minute)
			},
			want: []string{"api get secrets"},
		},
		"a comparison of all clients": {
			drift: interval, story: func(w *world, _ *v1alpha1.SfsClient) { w.run(interval) },
			want: []string{"sfs list client", "api patch sfsplatforms/status"},
		},
		"another look at everything": {
			story: func(w *world, c *v1alpha1.SfsClient) {
				w.due[refTo(c)], w.due[ref{kind: platformKind, name: w.platform}] = w.clock.Now(), w.clock.Now()
				w.settle()
			},
		},
		"other labels and annotations": {
			story: func(w *world, c *v1alpha1.SfsClient) {
				update(w, c, func(c *v1alpha1.SfsClient) { c.Labels = map[string]string{"team": "a"} })
				w.settle()
			},
		},
		"nothing": {story: func(w *world, _ *v1alpha1.SfsClient) { w.run(5 * time.Minute) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.options.OmitTokenTimes = test.omitTimes
			w.restart()
			platform := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: w.platform}}
			update(w, platform, func(p *v1alpha1.SfsPlatform) {
				p.Spec.DriftCheckInterval = &metav1.Duration{Duration: cmp.Or(test.drift, never)}
				p.Spec.Token.RenewBefore = &metav1.Duration{Duration: margin}
			})
			c := w.newSfsClient("shop")
			w.settle()
			w.run(time.Minute)
			events := len(w.recorder.all())
			w.wire.arm(nil)
			test.story(w, c)
			var got []string
			for _, call := range w.wire.made(0) {
				got = append(got, call.String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if told := w.recorder.all()[events:]; len(told) != test.events {
				t.Errorf("%d events, want %d: %v", len(told), test.events, told)
			}
		})
	}
}
