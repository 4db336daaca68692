package main

import "slices"

// Connections whose TLS the peer ends, in front of the same backends. Two listeners have
// the same name in certificates with different keys.
const (
	overTLS        protocol = iota + 100 // a P-256 key
	overTLSWithRSA                       // 2048 bits
)

// The listeners of a peer that ends TLS.
const (
	tlsListener = "l4-tls"
	rsaListener = "l4-tls-rsa"
)

// tlsScenarios run only where -only names them: half of the processor time is the
// client's, as in every measurement of handshakes.
func tlsScenarios() []scenario {
	full := scenario{protocol: overTLS, open: openHandshake, unit: "conn/s", latency: true}
	resumed := scenario{protocol: overTLS, open: openResumption, unit: "conn/s", latency: true}
	rsa := scenario{protocol: overTLSWithRSA, open: openHandshake, unit: "conn/s", latency: true}
	trips := scenario{protocol: overTLS, open: openEcho(dialTLS), unit: "trips/s", latency: true}
	bulk := scenario{protocol: overTLS, open: openBulk(dialTLS), unit: "GB/s", bytes: true}
	idle := scenario{protocol: overTLS, open: openEcho(dialTLS), idle: true, watch: idleWatch}
	return []scenario{
		full.as("tls-ecdsa", "TLS 1.3 connections with an ECDSA P-256 key: handshake, 1 B there and back; 16 at once", 16).onlyNamed(),
		rsa.as("tls-rsa", "TLS 1.3 connections with an RSA key of 2048 bits, 16 at once", 16).onlyNamed(),
		resumed.as("tls-resumed", "TLS 1.3 connections that resume a session, 16 at once", 16).onlyNamed(),
		trips.as("tls-rt-64", "TLS round trips of 64 B, 64 connections", 64).onlyNamed(),
		bulk.as("tls-bulk-1", "TLS bulk from the server, 1 stream", 1).onlyNamed(),
		bulk.as("tls-bulk-8", "TLS bulk from the server, 8 streams", 8).onlyNamed(),
		idle.as("idle-tls", "idle TLS connections, a second after their last byte", idleConns).onlyNamed(),
	}
}

// wantsTLS reports whether a scenario of the selection needs peers that end TLS.
func (s selection) wantsTLS() bool {
	return slices.ContainsFunc(s.scenarios, func(sc scenario) bool { return sc.protocol >= overTLS })
}
