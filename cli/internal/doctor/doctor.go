// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package doctor looks for what is wrong with an installation of the operator, and with how its Secrets are used.
package doctor

import (
	"context"
	"fmt"
	"net/http"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Level is how bad it is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Problem Level = "problem"
	// Unknown: the user may not look.
	Unknown Level = "unknown"
)

// Finding is what a check has found.
type Finding struct {
	Level Level
	Check string
	// Text is what was found, Do what to do about it.
	Text, Do string
}

// Doctor holds what the checks need.
type Doctor struct {
	Client    client.Client
	Discovery discovery.DiscoveryInterface
	// HTTP and Host reach the API server.
	HTTP  *http.Client
	Host  string
	Clock clock.PassiveClock
	// Namespace is where to look for workloads that may not be listed everywhere, OperatorNamespace where to look for the
	// operator.
	Namespace, OperatorNamespace string

	findings []Finding
	// ahead is how far the clock of this machine is ahead of that of the API server.
	ahead    time.Duration
	operator *appsv1.Deployment
}

// Examine makes all checks. It fails only where the API server can not be asked at all.
func (d *Doctor) Examine(ctx context.Context) ([]Finding, error) {
	if err := d.checkServer(ctx); err != nil {
		return nil, err
	}
	installed, err := d.checkDefinitions()
	if err != nil {
		return nil, err
	}
	checks := []func(context.Context) error{d.checkOperator, d.checkLease, d.checkRights, d.checkArgoCD}
	if installed {
		checks = append(checks, d.checkPlatforms, d.checkConsumers)
	}
	for _, check := range checks {
		if err := check(ctx); err != nil {
			return d.findings, err
		}
	}
	return d.findings, nil
}

func (d *Doctor) found(level Level, check, do, format string, args ...any) {
	d.findings = append(d.findings, Finding{Level: level, Check: check, Text: fmt.Sprintf(format, args...), Do: do})
}

// failed tells of what can not be looked at, if that is the reason, and else returns the error.
func (d *Doctor) failed(check string, err error) error {
	if !apierrors.IsForbidden(err) {
		return fmt.Errorf("checking the %s: %w", check, err)
	}
	d.found(Unknown, check, askForRight, "you may not look: %v", err)
	return nil
}

const askForRight = "Ask somebody who may, or have the right given to you."

// patience is how far the clocks may differ. The API server tells its time in whole seconds.
const patience = 5 * time.Second

// checkServer compares the clocks, by what the API server says with each answer.
func (d *Doctor) checkServer(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.Host+"/version", http.NoBody)
	if err != nil {
		return fmt.Errorf("asking the API server: %w", err)
	}
	before := d.Clock.Now()
	response, err := d.HTTP.Do(request)
	if err != nil {
		return fmt.Errorf("asking the API server: %w", err)
	}
	_ = response.Body.Close()
	half := d.Clock.Since(before) / 2
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		d.found(Unknown, "clock", "", "the API server does not tell its time")
		return nil //nolint:nilerr // which is what was found
	}
	// It answered at some time in between, in the middle of a second at a guess.
	d.ahead = before.Add(half).Sub(date.Add(500 * time.Millisecond)).Round(time.Second)
	if d.ahead.Abs() > patience+half {
		where := "ahead of"
		if d.ahead < 0 {
			where = "behind"
		}
		d.found(Warning, "clock", "Set the clock of this machine. Until then, what is said here of the life of tokens is off by that.",
			"the clock of this machine is %s %s that of the API server", d.ahead.Abs(), where)
		return nil
	}
	d.found(OK, "clock", "", "this machine and the API server agree on the time")
	return nil
}

// now is the time in the cluster.
func (d *Doctor) now() time.Time { return d.Clock.Now().Add(-d.ahead) }
