// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

var errKilled = errors.New("the operator was killed")

// mortal is the operator's connection to the API server. At one of its writes the operator dies, before or after the
// write is carried out; a dead operator does nothing more.
type mortal struct {
	client.WithWatch
	writes  int
	dieAt   int
	carries bool // the last write out
	dead    bool
}

func (m *mortal) write(do func() error) error {
	if m.dead {
		return errKilled
	}
	m.writes++
	if m.writes != m.dieAt {
		return do()
	}
	m.dead = true
	if m.carries {
		_ = do()
	}
	return errKilled
}

func (m *mortal) client() client.WithWatch {
	return interceptor.NewClient(m.WithWatch, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return m.write(func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return m.write(func() error { return c.Delete(ctx, o, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return m.write(func() error { return c.Apply(ctx, o, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return m.write(func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	})
}

// TestACrashAtAnyWriteLeavesOneTenantAndOneUser counts the writes of an undisturbed story, and then kills the operator
// before and after each of them.
func TestACrashAtAnyWriteLeavesOneTenantAndOneUser(t *testing.T) {
	story := func(t *testing.T, dieAt int, carries bool) (writes int) {
		w := newWorld(t)
		m := &mortal{WithWatch: w.client, dieAt: dieAt, carries: carries}
		w.api = m.client()
		w.restart()
		w.each = func() {
			if m.dead {
				m.dead, w.api = false, w.client
				w.restart()
			}
		}
		c, u := w.newSfsClient("shop"), w.newSfsClientUser("jane", "shop")
		w.run(3 * time.Minute)
		w.wantReady(c, u)
		w.tokenOf(c)
		if n, users := len(w.sim.Clients()), len(w.sim.Users(c.Status.ClientKey)); n != 1 || users != 2 {
			t.Errorf("SFS has %d clients and %d users, want 1, and jane beside the default user", n, users)
		}
		if c.Status.CreateIntent != nil || u.Status.CreateIntent != nil {
			t.Error("an intent was not cleared")
		}
		if n := w.sim.LiveTokens(c.Status.ClientKey); n > 2 {
			t.Errorf("%d tokens live, want at most the published one and one that was lost in the crash", n)
		}
		return m.writes
	}
	writes := story(t, 0, false)
	if writes < 8 {
		t.Fatalf("the story has only %d writes", writes)
	}
	for at := 1; at <= writes; at++ {
		for _, carries := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d carried out %t", at, carries), func(t *testing.T) { story(t, at, carries) })
		}
	}
}

// frozen serves what it has once seen of an object, as a cache does that is behind.
type frozen struct {
	client.WithWatch
	objects map[client.ObjectKey]client.Object
}

func (f *frozen) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	switch old := f.objects[key].(type) {
	case *v1alpha1.SfsClient:
		if into, ok := o.(*v1alpha1.SfsClient); ok {
			old.DeepCopyInto(into)
			return nil
		}
	case *corev1.Secret:
		if into, ok := o.(*corev1.Secret); ok {
			old.DeepCopyInto(into)
			return nil
		}
	}
	return f.WithWatch.Get(ctx, key, o, opts...)
}

func TestAStaleCacheMakesNoSecondTenant(t *testing.T) {
	w := newWorld(t)
	// Without a finalizer the intent is the first thing that is written.
	c := w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.Token.RevocationPolicy = v1alpha1.RevokeNever })
	w.reload(c)
	untouched := c.DeepCopy()
	w.settle()
	// SFS does not show the client yet, and the cache shows the resource as it was before anything was done.
	w.reload(c)
	w.sim.RemoveClient(c.Status.ClientKey)
	w.sim.ResetCalls()
	w.api = &frozen{w.client, map[client.ObjectKey]client.Object{client.ObjectKeyFromObject(c): untouched}}
	w.restart()
	w.run(5 * time.Minute)
	if n := w.sim.CountCalls("client", "create"); n != 0 {
		t.Errorf("%d creates on the ground of a stale read, want none", n)
	}
}

func TestAStaleCacheMintsNoSecondToken(t *testing.T) {
	w := newWorld(t)
	c := w.newSfsClient("shop")
	w.settle()
	old := w.secret("shop-sfs-token")
	cache := &frozen{w.client, map[client.ObjectKey]client.Object{}}
	w.parts.clients.secrets.cached = digestingReader{cache}
	update(w, c, func(c *v1alpha1.SfsClient) {
		c.Annotations = map[string]string{v1alpha1.RenewRequestedAtAnnotation: "now"}
	})
	w.settle()
	w.sim.ResetCalls()
	cache.objects[client.ObjectKeyFromObject(old)] = old
	update(w, c, func(c *v1alpha1.SfsClient) { c.Labels = map[string]string{"look": "again"} })
	w.run(15 * time.Minute)
	if n := w.sim.CountCalls("token", "create"); n != 0 {
		t.Errorf("%d tokens were minted because the cache showed the one before, want none", n)
	}
}

func TestATokenThatCanNotBeWrittenIsNotMintedEachTime(t *testing.T) {
	w := newWorld(t)
	refusing := true
	w.api = interceptor.NewClient(w.client, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			if s, ok := o.(*corev1ac.SecretApplyConfiguration); ok && refusing && s.Data["token"] != nil {
				return apierrors.NewForbidden(corev1.Resource("secrets"), *s.Name, errors.New("exceeded quota"))
			}
			return c.Apply(ctx, o, opts...)
		},
	})
	w.restart()
	c := w.newSfsClient("shop")
	w.run(10 * time.Minute)
	w.wantCondition(c, v1alpha1.TokenValidCondition, metav1.ConditionFalse, v1alpha1.SecretWriteFailedReason, "shop-sfs-token")
	if n := w.sim.LiveTokens(c.Status.ClientKey); n != 1 {
		t.Errorf("%d tokens were minted for a Secret that can not be written, want 1", n)
	}
	refusing = false
	w.run(time.Minute)
	w.wantReady(c)
	w.tokenOf(c)
	if n := w.sim.LiveTokens(c.Status.ClientKey); n != 1 {
		t.Errorf("%d tokens were minted in all, want the one that is published", n)
	}
}
