// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orphans

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	platform := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{}}}
	if got, err := Of(platform); got != nil || err != nil {
		t.Errorf("before the first list there is %v, %v", got, err)
	}
	platform.Object["status"] = map[string]any{"orphans": map[string]any{
		"count": int64(7), "clients": []any{map[string]any{"customKey": "p/a/b", "clientKey": "k"}},
	}}
	want := &Status{Count: 7, Clients: []Client{{CustomKey: "p/a/b", ClientKey: "k"}}}
	if got, err := Of(platform); !reflect.DeepEqual(got, want) || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	platform.Object["status"] = map[string]any{"orphans": "many"}
	if got, err := Of(platform); err == nil {
		t.Errorf("what can not be read is %v", got)
	}
}
