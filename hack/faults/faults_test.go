// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sendforsign/sfs-operator/hack/faults"
)

func TestAnUnknownNameIsAnsweredWithThoseThereAre(t *testing.T) {
	t.Parallel()
	for _, f := range faults.All() {
		if found, err := faults.Find(f.Name); err != nil || found.Name != f.Name {
			t.Errorf("%s is not found: %v", f.Name, err)
		}
	}
	_, err := faults.Find("nonsense")
	if err == nil {
		t.Fatal("nonsense is taken for a fault")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 1+len(faults.All()) {
		t.Fatalf("these are not a line for each:\n%v", err)
	}
	for i, f := range faults.All() {
		if line := lines[i+1]; !strings.Contains(line, f.Name) || !strings.Contains(line, f.Summary) {
			t.Errorf("%q does not tell of %s", line, f.Name)
		}
	}
}

// TestTheDocumentationListsAllFaults compares the table of docs/testing.md with the one of this package.
func TestTheDocumentationListsAllFaults(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?s)\n## Rehearse a failure\n(.*?)\n## `).FindSubmatch(page)
	if section == nil {
		t.Fatal("docs/testing.md has no section on it")
	}
	var documented, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (.*?) \\| (.*?) \\|$").FindAllSubmatch(section[1], -1) {
		documented = append(documented, fmt.Sprintf("%s: %s: %s", row[1], row[2], row[3]))
	}
	for _, f := range faults.All() {
		alert := "none"
		if f.Sign.Alert != "" {
			alert = "`" + f.Sign.Alert + "`"
		}
		want = append(want, fmt.Sprintf("%s: %s: %s", f.Name, strings.ToUpper(f.Summary[:1])+f.Summary[1:], alert))
	}
	if !slices.Equal(documented, want) {
		t.Errorf("docs/testing.md has\n%s\nand there are\n%s", strings.Join(documented, "\n"), strings.Join(want, "\n"))
	}
}
