// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// stageSecretConflict takes the name that the Secret of identifiers of a new tenant has by default.
func stageSecretConflict(ctx context.Context, s Scene) (*Staged, error) {
	hooli := s.newcomer(s.Namespace)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: hooli.SecretName(), Labels: map[string]string{"app.kubernetes.io/managed-by": "billing"},
		},
		StringData: map[string]string{"account": "4711"},
	}
	if err := s.Client.Create(ctx, secret); err != nil {
		return nil, fmt.Errorf("creating Secret %s: %w", secret.Name, err)
	}
	if _, err := s.create(ctx, hooli); err != nil {
		return nil, err
	}
	return &Staged{
		Done: []string{
			fmt.Sprintf("Another application has made Secrets of its own in the namespace %s.", s.Namespace),
			declared(hooli),
		},
		Resource: hooli,
		Says:     []string{"Secret " + secret.Name, "does not belong to this resource"},
		cure: func(ctx context.Context) error {
			if err := s.Client.Delete(ctx, secret); err != nil {
				return fmt.Errorf("deleting Secret %s: %w", secret.Name, err)
			}
			// The operator does not watch Secrets of others.
			return annotate(ctx, s.Client, hooli, v1alpha1.ReconcileRequestedAtAnnotation)
		},
	}, nil
}

// stageTakeover has two namespaces name the same client. Both may.
func stageTakeover(ctx context.Context, s Scene) (*Staged, error) {
	platform, err := s.platform(ctx)
	if err != nil {
		return nil, err
	}
	err = edit(ctx, s.Client, platform, func() {
		platform.Spec.Adoption = append(platform.Spec.Adoption, v1alpha1.AdoptionRule{
			Name: "migration", Namespaces: []string{s.Namespace, s.Other}, CustomKeyPatterns: []string{"legacy-*"},
		})
	})
	if err != nil {
		return nil, err
	}
	former, hooli := s.newcomer(s.Namespace), s.newcomer(s.Other)
	former.Spec.CustomKey, hooli.Spec.CustomKey = "legacy-hooli", "legacy-hooli"
	if _, err := s.create(ctx, former); err != nil {
		return nil, err
	}
	// Of two that name a client the one has it that was there first.
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, soon, true, func(ctx context.Context) (bool, error) {
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(former), former)
		return former.Status.ClientKey != "", err
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for the first of the two: %w", err)
	}
	if _, err := s.create(ctx, hooli); err != nil {
		return nil, err
	}
	return &Staged{
		Done: []string{
			fmt.Sprintf("The SfsClient hooli is to move from the namespace %s to %s, and was applied there.", s.Namespace, s.Other),
		},
		Resource: hooli,
		Says:     []string{"the client at SFS belongs to SfsClient " + client.ObjectKeyFromObject(former).String()},
		cure: func(ctx context.Context) error {
			if err := s.Client.Delete(ctx, former); err != nil {
				return fmt.Errorf("deleting the SfsClient that has the client: %w", err)
			}
			return nil
		},
	}, nil
}

// stageMissingPlatform declares a tenant of an SfsPlatform that there is not.
func stageMissingPlatform(ctx context.Context, s Scene) (*Staged, error) {
	platform, err := s.platform(ctx)
	if err != nil {
		return nil, err
	}
	hooli := s.newcomer(s.Namespace)
	hooli.Spec.PlatformRef.Name = s.Platform + "-eu"
	if _, err := s.create(ctx, hooli); err != nil {
		return nil, err
	}
	return &Staged{
		Done:     []string{declared(hooli), "Its manifest was written for another cluster."},
		Resource: hooli,
		Says:     []string{hooli.Spec.PlatformRef.Name},
		cure: func(ctx context.Context) error {
			eu := &v1alpha1.SfsPlatform{ObjectMeta: metav1.ObjectMeta{Name: hooli.Spec.PlatformRef.Name}, Spec: *platform.Spec.DeepCopy()}
			eu.Spec.CustomKeyPrefix += "-eu"
			if err := s.Client.Create(ctx, eu); err != nil {
				return fmt.Errorf("creating the SfsPlatform: %w", err)
			}
			return nil
		},
	}, nil
}

// stageTemplateError misspells a name in a template.
func stageTemplateError(ctx context.Context, s Scene) (*Staged, error) {
	const file = "config.ini"
	tenant, err := s.tenant(ctx)
	if err != nil {
		return nil, err
	}
	write := func(ctx context.Context, text v1alpha1.SecretTemplateText) error {
		return edit(ctx, s.Client, tenant, func() {
			tenant.Spec.Token.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{file: text}
		})
	}
	if err := write(ctx, "[sendforsign]\ntoken = {{ .tokn }}\n"); err != nil {
		return nil, err
	}
	return &Staged{
		Done: []string{
			fmt.Sprintf("The spec of the SfsClient %s in the namespace %s was edited: its application wants the token in a file %s.",
				tenant.Name, tenant.Namespace, file),
		},
		Resource: tenant,
		Says:     []string{"spec.token.secret.template.data", file, "line 2"},
		cure: func(ctx context.Context) error {
			return write(ctx, "[sendforsign]\ntoken = {{ .token }}\n")
		},
	}, nil
}

// newcomer is a tenant that is declared while something is wrong.
func (s Scene) newcomer(namespace string) *v1alpha1.SfsClient {
	return &v1alpha1.SfsClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "hooli"},
		Spec:       v1alpha1.SfsClientSpec{PlatformRef: v1alpha1.PlatformReference{Name: s.Platform}, FullName: "Hooli"},
	}
}

func (s Scene) create(ctx context.Context, c *v1alpha1.SfsClient) (*v1alpha1.SfsClient, error) {
	if err := s.Client.Create(ctx, c); err != nil {
		return nil, fmt.Errorf("creating SfsClient %s: %w", client.ObjectKeyFromObject(c), err)
	}
	return c, nil
}

func declared(c *v1alpha1.SfsClient) string {
	return fmt.Sprintf("The SfsClient %s, which is new, was applied in the namespace %s.", c.Name, c.Namespace)
}

func (s Scene) tenant(ctx context.Context) (*v1alpha1.SfsClient, error) {
	var tenant v1alpha1.SfsClient
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: s.Tenant}, &tenant); err != nil {
		return nil, fmt.Errorf("reading the SfsClient: %w", err)
	}
	return &tenant, nil
}

// edit changes an object, whatever others have written to it since it was read.
func edit(ctx context.Context, c client.Client, o client.Object, change func()) error {
	if err := c.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
		return fmt.Errorf("reading %s: %w", o.GetName(), err)
	}
	before := o.DeepCopyObject().(client.Object)
	change()
	if err := c.Patch(ctx, o, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("changing %s: %w", o.GetName(), err)
	}
	return nil
}

// annotate asks the operator for something, in a way that it has not been asked before.
func annotate(ctx context.Context, c client.Client, o client.Object, name string) error {
	return edit(ctx, c, o, func() {
		annotations := o.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[name] = time.Now().UTC().Format(time.RFC3339Nano)
		o.SetAnnotations(annotations)
	})
}
