// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package main

import "context"

// lockFile does not lock: this system has no flock. Two runs at once may both build; the later rename wins.
func lockFile(context.Context, string, func()) (unlock func(), err error) {
	return func() {}, nil
}
