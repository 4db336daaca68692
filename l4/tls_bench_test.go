//go:build linux

package l4

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/internal/testkit"
)

func BenchmarkTLSHandshake(b *testing.B) {
	for _, resumed := range []bool{false, true} {
		name := "full"
		if resumed {
			name = "resumed"
		}
		b.Run(name, func(b *testing.B) {
			srv, client := ending(b)
			if resumed {
				client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			}
			p := start(b, srv, backend(b, echo))
			b.ReportAllocs()
			for b.Loop() {
				conn := secureClient(b, p, client)
				exchange(b, conn, "x")
				Reset(conn.NetConn())
			}
		})
	}
}

func BenchmarkTLSBulk(b *testing.B) {
	srv, client := ending(b)
	p := start(b, srv, backend(b, func(conn *net.TCPConn) {
		block := make([]byte, 256<<10)
		for {
			if _, err := conn.Write(block); err != nil {
				return
			}
		}
	}))
	conn := secureClient(b, p, client)
	_ = conn.SetDeadline(time.Time{})
	const chunk = 1 << 20
	buf := make([]byte, chunk)
	b.SetBytes(chunk)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.ReadFull(conn, buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTLSRoundTrip(b *testing.B) {
	srv, client := ending(b)
	p := start(b, srv, backend(b, echo))
	conn := secureClient(b, p, client)
	_ = conn.SetDeadline(time.Time{})
	buf := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTLSIdle reports what an idle connection holds in all processes together: the
// clients are this one, too, whose share BenchmarkTLSIdleClient reports.
func BenchmarkTLSIdle(b *testing.B) {
	_, addr := queue(b, 4096)
	srv, client := ending(b)
	p := start(b, srv, health.NewBackend(addr))
	idle(b, func() net.Conn { return secureClient(b, p, client) })
	testkit.Eventually(b, "all are relayed", func() bool { return p.Relays.Open(p.Pool.Backends()[0]) > b.N })
}

// BenchmarkTLSIdleClient is the clients' share of BenchmarkTLSIdle, and as much for a
// server of package net.
func BenchmarkTLSIdleClient(b *testing.B) {
	srv, client := ending(b)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", srv.TLS.Config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ln.Close() })
	idle(b, func() net.Conn {
		acceptedc := make(chan error, 1)
		go func() {
			conn, err := ln.Accept()
			if err == nil {
				b.Cleanup(func() { _ = conn.Close() })
				err = conn.(*tls.Conn).Handshake()
			}
			acceptedc <- err
		}()
		conn, err := tls.Dial("tcp", ln.Addr().String(), client)
		if err == nil {
			err = <-acceptedc
		}
		if err != nil {
			b.Fatal(err)
		}
		return conn
	})
}

// idle opens b.N connections that send a byte, and reports what they take.
func idle(b *testing.B, dial func() net.Conn) {
	open := func() {
		conn := dial()
		_, _ = conn.Write([]byte("x"))
		b.Cleanup(func() { _ = conn.Close() })
	}
	for range 64 {
		open()
	}
	debug.FreeOSMemory()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rss := resident(b)
	b.ResetTimer()
	for range b.N {
		open()
	}
	b.StopTimer()
	time.Sleep(1500 * time.Millisecond)
	debug.FreeOSMemory()
	runtime.ReadMemStats(&after)
	n := float64(b.N)
	b.ReportMetric(float64(resident(b)-rss)/n, "B-resident/conn")
	b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/n, "B-heap/conn")
	b.ReportMetric((float64(after.StackInuse)-float64(before.StackInuse))/n, "B-stack/conn")
}
