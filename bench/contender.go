package main

// The listeners of a peer.
const (
	noListener = ""
	l4Listener = "l4"
	l7Listener = "l7"
)

// contender is one row of a table: a peer, and which listener of it each
// protocol goes through.
type contender struct {
	name, about string
	peer        *peer
	tcp, http   string // a listener, or noListener where it takes no part
}

// subject is the contender that the others are compared with.
const subject = "fourseven"

// contenders returns all contenders, in the order of the report.
func contenders() []contender {
	fourseven := foursevenPeer()
	return []contender{
		{name: "direct", about: "no proxy: the client talks to the backends", peer: directPeer(), tcp: l4Listener, http: l4Listener},
		{name: subject, about: "TCP through L4, HTTP through L7", peer: fourseven, tcp: l4Listener, http: l7Listener},
		{name: "fourseven-l4", about: "HTTP through L4: should this service go through L4 or L7?", peer: fourseven, http: l4Listener},
		{name: "haproxy", about: "HAProxy, mode tcp with splice-auto, mode http with http-reuse always", peer: haproxyPeer(), tcp: l4Listener, http: l7Listener},
		{name: "nginx", about: "nginx, stream, http with keepalive upstream", peer: nginxPeer(), tcp: l4Listener, http: l7Listener},
		{name: "stdlib", about: "Go's httputil.ReverseProxy", peer: stdlibPeer(), http: l7Listener},
		{name: "python", about: "a small FastAPI and httpx balancer (testdata/bench/python_lb.py)", peer: pythonPeer(), http: l7Listener},
	}
}

func (c contender) listener(p protocol) string {
	if p == overHTTP {
		return c.http
	}
	return c.tcp
}

// plays reports whether c takes part in s. No proxy holds no idle connections.
func (c contender) plays(s scenario) bool {
	if s.idle {
		return c.listener(s.protocol) == s.idleListener() && c.peer.command != nil
	}
	return c.listener(s.protocol) != noListener
}

// idleListener returns the one listener whose idle connections s is about: a
// TCP connection costs the same whatever is spoken on it.
func (s scenario) idleListener() string {
	if s.protocol == overHTTP {
		return l7Listener
	}
	return l4Listener
}
