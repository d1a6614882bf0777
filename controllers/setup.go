// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/metrics"
)

// Leader election, and the protection of the metrics server (main.go).
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;create;update,namespace=sfs-system
// +kubebuilder:rbac:groups="",resources=events,verbs=create,namespace=sfs-system
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// Options of the controllers.
type Options struct {
	// Namespace is where the credentials Secrets of the platforms are: the namespace of the operator.
	Namespace string
	// WatchNamespaces are those that NewCache was given: SfsClients and SfsClientUsers of others are left alone. None
	// stands for all.
	WatchNamespaces []string
	// Selector is for the labels of the resources that are served. Nil: all.
	Selector labels.Selector
	// Concurrency is how many SfsClients, and how many SfsClientUsers, are worked on at a time.
	Concurrency int
	// OmitTokenTimes leaves the times of a token to its Secret: a renewal then writes the Secret, and no status.
	OmitTokenTimes bool
	// OAuth are the servers that may be asked for the tokens of OAuthTokens.
	OAuth OAuthServers
	// Transport decorates the connections to SFS and to the providers of OAuthTokens. Nil leaves them as they are.
	Transport func(http.RoundTripper) http.RoundTripper
	// Clock tells the time. Nil is the system's.
	Clock clock.PassiveClock
	// Metrics count what is done. Nil: nobody reads them.
	Metrics *metrics.Metrics
}

// Setup adds the controllers to a manager, whose cache is made by NewCache.
func Setup(ctx context.Context, mgr ctrl.Manager, o Options) error {
	cached, err := CacheOf(mgr)
	if err != nil {
		return err
	}
	if err := addIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	c, live := mgr.GetClient(), mgr.GetAPIReader()
	if len(o.WatchNamespaces) > 0 {
		c, live = watchingClient{c, o.WatchNamespaces}, watchingReader{live, o.WatchNamespaces}
	}
	r := newReconcilers(c, c, live, cached, o)
	recorder := mgr.GetEventRecorder(fieldManager)
	r.platforms.recorder, r.clients.recorder, r.users.recorder, r.oauth.recorder = recorder, recorder, recorder, recorder
	// Those of platforms as well: the verdict of one whose API is slow must not keep the next from its own.
	for _, w := range []watcher{r.share.of(r.platforms), r.share.of(r.clients), r.share.of(r.users), r.share.of(r.oauth)} {
		if err := control(mgr, w, controller.Options{MaxConcurrentReconciles: o.Concurrency}); err != nil {
			return err
		}
	}
	return nil
}

type reconcilers struct {
	platforms *PlatformReconciler
	clients   *ClientReconciler
	users     *UserReconciler
	oauth     *OAuthReconciler
	share     share
}

// newReconcilers wires the parts. secrets serves Secrets without their values, live with them.
func newReconcilers(c client.Client, secrets, live client.Reader, lister clientLister, o Options) reconcilers {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New()
	}
	changed := make(chan event.GenericEvent, 1024)
	sessions := &Sessions{
		cached: secrets, live: live, namespace: o.Namespace, clock: o.Clock, transport: o.Transport, metrics: o.Metrics,
		workers: &workers{size: o.Concurrency},
		open:    map[sessionKey]*session{},
		changed: func(platform string) {
			about := &v1alpha1.SfsPlatform{}
			about.Name = platform
			select {
			case changed <- event.GenericEvent{Object: about}:
			default: // So many wait that this one is among them, or will be asked for again by a client.
			}
		},
	}
	writer := &Secrets{
		cached: secrets, resources: c, live: live, writer: c, clock: o.Clock, metrics: o.Metrics, known: knownSecrets{},
	}
	maker := &creator{clock: o.Clock, unsaved: newMemory[unsavedKey]()}
	tried := newAttempts(o.Clock)
	taken := &claims{by: map[string]ref{}}
	found := newDrift(o.Metrics)
	served := share{selector: o.Selector, reader: c}
	keeper := &tokenKeeper{
		clock: o.Clock, metrics: o.Metrics, secrets: writer, tokens: keptTokens{newMemory[keptToken]()}, probes: newMemory[probing](),
		omitTimes: o.OmitTokenTimes,
	}
	return reconcilers{
		platforms: &PlatformReconciler{
			client: c, lister: lister, clock: o.Clock, sessions: sessions, attempts: tried, drift: found, changed: changed, counted: newMemory[time.Time](),
			namespaces: o.WatchNamespaces, share: served, followed: newMemory[followed](),
		},
		clients: &ClientReconciler{
			client: c, live: live, lister: lister, clock: o.Clock, sessions: sessions, secrets: writer, creator: maker, attempts: tried,
			claims: taken, drift: found, keeper: keeper, restarter: restarter{live: live, secrets: writer}, share: served,
		},
		users: &UserReconciler{
			client: c, lister: lister, clock: o.Clock, sessions: sessions, secrets: writer, creator: maker, attempts: tried,
			claims: taken, drift: found, share: served,
		},
		oauth: &OAuthReconciler{
			client: c, live: live, clock: o.Clock, servers: o.OAuth, secrets: writer, attempts: tried, keeper: keeper,
			restarter: restarter{live: live, secrets: writer},
			sessions: &oauthSessions{
				clock: o.Clock, metrics: o.Metrics, transport: o.Transport, roots: o.OAuth.RootCAs,
				workers: &workers{size: o.Concurrency},
				servers: map[oauthProvider]*oauthServer{}, gates: map[oauthAccount]*usedGate{}, open: map[ref]*oauthSession{},
				at: map[string]*workers{},
			},
			credentials: newMemory[oauthCredentials](), states: refreshStates{newMemory[refreshState]()}, accounts: newMemory[string](),
		},
		share: served,
	}
}
