package sfstest

import "time"

// Clock is where the simulator takes the time from.
type Clock interface{ Now() time.Time }

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

type config struct {
	clock     Clock
	lifetime  time.Duration
	addr      string
	behaviour Behaviour
	http2     bool
}

// Option changes a default of New.
type Option func(*config)

// WithClock sets the clock that tokens expire by. Latency is not taken from it. Default: the system's.
func WithClock(c Clock) Option { return func(o *config) { o.clock = c } }

// WithTokenLifetime sets the life of new tokens, in whole seconds. Default: 1800 s, as documented. See also
// Server.SetTokenLifetime.
func WithTokenLifetime(d time.Duration) Option { return func(o *config) { o.lifetime = d } }

// WithAddr sets the address to listen on, host:port. The host must be a loopback address: the simulator knows no real
// security. Default: 127.0.0.1:0, any free port.
func WithAddr(addr string) Option { return func(o *config) { o.addr = addr } }

// WithHTTP2 has the server speak HTTP/2 with clients that ask for it, so that many calls share a connection. Default: HTTP/1.1.
func WithHTTP2() Option { return func(o *config) { o.http2 = true } }

// WithBehaviour chooses among the behaviours that the documentation leaves open.
func WithBehaviour(b Behaviour) Option { return func(o *config) { o.behaviour = b } }
