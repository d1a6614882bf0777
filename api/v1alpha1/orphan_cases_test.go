// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import "fmt"

// orphanCases are those of the list of orphans in the status.
func orphanCases() map[string]validationCase {
	const list = "status.orphans.clients"
	some := func(clients ...any) change {
		return set("status.orphans", map[string]any{"count": int64(len(clients)), "clients": clients})
	}
	orphan := map[string]any{"clientKey": "c-1", "customKey": "acme/shop/main"}
	many := make([]any, 101)
	for i := range many {
		many[i] = map[string]any{"clientKey": fmt.Sprintf("c-%d", i), "customKey": "acme/shop/main"}
	}
	return map[string]validationCase{
		"a hundred orphans are accepted in status": {
			reason: "the most", field: list, mutate: some(many[:100]...),
		},
		"more than a hundred orphans are refused in status": {
			reason: "a status must not grow without bound",
			field:  list, mutate: some(many...), wantErrors: []string{"must have at most 100 items"},
		},
		"an orphan is accepted in status": {
			reason: "it has all that it needs", field: list + "[0]", mutate: some(orphan),
		},
		"one orphan twice is refused in status": {
			reason: "a clientKey is one client",
			field:  list + "[1]", mutate: some(orphan, orphan), wantErrors: []string{"Duplicate value"},
		},
		"an orphan without a clientKey is refused in status": {
			reason: "nobody could look at it at SFS",
			field:  list + "[0].clientKey", mutate: some(map[string]any{"customKey": "acme/shop/main"}), wantErrors: []string{requiredMessage},
		},
		"an orphan without a customKey is refused in status": {
			reason: "nobody could tell which SfsClient gets it back",
			field:  list + "[0].customKey", mutate: some(map[string]any{"clientKey": "c-1"}), wantErrors: []string{requiredMessage},
		},
		"orphans without their count are refused in status": {
			reason: "there may be more than are listed",
			field:  "status.orphans.count", mutate: set("status.orphans", map[string]any{"clients": []any{orphan}}), wantErrors: []string{requiredMessage},
		},
	}
}
