package main

import "strings"

// The listeners of a peer. A name begins with l4 or l7.
const (
	noListener = ""
	l4Listener = "l4"
	l7Listener = "l7"
)

// contender is one row of a table: a peer, and which listener of it each
// protocol goes through.
type contender struct {
	name    string // for -only
	full    string // for people
	about   string
	peer    *peer
	through through
	detour  bool // HTTP through L4: holds no idle HTTP connections of its own kind
}

// through holds the listener for each protocol. A protocol that is missing is one
// that the contender takes no part in.
type through map[protocol]string

// subject is the contender that the others are compared with, and detour is the
// same program with HTTP through its L4 listener.
const (
	subject = "fourseven"
	detour  = "fourseven-l4"
)

// contenders returns all contenders, in the order of the report.
func contenders() []contender {
	fourseven := foursevenPeer()
	both := through{overTCP: l4Listener, overHTTP: l7Listener, overTLS: tlsListener, overTLSWithRSA: rsaListener}
	onlyHTTP := through{overHTTP: l7Listener}
	return []contender{
		{name: "direct", full: "no proxy", about: "no proxy: the client talks to the backends", peer: directPeer(),
			through: through{overTCP: l4Listener, overHTTP: l4Listener}},
		{name: subject, full: "fourseven", about: "TCP through L4, HTTP through L7", peer: fourseven, through: both},
		{name: detour, full: "fourseven", about: "HTTP through L4: should this service go through L4 or L7?", peer: fourseven,
			through: through{overHTTP: l4Listener}, detour: true},
		{name: "haproxy", full: "HAProxy", about: "HAProxy, mode tcp with splice-auto, mode http with http-reuse always",
			peer: haproxyPeer(), through: both},
		{name: "nginx", full: "nginx", about: "nginx, stream, http with keepalive upstream", peer: nginxPeer(), through: both},
		{name: "stdlib", full: "Go ReverseProxy", about: "Go's httputil.ReverseProxy", peer: stdlibPeer(), through: onlyHTTP},
		{name: "fasthttp", full: "fasthttp proxy", about: "a plain proxy made of fasthttp's server and client", peer: fasthttpPeer(), through: onlyHTTP},
		{name: "python", full: "FastAPI and httpx", about: "a small FastAPI and httpx balancer (testdata/bench/python_lb.py)",
			peer: pythonPeer(), through: onlyHTTP},
	}
}

func (c contender) listener(p protocol) string { return c.through[p] }

// title returns the name in reports; fourseven's ends with L4 or L7, the first two letters
// of the listener's name.
func (c contender) title(p protocol) string {
	if c.peer.name == subject && c.listener(p) != noListener {
		return c.full + " " + strings.ToUpper(c.listener(p)[:2])
	}
	return c.full
}

// plays reports whether c takes part in s. No proxy has idle connections of its
// own, and an idle TCP connection costs the same whatever it carries.
func (c contender) plays(s scenario) bool {
	if s.idle && (c.detour || c.peer.command == nil) {
		return false
	}
	return c.listener(s.protocol) != noListener
}
