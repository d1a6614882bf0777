// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// At most one resource stands for an object at SFS: the one that has it already, and of several that name it the oldest. The
// others are refused, whichever of them the operator looks at first.

// claims keeps two passes of this process from binding the same object at the same time: each would find the other not
// bound yet.
type claims struct {
	mu sync.Mutex
	by map[string]ref
}

const claimed = time.Second

// take claims a key until release, or returns a deferral while another resource has it.
func (c *claims) take(key string, who ref) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if by, taken := c.by[key]; taken && by != who {
		return deferred{after: claimed}
	}
	c.by[key] = who
	return nil
}

func (c *claims) release(who ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, by := range c.by {
		if by == who {
			delete(c.by, key)
		}
	}
}

// guard refuses the client with this key and customKey, or without a key a new one, to an SfsClient that has a rival.
func (r *ClientReconciler) guard(ctx context.Context, p *clientPass, clientKey, customKey string) error {
	for kind, key := range map[string]string{"clientKey": clientKey, "customKey": customKey} {
		if key == "" {
			continue
		}
		if err := r.claims.take(kind+" "+key, p.ref); err != nil {
			return err
		}
	}
	rivals, err := r.rivals(ctx, p, clientKey, customKey)
	if err != nil {
		return err
	}
	return mustYield(p.client, clientKey, rivals)
}

// rivals returns the other SfsClients that name or hold the same client, and may. Only those that name one can have rivals
// that the cache does not show yet, and are rare: so these are looked for at the API server.
func (r *ClientReconciler) rivals(ctx context.Context, p *clientPass, clientKey, customKey string) ([]*v1alpha1.SfsClient, error) {
	find := r.cachedBy
	if p.client.NamesItsClient() {
		find = r.liveBy
	}
	var rivals []*v1alpha1.SfsClient
	for _, by := range []mark{{clientKeyIndex, clientKey}, {namedClientIndex, clientKey}, {namedCustomIndex, customKey}} {
		found, err := find(ctx, by)
		if err != nil {
			return nil, fmt.Errorf("looking for other SfsClients by %s: %w", by.field, err)
		}
		for _, other := range found {
			// A customKey says nothing beyond its account; that two platforms have the same one shows by the clientKey.
			same := other.Spec.PlatformRef.Name == p.platform.Name || by.field != namedCustomIndex && sameAccount(ctx, r.client, p.platform, other)
			if same && other.UID != p.client.UID && mayHave(ctx, r.client, other) {
				rivals = append(rivals, other)
			}
		}
	}
	oldestFirst(rivals)
	return rivals, nil
}

// mark is a field and its value, which no two SfsClients should share. Without a value there is none.
type mark struct{ field, value string }

// cachedBy returns the SfsClients of which the cache shows that they have a mark. They are only to be looked at.
func (r *ClientReconciler) cachedBy(ctx context.Context, by mark) ([]*v1alpha1.SfsClient, error) {
	switch {
	case by.value == "":
		return nil, nil
	case by.field == clientKeyIndex:
		return havingClient(r.lister, by.value), nil
	}
	var found v1alpha1.SfsClientList
	err := r.client.List(ctx, &found, client.MatchingFields{by.field: by.value}, client.UnsafeDisableDeepCopy)
	return pointers(found.Items), err
}

// liveBy asks the API server for them.
func (r *ClientReconciler) liveBy(ctx context.Context, by mark) ([]*v1alpha1.SfsClient, error) {
	if by.value == "" {
		return nil, nil
	}
	var found v1alpha1.SfsClientList
	err := r.live.List(ctx, &found, client.MatchingFields{by.field: by.value})
	return pointers(found.Items), err
}

func pointers(clients []v1alpha1.SfsClient) []*v1alpha1.SfsClient {
	all := make([]*v1alpha1.SfsClient, len(clients))
	for i := range clients {
		all[i] = &clients[i]
	}
	return all
}

// sameAccount says whether a rival may mean the same account: the keys of a test account may be a copy of those of another.
func sameAccount(ctx context.Context, c client.Reader, platform *v1alpha1.SfsPlatform, other *v1alpha1.SfsClient) bool {
	if other.Spec.PlatformRef.Name == platform.Name {
		return true
	}
	var its v1alpha1.SfsPlatform
	if err := c.Get(ctx, client.ObjectKey{Name: other.Spec.PlatformRef.Name}, &its, client.UnsafeDisableDeepCopy); err != nil {
		return true // nothing is known that would tell them apart
	}
	return baseURL(&its) == baseURL(platform)
}

// mayHave says whether a rival may have what it names or holds: who has lost the right keeps it from nobody.
func mayHave(ctx context.Context, c client.Reader, rival *v1alpha1.SfsClient) bool {
	platform, err := platformFor(ctx, c, rival.Namespace, rival.Spec.PlatformRef.Name)
	return err == nil && mayName(ctx, c, platform, rival) == nil
}

// mustYield returns the problem that the client belongs to a rival, if it does: to one that has it, and else to an older one
// that names it as well. Nobody can name what another has by the name of its resource, so there a name is no claim.
func mustYield(c *v1alpha1.SfsClient, clientKey string, rivals []*v1alpha1.SfsClient) error {
	for _, rival := range rivals {
		holds := clientKey != "" && rival.Status.ClientKey == clientKey
		names := c.NamesItsClient() && (rival.Status.ClientKey == "" || holds)
		switch deleting := !rival.DeletionTimestamp.IsZero(); {
		case deleting && holds && holdsToken(rival):
			// What its deletion still does to the client, for a minute at most, must not hit its successor.
			return &problem{
				reason:  v1alpha1.ProgressingReason,
				message: fmt.Sprintf("SfsClient %s, which stands for the same client at SFS, is being deleted", client.ObjectKeyFromObject(rival)),
				pace:    waits,
			}
		case !deleting && (holds || names && isOlder(rival, c)):
			return taken("client", "SfsClient "+client.ObjectKeyFromObject(rival).String())
		}
	}
	return nil
}

func taken(what, by string) error {
	return &problem{
		reason:  v1alpha1.ClientTakenReason,
		message: fmt.Sprintf("the %s at SFS belongs to %s, which is older or had it before", what, by),
		pace:    waits,
	}
}

// holdsAlone refuses an SfsClient that has a client which an older one has as well. It can come to that where two processes
// bound it at the same time.
func holdsAlone(ctx context.Context, c client.Reader, l clientLister, platform *v1alpha1.SfsPlatform, who *v1alpha1.SfsClient) error {
	for _, other := range holders(ctx, c, l, platform, who) {
		if other.DeletionTimestamp.IsZero() && isOlder(other, who) {
			return taken("client", "SfsClient "+client.ObjectKeyFromObject(other).String())
		}
	}
	return nil
}

// holders returns the other SfsClients that have the same client, and may.
func holders(
	ctx context.Context, c client.Reader, l clientLister, platform *v1alpha1.SfsPlatform, who *v1alpha1.SfsClient,
) []*v1alpha1.SfsClient {
	others := slices.DeleteFunc(havingClient(l, who.Status.ClientKey), func(other *v1alpha1.SfsClient) bool {
		return other.UID == who.UID || !sameAccount(ctx, c, platform, other) || !mayHave(ctx, c, other)
	})
	oldestFirst(others)
	return others
}

// oldestFirst has the same one named each time.
func oldestFirst(clients []*v1alpha1.SfsClient) {
	slices.SortFunc(clients, func(a, b *v1alpha1.SfsClient) int {
		if isOlder(a, b) {
			return -1
		}
		return 1
	})
}

// isOlder of two resources says always the same of the same two.
func isOlder(a, b client.Object) bool {
	if created := a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time); created != 0 {
		return created < 0
	}
	return client.ObjectKeyFromObject(a).String() < client.ObjectKeyFromObject(b).String()
}

// rivalsOf are the other SfsClients that a change of one lets go on, or stops.
func (r *ClientReconciler) rivalsOf(ctx context.Context, o client.Object) []ctrl.Request {
	c, ok := o.(*v1alpha1.SfsClient)
	if !ok {
		return nil
	}
	var requests []ctrl.Request
	for _, by := range []mark{
		{clientKeyIndex, c.Status.ClientKey}, {namedClientIndex, c.Status.ClientKey}, {namedCustomIndex, c.Status.CustomKey},
		{clientKeyIndex, c.Spec.ClientKey}, {namedClientIndex, c.Spec.ClientKey}, {namedCustomIndex, c.Spec.CustomKey},
	} {
		found, err := r.cachedBy(ctx, by)
		if err != nil {
			log.FromContext(ctx).Error(err, "Looking for other SfsClients", "field", by.field)
		}
		for _, other := range found {
			if other.UID != c.UID {
				requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(other)})
			}
		}
	}
	return requests
}
