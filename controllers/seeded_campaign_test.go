// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/campaign"
)

// site is where a bug shows: a fault at a call, which is found by what it does (the first of several), or a plan as it is
// written after the name of the workload.
type site struct{ workload, mode, call string }

// plan finds the call in a run without faults.
func (p site) plan(calls []*call) (plan, error) {
	if p.call == "" {
		return parsePlan(p.workload + "/" + p.mode)
	}
	for _, c := range calls {
		if modeNamed(p.mode).fits(c) && strings.TrimSpace(c.String()+" "+c.target.name) == p.call {
			return parsePlan(fmt.Sprintf("%s/%s@%d", p.workload, p.mode, c.n))
		}
	}
	return plan{}, fmt.Errorf("there is no call %q", p.call)
}

// seeded is a bug and where it shows.
type seeded struct {
	seed
	at site
}

// seeds are bugs that operators like this one have had. Each is found in an undisturbed run of the workload, or else under
// the fault that is named here.
var seeds = []seeded{
	{seed{name: "creates without looking", sfs: answeringLookups}, site{"first-client", "crash-after", "sfs create client"}},
	{seed{name: "creates without an intent", kubernetes: losingIntents}, site{"first-client", "lost-unseen", "sfs create client"}},
	{seed{name: "does not heed Retry-After", sfs: losingRetryAfter}, site{"renew-requested", "429", "sfs create token"}},
	{seed{name: "writes the status before the Secret", kubernetes: statusFirst}, site{"renew-requested", "crash-after", "api patch sfsclients/status shop"}},
	{seed{name: "writes a Secret in two steps", kubernetes: inTwoSteps}, site{"renew-requested", "crash-after", "api patch secrets shop-sfs-token"}},
	{seed{name: "leaves its finalizer", kubernetes: leavingFinalizers}, site{workload: "client-deleted"}},
	{seed{name: "has a cache that never catches up", start: neverCatchingUp}, site{workload: "first-client"}},
	{seed{name: "gives one client the token of another", sfs: mixingTokens}, site{workload: "two-clients"}},
	{seed{name: "logs what it sends", sfs: logging}, site{workload: "first-client"}},
	{seed{name: "renews all when it starts", start: forgettingTimes}, site{"spec-change", "crash-after", "api patch sfsclients/status shop"}},
	{seed{name: "takes an error for success", sfs: swallowingErrors}, site{"first-client", "500", "sfs create client"}},
	{seed{name: "never comes back", pass: changing(func(r *ctrl.Result) { r.RequeueAfter = 0 })}, site{workload: "renewal"}},
	{seed{name: "comes back all the time", pass: changing(func(r *ctrl.Result) { r.RequeueAfter = time.Second })}, site{workload: "renewal"}},
	{seed{name: "writes a status in each pass", pass: writingStatuses}, site{workload: "renewal"}},
	{seed{name: "mints again when a Secret can not be written", pass: forgettingPending}, site{"renew-requested", "busy", "api patch secrets shop-sfs-token"}},
	{seed{name: "patches without a lock", kubernetes: withoutLock}, site{workload: "first-client", mode: "lost-unseen@4+back-1@2"}},
}

// TestTheCampaignsCatchSeededBugs is the test of the campaigns: what never raises an alarm proves nothing.
func TestTheCampaignsCatchSeededBugs(t *testing.T) {
	c := campaign.Start(t, "seeded")
	inParallel(seeds, func(s seeded) {
		c.Tried("bug", 1)
		var undisturbed *record
		alone := plan{workload: workloadNamed(s.at.workload)}
		want := referenceOf(t, alone.workload)
		found := judged(t, func(t testing.TB) { undisturbed = alone.run(t, s.seed, want) })
		if len(found) == 0 && s.at.mode != "" {
			p, err := s.at.plan(undisturbed.calls)
			if err != nil {
				t.Errorf("%s: %v", s.name, err)
				return
			}
			if found = p.try(t, s.seed); len(found) > 0 {
				alone = p
			}
			if alarms := p.try(t, seed{}); len(alarms) > 0 {
				c.Broken(t, p.String(), "without any bug: %s", strings.Join(alarms, "\n    "))
			}
		}
		if len(found) == 0 {
			t.Errorf("nobody notices an operator that %s", s.name)
			return
		}
		t.Logf("%q is found by %s: %s", s.name, alone, strings.SplitN(found[0], "\n", 2)[0])
	})
}

// spoiled is a transport that does something else with some requests.
func spoiled(next http.RoundTripper, p plane, spoil func(c *call, x *exchange) (*http.Response, error)) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		c := describeCall(p, req)
		return spoil(c, &exchange{call: c, request: req, next: next})
	})
}

func (x *exchange) pass() (*http.Response, error) {
	resp, _, err := x.send()
	return resp, err
}

// with has the request say something else.
func (x *exchange) with(body []byte) *exchange {
	req := x.request.Clone(x.request.Context())
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return &exchange{call: x.call, request: req, next: x.next}
}

// edited returns a body of JSON with a change.
func edited(body []byte, change func(map[string]any)) []byte {
	var o map[string]any
	if json.Unmarshal(body, &o) != nil {
		return body
	}
	change(o)
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return text
}

func answeringLookups(_ *world, next http.RoundTripper) http.RoundTripper {
	return spoiled(next, planeSFS, func(c *call, x *exchange) (*http.Response, error) {
		if c.resource == "client" && c.verb == "read" {
			return x.refusal(http.StatusNotFound)
		}
		return x.pass()
	})
}

func losingIntents(_ *world, next http.RoundTripper) http.RoundTripper {
	return spoiled(next, planeKubernetes, func(c *call, x *exchange) (*http.Response, error) {
		if !bytes.Contains(c.body, []byte(`"createIntent":{`)) {
			return x.pass()
		}
		return x.with(edited(c.body, func(o map[string]any) {
			status, _ := o["status"].(map[string]any)
			delete(status, "createIntent")
		})).pass()
	})
}

func losingRetryAfter(_ *world, next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil {
			resp.Header.Del("Retry-After")
		}
		return resp, err
	})
}

func isTokenSecret(c *call) bool {
	return c.publishes() && bytes.Contains(c.body, []byte(v1alpha1.IssuedAtAnnotation))
}

func statusFirst(_ *world, next http.RoundTripper) http.RoundTripper {
	var held *exchange
	return spoiled(next, planeKubernetes, func(c *call, x *exchange) (*http.Response, error) {
		if isTokenSecret(c) {
			held = x
			return x.answer(http.StatusOK, "application/json", string(c.body), nil)
		}
		resp, err := x.pass()
		if held != nil && c.resource == "sfsclients/status" {
			_, _ = held.pass()
			held = nil
		}
		return resp, err
	})
}

func inTwoSteps(_ *world, next http.RoundTripper) http.RoundTripper {
	return spoiled(next, planeKubernetes, func(c *call, x *exchange) (*http.Response, error) {
		if isTokenSecret(c) {
			if _, err := x.with(edited(c.body, func(o map[string]any) {
				data, _ := o["data"].(map[string]any)
				delete(data, v1alpha1.KeyToken)
			})).pass(); err != nil {
				return nil, err
			}
		}
		return x.pass()
	})
}

func leavingFinalizers(_ *world, next http.RoundTripper) http.RoundTripper {
	return spoiled(next, planeKubernetes, func(c *call, x *exchange) (*http.Response, error) {
		if c.verb == "patch" && c.resource == "sfsclients" && bytes.Contains(c.body, []byte(`"finalizers":null`)) {
			return x.answer(http.StatusOK, "application/json", "{}", nil)
		}
		return x.pass()
	})
}

func withoutLock(_ *world, next http.RoundTripper) http.RoundTripper {
	return spoiled(next, planeKubernetes, func(c *call, x *exchange) (*http.Response, error) {
		if c.verb != "patch" {
			return x.pass()
		}
		return x.with(edited(c.body, func(o map[string]any) {
			metadata, _ := o["metadata"].(map[string]any)
			delete(metadata, "resourceVersion")
		})).pass()
	})
}

func mixingTokens(_ *world, next http.RoundTripper) http.RoundTripper {
	var first []byte
	return spoiled(next, planeSFS, func(c *call, x *exchange) (*http.Response, error) {
		resp, body, err := x.send()
		if err != nil || c.resource != "token" || c.verb != "create" || !bytes.Contains(c.body, []byte("clientKey")) {
			return resp, err
		}
		if first == nil {
			first = body
		}
		return x.answer(resp.StatusCode, "application/json", string(first), nil)
	})
}

func logging(_ *world, next http.RoundTripper) http.RoundTripper {
	return spoiled(next, planeSFS, func(c *call, x *exchange) (*http.Response, error) {
		log.FromContext(x.request.Context()).Info("Sending", "body", string(c.body), "header", x.request.Header)
		return x.pass()
	})
}

func swallowingErrors(_ *world, next http.RoundTripper) http.RoundTripper {
	return spoiled(next, planeSFS, func(c *call, x *exchange) (*http.Response, error) {
		resp, err := x.pass()
		if err == nil && resp.StatusCode >= 500 && c.resource == "client" && c.verb == "create" {
			return x.answer(http.StatusCreated, "application/json", `{"client":{"clientKey":"invented"},"code":"201"}`, nil)
		}
		return resp, err
	})
}

func neverCatchingUp(w *world) { w.fallBehind(1<<30, 1000*time.Hour, clientKind) }

// forgettingTimes is an operator that does not know after a start when its tokens were made.
func forgettingTimes(w *world) {
	for r, o := range w.cache.objects {
		if s, ok := o.(*corev1.Secret); ok {
			s = s.DeepCopy()
			if have := seen(s, ref{}, ""); have.condensed {
				delete(have.annotations, v1alpha1.IssuedAtAnnotation)
				s.GenerateName, s.Annotations = pack(have)
			}
			w.cache.objects[r] = s
		}
	}
}

// changing changes what each pass wishes for.
func changing(change func(*ctrl.Result)) func(*world, reconcile.Reconciler) reconcile.Reconciler {
	return func(_ *world, r reconcile.Reconciler) reconcile.Reconciler {
		return reconcile.Func(func(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
			result, err := r.Reconcile(ctx, req)
			change(&result)
			return result, err
		})
	}
}

func writingStatuses(w *world, r reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
		result, err := r.Reconcile(ctx, req)
		var c v1alpha1.SfsClient
		if w.api.Get(ctx, req.NamespacedName, &c) == nil {
			before := c.DeepCopy()
			c.Status.LastSyncTime = &metav1.Time{Time: w.clock.Now()}
			_ = w.api.Status().Patch(ctx, &c, client.MergeFrom(before))
		}
		return result, err
	})
}

func forgettingPending(w *world, r reconcile.Reconciler) reconcile.Reconciler {
	w.parts.clients.keeper.tokens = keptTokens{newMemory[keptToken]()}
	return r
}
