// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// callInterval is how often an application calls.
const callInterval = 200 * time.Millisecond

// Consumer is an application that calls Sendforsign with a token from a Secret.
type Consumer struct {
	// Pod is what a cluster knows of it, and Secret where it has the token from.
	Pod, Secret client.ObjectKey

	client client.Reader
	api    *sendforsign.API

	mu      sync.Mutex
	token   sendforsign.Secret // that it has read
	again   bool               // it reads the token again before each call
	calls   int
	refused int
	last    error // how the last call ended
}

// Tally is how often it has called, and how often in vain.
func (c *Consumer) Tally() (calls, refused int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls, c.refused
}

func (c *Consumer) missingRefusal() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if sendforsign.IsUnauthorized(c.last) {
		return ""
	}
	return fmt.Sprintf("no call of %s was refused among %d; the last ended with: %v", c.Pod.Name, c.calls, c.last)
}

func (c *Consumer) missingSuccess() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.again && c.calls > 0 && c.last == nil {
		return ""
	}
	return fmt.Sprintf("%d calls of %s were refused since it was changed; the last ended with: %v", c.refused, c.Pod.Name, c.last)
}

// call is one request of the application.
func (c *Consumer) call(ctx context.Context) error {
	value, again := c.held()
	if value == "" || again {
		var secret corev1.Secret
		if err := c.client.Get(ctx, c.Secret, &secret); err != nil {
			return fmt.Errorf("reading the token: %w", err)
		}
		value = sendforsign.Secret(secret.Data[v1alpha1.KeyToken])
	}
	_, err := c.api.ReadClient(ctx, sendforsign.ClientToken(value), sendforsign.ClientQuery{})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token, c.last = value, err
	c.calls++
	if err != nil {
		c.refused++
	}
	return nil // a call that fails does not end the application
}

func (c *Consumer) held() (value sendforsign.Secret, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token, c.again
}

// redeploy has it read the token again before each call, and forgets what was before.
func (c *Consumer) redeploy() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again, c.calls, c.refused, c.last = true, 0, 0, nil
}

// stageDeadConsumer deploys an application that reads its token once. The Pod says so in the two usual ways; there is no node
// that would run it, so it runs here.
func stageDeadConsumer(ctx context.Context, s Scene) (*Staged, error) {
	tenant, err := s.tenant(ctx)
	if err != nil {
		return nil, err
	}
	pod := readsOnce(client.ObjectKey{Namespace: s.Namespace, Name: "monthly-report"}, tenant.TokenSecretName())
	if err := s.Client.Create(ctx, pod); err != nil {
		return nil, fmt.Errorf("creating Pod %s: %w", pod.Name, err)
	}
	api, err := s.api()
	if err != nil {
		return nil, err
	}
	consumer := &Consumer{
		Pod: client.ObjectKeyFromObject(pod), Secret: client.ObjectKey{Namespace: s.Namespace, Name: tenant.TokenSecretName()},
		client: s.Client, api: api,
	}
	application := begin(ctx, func(ctx context.Context) error {
		defer api.Close()
		return every(ctx, callInterval, consumer.call)
	})
	return &Staged{
		Done: []string{
			fmt.Sprintf("The application %s was deployed in the namespace %s, and calls Sendforsign as the tenant %s. It worked when it was tried.",
				pod.Name, pod.Namespace, tenant.Name),
			"Its Pod stays Pending, since there is no node here; the demo makes its calls.",
		},
		Consumer: consumer,
		beside:   application,
		cure: func(ctx context.Context) error {
			if err := s.Client.Delete(ctx, pod, client.GracePeriodSeconds(0)); err != nil {
				return fmt.Errorf("deleting Pod %s: %w", pod.Name, err)
			}
			better := readsAgain(consumer.Pod, consumer.Secret.Name)
			if err := s.Client.Create(ctx, better); err != nil {
				return fmt.Errorf("creating Pod %s: %w", better.Name, err)
			}
			consumer.redeploy()
			return nil
		},
	}, nil
}

// reportPod mounts the token Secret.
func reportPod(key client.ObjectKey, secret string, mount corev1.VolumeMount, env ...corev1.EnvVar) *corev1.Pod {
	mount.Name, mount.ReadOnly = "sfs", true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{"app": key.Name}},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{
				Name: "report", Image: "monthly-report:1", Env: env, VolumeMounts: []corev1.VolumeMount{mount},
			}},
			Volumes: []corev1.Volume{{Name: mount.Name, VolumeSource: corev1.VolumeSource{
				Secret: &corev1.SecretVolumeSource{SecretName: secret},
			}}},
		},
	}
}

// readsOnce is a Pod that has the token as it was when it started: a kubelet renews neither of the two.
func readsOnce(key client.ObjectKey, secret string) *corev1.Pod {
	return reportPod(key, secret, corev1.VolumeMount{MountPath: "/etc/report/token", SubPath: v1alpha1.KeyToken}, corev1.EnvVar{
		Name: "SFS_TOKEN", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: v1alpha1.KeyToken,
		}},
	})
}

// readsAgain is a Pod with the whole Secret as a directory, as docs/consuming-tokens.md has it.
func readsAgain(key client.ObjectKey, secret string) *corev1.Pod {
	return reportPod(key, secret, corev1.VolumeMount{MountPath: "/var/run/sfs"})
}
