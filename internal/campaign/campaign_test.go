// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package campaign_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/sendforsign/sfs-operator/internal/campaign"
)

func TestTheSummaryIsWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "er")
	t.Setenv("CAMPAIGN_DIR", dir)
	t.Setenv("CAMPAIGN_SEED", "7")
	t.Setenv("CAMPAIGN", "full")
	t.Run("campaign", func(t *testing.T) {
		c := campaign.Start(t, "example")
		c.Tried("crash", 3)
		c.Tried("crash", 1)
		c.Tried("loss", 2)
	})
	text, err := os.ReadFile(filepath.Join(dir, "example.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s campaign.Summary
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if s.Campaign != "example" || s.Seed != 7 || !s.Full || s.Points != 6 || s.Tried["crash"] != 4 || s.Violations == nil || len(s.Violations) != 0 {
		t.Errorf("the summary is %s", text)
	}
}
