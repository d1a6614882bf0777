// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/faults"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/internal/campaign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

const (
	// rehearsalTokenLife is short, so that what shows with the next renewal shows soon.
	rehearsalTokenLife = 30 * time.Second
	// earlyProbe is within what time the token is first probed of the tenant that has it probed.
	earlyProbe = 5 * time.Second
)

// rehearsal is one fault, with an SfsPlatform, a simulator and namespaces of its own: so all are staged side by side.
type rehearsal struct {
	*cluster
	fault    faults.Fault
	scene    faults.Scene
	operator *localcluster.Operator
}

// TestEachFaultIsNamed stages each fault, and looks for what names it: the condition and its message, an event, and the
// metrics. Then it cures it, and all must be well again. With -update it records the metrics for test/monitoring, which finds
// out whether the alert fires: each fault alone, since some metrics do not say which platform they are of.
func TestEachFaultIsNamed(t *testing.T) {
	t.Parallel()
	of := campaign.Start(t, "rehearsal")
	chosen := slices.DeleteFunc(faults.All(), func(f faults.Fault) bool { return of.Plan != "" && of.Plan != f.Name })
	if !*update {
		rehearseAll(t, of, chosen)
		return
	}
	for _, f := range chosen {
		t.Run("alone", func(t *testing.T) { rehearseAll(t, of, []faults.Fault{f}) })
	}
}

func rehearseAll(t *testing.T, of *campaign.Campaign, chosen []faults.Fault) {
	t.Helper()
	c := newCluster(t, of, "", nil)
	all := make([]*rehearsal, len(chosen))
	for i, f := range chosen {
		all[i] = c.rehearse(f)
	}
	operator := c.start()
	results := make([]chan error, len(all))
	for i, r := range all {
		r.operator, results[i] = operator, make(chan error, 1)
		// As a parallel test it would wait for a processor, and what it does is to wait.
		go func() { results[i] <- r.run(t.Context()) }()
	}
	for i, f := range chosen {
		t.Run(f.Name, func(t *testing.T) {
			if err := <-results[i]; err != nil {
				of.Broken(t, f.Name, "%v", err)
			}
			of.Tried("fault staged and cured", 1)
		})
	}
	c.judgeSecrecy(operator)
}

// rehearse prepares the scene of a fault.
func (c *cluster) rehearse(f faults.Fault) *rehearsal {
	c.t.Helper()
	sim := newSimulator(c.t, sfstest.WithTokenLifetime(rehearsalTokenLife))
	r := &rehearsal{cluster: c, fault: f, scene: faults.Scene{
		Client: c.plane.Client, Simulator: sim, Platform: f.Name, Namespace: f.Name, Other: f.Name + "-other", Tenant: "globex",
	}}
	pair := sim.Credentials()
	c.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.scene.Namespace}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.scene.Other}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: localcluster.OperatorNamespace, Name: f.Name},
			StringData: map[string]string{v1alpha1.KeyAPIKey: pair.APIKey.Reveal(), v1alpha1.KeyAPISecret: pair.Secret.Reveal()},
		},
		&v1alpha1.SfsPlatform{
			ObjectMeta: metav1.ObjectMeta{Name: f.Name},
			Spec: v1alpha1.SfsPlatformSpec{
				BaseURL: sim.BaseURL(), CABundle: sim.CABundle(), CustomKeyPrefix: f.Name,
				CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: f.Name},
				AllowedNamespaces:    &v1alpha1.AllowedNamespaces{Names: []string{r.scene.Namespace, r.scene.Other}},
			},
		},
	)
	c.createProbedEarly(r.scene)
	return r
}

// createProbedEarly creates the tenant, until it has a UID with which a token is probed early. No operator runs yet.
func (c *cluster) createProbedEarly(scene faults.Scene) {
	c.t.Helper()
	for {
		tenant := &v1alpha1.SfsClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: scene.Namespace, Name: scene.Tenant},
			Spec:       v1alpha1.SfsClientSpec{PlatformRef: v1alpha1.PlatformReference{Name: scene.Platform}, FullName: "Globex"},
		}
		c.create(tenant)
		if scene.Platform != "revoked-token" || faults.ProbePhase(tenant.UID) < earlyProbe {
			return
		}
		if err := c.plane.Client.Delete(c.t.Context(), tenant); err != nil {
			c.t.Fatal(err)
		}
	}
}

// run returns what was not told of the fault, or of its end.
func (r *rehearsal) run(ctx context.Context) error {
	began := time.Now()
	tenant := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: r.scene.Namespace, Name: r.scene.Tenant}}
	err := r.until(ctx, "the tenant to be Ready", func(ctx context.Context) (string, error) {
		err := r.plane.Client.Get(ctx, client.ObjectKeyFromObject(tenant), tenant)
		if err == nil && !isReady(tenant) {
			return "it is not", nil
		}
		return "", err
	})
	if err != nil {
		return err
	}
	var before measures
	err = r.until(ctx, "the metrics to be served", func(ctx context.Context) (string, error) {
		var err error
		if before, err = scrape(ctx, r.operator); err != nil {
			return err.Error(), nil //nolint:nilerr // it has just been started
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	staged, err := r.fault.Stage(ctx, r.scene)
	if err != nil {
		return err
	}
	defer staged.Stop()
	if err := r.until(ctx, "the fault to show", staged.Missing); err != nil {
		return err
	}
	shown := time.Since(began)
	if staged.Consumer != nil {
		// All is well with the operator, and it says so.
		if err := r.plane.Client.Get(ctx, client.ObjectKeyFromObject(tenant), tenant); err != nil || !isReady(tenant) {
			return fmt.Errorf("the operator says something else of the tenant than that it is Ready: %w", err)
		}
	} else {
		if err := r.until(ctx, "an event", r.missingEvent(staged, corev1.EventTypeWarning, r.fault.Sign.Reason, staged.Says...)); err != nil {
			return err
		}
		if err := r.until(ctx, "the metrics", missingSeries(r.operator, r.series(staged), before)); err != nil {
			return err
		}
		if err := r.record(ctx, staged); err != nil {
			return err
		}
	}
	if err := staged.Cure(ctx); err != nil {
		return err
	}
	if err := r.until(ctx, "all to be well again", staged.MissingHealth); err != nil {
		return err
	}
	r.t.Logf("%s: told after %.1f s, well again after %.1f s", r.fault.Name, shown.Seconds(), time.Since(began).Seconds())
	if staged.Consumer != nil {
		return nil
	}
	return r.until(ctx, "an event", r.missingEvent(staged, corev1.EventTypeNormal, "Resolved"))
}

// until is await for what is done beside the test: it returns what was missing.
func (*rehearsal) until(ctx context.Context, what string, missing func(context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	lack := ""
	for {
		now, err := missing(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			return err
		case err == nil && now == "":
			return nil
		case err == nil:
			lack = now
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %s", what, lack)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// missingEvent says whether there is no such event about the resource, with a note that says all of the words.
func (r *rehearsal) missingEvent(staged *faults.Staged, kind, reason string, words ...string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		// Those of what is in no namespace are in the one called default.
		namespace := staged.Resource.GetNamespace()
		if namespace == "" {
			namespace = metav1.NamespaceDefault
		}
		var list eventsv1.EventList
		if err := r.plane.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return "", fmt.Errorf("listing events: %w", err)
		}
		var others []string
		for i := range list.Items {
			e := &list.Items[i]
			if e.Regarding.UID != staged.Resource.GetUID() {
				continue
			}
			if e.Type == kind && e.Reason == reason && holdsAll(e.Note, words) {
				return "", nil
			}
			others = append(others, fmt.Sprintf("%s %s: %s", e.Type, e.Reason, e.Note))
		}
		return fmt.Sprintf("%s %s is not among %q", kind, reason, others), nil
	}
}

// series are those that tell of the fault.
func (r *rehearsal) series(staged *faults.Staged) []faults.Series {
	sign := r.fault.Sign
	kind := "SfsClient"
	if _, is := staged.Resource.(*v1alpha1.SfsPlatform); is {
		kind = "SfsPlatform"
	}
	series := []faults.Series{{Metric: "sendforsign_condition", Labels: map[string]string{
		"kind": kind, "namespace": staged.Resource.GetNamespace(), "name": staged.Resource.GetName(),
		"type": sign.Type, "status": string(sign.Status), "reason": sign.Reason,
	}}}
	if sign.Series.Metric != "" {
		series = append(series, sign.Series)
	}
	return series
}

// missingSeries says which series have not grown.
func missingSeries(o *localcluster.Operator, series []faults.Series, before measures) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		now, err := scrape(ctx, o)
		if err != nil {
			return "", err
		}
		var lack []string
		for _, s := range series {
			if labels := labelsOf(s); now.sum(s.Metric, labels...) <= before.sum(s.Metric, labels...) {
				lack = append(lack, fmt.Sprintf("%s%v has not grown", s.Metric, labels))
			}
		}
		return strings.Join(lack, ", "), nil
	}
}

// labelsOf are the labels of a series as they are exposed.
func labelsOf(s faults.Series) []string {
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		labels = append(labels, fmt.Sprintf("%s=%q", name, s.Labels[name]))
	}
	return labels
}
