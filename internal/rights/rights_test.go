// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"cmp"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
)

func right(verb, group, resource, namespace string) Right {
	return Right{Verb: verb, Group: group, Resource: resource, Namespace: namespace}
}

func sorted(all []Right) []Right {
	slices.SortFunc(all, func(a, b Right) int { return cmp.Compare(a.String(), b.String()) })
	return all
}

// ask sends a request that is answered so, and returns the answer as it is read after it was noted.
func ask(t *testing.T, a *Asked, method, url string, status int, body string) string {
	t.Helper()
	server := connection(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
	})
	resp, err := a.Over(server).RoundTrip(httptest.NewRequestWithContext(t.Context(), method, url, http.NoBody))
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return string(read)
}

func TestRequestsAreNotedAsRights(t *testing.T) {
	for _, c := range []struct {
		method, url string
		status      int
		want        []Right
	}{
		{"GET", "/api", 200, nil},
		{"GET", "/apis/sendforsign.com/v1alpha1", 200, nil},
		{"GET", "/api/v1/secrets?limit=500", 200, []Right{right("list", "", "secrets", "")}},
		{"GET", "/api/v1/secrets?watch=true", 200, []Right{right("watch", "", "secrets", "")}},
		{"GET", "/api/v1/namespaces/a", 200, []Right{right("get", "", "namespaces", "")}},
		{"GET", "/api/v1/namespaces/a/secrets/s", 404, []Right{right("get", "", "secrets", "")}},
		{"GET", "/api/v1/namespaces/home/secrets/s", 200, []Right{right("get", "", "secrets", "home")}},
		{"PATCH", "/api/v1/namespaces/a/secrets/s", 200, []Right{right("patch", "", "secrets", "")}},
		{"PATCH", "/api/v1/namespaces/a/secrets/s", 201, []Right{right("create", "", "secrets", ""), right("patch", "", "secrets", "")}},
		{"DELETE", "/api/v1/namespaces/a/secrets/s", 200, []Right{right("delete", "", "secrets", "")}},
		{"PATCH", "/apis/sendforsign.com/v1alpha1/namespaces/a/sfsclients/c/status", 200, []Right{right("patch", "sendforsign.com", "sfsclients/status", "")}},
		{"PUT", "/apis/coordination.k8s.io/v1/namespaces/home/leases/l", 200, []Right{right("update", "coordination.k8s.io", "leases", "home")}},
	} {
		a := &Asked{Home: "home"}
		ask(t, a, c.method, c.url, c.status, "")
		if got := sorted(a.Rights()); !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %v, want %v", c.method, c.url, got, c.want)
		}
	}
}

func TestOnlyWantOfARightIsARefusal(t *testing.T) {
	const noRight = `{"message":"secrets is forbidden: User \"system:serviceaccount:a:b\" cannot list resource \"secrets\" in API group \"\" at the cluster scope","reason":"Forbidden"}`
	const inProtobuf = "k8s\x00 User \"b\" cannot get path \"/metrics\"\"\tForbidden*\x1f"
	a := &Asked{}
	for _, body := range []string{noRight, inProtobuf} {
		if read := ask(t, a, "GET", "/api/v1/secrets", 403, body); read != body {
			t.Errorf("who asked reads %q", read)
		}
	}
	ask(t, a, "GET", "/api/v1/secrets", 403, `{"message":"secrets \"x\" is forbidden: exceeded quota: q","reason":"Forbidden"}`)
	ask(t, a, "GET", "/api/v1/secrets", 200, noRight)
	want := []string{
		`User "system:serviceaccount:a:b" cannot list resource "secrets" in API group "" at the cluster scope`,
		`User "b" cannot get path "/metrics"`,
	}
	if got := a.TakeRefused(); !slices.Equal(got, want) {
		t.Errorf("refused: %q, want %q", got, want)
	}
	if got := a.TakeRefused(); len(got) > 0 {
		t.Errorf("told twice: %q", got)
	}
}

const manifests = `
- {kind: ClusterRole, metadata: {name: r}, rules: [{apiGroups: [""], resources: [secrets], verbs: [get, list]}]}
- {kind: ClusterRole, metadata: {name: unbound}, rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]}
- {kind: Role, metadata: {name: r, namespace: home}, rules: [{apiGroups: [""], resources: [events], verbs: [create]}]}
- kind: ClusterRoleBinding
  metadata: {name: b}
  roleRef: {kind: ClusterRole, name: r}
  subjects: [{kind: ServiceAccount, namespace: home, name: operator}]
- kind: RoleBinding
  metadata: {name: b, namespace: home}
  roleRef: {kind: Role, name: r}
  subjects: [{kind: ServiceAccount, namespace: home, name: operator}]
- kind: ClusterRoleBinding
  metadata: {name: of-another}
  roleRef: {kind: ClusterRole, name: unbound}
  subjects: [{kind: ServiceAccount, namespace: home, name: another}]
`

func TestOnlyWhatIsBoundIsGranted(t *testing.T) {
	var read []map[string]any
	if err := yaml.Unmarshal([]byte(manifests), &read); err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	for _, o := range read {
		objects = append(objects, &unstructured.Unstructured{Object: o})
	}
	got, err := Granted(types.NamespacedName{Namespace: "home", Name: "operator"}, objects)
	if err != nil {
		t.Fatal(err)
	}
	want := []Right{right("create", "", "events", "home"), right("get", "", "secrets", ""), right("list", "", "secrets", "")}
	if !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("granted: %v, want %v", got, want)
	}
	if _, err := Of([]rbacv1.PolicyRule{{ResourceNames: []string{"one"}}}, ""); err == nil {
		t.Error("a right on one name passes for a right on all")
	}
}

func TestWhatIsUnusedAndWhatIsMissingIsTold(t *testing.T) {
	get, list, here := right("get", "", "secrets", ""), right("list", "", "secrets", ""), right("get", "", "secrets", "home")
	lease := right("get", "coordination.k8s.io", "leases", "home")
	for name, c := range map[string]struct{ granted, asked, unused, missing []Right }{
		"all is used":                        {[]Right{get, lease}, []Right{get, here, lease}, nil, nil},
		"one is for nothing":                 {[]Right{get, list}, []Right{get}, []Right{list}, nil},
		"one is not there":                   {[]Right{get}, []Right{get, list}, nil, []Right{list}},
		"a right at home would do":           {[]Right{get}, []Right{here}, []Right{get}, nil},
		"what is given at home is used away": {[]Right{here}, []Right{get}, []Right{here}, []Right{get}},
	} {
		unused, missing := Compare(c.granted, c.asked)
		if !slices.Equal(unused, c.unused) || !slices.Equal(missing, c.missing) {
			t.Errorf("%s: unused %v, missing %v", name, unused, missing)
		}
	}
}
