// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sendforsign/sfs-operator/internal/metrics"
)

func registered(t *testing.T) (*metrics.Metrics, *prometheus.Registry) {
	t.Helper()
	m, registry := metrics.New(), prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	return m, registry
}

func TestWhatHappensIsCounted(t *testing.T) {
	t.Parallel()
	m, registry := registered(t)
	m.TokenRequested(metrics.MintClient, metrics.Success)
	m.TokenRequested(metrics.Revoke, metrics.Throttled)
	m.TokenRenewed(-time.Second) // a clock that was set back
	m.TokenReplaced(-time.Second)
	m.APIAnswered("client", "create", 201, 20*time.Millisecond)
	m.APIAnswered("client", "create", 0, 15*time.Second)
	m.APIThrottled("default", 1500*time.Millisecond)
	m.APIThrottled("default", time.Second)
	m.APIThrottled("gone", time.Second)
	m.PlatformGone("gone")
	m.SecretWritten(metrics.SecretUpdated)
	m.Drifted("SfsClient", "email")
	err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP sendforsign_api_requests_total Requests to SFS and to the providers of OAuthTokens by endpoint, action and HTTP status; none stands for no answer.
# TYPE sendforsign_api_requests_total counter
sendforsign_api_requests_total{action="create",code="201",endpoint="client"} 1
sendforsign_api_requests_total{action="create",code="none",endpoint="client"} 1
# HELP sendforsign_api_throttled_seconds_total Time for which SFS asked for a pause (429).
# TYPE sendforsign_api_throttled_seconds_total counter
sendforsign_api_throttled_seconds_total{platform="default"} 2.5
# HELP sendforsign_drift_total Fields that somebody else was found to have changed at SFS.
# TYPE sendforsign_drift_total counter
sendforsign_drift_total{field="email",kind="SfsClient"} 1
# HELP sendforsign_secret_writes_total Secrets that were created, updated and deleted.
# TYPE sendforsign_secret_writes_total counter
sendforsign_secret_writes_total{operation="create"} 0
sendforsign_secret_writes_total{operation="delete"} 0
sendforsign_secret_writes_total{operation="update"} 1
# HELP sendforsign_token_requests_total Requests for a platform token, a client token or the token of an OAuthToken, or for the revocation of one, by their result.
# TYPE sendforsign_token_requests_total counter
sendforsign_token_requests_total{operation="client",result="refused"} 0
sendforsign_token_requests_total{operation="client",result="success"} 1
sendforsign_token_requests_total{operation="client",result="throttled"} 0
sendforsign_token_requests_total{operation="client",result="unavailable"} 0
sendforsign_token_requests_total{operation="oauth",result="refused"} 0
sendforsign_token_requests_total{operation="oauth",result="success"} 0
sendforsign_token_requests_total{operation="oauth",result="throttled"} 0
sendforsign_token_requests_total{operation="oauth",result="unavailable"} 0
sendforsign_token_requests_total{operation="platform",result="refused"} 0
sendforsign_token_requests_total{operation="platform",result="success"} 0
sendforsign_token_requests_total{operation="platform",result="throttled"} 0
sendforsign_token_requests_total{operation="platform",result="unavailable"} 0
sendforsign_token_requests_total{operation="revoke",result="refused"} 0
sendforsign_token_requests_total{operation="revoke",result="success"} 0
sendforsign_token_requests_total{operation="revoke",result="throttled"} 1
sendforsign_token_requests_total{operation="revoke",result="unavailable"} 0
# HELP sendforsign_token_overlap_seconds How long the token that was replaced was still to live when the new one had been published; 0 if it was dead.
# TYPE sendforsign_token_overlap_seconds histogram
sendforsign_token_overlap_seconds_bucket{le="0"} 1
sendforsign_token_overlap_seconds_bucket{le="10"} 1
sendforsign_token_overlap_seconds_bucket{le="30"} 1
sendforsign_token_overlap_seconds_bucket{le="60"} 1
sendforsign_token_overlap_seconds_bucket{le="120"} 1
sendforsign_token_overlap_seconds_bucket{le="180"} 1
sendforsign_token_overlap_seconds_bucket{le="300"} 1
sendforsign_token_overlap_seconds_bucket{le="450"} 1
sendforsign_token_overlap_seconds_bucket{le="600"} 1
sendforsign_token_overlap_seconds_bucket{le="900"} 1
sendforsign_token_overlap_seconds_bucket{le="1800"} 1
sendforsign_token_overlap_seconds_bucket{le="+Inf"} 1
sendforsign_token_overlap_seconds_sum 0
sendforsign_token_overlap_seconds_count 1
`), "sendforsign_api_requests_total", "sendforsign_api_throttled_seconds_total", "sendforsign_drift_total",
		"sendforsign_secret_writes_total", "sendforsign_token_requests_total", "sendforsign_token_overlap_seconds")
	if err != nil {
		t.Error(err)
	}
}

func TestMetricsFollowTheConventions(t *testing.T) {
	t.Parallel()
	m, registry := registered(t)
	m.APIAnswered("client", "create", 201, time.Second)
	m.APIThrottled("default", time.Second)
	m.Drifted("SfsClient", "email")
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
