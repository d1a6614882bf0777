// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"maps"
	"strconv"
)

// restartTarget is one that is accepted, with what is given put in or, where it is nil, taken out.
func restartTarget(with map[string]any) map[string]any {
	target := map[string]any{"name": "web", "kind": "Deployment"}
	maps.Copy(target, with)
	maps.DeleteFunc(target, func(_ string, value any) bool { return value == nil })
	return target
}

func restarting(targets ...map[string]any) change {
	list := make([]any, len(targets))
	for i, target := range targets {
		list[i] = target
	}
	return set("spec.rolloutRestartTargets", list)
}

func manyTargets(n int) []map[string]any {
	targets := make([]map[string]any, n)
	for i := range targets {
		targets[i] = restartTarget(map[string]any{"name": letters(250) + strconv.Itoa(i)})
	}
	return targets
}

// restartTriggerCases are those of what workloads are restarted for.
func restartTriggerCases() map[string]validationCase {
	return wordCases("spec.rolloutRestartTargets[0].when", func(word string) change {
		return restarting(restartTarget(map[string]any{"when": word}))
	}, "KeysChanged", "TokenChanged")
}

// restartCases are those of the workloads that are restarted when a Secret changes.
func restartCases() map[string]validationCase {
	const list, first = "spec.rolloutRestartTargets", "spec.rolloutRestartTargets[0]"
	const selector, interval = first + ".selector", first + ".minInterval"
	const (
		emptyMessage    = "selector must have matchLabels or matchExpressions"
		intervalMessage = "minInterval must be at least 1m"
		nameMessage     = "name must be a valid name of a workload"
	)
	with := func(field string, value any) change { return restarting(restartTarget(map[string]any{field: value})) }
	text := func(field string) func(string) change {
		return func(value string) change { return with(field, value) }
	}
	expression := func(e map[string]any) change {
		return with("selector", map[string]any{"matchExpressions": []any{e}})
	}
	return together(
		sizeCases(first+".name", 1, 253, text("name")),
		refusedCases(first+".name", text("name"), nameMessage, "Web", "other/web", "web_1", "-web", "*"),
		wordCases(first+".kind", text("kind"), "Deployment", "StatefulSet", "DaemonSet", "Rollout"),
		acceptedCases(interval, text("minInterval"), "1m", "60s", "24h"),
		refusedCases(interval, text("minInterval"), intervalMessage, "59.999s", "0s", "-5m", "", "5", "1d", "soon"),
		map[string]validationCase{
			"no workloads to restart are accepted": {
				reason: "an empty list of a template says the same as none", field: list, mutate: restarting(),
			},
			"16 workloads to restart are accepted": {
				reason: "the most", field: list, mutate: restarting(manyTargets(16)...),
			},
			"17 workloads to restart are refused": {
				reason: "one too many; a selector has no such limit",
				field:  list, mutate: restarting(manyTargets(17)...), wantErrors: []string{"must have at most 16 items"},
			},
			"workloads to restart may be changed and taken away": {
				reason: "nothing of them is immutable", field: list, before: restarting(restartTarget(nil)), mutate: unset(list),
			},
			"two workloads to restart of different names are accepted": {
				reason: "they are told apart by it",
				field:  list + "[1]", mutate: restarting(restartTarget(nil), restartTarget(map[string]any{"name": "worker"})),
			},
			"two workloads to restart of one name are refused": {
				reason: "two who apply the list could not tell them apart",
				field:  list + "[1]", mutate: restarting(restartTarget(nil), restartTarget(map[string]any{"kind": "StatefulSet"})),
				wantErrors: []string{"Duplicate value"},
			},
			"a workload to restart without a name is refused": {
				reason: "lists are merged by it",
				field:  first + ".name", mutate: with("name", nil), wantErrors: []string{requiredMessage},
			},
			"a workload to restart without a kind is refused": {
				reason: "several kinds may have the name",
				field:  first + ".kind", mutate: with("kind", nil), wantErrors: []string{requiredMessage},
			},
			"a workload of another kind is refused": {
				reason: "a Job is not restarted", field: first + ".kind", mutate: with("kind", "Job"), wantErrors: []string{"Unsupported value"},
			},

			"workloads to restart by label are accepted": {
				reason: "there may be many", field: selector, mutate: with("selector", map[string]any{"matchLabels": map[string]any{"sfs": "yes"}}),
			},
			"workloads to restart by a label expression are accepted": {
				reason: "it is a selector as everywhere",
				field:  selector, mutate: expression(map[string]any{"key": "sfs", "operator": "Exists"}),
			},
			"an empty selector of workloads is refused": {
				reason: "all of the namespace would be restarted",
				field:  selector, mutate: with("selector", map[string]any{}), wantErrors: []string{emptyMessage},
			},
			"a selector of workloads without labels is refused": {
				reason: "all of the namespace would be restarted",
				field:  selector, mutate: with("selector", map[string]any{"matchLabels": map[string]any{}, "matchExpressions": []any{}}),
				wantErrors: []string{emptyMessage},
			},
			"a selector of workloads that becomes empty is refused": {
				reason: "all of the namespace would be restarted",
				field:  selector, before: with("selector", map[string]any{"matchLabels": map[string]any{"sfs": "yes"}}),
				mutate: with("selector", map[string]any{"matchLabels": map[string]any{}}), wantErrors: []string{emptyMessage},
			},
			"a label expression of workloads without a key is refused": {
				reason: "it selects by nothing",
				field:  selector + ".matchExpressions[0].key", mutate: expression(map[string]any{"operator": "Exists"}),
				wantErrors: []string{requiredMessage},
			},
			"a label expression of workloads without an operator is refused": {
				reason: "it says nothing of the label",
				field:  selector + ".matchExpressions[0].operator", mutate: expression(map[string]any{"key": "sfs"}),
				wantErrors: []string{requiredMessage},
			},
		},
	)
}
