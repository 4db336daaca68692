package main

import "runtime"

// stdlibPeer is Go's own reverse proxy.
func stdlibPeer() *peer {
	return rolePeer("stdlib", roleStdlib, func() string { return "httputil.ReverseProxy of " + runtime.Version() })
}
