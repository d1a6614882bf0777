// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package metrics counts what the operator does. No label ever holds what users or SFS choose freely, but for the names of
// platforms, of which there are few.
package metrics

import (
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sendforsign/sfs-operator/internal/version"
)

// Prefix begins the names of all metrics of the operator.
const Prefix = "sendforsign_"

// Operation is what a request for or about a token is for.
type Operation string

// Operations.
const (
	MintPlatform Operation = "platform"
	MintClient   Operation = "client"
	MintOAuth    Operation = "oauth"
	Revoke       Operation = "revoke"
)

// Result is what became of such a request.
type Result string

// Results.
const (
	Success     Result = "success"
	Refused     Result = "refused"
	Throttled   Result = "throttled"
	Unavailable Result = "unavailable"
)

// SecretWrite is what was done to a Secret.
type SecretWrite string

// Writes of Secrets.
const (
	SecretCreated SecretWrite = "create"
	SecretUpdated SecretWrite = "update"
	SecretDeleted SecretWrite = "delete"
)

// Metrics is a collector of what has been counted since the process began.
type Metrics struct {
	build         *prometheus.GaugeVec
	tokenRequests *prometheus.CounterVec
	lateness      prometheus.Histogram
	overlap       prometheus.Histogram
	requests      *prometheus.CounterVec
	durations     *prometheus.HistogramVec
	throttled     *prometheus.CounterVec
	secretWrites  *prometheus.CounterVec
	drift         *prometheus.CounterVec
}

// New returns metrics that have counted nothing.
func New() *Metrics {
	m := &Metrics{
		build: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: Prefix + "build_info", Help: "1, with the version of the operator and of Go.",
		}, []string{"version", "goversion"}),
		tokenRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: Prefix + "token_requests_total",
			Help: "Requests for a platform token, a client token or the token of an OAuthToken, or for the revocation of one, by their result.",
		}, []string{"operation", "result"}),
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: Prefix + "token_renewal_lateness_seconds",
			Help: "How long after its planned time a token was renewed.",
			// Up to the margin of a token of half an hour, after which it is dead.
			Buckets: []float64{0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800},
		}),
		overlap: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    Prefix + "token_overlap_seconds",
			Help:    "How long the token that was replaced was still to live when the new one had been published; 0 if it was dead.",
			Buckets: []float64{0, 10, 30, 60, 120, 180, 300, 450, 600, 900, 1800},
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: Prefix + "api_requests_total",
			Help: "Requests to SFS and to the providers of OAuthTokens by endpoint, action and HTTP status; none stands for no answer.",
		}, []string{"endpoint", "action", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: Prefix + "api_request_duration_seconds",
			Help: "How long requests to SFS and to the providers of OAuthTokens took, with or without an answer.",
			// The default timeout is 15 s.
			Buckets: []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30},
		}, []string{"endpoint", "action"}),
		throttled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: Prefix + "api_throttled_seconds_total",
			Help: "Time for which SFS asked for a pause (429).",
		}, []string{"platform"}),
		secretWrites: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: Prefix + "secret_writes_total",
			Help: "Secrets that were created, updated and deleted.",
		}, []string{"operation"}),
		drift: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: Prefix + "drift_total",
			Help: "Fields that somebody else was found to have changed at SFS.",
		}, []string{"kind", "field"}),
	}
	m.build.WithLabelValues(version.Version, runtime.Version()).Set(1)
	// What has not happened yet counts 0, so that the first time is seen as an increase.
	for _, o := range []Operation{MintPlatform, MintClient, MintOAuth, Revoke} {
		for _, r := range []Result{Success, Refused, Throttled, Unavailable} {
			m.tokenRequests.WithLabelValues(string(o), string(r))
		}
	}
	for _, w := range []SecretWrite{SecretCreated, SecretUpdated, SecretDeleted} {
		m.secretWrites.WithLabelValues(string(w))
	}
	return m
}

func (m *Metrics) each(do func(prometheus.Collector)) {
	for _, c := range []prometheus.Collector{
		m.build, m.tokenRequests, m.lateness, m.overlap, m.requests, m.durations, m.throttled, m.secretWrites, m.drift,
	} {
		do(c)
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	m.each(func(c prometheus.Collector) { c.Describe(to) })
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	m.each(func(c prometheus.Collector) { c.Collect(to) })
}

// TokenRequested counts a request for or about a token.
func (m *Metrics) TokenRequested(o Operation, r Result) {
	m.tokenRequests.WithLabelValues(string(o), string(r)).Inc()
}

// TokenRenewed counts a renewal whose time had come, that much after it.
func (m *Metrics) TokenRenewed(lateness time.Duration) {
	m.lateness.Observe(max(lateness, 0).Seconds())
}

// TokenReplaced counts a token that was replaced, with what was left of its life.
func (m *Metrics) TokenReplaced(left time.Duration) { m.overlap.Observe(max(left, 0).Seconds()) }

// APIAnswered counts a request to SFS, or to a provider of an OAuthToken. Status 0 stands for no answer.
func (m *Metrics) APIAnswered(endpoint, action string, status int, took time.Duration) {
	code := "none"
	if status != 0 {
		code = strconv.Itoa(status)
	}
	m.requests.WithLabelValues(endpoint, action, code).Inc()
	m.durations.WithLabelValues(endpoint, action).Observe(took.Seconds())
}

// APIThrottled counts a pause that SFS asked for.
func (m *Metrics) APIThrottled(platform string, pause time.Duration) {
	m.throttled.WithLabelValues(platform).Add(pause.Seconds())
}

// PlatformGone ends the series of a platform.
func (m *Metrics) PlatformGone(platform string) { m.throttled.DeleteLabelValues(platform) }

// SecretWritten counts a write of a Secret.
func (m *Metrics) SecretWritten(w SecretWrite) { m.secretWrites.WithLabelValues(string(w)).Inc() }

// Drifted counts a field that somebody else has changed at SFS.
func (m *Metrics) Drifted(kind, field string) { m.drift.WithLabelValues(kind, field).Inc() }
