// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauthtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func bearerOf(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// unauthorized is the answer of an API: in the form of ServiceStack, which Secured Signing is built with.
func unauthorized(message string) *reply {
	return &reply{status: http.StatusUnauthorized, body: map[string]any{
		"ResponseStatus": map[string]any{"ErrorCode": "Unauthorized", "Message": message},
	}}
}

// bearer returns the living access token of a request; providers, if any are given, are whose it may be.
func (s *Server) bearer(r *http.Request, providers ...Provider) (*token, *reply) {
	value, _ := bearerOf(r)
	t := s.tokens[value]
	if t == nil || !t.alive(s.Now()) || len(providers) > 0 && !slices.Contains(providers, t.client.provider) {
		return nil, unauthorized("Session expired or invalid")
	}
	return t, nil
}

func (s *Server) serveCanary(r *http.Request) reply {
	if _, refused := s.bearer(r); refused != nil {
		return *refused
	}
	return reply{status: http.StatusOK}
}

func (s *Server) serveAccount(r *http.Request) reply {
	if r.Method != http.MethodGet {
		return reply{status: http.StatusMethodNotAllowed}
	}
	t, refused := s.bearer(r, SecuredSigning)
	if refused != nil {
		return *refused
	}
	if refused := s.checkSignature(r.Header, t.client); refused != nil {
		return *refused
	}
	return reply{status: http.StatusOK, body: map[string]any{
		"Email": "owner@app.example", "Name": "Owner", "PlanName": t.client.plan,
		"Actived": true, "Locked": t.client.locked, "AccountStatus": t.client.accountStatus, "UserId": t.client.id,
	}}
}

// checkSignature returns why a request is refused, or nil.
func (s *Server) checkSignature(h http.Header, c *client) *reply {
	key, date, nonce := h.Get("X-CUSTOM-API-KEY"), h.Get("X-CUSTOM-DATE"), h.Get("X-CUSTOM-NONCE")
	mac := hmac.New(sha256.New, []byte(c.apiSecret))
	mac.Write([]byte(key + "\n" + date + "\n" + nonce))
	signature, err := base64.StdEncoding.DecodeString(h.Get("X-CUSTOM-SIGNATURE"))
	seconds, dateErr := strconv.ParseFloat(date, 64)
	if s.behaviour.Dates == DatesInteger && dateErr == nil {
		_, dateErr = strconv.ParseInt(date, 10, 64)
	}
	off := math.Abs(float64(s.Now().UnixNano())/1e9 - seconds)
	switch {
	case key != c.apiKey:
		return unauthorized("API key is not valid")
	case err != nil || !hmac.Equal(signature, mac.Sum(nil)):
		return unauthorized("Signature is not valid")
	case dateErr != nil || !(off <= s.behaviour.DateTolerance.Seconds()): // NaN is a number to strconv
		return unauthorized("Date is not valid")
	case nonce == "" || len(nonce) > 32 || s.behaviour.Nonces == NoncesOnce && s.nonces[nonce]:
		return unauthorized("Nonce is not valid")
	case s.behaviour.Referers == ReferersChecked && h.Get("Referer") != c.callback:
		return unauthorized("Referer is not valid")
	}
	s.nonces[nonce] = true
	return nil
}
