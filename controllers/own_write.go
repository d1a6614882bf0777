// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// ownWrite tells what a cache does not show of a resource that this process has written last.
type ownWrite struct {
	version string
	// refused: it could not be written, since what was read, of this version, was out of date.
	refused bool
	at      time.Time
	// patience is for how long a version to come is waited for.
	patience time.Duration
}

const (
	// catchUp is how long to wait at least for a cache that does not show yet what was written: mostly it does in less.
	catchUp = 100 * time.Millisecond
	// longestCatchUp is for how long at most. Versions begin anew where etcd was restored, and a watch may stand still.
	longestCatchUp = 15 * time.Second
	// longestPatience is for how long at most where one write after the other is refused. A watch that begins anew with a
	// hundred thousand resources takes minutes, and the longer the more requests are made meanwhile that can not succeed. It
	// is less than any margin of a renewal.
	longestPatience = time.Minute
)

// wrote notes that a resource was written, and is now as o.
func (a *attempts) wrote(r ref, o object) {
	a.written.put(r, ownWrite{version: o.GetResourceVersion(), at: a.clock.Now(), patience: longestCatchUp})
}

// refused notes that a resource, which was read as o, could not be written, since it is another by now.
func (a *attempts) refused(r ref, o object) {
	patience := longestCatchUp
	if last, known := a.written.get(r); known {
		patience = min(2*last.patience, longestPatience)
	}
	a.written.put(r, ownWrite{version: o.GetResourceVersion(), refused: true, at: a.clock.Now(), patience: patience})
}

// behind says for how long to leave a resource alone that was read, if it is older than what this process knows of. A pass
// over it would do once more what is done, up to its first write, which the API server would refuse.
func (a *attempts) behind(r ref, read object) time.Duration {
	last, known := a.written.get(r)
	if !known {
		return 0
	}
	order, err := resourceversion.CompareResourceVersion(read.GetResourceVersion(), last.version)
	if err != nil || order > 0 || order == 0 && !last.refused {
		a.written.drop(r)
		return 0
	}
	// It is looked at the less often the longer it takes: there may be thousands.
	waited := a.clock.Now().Sub(last.at)
	return max(min(max(waited, catchUp), last.patience-waited), 0)
}
