// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/util/teststorage"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/token"
)

const (
	// calm is how long all goes well before a story begins.
	calm = 35 * time.Minute
	// interval of scrapes and evaluations.
	interval = 30 * time.Second
	// pace of attempts that fail: as long as the operator waits at most.
	pace = 30 * time.Second
	// failover is how long a lease lasts.
	failover = 15 * time.Second
)

// epoch is when stories begin.
var epoch = time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)

// world is a small model of the operator and of SFS, by what of them is seen in metrics. Tokens are renewed by the rules of
// the operator itself.
type world struct {
	perResource bool
	now         time.Time
	replicas    []*replica
	platforms   []*platform
	clients     []*client

	// sfs is the answer of SFS to each request: 200, 503, 401 or nothing; and provider that of the provider of OAuthTokens.
	sfs, provider string
	// noKubernetes has each pass fail.
	noKubernetes bool
	// noLease has nobody lead.
	noLease bool
	// delay is by how much renewals come late.
	delay time.Duration
	// led is since when there has been a leader.
	led time.Time
}

// replica is one process.
type replica struct {
	pod    string
	down   bool
	leads  bool
	counts map[string]float64 // of this process, by the name and labels
	// frozen is what its cache shows, where it is behind.
	frozen []sample
}

type platform struct {
	name           string
	life           time.Duration
	throttledUntil time.Time
	credentials    string // the reason of CredentialsValid, where it is False
	warned         bool   // a renewal has failed
}

// client is an SfsClient, or an OAuthToken where its platform has no name: then that stands for the provider.
type client struct {
	platform        *platform
	namespace, name string
	policy          token.Policy
	token           *token.Token
	tried           time.Time
	suspended       bool
	stalled         string // for this reason
	waits           string // for this reason
}

// sample is a metric with its labels, in the form in which it is exposed.
type sample struct {
	labels []string // names and values in turn, the name of the metric first
	value  float64
}

func of(value float64, metric string, pairs ...string) sample {
	return sample{append([]string{model.MetricNameLabel, metric}, pairs...), value}
}

func (r *replica) count(by float64, metric string, pairs ...string) {
	key := fmt.Sprintf("%q", append([]string{metric}, pairs...))
	if _, there := r.counts[key]; !there {
		r.counts[key] = 0
	}
	r.counts[key] += by
}

// start has the process begin anew.
func (r *replica) start() {
	r.down, r.leads, r.counts, r.frozen = false, false, map[string]float64{}, nil
}

// kind returns the kind, its controller, and the endpoint and operation of requests for its token.
func (c *client) kind() (kind, controller, endpoint, operation string) {
	if c.platform.name == "" {
		return "OAuthToken", "oauthtoken", "oauth", "oauth"
	}
	return "SfsClient", "sfsclient", "token", "client"
}

func (c *client) id() string { return c.namespace + "/" + c.name }

func (w *world) client(name string) *client {
	return w.clients[slices.IndexFunc(w.clients, func(c *client) bool { return c.name == name })]
}

func (w *world) add(p *platform, name string, policy token.Policy) *client {
	c := &client{platform: p, namespace: "team-a", name: name, policy: policy}
	w.clients = append(w.clients, c)
	return c
}

func (w *world) remove(name string) {
	w.clients = slices.DeleteFunc(w.clients, func(c *client) bool { return c.name == name })
}

func (w *world) leader() *replica {
	for _, r := range w.replicas {
		if r.leads && !r.down {
			return r
		}
	}
	return nil
}

// step is what the operator does in a second.
func (w *world) step() {
	leader := w.leader()
	switch {
	case w.noLease:
		for _, r := range w.replicas {
			r.leads = false
		}
		w.led = w.now
		return
	case leader != nil:
		w.led = w.now
	case w.now.Sub(w.led) < failover:
		return
	default:
		for _, r := range w.replicas {
			if r.leads = !r.down; r.leads {
				break
			}
		}
		return
	}
	for _, c := range w.clients {
		w.pass(leader, c)
	}
}

// pass is what the leader does for a client.
func (w *world) pass(leader *replica, c *client) {
	planned := w.now
	if c.token != nil {
		planned = c.policy.RenewalTime(*c.token)
	}
	if c.suspended || c.stalled != "" || c.waits != "" || w.now.Before(planned.Add(w.delay)) || w.now.Sub(c.tried) < pace {
		return
	}
	if c.platform.warned = w.now.Before(c.platform.throttledUntil); c.platform.warned {
		return // it comes back when the pause is over
	}
	c.tried = w.now
	kind, controller, endpoint, operation := c.kind()
	answer := w.sfs
	if kind == "OAuthToken" {
		answer = w.provider
	}
	leader.count(1, "controller_runtime_reconcile_total", "controller", controller, "result", "success")
	switch {
	case w.noKubernetes:
		leader.count(1, "controller_runtime_reconcile_errors_total", "controller", controller)
		return
	case c.platform.credentials != "":
		return
	}
	leader.count(1, "sendforsign_api_requests_total", "endpoint", endpoint, "action", "create", "code", answer)
	if c.platform.warned = answer != "200"; c.platform.warned {
		leader.count(1, "sendforsign_token_requests_total", "operation", operation, "result", "unavailable")
		return
	}
	leader.count(1, "sendforsign_token_requests_total", "operation", operation, "result", "success")
	if c.token != nil {
		late := w.now.Sub(planned).Seconds()
		for _, bound := range latenessBounds {
			if late <= bound {
				leader.count(1, "sendforsign_token_renewal_lateness_seconds_bucket", "le", le(bound))
			}
		}
	}
	c.token = &token.Token{Issued: w.now, Expires: w.now.Add(c.platform.life), Owner: c.id()}
	c.tried = time.Time{}
}

// latenessBounds are those of the histogram.
var latenessBounds = []float64{0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, math.Inf(1)}

func le(bound float64) string {
	if math.IsInf(bound, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(bound, 'g', -1, 64)
}

// throttle is a 429 with this Retry-After.
func (w *world) throttle(p *platform, pause time.Duration) {
	p.throttledUntil = w.now.Add(pause)
	w.leader().count(pause.Seconds(), "sendforsign_api_throttled_seconds_total", "platform", p.name)
}

type condition struct{ kind, status, reason string }

// conditions of a client, as the operator has them.
func (w *world) conditionsOf(c *client) []condition {
	reason := map[bool]string{true: v1alpha1.APIUnavailableReason}[c.platform.warned]
	if c.platform.credentials != "" {
		reason = v1alpha1.CredentialsInvalidReason
	}
	usable := c.token != nil && c.token.Usable(w.now)
	switch {
	case c.suspended:
		status := map[bool]string{true: "True", false: "False"}[usable]
		return []condition{{v1alpha1.ReadyCondition, status, v1alpha1.SuspendedReason}}
	case c.stalled != "":
		return []condition{{v1alpha1.ReadyCondition, "False", c.stalled}, {v1alpha1.StalledCondition, "True", c.stalled}}
	case c.waits != "":
		return []condition{{v1alpha1.ReadyCondition, "False", c.waits}, {v1alpha1.ReconcilingCondition, "True", c.waits}}
	case c.token == nil && c.platform.credentials != "":
		return []condition{{v1alpha1.ReadyCondition, "False", reason}, {v1alpha1.StalledCondition, "True", reason}}
	case c.token == nil:
		reason = v1alpha1.ProgressingReason
		return []condition{{v1alpha1.ReadyCondition, "False", reason}, {v1alpha1.ReconcilingCondition, "True", reason}}
	case !usable:
		reason = v1alpha1.TokenExpiringReason
		return []condition{
			{v1alpha1.TokenValidCondition, "False", reason}, {v1alpha1.ReadyCondition, "False", reason},
			{v1alpha1.ReconcilingCondition, "True", reason},
		}
	case reason != "" && !w.now.Before(c.policy.RenewalTime(*c.token)):
		return []condition{{v1alpha1.TokenValidCondition, "True", reason}, {v1alpha1.ReadyCondition, "True", reason}}
	}
	return []condition{
		{v1alpha1.TokenValidCondition, "True", v1alpha1.IssuedReason}, {v1alpha1.ReadyCondition, "True", v1alpha1.AvailableReason},
	}
}

func (w *world) conditionsOfPlatform(p *platform) []condition {
	if p.credentials != "" {
		return []condition{
			{v1alpha1.CredentialsValidCondition, "False", p.credentials}, {v1alpha1.ReadyCondition, "False", p.credentials},
			{v1alpha1.StalledCondition, "True", p.credentials},
		}
	}
	all := []condition{
		{v1alpha1.CredentialsValidCondition, "True", v1alpha1.VerifiedReason}, {v1alpha1.ReadyCondition, "True", v1alpha1.AvailableReason},
	}
	if w.now.Before(p.throttledUntil) {
		all = append(all, condition{v1alpha1.ThrottledCondition, "True", v1alpha1.ThrottledReason})
	}
	return all
}

// state is what each replica tells of the resources.
func (w *world) state() []sample {
	var all []sample
	tell := func(kind, namespace, name string, conditions []condition) {
		for _, c := range conditions {
			all = append(all, of(1, "sendforsign_condition",
				"kind", kind, "namespace", namespace, "name", name, "type", c.kind, "status", c.status, "reason", c.reason))
		}
	}
	for _, p := range w.platforms {
		tell("SfsPlatform", "", p.name, w.conditionsOfPlatform(p))
	}
	for _, c := range w.clients {
		kind, _, _, _ := c.kind()
		tell(kind, c.namespace, c.name, w.conditionsOf(c))
		if c.token == nil || c.suspended {
			continue
		}
		for which, at := range map[string]time.Time{
			"issued": c.token.Issued, "renewal": c.policy.RenewalTime(*c.token), "expiration": c.token.Expires,
		} {
			all = append(all, of(float64(at.UnixMilli())/1000, "sendforsign_token_"+which+"_timestamp_seconds",
				"kind", kind, "platform", c.platform.name, "namespace", c.namespace, "name", c.name))
		}
	}
	if !w.perResource {
		return aggregate(all)
	}
	return all
}

// aggregate counts conditions, and takes the earliest of times.
func aggregate(all []sample) []sample {
	var fewer []sample
	at := map[string]int{}
	for _, s := range all {
		var kept []string
		for i := 0; i < len(s.labels); i += 2 {
			if s.labels[i] != "namespace" && s.labels[i] != "name" {
				kept = append(kept, s.labels[i], s.labels[i+1])
			}
		}
		key := fmt.Sprintf("%q", kept)
		i, there := at[key]
		switch {
		case !there:
			at[key] = len(fewer)
			fewer = append(fewer, sample{kept, s.value})
		case s.labels[1] == "sendforsign_condition":
			fewer[i].value += s.value
		default:
			fewer[i].value = min(fewer[i].value, s.value)
		}
	}
	return fewer
}

// expose is what a replica answers to a scrape.
func (w *world) expose(r *replica) []sample {
	if r.down {
		return nil
	}
	all := r.frozen
	if all == nil {
		all = w.state()
	}
	status := map[bool]float64{true: 1}[r.leads]
	all = append(slices.Clone(all),
		of(1, "sendforsign_build_info", "version", "v1", "goversion", "go1.26"),
		of(status, "leader_election_master_status", "name", "sfs-operator.sendforsign.com"))
	for key, value := range r.counts {
		var pairs []string
		for rest := key[1 : len(key)-1]; rest != ""; {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				panic(err)
			}
			text, _ := strconv.Unquote(quoted)
			pairs, rest = append(pairs, text), rest[len(quoted):]
			if rest != "" {
				rest = rest[1:]
			}
		}
		all = append(all, of(value, pairs[0], pairs[1:]...))
	}
	return all
}

// seen is what Prometheus stores of a sample: with the labels of the target, unless the sample has them. A label that is
// exposed as empty keeps that of the target away, too, which is why a platform has no namespace.
func seen(s sample, pod string) labels.Labels {
	all := map[string]string{
		"namespace": "sfs-system", "pod": pod, "instance": pod + ":8443", "job": "sfs-operator-metrics",
		"service": "sfs-operator-metrics", "endpoint": "metrics", "container": "operator",
	}
	for i := 0; i < len(s.labels); i += 2 {
		all[s.labels[i]] = s.labels[i+1]
	}
	return labels.FromMap(all).WithoutEmpty()
}

// scrape stores what a replica says, and marks as stale what it no longer says.
func scrape(
	t *testing.T, storage *teststorage.TestStorage, w *world, r *replica, before map[string]labels.Labels, look ...func(sample),
) map[string]labels.Labels {
	t.Helper()
	now := map[string]labels.Labels{}
	appender := storage.Appender(t.Context())
	at := timestamp.FromTime(w.now)
	put := func(series labels.Labels, v float64) {
		if _, err := appender.Append(0, series, at, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range w.expose(r) {
		series := seen(s, r.pod)
		if now[series.String()].Len() > 0 {
			t.Fatalf("%s is exposed twice", series)
		}
		now[series.String()] = series
		put(series, s.value)
		for _, l := range look {
			l(s)
		}
	}
	for key, series := range before {
		if now[key].Len() == 0 {
			put(series, math.Float64frombits(value.StaleNaN))
		}
	}
	if err := appender.Commit(); err != nil {
		t.Fatal(err)
	}
	return now
}
