// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
)

// Indexes of the cache.
const (
	clientIndex      = "spec.clientRef.name"
	credentialsIndex = "credentials" // names of the Secrets, of the present pair and the next

	secretIndex = "secret" // of a resource: the names of its Secrets that its spec names
	ownerIndex  = "owner"  // of a Secret whose name does not tell: the UID of its resource

	// These serve to find rivals, also at the API server: the CRD lets it select by them. The cache has bucketIndex for the first.
	clientKeyIndex   = "status.clientKey"
	namedClientIndex = "spec.clientKey"
	namedCustomIndex = "spec.customKey"
)

var namespaceKind = corev1.SchemeGroupVersion.WithKind("Namespace")

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, index := range []struct {
		object client.Object
		field  string
		value  client.IndexerFunc
	}{
		{&v1alpha1.SfsClient{}, namedClientIndex, func(o client.Object) []string { return present(o.(*v1alpha1.SfsClient).Spec.ClientKey) }},
		{&v1alpha1.SfsClient{}, namedCustomIndex, func(o client.Object) []string { return present(o.(*v1alpha1.SfsClient).Spec.CustomKey) }},
		{&v1alpha1.SfsClientUser{}, clientIndex, func(o client.Object) []string {
			return []string{o.(*v1alpha1.SfsClientUser).Spec.ClientRef.Name}
		}},
		{&v1alpha1.SfsClient{}, secretIndex, namedSecrets},
		{&v1alpha1.SfsClientUser{}, secretIndex, namedSecrets},
		{&v1alpha1.OAuthToken{}, secretIndex, namedSecrets},
		{&corev1.Secret{}, ownerIndex, oddlyNamed},
		{&v1alpha1.SfsPlatform{}, credentialsIndex, func(o client.Object) []string {
			return credentialSecrets(o.(*v1alpha1.SfsPlatform))
		}},
	} {
		if err := indexer.IndexField(ctx, index.object, index.field, index.value); err != nil {
			return err
		}
	}
	return nil
}

func present(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// watched is a kind of object whose changes bring resources back.
type watched struct {
	object client.Object
	// requests returns what is to be looked at when an object has changed.
	requests handler.MapFunc
	changes  predicate.Predicate
}

// watcher is a controller, seen from its watches. The tests drive the reconcilers through the same table as the manager.
type watcher interface {
	reconcile.Reconciler
	// watches returns what brings resources back, their own kind first.
	watches() []watched
	// urgency is that of a resource of its own kind, when a watch shows it.
	urgency(context.Context, client.Object) int
	// signals is where the operator itself brings resources back; nil where it does not.
	signals() <-chan event.GenericEvent
	// lookOn is done in the place of Reconcile for a resource that another process serves. It forgets what this process knows
	// of it, and does only what each process has to do for what it serves itself. It writes nothing, neither here nor at SFS,
	// but for a refresh token of which it has the only copy.
	lookOn(context.Context, client.Object) (ctrl.Result, error)
	// looksOn says whether that is to be done whenever such a resource changes, and not only when it ceases to be served.
	looksOn() bool
}

// control adds a controller to a manager.
func control(mgr ctrl.Manager, w watcher, o controller.Options) error {
	o.RateLimiter = rateLimiter()
	o.UsePriorityQueue = ptr.To(true) // byUrgency needs it, whatever is the default of the manager
	table := w.watches()
	kind, err := apiutil.GVKForObject(table[0].object, mgr.GetScheme())
	if err != nil {
		return err
	}
	name := strings.ToLower(kind.Kind)
	logger := mgr.GetLogger().WithValues("controller", name, "controllerGroup", kind.Group, "controllerKind", kind.Kind)
	o.LogConstructor = func(r *reconcile.Request) logr.Logger {
		if r == nil {
			return logger
		}
		return logger.WithValues(kind.Kind, klog.KRef(r.Namespace, r.Name), "namespace", r.Namespace, "name", r.Name) //nolint:logcheck // as controller-runtime has it
	}
	// For would enter its own kind into the queue without regard to what is urgent.
	b := ctrl.NewControllerManagedBy(mgr).Named(name).WithOptions(o).
		Watches(table[0].object, byUrgency(w.urgency), builder.WithPredicates(table[0].changes))
	for _, other := range table[1:] {
		if _, metadata := other.object.(*metav1.PartialObjectMetadata); metadata {
			b = b.WatchesMetadata(other.object, handler.EnqueueRequestsFromMapFunc(other.requests), builder.WithPredicates(other.changes))
			continue
		}
		b = b.Watches(other.object, handler.EnqueueRequestsFromMapFunc(other.requests), builder.WithPredicates(other.changes))
	}
	if signals := w.signals(); signals != nil {
		b = b.WatchesRawSource(source.Channel(signals, &handler.EnqueueRequestForObject{}))
	}
	return b.Complete(w)
}

// itself is for the kind that a controller is there for.
func itself(_ context.Context, o client.Object) []ctrl.Request {
	return []ctrl.Request{{NamespacedName: client.ObjectKeyFromObject(o)}}
}

// ownersIn returns the resources of a kind that a Secret belongs to, or would if it were not another's.
func ownersIn(ctx context.Context, c client.Reader, kind string, o client.Object) []ctrl.Request {
	var requests []ctrl.Request
	naming, err := namingSecret(ctx, c, kind, o.GetNamespace(), o.GetName())
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing what depends on a changed Secret") // as in requestsFor
	}
	for _, one := range naming {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(one)})
	}
	owner := metav1.GetControllerOf(o)
	if owner != nil && owner.Kind == kind && owner.APIVersion == v1alpha1.GroupVersion.String() {
		requests = append(requests, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: owner.Name}})
	}
	return requests
}

// requestsFor lists what has to be looked at. It reads the cache, so it fails only before the cache has begun; then the
// first list brings all resources anyway.
func requestsFor(ctx context.Context, c client.Reader, list client.ObjectList, options ...client.ListOption) []ctrl.Request {
	if err := c.List(ctx, list, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		log.FromContext(ctx).Error(err, "Listing what depends on a changed object")
		return nil
	}
	var requests []ctrl.Request
	_ = meta.EachListItem(list, func(o runtime.Object) error {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(o.(client.Object))})
		return nil
	})
	return requests
}

// requestsOf are for SfsClients that have to be looked at.
func requestsOf(clients []*v1alpha1.SfsClient) []ctrl.Request {
	requests := make([]ctrl.Request, len(clients))
	for i, c := range clients {
		requests[i] = ctrl.Request{NamespacedName: client.ObjectKeyFromObject(c)}
	}
	return requests
}

// rateLimiter paces the retries after failures of the Kubernetes API. The default goes up to 1000 s, which is longer than
// a token has left when it is due.
func rateLimiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](100*time.Millisecond, 30*time.Second)
}

// wantsAttention lets a change of what the user wants through, and of the status no more than another outcome of Ready. The
// operator wrote that itself, but a pass since then may have seen an older state in a cache that was behind, and have found
// nothing to write: what an application waits for would stay untrue.
func wantsAttention() predicate.Predicate {
	return predicate.Or(predicate.GenerationChangedPredicate{}, updated(func(before, after client.Object) bool {
		if outcome(before, v1alpha1.ReadyCondition) != outcome(after, v1alpha1.ReadyCondition) {
			return true
		}
		for _, name := range []string{
			v1alpha1.ReconcileRequestedAtAnnotation, v1alpha1.RenewRequestedAtAnnotation,
			v1alpha1.RevokeRequestedAtAnnotation, v1alpha1.PausedAnnotation,
		} {
			if before.GetAnnotations()[name] != after.GetAnnotations()[name] {
				return true
			}
		}
		return false
	}))
}

// changedByOthers lets no write of a Secret by the operator through: each of those counts the revision up, and leaves the
// Secret as the operator wants it. But for one that gives the Secret an owner: a finalizer may not be needed any more.
func changedByOthers() predicate.Predicate {
	p := updated(func(before, after client.Object) bool {
		if metav1.GetControllerOf(before) == nil && metav1.GetControllerOf(after) != nil {
			return true
		}
		was, is := seen(before.(*corev1.Secret), ref{}, ""), seen(after.(*corev1.Secret), ref{}, "")
		// A watch that was interrupted may show in one step what the operator wrote and what somebody did to it after that.
		return is.revision <= was.revision || !is.intact()
	})
	// The resource itself has been looked at when its Secret appears: it made it, or is in the first list as well.
	p.CreateFunc = func(event.CreateEvent) bool { return false }
	return p
}

// platformChanged lets through what may let a client go on, or makes it say something else.
func platformChanged() predicate.Predicate {
	return predicate.Or(predicate.GenerationChangedPredicate{}, updated(func(before, after client.Object) bool {
		if before.GetAnnotations()[v1alpha1.RevokeRequestedAtAnnotation] != after.GetAnnotations()[v1alpha1.RevokeRequestedAtAnnotation] {
			return true
		}
		return outcome(before, v1alpha1.CredentialsValidCondition) != outcome(after, v1alpha1.CredentialsValidCondition) ||
			before.(*v1alpha1.SfsPlatform).Status.CredentialsRevision != after.(*v1alpha1.SfsPlatform).Status.CredentialsRevision
	}))
}

// outcome is the status and the reason of a condition.
func outcome(o client.Object, conditionType string) [2]string {
	if c := conditions.Get(o.(object), conditionType); c != nil {
		return [2]string{string(c.Status), c.Reason}
	}
	return [2]string{}
}

// useChanged lets through what the platform of a client counts, or what may let it go.
func useChanged() predicate.Predicate {
	return updated(func(before, after client.Object) bool {
		was, is := before.(*v1alpha1.SfsClient), after.(*v1alpha1.SfsClient)
		return conditions.IsTrue(was, v1alpha1.ReadyCondition) != conditions.IsTrue(is, v1alpha1.ReadyCondition) ||
			holdsToken(was) != holdsToken(is)
	})
}

func clientKeyChanged() predicate.Predicate {
	return updated(func(before, after client.Object) bool {
		was, is := before.(*v1alpha1.SfsClient), after.(*v1alpha1.SfsClient)
		return was.Status.ClientKey != is.Status.ClientKey || was.Status.DefaultUserKey != is.Status.DefaultUserKey ||
			isRefused(was) != isRefused(is)
	})
}

// isRefused says whether an SfsClient may not have its client: then its users may not either.
func isRefused(c *v1alpha1.SfsClient) bool {
	synced := conditions.Get(c, v1alpha1.SyncedCondition)
	return synced != nil && (synced.Reason == v1alpha1.ClientTakenReason || synced.Reason == v1alpha1.AdoptionNotAllowedReason)
}

// rivalChanged lets through what may let another SfsClient go on, or stop it.
func rivalChanged() predicate.Predicate {
	p := updated(func(before, after client.Object) bool {
		return before.(*v1alpha1.SfsClient).Status.ClientKey != after.(*v1alpha1.SfsClient).Status.ClientKey ||
			before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero() ||
			holdsToken(before.(*v1alpha1.SfsClient)) != holdsToken(after.(*v1alpha1.SfsClient))
	})
	p.CreateFunc = func(event.CreateEvent) bool { return false } // it has a pass of its own, which finds its rivals
	return p
}

// siblingChanged lets through what may let another SfsClientUser of the same client go on, or stop it: that one goes, or has
// got a user that several may name.
func siblingChanged() predicate.Predicate {
	p := updated(func(before, after client.Object) bool {
		was, is := before.(*v1alpha1.SfsClientUser), after.(*v1alpha1.SfsClientUser)
		return was.Status.UserKey != is.Status.UserKey && (is.Spec.Default || is.Spec.UserKey != "" || is.Spec.CustomKey != "")
	})
	p.CreateFunc = func(event.CreateEvent) bool { return false }
	return p
}

func userKeyChanged() predicate.Predicate {
	return updated(func(before, after client.Object) bool {
		return before.(*v1alpha1.SfsClientUser).Status.UserKey != after.(*v1alpha1.SfsClientUser).Status.UserKey
	})
}

func labelsChanged() predicate.Predicate {
	return updated(func(before, after client.Object) bool { return !maps.Equal(before.GetLabels(), after.GetLabels()) })
}

// updated lets all but some updates through. A watch that was interrupted shows an object that took the place of another
// one as an update, and then nothing is as it was.
func updated(relevant func(before, after client.Object) bool) predicate.Funcs {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetUID() != e.ObjectNew.GetUID() || relevant(e.ObjectOld, e.ObjectNew)
	}}
}
