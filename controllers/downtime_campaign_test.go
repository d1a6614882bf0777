// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
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
	kind string
	seed uint64

	clients int // the SfsClients; of OAuthTokens there are up to one less
	span    time.Duration
	// spoil does harm before each disturbance, if there is one.
	spoil func(*downtime)
}

func (p downtimePlan) String() string { return p.kind + "/" + strconv.FormatUint(p.seed, 10) }

const (
	// Tokens are revoked with their resource, or when they were replaced. Those of OAuthTokens live for an hour.
	kindOnDelete = "delete"
	kindOnRotate = "rotate"
	// Those of OAuthTokens live for 600 s, and are renewed with a third of that left, or with half of it.
	kindShort = "short"
	kindEarly = "early"
)

// longestAway is for how long each server may be away in each kind of world, so that no application notices. Of the margin it
// takes up to 150 s for an application to read what was published; where the API server is away, a kubelet that could not read
// a new token just before needs its 90 s once more. The rest is for the operator to notice that a server is back.
var longestAway = map[string]map[plane]time.Duration{
	// The margin of SFS is 600 s, that of OAuthTokens 1200 s; of these a person may need two minutes: see reseeds.
	kindOnDelete: {planeSFS: 400 * time.Second, planeOAuth: 850 * time.Second, planeKubernetes: 340 * time.Second},
	// A token is revoked 5 minutes after its successor was published, 240 s of which the kubelet and the application may need.
	kindOnRotate: {planeSFS: 400 * time.Second, planeOAuth: 850 * time.Second, planeKubernetes: 55 * time.Second},
	// The margin is 200 s, so that nothing is left for the API server.
	kindShort: {planeSFS: 30 * time.Second, planeOAuth: 30 * time.Second},
	// It is 300 s.
	kindEarly: {planeSFS: 100 * time.Second, planeOAuth: 100 * time.Second, planeKubernetes: 45 * time.Second},
}

// TestCampaignZeroDowntime has applications call SFS and the providers of OAuthTokens all the time, with the tokens that they
// read from mounted Secrets, while all goes wrong that may. No call may be refused.
func TestCampaignZeroDowntime(t *testing.T) {
	const (
		wantCalls     = 100_000
		wantRotations = 30 // of each client
		wantOAuth     = 15 // of each OAuthToken
	)
	c := campaign.Start(t, "zero-downtime")
	size := downtimePlan{clients: 3, span: time.Hour}
	if c.Full {
		size = downtimePlan{clients: 5, span: 11 * time.Hour}
	}
	seed, kinds := c.Seed, slices.Sorted(maps.Keys(longestAway))
	if c.Plan != "" {
		kind, number, _ := strings.Cut(c.Plan, "/")
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil || !slices.Contains(kinds, kind) {
			t.Fatalf("%q is not one of %v, and a seed", c.Plan, kinds)
		}
		seed, kinds = n, []string{kind}
	}
	var plans []downtimePlan
	for _, kind := range kinds {
		plans = append(plans, downtimePlan{kind: kind, seed: seed, clients: size.clients, span: size.span})
	}
	all := newDowntimeReport()
	var mu sync.Mutex
	inParallel(plans, func(p downtimePlan) {
		report := newDowntimeReport()
		findings := judged(t, func(t testing.TB) { p.happens(t, report) })
		mu.Lock()
		defer mu.Unlock()
		all.add(report)
		if report.refused()+report.failed() > 0 {
			findings = append(findings, fmt.Sprintf("%d calls of %d were refused, %d failed, the first: %s",
				report.refused(), report.calls(), report.failed(), report.first))
		}
		if len(findings) > 0 {
			c.Broken(t, p.String(), "%s", strings.Join(findings, "\n    "))
		}
	})
	sfs, providers := all.SFS, all.OAuth
	c.Tried("call", all.calls())
	c.Tried("rotation", sfs.Rotations+providers.Rotations)
	if c.Full && c.Plan == "" && (min(sfs.Calls, providers.Calls) < wantCalls ||
		sfs.Rotations < wantRotations*sfs.Resources || providers.Rotations < wantOAuth*providers.Resources) {
		t.Errorf("%d calls and %d rotations, or %d and %d of OAuthTokens, are too few", sfs.Calls, sfs.Rotations, providers.Calls, providers.Rotations)
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
	w := newOAuthWorld(t, strict)
	w.maxPasses = 1_000_000
	stream := slices.Index([]string{kindOnDelete, kindOnRotate, kindShort, kindEarly}, p.kind)
	d := &downtime{
		w: w.world, providers: w, random: rand.New(rand.NewPCG(p.seed, uint64(stream))), report: report, longest: longestAway[p.kind],
		current: map[string]string{}, replaced: map[string]time.Time{}, tokenKeys: map[string]string{}, grants: map[string]*grant{},
	}
	w.api = w.connectOperator(func(next http.RoundTripper) http.RoundTripper {
		return d.troubled(planeKubernetes, w.wire.on(planeKubernetes, w.noticing(next)))
	})
	w.options.Transport = func(next http.RoundTripper) http.RoundTripper {
		return d.hearing(d.troubled(planeSFS, w.wire.on(planeSFS, d.telling(next))))
	}
	w.saw, w.moves, d.base = d.saw, d.passing, d.trusting(t)
	w.restart()
	for i := range p.clients {
		d.deploys(w.newSfsClient(fmt.Sprintf("c%d", i), func(c *v1alpha1.SfsClient) { p.shape(c, i) }), p.clients-1)
	}
	for _, provider := range p.oauthTokens() {
		d.deploys(d.newOAuthToken(p.kind, provider), p.clients-1)
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
}

// deploys has so many applications use the token of a resource.
func (d *downtime) deploys(o tokenHolder, most int) {
	token, expiresAt := withKeys(o)
	name := o.GetName()
	d.tokenKeys[name] = token
	of := d.tally(name)
	of.Resources++
	for i, uses := range []string{usesTokenfile, usesNothing, usesNothing}[:min(3, most)] {
		app := &consumer{name: fmt.Sprintf("%s-%s-%d", name, uses, i), of: name, tokenKey: token, expiryKey: expiresAt, uses: uses}
		app.mount = &mount{secret: o.TokenSecretName()}
		d.consumers = append(d.consumers, app)
		of.Consumers++
	}
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
	for name, test := range map[string]struct {
		spoil func(*downtime)
		who   func(*downtimeReport) *tally
	}{
		"an outage that is longer than the margin": {func(d *downtime) {
			d.suffersFor(30*time.Minute, planeSFS)
		}, ofSfsClients},
		"tokens that are revoked as soon as they are replaced": {func(d *downtime) {
			annotate(d.w, d.named("c0"), v1alpha1.RevokeRequestedAtAnnotation, d.name("request"))
		}, ofSfsClients},
		"an outage of the providers that is longer than the margin": {func(d *downtime) {
			d.suffersFor(70*time.Minute, planeOAuth)
		}, ofOAuthTokens},
		"access tokens that are revoked as soon as they are replaced": {func(d *downtime) {
			annotate(d.w, d.refreshed(), v1alpha1.RevokeRequestedAtAnnotation, d.name("request"))
		}, ofOAuthTokens},
		"a lost refresh token that no person cares for": {func(d *downtime) {
			d.nobody = true
			d.providers.providers.RevokeRefreshTokens(d.grants[d.refreshed().Name].client.ID)
			d.w.run(70 * time.Minute)
		}, ofOAuthTokens},
	} {
		report := newDowntimeReport()
		findings := judged(t, func(t testing.TB) {
			downtimePlan{kind: kindOnDelete, seed: 1, clients: 2, span: time.Hour, spoil: test.spoil}.happens(t, report)
		})
		if test.who(report).Refused == 0 {
			t.Errorf("%s: none of %d calls was refused; %v", name, test.who(report).Calls, findings)
		}
	}
}
