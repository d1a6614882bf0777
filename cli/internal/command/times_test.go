// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// secrets answers a list of their metadata.
type secrets struct {
	client.Reader

	items   []metav1.PartialObjectMetadata
	refused bool
	asked   []client.ListOptions
}

func (s *secrets) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	var asked client.ListOptions
	s.asked = append(s.asked, *asked.ApplyOptions(options))
	if s.refused {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", nil)
	}
	list.(*metav1.PartialObjectMetadataList).Items = s.items
	return nil
}

func clientWithToken(namespace, name string, t v1alpha1.TokenStatus) *v1alpha1.SfsClient {
	c := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name)}}
	t.SecretRef.Name = name + "-sfs-token"
	c.Status.Token = &t
	return c
}

func tokenSecret(c *v1alpha1.SfsClient, expires time.Time) metav1.PartialObjectMetadata {
	return metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: c.Namespace, Name: c.Status.Token.SecretRef.Name, Labels: map[string]string{v1alpha1.OwnerLabel: string(c.UID)},
		Annotations: map[string]string{
			v1alpha1.IssuedAtAnnotation:  expires.Add(-30 * time.Minute).Format(time.RFC3339),
			v1alpha1.ExpiresAtAnnotation: expires.Format(time.RFC3339),
			v1alpha1.RevisionAnnotation:  "7",
		},
	}}
}

func TestTimesThatOnlyTheSecretTells(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	in := now.Add
	told := clientWithToken("team-a", "told", v1alpha1.TokenStatus{ExpirationTime: metav1.NewTime(in(time.Minute))})
	shop, cafe := clientWithToken("team-a", "shop", v1alpha1.TokenStatus{}), clientWithToken("team-b", "cafe", v1alpha1.TokenStatus{})
	dead, other := clientWithToken("team-a", "dead", v1alpha1.TokenStatus{}), clientWithToken("team-a", "other", v1alpha1.TokenStatus{})
	of := &secrets{items: []metav1.PartialObjectMetadata{
		tokenSecret(shop, in(10*time.Minute)), tokenSecret(cafe, in(20*time.Minute)), tokenSecret(dead, in(-time.Minute)),
		tokenSecret(other, in(time.Hour)),
	}}
	of.items[3].Labels[v1alpha1.OwnerLabel] = "somebody else"

	s := &session{Environment: Environment{IOStreams: genericiooptions.IOStreams{ErrOut: &bytes.Buffer{}}}}
	if err := s.addTimes(t.Context(), of, told, shop, cafe, dead, other); err != nil || len(of.asked) != 1 || of.asked[0].Namespace != "" {
		t.Fatalf("%v, asked for %+v, want one list of all namespaces", err, of.asked)
	}
	for c, want := range map[*v1alpha1.SfsClient]string{told: "in 60s", shop: "in 10m", cafe: "in 20m", dead: "60s ago", other: "-"} {
		if got := relativeTo(expiration(c), now); got != want {
			t.Errorf("%s expires %s, want %s", c.Name, got, want)
		}
		if got, want := hasExpired(c, now), c == dead; got != want {
			t.Errorf("%s has expired: %v, want %v", c.Name, got, want)
		}
	}
	if got := shop.Status.Token; got.Revision != 7 || !got.IssuedTime.Time.Equal(in(-20*time.Minute)) {
		t.Errorf("read %+v", got)
	}
}

func TestTheTimesOfOneClientAreAskedForAlone(t *testing.T) {
	t.Parallel()
	s, of := &session{}, &secrets{}
	if err := s.addTimes(t.Context(), of, clientWithToken("team-a", "shop", v1alpha1.TokenStatus{})); err != nil || len(of.asked) != 1 {
		t.Fatalf("%v, %d lists", err, len(of.asked))
	}
	if got := of.asked[0]; got.Namespace != "team-a" || !strings.Contains(got.LabelSelector.String(), v1alpha1.OwnerLabel+"=uid-shop") {
		t.Errorf("asked for %s in %s", got.LabelSelector, got.Namespace)
	}
}

func TestWhoMayNotListSecretsSeesNoTimes(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	s := &session{Environment: Environment{IOStreams: genericiooptions.IOStreams{ErrOut: &said}}}
	c := clientWithToken("team-a", "shop", v1alpha1.TokenStatus{})
	if err := s.addTimes(t.Context(), &secrets{refused: true}, c); err != nil || expiration(c) != nil || !strings.Contains(said.String(), "may not list Secrets") {
		t.Errorf("%v, %q", err, &said)
	}
}
