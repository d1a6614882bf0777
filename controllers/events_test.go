// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// told are the reasons of the events about a resource, in order.
func (w *world) told(name string) []string {
	var reasons []string
	for _, e := range w.recorder.all() {
		if about, rest, _ := strings.Cut(e, " "); about == name {
			_, rest, _ = strings.Cut(rest, " ")
			reason, _, _ := strings.Cut(rest, ":")
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

func (w *world) wantTold(name string, reasons ...string) {
	w.t.Helper()
	if got := w.told(name); !slices.Equal(got, reasons) {
		w.t.Errorf("told of %s: %v, want %v", name, got, reasons)
	}
}

func TestAFailureIsToldWhenItBeginsAndWhenItEnds(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	w.wantTold("shop", "Created", "FirstToken")
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"x": "{{ .nothing }}"}
	})
	w.run(2 * time.Hour) // with renewals, of which nothing is told
	w.restart()
	w.run(time.Hour)
	w.wantTold("shop", "Created", "FirstToken", v1alpha1.TemplateErrorReason)
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Secret.Template.Data = nil })
	w.run(time.Minute)
	w.wantReady(c)
	w.wantTold("shop", "Created", "FirstToken", v1alpha1.TemplateErrorReason, "Resolved")
}

func TestWhatWaitsForTheNextIsNoFailure(t *testing.T) {
	w := newWorld(t)
	w.newSfsClientUser("jane", "shop")
	w.settle()
	w.wantTold("jane", v1alpha1.ClientNotFoundReason)
	w.newSfsClient("shop")
	w.settle()
	w.wantTold("jane", v1alpha1.ClientNotFoundReason, "Created", "Resolved")
}

func TestAnOutageIsToldOfEachClientWhoseTokenIsDue(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	back := w.sim.Inject(sfstest.Fault{Status: 503})
	w.run(17 * time.Minute)
	w.wantTold("shop", "Created", "FirstToken")
	w.run(4 * time.Minute)
	w.wantTold("shop", "Created", "FirstToken", v1alpha1.APIUnavailableReason)
	w.run(10 * time.Minute)
	w.wantTold("shop", "Created", "FirstToken", v1alpha1.APIUnavailableReason, v1alpha1.TokenExpiringReason)
	back()
	w.run(time.Minute)
	w.wantReady(c)
	w.wantTold("shop", "Created", "FirstToken", v1alpha1.APIUnavailableReason, v1alpha1.TokenExpiringReason, "Resolved")
}

func TestWhatAilsThePlatformIsToldOfThePlatform(t *testing.T) {
	w := newWorld(t)
	w.newSfsClient("shop")
	w.settle()
	fresh := w.sim.RotateCredentials()
	update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) {
		p.Annotations = map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "now"}
	})
	w.run(time.Minute)
	w.wantTold(w.platform, v1alpha1.CredentialsInvalidReason)
	w.wantTold("shop", "Created", "FirstToken")
	update(w, w.credentials(fresh), func(s *corev1.Secret) { s.Data = w.credentials(fresh).Data })
	w.run(10 * time.Minute)
	w.wantTold(w.platform, v1alpha1.CredentialsInvalidReason, "Resolved")
}

func TestAPauseIsToldOfThePlatform(t *testing.T) {
	w := newWorld(t)
	w.settle()
	w.throttle(1, "30")
	w.newSfsClient("shop")
	w.settle()
	w.wantTold(w.platform, v1alpha1.ThrottledReason)
	w.run(time.Minute)
	w.wantTold(w.platform, v1alpha1.ThrottledReason, "Resolved")
}

func TestEachWriteToSFSIsRecorded(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", called("The Shop"))
	w.settle()
	w.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "update", Status: 422, Times: 1})
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.FullName = "The Other Shop" })
	w.settle()

	type record struct {
		Msg, ControllerKind, Namespace, Name, Platform, TokenOf, Endpoint, Action, Result string
		Generation                                                                        int64
		Code                                                                              int
		Duration                                                                          *time.Duration
	}
	var got []record
	for line := range strings.Lines(w.log.String()) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if r.Msg != "Wrote to SFS" || r.Name != "shop" {
			continue
		}
		if r.Duration == nil {
			t.Errorf("no duration in %s", line)
		}
		r.Duration = nil
		got = append(got, r)
	}
	written := func(endpoint, action, result string, generation int64, code int) record {
		return record{
			Msg: "Wrote to SFS", ControllerKind: clientKind, Namespace: w.namespace, Name: "shop", Platform: w.platform,
			Endpoint: endpoint, Action: action, Result: result, Generation: generation, Code: code,
		}
	}
	platform := written("token", "create", "success", 1, 201) // which this one was the first to need
	platform.TokenOf = "platform"
	want := []record{
		platform,
		written("client", "create", "success", 1, 201),
		written("token", "create", "success", 1, 201),
		written("client", "update", "refused", 2, 422),
	}
	if !slices.Equal(got, want) {
		t.Errorf("recorded %+v\nwant %+v", got, want)
	}
}

func TestDriftIsToldWithTheFields(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", called("The Shop"), func(c *v1alpha1.SfsClient) {
		c.Spec.DriftPolicy, c.Spec.Organization = v1alpha1.DriftPolicyReport, "The Shop Ltd"
	})
	w.settle()
	w.reload(c)
	w.somebodyElse(c.Status.ClientKey, sendforsign.ClientFields{FullName: "Renamed"})
	w.run(time.Hour)
	w.wantTold("shop", "Created", "FirstToken", v1alpha1.DriftDetectedReason)
	w.somebodyElse(c.Status.ClientKey, sendforsign.ClientFields{Organization: "Renamed Ltd"})
	w.run(time.Hour)
	w.wantTold("shop", "Created", "FirstToken", v1alpha1.DriftDetectedReason, v1alpha1.DriftDetectedReason)
	if note := w.recorder.all()[len(w.recorder.all())-1]; !strings.HasSuffix(note, ": organization") {
		t.Errorf("the event is %q", note)
	}
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.DriftPolicy = v1alpha1.DriftPolicyCorrect })
	w.run(time.Hour)
	w.wantTold("shop", "Created", "FirstToken", v1alpha1.DriftDetectedReason, v1alpha1.DriftDetectedReason, "Updated")
	w.somebodyElse(c.Status.ClientKey, sendforsign.ClientFields{FullName: "Renamed"})
	w.run(time.Hour)
	w.wantTold("shop", "Created", "FirstToken", v1alpha1.DriftDetectedReason, v1alpha1.DriftDetectedReason, "Updated", "DriftCorrected")
	if note := w.recorder.all()[len(w.recorder.all())-1]; !strings.HasSuffix(note, ": fullName") {
		t.Errorf("the event is %q", note)
	}
}

func TestAFailureIsNotOverBecauseSomethingElseIsUnderWay(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop", called("The Shop"))
	w.settle()
	template := func(text v1alpha1.SecretTemplateText) func(*v1alpha1.SfsClient) {
		return func(c *v1alpha1.SfsClient) {
			c.Spec.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"x": text}
		}
	}
	update(w, c, template("{{ .nothing }}"))
	w.settle()
	w.throttle(1, "30")
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.FullName = "The New Shop" })
	w.run(time.Minute)
	w.wantTold("shop", "Created", "FirstToken", v1alpha1.TemplateErrorReason, "Updated")

	// While it is suspended it is not over either; when it goes on and all is well, it is.
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
	w.settle()
	update(w, c, template("{{ .baseURL }}"))
	w.settle()
	w.wantTold("shop", "Created", "FirstToken", v1alpha1.TemplateErrorReason, "Updated")
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = false })
	w.settle()
	w.wantReady(c)
	w.wantTold("shop", "Created", "FirstToken", v1alpha1.TemplateErrorReason, "Updated", "Resolved")
}

func TestABlipIsNotToldOf(t *testing.T) {
	w := newWorld(t)
	w.newSfsClient("shop")
	w.settle()
	w.sim.Inject(sfstest.Fault{Endpoint: "token", Status: 503, Times: 2})
	w.run(time.Hour)
	w.wantTold("shop", "Created", "FirstToken")
}
