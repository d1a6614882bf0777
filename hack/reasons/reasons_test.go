// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package reasons

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const source = "../../" + Source

func TestEveryReasonOfTheAPIIsRead(t *testing.T) {
	t.Parallel()
	document, err := Read(source)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, match := range regexp.MustCompile(`(\w+(?:Reason|Condition)) += "(\w+)"`).FindAllStringSubmatch(string(content), -1) {
		want = append(want, match[1]+"="+match[2])
	}
	var got []string
	for _, condition := range document.Conditions {
		got = append(got, condition.Name+"="+condition.Value)
	}
	for _, reason := range document.Reasons {
		got = append(got, reason.Name+"="+reason.Value)
	}
	if !reflect.DeepEqual(got, want) || len(want) < 40 {
		t.Errorf("read %q\nthere are %q", got, want)
	}
}

func TestCommentsAreTakenApart(t *testing.T) {
	t.Parallel()
	got, err := Read(write(t, `package v1alpha1

// Condition types.
const (
	// ReadyCondition sums up
	// the others.
	ReadyCondition = "Ready"
	// AtWorkCondition and StuckCondition follow kstatus.
	AtWorkCondition = "AtWork"
	StuckCondition  = "Stuck"
)

// Reasons that are well.
const (
	// FineReason (Ready, AtWork): all is well: nothing
	// to do.
	FineReason = "Fine"
	// StrangeReason: look (Ready) at it.
	StrangeReason = "Strange"
)

// PausedReason: spec.suspend stops all work.
const PausedReason = "Paused"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Document{
		Conditions: []Condition{
			{Name: "ReadyCondition", Value: "Ready", Text: "ReadyCondition sums up the others."},
			{Name: "AtWorkCondition", Value: "AtWork", Text: "AtWorkCondition and StuckCondition follow kstatus."},
			{Name: "StuckCondition", Value: "Stuck", Text: "AtWorkCondition and StuckCondition follow kstatus."},
		},
		Reasons: []Reason{
			{
				Name: "FineReason", Value: "Fine", Group: "Reasons that are well.", Conditions: []string{"Ready", "AtWork"},
				Text: "all is well: nothing to do.",
			},
			{Name: "StrangeReason", Value: "Strange", Group: "Reasons that are well.", Text: "look (Ready) at it."},
			{Name: "PausedReason", Value: "Paused", Text: "spec.suspend stops all work."},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestWhatDoesNotSayWhatToDoIsRefused(t *testing.T) {
	t.Parallel()
	const ready = "// ReadyCondition sums up.\nconst ReadyCondition = \"Ready\"\n"
	for name, c := range map[string]struct{ content, want string }{
		"a reason without a comment":    {ready + "const LostReason = \"Lost\"\n", "LostReason does not begin with its name"},
		"another name":                  {ready + "// FoundReason: look.\nconst LostReason = \"Lost\"\n", "LostReason does not begin"},
		"nothing to do":                 {ready + "// LostReason says so.\nconst LostReason = \"Lost\"\n", "LostReason does not begin"},
		"a condition that is not there": {ready + "// LostReason (Redy): look.\nconst LostReason = \"Lost\"\n", "condition Redy"},
		"more before the colon":         {ready + "// LostReason is this: look.\nconst LostReason = \"Lost\"\n", "more than conditions"},
		"one value twice": {
			ready + "// AReason: look.\nconst AReason = \"A\"\n// BReason: look.\nconst BReason = \"A\"\n", "reason A is there twice",
		},
		"a condition without a comment": {"const ReadyCondition = \"Ready\"\n// AReason: look.\nconst AReason = \"A\"\n", "ReadyCondition has no"},
		"no reasons":                    {ready, "no reasons"},
		"no Go":                         {"const", "expected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(write(t, "package v1alpha1\n\n"+c.content))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got the error %v, want one with %q", err, c.want)
			}
		})
	}
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "conditions.go")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
