// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// portrait is what the cluster and SFS hold of a world, in a form in which two worlds can be compared: what differs
// from run to run (keys, times, revisions) has its place and no value.
func portrait(w *world) string {
	var text strings.Builder
	names := []string{w.namespace, "tenants", w.operator, "operator", w.sim.BaseURL(), "https://sfs"}
	for _, r := range sortedRefs(w.there, nil) {
		o := w.there[r]
		names = append(names, string(o.GetUID()), "uid of "+r.kind+" "+r.name)
		if r.kind != namespaceName && r.namespace != w.operator {
			fmt.Fprintf(&text, "%s %s %s\n", r.kind, r.name, sketch(o))
		}
	}
	atSFS := w.sim.Clients()
	slices.SortFunc(atSFS, func(a, b sendforsign.Client) int { return strings.Compare(a.CustomKey, b.CustomKey) })
	for i, c := range atSFS {
		names = append(names, c.ClientKey, fmt.Sprintf("client %d", i+1))
		fmt.Fprintf(&text, "client at SFS: %q %q %q %q\n", c.CustomKey, c.FullName, c.Email, c.Organization)
		for j, u := range w.sim.Users(c.ClientKey) {
			names = append(names, u.UserKey, fmt.Sprintf("user %d of %d", j+1, i+1))
			fmt.Fprintf(&text, "user at SFS: %q %q %q\n", u.CustomKey, u.FullName, u.Email)
		}
	}
	masked := strings.NewReplacer(names...).Replace(text.String())
	masked = regexp.MustCompile(`\b`+w.platform+`\b`).ReplaceAllString(masked, "platform")
	for _, m := range masks {
		masked = m.what.ReplaceAllString(masked, m.by)
	}
	return masked
}

// retiredAt is the end of a customKey that was retired.
var retiredAt = regexp.MustCompile(`#retired-\d{8}T\d{6}Z`)

var masks = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "(time)"},
	{retiredAt, "#retired"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "(hash)"},
	{regexp.MustCompile(regexp.QuoteMeta(sfstest.CanaryPrefix) + `[A-Z0-9-]+`), "(secret)"},
	{regexp.MustCompile(`(?i)((?:credentialsR|/r|"r)evision": "?)\d+`), "${1}(number)"},
}

// sketch is one object without what the API server adds to it.
func sketch(o any) string {
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		panic(err)
	}
	if s, ok := o.(*corev1.Secret); ok {
		data := map[string]string{}
		for key, value := range s.Data {
			data[key] = string(value)
		}
		all["data"] = data
	}
	metadata, _ := all["metadata"].(map[string]any)
	for _, key := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields"} {
		delete(metadata, key)
	}
	if spec, ok := all["spec"].(map[string]any); ok {
		delete(spec, "caBundle")
	}
	if status, ok := all["status"].(map[string]any); ok {
		conditions, _ := status["conditions"].([]any) // in the order in which they were first set
		slices.SortFunc(conditions, func(a, b any) int { return strings.Compare(typeOf(a), typeOf(b)) })
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		panic(err)
	}
	return string(text)
}

func typeOf(condition any) string {
	c, _ := condition.(map[string]any)
	name, _ := c["type"].(string)
	return name
}
