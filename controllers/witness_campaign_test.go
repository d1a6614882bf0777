// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// witness sees each version of each object and each step of the clock, and says what must not be at any time.
type witness struct {
	w *world
	*staleViews

	newest map[string]int64         // the highest revision that each Secret of a token has had
	served map[types.UID]bool       // the SfsClients that have had a token
	gaps   map[string]time.Duration // how long each was without one
	// writes is how often the operator wrote each Secret.
	writes map[string]int
}

func newWitness(w *world) *witness {
	return &witness{
		w: w, staleViews: newStaleViews(w), newest: map[string]int64{}, served: map[types.UID]bool{}, gaps: map[string]time.Duration{}, writes: map[string]int{},
	}
}

// saw looks at a version of an object.
func (x *witness) saw(d delivery) {
	switch o := d.after.(type) {
	case *corev1.Secret:
		before, _ := d.before.(*corev1.Secret)
		x.sawSecret(before, o)
	case *v1alpha1.SfsClient:
		if t := o.Status.Token; t != nil && t.Revision > x.newest[t.SecretRef.Name] {
			x.w.t.Errorf("status of %s tells of token %d, but Secret %s has not held more than %d", o.Name, t.Revision, t.SecretRef.Name, x.newest[t.SecretRef.Name])
		}
	}
}

var defaultTokenKeys = []string{
	v1alpha1.KeyToken, v1alpha1.KeyTokenType, v1alpha1.KeyExpiresAt, v1alpha1.KeyIssuedAt, v1alpha1.KeyClientKey, v1alpha1.KeyBaseURL,
}

// sawSecret looks at what the operator wrote: each of its writes counts the revision.
func (x *witness) sawSecret(before, s *corev1.Secret) {
	revision := s.Annotations[v1alpha1.RevisionAnnotation]
	if s.Labels[v1alpha1.OwnerLabel] == "" || s.Annotations[v1alpha1.RevisionAnnotation] == "" ||
		before != nil && before.Annotations[v1alpha1.RevisionAnnotation] == revision {
		return
	}
	x.writes[s.Name]++
	if _, isToken := s.Annotations[v1alpha1.IssuedAtAnnotation]; !isToken {
		x.sawIdentifiers(s)
		return
	}
	n, _ := strconv.ParseInt(revision, 10, 64)
	x.newest[s.Name] = max(x.newest[s.Name], n)
	if _, holds := s.Data[v1alpha1.KeyToken]; !holds && s.Annotations[v1alpha1.TokenHashAnnotation] == withdrawnHash {
		return // nobody wants it any more
	}
	for _, key := range defaultTokenKeys {
		if s.Annotations[v1alpha1.ShapeAnnotation] == "" && len(s.Data[key]) == 0 {
			x.w.t.Errorf("Secret %s was published without %s", s.Name, key)
			return
		}
	}
	info, known := x.w.sim.TokenState(string(s.Data[v1alpha1.KeyToken]))
	switch clientKey := string(s.Data[v1alpha1.KeyClientKey]); {
	case !known || !info.Alive:
		x.w.t.Errorf("Secret %s was published with a token that SFS does not accept: %+v", s.Name, info)
	case info.ClientKey != clientKey:
		x.w.t.Errorf("Secret %s names client %s and holds a token of client %s", s.Name, clientKey, info.ClientKey)
	case !x.isOf(s, clientKey):
		x.w.t.Errorf("Secret %s holds a token of client %s, which is not its owner's", s.Name, clientKey)
	}
}

// isOf says whether the owner of a Secret is bound to this client.
func (x *witness) isOf(s *corev1.Secret, clientKey string) bool {
	for _, o := range x.w.there {
		if c, ok := o.(*v1alpha1.SfsClient); ok && string(c.UID) == s.Labels[v1alpha1.OwnerLabel] {
			return c.Status.ClientKey == "" || c.Status.ClientKey == clientKey
		}
	}
	return true // what is there may not have been read again yet
}

func (x *witness) sawIdentifiers(s *corev1.Secret) {
	clientKey, userKey := string(s.Data[v1alpha1.KeyClientKey]), string(s.Data[v1alpha1.KeyUserKey])
	users := x.w.sim.Users(clientKey)
	isTheirs := slices.ContainsFunc(users, func(u sendforsign.User) bool { return u.UserKey == userKey })
	if clientKey == "" || string(s.Data[v1alpha1.KeyEnvClientKey]) != clientKey || len(s.Data[v1alpha1.KeyBaseURL]) == 0 ||
		string(s.Data[v1alpha1.KeyEnvUserKey]) != userKey || userKey != "" && !isTheirs {
		x.w.t.Errorf("Secret %s was published with the keys of client %q and user %q, of which SFS has %d users", s.Name, clientKey, userKey, len(users))
	}
}

// passing is told of each step of the clock. It counts how long applications are without a token that lives.
func (x *witness) passing(from, to time.Time) {
	for r, o := range x.w.there {
		c, ok := o.(*v1alpha1.SfsClient)
		if !ok || !c.TokenEnabled() || c.IsSuspended() || !c.DeletionTimestamp.IsZero() {
			if ok {
				delete(x.served, c.UID)
			}
			continue
		}
		until := x.lastsUntil(c)
		if until.After(from) {
			x.served[c.UID] = true
		}
		if x.served[c.UID] && until.Before(to) {
			if until.Before(from) {
				until = from
			}
			x.gaps[r.name] += to.Sub(until)
		}
	}
}

// lastsUntil is when the last token dies that an application of a client can read.
func (x *witness) lastsUntil(c *v1alpha1.SfsClient) (last time.Time) {
	for _, o := range x.w.there {
		s, ok := o.(*corev1.Secret)
		if !ok || s.Labels[v1alpha1.OwnerLabel] != string(c.UID) {
			continue
		}
		info, known := x.w.sim.TokenState(string(s.Data[v1alpha1.KeyToken]))
		if known && info.Alive && info.Expires.After(last) {
			last = info.Expires
		}
	}
	return last
}

// staleMode is one way in which the cache falls behind.
type staleMode struct {
	name   string
	passes int
	atMost time.Duration
	// relists says that what was missed is not told one by one: an object that was replaced looks as if it had changed.
	relists bool
	// back is how many deliveries a new process begins behind; 0 is no new process.
	back int
}

var staleModes = []*staleMode{
	{name: "held", passes: 1, atMost: 5 * time.Second},
	{name: "held-long", passes: 4, atMost: 5 * time.Second},
	{name: "merged", passes: 1000, atMost: 30 * time.Second, relists: true},
	{name: "back-1", passes: 3, atMost: 5 * time.Second, back: 1},
	{name: "back-4", passes: 3, atMost: 5 * time.Second, back: 4},
}

func staleModeNamed(name string) *staleMode {
	for _, m := range staleModes {
		if m.name == name {
			return m
		}
	}
	return nil
}

// staleViews counts the deliveries to the cache, and lets the cache fall behind where a plan says so.
type staleViews struct {
	w     *world
	armed bool
	// stale is how the cache falls behind, by the number of the delivery.
	stale      map[int]*staleMode
	deliveries []delivery
}

func newStaleViews(w *world) *staleViews {
	x := &staleViews{w: w, stale: map[int]*staleMode{}}
	w.delivers = x.delivering
	return x
}

// delivering is asked before each delivery. It says whether the operator is another one now.
func (x *staleViews) delivering(d delivery) bool {
	if !x.armed {
		return false
	}
	w := x.w
	x.deliveries = append(x.deliveries, d)
	w.past = append(w.past, maps.Clone(w.cache.objects))
	m := x.stale[len(x.deliveries)]
	w.wire.tell("    delivery %d: %s %s", len(x.deliveries), d, d.ref.name)
	if m == nil {
		return false
	}
	w.wire.tell("    the cache falls behind: %s", m.name)
	kinds := []string{d.ref.kind}
	if m.back > 0 {
		kinds = nil
		for _, k := range watchedKinds {
			kinds = append(kinds, k.name)
		}
		w.restartWith(w.past[max(len(w.past)-m.back, 0)])
	}
	w.fallBehind(m.passes, m.atMost, kinds...)
	w.lag.relists = m.relists
	return m.back > 0
}

func (x *witness) decoys() []*corev1.Secret {
	decoy := func(name string, labels map[string]string) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: x.w.namespace, Name: name, Labels: labels},
			Data:       map[string][]byte{"password": []byte("theirs")},
		}
	}
	return []*corev1.Secret{
		decoy("theirs", nil),
		decoy("theirs-with-our-label", map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedByValue, v1alpha1.OwnerLabel: "nobody"}),
	}
}
