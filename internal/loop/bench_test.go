package loop

import (
	"io"
	"net"
	"testing"
	"time"
)

// benchRelay returns the address of a relay to a backend.
func benchRelay(b *testing.B, f func(net.Conn)) string {
	g := newGroup(b, Config{})
	addr := relayed(b, g, f)
	b.ReportAllocs()
	return addr
}

// A message of 64 bytes through a relay and back, also with others at the same
// time.
func BenchmarkRoundTrip(b *testing.B) {
	addr := benchRelay(b, echo)
	b.RunParallel(func(pb *testing.PB) {
		c := dial(b, addr)
		_ = c.SetDeadline(time.Time{})
		msg := make([]byte, 64)
		for pb.Next() {
			if _, err := c.Write(msg); err != nil {
				b.Error(err)
				return
			}
			if _, err := io.ReadFull(c, msg); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// A connection through a relay: opened, one byte there and back, closed by the
// backend. The allocations are those of both ends, too.
func BenchmarkConnect(b *testing.B) {
	addr := benchRelay(b, func(conn net.Conn) { _, _ = io.CopyN(conn, conn, 1) })
	one := make([]byte, 1)
	for b.Loop() {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Write(one); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, one); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(one); err != io.EOF {
			b.Fatal(err)
		}
		_ = c.Close()
	}
}

// Bulk from a backend to a client, per megabyte.
func BenchmarkBulk(b *testing.B) {
	addr := benchRelay(b, func(conn net.Conn) {
		for buf := make([]byte, 256<<10); ; {
			if _, err := conn.Write(buf); err != nil {
				return
			}
		}
	})
	c := dial(b, addr)
	_ = c.SetDeadline(time.Time{})
	b.SetBytes(1 << 20)
	buf := make([]byte, 1<<20)
	for b.Loop() {
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
	resetNet(c)
}
