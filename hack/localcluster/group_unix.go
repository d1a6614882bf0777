// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package localcluster

import "syscall"

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
