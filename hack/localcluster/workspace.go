// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package localcluster runs the operator on this machine as it runs in a cluster: on a control plane of its own, etcd and
// kube-apiserver, and with nothing but the rights of its service account. All of it listens on 127.0.0.1 only.
package localcluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// logs is the directory of the logs in a workspace.
const logs = "logs"

// Workspace is the directory of all that is written to disk. It holds credentials, so nobody else may look into it.
type Workspace struct {
	dir string

	mu   sync.Mutex
	open []io.Closer
}

// NewWorkspace makes a directory whose name begins with prefix. It has to be closed.
func NewWorkspace(prefix string) (*Workspace, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	w := &Workspace{dir: dir}
	for _, sub := range []string{logs, "etcd", "kube-apiserver"} {
		if err := os.Mkdir(w.Path(sub), 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("making a directory: %w", err), os.RemoveAll(dir))
		}
	}
	return w, nil
}

// Path returns where a file of the workspace is.
func (w *Workspace) Path(name string) string { return filepath.Join(w.dir, name) }

// LogPath returns where the log of a program is.
func (w *Workspace) LogPath(program string) string { return filepath.Join(w.dir, logs, program+".log") }

// LogFile opens the file for what a program writes. One that is started again goes on where it ended.
func (w *Workspace) LogFile(program string) (*os.File, error) {
	f, err := os.OpenFile(w.LogPath(program), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making a log file: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = append(w.open, f)
	return f, nil
}

// Close removes all, but for the logs if they are needed.
func (w *Workspace) Close(keepLogs bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.open {
		_ = f.Close()
	}
	if !keepLogs {
		return os.RemoveAll(w.dir)
	}
	entries, err := os.ReadDir(w.dir)
	for _, entry := range entries {
		if entry.Name() != logs {
			err = errors.Join(err, os.RemoveAll(w.Path(entry.Name())))
		}
	}
	return errors.Join(err, fmt.Errorf("the logs are kept in %s", w.Path(logs)))
}
