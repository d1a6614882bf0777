// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shape_test

import (
	"testing"

	"github.com/sendforsign/sfs-operator/internal/shape"
)

// BenchmarkRender makes the data of a Secret: the default one, which most have, and one with formats or a template.
func BenchmarkRender(b *testing.B) {
	for name, s := range map[string]shape.Shape{
		"Default": {},
		"Formats": {Formats: map[shape.Format]string{shape.JSON: "", shape.Env: ""}},
		"Template": {Template: map[string]string{
			"config.ini": "[sfs]\nurl = {{ .baseURL }}\ntoken = {{ .token | quote }}\nexpires = {{ unixEpoch .expiresAt }}\n",
		}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			src := source()
			for b.Loop() {
				if _, err := s.Render(src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
