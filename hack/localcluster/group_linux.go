// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import "syscall"

// ownGroup also has the process end if this one is killed, and thus can not stop it.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
