// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
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

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/internal/version"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

const (
	defaultRequestsPerSecond = 10
	defaultBurst             = 20
)

// Sessions holds one session per SfsPlatform. A session lasts as long as the connection details and the credentials
// Secret stay the same.
type Sessions struct {
	cached    client.Reader
	live      client.Reader
	namespace string
	clock     clock.PassiveClock
	transport func(http.RoundTripper) http.RoundTripper
	width     int // steps at a time for one account
	// changed is told the name of a platform whose credentials have been refused or accepted again.
	changed func(platform string)

	building singleflight.Group
	count    atomic.Int64

	mu   sync.Mutex
	open map[string]*session
}

// sessionDetails are what a session is made from; another value means another session.
type sessionDetails struct {
	platform          types.UID
	baseURL           string
	caBundle          string
	timeout           time.Duration
	requestsPerSecond int
	burst             int
	credentials       string // resourceVersion of the Secret
}

// forPlatform returns the session of a platform, or the problem that keeps it from having one.
func (s *Sessions) forPlatform(ctx context.Context, platform *v1alpha1.SfsPlatform) (*session, error) {
	details := sessionDetails{
		platform:          platform.UID,
		baseURL:           platform.Spec.BaseURL,
		caBundle:          string(platform.Spec.CABundle),
		requestsPerSecond: int(platform.Spec.RateLimit.RequestsPerSecond),
		burst:             int(platform.Spec.RateLimit.Burst),
	}
	if platform.Spec.Timeout != nil {
		details.timeout = platform.Spec.Timeout.Duration
	}
	// The cache holds no values, but tells cheaply whether the Secret is another one than before.
	secret := types.NamespacedName{Namespace: s.namespace, Name: platform.Spec.CredentialsSecretRef.Name}
	var known corev1.Secret
	if err := s.cached.Get(ctx, secret, &known); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, &problem{
				reason:  v1alpha1.CredentialsSecretNotFoundReason,
				message: fmt.Sprintf("there is no Secret %s; create it with the keys %s and %s", secret, v1alpha1.KeyAPIKey, v1alpha1.KeyAPISecret),
				pace:    waits,
			}
		}
		return nil, fmt.Errorf("reading Secret %s: %w", secret, err)
	}
	details.credentials = known.ResourceVersion
	if open := s.get(platform.Name); open != nil && open.details == details {
		return open, nil
	}
	made, err, _ := s.building.Do(platform.Name+"/"+details.credentials+"/"+strconv.FormatInt(platform.Generation, 10), func() (any, error) {
		return s.build(ctx, platform.Name, secret, details)
	})
	if err != nil {
		return nil, err
	}
	return made.(*session), nil
}

func (s *Sessions) build(ctx context.Context, platform string, secret types.NamespacedName, details sessionDetails) (*session, error) {
	var found corev1.Secret
	if err := s.live.Get(ctx, secret, &found); err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", secret, err)
	}
	// The cache may be behind: then the session for what is really there may be open already.
	details.credentials = found.ResourceVersion
	if open := s.get(platform); open != nil && open.details == details {
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
	made, err := s.connect(details, credentials)
	if err != nil {
		return nil, &problem{reason: v1alpha1.InvalidConfigurationReason, message: err.Error(), pace: waits}
	}
	made.verdict.changed = func() { s.changed(platform) }
	s.put(platform, made)
	return made, nil
}

// isClean says whether a credential can be what SFS showed. The usual mistake is a line break at the end of a file.
func isClean(s sendforsign.Secret) bool {
	return s != "" && strings.TrimSpace(s.Reveal()) == s.Reveal()
}

func (s *Sessions) connect(details sessionDetails, credentials sendforsign.Credentials) (*session, error) {
	options := []sendforsign.Option{sendforsign.WithUserAgent(version.UserAgent())}
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
		id:          strconv.FormatInt(s.count.Add(1), 10),
		details:     details,
		api:         api,
		credentials: credentials,
		gate:        newGate(s.clock, orDefault(details.requestsPerSecond, defaultRequestsPerSecond), orDefault(details.burst, defaultBurst), s.width),
		verdict:     &verdict{clock: s.clock},
	}
	made.clients = &snapshot{clock: s.clock}
	made.tokens = token.NewSource(s.clock, made.mintPlatformToken)
	return made, nil
}

func orDefault(v, otherwise int) int {
	if v > 0 {
		return v
	}
	return otherwise
}

func (s *Sessions) get(platform string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[platform]
}

func (s *Sessions) put(platform string, made *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.open[platform]; old != nil {
		old.api.Close()
	}
	s.open[platform] = made
}

// close ends the session of a platform that is gone.
func (s *Sessions) close(platform string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.open[platform]; old != nil {
		old.api.Close()
		delete(s.open, platform)
	}
}
