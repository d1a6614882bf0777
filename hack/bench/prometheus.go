// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/rest"
)

// sample is one of a counter.
type sample struct {
	labels map[string]string
	value  int
}

// series reads the samples of one counter of a text of metrics. The rest of the text, which is long, is passed over.
func series(text []byte, name string) ([]sample, error) {
	var own bytes.Buffer
	fmt.Fprintf(&own, "# TYPE %s counter\n", name)
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte(name+"{")) || bytes.HasPrefix(line, []byte(name+" ")) {
			own.Write(line)
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&own)
	if err != nil {
		return nil, fmt.Errorf("reading the metric %s: %w", name, err)
	}
	var samples []sample
	for _, m := range families[name].GetMetric() {
		labels := map[string]string{}
		for _, pair := range m.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		samples = append(samples, sample{labels, int(m.GetCounter().GetValue())})
	}
	return samples, nil
}

// ownBusiness are the resources that kube-apiserver asks itself about, whoever else is there, and the leases.
var ownBusiness = map[string]bool{
	"": true, "leases": true, "flowschemas": true, "prioritylevelconfigurations": true, "endpoints": true, "endpointslices": true,
	"services": true, "namespaces": true, "configmaps": true, "apiservices": true, "customresourcedefinitions": true,
	"clusterroles": true, "clusterrolebindings": true, "roles": true, "rolebindings": true, "ipaddresses": true,
	"servicecidrs": true, "priorityclasses": true, "storageclasses": true, "validatingadmissionpolicies": true,
	"validatingadmissionpolicybindings": true, "mutatingadmissionpolicies": true, "mutatingadmissionpolicybindings": true,
	"validatingwebhookconfigurations": true, "mutatingwebhookconfigurations": true, "resourcequotas": true, "limitranges": true,
	"serviceaccounts": true, "nodes": true, "pods": true, "volumeattachments": true, "persistentvolumes": true,
	"clustertrustbundles": true, "ingressclasses": true, "runtimeclasses": true, "csidrivers": true,
}

// apiRequests counts the requests that kube-apiserver has served, by its own metric, such as "PATCH secrets". A watch is not
// one: it is counted when it ends. What the observer asks is taken off by not asking while it is counted.
func apiRequests(ctx context.Context, api rest.Interface) (map[string]int, error) {
	text, err := api.Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the metrics of kube-apiserver: %w", err)
	}
	samples, err := series(text, "apiserver_request_total")
	if err != nil {
		return nil, err
	}
	requests := map[string]int{}
	for _, sample := range samples {
		verb, resource := sample.labels["verb"], sample.labels["resource"]
		if verb == "WATCH" || verb == "CONNECT" || ownBusiness[resource] {
			continue
		}
		if sub := sample.labels["subresource"]; sub != "" {
			resource += "/" + sub
		}
		requests[verb+" "+resource] += sample.value
	}
	return requests, nil
}

func isWrite(request string) bool {
	verb, resource, _ := strings.Cut(request, " ")
	// A review changes nothing, though it is made by POST.
	return verb != "GET" && verb != "LIST" && !strings.HasSuffix(resource, "reviews")
}

// reconciled is how often a contender has looked at a resource of a kind, by the metric of controller-runtime.
func reconciled(ctx context.Context, url, controller string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := loopback.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", url, err)
	}
	samples, err := series(text, "controller_runtime_reconcile_total")
	total := 0
	for _, sample := range samples {
		if sample.labels["controller"] == controller {
			total += sample.value
		}
	}
	return total, err
}

// loopback asks the processes that were started here.
var loopback = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
