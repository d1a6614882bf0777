// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/internal/token"
)

// Collector exports the conditions and the tokens of the resources, as the cache has them when it is asked. So a series ends
// with its resource, and each replica of the operator exports all of them.
type Collector struct {
	cache       exported
	perResource bool

	condition, issued, renewal, expiration, orphans *prometheus.Desc
}

// exported is what is exported: a *Cache.
type exported interface {
	client.Reader
	clientLister
}

// NewCollector returns a Collector. With perResource there is a series for each condition and each token. Without, the same
// metrics have one for each set of resources that differ in name only: the number of conditions, and the earliest time.
func NewCollector(cache exported, perResource bool) *Collector {
	described := func(name, help string, ofAll []string, ofOne ...string) *prometheus.Desc {
		if perResource {
			ofAll = append(ofAll, ofOne...)
		}
		return prometheus.NewDesc(metrics.Prefix+name, help, ofAll, nil)
	}
	return &Collector{
		cache: cache, perResource: perResource,
		condition: described("condition", "How many resources have this condition; with the name of the resource 1.",
			[]string{"kind", "type", "status", "reason"}, "namespace", "name"),
		issued: described("token_issued_timestamp_seconds", "When the token of an SfsClient or OAuthToken was issued; without the name of the resource the earliest.",
			[]string{"kind", "platform"}, "namespace", "name"),
		renewal: described("token_renewal_timestamp_seconds", "When the token of an SfsClient or OAuthToken is to be renewed; without the name of the resource the earliest.",
			[]string{"kind", "platform"}, "namespace", "name"),
		expiration: described("token_expiration_timestamp_seconds", "When the token of an SfsClient or OAuthToken expires; without the name of the resource the earliest.",
			[]string{"kind", "platform"}, "namespace", "name"),
		orphans: described("orphans", "Clients at SFS that an SfsClient of the platform would get back and that have none.", []string{"platform"}),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.condition, c.issued, c.renewal, c.expiration, c.orphans} {
		to <- d
	}
}

// scrapePatience is how long a cache that is not filled yet is waited for.
const scrapePatience = time.Second

// Collect implements prometheus.Collector.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	s := scrape{Collector: c, to: to, conditions: map[[4]string]int{}, first: map[[2]string]tokenTimes{}}
	if err := s.resources(ctx); err != nil {
		// The other metrics are not held back, and these are missed where they are looked for.
		log.Log.Info("Resources could not be read for the metrics", "error", err.Error())
		return
	}
	s.aggregates()
}

// scrape is one look at all resources.
type scrape struct {
	*Collector
	to chan<- prometheus.Metric

	conditions map[[4]string]int
	first      map[[2]string]tokenTimes // by kind and platform
}

func (s *scrape) resources(ctx context.Context) error {
	var platforms v1alpha1.SfsPlatformList
	var users v1alpha1.SfsClientUserList
	var others v1alpha1.OAuthTokenList
	clients, err := s.cache.allClients()
	if err != nil {
		return err
	}
	for _, list := range []client.ObjectList{&platforms, &users, &others} {
		if err := s.cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return fmt.Errorf("listing: %w", err)
		}
	}
	byName := map[string]*v1alpha1.SfsPlatform{}
	for i := range platforms.Items {
		p := &platforms.Items[i]
		byName[p.Name] = p
		s.conditionsOf(platformKind, p)
		if known := p.Status.Orphans; known != nil {
			s.gauge(s.orphans, float64(*known.Count), p.Name)
		}
	}
	for _, c := range clients {
		s.conditionsOf(clientKind, c)
		if !c.TokenEnabled() || c.IsSuspended() {
			continue // there are no times of a token that is left to expire
		}
		who, platform := ref{kind: clientKind, namespace: c.Namespace, name: c.Name}, c.Spec.PlatformRef.Name
		err := s.token(ctx, who, c.UID, publishedIn(c.Status.Token, c.TokenSecretName()), renewalPolicy(byName[platform], c), platform)
		if err != nil {
			return err
		}
	}
	for i := range users.Items {
		s.conditionsOf(userKind, &users.Items[i])
	}
	for i := range others.Items {
		o := &others.Items[i]
		s.conditionsOf(oauthKind, o)
		if o.IsSuspended() {
			continue
		}
		who := ref{kind: oauthKind, namespace: o.Namespace, name: o.Name}
		if err := s.token(ctx, who, o.UID, publishedIn(o.Status.Token, o.TokenSecretName()), oauthPolicy(o), ""); err != nil {
			return err
		}
	}
	return nil
}

func (s *scrape) conditionsOf(kind string, o object) {
	all := *o.GetConditions()
	if conditions.Get(o, v1alpha1.ReadyCondition) == nil {
		// Nobody has looked at it: it is new, or no process selects it, which must not go unnoticed.
		all = append(slices.Clone(all), metav1.Condition{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionUnknown})
	}
	for _, c := range all {
		labels := [4]string{kind, c.Type, string(c.Status), c.Reason}
		if s.perResource {
			s.gauge(s.condition, 1, append(labels[:], o.GetNamespace(), o.GetName())...)
			continue
		}
		s.conditions[labels]++
	}
}

// tokenTimes are those of a token.
type tokenTimes struct{ issued, renewal, expiration time.Time }

// token exports the times of the token in the Secret, which outlive a lost status. An OAuthToken has no platform.
func (s *scrape) token(ctx context.Context, who ref, owner types.UID, secret string, policy token.Policy, platform string) error {
	var in corev1.Secret
	if err := s.cache.Get(ctx, client.ObjectKey{Namespace: who.namespace, Name: secret}, &in, client.UnsafeDisableDeepCopy); err != nil {
		return client.IgnoreNotFound(err)
	}
	held := seen(&in, who, owner).token(owner)
	if held == nil {
		return nil
	}
	found := tokenTimes{held.Issued, policy.RenewalTime(*held), held.Expires}
	if s.perResource {
		s.times(found, who.kind, platform, who.namespace, who.name)
		return nil
	}
	of := [2]string{who.kind, platform}
	first, known := s.first[of]
	if !known {
		first = found
	}
	s.first[of] = tokenTimes{
		earlier(first.issued, found.issued), earlier(first.renewal, found.renewal), earlier(first.expiration, found.expiration),
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (s *scrape) aggregates() {
	for labels, n := range s.conditions {
		s.gauge(s.condition, float64(n), labels[:]...)
	}
	for of, first := range s.first {
		s.times(first, of[:]...)
	}
}

func (s *scrape) times(t tokenTimes, labels ...string) {
	s.gauge(s.issued, unixSeconds(t.issued), labels...)
	s.gauge(s.renewal, unixSeconds(t.renewal), labels...)
	s.gauge(s.expiration, unixSeconds(t.expiration), labels...)
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func (s *scrape) gauge(d *prometheus.Desc, value float64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}
