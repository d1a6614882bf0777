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

// session is the connection to one SFS account. All requests to SFS go through it.
type session struct {
	id          string
	details     sessionDetails
	api         *sendforsign.API
	credentials sendforsign.Credentials
	tokens      *token.Source[sendforsign.Secret]
	gate        *gate
	clients     *snapshot
	verdict     *verdict
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

// forget drops what the open sessions keep for a resource that is gone.
func (s *Sessions) forget(who ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, open := range s.open {
		open.gate.forget(who)
	}
}

// refusedCredentials says that SFS does not give a platform token for the API key and secret.
type refusedCredentials struct{ cause error }

func (r *refusedCredentials) Error() string { return "the credentials are refused: " + r.cause.Error() }
func (r *refusedCredentials) Unwrap() error { return r.cause }

// verdict is what SFS last said of the credentials. Credentials that were refused are tried again at a slow pace
// however many tenants ask: many wrong attempts might lock the account.
type verdict struct {
	clock   clock.PassiveClock
	changed func()

	mu       sync.Mutex
	refusal  *refusedCredentials
	refusals int
	retry    time.Time
	turns    int // how often the verdict has changed
}

const (
	firstRefusalPause = 15 * time.Second
	longRefusalPause  = 5 * time.Minute
)

// standing returns the refusal that still stands.
func (v *verdict) standing() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.refusal != nil && v.clock.Now().Before(v.retry) {
		return v.refusal
	}
	return nil
}

// last returns the refusal with which the last attempt ended, or nil, and in what time the next attempt may be made.
func (v *verdict) last() (time.Duration, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.refusal == nil {
		return 0, nil
	}
	return v.retry.Sub(v.clock.Now()), v.refusal
}

// again has refused credentials tried without waiting.
func (v *verdict) again() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.retry = time.Time{}
}

func (v *verdict) record(refusal *refusedCredentials) {
	v.mu.Lock()
	changed := (v.refusal == nil) != (refusal == nil)
	if changed {
		v.turns++
	}
	v.refusal = refusal
	if refusal == nil {
		v.refusals = 0
	} else {
		v.retry = v.clock.Now().Add(min(firstRefusalPause<<min(v.refusals, 8), longRefusalPause))
		v.refusals++
	}
	v.mu.Unlock()
	if changed {
		v.changed()
	}
}

// circumstances name the session for the record of failures. What failed before the credentials were accepted again is
// not held up by it.
func (s *session) circumstances() string {
	s.verdict.mu.Lock()
	defer s.verdict.mu.Unlock()
	return s.id + "/" + strconv.Itoa(s.verdict.turns)
}

func (s *session) mintPlatformToken(ctx context.Context) (token.Minted[sendforsign.Secret], error) {
	var none token.Minted[sendforsign.Secret]
	if err := errors.Join(s.gate.paused(), s.verdict.standing()); err != nil {
		return none, err
	}
	made, err := s.api.CreatePlatformToken(ctx, s.credentials)
	s.note(err)
	switch {
	case err == nil:
		s.verdict.record(nil)
		return token.Minted[sendforsign.Secret]{Value: made.AccessToken, Life: made.ExpiresIn}, nil
	// Which status tells of bad credentials is not documented, so any sure refusal does.
	case sendforsign.IsUnauthorized(err), sendforsign.IsInvalid(err), sendforsign.IsNotFound(err):
		refusal := &refusedCredentials{cause: err}
		s.verdict.record(refusal)
		return none, refusal
	}
	return none, err
}

// note passes what an answer says of the rate on to the gate.
func (s *session) note(err error) {
	switch {
	case sendforsign.IsThrottled(err):
		s.gate.throttled(sendforsign.RetryAfter(err))
	case sendforsign.IsNotSent(err), sendforsign.IsUnknownOutcome(err):
		s.gate.silent()
	case err == nil:
		s.gate.passed()
	}
}

// call makes a request with the platform token, as part of a step that has been admitted. A platform token that SFS does
// not take is replaced once: whether SFS says 401 or 403 to one that was revoked is not documented, and after both
// nothing has happened.
func (s *session) call(ctx context.Context, who ref, do func(context.Context, *sendforsign.API, sendforsign.Secret) error) error {
	platform, err := s.tokens.Get(ctx)
	if err != nil {
		return explain(err)
	}
	s.gate.spend(who)
	err = do(ctx, s.api, platform)
	if sendforsign.IsUnauthorized(err) && s.tokens.Refused(func(t sendforsign.Secret) bool { return t == platform }) {
		if platform, err = s.tokens.Get(ctx); err == nil {
			err = do(ctx, s.api, platform)
		}
	}
	s.note(err)
	return err
}

// callWithKey makes a request with the API key, as SFS documents it for users, as part of a step that has been admitted.
func (s *session) callWithKey(ctx context.Context, who ref, do func(context.Context, *sendforsign.API, sendforsign.Auth) error) error {
	if err := s.verdict.standing(); err != nil {
		return explain(err)
	}
	s.gate.spend(who)
	err := do(ctx, s.api, sendforsign.APIKey(s.credentials.APIKey))
	s.note(err)
	return err
}

// snapshot is a list of all clients of the account that many may share for a short time.
type snapshot struct {
	clock   clock.PassiveClock
	loading singleflight.Group

	mu          sync.Mutex
	taken       time.Time
	byCustomKey map[string][]string
}

// snapshotAge is how old a snapshot may be. It serves to notice duplicates that were made by others, long ago.
const snapshotAge = 30 * time.Second

// clientKeys returns the keys of all clients of the account that have this customKey, as of not longer ago than maxAge.
func (s *session) clientKeys(ctx context.Context, who ref, customKey string, maxAge time.Duration) ([]string, error) {
	if keys, age := s.clients.read(customKey); age < maxAge {
		return keys, nil
	}
	_, err, _ := s.clients.loading.Do("", func() (any, error) {
		taken := s.clock().Now()
		var all []sendforsign.Client
		err := s.call(context.WithoutCancel(ctx), who, func(ctx context.Context, api *sendforsign.API, platform sendforsign.Secret) (err error) {
			all, err = api.ListClients(ctx, sendforsign.PlatformToken(platform))
			return err
		})
		if err != nil {
			return nil, err
		}
		s.clients.write(taken, all)
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	keys, _ := s.clients.read(customKey)
	return keys, nil
}

func (s *session) clock() clock.PassiveClock { return s.gate.clock }

func (s *snapshot) read(customKey string) (keys []string, age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byCustomKey[customKey], s.clock.Now().Sub(s.taken)
}

func (s *snapshot) write(taken time.Time, all []sendforsign.Client) {
	byCustomKey := map[string][]string{}
	for _, c := range all {
		if c.CustomKey != "" {
			byCustomKey[c.CustomKey] = append(byCustomKey[c.CustomKey], c.ClientKey)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken, s.byCustomKey = taken, byCustomKey
}
