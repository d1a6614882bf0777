// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/internal/rights"
)

// The operator of each test has the rights of config/rbac and no others: it speaks as its service account. The test's own
// hand is that of an administrator.

// operatorAccount is the service account that config/rbac binds the operator's roles to.
var operatorAccount = types.NamespacedName{Namespace: localcluster.OperatorNamespace, Name: localcluster.ServiceAccount}

// userOf is what the API server calls a service account.
func userOf(account types.NamespacedName) string {
	return fmt.Sprintf("system:serviceaccount:%s:%s", account.Namespace, account.Name)
}

// operatorConfig is that of the operator.
func operatorConfig() *rest.Config {
	as := rest.CopyConfig(config)
	as.Impersonate.UserName = userOf(operatorAccount) // the API server adds the groups of a service account
	return as
}

// ownConfig is that of the operator of this world, of which what it asks for is known.
func (w *world) ownConfig() *rest.Config {
	as := operatorConfig()
	as.Wrap(w.asked.Over)
	return as
}

// installRights applies config/rbac.
func installRights(ctx context.Context) error {
	api, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	manifests, err := localcluster.ReadKustomization(filepath.Join("..", "config", "rbac"))
	if err != nil {
		return err
	}
	granted, err := rights.Granted(operatorAccount, manifests)
	if err != nil {
		return err
	}
	if len(granted) == 0 {
		return errors.New("config/rbac gives the operator no right")
	}
	objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorAccount.Namespace}}}
	for _, o := range manifests {
		objects = append(objects, o)
	}
	for _, o := range objects {
		if err := api.Create(ctx, o); err != nil {
			return fmt.Errorf("applying config/rbac: %w", err)
		}
	}
	return awaitRights(ctx, api, userOf(operatorAccount), granted...)
}

// awaitRights waits until the authorizer of the API server, which watches the roles, knows of some rights.
func awaitRights(ctx context.Context, api client.Client, user string, wanted ...rights.Right) error {
	for _, right := range wanted {
		err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
			return isAllowed(ctx, api, person{user: user}, right, "")
		})
		if err != nil {
			return fmt.Errorf("waiting for the right to %s: %w", right, err)
		}
	}
	return nil
}

// person is somebody whom the API server knows.
type person struct {
	user   string
	groups []string
}

// isAllowed asks the API server whether somebody has a right, on the object of a name or, without one, on all.
func isAllowed(ctx context.Context, api client.Client, who person, right rights.Right, name string) (bool, error) {
	resource, subresource, _ := strings.Cut(right.Resource, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: who.user, Groups: who.groups, ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: right.Verb, Group: right.Group, Resource: resource, Subresource: subresource, Namespace: right.Namespace, Name: name,
		},
	}}
	err := api.Create(ctx, review)
	return review.Status.Allowed, err
}

// wantNothingRefused fails a test in which the operator was not let do something. A test that wants that takes note of it.
func (w *world) wantNothingRefused() {
	for _, refused := range slices.Compact(slices.Sorted(slices.Values(w.asked.TakeRefused()))) {
		w.t.Errorf("the API server refused the operator a request: %s", refused)
	}
}
