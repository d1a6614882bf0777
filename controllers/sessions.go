// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/internal/version"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

const (
	defaultRequestsPerSecond = 10
	defaultBurst             = 20
)

// credentialKeys are the keys of a credentials Secret that count.
var credentialKeys = []string{v1alpha1.KeyAPIKey, v1alpha1.KeyAPISecret}

// Sessions holds one session for each credentials Secret that an SfsPlatform names: one for the pair that is in use, and
// one for the pair that is to follow. A session lasts as long as the connection details and the pair stay the same.
type Sessions struct {
	cached    client.Reader
	live      client.Reader
	namespace string
	clock     clock.PassiveClock
	metrics   *metrics.Metrics
	transport func(http.RoundTripper) http.RoundTripper
	workers   *workers
	// changed is told the name of a platform of which there is news: its credentials have been refused or accepted again,
	// or SFS has asked for a pause.
	changed func(platform string)

	building singleflight.Group
	count    atomic.Int64

	mu   sync.Mutex
	open map[sessionKey]*session
}

// sessionKey names a session.
type sessionKey struct{ platform, secret string }

// sessionDetails are what a session is made from; another value means another session.
type sessionDetails struct {
	platform          types.UID
	baseURL           string
	caBundle          string
	timeout           time.Duration
	requestsPerSecond int
	burst             int
	credentials       string // digest of the pair
}

// credentialSecrets are the names of the Secrets that a platform names: of the pair in use first, as far as the spec tells.
func credentialSecrets(platform *v1alpha1.SfsPlatform) []string {
	names := []string{platform.Spec.CredentialsSecretRef.Name}
	if next := platform.Spec.NextCredentialsSecretRef; next != nil {
		names = append(names, next.Name)
	}
	return names
}

// activeSecret is the name of the Secret whose pair is in use: of the next pair once SFS has accepted it.
func activeSecret(platform *v1alpha1.SfsPlatform) string {
	next, active := platform.Spec.NextCredentialsSecretRef, platform.Status.ActiveCredentialsSecretRef
	if next != nil && active != nil && next.Name == active.Name {
		return next.Name
	}
	return platform.Spec.CredentialsSecretRef.Name
}

// forPlatform returns the session of a platform, or the problem that keeps it from having one.
func (s *Sessions) forPlatform(ctx context.Context, platform *v1alpha1.SfsPlatform) (*session, error) {
	return s.forSecret(ctx, platform, activeSecret(platform))
}

// forSecret returns the session of a platform with the pair in one of its Secrets.
func (s *Sessions) forSecret(ctx context.Context, platform *v1alpha1.SfsPlatform, name string) (*session, error) {
	details := sessionDetails{
		platform:          platform.UID,
		baseURL:           platform.Spec.BaseURL,
		caBundle:          string(platform.Spec.CABundle),
		requestsPerSecond: orDefault(int(platform.Spec.RateLimit.RequestsPerSecond), defaultRequestsPerSecond),
		burst:             orDefault(int(platform.Spec.RateLimit.Burst), defaultBurst),
	}
	if platform.Spec.Timeout != nil {
		details.timeout = platform.Spec.Timeout.Duration
	}
	// The cache holds no values, but tells cheaply whether they are others than before.
	secret := types.NamespacedName{Namespace: s.namespace, Name: name}
	var known corev1.Secret
	if err := s.cached.Get(ctx, secret, &known, client.UnsafeDisableDeepCopy); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, &problem{
				reason:  v1alpha1.CredentialsSecretNotFoundReason,
				message: fmt.Sprintf("there is no Secret %s; create it with the keys %s and %s", secret, v1alpha1.KeyAPIKey, v1alpha1.KeyAPISecret),
				pace:    waits,
			}
		}
		return nil, fmt.Errorf("reading Secret %s: %w", secret, err)
	}
	details.credentials = contentHash(known.Data, credentialKeys)
	if open := s.get(sessionKey{platform.Name, secret.Name}, details); open != nil {
		return open, nil
	}
	made, err, _ := s.building.Do(platform.Name+"/"+name+"/"+details.credentials+"/"+strconv.FormatInt(platform.Generation, 10), func() (any, error) {
		return s.build(ctx, platform, secret, details)
	})
	if err != nil {
		return nil, err
	}
	return made.(*session), nil
}

func (s *Sessions) build(ctx context.Context, platform *v1alpha1.SfsPlatform, secret types.NamespacedName, details sessionDetails) (*session, error) {
	var found corev1.Secret
	if err := s.live.Get(ctx, secret, &found); err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", secret, err)
	}
	// The cache may be behind: then the session for what is really there may be open already.
	details.credentials = contentHash(publication{data: found.Data}.digests(), credentialKeys)
	if open := s.get(sessionKey{platform.Name, secret.Name}, details); open != nil {
		return open, nil
	}
	credentials := sendforsign.Credentials{
		APIKey: sendforsign.Secret(found.Data[v1alpha1.KeyAPIKey]),
		Secret: sendforsign.Secret(found.Data[v1alpha1.KeyAPISecret]),
	}
	if !isClean(credentials.APIKey) || !isClean(credentials.Secret) {
		return nil, &problem{
			reason: v1alpha1.CredentialsSecretMalformedReason,
			message: fmt.Sprintf("Secret %s must have the keys %s and %s, neither empty nor with a space or line break at its beginning or end",
				secret, v1alpha1.KeyAPIKey, v1alpha1.KeyAPISecret),
			pace: waits,
		}
	}
	made, err := s.connect(platform.Name, details, credentials)
	if err != nil {
		return nil, &problem{reason: v1alpha1.InvalidConfigurationReason, message: err.Error(), pace: waits}
	}
	made.revision = found.ResourceVersion
	s.put(platform, secret.Name, made)
	return made, nil
}

// isClean says whether a credential can be what SFS showed. The usual mistake is a line break at the end of a file.
func isClean(s sendforsign.Secret) bool {
	return s != "" && strings.TrimSpace(s.Reveal()) == s.Reveal()
}

func (s *Sessions) connect(platform string, details sessionDetails, credentials sendforsign.Credentials) (*session, error) {
	options := []sendforsign.Option{sendforsign.WithUserAgent(version.UserAgent()), sendforsign.WithObserver(s.observing(platform))}
	if details.caBundle != "" {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(details.caBundle)) {
			return nil, errors.New("spec.caBundle holds no certificate in PEM form")
		}
		options = append(options, sendforsign.WithRootCAs(roots))
	}
	if details.timeout > 0 {
		options = append(options, sendforsign.WithTimeout(details.timeout))
	}
	if s.transport != nil {
		options = append(options, sendforsign.WithTransport(s.transport))
	}
	baseURL := details.baseURL
	if baseURL == "" {
		baseURL = v1alpha1.DefaultBaseURL
	}
	api, err := sendforsign.New(baseURL, options...)
	if err != nil {
		return nil, fmt.Errorf("spec.baseURL: %w", err)
	}
	made := &session{
		platform:    platform,
		id:          strconv.FormatInt(s.count.Add(1), 10),
		details:     details,
		api:         api,
		credentials: credentials,
		verdict:     &verdict{clock: s.clock},
		metrics:     s.metrics,
	}
	made.clients = &snapshot{clock: s.clock}
	made.tokens = token.NewSource(s.clock, made.mintPlatformToken)
	return made, nil
}

// observing returns what counts a request to SFS, and records it where it was to change something there.
func (s *Sessions) observing(platform string) func(context.Context, sendforsign.Exchange) {
	return func(ctx context.Context, e sendforsign.Exchange) {
		s.metrics.APIAnswered(e.Endpoint, e.Action, e.Status, e.Duration)
		if e.IsChange() {
			log.FromContext(ctx).Info("Wrote to SFS", "platform", platform, "endpoint", e.Endpoint, "action", e.Action,
				"result", resultOf(e.Err), "code", e.Status, "duration", e.Duration)
		}
	}
}

// resultOf sorts what became of a request to SFS.
func resultOf(err error) metrics.Result {
	switch {
	case err == nil:
		return metrics.Success
	case sendforsign.IsThrottled(err):
		return metrics.Throttled
	case sendforsign.IsNotSent(err), sendforsign.IsUnknownOutcome(err):
		return metrics.Unavailable
	}
	return metrics.Refused
}

func orDefault(v, otherwise int) int {
	if v > 0 {
		return v
	}
	return otherwise
}

func (s *Sessions) get(key sessionKey, details sessionDetails) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open := s.open[key]; open != nil && open.details == details {
		return open
	}
	return nil
}

func (s *Sessions) put(platform *v1alpha1.SfsPlatform, secret string, made *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	made.changed = func() { s.changed(platform.Name) }
	made.verdict.changed = made.changed
	made.gate = s.gateFor(platform, made.details)
	key := sessionKey{platform.Name, secret}
	if old := s.open[key]; old != nil {
		old.api.Close()
	}
	s.open[key] = made
}

// gateFor returns the gate to an account. Another pair of credentials does not open another one: the pause that SFS asked
// for and the queue stay.
func (s *Sessions) gateFor(platform *v1alpha1.SfsPlatform, details sessionDetails) *gate {
	first := true
	for key, open := range s.open {
		if key.platform != platform.Name || open.details.platform != details.platform {
			continue
		}
		if open.details.baseURL == details.baseURL {
			open.gate.limit(details.requestsPerSecond, details.burst)
			return open.gate
		}
		first = false
	}
	made := newGate(s.clock, details.requestsPerSecond, details.burst, s.workers)
	if until := platform.Status.ThrottledUntil; first && until != nil {
		made.resume(until.Add(pauseTolerance))
	}
	return made
}

// retain closes the sessions of a platform but those of the given Secrets.
func (s *Sessions) retain(platform string, secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, open := range s.open {
		if key.platform == platform && !slices.Contains(secrets, key.secret) {
			open.api.Close()
			delete(s.open, key)
		}
	}
}
