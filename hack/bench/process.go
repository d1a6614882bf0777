// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticks of /proc/<pid>/stat in a second: USER_HZ, which is 100 on all that Go runs on.
const ticks = 100

// cpu is how many seconds of CPU a process has used, of all its threads.
func cpu(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the CPU of a process (which needs Linux): %w", err)
	}
	// The name of the program, in parentheses, may hold spaces.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticks, errors.Join(err1, err2)
}

// memory is what a process has in RAM.
type memory struct {
	// MB now, and Peak since its start.
	MB   float64 `json:"mb"`
	Peak float64 `json:"peakMB"`
}

func memoryOf(pid int) (memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, fmt.Errorf("reading the memory of a process (which needs Linux): %w", err)
	}
	var m memory
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
		switch name {
		case "VmRSS":
			m.MB = kilobytes * 1024 / 1e6
		case "VmHWM":
			m.Peak = kilobytes * 1024 / 1e6
		}
	}
	if m.MB == 0 {
		return m, fmt.Errorf("/proc/%d/status says nothing of the memory", pid)
	}
	return m, nil
}

// neededFiles is how many files and connections a process may need: External Secrets opens many.
const neededFiles = 4096

func checkOpenFiles() error {
	text, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return fmt.Errorf("reading the limits of this process (which needs Linux): %w", err)
	}
	for line := range strings.Lines(string(text)) {
		rest, is := strings.CutPrefix(line, "Max open files")
		fields := strings.Fields(rest)
		if !is || len(fields) < 2 || fields[1] == "unlimited" {
			continue
		}
		// Go raises the soft limit to the hard one.
		if hard, err := strconv.Atoi(fields[1]); err == nil && hard < neededFiles {
			return fmt.Errorf("a process may open %d files only: raise the limit to %d (ulimit -n %d)", hard, neededFiles, neededFiles)
		}
	}
	return nil
}

// load is the load average of the last minute.
func load() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	value, _ := strconv.ParseFloat(first, 64)
	return value
}
