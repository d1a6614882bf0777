// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const sumsName = "SHA256SUMS"

// retime rewrites a package of a chart so that all in it has the given time. Helm writes the time at which it packs.
func retime(path string, at time.Time) error {
	packed, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	compressed, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	again := gzip.NewWriter(&out)
	again.Header = compressed.Header // by which Helm knows its own
	again.ModTime = at
	from, to := tar.NewReader(compressed), tar.NewWriter(again)
	for {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		header.ModTime = at
		if err := to.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.Copy(to, from); err != nil { //nolint:gosec // what `make dist` has just packed
			return err
		}
	}
	if err := errors.Join(to.Close(), again.Close()); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644) //nolint:gosec // it is there already, and to be handed out
}

// writeSums writes the checksums of all other files, in the format and order of sha256sum(1).
func writeSums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("listing what is released: %w", err)
	}
	var lines strings.Builder
	for _, entry := range entries {
		if entry.Name() == sumsName {
			continue
		}
		sum, err := fileSum(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s  %s\n", sum, entry.Name())
	}
	if err := os.WriteFile(filepath.Join(dir, sumsName), []byte(lines.String()), 0o644); err != nil { //nolint:gosec // for all
		return fmt.Errorf("writing %s: %w", sumsName, err)
	}
	return nil
}

func fileSum(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("computing a checksum: %w", err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}
