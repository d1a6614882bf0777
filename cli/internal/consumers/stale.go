// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consumers

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// lasting are the keys of a token Secret that stay as they are when the token is replaced.
var lasting = []string{v1alpha1.KeyClientKey, v1alpha1.KeyBaseURL, v1alpha1.KeyTokenType}

// Stale returns the ways in which a workload reads the token Secret of the client and never sees a new token. A workload that
// the operator restarts with each token sees them all.
func Stale(w *Workload, c *v1alpha1.SfsClient) []Use {
	if w.Namespace != c.Namespace || isRestarted(w, c) {
		return nil
	}
	var stale []Use
	for _, use := range w.Of(c.TokenSecretName()) {
		if use.Frozen && !isLasting(use.Key, c) {
			stale = append(stale, use)
		}
	}
	return stale
}

// isLasting goes by the names that the keys have in the Secret.
func isLasting(key string, c *v1alpha1.SfsClient) bool {
	renamed := c.Spec.Token.Secret.Keys
	return key != "" && slices.ContainsFunc(lasting, func(name string) bool {
		if other, there := renamed[name]; there {
			name = string(other)
		}
		return name == key
	})
}

func isRestarted(w *Workload, c *v1alpha1.SfsClient) bool {
	for i := range c.Spec.RolloutRestartTargets {
		target := &c.Spec.RolloutRestartTargets[i]
		if target.When != v1alpha1.RestartWhenTokenChanged || string(target.Kind) != w.Kind {
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
