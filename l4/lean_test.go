//go:build linux

package l4

import (
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fourseven/health"
	"fourseven/internal/loop"
	"fourseven/internal/testkit"
)

// Pins that splice is really on: bulk runs through a pipe.
func TestBulkRunsThroughPipes(t *testing.T) {
	if loop.MaxPipes == 0 {
		t.Skip("the portable loops have none")
	}
	var stop atomic.Bool
	t.Cleanup(func() { stop.Store(true) })
	p := start(t, &Server{}, backend(t, func(conn *net.TCPConn) {
		for block := make([]byte, 1<<20); !stop.Load(); {
			if _, err := conn.Write(block); err != nil {
				return
			}
		}
	}))
	settled(t) // pipes that earlier tests have left
	before := pipes(t)
	conn := p.dial(t)
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	testkit.Eventually(t, "a pipe is in use", func() bool { return pipes(t) >= before+2 })
}

// Pins that an idle connection holds two descriptors, its sockets, and that it is
// back to two after a burst. (The test holds the peers' two as well.)
func TestIdleConnectionHoldsTwoDescriptors(t *testing.T) {
	const n = 50
	p := start(t, &Server{}, backend(t, echo))
	warm := p.dial(t)
	exchange(t, warm, "x")
	before, pipesBefore := settled(t), pipes(t)
	var conns []*net.TCPConn
	for range n {
		conn := p.dial(t)
		exchange(t, conn, "x")
		conns = append(conns, conn)
	}
	testkit.Eventually(t, "an idle connection holds two descriptors", func() bool { return testkit.Descriptors(t)-before == 4*n })
	for _, conn := range conns {
		go func() { _, _ = conn.Write(random(2 << 20)) }()
		if _, err := io.ReadFull(conn, make([]byte, 2<<20)); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, "the pipes are gone after the burst", func() bool {
		runtime.GC() // the runtime keeps a few pipes for reuse until then
		return pipes(t) == pipesBefore && testkit.Descriptors(t)-before == 4*n
	})
}

// settled returns the number of descriptors once what other tests have left is
// closed.
func settled(t testing.TB) int {
	t.Helper()
	last, since := 0, time.Now()
	testkit.Eventually(t, "the number of descriptors is steady", func() bool {
		runtime.GC() // the runtime keeps pipes for reuse until then
		if n := testkit.Descriptors(t); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 100*time.Millisecond
	})
	return last
}

// Pins that a reader which stops reading stops its sender, with little between
// them, and loses nothing.
func TestStalledReaderStallsItsSender(t *testing.T) {
	// The kernel makes a receive buffer larger by itself, and the relay bounds it when it
	// gets to run next. On a busy machine that may be late, but not each time.
	const most, tries = 12 << 20, 3
	for try := 1; ; try++ {
		got := stalledBytes(t)
		t.Logf("the sender got rid of %.1f MiB", float64(got)/(1<<20))
		if got <= most {
			return
		}
		if try == tries {
			t.Fatalf("the sender got rid of %d bytes that nobody reads, want at most %d", got, most)
		}
	}
}

// stalledBytes has a reader stop in the middle of a transfer, and then read the rest. It
// returns how many bytes the sender got rid of in between.
func stalledBytes(t *testing.T) int64 {
	t.Helper()
	var written atomic.Int64
	const total = 64 << 20
	p := start(t, &Server{}, backend(t, func(conn *net.TCPConn) {
		block := make([]byte, 64<<10)
		for written.Load() < total {
			n, err := conn.Write(block)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	conn := p.dial(t)
	// Read fast first, so that the kernel has made the proxy's buffers large. The
	// client's own is fixed: what it holds is not between the two.
	_ = conn.SetReadBuffer(64 << 10)
	const read = 24 << 20
	if _, err := io.CopyN(io.Discard, conn, read); err != nil {
		t.Fatal(err)
	}
	last, since := written.Load(), time.Now()
	testkit.Eventually(t, "the sender is stalled", func() bool {
		if now := written.Load(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 500*time.Millisecond
	})
	if n, err := io.Copy(io.Discard, conn); err != nil || n != total-read {
		t.Errorf("%d bytes after the stall, %v, want %d", n, err, total-read)
	}
	return last - read
}

// resident returns the process's resident memory in bytes.
func resident(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("needs /proc")
	}
	pages, _ := strconv.Atoi(strings.Fields(string(b))[1])
	return pages * os.Getpagesize()
}

func BenchmarkConnection(b *testing.B) {
	p := start(b, &Server{}, backend(b, echo))
	addr := p.addr
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 1)
		for pb.Next() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = conn.Write(buf)
			_, _ = io.ReadFull(conn, buf)
			Reset(conn)
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			p := start(b, &Server{}, backend(b, echo))
			b.SetParallelism((n + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				conn, err := net.Dial("tcp", p.addr)
				if err != nil {
					b.Error(err)
					return
				}
				defer func() { _ = conn.Close() }()
				buf := make([]byte, 64)
				for pb.Next() {
					if _, err := conn.Write(buf); err != nil {
						b.Error(err)
						return
					}
					if _, err := io.ReadFull(conn, buf); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkBulk(b *testing.B) {
	p := start(b, &Server{}, backend(b, func(conn *net.TCPConn) {
		block := make([]byte, 256<<10)
		for {
			if _, err := conn.Write(block); err != nil {
				return
			}
		}
	}))
	conn := p.dial(b)
	_ = conn.SetDeadline(time.Time{})
	const chunk = 1 << 20
	buf := make([]byte, chunk)
	b.SetBytes(chunk)
	for b.Loop() {
		if _, err := io.ReadFull(conn, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIdle reports what an idle connection holds after it has carried a
// message and been silent for a while. The peers are bare sockets, which hold
// nothing in this process but descriptors; the backend's wait in the listener's
// queue.
func BenchmarkIdle(b *testing.B) {
	const warm = 64
	_, addr := queue(b, 4096)
	p := start(b, &Server{}, health.NewBackend(addr))
	for range warm {
		bareClient(b, p.addr)
	}
	debug.FreeOSMemory()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rss := resident(b)
	b.ResetTimer()
	for range b.N {
		bareClient(b, p.addr)
	}
	b.StopTimer()
	testkit.Eventually(b, "all are relayed", func() bool { return p.Relays.Open(p.Pool.Backends()[0]) == b.N+warm })
	debug.FreeOSMemory()
	runtime.ReadMemStats(&after)
	n := float64(b.N)
	b.ReportMetric(float64(resident(b)-rss)/n, "B-resident/conn")
	b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/n, "B-heap/conn")
	b.ReportMetric((float64(after.StackInuse)-float64(before.StackInuse))/n, "B-stack/conn")
}

// queue returns a listening socket that holds n connections without accepting.
func queue(t testing.TB, n int) (fd int, addr string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, n); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(sa.(*unix.SockaddrInet4).Port)).String()
}

// bareClient connects and sends a byte, outside Go's poller.
func bareClient(t testing.TB, addr string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	ap := netip.MustParseAddrPort(addr)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: ap.Addr().As4(), Port: int(ap.Port())}); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(fd, []byte("x")); err != nil {
		t.Fatal(err)
	}
}
