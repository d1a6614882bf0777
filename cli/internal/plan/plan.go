// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plan says what would come of manifests. It knows nothing by itself: the API server says what they would change in the
// cluster, and the statuses of the operator what there is at SFS.
package plan

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// Action is what would become of a document.
type Action string

// The actions.
const (
	Create  Action = "create"
	Update  Action = "change"
	Nothing Action = "leave"
	Refuse  Action = "refuse"
)

// Step is what would come of one document.
type Step struct {
	Kind, Namespace, Name string
	Action                Action
	// Refusal is what the API server says against it.
	Refusal string
	Changes []Change
	// Effects is what would follow at SFS. Stuck: it would wait until somebody puts right what the effects say.
	Effects []string
	Stuck   bool
}

// Planner tries documents out.
type Planner struct {
	Client client.Client
	// FieldManager is who would apply them.
	FieldManager string
	// Clock tells how old is what the statuses say.
	Clock clock.PassiveClock

	documents []*unstructured.Unstructured
	// tried is what the API server would make of them.
	tried map[id]*unstructured.Unstructured
}

type id struct{ group, kind, namespace, name string }

func idOf(o *unstructured.Unstructured) id {
	return id{o.GroupVersionKind().Group, o.GetKind(), o.GetNamespace(), o.GetName()}
}

// Plan tries the documents out, each by itself: nothing is written.
func (p *Planner) Plan(ctx context.Context, documents []*unstructured.Unstructured) ([]Step, error) {
	p.documents, p.tried = documents, map[id]*unstructured.Unstructured{}
	steps := make([]Step, len(documents))
	lives := make([]*unstructured.Unstructured, len(documents))
	for i, document := range documents {
		step, live, err := p.try(ctx, document)
		if err != nil {
			return nil, err
		}
		steps[i], lives[i] = step, live
	}
	for i, document := range documents {
		if steps[i].Action != Refuse && document.GroupVersionKind().Group == v1alpha1.GroupVersion.Group {
			if err := p.follow(ctx, document, lives[i], &steps[i]); err != nil {
				return nil, err
			}
		}
	}
	return steps, nil
}

// try applies a document without effect.
func (p *Planner) try(ctx context.Context, document *unstructured.Unstructured) (Step, *unstructured.Unstructured, error) {
	step := Step{Kind: document.GetKind(), Namespace: document.GetNamespace(), Name: document.GetName()}
	if step.Name == "" {
		step.Action, step.Refusal = Refuse, "it has no name, and what is applied needs one"
		return step, nil, nil
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(document.GroupVersionKind())
	switch err := p.Client.Get(ctx, client.ObjectKeyFromObject(document), live); {
	case apierrors.IsNotFound(err):
		live = nil
	case apierrors.IsForbidden(err):
		step.Action, step.Refusal = Refuse, err.Error()
		return step, nil, nil
	case err != nil:
		return step, nil, fmt.Errorf("reading the %s %s: %w", step.Kind, step.Name, err)
	}
	planned := document.DeepCopy()
	err := p.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(planned),
		client.DryRunAll, client.ForceOwnership, client.FieldOwner(p.FieldManager))
	switch {
	case err != nil && live == nil && p.bringsNamespace(document) && apierrors.IsNotFound(err):
		step.Action = Create
		step.Effects = append(step.Effects, "It can not be checked before its namespace is there.")
		p.tried[idOf(document)] = document
		return step, nil, nil
	case err != nil:
		step.Action, step.Refusal = Refuse, err.Error()
		return step, live, nil //nolint:nilerr // a refusal is what was asked about
	}
	p.tried[idOf(document)] = planned
	if live == nil {
		step.Action = Create
		return step, nil, nil
	}
	step.Action = Nothing
	if step.Changes = differences(live, planned); len(step.Changes) > 0 {
		step.Action = Update
	}
	return step, live, nil
}

// bringsNamespace says whether the namespace of a document is among the documents.
func (p *Planner) bringsNamespace(document *unstructured.Unstructured) bool {
	for _, other := range p.documents {
		if other.GetKind() == "Namespace" && other.GroupVersionKind().Group == corev1.GroupName && other.GetName() == document.GetNamespace() {
			return true
		}
	}
	return false
}

// get returns what would be there: what a document makes of it, or else what is live; nil where there is none.
func (p *Planner) get(ctx context.Context, group, version, kind, namespace, name string) (*unstructured.Unstructured, error) {
	if planned := p.tried[id{group, kind, namespace, name}]; planned != nil {
		return planned, nil
	}
	live := &unstructured.Unstructured{}
	live.SetAPIVersion(version)
	if group != "" {
		live.SetAPIVersion(group + "/" + version)
	}
	live.SetKind(kind)
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, live)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return live, err
}
