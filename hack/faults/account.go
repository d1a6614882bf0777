// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// retryAfter is the pause that the throttled simulator asks for, in seconds.
const retryAfter = "15"

// stageWrongKey lets the living tokens live, as a rotation does. The platform token is renewed within a minute.
func stageWrongKey(ctx context.Context, s Scene) (*Staged, error) {
	platform, err := s.platform(ctx)
	if err != nil {
		return nil, err
	}
	pair := s.Simulator.RotateCredentials()
	return &Staged{
		Done:     []string{"In the dashboard of Sendforsign a new API key was made in the place of the old one."},
		Resource: &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: s.Platform}},
		Says:     []string{"refuses the API key and secret", "credentials Secret"},
		cure: func(ctx context.Context) error {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
				Namespace: localcluster.OperatorNamespace, Name: platform.Spec.CredentialsSecretRef.Name,
			}}
			return edit(ctx, s.Client, secret, func() {
				secret.Data = map[string][]byte{
					v1alpha1.KeyAPIKey: []byte(pair.APIKey.Reveal()), v1alpha1.KeyAPISecret: []byte(pair.Secret.Reveal()),
				}
			})
		},
	}, nil
}

// stageAPIDown also declares a tenant. The others have tokens, with which they get through an outage that is short.
func stageAPIDown(ctx context.Context, s Scene) (*Staged, error) {
	remove := s.Simulator.Inject(sfstest.Fault{CutBefore: true})
	hooli, err := s.create(ctx, s.newcomer(s.Namespace))
	if err != nil {
		return nil, err
	}
	return &Staged{
		Done: []string{
			"Sendforsign closes each connection, and has answered nothing since.",
			declared(hooli),
		},
		Resource: hooli,
		Says:     []string{"SFS can not be reached"},
		cure:     func(context.Context) error { remove(); return nil },
	}, nil
}

// stageThrottled has a new tenant be the first who is sent away, so that it always begins in the same way.
func stageThrottled(ctx context.Context, s Scene) (*Staged, error) {
	platform, err := s.platform(ctx)
	if err != nil {
		return nil, err
	}
	hooli := s.newcomer(s.Namespace)
	refusal := sfstest.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {retryAfter}}}
	removed := make(chan func(), 1)
	first := refusal
	first.CustomKey, first.Times = fmt.Sprintf("%s/%s/%s", platform.Spec.CustomKeyPrefix, hooli.Namespace, hooli.Name), 1
	first.Before = func() { removed <- s.Simulator.Inject(refusal) }
	s.Simulator.Inject(first)
	if _, err := s.create(ctx, hooli); err != nil {
		return nil, err
	}
	return &Staged{
		Done: []string{
			"Sendforsign has a limit for the requests of an account, and this one has reached it.",
			declared(hooli),
		},
		Resource: platform,
		Says:     []string{"SFS asked for a pause"},
		cure: func(ctx context.Context) error {
			select {
			case remove := <-removed:
				remove()
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}, nil
}

func (s Scene) platform(ctx context.Context) (*v1alpha1.SfsPlatform, error) {
	var platform v1alpha1.SfsPlatform
	if err := s.Client.Get(ctx, client.ObjectKey{Name: s.Platform}, &platform); err != nil {
		return nil, fmt.Errorf("reading the SfsPlatform: %w", err)
	}
	return &platform, nil
}
