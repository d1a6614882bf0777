// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// patience bounds the wait for an event that must come. No test waits so long but one that fails.
const patience = 3 * time.Minute

// process is an operator as main.go starts it: with its cache, its watches and its queue.
type process struct {
	mgr    ctrl.Manager
	stop   context.CancelFunc
	done   chan error
	looked *looks
}

// looks counts at which SfsClients the operator has looked: each pass begins with one read.
type looks struct {
	mu   sync.Mutex
	seen map[string]bool
	want int
	all  chan struct{}
}

func (l *looks) at(o client.Object) {
	if _, ok := o.(*v1alpha1.SfsClient); !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[o.GetName()] = true
	if len(l.seen) == l.want {
		l.want = 0
		close(l.all)
	}
}

// lookingClient tells of the reads of the operator.
type lookingClient struct {
	client.Client
	looks *looks
}

func (c lookingClient) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	err := c.Client.Get(ctx, key, o, opts...)
	c.looks.at(o)
	return err
}

func (w *world) startProcess(awaited int) *process {
	w.t.Helper()
	w.process = true
	p := &process{done: make(chan error, 1), looked: &looks{seen: map[string]bool{}, want: awaited, all: make(chan struct{})}}
	var err error
	p.mgr, err = ctrl.NewManager(w.ownConfig(), ctrl.Options{
		Scheme:         scheme,
		NewCache:       NewCache(w.operator),
		MapperProvider: NewMapper,
		Metrics:        metricsserver.Options{BindAddress: "0"},
		Controller:     crconfig.Controller{SkipNameValidation: ptr.To(true)},
		NewClient: func(config *rest.Config, options client.Options) (client.Client, error) {
			c, err := client.New(config, options)
			return lookingClient{c, p.looked}, err
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := Setup(w.t.Context(), p.mgr, Options{Namespace: w.operator, Concurrency: 8}); err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() { p.done <- p.mgr.Start(ctx) }()
	w.t.Cleanup(func() { stop() })
	return p
}

func (p *process) end(t *testing.T) {
	t.Helper()
	p.stop()
	if err := <-p.done; err != nil {
		t.Fatal(err)
	}
}

// await watches until all objects of the list satisfy the condition, and there are as many as wanted.
func (w *world) await(list client.ObjectList, n int, what string, ok func(client.Object) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	watcher, err := newClient(w.t).Watch(ctx, list, client.InNamespace(w.namespace))
	if err != nil {
		w.t.Fatal(err)
	}
	defer watcher.Stop()
	good := map[string]bool{}
	for e := range watcher.ResultChan() {
		o, is := e.Object.(client.Object)
		if !is {
			continue
		}
		good[o.GetName()] = e.Type != watch.Deleted && ok(o)
		if !good[o.GetName()] {
			delete(good, o.GetName())
		}
		if len(good) == n {
			return
		}
	}
	w.t.Fatalf("after %s only %d of %d objects are %s", patience, len(good), n, what)
}

func isReady(o client.Object) bool {
	c := conditions.Get(o.(object), v1alpha1.ReadyCondition)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == o.GetGeneration()
}

func TestARestartOfTheProcessCostsNothing(t *testing.T) {
	const n = 50
	w := newWorld(t, sfstest.WithClock(systemClock{}))
	first := w.startProcess(0)
	for i := range n {
		w.newSfsClient(fmt.Sprintf("shop-%02d", i))
	}
	w.newSfsClientUser("jane", "shop-00")
	w.await(&v1alpha1.SfsClientList{}, n, "Ready", isReady)
	w.await(&v1alpha1.SfsClientUserList{}, 1, "Ready", isReady)
	w.awaitPlatform("counted its clients", hasClients(n, n))
	first.end(t)

	before := w.versionsNow()
	w.sim.ResetCalls()
	second := w.startProcess(n)
	select {
	case <-second.looked.all:
	case <-time.After(patience):
		t.Fatal("the new process has not looked at all clients")
	}
	second.end(t) // lets the passes that have begun end
	for _, call := range w.sim.Calls() {
		t.Errorf("call after the restart: %s %s", call.Endpoint, call.Action)
	}
	after := w.versionsNow()
	if !maps.Equal(before, after) {
		t.Error("the restart wrote to the cluster")
	}
	if n := len(w.sim.Clients()); n != 50 {
		t.Errorf("SFS has %d clients, want 50", n)
	}
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func TestTheProcessReactsToWhatOthersChange(t *testing.T) {
	w := newWorld(t, sfstest.WithClock(systemClock{}))
	p := w.startProcess(0)
	c := w.newSfsClient("shop")
	w.await(&v1alpha1.SfsClientList{}, 1, "Ready", isReady)
	w.reload(c)
	clientKey := c.Status.ClientKey

	w.step("a deleted Secret is back with the same clientKey", func(*testing.T) {
		old := w.secret("shop-sfs")
		w.delete(old)
		w.await(&corev1.SecretList{}, 1, "written anew", func(o client.Object) bool {
			s := o.(*corev1.Secret)
			return s.Name == old.Name && s.UID != old.UID && string(s.Data["clientKey"]) == clientKey
		})
	})
	w.step("an edited Secret is restored", func(*testing.T) {
		update(w, w.secret("shop-sfs"), func(s *corev1.Secret) { s.Data["clientKey"] = []byte("x") })
		w.await(&corev1.SecretList{}, 1, "restored", func(o client.Object) bool {
			s := o.(*corev1.Secret)
			return s.Name == "shop-sfs" && string(s.Data["clientKey"]) == clientKey
		})
	})
	w.step("an edited token is replaced", func(*testing.T) {
		update(w, w.secret("shop-sfs-token"), func(s *corev1.Secret) { s.Data["token"] = []byte("x") })
		w.await(&corev1.SecretList{}, 1, "replaced", func(o client.Object) bool {
			s := o.(*corev1.Secret)
			info, known := w.sim.TokenState(string(s.Data["token"]))
			return s.Name == "shop-sfs-token" && known && info.Alive
		})
	})
	w.step("a user waits for its client", func(*testing.T) {
		w.newSfsClientUser("jane", "late")
		w.await(&v1alpha1.SfsClientUserList{}, 1, "waiting", func(o client.Object) bool {
			ready := conditions.Get(o.(object), v1alpha1.ReadyCondition)
			return ready != nil && ready.Reason == v1alpha1.ClientNotFoundReason
		})
		w.newSfsClient("late")
		w.await(&v1alpha1.SfsClientUserList{}, 1, "Ready", isReady)
	})
	w.step("a namespace that is served again brings clients and users back", func(*testing.T) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
		update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.AllowedNamespaces = selects(w) })
		refused := func(o client.Object) bool {
			ready := conditions.Get(o.(object), v1alpha1.ReadyCondition)
			return ready != nil && ready.Reason == v1alpha1.NamespaceNotAllowedReason
		}
		w.await(&v1alpha1.SfsClientUserList{}, 1, "refused", refused)
		update(w, namespace, func(n *corev1.Namespace) { n.Labels["sfs"] = "yes" })
		w.await(&v1alpha1.SfsClientUserList{}, 1, "Ready", isReady)
		w.await(&v1alpha1.SfsClientList{}, 2, "Ready", isReady)
	})
	w.step("new credentials are taken up", func(*testing.T) {
		fresh := w.sim.RotateCredentials()
		update(w, w.credentials(fresh), func(s *corev1.Secret) { s.Data = map[string][]byte{"apiKey": []byte("x"), "secret": []byte("y")} })
		w.awaitPlatform("noticed", hasCredentials(metav1.ConditionFalse))
		update(w, w.credentials(fresh), func(s *corev1.Secret) { s.Data = w.credentials(fresh).Data })
		w.awaitPlatform("noticed", hasCredentials(metav1.ConditionTrue))
		w.await(&v1alpha1.SfsClientList{}, 2, "well", func(o client.Object) bool {
			ready := conditions.Get(o.(object), v1alpha1.ReadyCondition)
			return ready != nil && ready.Reason == v1alpha1.AvailableReason
		})
	})
	w.step("the cache holds no value of a Secret", func(t *testing.T) {
		var secrets corev1.SecretList
		if err := p.mgr.GetCache().List(t.Context(), &secrets); err != nil {
			t.Fatal(err)
		}
		if len(secrets.Items) < 4 {
			t.Fatalf("the cache holds %d Secrets, want at least 4", len(secrets.Items))
		}
		for _, s := range secrets.Items {
			for key, value := range s.Data {
				if len(value) != 32 || bytes.Contains(value, []byte(sfstest.CanaryPrefix)) {
					t.Errorf("Secret %s: %s is in the cache in the clear", s.Name, key)
				}
			}
			if len(s.ManagedFields) != 0 {
				t.Errorf("Secret %s has managedFields in the cache", s.Name)
			}
		}
	})
	w.step("deletion revokes and ends", func(t *testing.T) {
		_, last := w.tokenOf(c)
		w.delete(c)
		w.awaitGone(c)
		if info, _ := w.sim.TokenState(string(last.Data["token"])); info.Alive {
			t.Error("the token lives after the deletion")
		}
	})
	p.end(t)
	w.step("metrics hold no secret", func(t *testing.T) {
		families, err := metrics.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		if len(families) == 0 {
			t.Fatal("there are no metrics")
		}
		for _, f := range families {
			if bytes.Contains([]byte(f.String()), []byte(sfstest.CanaryPrefix)) {
				t.Errorf("metric %s holds a secret", f.GetName())
			}
		}
	})
}

func TestTheProcessKeepsItsPlatform(t *testing.T) {
	w := newWorld(t, sfstest.WithClock(systemClock{}))
	p := w.startProcess(0)
	c := w.newSfsClient("shop")
	w.await(&v1alpha1.SfsClientList{}, 1, "Ready", isReady)
	w.awaitPlatform("counted its clients", hasClients(1, 1))
	w.step("the next credentials take over when their Secret appears", func(*testing.T) {
		next := func(status metav1.ConditionStatus, active string) func(*v1alpha1.SfsPlatform) bool {
			return func(p *v1alpha1.SfsPlatform) bool {
				return condition(p, v1alpha1.NextCredentialsValidCondition) == string(status) && p.Status.ActiveCredentialsSecretRef.Name == active
			}
		}
		w.nameNext("next")
		w.awaitPlatform("missed the Secret", next(metav1.ConditionFalse, "credentials"))
		w.create(w.pair("next", wrongPair))
		w.awaitPlatform("refused the pair", func(p *v1alpha1.SfsPlatform) bool {
			c := conditions.Get(p, v1alpha1.NextCredentialsValidCondition)
			return c.Reason == v1alpha1.CredentialsInvalidReason
		})
		fresh := w.sim.RotateCredentials()
		update(w, w.pair("next", fresh), func(s *corev1.Secret) { s.Data = w.pair("next", fresh).Data })
		w.awaitPlatform("taken the pair", next(metav1.ConditionTrue, "next"))
	})
	w.step("a pause that a client was asked for stands in the status, and ends", func(*testing.T) {
		w.throttle(1, "2")
		w.renew(c)
		throttled := func(p *v1alpha1.SfsPlatform) bool { return condition(p, v1alpha1.ThrottledCondition) != "" }
		w.awaitPlatform("told of the pause", throttled)
		w.awaitPlatform("told of its end", func(p *v1alpha1.SfsPlatform) bool { return !throttled(p) && p.Status.ThrottledUntil == nil })
	})
	w.step("all is deleted together", func(t *testing.T) {
		w.await(&v1alpha1.SfsClientList{}, 1, "renewed", func(o client.Object) bool {
			return o.(*v1alpha1.SfsClient).Status.LastHandledRenewAt != ""
		})
		w.reload(c)
		_, last := w.tokenOf(c)
		w.delete(w.sfsPlatform())
		w.awaitPlatform("waited", func(p *v1alpha1.SfsPlatform) bool {
			ready := conditions.Get(p, v1alpha1.ReadyCondition)
			return ready != nil && ready.Reason == v1alpha1.DeletingReason
		})
		w.delete(c)
		w.awaitGone(c)
		if info, _ := w.sim.TokenState(string(last.Data[v1alpha1.KeyToken])); info.Alive {
			t.Error("the token lives after the deletion")
		}
	})
	p.end(t)
}

// step runs a part of a test as a test of its own.
func (w *world) step(name string, do func(t *testing.T)) {
	outer := w.t
	defer func() { w.t = outer }()
	outer.(*testing.T).Run(name, func(t *testing.T) {
		w.t = t
		do(t)
	})
}

func (w *world) awaitPlatform(what string, ok func(*v1alpha1.SfsPlatform) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	watcher, err := newClient(w.t).Watch(ctx, &v1alpha1.SfsPlatformList{}, client.MatchingFields{"metadata.name": w.platform})
	if err != nil {
		w.t.Fatal(err)
	}
	defer watcher.Stop()
	for e := range watcher.ResultChan() {
		if p, is := e.Object.(*v1alpha1.SfsPlatform); is && ok(p) {
			return
		}
	}
	w.t.Fatalf("after %s the platform has not %s", patience, what)
}

func hasCredentials(status metav1.ConditionStatus) func(*v1alpha1.SfsPlatform) bool {
	return func(p *v1alpha1.SfsPlatform) bool {
		return condition(p, v1alpha1.CredentialsValidCondition) == string(status)
	}
}

func hasClients(total, ready int32) func(*v1alpha1.SfsPlatform) bool {
	return func(p *v1alpha1.SfsPlatform) bool {
		c := p.Status.Clients
		return c != nil && *c.Total == total && *c.Ready == ready
	}
}

func (w *world) awaitGone(c *v1alpha1.SfsClient) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	watcher, err := newClient(w.t).Watch(ctx, &v1alpha1.SfsClientList{}, &client.ListOptions{
		Namespace: c.Namespace, Raw: &metav1.ListOptions{ResourceVersion: c.ResourceVersion},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer watcher.Stop()
	for e := range watcher.ResultChan() {
		if o, ok := e.Object.(*v1alpha1.SfsClient); ok && e.Type == watch.Deleted && o.UID == c.UID {
			return
		}
	}
	w.t.Fatalf("%s is not gone after %s", c.Name, patience)
}
