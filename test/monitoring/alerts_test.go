// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/util/teststorage"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/token"
)

// story is what happens to an operator, and which alerts come of it.
type story struct {
	// life of a token: 1800 s, if nothing is said.
	life     time.Duration
	replicas int
	// begins is what is so from the beginning, before all has gone well for a time.
	begins func(*world)
	events []event
	// wants are all alerts that fire, each first at a time in its bounds. No other may ever fire.
	wants []want
	lasts time.Duration
}

// event changes the world, that long after the beginning.
type event struct {
	at time.Duration
	do func(*world)
}

type want struct {
	alert, about     string
	earliest, latest time.Duration
}

func sfs(answer string) func(*world) { return func(w *world) { w.sfs = answer } }

func kill(i int) func(*world) { return func(w *world) { w.replicas[i].down = true } }

func start(i int) func(*world) { return func(w *world) { w.replicas[i].start() } }

const minute = time.Minute

var stories = map[string]story{
	"nothing happens": {lasts: time.Hour},
	"nothing happens, and there are two replicas": {replicas: 2, lasts: time.Hour},
	"tokens of all lives are renewed, with margins of all lengths": {
		begins: func(w *world) {
			for _, life := range []string{"10s", "30s", "1m", "150s", "5m", "10m", "30m", "2h"} {
				for _, before := range []string{"0", "3m", "400s", "80m"} {
					p := &platform{name: "life-" + life + "-before-" + before, life: span(life)}
					w.platforms = append(w.platforms, p)
					w.add(p, p.name, token.Policy{RenewBefore: span(before)})
				}
			}
		},
		lasts: time.Hour,
	},
	"the operator is restarted": {
		events: []event{{0, kill(0)}, {2 * minute, start(0)}}, lasts: time.Hour,
	},
	"the operator is gone, and comes back": {
		events: []event{{0, kill(0)}, {20 * minute, start(0)}}, lasts: time.Hour,
		wants: []want{{"SendforsignOperatorAbsent", "", 3 * minute, 4 * minute}},
	},
	"the operator is gone for good": {
		events: []event{{0, kill(0)}}, lasts: time.Hour,
		wants: []want{{"SendforsignOperatorAbsent", "", 3 * minute, 4 * minute}},
	},
	"one of two replicas takes over": {
		replicas: 2, events: []event{{0, kill(0)}, {10 * minute, start(0)}}, lasts: time.Hour,
	},
	"the cache of the other replica stands still": {
		replicas: 2, lasts: time.Hour,
		events: []event{{0, func(w *world) { w.replicas[1].frozen = w.state() }}},
	},
	"nobody gets the lease": {
		replicas: 2, events: []event{{0, func(w *world) { w.noLease = true }}}, lasts: 50 * minute,
		wants: []want{
			{"SendforsignNoLeader", "sfs-operator.sendforsign.com", 3 * minute, 4 * minute},
			{"SendforsignTokenExpiresSoon", "team-a/*", 6 * minute, 28 * minute},
			{"SendforsignTokenExpired", "team-a/*", 10 * minute, 32 * minute},
			{"SendforsignNotReady", "SfsClient team-a/*", 20 * minute, 45 * minute},
		},
	},
	"SFS is away for five minutes": {
		events: []event{{0, sfs("503")}, {5 * minute, sfs("200")}}, lasts: 70 * minute,
	},
	"SFS gives no answer for five minutes": {
		events: []event{{0, sfs("none")}, {5 * minute, sfs("200")}}, lasts: 70 * minute,
	},
	"SFS is away": {
		events: []event{{0, sfs("503")}}, lasts: 50 * minute,
		wants: []want{
			{"SendforsignAPIErrors", "token", 10 * minute, 30 * minute},
			{"SendforsignTokenExpiresSoon", "team-a/*", 6 * minute, 28 * minute},
			{"SendforsignTokenExpired", "team-a/*", 10 * minute, 32 * minute},
			{"SendforsignNotReady", "SfsClient team-a/*", 23 * minute, 46 * minute},
		},
	},
	"SFS is away, and tokens live for a minute": {
		life: minute, events: []event{{0, sfs("none")}}, lasts: 40 * minute,
		wants: []want{
			{"SendforsignAPIErrors", "token", 10 * minute, 13 * minute},
			{"SendforsignTokenExpired", "team-a/*", minute, 3 * minute},
			{"SendforsignNotReady", "SfsClient team-a/*", 15 * minute, 17 * minute},
		},
	},
	"the credentials are wrong for a moment": {
		events: []event{{0, credentials(v1alpha1.CredentialsInvalidReason)}, {4 * minute, credentials("")}}, lasts: 40 * minute,
	},
	"the credentials are wrong": {
		events: []event{{0, credentials(v1alpha1.CredentialsInvalidReason)}, {minute, create("new")}}, lasts: 50 * minute,
		wants: []want{
			{"SendforsignCredentialsInvalid", "default CredentialsInvalid", 5 * minute, 6 * minute},
			{"SendforsignTokenExpiresSoon", "team-a/*", 6 * minute, 28 * minute},
			{"SendforsignTokenExpired", "team-a/*", 10 * minute, 32 * minute},
			{"SendforsignNotReady", "SfsClient team-a/*", 15 * minute, 46 * minute},
		},
	},
	"the Secret of the credentials is deleted": {
		events: []event{{0, credentials(v1alpha1.CredentialsSecretNotFoundReason)}}, lasts: 8 * minute,
		wants: []want{{"SendforsignCredentialsInvalid", "default CredentialsSecretNotFound", 5 * minute, 6 * minute}},
	},
	"SFS throttles for a moment": {
		events: []event{{0, throttle(time.Minute)}, {2 * minute, throttle(2 * minute)}}, lasts: 70 * minute,
	},
	"SFS throttles again and again": {
		events: throttled(30, 40*time.Second), lasts: 60 * minute,
		wants: []want{{"SendforsignThrottled", "default", 9 * minute, 18 * minute}},
	},
	"SFS wants no requests for an hour": {
		events: []event{{0, throttle(time.Hour)}}, lasts: 50 * minute,
		wants: []want{
			{"SendforsignThrottled", "default", 0, minute},
			{"SendforsignTokenExpiresSoon", "team-a/*", 6 * minute, 28 * minute},
			{"SendforsignTokenExpired", "team-a/*", 10 * minute, 32 * minute},
			{"SendforsignNotReady", "SfsClient team-a/*", 23 * minute, 46 * minute},
		},
	},
	"a client is made": {
		events: []event{{0, create("new")}}, lasts: 40 * minute,
	},
	"a client is made while SFS is away for five minutes": {
		events: []event{{0, sfs("503")}, {0, create("new")}, {5 * minute, sfs("200")}}, lasts: 40 * minute,
	},
	"a client is deleted": {
		events: []event{{0, func(w *world) { w.remove("shop-0") }}}, lasts: 50 * minute,
	},
	"the only client is deleted while its token dies": {
		events: []event{
			{0, func(w *world) { w.remove("shop-1"); w.remove("shop-2") }},
			{0, sfs("503")}, {7 * minute, func(w *world) { w.remove("shop-0") }},
		},
		lasts: 60 * minute,
	},
	"a client is suspended, and its token dies": {
		events: []event{{0, suspend(true)}, {40 * minute, suspend(false)}}, lasts: 50 * minute,
	},
	"a client waits for a minute": {
		events: []event{{0, waits("shop-0", v1alpha1.SecretWriteFailedReason)}, {minute, waits("shop-0", "")}}, lasts: 40 * minute,
	},
	"a client waits for what does not come": {
		events: []event{{0, create("new")}, {0, waits("new", v1alpha1.PlatformNotFoundReason)}}, lasts: 40 * minute,
		wants: []want{{"SendforsignNotReady", "SfsClient team-a/new", 15 * minute, 16 * minute}},
	},
	"a client waits, now for this and now for that": {
		events: []event{
			{0, create("new")}, {0, waits("new", v1alpha1.PlatformNotFoundReason)}, {9 * minute, waits("new", v1alpha1.APIUnavailableReason)},
		},
		lasts: 40 * minute,
		wants: []want{{"SendforsignNotReady", "SfsClient team-a/new", 15 * minute, 16 * minute}},
	},
	"an OAuthToken is renewed every few minutes": {
		begins: oauthToken("signicat"), lasts: time.Hour,
	},
	"the provider of an OAuthToken is away": {
		begins: oauthToken("signicat"), lasts: 40 * minute,
		events: []event{{0, func(w *world) { w.provider = "503" }}},
		wants: []want{
			{"SendforsignAPIErrors", "oauth", 10 * minute, 20 * minute},
			{"SendforsignTokenExpiresSoon", "team-a/signicat", minute, 12 * minute},
			{"SendforsignTokenExpired", "team-a/signicat", 3 * minute, 12 * minute},
			{"SendforsignNotReady", "OAuthToken team-a/signicat", 15 * minute, 26 * minute},
		},
	},
	"an OAuthToken is made with credentials that are wrong": {
		lasts: 40 * minute,
		events: []event{
			{0, oauthToken("signicat")}, {0, stalled("signicat", v1alpha1.CredentialsInvalidReason)},
		},
		wants: []want{
			{"SendforsignStalled", "OAuthToken team-a/signicat CredentialsInvalid", 10 * minute, 11 * minute},
			// A number has no name: it counts what is stalled as well.
			{"SendforsignNotReady", "", 15 * minute, 16 * minute},
		},
	},
	"a client is stalled": {
		events: []event{{0, create("new")}, {0, stalled("new", v1alpha1.SecretConflictReason)}}, lasts: 40 * minute,
		wants: []want{
			{"SendforsignStalled", "SfsClient team-a/new SecretConflict", 10 * minute, 11 * minute},
			// A number has no name: it counts what is stalled as well.
			{"SendforsignNotReady", "", 15 * minute, 16 * minute},
		},
	},
	"the Kubernetes API refuses what is written": {
		events: []event{{0, func(w *world) { w.noKubernetes = true }}}, lasts: 60 * minute,
		wants: []want{
			{"SendforsignReconcileErrors", "sfsclient", 15 * minute, 36 * minute},
			{"SendforsignTokenExpiresSoon", "team-a/*", 6 * minute, 28 * minute},
			{"SendforsignTokenExpired", "team-a/*", 10 * minute, 32 * minute},
			{"SendforsignNotReady", "SfsClient team-a/*", 23 * minute, 46 * minute},
		},
	},
	"renewals are late": {
		begins: func(w *world) { w.delay = 100 * time.Second }, lasts: 50 * minute,
		wants: []want{{"SendforsignRenewalLate", "", 40 * minute, 50 * minute}},
	},
}

func span(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

func credentials(reason string) func(*world) {
	return func(w *world) { w.platforms[0].credentials = reason }
}

func throttle(pause time.Duration) func(*world) {
	return func(w *world) { w.throttle(w.platforms[0], pause) }
}

func suspend(now bool) func(*world) { return func(w *world) { w.client("shop-0").suspended = now } }

func throttled(minutes int, pause time.Duration) []event {
	var all []event
	for i := range minutes {
		all = append(all, event{time.Duration(i) * minute, throttle(pause)})
	}
	return all
}

func create(name string) func(*world) {
	return func(w *world) { w.add(w.platforms[0], name, token.Policy{}) }
}

// oauthToken makes one whose provider gives tokens of ten minutes.
func oauthToken(name string) func(*world) {
	return func(w *world) { w.add(&platform{life: 10 * minute}, name, token.Policy{}) }
}

func waits(name, reason string) func(*world) { return func(w *world) { w.client(name).waits = reason } }

func stalled(name, reason string) func(*world) {
	return func(w *world) { w.client(name).stalled = reason }
}

// live has the world go on, and Prometheus look on. Each sample is shown to look as well.
func (s story) live(t *testing.T, perResource bool, look ...func(sample)) *teststorage.TestStorage {
	t.Helper()
	p := &platform{name: "default", life: max(s.life, map[bool]time.Duration{true: 1800 * time.Second}[s.life == 0])}
	w := &world{perResource: perResource, platforms: []*platform{p}, sfs: "200", provider: "200", now: epoch.Add(-calm)}
	w.led = w.now
	for i := range max(s.replicas, 1) {
		r := &replica{pod: fmt.Sprintf("sfs-operator-%d", i)}
		r.start()
		w.replicas = append(w.replicas, r)
	}
	for i := range 3 {
		w.add(p, fmt.Sprintf("shop-%d", i), token.Policy{})
	}
	if s.begins != nil {
		// It begins with a token for each client.
		w.replicas[0].leads = true
		w.step()
		s.begins(w)
	}
	storage := teststorage.New(t)
	before := make([]map[string]labels.Labels, len(w.replicas))
	for ; w.now.Before(epoch.Add(s.lasts)); w.now = w.now.Add(time.Second) {
		for _, e := range s.events {
			if w.now.Equal(epoch.Add(e.at)) {
				e.do(w)
			}
		}
		w.step()
		for i, r := range w.replicas {
			if (w.now.Unix()+int64(11*i))%int64(interval.Seconds()) == 0 {
				before[i] = scrape(t, storage, w, r, before[i], look...)
			}
		}
	}
	return storage
}

// fired is an alert that fires, with what it says to people.
type fired struct {
	at   time.Duration
	said string
}

// watch evaluates all rules as Prometheus does, and returns when each alert fired first.
func watch(t *testing.T, storage *teststorage.TestStorage, lasts time.Duration) map[string]fired {
	t.Helper()
	silent := slog.New(slog.NewTextHandler(io.Discard, nil))
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: silent, MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: promQL,
	})
	t.Cleanup(func() { _ = engine.Close() })
	query := rules.EngineQueryFunc(engine, storage)
	all := map[string]fired{}
	for _, r := range readRules(t) {
		expression, err := promQL.ParseExpr(r.Expr)
		if err != nil {
			t.Fatalf("%s: %v", r.Alert, err)
		}
		rule := rules.NewAlertingRule(r.Alert, expression, time.Duration(r.For), time.Duration(r.KeepFiringFor),
			labels.FromMap(r.Labels), labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, silent)
		for now := epoch.Add(-5*minute + 7*time.Second); now.Before(epoch.Add(lasts)); now = now.Add(interval) {
			if _, err := rule.Eval(t.Context(), 0, now, query, &url.URL{}, 0); err != nil {
				t.Fatalf("%s: %v", r.Alert, err)
			}
			for _, alert := range rule.ActiveAlerts() {
				key := r.Alert + " " + about(alert.Labels)
				if _, known := all[key]; alert.State == rules.StateFiring && !known {
					all[key] = fired{now.Sub(epoch), alert.Annotations.Get("summary") + " " + alert.Annotations.Get("description")}
				}
			}
		}
	}
	return all
}

// about is what an alert is about.
func about(l labels.Labels) string {
	var words []string
	for _, name := range []string{"endpoint", "controller", "kind"} {
		words = append(words, l.Get(name))
	}
	switch {
	case l.Has("name") && l.Has("namespace"):
		words = append(words, l.Get("namespace")+"/"+l.Get("name"))
	case l.Has("name"):
		words = append(words, l.Get("name"))
	default:
		words = append(words, l.Get("platform"))
	}
	return strings.Join(slices.DeleteFunc(append(words, l.Get("reason")), func(w string) bool { return w == "" }), " ")
}

func (w want) is(key string, perResource bool) bool {
	alert, about, _ := strings.Cut(key, " ")
	prefix, each := strings.CutSuffix(w.about, "*")
	switch {
	case alert != w.alert:
		return false
	case !perResource:
		return true // by its numbers it can not be told what it is about
	case each:
		return strings.HasPrefix(about, prefix)
	}
	return about == w.about
}

func TestAlertsFireInTheStoriesInWhichTheyShould(t *testing.T) {
	for name, s := range stories {
		for mode, perResource := range map[string]bool{"per resource": true, "aggregated": false} {
			t.Run(name+", "+mode, func(t *testing.T) {
				t.Parallel()
				all := watch(t, s.live(t, perResource), s.lasts)
				wants := s.wants
				if perResource {
					wants = slices.DeleteFunc(slices.Clone(wants), func(w want) bool { return w.alert == "SendforsignNotReady" && w.about == "" })
				}
				for _, w := range wants {
					if !slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(key string) bool { return w.is(key, perResource) }) {
						t.Errorf("%s does not fire", w.alert)
					}
				}
				for key, f := range all {
					i := slices.IndexFunc(wants, func(w want) bool { return w.is(key, perResource) })
					switch {
					case i < 0:
						t.Errorf("%s fires after %s: %s", key, f.at, f.said)
					case f.at < wants[i].earliest || f.at > wants[i].latest:
						t.Errorf("%s fires after %s, want %s to %s", key, f.at, wants[i].earliest, wants[i].latest)
					}
					speaks(t, key, f.said)
				}
			})
		}
	}
}

// speaks checks what people read.
func speaks(t *testing.T, key, said string) {
	t.Helper()
	for _, bad := range []string{"<no value>", "<error", "{{", "}}", "  ", " /", " ,", "NaN", "Inf"} {
		if strings.Contains(said, bad) {
			t.Errorf("%s says %q", key, said)
		}
	}
	for _, word := range strings.Fields(key)[1:] {
		if !strings.Contains(said, word) {
			t.Errorf("%s does not name %s: %q", key, word, said)
		}
	}
}

func TestEachAlertFiresInAStory(t *testing.T) {
	for _, rule := range readRules(t) {
		found := false
		for _, s := range stories {
			found = found || slices.ContainsFunc(s.wants, func(w want) bool { return w.alert == rule.Alert })
		}
		if !found {
			t.Errorf("no story has %s", rule.Alert)
		}
	}
}
