// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consumers

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
)

// Stale returns the ways in which a workload reads the token Secret of the owner and never sees a new token. A workload that
// the operator restarts with each token sees them all.
func Stale(w *Workload, owner kinds.Resource) []Use {
	t := kinds.TokenOf(owner)
	if t == nil || w.Namespace != owner.GetNamespace() || isRestarted(w, t) {
		return nil
	}
	var stale []Use
	for _, use := range w.Of(t.SecretName) {
		if use.Frozen && !isLasting(use.Key, t) {
			stale = append(stale, use)
		}
	}
	return stale
}

// isLasting goes by the names that the keys have in the Secret.
func isLasting(key string, t *kinds.Token) bool {
	return key != "" && slices.ContainsFunc(t.Lasting, func(name string) bool {
		if other, there := t.Keys[name]; there {
			name = string(other)
		}
		return name == key
	})
}

func isRestarted(w *Workload, t *kinds.Token) bool {
	for i := range t.Restarts {
		target := &t.Restarts[i]
		if string(target.Kind) != w.Kind {
			continue
		}
		if target.Selector == nil {
			if target.Name == w.Name {
				return true
			}
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(target.Selector)
		if err == nil && selector.Matches(labels.Set(w.Labels)) {
			return true
		}
	}
	return false
}
