// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simulation is what the simulators of HTTP APIs do alike: a TLS server on a loopback address, and faults that hit
// its calls.
package simulation

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"time"
)

// NewServer returns a server that listens on addr, host:port, and serves once StartTLS is called. The host must be a loopback
// address: a simulator knows no real security.
func NewServer(addr string, handler http.HandlerFunc) (*httptest.Server, error) {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("address %q is not a loopback IP address with a port", addr)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s := httptest.NewUnstartedServer(handler)
	_ = s.Listener.Close() // the one that httptest chose
	s.Listener = listener
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // quiet about the connections that faults cut
	return s, nil
}

// CABundle returns the authority that vouches for a server, as PEM.
func CABundle(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// Wait lets d pass. It returns false if the client gave up or the server was closed.
func Wait(r *http.Request, d time.Duration, closed <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-closed:
	}
	return false
}
