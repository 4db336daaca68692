//go:build linux

package e2e

import (
	"crypto/sha256"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestSlowReader pins that a client which stops reading stalls its backend:
// little more is taken from it, and the process does not grow. Every byte arrives
// in the end.
func TestSlowReader(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first int64 // bytes that the client reads before it stalls
	}{
		{"from the start", 0},
		{"in mid-transfer", 32 << 20}, // once the kernel has made its buffers large
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// The kernel makes a receive buffer larger by itself, and fourseven bounds it when
			// it gets to run next. On a busy machine that may be late, but not each time.
			const mostTaken, mostGrown, tries = 12, 16, 3 // MiB
			for try := 1; ; try++ {
				taken, grown := stallReader(t, tt.first)
				t.Logf("taken from the sender: %.1f MiB, process grown: %.1f MiB", taken, grown)
				if taken <= mostTaken && grown < mostGrown {
					return
				}
				if try == tries {
					t.Fatalf("while the client did not read, want at most %d MiB taken, and growth under %d", mostTaken, mostGrown)
				}
			}
		})
	}
}

// stallReader has a client read so many bytes, then nothing for a while, then all the
// rest. It returns how many MiB were taken from the sender while the client did not
// read, and by how many the process grew.
func stallReader(t *testing.T, first int64) (taken, grown float64) {
	t.Helper()
	const stall, MiB = 3 * time.Second, 1 << 20
	flood := startFlood(t, 96*MiB)
	lb := serve(t, "LB_BACKENDS="+flood.addr, "LB_HEALTH_CHECK=off")
	conn := dial(t, lb.l4)
	_ = conn.SetReadBuffer(64 << 10) // what it holds is the client's own
	sum := sha256.New()
	resident := lb.resident()
	if _, err := io.CopyN(sum, conn, first); err != nil {
		t.Fatal(err)
	}
	sent := flood.sent.Load() // what is under way to the client counts
	for deadline := time.Now().Add(stall); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		grown = max(grown, float64(lb.resident()-resident)/MiB)
	}
	taken = float64(flood.sent.Load()-sent) / MiB
	if _, err := io.Copy(sum, conn); err != nil {
		t.Error(err)
	}
	<-flood.donec
	if got, want := string(sum.Sum(nil)), string(flood.sum.Sum(nil)); got != want {
		t.Errorf("sha256 of what arrived: %x, of what was sent: %x", got, want)
	}
	return taken, grown
}

// flood is a backend that sends its one client bytes as fast as it takes them.
type flood struct {
	addr  string
	sent  atomic.Int64
	donec chan struct{} // closed when all is sent
	sum   hash.Hash     // of all that was sent
}

func startFlood(t *testing.T, size int) *flood {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &flood{addr: ln.Addr().String(), donec: make(chan struct{}), sum: sha256.New()}
	go func() {
		defer close(f.donec)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(3 * testkit.Patience))
		noise := rand.NewChaCha8([32]byte{})
		buf := make([]byte, 64<<10)
		for sent := 0; sent < size; sent += len(buf) {
			_, _ = noise.Read(buf)
			_, _ = f.sum.Write(buf)
			n, err := conn.Write(buf)
			f.sent.Add(int64(n))
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-f.donec })
	return f
}
