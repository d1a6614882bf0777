// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/sendforsign/sfs-operator/hack/localcluster"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

const simulatorProgram = "simulator"

// simulator is hack/simulator as a process of its own, so that what it costs is not counted as somebody else's.
type simulator struct {
	*localcluster.Process

	baseURL, control, caFile string
	ca                       []byte
	api                      *sendforsign.API
}

// account is that of one contender, so that nobody sees the clients of those before.
type account struct {
	APIKey       string `json:"apiKey"`
	Secret       string `json:"secret,omitempty"`
	TokenSeconds int    `json:"tokenSeconds"`
}

// calls are what the simulator has counted.
type calls struct {
	Calls    map[string]int `json:"calls"`
	Open     int            `json:"open"`
	MostOpen int            `json:"mostOpen"`
}

func startSimulator(ctx context.Context, w *localcluster.Workspace, s settings) (*simulator, error) {
	serve, err := localcluster.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	control, err := localcluster.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	sim := &simulator{baseURL: "https://" + serve + "/api", control: "http://" + control, caFile: w.Path("simulator.pem")}
	sim.Process, err = w.Start(ctx, localcluster.Program{
		Name: simulatorProgram, Path: filepath.Join(s.binaries, simulatorProgram), Grace: 10 * time.Second,
		Args: []string{
			"-addr=" + serve, "-control-addr=" + control, "-ca-file=" + sim.caFile,
			fmt.Sprintf("-http2=%t", s.http2), "-latency=" + s.latency.String(),
		},
	})
	if err != nil {
		return nil, err
	}
	if err := sim.Await(ctx, 30*time.Second, "the simulator", localcluster.AnswersOK(sim.control+"/counts")); err != nil {
		return sim, err
	}
	if sim.ca, err = os.ReadFile(sim.caFile); err != nil {
		return sim, fmt.Errorf("reading the certificate of the simulator: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(sim.ca)
	sim.api, err = sendforsign.New(sim.baseURL, sendforsign.WithRootCAs(pool))
	return sim, err
}

func (s *simulator) addAccount(ctx context.Context, life time.Duration) (made account, err error) {
	err = s.ask(ctx, http.MethodPost, "/accounts", account{TokenSeconds: int(life.Seconds())}, &made)
	return made, err
}

// setLife gives all tokens from now on another life.
func (s *simulator) setLife(ctx context.Context, a account, life time.Duration) error {
	return s.ask(ctx, http.MethodPatch, "/accounts", account{APIKey: a.APIKey, TokenSeconds: int(life.Seconds())}, nil)
}

func (s *simulator) counts(ctx context.Context) (c calls, err error) {
	err = s.ask(ctx, http.MethodGet, "/counts", nil, &c)
	return c, err
}

func (s *simulator) reset(ctx context.Context) error {
	return s.ask(ctx, http.MethodDelete, "/counts", nil, nil)
}

func (s *simulator) ask(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, s.control+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := loopback.Do(request)
	if err != nil {
		return fmt.Errorf("asking the simulator: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the simulator: %s", response.Status)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("asking the simulator: %w", err)
	}
	return nil
}

// login returns a platform token of an account.
func (s *simulator) login(ctx context.Context, a account) (sendforsign.Secret, error) {
	made, err := s.api.CreatePlatformToken(ctx, sendforsign.Credentials{
		APIKey: sendforsign.Secret(a.APIKey), Secret: sendforsign.Secret(a.Secret),
	})
	return made.AccessToken, err
}

func (c calls) total() int {
	n := 0
	for _, times := range c.Calls {
		n += times
	}
	return n
}

// lifeFor is the least life, in whole seconds, with which the operator renews a token each interval or a little less often, and
// how often that is on average.
func lifeFor(interval time.Duration) (life, every time.Duration, err error) {
	for life = time.Second; life < 48*time.Hour; life += time.Second {
		// The renewals are spread evenly over the tenth of the time before it that they are moved forward by.
		every = time.Duration(math.Round(float64(life-token.Policy{}.Margin(life)) * 0.95))
		if every >= interval {
			return life, every, nil
		}
	}
	return 0, 0, errors.New("no life is long enough for so long an interval")
}
