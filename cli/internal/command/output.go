// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/yaml"
)

// relative says how far a time is from now.
func relative(t, now time.Time) string {
	if t.After(now) {
		return "in " + duration.HumanDuration(t.Sub(now))
	}
	return duration.HumanDuration(now.Sub(t)) + " ago"
}

func relativeTo(t *metav1.Time, now time.Time) string {
	if t.IsZero() {
		return none
	}
	return relative(t.Time, now)
}

// none stands in tables where there is nothing.
const none = "-"

// table writes rows in columns. Empty cells are shown as such, but for the last ones, which hold messages.
func table(w io.Writer, header []string, rows [][]string) error {
	widths := make([]int, len(header))
	all := [][]string{header}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = strings.ReplaceAll(cell, "\n", " ")
			if i < len(row)-1 {
				cells[i] = cmp.Or(cells[i], none)
			}
		}
		all = append(all, cells)
	}
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]+2-utf8.RuneCountInString(cell)))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// fields writes names and values below each other, without those that are empty.
func fields(w io.Writer, pairs ...[2]string) {
	width := 0
	for _, pair := range pairs {
		if pair[1] != "" {
			width = max(width, len(pair[0]))
		}
	}
	for _, pair := range pairs {
		if pair[1] != "" {
			fmt.Fprintf(w, "%-*s  %s\n", width+1, pair[0]+":", pair[1])
		}
	}
}

// width of running text.
const width = 100

// wrap breaks a text into lines, each behind the indentation.
func wrap(text, indentation string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
			b.WriteString(indentation)
			column = len(indentation)
		case column+1+len(word) > width:
			b.WriteString("\n" + indentation)
			column = len(indentation)
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String() + "\n"
}

// encode writes a value as JSON or YAML.
func encode(w io.Writer, format string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	content = append(content, '\n')
	if format == "yaml" {
		if content, err = yaml.JSONToYAML(content); err != nil {
			return err
		}
	}
	_, err = w.Write(content)
	return err
}
