// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/features"
	featurestesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/internal/options"
	"github.com/sendforsign/sfs-operator/internal/rights"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

const (
	// patience is how long what must come may take. No test waits so long but one that fails.
	patience = 2 * time.Minute
	tenants  = "team-a"
)

var account = types.NamespacedName{Namespace: localcluster.OperatorNamespace, Name: localcluster.ServiceAccount}

// installation is this program, in this process, on a control plane of its own: as its service account, with the roles of
// config/rbac.
type installation struct {
	*localcluster.ControlPlane

	t       *testing.T
	asked   rights.Asked
	metrics string
	stop    context.CancelFunc
	ended   chan error
}

func install(t *testing.T) *installation {
	t.Helper()
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		t.Fatal("KUBEBUILDER_ASSETS is not set: run the tests by `make test`")
	}
	workspace, err := localcluster.NewWorkspace("sfs-rights-")
	must(t, err)
	t.Cleanup(func() {
		if err := workspace.Close(t.Failed()); err != nil {
			t.Log(err)
		}
	})
	log, err := workspace.LogFile("sfs-operator")
	must(t, err)
	logger := logr.FromSlogHandler(slog.NewJSONHandler(log, nil))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	plane, err := localcluster.StartControlPlane(t.Context(), workspace, assets)
	must(t, err)
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	must(t, plane.Install(t.Context(), "."))
	return &installation{ControlPlane: plane, t: t, asked: rights.Asked{Home: account.Namespace}, ended: make(chan error, 1)}
}

// start runs the operator as its Deployment does, but for its ports.
func (i *installation) start(flags ...string) {
	i.t.Helper()
	port, err := (&net.ListenConfig{}).Listen(i.t.Context(), "tcp", "127.0.0.1:0")
	must(i.t, err)
	i.metrics = port.Addr().String()
	must(i.t, port.Close())
	o, err := options.Parse(append(flags,
		"--platform-namespace="+account.Namespace, "--metrics-bind-address="+i.metrics, "--health-probe-bind-address=127.0.0.1:0",
	), os.Getenv, os.Stderr)
	must(i.t, err)
	kubeconfig, err := i.OperatorKubeconfig(i.t.Context())
	must(i.t, err)
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(i.t, err)
	config.Wrap(i.asked.Over)
	var ctx context.Context
	ctx, i.stop = context.WithCancel(context.Background())
	go func() { i.ended <- run(ctx, config, o) }()
	i.t.Cleanup(i.end)
}

// end waits until the operator has given up its lease.
func (i *installation) end() {
	i.t.Helper()
	if i.stop == nil {
		return
	}
	i.stop()
	i.stop = nil
	if err := <-i.ended; err != nil {
		i.t.Error(err)
	}
}

func (i *installation) create(objects ...client.Object) {
	i.t.Helper()
	for _, o := range objects {
		must(i.t, i.Client.Create(i.t.Context(), o))
	}
}

// await waits for what others do. A process that is refused what it needs does not do it.
func (i *installation) await(what string, done func(context.Context) (bool, error)) {
	i.t.Helper()
	err := wait.PollUntilContextTimeout(i.t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		if refused := i.asked.TakeRefused(); len(refused) > 0 {
			return false, fmt.Errorf("the API server refused the operator: %s", refused[0])
		}
		select {
		case err := <-i.ended:
			i.stop = nil
			return false, errors.Join(errors.New("the operator has ended"), err)
		default:
		}
		return done(ctx)
	})
	if err != nil {
		i.t.Fatalf("waiting for %s: %v", what, err)
	}
}

func (i *installation) awaitReady(objects ...client.Object) {
	i.t.Helper()
	for _, o := range objects {
		i.await(o.GetName()+" to be Ready", func(ctx context.Context) (bool, error) {
			err := i.Client.Get(ctx, client.ObjectKeyFromObject(o), o)
			conditions := *o.(interface{ GetConditions() *[]metav1.Condition }).GetConditions()
			return meta.IsStatusConditionTrue(conditions, v1alpha1.ReadyCondition), err
		})
	}
}

// lose deletes a Secret, and waits until it is there again.
func (i *installation) lose(name string) {
	i.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: tenants, Name: name}}
	must(i.t, i.Client.Get(i.t.Context(), client.ObjectKeyFromObject(secret), secret))
	lost := secret.UID
	must(i.t, i.Client.Delete(i.t.Context(), secret))
	i.await(name+" to be there again", func(ctx context.Context) (bool, error) {
		err := i.Client.Get(ctx, client.ObjectKeyFromObject(secret), secret)
		return err == nil && secret.UID != lost, client.IgnoreNotFound(err)
	})
}

// TestTheOperatorUsesAllOfItsRightsAndNoOthers fails where a right in config/rbac is missing, and where one is for nothing.
func TestTheOperatorUsesAllOfItsRightsAndNoOthers(t *testing.T) {
	// An API server that can not send what there is over a watch, as those of the oldest version that is supported, is asked
	// for a list before it.
	featurestesting.SetFeatureDuringTest(t, features.WatchListClient, false)
	i := install(t)
	sim := sfstest.New()
	t.Cleanup(sim.Close)
	must(t, i.CreateCredentials(t.Context(), "sendforsign", sim))
	shop := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: tenants, Name: "shop"}}
	mute := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: tenants, Name: "mute"}}
	jane := &v1alpha1.SfsClientUser{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenants, Name: "jane"},
		Spec: v1alpha1.SfsClientUserSpec{
			ClientRef: v1alpha1.ClientReference{Name: "shop"}, DeletionPolicy: v1alpha1.DeletionPolicyRetire, // which takes a finalizer
		},
	}
	i.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenants}},
		&v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Spec: v1alpha1.SfsPlatformSpec{
			BaseURL: sim.BaseURL(), CABundle: sim.CABundle(), CustomKeyPrefix: "acme",
			CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: "sendforsign"},
			AllowedNamespaces:    &v1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{}},
		}},
		shop, mute, jane,
	)
	providers := oauthtest.New()
	t.Cleanup(providers.Close)
	given := providers.AddClient(oauthtest.Generic)
	archive := &v1alpha1.OAuthToken{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenants, Name: "archive"},
		Spec: v1alpha1.OAuthTokenSpec{
			Provider: v1alpha1.OAuthProvider{Generic: &v1alpha1.GenericProvider{
				TokenURL: providers.TokenURL(given.Provider), CABundle: providers.CABundle(),
			}},
			CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: "archive-client"},
		},
	}
	i.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenants, Name: "archive-client"},
		StringData: map[string]string{v1alpha1.KeyClientID: given.ID, v1alpha1.KeyClientSecret: given.Secret.Reveal()},
	}, archive)
	i.start("--oauth-allowed-hosts=" + strings.TrimPrefix(providers.URL(), "https://"))
	i.awaitReady(shop, mute, jane, archive)
	i.lose(archive.TokenSecretName())
	i.lose(shop.SecretName())
	i.lose(jane.SecretName())
	mute.Spec.Token.Enabled = ptr.To(false)
	must(t, i.Client.Update(t.Context(), mute))
	i.await("the token to be withdrawn", func(ctx context.Context) (bool, error) {
		err := i.Client.Get(ctx, client.ObjectKey{Namespace: tenants, Name: mute.TokenSecretName()}, &corev1.Secret{})
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	i.servesMetricsToThoseWhoMayReadThem()
	// Told once more, an event is counted in the one that is there.
	i.lose(shop.SecretName())
	i.await("an event that counts", func(ctx context.Context) (bool, error) {
		var events eventsv1.EventList
		err := i.Client.List(ctx, &events, client.InNamespace(tenants))
		return slices.ContainsFunc(events.Items, func(e eventsv1.Event) bool { return e.Series != nil }), err
	})
	i.end()

	manifests, err := localcluster.ReadKustomization(filepath.Join("config", "rbac"))
	must(t, err)
	granted, err := rights.Granted(account, manifests)
	must(t, err)
	unused, missing := rights.Compare(granted, i.asked.Rights())
	for _, right := range unused {
		t.Errorf("config/rbac grants what is not used: %s", right)
	}
	for _, right := range missing {
		t.Errorf("the operator asks for what config/rbac does not grant: %s", right)
	}
	for _, refused := range i.asked.TakeRefused() {
		t.Errorf("the API server refused the operator: %s", refused)
	}
	if len(granted) < 20 {
		t.Errorf("config/rbac grants only %v", granted)
	}
}

// servesMetricsToThoseWhoMayReadThem asks for the metrics as nobody, as somebody, and as who has the role for that.
func (i *installation) servesMetricsToThoseWhoMayReadThem() {
	i.t.Helper()
	const reader = "prometheus"
	i.create(&rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: reader},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "sfs-operator-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: tenants, Name: reader}},
	})
	i.await("the right to read metrics", func(ctx context.Context) (bool, error) {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:                  "system:serviceaccount:" + tenants + ":" + reader,
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"},
		}}
		err := i.Client.Create(ctx, review)
		return review.Status.Allowed, err
	})
	for name, want := range map[string]int{"": http.StatusUnauthorized, "somebody": http.StatusForbidden, reader: http.StatusOK} {
		token := ""
		if name != "" {
			token = i.tokenOf(name)
		}
		// They may be served later than the first client is: the certificate for them has to be made.
		i.await("the metrics to be served", func(ctx context.Context) (bool, error) {
			got, text, err := i.scrape(ctx, token)
			if err != nil {
				return false, nil //nolint:nilerr // they are not served yet
			}
			if got != want {
				i.t.Errorf("the metrics are answered %d to %q, want %d", got, name, want)
			}
			for _, series := range []string{"build_info{", "condition{", "token_expiration_timestamp_seconds{", "api_requests_total{"} {
				if has := strings.Contains(text, "\n"+metrics.Prefix+series); has != (want == http.StatusOK) {
					i.t.Errorf("the metrics for %q have %s: %t", name, series, has)
				}
			}
			return true, nil
		})
	}
}

// tokenOf makes a service account, and returns a token of it.
func (i *installation) tokenOf(name string) string {
	i.t.Helper()
	someone := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: tenants, Name: name}}
	i.create(someone)
	request := &authenticationv1.TokenRequest{}
	must(i.t, i.Client.SubResource("token").Create(i.t.Context(), someone, request))
	return request.Status.Token
}

// scrape returns the status with which metrics are answered to somebody, and their text.
func (i *installation) scrape(ctx context.Context, token string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+i.metrics+"/metrics", http.NoBody)
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	scraper := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // it signs for itself, on this machine
	}}
	response, err := scraper.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
