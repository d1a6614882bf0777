// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/campaign"
)

// downtimePlan is a world with applications: rotate/17 is what the seed 17 makes of it, with tokens that are revoked after
// they were replaced.
type downtimePlan struct {
	kind string // delete or rotate, by the revocationPolicy
	seed uint64

	clients int
	span    time.Duration
	// spoil does harm before each disturbance, if there is one.
	spoil func(*downtime)
}

func (p downtimePlan) String() string { return p.kind + "/" + strconv.FormatUint(p.seed, 10) }

const (
	kindOnDelete = "delete"
	kindOnRotate = "rotate"
)

// TestCampaignZeroDowntime has applications call SFS all the time, with the tokens that they read from mounted Secrets, while
// all goes wrong that may. No call may be refused.
func TestCampaignZeroDowntime(t *testing.T) {
	const (
		wantCalls     = 100_000
		wantRotations = 30 // of each client
	)
	c := campaign.Start(t, "zero-downtime")
	size := downtimePlan{clients: 3, span: time.Hour}
	if c.Full {
		size = downtimePlan{clients: 5, span: 11 * time.Hour}
	}
	plans := []downtimePlan{
		{kind: kindOnDelete, seed: c.Seed, clients: size.clients, span: size.span},
		{kind: kindOnRotate, seed: c.Seed, clients: size.clients, span: size.span},
	}
	if c.Plan != "" {
		kind, seed, _ := strings.Cut(c.Plan, "/")
		n, err := strconv.ParseUint(seed, 10, 64)
		if err != nil || kind != kindOnDelete && kind != kindOnRotate {
			t.Fatalf("%q is not delete or rotate, and a seed", c.Plan)
		}
		plans = []downtimePlan{{kind: kind, seed: n, clients: size.clients, span: size.span}}
	}
	all := newDowntimeReport()
	var mu sync.Mutex
	inParallel(plans, func(p downtimePlan) {
		report := newDowntimeReport()
		findings := judged(t, func(t testing.TB) { p.happens(t, report) })
		mu.Lock()
		defer mu.Unlock()
		all.add(report)
		if report.Refused > 0 || report.Failed > 0 {
			findings = append(findings, fmt.Sprintf("%d calls of %d were refused, %d failed, the first: %s", report.Refused, report.Calls, report.Failed, report.first))
		}
		if len(findings) > 0 {
			c.Broken(t, p.String(), "%s", strings.Join(findings, "\n    "))
		}
	})
	c.Tried("call", all.Calls)
	c.Tried("rotation", all.Rotations)
	if c.Full && c.Plan == "" && (all.Calls < wantCalls || all.Rotations < wantRotations*all.Clients) {
		t.Errorf("%d calls and %d rotations are too few", all.Calls, all.Rotations)
	}
	text := write(t, all)
	t.Logf("%s", text)
}

// write leaves the report beside the summary of the campaign.
func write(t *testing.T, r *downtimeReport) []byte {
	t.Helper()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	dir := os.Getenv("CAMPAIGN_DIR")
	if dir == "" {
		return text
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "zero-downtime-report.json"), append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	return text
}

// happens lets it pass.
func (p downtimePlan) happens(t testing.TB, report *downtimeReport) {
	w := newWorld(t)
	w.maxPasses = 1_000_000
	var stream uint64
	if p.kind == kindOnRotate {
		stream = 1
	}
	d := &downtime{
		w: w, random: rand.New(rand.NewPCG(p.seed, stream)), report: report, longestAPIAway: longestAPIAway,
		current: map[string]string{}, replaced: map[string]time.Time{}, tokenKeys: map[string]string{},
	}
	if p.kind == kindOnRotate {
		d.longestAPIAway = longestAPIAwayOnRotate
	}
	w.api = w.connectOperator(func(next http.RoundTripper) http.RoundTripper {
		return d.troubled(planeKubernetes, w.wire.on(planeKubernetes, w.noticing(next)))
	})
	w.options.Transport = func(next http.RoundTripper) http.RoundTripper {
		return d.troubled(planeSFS, w.wire.on(planeSFS, next))
	}
	w.saw, w.moves, d.base = d.saw, d.passing, d.trusting(t)
	w.restart()
	for i := range p.clients {
		c := w.newSfsClient(fmt.Sprintf("c%d", i), func(c *v1alpha1.SfsClient) { p.shape(c, i) })
		token, expiresAt := withKeys(c)
		d.tokenKeys[c.Name] = token
		for j, uses := range []string{usesTokenfile, usesNothing, usesNothing}[:min(3, p.clients-1)] {
			app := &consumer{name: fmt.Sprintf("%s-%s-%d", c.Name, uses, j), client: c.Name, tokenKey: token, expiryKey: expiresAt, uses: uses}
			app.mount = &mount{secret: c.TokenSecretName()}
			d.consumers = append(d.consumers, app)
		}
	}
	w.run(time.Minute)
	for _, app := range d.consumers {
		d.start(app, app.mount.secret)
	}
	begin := w.clock.Now()
	d.next = begin.Add(callEach)
	d.passes(p.span, p.spoil)
	for name := range d.current {
		w.wantReady(d.named(name))
	}
	report.Hours = w.clock.Now().Sub(begin).Hours()
	report.Clients, report.Consumers = p.clients, len(d.consumers)
}

// shape makes clients of several kinds.
func (p downtimePlan) shape(c *v1alpha1.SfsClient, i int) {
	if p.kind == kindOnRotate && i != 2 {
		onRotate(c)
	}
	switch i {
	case 1:
		c.Spec.Token.Secret.Keys = map[string]v1alpha1.SecretKey{"token": "bearer", "expiresAt": "until"}
	case 2:
		c.Spec.Token.Secret.Formats = []v1alpha1.SecretFormat{{Format: "env"}}
		c.Spec.Token.Verification = v1alpha1.TokenVerificationProbe
	case 3:
		c.Spec.Token.RenewBefore = &metav1.Duration{Duration: 12 * time.Minute}
	}
}

// TestZeroDowntimeIsNotTakenForGranted: a campaign that never finds anything proves nothing.
func TestZeroDowntimeIsNotTakenForGranted(t *testing.T) {
	for name, spoil := range map[string]func(*downtime){
		"an outage that is longer than the margin": func(d *downtime) {
			outage := &trouble{sfs: "unreachable", length: 30 * time.Minute}
			d.suffers(outage)
			d.w.run(outage.length + between)
		},
		"tokens that are revoked as soon as they are replaced": func(d *downtime) {
			annotate(d.w, d.one(), v1alpha1.RevokeRequestedAtAnnotation, d.name("request"))
		},
	} {
		report := newDowntimeReport()
		findings := judged(t, func(t testing.TB) {
			downtimePlan{kind: kindOnDelete, seed: 1, clients: 2, span: time.Hour, spoil: spoil}.happens(t, report)
		})
		if report.Refused == 0 {
			t.Errorf("%s: none of %d calls was refused; %v", name, report.Calls, findings)
		}
	}
}
