// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/campaign"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
	"github.com/sendforsign/sfs-operator/secret"
)

// What users want of an OAuthToken, with one thing that goes wrong at each of the requests that it takes: a crash, or a failure
// of the provider or of the API server; or at each delivery to the cache, which falls behind. What must hold:
//
//   - no token is published that the provider does not take, and applications have one they can count on from the first on;
//   - no refresh token is lost that was received and could be stored;
//   - all is well in the end, without a person unless a refresh token was lost on the way.

// oauthWorkload is something that users want of an OAuthToken.
type oauthWorkload struct {
	name      string
	provider  oauthtest.Provider
	behaviour oauthtest.Behaviour
	// later is done to a token that is there; nil: the first token is what is wanted, and its renewal.
	later func(*oauthWorld, *v1alpha1.OAuthToken, oauthtest.Client)
	gone  bool // in the end the resource is to be gone
}

var strict = oauthtest.Behaviour{Reuse: oauthtest.ReuseRefused, Descriptions: oauthtest.DescriptionsEchoed}

var oauthWorkloads = []oauthWorkload{
	{name: "first-and-renewal", provider: oauthtest.SecuredSigning, behaviour: strict},
	{name: "first-and-renewal-with-grace", provider: oauthtest.SecuredSigning, behaviour: oauthtest.Behaviour{Rotation: oauthtest.RotateGrace}},
	{name: "first-and-renewal-without-rotation", provider: oauthtest.SecuredSigning, behaviour: oauthtest.Behaviour{Rotation: oauthtest.RotateNever}},
	{name: "first-and-renewal-by-secret", provider: oauthtest.SignicatExpress},
	{name: "reseeded", provider: oauthtest.SecuredSigning, behaviour: strict, later: func(w *oauthWorld, o *v1alpha1.OAuthToken, c oauthtest.Client) {
		w.putCredential(o, v1alpha1.KeyRefreshToken, w.providers.Reseed(c.ID))
	}},
	{name: "another-secret", provider: oauthtest.Generic, later: func(w *oauthWorld, o *v1alpha1.OAuthToken, c oauthtest.Client) {
		w.putCredential(o, v1alpha1.KeyClientSecret, w.providers.AddSecret(c.ID))
	}},
	{name: "revoke-requested", provider: oauthtest.SecuredSigning, behaviour: strict, later: func(w *oauthWorld, o *v1alpha1.OAuthToken, _ oauthtest.Client) {
		annotate(w.world, o, v1alpha1.RevokeRequestedAtAnnotation, asked)
	}},
	{name: "deleted", provider: oauthtest.SecuredSigning, behaviour: strict, gone: true, later: func(w *oauthWorld, o *v1alpha1.OAuthToken, _ oauthtest.Client) {
		w.delete(o)
	}},
}

// oauthPlan is one run of a workload, and what goes wrong in it.
type oauthPlan struct {
	workload *oauthWorkload
	mode     *mode      // at the request, or
	stale    *staleMode // at the delivery of this number; both nil: nothing
	at       int
}

// String is the line by which a plan is replayed: reseeded/crash-before@3.
func (p oauthPlan) String() string {
	return fmt.Sprintf("%s/%s@%d", p.workload.name, p.what(), p.at)
}

func (p oauthPlan) what() string {
	if p.stale != nil {
		return p.stale.name
	}
	return p.mode.name
}

func parseOAuthPlan(line string) (oauthPlan, error) {
	name, rest, _ := strings.Cut(line, "/")
	mode, number, _ := strings.Cut(rest, "@")
	at, err := strconv.Atoi(number)
	i := slices.IndexFunc(oauthWorkloads, func(l oauthWorkload) bool { return l.name == name })
	p := oauthPlan{mode: modeNamed(mode), stale: staleModeNamed(mode), at: at}
	if err != nil || i < 0 || p.mode == nil && p.stale == nil {
		return p, fmt.Errorf("%q is no plan", line)
	}
	p.workload = &oauthWorkloads[i]
	return p, nil
}

// strikes says whether a mode makes sense for a call. Providers fail as SFS does.
func (m *mode) strikes(c *call) bool {
	as := *c
	if as.plane == planeOAuth {
		as.plane = planeSFS
	}
	return m.fits(&as)
}

// run carries a plan out, and returns the calls and the number of the deliveries that it hit or could have hit.
func (p oauthPlan) run(t testing.TB) ([]*call, int) {
	w := newOAuthWorld(t, p.workload.behaviour)
	w.collects, w.maxPasses = true, 3_000
	w.run(time.Second)
	faults, views := map[int]*mode{}, newStaleViews(w.world)
	if p.mode != nil {
		always := *p.mode
		always.fits = anyCall // it was chosen for the call
		faults[p.at] = &always
	}
	if p.stale != nil {
		views.stale[p.at] = p.stale
	}
	arm := func() {
		w.wire.arm(faults)
		views.armed = true
	}
	o, c := w.newOAuthToken("it", p.workload.provider, func(o *v1alpha1.OAuthToken) {
		if p.workload.provider == oauthtest.SecuredSigning {
			o.Spec.Token.RevocationPolicy = v1alpha1.RevokeOnRotate
		}
	})
	w.shortOf(c)
	watch := &oauthWitness{oauthWorld: w, token: o}
	w.saw, w.moves = watch.saw, watch.moved
	if p.workload.later != nil {
		w.run(time.Minute)
		arm()
		p.workload.later(w, o, c)
	} else {
		arm()
	}
	w.run(50 * time.Minute)
	calls, deliveries := w.wire.made(0), len(views.deliveries)
	w.wire.heal()
	views.armed = false
	if p.workload.gone {
		if !w.isGone(o) || w.secret(o.StateSecretName()) != nil {
			t.Error("the resource, or its state, is not gone")
		}
		return calls, deliveries
	}
	if p.workload.provider == oauthtest.SecuredSigning {
		p.judgeState(w, o, c, calls)
	}
	w.run(3 * time.Minute)
	w.wantReady(o)
	if ready := conditions.Get(o, v1alpha1.ReadyCondition); ready != nil && ready.Reason != v1alpha1.AvailableReason {
		t.Errorf("not all is well in the end: %s", describe(o)) // though the token lives yet
	}
	w.accessToken(o)
	if s := w.secret("it-client"); len(s.ManagedFields) != 1 && p.workload.later == nil {
		t.Error("the Secret of the user was written")
	}
	made, refused := 0, 0
	for _, call := range w.providers.Calls() {
		switch {
		case call.Endpoint == "token" && call.Effect:
			made++
		case call.Endpoint == "token":
			refused++
		}
	}
	if made > 6 || refused > 15 { // at most once in ten minutes after a while
		t.Errorf("%d tokens were made, and %d requests for one refused", made, refused)
	}
	return calls, deliveries
}

// judgeState wants the last refresh token to be there, unless nobody could have stored it.
func (p oauthPlan) judgeState(w *oauthWorld, o *v1alpha1.OAuthToken, c oauthtest.Client, calls []*call) {
	w.reload(o)
	last := w.refreshToken(o)
	if last == "" {
		last = secret.Text(w.secret("it-client").Data[v1alpha1.KeyRefreshToken])
	}
	ready := conditions.Get(o, v1alpha1.ReadyCondition)
	refused := ready != nil && ready.Reason == v1alpha1.RefreshTokenRefusedReason
	if w.providers.TakesRefreshToken(last) && !refused { // one that descends from a former seed is of no use
		return
	}
	if p.mode == nil {
		w.t.Error("the last refresh token is lost")
		return
	}
	struck := calls[p.at-1]
	isRefresh := func(c *call) bool { return c.plane == planeOAuth && c.verb == "refresh_token" }
	stores := struck.target.name == o.StateSecretName() && struck.writes() && !struck.carriedOut
	answered := struck.carriedOut || p.mode.name == "doubled" // of which the second is refused
	excused := isRefresh(struck) && answered || stores && strings.HasPrefix(p.mode.name, "crash")
	if !excused {
		w.t.Errorf("the last refresh token is lost, by %s of %s", p.mode.name, struck)
	}
	if !refused {
		return // it is not needed yet
	}
	w.putCredential(o, v1alpha1.KeyRefreshToken, w.providers.Reseed(c.ID))
}

// oauthWitness sees each version of the token Secret, and each step of the clock.
type oauthWitness struct {
	*oauthWorld
	token    *v1alpha1.OAuthToken
	revision string
	lasts    time.Time // the token that was published last; zero: there is none
}

func (x *oauthWitness) saw(d delivery) {
	if o, ok := d.after.(*v1alpha1.OAuthToken); ok && !o.DeletionTimestamp.IsZero() || d.ref == refTo(x.token) && d.after == nil {
		x.lasts = time.Time{} // it need not have one any more
	}
	s, ok := d.after.(*corev1.Secret)
	if !ok || s.Name != x.token.TokenSecretName() || s.Annotations[v1alpha1.RevisionAnnotation] == x.revision {
		return
	}
	x.revision = s.Annotations[v1alpha1.RevisionAnnotation]
	info, known := x.providers.TokenState(secret.Text(s.Data[v1alpha1.KeyToken]))
	if !known || !info.Alive {
		x.t.Errorf("a token was published that the provider does not take: %+v", info)
	}
	x.lasts = info.Expires
}

func (x *oauthWitness) moved(_, to time.Time) {
	if !x.lasts.IsZero() && !x.lasts.After(to) {
		x.t.Errorf("applications have no living token at %s", to)
		x.lasts = time.Time{}
	}
}

// TestCampaignOAuth has one thing go wrong at each request, and at each delivery to the cache, of each workload.
func TestCampaignOAuth(t *testing.T) {
	c := campaign.Start(t, "oauth")
	var plans []oauthPlan
	if c.Plan != "" {
		p, err := parseOAuthPlan(c.Plan)
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, p)
	} else {
		for i := range oauthWorkloads {
			l := &oauthWorkloads[i]
			calls, deliveries := oauthPlan{workload: l}.run(t)
			for n := range deliveries {
				for _, m := range staleModes {
					plans = append(plans, oauthPlan{workload: l, stale: m, at: n + 1})
				}
			}
			for n, made := range calls {
				for _, m := range slices.Concat(crashModes, sfsModes, kubernetesModes) {
					if made.plane != planeSFS && made.target.kind != platformKind && m.strikes(made) {
						plans = append(plans, oauthPlan{workload: l, mode: m, at: n + 1})
					}
				}
			}
		}
		t.Logf("there are %d plans", len(plans))
		const bounded = 60
		if !c.Full && len(plans) > bounded {
			random := rand.New(rand.NewPCG(c.Seed, 0))
			random.Shuffle(len(plans), func(i, j int) { plans[i], plans[j] = plans[j], plans[i] })
			plans = plans[:bounded]
		}
	}
	inParallel(plans, func(p oauthPlan) {
		c.Tried(p.what(), 1)
		if wrong := judged(t, func(t testing.TB) { p.run(t) }); len(wrong) > 0 {
			c.Broken(t, p.String(), "%s: %s", p, strings.Join(wrong, "\n    "))
		}
	})
}
