// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fakediscovery "k8s.io/client-go/discovery/fake"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestItSaysWhatIsNotInstalled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		serves []*metav1.APIResourceList
		want   string
	}{
		"nothing": {want: "does not know the group sendforsign.com"},
		"another version": {
			serves: []*metav1.APIResourceList{{GroupVersion: "sendforsign.com/v9"}},
			want:   "serves sendforsign.com in the version v9, and this tool knows v1alpha1",
		},
		"a part": {
			serves: []*metav1.APIResourceList{{GroupVersion: "sendforsign.com/v1alpha1", APIResources: []metav1.APIResource{{Name: "sfsclients"}}}},
			want:   "does not know sfsplatforms, sfsclientusers, oauthtokens",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings := examine(t, c.serves, func(http.ResponseWriter) {})
			got := of(findings, "definitions")
			if got.Level != Problem || !strings.Contains(got.Text, c.want) {
				t.Errorf("got %+v, want a problem with %q", got, c.want)
			}
			for _, f := range findings {
				if f.Check == "credentials" || f.Check == "consumers" {
					t.Errorf("it goes on with %+v", f)
				}
			}
		})
	}
}

func TestAServerThatTellsNoTime(t *testing.T) {
	t.Parallel()
	findings := examine(t, nil, func(w http.ResponseWriter) { w.Header()["Date"] = nil })
	if got := of(findings, "clock"); got.Level != Unknown {
		t.Errorf("got %+v", got)
	}
}

// The role is copied by make manifests.
func TestTheRoleIsThatOfTheOperator(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("../../../config/rbac/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(role) != string(want) {
		t.Error("role.yaml is out of date: run make manifests")
	}
}

func TestRightsOfAnOperatorForSomeNamespaces(t *testing.T) {
	t.Parallel()
	rights, err := needed("sfs-system", []string{"team-a", "team-b"})
	if err != nil {
		t.Fatal(err)
	}
	has := map[right]bool{}
	for _, r := range rights {
		has[r] = true
	}
	for r, want := range map[right]bool{
		{"", "secrets", "patch", "team-a"}:                          true,
		{"", "secrets", "patch", "team-b"}:                          true,
		{"", "secrets", "patch", ""}:                                false,
		{"sendforsign.com", "sfsclients/status", "patch", "team-b"}: true,
		{"sendforsign.com", "sfsplatforms", "list", ""}:             true,
		{"sendforsign.com", "sfsplatforms", "list", "team-a"}:       false,
		{"coordination.k8s.io", "leases", "update", "sfs-system"}:   true,
		{"coordination.k8s.io", "leases", "update", "team-a"}:       false,
		{"", "secrets", "list", "sfs-system"}:                       true,
		{"", "secrets", "patch", "sfs-system"}:                      false,
		{"events.k8s.io", "events", "create", "default"}:            true,
	} {
		if has[r] != want {
			t.Errorf("%s is needed: %t", r, has[r])
		}
	}
}

func TestRightsAreToldInFewWords(t *testing.T) {
	t.Parallel()
	want := "get, list secrets in all namespaces; patch sfsplatforms.sendforsign.com/status in the cluster; get leases in the namespace home"
	if got := list([]right{
		{"", "secrets", "get", ""}, {"sendforsign.com", "sfsplatforms/status", "patch", ""}, {"", "secrets", "list", ""}, {"", "leases", "get", "home"},
	}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func examine(t *testing.T, serves []*metav1.APIResourceList, answer func(http.ResponseWriter)) []Finding {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	defer server.Close()
	d := &Doctor{
		Client: fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithIndex(&corev1.ConfigMap{}, "metadata.name", func(o client.Object) []string {
			return []string{o.GetName()}
		}).Build(),
		Discovery: &fakediscovery.FakeDiscovery{Fake: &clienttesting.Fake{Resources: serves}},
		HTTP:      server.Client(), Host: server.URL, Clock: clock.RealClock{}, OperatorNamespace: "sfs-system",
	}
	findings, err := d.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

func of(findings []Finding, check string) Finding {
	for _, f := range findings {
		if f.Check == check {
			return f
		}
	}
	return Finding{}
}
