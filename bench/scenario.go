package main

import (
	"slices"
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
	unit        string        // of the rate; "" for idle connections
	open        opener        // of one connection's operation
	latency     bool          // each operation's time is recorded, and -rate applies
	bytes       bool          // what is counted is bytes, not operations
	idle        bool          // connections that do nothing, in a process started for it
	watch       time.Duration // how long the processor time of idle connections is watched
	extra       bool          // it runs only where -only names it
}

// idleConns is how many connections an idle scenario opens, where the limit of
// open files allows it.
const idleConns = 4000

// quickIdleConns is the number with -quick, where all contenders hold theirs at the
// same time.
const quickIdleConns = 500

// scenarios returns all scenarios, in the order of the report.
func scenarios() []scenario {
	return slices.Concat(tcpScenarios(), httpScenarios(), idleScenarios(), tlsScenarios())
}

func tcpScenarios() []scenario {
	trips := scenario{open: openEcho(dial), unit: "trips/s", latency: true}
	connects := scenario{open: openConnect, unit: "conn/s", latency: true}
	bulk := scenario{open: openBulk(dial), unit: "GB/s", bytes: true}
	return []scenario{
		trips.as("rt-1", "TCP round trips of 64 B, 1 connection", 1),
		trips.as("rt-64", "TCP round trips of 64 B, 64 connections", 64),
		trips.as("rt-512", "TCP round trips of 64 B, 512 connections", 512).onlyNamed(),
		connects.as("connect", "TCP connections: open, 1 B there and back, closed by the server; 16 at once", 16),
		connects.as("connect-1", "TCP connections, one after the other", 1).onlyNamed(),
		connects.as("connect-64", "TCP connections, 64 at once", 64).onlyNamed(),
		bulk.as("bulk-1", "TCP bulk from the server, 1 stream", 1),
		bulk.as("bulk-8", "TCP bulk from the server, 8 streams", 8),
	}
}

func httpScenarios() []scenario {
	small := scenario{protocol: overHTTP, open: openHTTP(smallAnswer), unit: "req/s", latency: true}
	large := scenario{protocol: overHTTP, open: openHTTP(largeAnswer), unit: "req/s", latency: true}
	return []scenario{
		small.as("http-1", "HTTP responses of 35 B, 1 connection", 1),
		small.as("http-64", "HTTP responses of 35 B, 64 connections", 64),
		small.as("http-256", "HTTP responses of 35 B, 256 connections", 256),
		large.as("http64k-1", "HTTP responses of 64 KiB, 1 connection", 1),
		large.as("http64k-64", "HTTP responses of 64 KiB, 64 connections", 64),
		large.as("http64k-256", "HTTP responses of 64 KiB, 256 connections", 256),
	}
}

func idleScenarios() []scenario {
	tcp := scenario{open: openEcho(dial), idle: true, watch: idleWatch}
	http := scenario{protocol: overHTTP, open: openHTTP(smallAnswer), idle: true, watch: idleWatch}
	return []scenario{
		tcp.as("idle-l4", "idle TCP connections, a second after their last byte", idleConns),
		http.as("idle-l7", "idle HTTP keep-alive connections", idleConns),
	}
}

// as returns the kind of load s under a name, with conns connections.
func (s scenario) as(name, title string, conns int) scenario {
	s.name, s.title, s.conns = name, title, conns
	return s
}

// quick returns s as -quick measures it.
func (s scenario) quick() scenario {
	if s.idle {
		s.conns, s.watch = quickIdleConns, quickIdleWatch
	}
	return s
}

// onlyNamed returns s as one that runs only where -only names it.
func (s scenario) onlyNamed() scenario {
	s.extra = true
	return s
}

// warmup returns how long a sample of d is preceded by load that is not counted.
func warmup(d time.Duration) time.Duration {
	return min(max(d/8, 20*time.Millisecond), time.Second)
}
