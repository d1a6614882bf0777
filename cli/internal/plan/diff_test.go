// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestDifferencesAreToldByField(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		live, planned string
		want          []Change
	}{
		"none, apart from what the API server keeps": {
			live:    `{kind: SfsClient, metadata: {uid: a, resourceVersion: "1"}, spec: {a: 1}, status: {ready: true}}`,
			planned: `{kind: SfsClient, metadata: {uid: a, resourceVersion: "2", managedFields: [{}]}, spec: {a: 1}}`,
		},
		"fields that come, change and go": {
			live:    `{kind: SfsClient, spec: {gone: {deep: true}, same: 1, text: old}}`,
			planned: `{kind: SfsClient, spec: {come: [1], same: 1, text: new}}`,
			want: []Change{
				{Field: "spec.come", To: "[1]"}, {Field: "spec.gone.deep", From: "true"}, {Field: "spec.text", From: `"old"`, To: `"new"`},
			},
		},
		"items of lists": {
			live:    `{kind: SfsClient, spec: {same: [{a: 1}, {a: 2}], longer: [1]}}`,
			planned: `{kind: SfsClient, spec: {same: [{a: 1}, {a: 3}], longer: [1, 2]}}`,
			want:    []Change{{Field: "spec.longer", From: "[1]", To: "[1,2]"}, {Field: "spec.same[1].a", From: "2", To: "3"}},
		},
		"labels and annotations": {
			live:    `{kind: SfsClient, metadata: {labels: {app: a}}}`,
			planned: `{kind: SfsClient, metadata: {labels: {app: b}, annotations: {example.com/x: "1"}}}`,
			want: []Change{
				{Field: "metadata.annotations[example.com/x]", To: `"1"`}, {Field: "metadata.labels.app", From: `"a"`, To: `"b"`},
			},
		},
		"not the values of a Secret": {
			live: `{apiVersion: v1, kind: Secret, type: a, data: {token: b2xk, gone: eA==}, metadata: {annotations: {kubectl.kubernetes.io/last-applied-configuration: old}}}`,
			planned: `{apiVersion: v1, kind: Secret, type: b, data: {token: bmV3}, stringData: {more: x}, metadata: {annotations: {` +
				`kubectl.kubernetes.io/last-applied-configuration: new}}}`,
			want: []Change{
				{Field: "data.gone", From: hidden}, {Field: "data.token", From: hidden, To: hidden},
				{Field: "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]", From: hidden, To: hidden},
				{Field: "stringData.more", To: hidden}, {Field: "type", From: `"a"`, To: `"b"`},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := differences(object(t, c.live), object(t, c.planned)); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}
