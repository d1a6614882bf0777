// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// repository is where the module of the operator is.
const repository = "../../.."

// cluster is what the tests ask: a real control plane, the operator as its own process, and the tenants of testdata/stage.
var cluster struct {
	plane *localcluster.ControlPlane
	sim   *sfstest.Server
	// oauth is who gives the tokens of OAuthTokens.
	oauth *oauthtest.Server
	// now is when everything is about a quarter of an hour old, and the tokens expire in another.
	now time.Time
	// cafe is the clientKey of an SfsClient that is no longer there.
	cafe string
}

func TestMain(m *testing.M) {
	code, err := runSuite(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runSuite(m *testing.M) (code int, err error) {
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		return 1, errors.New("KUBEBUILDER_ASSETS is not set: run the tests by `make test-cli`")
	}
	ctx := context.Background()
	w, err := localcluster.NewWorkspace("sfs-cli-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, w.Close(code != 0)) }()
	binary := w.Path("sfs-operator")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, ".")
	build.Dir = repository
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building the operator: %w\n%s", err, said)
	}
	if cluster.plane, err = localcluster.StartControlPlane(ctx, w, assets); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, cluster.plane.Stop()) }()
	cluster.sim = sfstest.New()
	defer cluster.sim.Close()
	cluster.oauth = oauthtest.New(oauthtest.WithTokenLifetime(30 * time.Minute)) // as those of SFS
	defer cluster.oauth.Close()
	if err := cluster.plane.Install(ctx, repository); err != nil {
		return 1, err
	}
	kubeconfig, err := cluster.plane.OperatorKubeconfig(ctx)
	if err != nil {
		return 1, err
	}
	flags, err := cluster.plane.ReachOAuth(cluster.oauth, "Signicat/Platform", "SecuredSigning/Global")
	if err != nil {
		return 1, err
	}
	operator, err := cluster.plane.StartOperator(ctx, binary, kubeconfig, "sfs-operator", flags...)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, operator.Stop()) }()
	if err := setTheStage(ctx, operator); err != nil {
		return 1, err
	}
	// What the tool reads by itself.
	for name, value := range map[string]string{"KUBECONFIG": cluster.plane.Kubeconfig, "HOME": w.Path("")} {
		if err := os.Setenv(name, value); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

func setTheStage(ctx context.Context, operator *localcluster.Operator) error {
	p := cluster.plane
	if err := p.CreateCredentials(ctx, "sendforsign", cluster.sim); err != nil {
		return err
	}
	objects, err := localcluster.ReadKustomization(filepath.Join("testdata", "stage"))
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.GetKind() == kinds.Platform.Name {
			reach(o)
		}
	}
	if err := p.Apply(ctx, objects); err != nil {
		return err
	}
	for _, c := range []struct {
		namespace, name string
		provider        oauthtest.Provider
	}{
		{"team-a", "signicat-client", oauthtest.SignicatPlatform},
		{"team-a", "contracts-client", oauthtest.SecuredSigning},
		{"team-b", "signing-client", oauthtest.SecuredSigning},
		{"outside", "signicat-client", oauthtest.SignicatPlatform},
	} {
		if err := p.CreateOAuthCredentials(ctx, c.namespace, c.name, cluster.oauth.AddClient(c.provider)); err != nil {
			return err
		}
	}
	if err := operator.Await(ctx, 2*time.Minute, "the operator to have looked at all", settled); err != nil {
		return err
	}
	if err := leaveOrphans(ctx, operator); err != nil {
		return err
	}
	shop := &v1alpha1.SfsClient{}
	if err := p.Client.Get(ctx, client.ObjectKey{Namespace: "team-a", Name: "shop"}, shop); err != nil {
		return err
	}
	cluster.now = shop.Status.Token.ExpirationTime.Add(-14*time.Minute - 30*time.Second)
	return nil
}

// leaveOrphans deletes an SfsClient, whose client stays at SFS, and has the operator list what is there. Of an SfsPlatform
// whose credentials are no good there is what the operator might have written earlier: that there are many.
func leaveOrphans(ctx context.Context, operator *localcluster.Operator) error {
	c := cluster.plane.Client
	cafe := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "cafe"}}
	key := client.ObjectKeyFromObject(cafe)
	if err := c.Create(ctx, cafe); err != nil {
		return err
	}
	if err := operator.Await(ctx, time.Minute, "a client", func(ctx context.Context) bool {
		return c.Get(ctx, key, cafe) == nil && judge(cafe, time.Now()).ready
	}); err != nil {
		return err
	}
	cluster.cafe = cafe.Status.ClientKey
	if err := c.Delete(ctx, cafe); err != nil {
		return err
	}
	if err := operator.Await(ctx, 2*time.Minute, "the end of a client", func(ctx context.Context) bool {
		return apierrors.IsNotFound(c.Get(ctx, key, cafe))
	}); err != nil {
		return err
	}
	many := fmt.Sprintf(`{"status":{"lastDriftCheckTime":%q,"orphans":{"count":120,"clients":[{"customKey":"acme-sandbox/team-a/cafe","clientKey":%q}]}}}`,
		time.Now().UTC().Format(time.RFC3339), cafeKey)
	for _, patch := range []struct {
		platform, status string
		annotations      map[string]string
	}{
		{platform: "sandbox", status: many},
		{
			platform: "default", status: `{"status":{"lastDriftCheckTime":"2020-01-01T00:00:00Z"}}`,
			annotations: map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "now"},
		},
	} {
		p := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: patch.platform}}
		if err := c.Status().Patch(ctx, p, client.RawPatch(types.MergePatchType, []byte(patch.status))); err != nil {
			return err
		}
		before := p.DeepCopy()
		p.Annotations = patch.annotations
		if err := c.Patch(ctx, p, client.MergeFrom(before)); err != nil {
			return err
		}
	}
	return operator.Await(ctx, time.Minute, "the orphans", func(ctx context.Context) bool {
		p := &v1alpha1.SfsPlatform{}
		return c.Get(ctx, client.ObjectKey{Name: "default"}, p) == nil && p.Status.Orphans != nil
	})
}

// reach has an SfsPlatform use the simulator.
func reach(platform *unstructured.Unstructured) {
	spec := platform.Object["spec"].(map[string]any)
	spec["baseURL"] = cluster.sim.BaseURL()
	spec["caBundle"] = base64.StdEncoding.EncodeToString(cluster.sim.CABundle())
}

// settled says whether what can become ready is, and the rest has a reason.
func settled(ctx context.Context) bool {
	want := map[string]string{
		"sfsplatform/default": "Available", "sfsplatform/sandbox": "CredentialsSecretNotFound",
		"sfsclient/shop": "Available", "sfsclient/bakery": "PlatformNotFound", "sfsclient/stray": "NamespaceNotAllowed",
		"sfsclient/depot": "Available", "sfsclient/museum": "Available", "sfsclient/resort": "Suspended",
		"sfsplatform/trial": "Available", "sfsclient/harbour": "Available",
		"sfsclientuser/jane": "Available", "sfsclientuser/tom": "ClientNotFound",
		"oauthtoken/signicat": "Available", "oauthtoken/signing": "Available", "oauthtoken/stray": "Available",
		"oauthtoken/contracts": "Available",
		"oauthtoken/seal":      "CredentialsSecretNotFound",
	}
	seen := 0
	for _, kind := range kinds.All {
		found, err := list(ctx, cluster.plane.Client, kind, "")
		if err != nil {
			return false
		}
		for _, r := range found {
			ready := meta.FindStatusCondition(*r.GetConditions(), v1alpha1.ReadyCondition)
			if ready == nil || ready.Reason != want[shortName(r)] {
				return false
			}
			if p, ok := r.(*v1alpha1.SfsPlatform); ok && ready.Status == metav1.ConditionTrue &&
				(p.Status.Clients == nil || *p.Status.Clients.Ready != 2) {
				return false // both have two, which are counted a little later
			}
			seen++
		}
	}
	return seen == len(want)
}

func getClient(t *testing.T, namespace, name string) *v1alpha1.SfsClient {
	t.Helper()
	c := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := cluster.plane.Client.Get(t.Context(), client.ObjectKeyFromObject(c), c); err != nil {
		t.Fatal(err)
	}
	return c
}
