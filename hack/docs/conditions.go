// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sendforsign/sfs-operator/hack/reasons"
)

const conditionsPath = "docs/conditions.md"

// conditionsPage tells of each type of condition and each reason what its comment says, and where the states show it.
func conditionsPage(root string, states []state) ([]byte, error) {
	document, err := reasons.Read(filepath.Join(root, reasons.Source))
	if err != nil {
		return nil, err
	}
	page, err := os.ReadFile(filepath.Join(root, conditionsPath))
	if err != nil {
		return nil, fmt.Errorf("reading the page of the conditions: %w", err)
	}
	var types, texts strings.Builder
	types.WriteString("| Type | On | What it says |\n|---|---|---|\n")
	for _, c := range document.Conditions {
		on := where(states, func(_, conditionType, _ string) bool { return conditionType == c.Value })
		if len(on) == 0 {
			return nil, fmt.Errorf("no state shows the condition %s", c.Value)
		}
		fmt.Fprintf(&types, "| `%s` | %s | %s |\n", c.Value, strings.Join(on, ", "), cell(saidOf(c)))
	}
	group := ""
	for _, r := range document.Reasons {
		if r.Group == "" {
			return nil, fmt.Errorf("%s does not stand among constants whose comment says what they have in common", r.Name)
		}
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(&texts, "## %s\n\n", heading(group))
		}
		text, err := reasonOf(r, states)
		if err != nil {
			return nil, err
		}
		texts.WriteString(text)
	}
	if page, err = into(page, "types", strings.TrimSuffix(types.String(), "\n")); err != nil {
		return nil, fmt.Errorf("%s: %w", conditionsPath, err)
	}
	if page, err = into(page, "reasons", strings.TrimSuffix(texts.String(), "\n\n")); err != nil {
		return nil, fmt.Errorf("%s: %w", conditionsPath, err)
	}
	return page, nil
}

var constant = regexp.MustCompile(`\b(\w+)(?:Condition|Reason)\b`)

var kindsInBrackets = regexp.MustCompile(` \([A-Za-z, ]+\)\.$`)

// saidOf is the comment of a condition, with the words that stand in a status for the names of constants. Which kinds have it
// stands beside it.
func saidOf(c reasons.Condition) string {
	return kindsInBrackets.ReplaceAllString(constant.ReplaceAllString(c.Text, "`$1`"), ".")
}

// heading makes one of the comment of a group, such as "Reasons that need a person."
func heading(group string) string {
	group, _, _ = strings.Cut(group, ", which say")
	return strings.TrimSuffix(strings.NewReplacer(" beside the above", "").Replace(group), ".")
}

func reasonOf(r reasons.Reason, states []state) (string, error) {
	seen := where(states, func(_, _, reason string) bool { return reason == r.Value })
	if len(seen) == 0 {
		return "", fmt.Errorf("no state shows the reason %s", r.Value)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "### %s\n\n%s\n\n", r.Value, plain(sentence(constant.ReplaceAllString(r.Text, "`$1`"))))
	if len(r.Conditions) > 0 {
		fmt.Fprintf(&out, "Of the condition `%s`. Seen on:\n\n", strings.Join(r.Conditions, "`, `"))
	} else {
		out.WriteString("Seen on:\n\n")
	}
	for _, kind := range seen {
		var on []string
		for _, c := range conditionsWith(states, kind, r.Value) {
			on = append(on, c.show())
		}
		fmt.Fprintf(&out, "- %s: %s", kind, strings.Join(on, ", "))
		if links := statesWith(states, kind, r.Value); len(links) > 0 {
			fmt.Fprintf(&out, ". When: %s", strings.Join(links, "; "))
		}
		out.WriteString(".\n")
	}
	out.WriteString("\n")
	return out.String(), nil
}

// where returns the kinds that have a condition of which the function says yes.
func where(states []state, is func(kind, conditionType, reason string) bool) []string {
	var kinds []string
	for _, s := range states {
		for _, c := range s.conditions {
			if is(s.Kind, c.Type, c.Reason) && !slices.Contains(kinds, s.Kind) {
				kinds = append(kinds, s.Kind)
			}
		}
	}
	slices.SortFunc(kinds, func(a, b string) int { return rank(a) - rank(b) })
	return kinds
}

// shownOn is a condition that a reason is seen on, with each status that it has then.
type shownOn struct {
	conditionType string
	statuses      []string
}

func (s shownOn) show() string {
	if s.conditionType == "Stalled" || s.conditionType == "Reconciling" || s.conditionType == "Throttled" {
		return "`" + s.conditionType + "`" // which are there only while True
	}
	return "`" + s.conditionType + "` " + strings.Join(s.statuses, " or ")
}

func conditionsWith(states []state, kind, reason string) []shownOn {
	var all []shownOn
	for _, s := range states {
		for _, c := range s.conditions {
			if s.Kind != kind || c.Reason != reason {
				continue
			}
			at := slices.IndexFunc(all, func(o shownOn) bool { return o.conditionType == c.Type })
			if at < 0 {
				at = len(all)
				all = append(all, shownOn{conditionType: c.Type})
			}
			if !slices.Contains(all[at].statuses, string(c.Status)) {
				all[at].statuses = append(all[at].statuses, string(c.Status))
			}
		}
	}
	for i := range all {
		slices.Sort(all[i].statuses)
	}
	slices.SortStableFunc(all, func(a, b shownOn) int { return order(a.conditionType) - order(b.conditionType) })
	return all
}

// statesWith are links to the states in which Ready, or a condition that it does not sum up, has a reason.
func statesWith(states []state, kind, reason string) []string {
	var links []string
	for _, s := range states {
		for _, c := range s.conditions {
			if s.Kind == kind && c.Reason == reason && slices.Contains([]string{"Ready", "Throttled", "NextCredentialsValid"}, c.Type) {
				links = append(links, fmt.Sprintf("[%s](%s#%s)", s.When, strings.TrimPrefix(pageOf(kind), "docs/"), anchor(s.title())))
				break
			}
		}
	}
	return links
}

var noAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// anchor is what GitHub makes of a heading.
func anchor(title string) string {
	return strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
}
