// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/internal/token"
)

// contender is a program that keeps a token in a Secret for each tenant of a namespace.
type contender interface {
	// prepare makes sure that it can be run at all; else it says why not.
	prepare(ctx context.Context) (why string, err error)
	// takes says whether a phase is measured with it, and with how many tenants at most.
	takes(phase string) bool
	size(tenants int) int

	// open makes what it needs beside the tenants, pace has each token replaced at such intervals, start starts its process.
	open(ctx context.Context, p *part) error
	pace(ctx context.Context, p *part) error
	start(ctx context.Context, p *part) (process *localcluster.Process, metrics string, err error)
	// tenant is what there is to be created for one, and keys are where all of them, and what else was made, are in etcd.
	tenant(p *part, i int) client.Object
	keys(p *part) []string
	// unready is how many tenants that have a token are not done yet, by what their resources say.
	unready(ctx context.Context, p *part) (int, error)
	// controller is its name in the metrics of controller-runtime.
	controller() string

	// isToken says whether a Secret is one that holds a token, due when that was to be replaced.
	isToken(secret *corev1.Secret) bool
	due(secret *corev1.Secret, changed time.Time, interval time.Duration) time.Time
}

// contenders by their names.
var contenders = map[string]func(*stage) contender{
	"operator":                 func(st *stage) contender { return &operator{stage: st, times: true} },
	"operator-no-times":        func(st *stage) contender { return &operator{stage: st} },
	"probe-status":             func(st *stage) contender { return &probe{stage: st, status: true} },
	"probe":                    func(st *stage) contender { return &probe{stage: st} },
	"external-secrets":         func(st *stage) contender { return &externalSecrets{stage: st, tuned: true} },
	"external-secrets-default": func(st *stage) contender { return &externalSecrets{stage: st} },
}

// choose returns those who can take part, and says why others do not.
func (st *stage) choose(ctx context.Context) ([]string, error) {
	var taking []string
	for _, name := range st.contenders {
		why, err := contenders[name](st).prepare(ctx)
		if err != nil {
			return nil, err
		}
		if why != "" {
			say("%s is left out: %s", name, why)
			continue
		}
		taking = append(taking, name)
	}
	return taking, nil
}

// annotated is when a token is due that has its times in the annotations of the operator.
func annotated(secret *corev1.Secret) time.Time {
	issued, err1 := time.Parse(time.RFC3339, secret.Annotations[v1alpha1.IssuedAtAnnotation])
	expires, err2 := time.Parse(time.RFC3339, secret.Annotations[v1alpha1.ExpiresAtAnnotation])
	if err1 != nil || err2 != nil || len(secret.OwnerReferences) == 0 {
		return time.Now() // it will be seen that none is late, and that can not be
	}
	return token.Policy{}.RenewalTime(token.Token{Issued: issued, Expires: expires, Owner: string(secret.OwnerReferences[0].UID)})
}

// life is for a token that is to be replaced at such intervals; 0 is not before all is over.
func (p *part) life() (life time.Duration, err error) {
	if p.interval == 0 {
		return 24 * time.Hour, nil
	}
	life, p.interval, err = lifeFor(p.interval)
	return life, err
}
