// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// ownWrite is the version of a resource that this process has made last.
type ownWrite struct {
	version string
	at      time.Time
}

const (
	// catchUp is how long to wait for a cache that does not show yet what was written: mostly it does in less.
	catchUp = 100 * time.Millisecond
	// longestCatchUp is for how long at most. Versions begin anew where etcd was restored, and a watch may stand still.
	longestCatchUp = 10 * time.Second
)

// wrote notes that a resource was written, and is now as o.
func (a *attempts) wrote(r ref, o object) {
	a.written.put(r, ownWrite{o.GetResourceVersion(), a.clock.Now()})
}

// behind says whether a resource that was read is older than what this process has written. A pass over it would do once more
// what is done, up to its first write, which the API server would refuse.
func (a *attempts) behind(r ref, read object) bool {
	last, wrote := a.written.get(r)
	if !wrote {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(read.GetResourceVersion(), last.version)
	if err == nil && order < 0 && a.clock.Now().Before(last.at.Add(longestCatchUp)) {
		return true
	}
	a.written.drop(r)
	return false
}
