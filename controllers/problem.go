// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

// pace says how soon a step that failed is tried again.
type pace int

const (
	// waits: something that is watched must change first.
	waits pace = iota
	// fast: the cause goes by itself, soon.
	fast
	// slow: a person is needed, but may act outside the cluster, where nothing can be watched.
	slow
)

// problem is why a step could not be done, in words for the people who read the conditions. Its message must be the same
// each time for the same cause: a message that changes is a status write for each attempt of each tenant.
type problem struct {
	reason  string
	message string
	pace    pace
	cause   error
}

func (p *problem) Error() string {
	if p.cause != nil {
		return fmt.Sprintf("%s: %s: %v", p.reason, p.message, p.cause)
	}
	return p.reason + ": " + p.message
}

func (p *problem) Unwrap() error { return p.cause }

// problemOf returns the problem in an error, or nil.
func problemOf(err error) *problem {
	var p *problem
	errors.As(err, &p)
	return p
}

// deferred is not a failure: the step comes later, and nothing about the resource changes until then.
type deferred struct{ after time.Duration }

func (d deferred) Error() string { return "deferred by " + d.after.String() }

// staleRead is how long to wait for a cache that was seen to be behind.
const staleRead = 500 * time.Millisecond

// orStale turns a lost race for a write into a deferral: the cache is behind, and catches up by itself.
func orStale(err error) error {
	if apierrors.IsConflict(err) {
		return deferred{after: staleRead}
	}
	return err
}

// needsPerson says for which reasons a resource is Stalled: nothing that the operator or the cluster does by itself will
// mend it.
func needsPerson(reason string) bool {
	switch reason {
	case v1alpha1.CredentialsSecretNotFoundReason, v1alpha1.CredentialsSecretMalformedReason,
		v1alpha1.CredentialsInvalidReason, v1alpha1.InvalidConfigurationReason, v1alpha1.NamespaceNotAllowedReason,
		v1alpha1.RequestRefusedReason, v1alpha1.AccessDeniedReason, v1alpha1.AmbiguousCustomKeyReason,
		v1alpha1.RemoteMissingReason, v1alpha1.DefaultUserUnknownReason, v1alpha1.SecretConflictReason,
		v1alpha1.AdoptionNotAllowedReason, v1alpha1.ClientTakenReason, v1alpha1.NothingToAdoptReason,
		v1alpha1.AlreadyExistsReason, v1alpha1.ConflictingManagerReason, v1alpha1.TokenRejectedReason,
		v1alpha1.TemplateErrorReason,
		v1alpha1.HostNotAllowedReason, v1alpha1.ScopeRefusedReason, v1alpha1.RefreshTokenRefusedReason,
		v1alpha1.MalformedResponseReason, v1alpha1.AccountSuspendedReason:
		return true
	}
	return false
}

// explain puts the failure of a request to SFS in words. What it does not know (a failure of the Kubernetes API, say) it
// returns as it is.
func explain(err error) error {
	var known *problem
	var later deferred
	var refusal *refusedCredentials
	switch {
	case err == nil, errors.As(err, &known), errors.As(err, &later):
		return err
	case errors.As(err, &refusal):
		return &problem{
			reason:  v1alpha1.CredentialsInvalidReason,
			message: "SFS refuses the API key and secret of the SfsPlatform; correct its credentials Secret",
			pace:    slow, cause: err,
		}
	case sendforsign.IsThrottled(err):
		return pauseAsked(sfs, err)
	case sendforsign.IsNotSent(err), sendforsign.IsUnknownOutcome(err):
		return &problem{
			reason:  v1alpha1.APIUnavailableReason,
			message: "SFS can not be reached or answers with a server error; it is tried again",
			pace:    fast, cause: err,
		}
	case sendforsign.IsUnauthorized(err):
		return &problem{
			reason:  v1alpha1.AccessDeniedReason,
			message: "SFS accepts the credentials of the SfsPlatform but denies this request",
			pace:    slow, cause: err,
		}
	case sendforsign.IsInvalid(err), sendforsign.IsNotFound(err):
		return &problem{
			reason:  v1alpha1.RequestRefusedReason,
			message: "SFS refuses the request: " + answer(err),
			pace:    slow, cause: err,
		}
	}
	var other *sendforsign.Error
	if errors.As(err, &other) {
		return &problem{
			reason:  v1alpha1.APIUnavailableReason,
			message: "SFS gives an answer that the operator does not understand; it is tried again",
			pace:    slow, cause: err,
		}
	}
	return err
}

func pauseAsked(by string, cause error) *problem {
	return &problem{
		reason:  v1alpha1.ThrottledReason,
		message: by + " asked for a pause; requests go on after it",
		pace:    fast, cause: cause,
	}
}

// answer is what SFS said, which the API client has bounded and cleared of secrets.
func answer(err error) string {
	var e *sendforsign.Error
	if errors.As(err, &e) && e.Message != "" {
		return e.Message
	}
	return "no message"
}
