// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/secret"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// base64Canary is how the values of a Secret show in its JSON.
func base64Canary() string {
	encoded := base64.StdEncoding.EncodeToString([]byte(sfstest.CanaryPrefix))
	return encoded[:len(encoded)-2] // the end depends on what follows
}

func TestStatus(t *testing.T) {
	tr := newTranscript(t)
	tr.run("status -n team-a")
	tr.run("status -A")
	tr.run("status shop -n team-a")
	tr.run("status tom -n team-a")
	tr.run("status signicat -n team-a")
	tr.run("status oat/seal -n team-a")
	tr.run("status sfsplatform/default")
	tr.run("status platform/sandbox")
	tr.run("status -n team-a -o json")
	tr.run("status sfsclientuser/tom -n team-a -o yaml")
	tr.run("status -n nowhere --as=tenant --as-group=system:authenticated")
	tr.run("status -n team-a --as=tenant")
	tr.run("status market -n team-a")
	tr.run("status deployment/web -n team-a")
	tr.run("status shop -A")
	tr.run("status -o table")
	tr.now = getClient(t, "team-a", "shop").Status.Token.ExpirationTime.Add(15 * time.Minute)
	tr.run("status sfsclient/shop -n team-a -o yaml")
	tr.matches("status")
}

func TestToken(t *testing.T) {
	tr := newTranscript(t)
	tr.run("token shop -n team-a")
	tr.run("token museum -n team-b")
	tr.run("token bakery -n team-a")
	tr.run("token sfsclientuser/jane -n team-a")
	tr.run("token signicat -n team-a")
	tr.run("token seal -n team-a")
	tr.run("token stray -n outside")
	tr.run("token oat/stray -n outside")
	tr.run("token shop -n team-a --reveal --as=tenant")
	tr.matches("token")

	published := &corev1.Secret{}
	if err := cluster.plane.Client.Get(t.Context(), client.ObjectKey{Namespace: "team-a", Name: "shop-sfs-token"}, published); err != nil {
		t.Fatal(err)
	}
	want := string(published.Data[v1alpha1.KeyToken])
	if got := tr.run("token shop -n team-a --reveal"); got != want+"\n" || want == "" {
		t.Errorf("--reveal writes %q, and the token is %q", got, want)
	}
	given := secret.Text(strings.TrimSpace(newTranscript(t).run("token signicat -n team-a --reveal")))
	if state, known := cluster.oauth.TokenState(given); !known || !state.Alive {
		t.Error("--reveal writes no token of the provider")
	}
}

func TestRenew(t *testing.T) {
	before := getClient(t, "team-b", "depot").Status.Token.Revision
	tr := newTranscript(t)
	tr.run("renew depot -n team-b --wait --timeout 1m")
	tr.run("renew oauthtoken/stray -n outside --wait")
	after := getClient(t, "team-b", "depot")
	if after.Status.Token.Revision != before+1 {
		t.Errorf("the revision was %d and is %d", before, after.Status.Token.Revision)
	}
	tr.now = tr.now.Add(time.Second) // another value
	tr.run("renew --all -n team-b")
	tr.now = tr.now.Add(time.Second)
	tr.run("renew -l plan=trial -A --wait")
	tr.run("renew -l plan=none -A")
	tr.run("renew museum resort -n team-b")
	tr.run("renew bakery -n team-a --wait --timeout 1ms")
	tr.run("renew seal -n team-a --wait --timeout 1ms")
	tr.run("renew stray -n outside")
	tr.run("renew market -n team-a")
	tr.now = tr.now.Add(time.Second)
	tr.run("renew market harbour customer/shop -n team-b")
	tr.run("renew shop -n team-a --as=tenant")
	tr.run("renew")
	tr.run("renew shop --all")
	tr.run("renew shop -A")
	tr.run("renew -l =")
	tr.matches("renew")
}

func TestRevoke(t *testing.T) {
	old := tokenOf(t, "team-b", "depot")
	tr := newTranscript(t)
	tr.now = tr.now.Add(time.Minute)
	tr.run("revoke depot -n team-b")
	tr.start(invocation{terminal: true, stdin: "\n", args: strings.Fields("revoke depot -n team-b")})
	tr.start(invocation{terminal: true, args: strings.Fields("revoke depot -n team-b")})
	tr.run("revoke --platform trial")
	tr.run("revoke")
	tr.run("revoke depot --platform trial")
	tr.run("revoke museum -n team-b --yes")
	tr.run("revoke --platform production --yes")
	if requested := getClient(t, "team-b", "depot").Annotations[v1alpha1.RevokeRequestedAtAnnotation]; requested != "" {
		t.Fatalf("it was not confirmed, and asked for at %s", requested)
	}
	tr.start(invocation{terminal: true, stdin: "y\n", args: strings.Fields("revoke depot -n team-b")})
	awaitRevoked(t, old)
	ofAll := []string{tokenOf(t, "team-b", "depot"), tokenOf(t, "team-b", "harbour")}
	tr.run("revoke --platform trial --yes")
	awaitRevoked(t, ofAll...)
	tr.run("revoke --platform default")
	tr.run("revoke --platform trial --as=oncall")

	given := secret.Text(tokenOf(t, "team-b", "signing"))
	tr.run("revoke signing -n team-b --yes")
	await(t, func() bool { state, _ := cluster.oauth.TokenState(given); return state.Revoked })
	tr.run("revoke oat/stray -n outside --yes")

	old = tokenOf(t, "team-b", "harbour")
	tr.run("revoke market museum resort harbour -n team-b --yes")
	awaitRevoked(t, old)
	if getClient(t, "team-b", "resort").Annotations[v1alpha1.RevokeRequestedAtAnnotation] == "" {
		t.Error("it was not asked for, for when it is resumed")
	}
	tr.run("revoke market museum -n team-b --yes")
	tr.run("revoke market resort -n team-b")
	tr.matches("revoke")
}

func tokenOf(t *testing.T, namespace, name string) string {
	t.Helper()
	return strings.TrimSpace(newTranscript(t).run("token " + name + " -n " + namespace + " --reveal"))
}

// awaitRevoked waits until Sendforsign takes the tokens no more.
func awaitRevoked(t *testing.T, tokens ...string) {
	t.Helper()
	for _, token := range tokens {
		await(t, func() bool {
			state, known := cluster.sim.TokenState(token)
			if !known {
				t.Fatal("this is no token")
			}
			return !state.Alive
		})
	}
}

// await waits until a token has been revoked.
func await(t *testing.T, isRevoked func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !isRevoked() {
		select {
		case <-deadline:
			t.Fatal("a token that was to be revoked lives on")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestTree(t *testing.T) {
	tr := newTranscript(t)
	tr.run("tree shop -n team-a")
	tr.run("tree bakery -n team-a")
	tr.run("tree signicat -n team-a")
	tr.run("tree contracts -n team-a")
	tr.run("tree seal -n team-a")
	tr.run("tree shop -n team-a --as=tenant")
	tr.run("tree market -n team-a")
	tr.matches("tree")
}

func TestOrphans(t *testing.T) {
	tr := newTranscript(t)
	tr.run("orphans")
	tr.run("orphans --platform default")
	tr.run("orphans --platform trial")
	patchStatus(t, "trial", `{"status":{"orphans":{"count":0}}}`)
	tr.run("orphans --platform trial")
	patchStatus(t, "trial", `{"status":{"orphans":null}}`)
	tr.run("orphans --platform production")
	tr.run("orphans --as=tenant")
	tr.matches("orphans")
}

// patchStatus says of an SfsPlatform what the operator might say.
func patchStatus(t *testing.T, platform, patch string) {
	t.Helper()
	p := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: platform}}
	if err := cluster.plane.Client.Status().Patch(t.Context(), p, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

func TestVersionAndCompletion(t *testing.T) {
	tr := newTranscript(t)
	tr.run("version")
	tr.run("__complete status -n team-a s")
	tr.run("__complete status -n team-a sfs")
	tr.run("__complete renew -n team-b --wait depot ''")
	tr.run("__complete revoke --platform d")
	tr.run("__complete status --namespace team-")
	tr.run("__complete status -o ''")
	tr.run("__complete tree shop ''")
	tr.run("__complete token -n team-a oauth")
	tr.run("__complete tree -n team-a --as=nobody s")
	tr.matches("completion")

	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if script, _, code := tr.exec(invocation{args: []string{"completion", shell}}); code != 0 || len(script) < 1000 {
			t.Errorf("completion %s gives %d with %d characters", shell, code, len(script))
		}
	}
	// As kubectl asks for the completions of a plugin.
	asked := invocation{program: "kubectl_complete-sfs", args: []string{"status", "-n", "team-a", "sh"}}
	if out, _, _ := tr.exec(asked); !strings.HasPrefix(out, "shop\n:4") {
		t.Errorf("kubectl is told %q", out)
	}
}

func TestItGoesByTheNameThatItHas(t *testing.T) {
	for program, want := range map[string]string{
		"/bin/kubectl-sendforsign": "  kubectl sendforsign status [NAME | KIND/NAME] [flags]\n",
		"kubectl-sfs":              "  kubectl sfs status [NAME | KIND/NAME] [flags]\n",
		"kubectl-sfs.exe":          "  kubectl sfs status [NAME | KIND/NAME] [flags]\n",
		"sfsctl":                   "  sfsctl status [NAME | KIND/NAME] [flags]\n",
	} {
		out, _, _ := newTranscript(t).exec(invocation{program: program, args: []string{"status", "--help"}})
		if !strings.Contains(out, want) || strings.Contains(out, "{program}") {
			t.Errorf("as %s it says\n%s", program, out)
		}
	}
}

func TestWhatGoesWrongIsExplained(t *testing.T) {
	tr := newTranscript(t)
	tr.run("status --server https://127.0.0.1:1")
	tr.run("status --token wrong")
	t.Setenv("KUBECONFIG", "/nowhere")
	tr.run("status")
	tr.run("stats")
	tr.run("status --wat")
	tr.matches("errors")
}

// All tests above rely on it.
func TestTheGuardKnowsWhatMayBeWritten(t *testing.T) {
	const merge, path = "application/merge-patch+json", "/apis/sendforsign.com/v1alpha1/namespaces/a/sfsclients/b"
	for name, c := range map[string]struct {
		method, path, contentType, body string
		allowed                         bool
	}{
		"a read":             {http.MethodGet, path, "", "", true},
		"an annotation":      {http.MethodPatch, path, merge, `{"metadata":{"annotations":{"sendforsign.com/renew-requested-at":"x"}}}`, true},
		"another annotation": {http.MethodPatch, path, merge, `{"metadata":{"annotations":{"sendforsign.com/paused":"true"}}}`, false},
		"a label":            {http.MethodPatch, path, merge, `{"metadata":{"labels":{"a":"b"}}}`, false},
		"a spec":             {http.MethodPatch, path, merge, `{"spec":{"suspend":true}}`, false},
		"an apply":           {http.MethodPatch, path, "application/apply-patch+yaml", `{}`, false},
		"a trial":            {http.MethodPatch, path + "?dryRun=All", "application/apply-patch+yaml", `{}`, true},
		"a question":         {http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", "", `{}`, true},
		"a creation":         {http.MethodPost, path, "", `{}`, false},
		"an update":          {http.MethodPut, path, "", `{}`, false},
		"a deletion":         {http.MethodDelete, path, "", "", false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, path, strings.NewReader(c.body))
		r.URL, _ = url.Parse("https://example.com" + c.path)
		r.Header.Set("Content-Type", c.contentType)
		if why := (&guard{}).judge(r); (why == "") != c.allowed {
			t.Errorf("%s: it says %q", name, why)
		}
	}
}
