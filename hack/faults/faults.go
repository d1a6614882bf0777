// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package faults stages failures around a running operator, each as it happens in real life, and knows by what each of them
// is to be told: the rehearsal of `make demo FAULT=wrong-key`, and the test that each of them can be told.
package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// Fault is something that goes wrong.
type Fault struct {
	Name string
	// Summary is what has happened, in a line.
	Summary string
	// Sign is by what it is to be told.
	Sign Sign
	// Limit is within what time it shows, on a machine that is busy.
	Limit time.Duration

	stage func(context.Context, Scene) (*Staged, error)
}

// Sign is by what a fault is to be told. One that an application alone can tell has none.
type Sign struct {
	// Condition of the resource that Staged names. Its reason is also that of the event.
	Type   string
	Status metav1.ConditionStatus
	Reason string
	// Series has a value above zero, beside the one of the condition. Empty: there is no other.
	Series Series
	// Alert is the one that fires if it lasts.
	Alert string
}

// Series is one of the metrics of the operator.
type Series struct {
	Metric string
	// Labels that it has, among others.
	Labels map[string]string
	// Grows says that it goes on to grow for as long as the fault lasts.
	Grows bool
}

// Scene is where a fault is staged.
type Scene struct {
	// Client is that of an administrator of the cluster.
	Client client.Client
	// Simulator is the Sendforsign of the SfsPlatform.
	Simulator *sfstest.Server
	// Platform is the name of an SfsPlatform that is Ready. It serves the namespaces Namespace and Other.
	Platform, Namespace, Other string
	// Tenant is the name of an SfsClient in Namespace that is Ready.
	Tenant string
}

// Resource is one of the operator.
type Resource interface {
	client.Object
	conditions.Setter
}

// Staged is a fault that has been staged. It has to be stopped.
type Staged struct {
	Fault Fault
	// Done is what was done, for a person who is to find out what is wrong.
	Done []string
	// Resource is the one that tells, and Says what its message must name: what is wrong, and where.
	Resource Resource
	Says     []string
	// Consumer is the application that tells; nil where the status does.
	Consumer *Consumer

	client client.Client
	cure   func(context.Context) error
	// beside is what goes on beside the operator: who keeps the fault up, or the application. It may be nil.
	beside *activity
}

// All returns the faults, in the order of the documentation.
func All() []Fault { return slices.Clone(table) }

// Find returns a fault by its name. Its error lists the names.
func Find(name string) (Fault, error) {
	for _, f := range table {
		if f.Name == name {
			return f, nil
		}
	}
	var b strings.Builder
	for _, f := range table {
		fmt.Fprintf(&b, "\n  %-16s  %s", f.Name, f.Summary)
	}
	return Fault{}, fmt.Errorf("there is no fault %q; there are:%s", name, b.String())
}

// Stage brings the fault about. What keeps it up goes on until the context is done, or until Stop.
func (f Fault) Stage(ctx context.Context, scene Scene) (*Staged, error) {
	staged, err := f.stage(ctx, scene)
	if err != nil {
		return nil, fmt.Errorf("staging %s: %w", f.Name, err)
	}
	staged.Fault, staged.client = f, scene.Client
	return staged, nil
}

// Missing says what is missing until the fault shows; nothing: it does.
func (s *Staged) Missing(ctx context.Context) (string, error) {
	if err := s.beside.failure(); err != nil {
		return "", err
	}
	if s.Consumer != nil {
		return s.Consumer.missingRefusal(), nil
	}
	if err := s.client.Get(ctx, client.ObjectKeyFromObject(s.Resource), s.Resource); err != nil {
		return "", fmt.Errorf("reading what tells of %s: %w", s.Fault.Name, err)
	}
	want := s.Fault.Sign
	have := conditions.Get(s.Resource, want.Type)
	if have == nil || have.Status != want.Status || have.Reason != want.Reason {
		return fmt.Sprintf("%s is not %s with the reason %s, but %+v", want.Type, want.Status, want.Reason, have), nil
	}
	for _, word := range s.Says {
		if !strings.Contains(have.Message, word) {
			return fmt.Sprintf("the message of %s does not say %q: %s", want.Type, word, have.Message), nil
		}
	}
	return "", nil
}

// Cure does what a person does who has found out. An application goes on.
func (s *Staged) Cure(ctx context.Context) error {
	if s.Consumer == nil {
		s.Stop()
	}
	if err := s.cure(ctx); err != nil {
		return fmt.Errorf("curing %s: %w", s.Fault.Name, err)
	}
	return nil
}

// MissingHealth says what is missing until all is well again; nothing: it is.
func (s *Staged) MissingHealth(ctx context.Context) (string, error) {
	if s.Consumer != nil {
		return s.Consumer.missingSuccess(), nil
	}
	if err := s.client.Get(ctx, client.ObjectKeyFromObject(s.Resource), s.Resource); err != nil {
		return "", fmt.Errorf("reading what has told of %s: %w", s.Fault.Name, err)
	}
	have := conditions.Get(s.Resource, v1alpha1.ReadyCondition)
	if have == nil || have.Status != metav1.ConditionTrue || have.Reason != v1alpha1.AvailableReason {
		return fmt.Sprintf("it is not Ready, but %+v", have), nil
	}
	return "", nil
}

// Stop ends what goes on beside the operator. Nothing is cured by that.
func (s *Staged) Stop() { s.beside.stop() }

// activity is what somebody does until it is stopped.
type activity struct {
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // to be read after ended is closed
}

func begin(ctx context.Context, work func(context.Context) error) *activity {
	ctx, cancel := context.WithCancel(ctx)
	a := &activity{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		if err := work(ctx); ctx.Err() == nil {
			a.err = err
		}
	}()
	return a
}

func (a *activity) stop() {
	if a != nil {
		a.cancel()
		<-a.ended
	}
}

func (a *activity) failure() error {
	if a == nil {
		return nil
	}
	select {
	case <-a.ended:
		return a.err
	default:
		return nil
	}
}

// every does something in each interval, until it fails or the context is done.
func every(ctx context.Context, interval time.Duration, do func(context.Context) error) error {
	return wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) { return false, do(ctx) })
}
