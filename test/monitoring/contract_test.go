// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

// exported is a metric of the operator.
type exported struct {
	kind   string // gauge, counter or histogram
	labels []string
	// aggregated are its labels with --metrics-per-resource=false, where they are others.
	aggregated []string
}

// contract has all metrics that the operator exports of itself.
var contract = map[string]exported{
	"sendforsign_build_info": {kind: "gauge", labels: []string{"version", "revision", "goversion"}},
	"sendforsign_condition": {
		kind: "gauge", labels: []string{"kind", "namespace", "name", "type", "status", "reason"},
		aggregated: []string{"kind", "type", "status", "reason"},
	},
	"sendforsign_token_issued_timestamp_seconds": {
		kind: "gauge", labels: []string{"platform", "namespace", "name"}, aggregated: []string{"platform"},
	},
	"sendforsign_token_renewal_timestamp_seconds": {
		kind: "gauge", labels: []string{"platform", "namespace", "name"}, aggregated: []string{"platform"},
	},
	"sendforsign_token_expiration_timestamp_seconds": {
		kind: "gauge", labels: []string{"platform", "namespace", "name"}, aggregated: []string{"platform"},
	},
	"sendforsign_orphans":                        {kind: "gauge", labels: []string{"platform"}},
	"sendforsign_token_requests_total":           {kind: "counter", labels: []string{"operation", "result"}},
	"sendforsign_token_renewal_lateness_seconds": {kind: "histogram"},
	"sendforsign_token_overlap_seconds":          {kind: "histogram"},
	"sendforsign_api_requests_total":             {kind: "counter", labels: []string{"endpoint", "action", "code"}},
	"sendforsign_api_request_duration_seconds":   {kind: "histogram", labels: []string{"endpoint", "action"}},
	"sendforsign_api_throttled_seconds_total":    {kind: "counter", labels: []string{"platform"}},
	"sendforsign_secret_writes_total":            {kind: "counter", labels: []string{"operation"}},
	"sendforsign_drift_total":                    {kind: "counter", labels: []string{"kind", "field"}},
}

// brought are the metrics of controller-runtime, client-go and Go that the alerts and the dashboard use.
var brought = map[string]exported{
	"controller_runtime_reconcile_total":        {kind: "counter", labels: []string{"controller", "result"}},
	"controller_runtime_reconcile_errors_total": {kind: "counter", labels: []string{"controller"}},
	"workqueue_depth":                           {kind: "gauge", labels: []string{"name", "controller", "priority"}},
	"workqueue_queue_duration_seconds":          {kind: "histogram", labels: []string{"name", "controller"}},
	"leader_election_master_status":             {kind: "gauge", labels: []string{"name"}},
	"process_resident_memory_bytes":             {kind: "gauge"},
	"go_memstats_heap_inuse_bytes":              {kind: "gauge"},
	"go_goroutines":                             {kind: "gauge"},
}

// target are the labels that a ServiceMonitor adds, unless the metric has them: honorLabels.
var target = []string{"namespace", "pod", "instance", "job", "service", "endpoint", "container"}
