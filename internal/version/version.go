// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package version says which build this is.
package version

import "runtime"

// Version is set by the linker: -ldflags "-X github.com/sendforsign/sfs-operator/internal/version.Version=v1.2.3".
var Version = "dev"

// UserAgent names this build to the APIs that it calls.
func UserAgent() string {
	return "sfs-operator/" + Version + " (" + runtime.GOOS + "/" + runtime.GOARCH + ")"
}
