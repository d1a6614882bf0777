// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Change is that of one field.
type Change struct {
	Field string
	// From and To are JSON. Empty: it is not there.
	From, To string
}

// hidden stands for the values of Secrets.
const hidden = "(hidden)"

// differences returns what differs in what users write: all but the status, and what the API server keeps in the metadata.
func differences(live, planned *unstructured.Unstructured) []Change {
	var changes []Change
	compare("", written(live), written(planned), &changes)
	if planned.GetKind() == "Secret" && planned.GroupVersionKind().Group == "" {
		for i := range changes {
			if c := &changes[i]; strings.HasPrefix(c.Field, "data") || strings.HasPrefix(c.Field, "stringData") || holdsValues(c.Field) {
				c.hide()
			}
		}
	}
	return changes
}

// holdsValues: kubectl apply keeps a copy of what was applied, with the values.
func holdsValues(field string) bool { return strings.Contains(field, "last-applied-configuration") }

func (c *Change) hide() {
	if c.From != "" {
		c.From = hidden
	}
	if c.To != "" {
		c.To = hidden
	}
}

func written(o *unstructured.Unstructured) map[string]any {
	all := maps.Clone(o.Object)
	delete(all, "status")
	delete(all, "apiVersion")
	delete(all, "kind")
	metadata := map[string]any{}
	if labels := o.GetLabels(); len(labels) > 0 {
		metadata["labels"] = toAny(labels)
	}
	if annotations := o.GetAnnotations(); len(annotations) > 0 {
		metadata["annotations"] = toAny(annotations)
	}
	all["metadata"] = metadata
	return all
}

func toAny(m map[string]string) map[string]any {
	all := map[string]any{}
	for key, value := range m {
		all[key] = value
	}
	return all
}

func compare(path string, from, to any, changes *[]Change) {
	if reflect.DeepEqual(from, to) {
		return
	}
	if a, b, ok := maps2(from, to); ok {
		keys := map[string]bool{}
		for key := range a {
			keys[key] = true
		}
		for key := range b {
			keys[key] = true
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			compare(join(path, key), a[key], b[key], changes)
		}
		return
	}
	if a, b, ok := lists(from, to); ok && len(a) == len(b) {
		for i := range a {
			compare(fmt.Sprintf("%s[%d]", path, i), a[i], b[i], changes)
		}
		return
	}
	*changes = append(*changes, Change{Field: path, From: text(from), To: text(to)})
}

func maps2(from, to any) (a, b map[string]any, ok bool) {
	a, okA := from.(map[string]any)
	b, okB := to.(map[string]any)
	return a, b, okA && okB || okA && to == nil || okB && from == nil
}

func lists(from, to any) (a, b []any, ok bool) {
	a, okA := from.([]any)
	b, okB := to.([]any)
	return a, b, okA && okB
}

func join(path, key string) string {
	if strings.ContainsAny(key, "./") {
		return path + "[" + key + "]"
	}
	return strings.TrimPrefix(path+"."+key, ".")
}

func text(value any) string {
	if value == nil {
		return ""
	}
	content, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(content)
}
