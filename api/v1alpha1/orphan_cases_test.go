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
		"an orphan with an empty clientKey is refused in status": {
			reason: "nobody could look at it at SFS",
			field:  list + "[0].clientKey", mutate: some(map[string]any{"clientKey": "", "customKey": "acme/shop/main"}),
			wantErrors: []string{"should be at least 1 chars long"},
		},
		"an orphan with a clientKey of 128 characters is accepted in status": {
			reason: "as long as one that a spec may name",
			field:  list + "[0].clientKey", mutate: some(map[string]any{"clientKey": letters(128), "customKey": "acme/shop/main"}),
		},
		"an orphan with a clientKey of more than 128 characters is refused in status": {
			reason: "no spec could name it",
			field:  list + "[0].clientKey", mutate: some(map[string]any{"clientKey": letters(129), "customKey": "acme/shop/main"}),
			wantErrors: []string{"may not be more than 128 bytes"},
		},
		"an orphan with an empty customKey is refused in status": {
			reason: "nobody could tell which SfsClient gets it back",
			field:  list + "[0].customKey", mutate: some(map[string]any{"clientKey": "c-1", "customKey": ""}),
			wantErrors: []string{"should be at least 1 chars long"},
		},
		"an orphan with a customKey of 381 characters is accepted in status": {
			reason: "of the longest prefix, namespace and name",
			field:  list + "[0].customKey", mutate: some(map[string]any{"clientKey": "c-1", "customKey": letters(381)}),
		},
		"an orphan with a customKey of more than 381 characters is refused in status": {
			reason: "it is that of no SfsClient",
			field:  list + "[0].customKey", mutate: some(map[string]any{"clientKey": "c-1", "customKey": letters(382)}),
			wantErrors: []string{"may not be more than 381 bytes"},
		},
		"orphans without their count are refused in status": {
			reason: "there may be more than are listed",
			field:  "status.orphans.count", mutate: set("status.orphans", map[string]any{"clients": []any{orphan}}), wantErrors: []string{requiredMessage},
		},
	}
}
