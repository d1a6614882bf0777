// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// view watches the resources and the Secrets of the operator, so that looking at them costs the API server nothing.
type view struct{ cache cache.Cache }

func startView(ctx context.Context, plane *localcluster.ControlPlane) (*view, func() error, error) {
	ours := labels.SelectorFromSet(labels.Set{v1alpha1.ManagedByLabel: v1alpha1.ManagedByValue})
	c, err := cache.New(plane.Config, cache.Options{
		Scheme:   plane.Client.Scheme(),
		ByObject: map[client.Object]cache.ByObject{&corev1.Secret{}: {Label: ours}},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("watching resources: %w", err)
	}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx)) // It is needed until the summary has been made.
	ended := make(chan error, 1)
	go func() { ended <- c.Start(watching) }()
	stop := func() error {
		cancel()
		if err := <-ended; err != nil {
			return fmt.Errorf("watching resources: %w", err)
		}
		return nil
	}
	for _, kind := range []client.Object{
		&v1alpha1.SfsPlatform{}, &v1alpha1.SfsClient{}, &v1alpha1.SfsClientUser{}, &v1alpha1.OAuthToken{}, &corev1.Secret{},
	} {
		if _, err := c.GetInformer(ctx, kind); err != nil { // which waits for the first list
			_ = stop()
			return nil, nil, fmt.Errorf("watching resources: %w", err)
		}
	}
	return &view{cache: c}, stop, nil
}

// The kinds of resources with a token.
const (
	clientKind     = "SfsClient"
	oauthTokenKind = "OAuthToken"
)

// owner is whose a token Secret is.
type owner struct {
	kind string
	types.NamespacedName
}

func (o owner) String() string { return called(o.kind, nameOf(o.NamespacedName)) }

// called is the name, with the kind where it is not the usual one.
func called(kind, name string) string {
	if kind == clientKind {
		return name
	}
	return kind + " " + name
}

// published is a token Secret as an application sees it.
type published struct {
	owner     owner
	token     sendforsign.Secret
	tokenType string
	clientKey string
	baseURL   string
	expires   time.Time
	revision  string
}

// fingerprint tells tokens apart without giving them away.
func (p published) fingerprint() string {
	sum := sha256.Sum256([]byte(p.token.Reveal()))
	return hex.EncodeToString(sum[:4])
}

// tokens returns what the token Secrets hold, by whose they are.
func (v *view) tokens(ctx context.Context) (map[owner]published, error) {
	var secrets corev1.SecretList
	if err := v.cache.List(ctx, &secrets); err != nil {
		return nil, fmt.Errorf("listing Secrets: %w", err)
	}
	tokens := map[owner]published{}
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		controller := metav1.GetControllerOf(secret)
		if controller == nil || len(secret.Data[v1alpha1.KeyToken]) == 0 {
			continue
		}
		expires, err := time.Parse(time.RFC3339, string(secret.Data[v1alpha1.KeyExpiresAt]))
		if err != nil {
			return nil, fmt.Errorf("reading Secret %s: %w", client.ObjectKeyFromObject(secret), err)
		}
		who := owner{controller.Kind, types.NamespacedName{Namespace: secret.Namespace, Name: controller.Name}}
		tokens[who] = published{
			owner:     who,
			token:     sendforsign.Secret(secret.Data[v1alpha1.KeyToken]),
			tokenType: string(secret.Data[v1alpha1.KeyTokenType]),
			clientKey: string(secret.Data[v1alpha1.KeyClientKey]),
			baseURL:   string(secret.Data[v1alpha1.KeyBaseURL]),
			expires:   expires,
			revision:  secret.Annotations[v1alpha1.RevisionAnnotation],
		}
	}
	return tokens, nil
}

// row is what is shown of a resource.
type row struct {
	kind, name    string
	ready, reason string
	key           string
	fingerprint   string
	revision      string
	expires       time.Time
	secrets       string
}

func (r row) hasToken() bool { return r.kind == clientKind || r.kind == oauthTokenKind }

func (r row) id() string { return r.kind + " " + r.name }

func (v *view) rows(ctx context.Context) ([]row, error) {
	var platforms v1alpha1.SfsPlatformList
	var clients v1alpha1.SfsClientList
	var users v1alpha1.SfsClientUserList
	var others v1alpha1.OAuthTokenList
	for _, list := range []client.ObjectList{&platforms, &clients, &users, &others} {
		if err := v.cache.List(ctx, list); err != nil {
			return nil, fmt.Errorf("listing resources: %w", err)
		}
	}
	tokens, err := v.tokens(ctx)
	if err != nil {
		return nil, err
	}

	var rows []row
	for i := range platforms.Items {
		p := &platforms.Items[i]
		rows = append(rows, newRow("SfsPlatform", p, p.Status.Conditions))
	}
	for i := range clients.Items {
		c := &clients.Items[i]
		r := newRow(clientKind, c, c.Status.Conditions)
		r.key = c.Status.ClientKey
		if c.Status.SecretRef != nil {
			r.secrets = c.Status.SecretRef.Name
		}
		r.add(tokens, c, c.TokenSecretName())
		rows = append(rows, r)
	}
	for i := range others.Items {
		o := &others.Items[i]
		r := newRow(oauthTokenKind, o, o.Status.Conditions)
		r.add(tokens, o, o.TokenSecretName())
		rows = append(rows, r)
	}
	for i := range users.Items {
		u := &users.Items[i]
		r := newRow("SfsClientUser", u, u.Status.Conditions)
		r.key = u.Status.UserKey
		if u.Status.SecretRef != nil {
			r.secrets = u.Status.SecretRef.Name
		}
		rows = append(rows, r)
	}
	// By kind in the order of above, which a stable sort keeps.
	order := map[string]int{"SfsPlatform": 0, clientKind: 1, "SfsClientUser": 2, oauthTokenKind: 3}
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(order[a.kind], order[b.kind]), cmp.Compare(a.name, b.name))
	})
	return rows, nil
}

// add adds the token of the resource, if it has one.
func (r *row) add(tokens map[owner]published, of client.Object, secret string) {
	t, ok := tokens[owner{r.kind, client.ObjectKeyFromObject(of)}]
	if !ok {
		return
	}
	r.fingerprint, r.revision, r.expires = t.fingerprint(), t.revision, t.expires
	r.secrets = strings.TrimPrefix(r.secrets+", "+secret, ", ")
}

func newRow(kind string, object client.Object, conditions []metav1.Condition) row {
	r := row{kind: kind, name: nameOf(client.ObjectKeyFromObject(object)), ready: "Unknown"}
	if c := meta.FindStatusCondition(conditions, v1alpha1.ReadyCondition); c != nil {
		r.ready, r.reason = string(c.Status), c.Reason
	}
	return r
}

func nameOf(key types.NamespacedName) string { return strings.TrimPrefix(key.String(), "/") }
