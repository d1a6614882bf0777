package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// account is what a program outside gets and changes of an account.
type account struct {
	APIKey string `json:"apiKey"`
	Secret string `json:"secret,omitempty"`
	// TokenSeconds is the life of the tokens from now on.
	TokenSeconds int `json:"tokenSeconds"`
}

// counts is what has happened since the last reset.
type counts struct {
	// Calls are counted by endpoint, action and status: "token create 201".
	Calls map[string]int `json:"calls"`
	// Open is how many connections are open, MostOpen how many were at most.
	Open     int `json:"open"`
	MostOpen int `json:"mostOpen"`
}

// serveControl answers, over plain HTTP:
//
//	POST  /accounts  {"tokenSeconds": 60}                   adds an account
//	PATCH /accounts  {"apiKey": "...", "tokenSeconds": 60}  gives its tokens another life
//	GET   /counts                                           counts the calls
//	DELETE /counts                                          begins anew to count
func serveControl(addr string, sim *sfstest.Server) (end func(), err error) {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("address %q is not a loopback IP address with a port", addr)
	}
	listener, err := net.Listen("tcp", addr) //nolint:noctx // it is done at once
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /accounts", func(w http.ResponseWriter, r *http.Request) {
		var a account
		if read(w, r, &a) {
			made := sim.AddAccount()
			sim.SetTokenLifetime(made.APIKey, time.Duration(a.TokenSeconds)*time.Second)
			answer(w, account{APIKey: made.APIKey.Reveal(), Secret: made.Secret.Reveal(), TokenSeconds: a.TokenSeconds})
		}
	})
	mux.HandleFunc("PATCH /accounts", func(w http.ResponseWriter, r *http.Request) {
		var a account
		if read(w, r, &a) {
			sim.SetTokenLifetime(sendforsign.Secret(a.APIKey), time.Duration(a.TokenSeconds)*time.Second)
		}
	})
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) { answer(w, count(sim)) })
	mux.HandleFunc("DELETE /counts", func(http.ResponseWriter, *http.Request) { sim.ResetCalls() })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return func() { _ = server.Close() }, nil
}

func count(sim *sfstest.Server) counts {
	c := counts{Calls: map[string]int{}}
	c.Open, c.MostOpen = sim.Connections()
	for _, call := range sim.Calls() {
		c.Calls[fmt.Sprintf("%s %s %d", call.Endpoint, call.Action, call.Status)]++
	}
	return c
}

func read(w http.ResponseWriter, r *http.Request, a *account) bool {
	if err := json.NewDecoder(r.Body).Decode(a); err != nil || a.TokenSeconds < 1 {
		http.Error(w, "want JSON with tokenSeconds of at least 1", http.StatusBadRequest)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
