// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package secretvolume lays a directory out as a kubelet mounts a Secret, and replaces what is in it as a kubelet does. It
// is imported by tests only.
//
//	token            -> ..data/token
//	expiresAt        -> ..data/expiresAt
//	..data           -> ..2026_11_21_20_15_04.1234567890
//	..2026_11_21_20_15_04.1234567890/token
//	..2026_11_21_20_15_04.1234567890/expiresAt
//
// The steps are those of AtomicWriter.Write in pkg/volume/util/atomic_writer.go of k8s.io/kubernetes v1.36.
package secretvolume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	dataLink = "..data"
	nextLink = "..data_tmp"
	// versions is how a kubelet names the directories of values; what it adds makes them unique.
	versions = "..2026_11_21_20_15_04."
)

// Write puts the files into dir, which must exist. Those that were there before are replaced all at once: whoever reads
// through ..data sees either all of the old ones or all of the new ones.
func Write(dir string, files map[string]string) error {
	old, err := os.Readlink(filepath.Join(dir, dataLink))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the link to the values: %w", err)
	}
	version, err := os.MkdirTemp(dir, versions)
	if err != nil {
		return fmt.Errorf("making a directory for the values: %w", err)
	}
	for name, value := range files {
		if err := os.WriteFile(filepath.Join(version, name), []byte(value), 0o600); err != nil {
			return fmt.Errorf("writing a value: %w", err)
		}
	}
	if err := os.Symlink(filepath.Base(version), filepath.Join(dir, nextLink)); err != nil {
		return fmt.Errorf("linking to the new values: %w", err)
	}
	if err := os.Rename(filepath.Join(dir, nextLink), filepath.Join(dir, dataLink)); err != nil {
		return fmt.Errorf("showing the new values: %w", err)
	}
	if err := linkFiles(dir, files); err != nil {
		return err
	}
	if old == "" {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
		return fmt.Errorf("removing the old values: %w", err)
	}
	return nil
}

// linkFiles gives each file the name under which applications know it, and takes the names of others away.
func linkFiles(dir string, files map[string]string) error {
	for name := range files {
		err := os.Symlink(filepath.Join(dataLink, name), filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("linking to a value: %w", err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("listing the names: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if _, wanted := files[name]; wanted || strings.HasPrefix(name, "..") {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("removing a name: %w", err)
		}
	}
	return nil
}
