package sfstest

import (
	"net"
	"net/http"
	"sync"
)

// connections counts those that are open.
type connections struct {
	mu         sync.Mutex
	open, most int
}

func (c *connections) changed(_ net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open++
		c.most = max(c.most, c.open)
	case http.StateClosed, http.StateHijacked:
		c.open--
	case http.StateActive, http.StateIdle:
	}
}

// Connections returns how many connections are open, and how many were at most since the start or ResetCalls.
func (s *Server) Connections() (open, most int) {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return s.conns.open, s.conns.most
}

func (c *connections) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most = c.open
}
