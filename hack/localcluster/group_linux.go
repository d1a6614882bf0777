// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import "syscall"

// ownGroup also has the process killed if this one is killed, and thus can not stop it. The gentler signal does not do:
// kube-apiserver goes on for long when etcd has gone before it.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
