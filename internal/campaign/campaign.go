// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package campaign sums up tests that try one promise at very many points: what was tried, with which seed, and which
// plans broke the promise. It is imported by tests only.
//
// A campaign is bounded in an ordinary test run, and whole where the environment variable CAMPAIGN is "full" (`make
// campaigns`). CAMPAIGN_SEED chooses what is sampled, CAMPAIGN_PLAN replays one plan, and CAMPAIGN_DIR is where the
// summaries are written, one JSON file for each campaign.
package campaign

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// defaultSeed makes an ordinary run the same each time.
const defaultSeed = 1

// Campaign collects what a campaign tries. It is safe for concurrent use.
type Campaign struct {
	// Name is that of the summary, Seed what samples are drawn with.
	Name string
	Seed uint64
	// Full says whether all is to be tried that the campaign knows, or only its bounded part.
	Full bool
	// Plan is the one to replay; empty is all.
	Plan string

	mu         sync.Mutex
	started    time.Time
	tried      map[string]int
	violations []Violation
}

// Violation is a plan under which a promise was broken.
type Violation struct {
	Plan string `json:"plan"`
	What string `json:"what"`
}

// Summary is what is written at the end.
type Summary struct {
	Campaign   string         `json:"campaign"`
	Seed       uint64         `json:"seed"`
	Full       bool           `json:"full"`
	Points     int            `json:"points"`
	Tried      map[string]int `json:"tried"`
	Violations []Violation    `json:"violations"`
	Seconds    float64        `json:"seconds"`
}

// Start begins a campaign, which ends with the test.
func Start(t *testing.T, name string) *Campaign {
	t.Helper()
	c := &Campaign{
		Name: name, Seed: defaultSeed, Full: os.Getenv("CAMPAIGN") == "full", Plan: os.Getenv("CAMPAIGN_PLAN"),
		started: time.Now(), tried: map[string]int{},
	}
	if s := os.Getenv("CAMPAIGN_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("CAMPAIGN_SEED must be a number from 0: %v", err)
		}
		c.Seed = seed
	}
	t.Logf("campaign %s: seed %d, whole %t", name, c.Seed, c.Full)
	t.Cleanup(func() {
		if err := c.finish(t); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Tried counts points of one kind that have been tried.
func (c *Campaign) Tried(kind string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried[kind] += n
}

// Broken records that a promise was broken under a plan, and fails the test.
func (c *Campaign) Broken(t *testing.T, plan, format string, args ...any) {
	t.Helper()
	what := fmt.Sprintf(format, args...)
	c.mu.Lock()
	c.violations = append(c.violations, Violation{Plan: plan, What: what})
	c.mu.Unlock()
	t.Errorf("%s\n  replay with CAMPAIGN_PLAN='%s'", what, plan)
}

// Summary is what has been found so far.
func (c *Campaign) Summary() Summary {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Summary{
		Campaign: c.Name, Seed: c.Seed, Full: c.Full, Tried: maps.Clone(c.tried),
		Violations: slices.Clone(c.violations), Seconds: time.Since(c.started).Round(100 * time.Millisecond).Seconds(),
	}
	if s.Violations == nil {
		s.Violations = []Violation{} // a list also for those who read it
	}
	for _, n := range s.Tried {
		s.Points += n
	}
	return s
}

func (c *Campaign) finish(t *testing.T) error {
	s := c.Summary()
	t.Logf("campaign %s: %d points, %d violations, %.1f s: %v", s.Campaign, s.Points, len(s.Violations), s.Seconds, s.Tried)
	if s.Points == 0 && !t.Skipped() {
		return fmt.Errorf("campaign %s has tried nothing", c.Name)
	}
	dir := os.Getenv("CAMPAIGN_DIR")
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the directory of the summaries: %w", err)
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("summing up campaign %s: %w", c.Name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, c.Name+".json"), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the summary of campaign %s: %w", c.Name, err)
	}
	return nil
}
