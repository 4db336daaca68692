package main

import (
	"strings"
	"time"
)

// protocol is what a scenario speaks, and so which listener it needs.
type protocol int

const (
	overTCP protocol = iota
	overHTTP
)

// scenario is one kind of load.
type scenario struct {
	name, title string
	protocol    protocol
	conns       int
	open        opener        // of one connection's operation
	latency     bool          // each operation's time is recorded, and -rate applies
	bytes       bool          // what is counted is bytes, not operations
	idle        bool          // connections that do nothing, in a process started for it
	settle      time.Duration // how long they have done nothing when the peer is looked at
	extra       bool          // it runs only where -only names it
}

// idleConns is how many connections an idle scenario opens, where the limit of
// open files allows it.
const idleConns = 4000

// scenarios returns all scenarios, in the order of the report.
func scenarios() []scenario {
	return []scenario{
		{name: "rt-1", title: "TCP round trips of 64 B, 1 connection", conns: 1, open: openEcho, latency: true},
		{name: "rt-64", title: "TCP round trips of 64 B, 64 connections", conns: 64, open: openEcho, latency: true},
		{name: "rt-512", title: "TCP round trips of 64 B, 512 connections", conns: 512, open: openEcho, latency: true, extra: true},
		{name: "connect", title: "TCP connections: open, 1 B there and back, closed by the server; 16 at once", conns: 16, open: openConnect, latency: true},
		{name: "connect-1", title: "TCP connections, one after the other", conns: 1, open: openConnect, latency: true, extra: true},
		{name: "connect-64", title: "TCP connections, 64 at once", conns: 64, open: openConnect, latency: true, extra: true},
		{name: "bulk-1", title: "TCP bulk from the server, 1 stream", conns: 1, open: openBulk, bytes: true},
		{name: "bulk-8", title: "TCP bulk from the server, 8 streams", conns: 8, open: openBulk, bytes: true},
		httpScenario("http-1", "HTTP answers of 35 B, 1 connection", 1, smallAnswer),
		httpScenario("http-64", "HTTP answers of 35 B, 64 connections", 64, smallAnswer),
		httpScenario("http-256", "HTTP answers of 35 B, 256 connections", 256, smallAnswer),
		httpScenario("http64k-1", "HTTP answers of 64 KiB, 1 connection", 1, largeAnswer),
		httpScenario("http64k-64", "HTTP answers of 64 KiB, 64 connections", 64, largeAnswer),
		httpScenario("http64k-256", "HTTP answers of 64 KiB, 256 connections", 256, largeAnswer),
		{name: "idle-l4", title: "idle TCP connections, a second after their last byte", conns: idleConns, open: openEcho, idle: true, settle: idleSettle},
		{name: "idle-l7", title: "idle HTTP keep-alive connections", protocol: overHTTP, conns: idleConns, open: openHTTP(smallAnswer), idle: true, settle: idleSettle},
	}
}

func httpScenario(name, title string, conns int, a answer) scenario {
	return scenario{name: name, title: title, protocol: overHTTP, conns: conns, open: openHTTP(a), latency: true}
}

// unit returns what the rate of the scenario counts.
func (s scenario) unit() string {
	switch {
	case s.idle:
		return ""
	case s.bytes:
		return "GB/s"
	case strings.HasPrefix(s.name, "connect"):
		return "conn/s"
	case s.protocol == overHTTP:
		return "req/s"
	}
	return "trips/s"
}

// warmup returns how long a sample of d is preceded by load that is not counted.
func warmup(d time.Duration) time.Duration {
	return min(max(d/8, 20*time.Millisecond), time.Second)
}
