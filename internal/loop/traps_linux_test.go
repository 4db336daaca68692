//go:build !portable

package loop

import (
	"bytes"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Trap 1: an event waits in the batch while its connection is closed and the slot
// and descriptor are given to a new one.
func TestEventOfAnEarlierConnection(t *testing.T) {
	l := oneLoop(t)
	old, peer := pair(t, l)
	next, _ := pair(t, l)
	write(t, peer, "for the old one")
	in(t, l, func() {
		stale := unix.EpollEvent{Events: connEvents | unix.EPOLLIN | unix.EPOLLRDHUP, Fd: old.slot, Pad: l.conns.generation(old)}
		slot := old.slot
		next.leave()
		old.shut(false)
		l.load.conns.Add(1)
		next.attach()
		if next.slot != slot {
			t.Errorf("the slot is %d, want %d again", next.slot, slot)
		}
		l.dispatch(&stale)
		if next.readable || next.exact {
			t.Error("the new connection got the old one's event")
		}
	})
}

// Trap 2: a pipe whose bytes were not all taken must not be used again.
func TestPipeWithBytesIsClosed(t *testing.T) {
	l := oneLoop(t)
	src, in1 := pair(t, l)
	dst, out := pair(t, l)
	donec := make(chan struct{})
	go func() { _, _ = in1.Write(bytes.Repeat([]byte("secret"), 16<<20/6)) }()
	eventually(t, "bulk has arrived", func() (there bool) {
		in(t, l, func() { there = arrived(src) == 1024 })
		return there
	})
	l.Go(func() {
		defer close(donec)
		fill(dst)
		_ = dst.splice(src)
	})
	eventually(t, "the copy is stuck with bytes in the pipe", func() (stuck bool) {
		in(t, l, func() { stuck = dst.writer != nil && l.group.pipes.total() == 1 && len(l.pipes) == 0 })
		return stuck
	})
	_ = dst.Reset()
	await(t, "the copy", donec)
	in(t, l, func() {
		if n := l.group.pipes.total(); n != 0 || len(l.pipes) != 0 {
			t.Errorf("%d pipes are left, %d to be used again", n, len(l.pipes))
		}
	})
	_ = in1.Close()
	_ = out.Close()
	in(t, l, func() { _ = src.Close() })
	// The next one gets its own bytes only.
	src, in1 = pair(t, l)
	dst, out = pair(t, l)
	sent := pattern(4, 4<<20)
	l.Go(func() { _, _ = io.Copy(dst, src); _ = dst.Close() })
	go func() { _, _ = in1.Write(sent); _ = in1.CloseWrite() }()
	if got, err := io.ReadAll(out); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d of %d bytes, %v", len(got), len(sent), err)
	}
}

// Trap 3: a pipe has few places, each for a piece of a packet: many small packets
// fill it long before its size, and the splice that finds it full returns EAGAIN.
func TestFullPipeIsNotAnEmptySocket(t *testing.T) {
	l := oneLoop(t)
	// Without large pipes, whose many places hide it.
	for range maxLarge {
		l.group.pipes.acquire()
	}
	src, in1 := pair(t, l)
	dst, out := pair(t, l)
	_ = in1.SetNoDelay(true)
	sent := pattern(5, 2<<20)
	donec := make(chan struct{})
	go func() {
		defer close(donec)
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 700)
			if _, err := in1.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		_ = in1.CloseWrite()
	}()
	l.Go(func() {
		_ = l.Sleep(20 * time.Millisecond) // until the socket is full of small packets
		_, _ = io.Copy(dst, src)
		_ = dst.Close()
	})
	if got, err := io.ReadAll(out); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d of %d bytes, %v", len(got), len(sent), err)
	}
	await(t, "the sender", donec)
}

// Trap 4: an end that comes with the last bytes, or between an event and the read,
// is told once.
func TestShortReads(t *testing.T) {
	l := oneLoop(t)
	for i := range 300 {
		src, in1 := pair(t, l)
		dst, out := pair(t, l)
		l.Go(func() {
			src.Forward(dst, func() { _, _ = io.Copy(dst, src); _ = dst.Close() })
		})
		if i%2 == 0 {
			in(t, l, func() {})
		}
		go func() { _, _ = in1.Write([]byte("all there is")); _ = in1.Close() }()
		if got, err := io.ReadAll(out); err != nil || string(got) != "all there is" {
			t.Fatalf("got %q, %v", got, err)
		}
		_ = src.Close()
	}
}

// A read stops short at urgent data although there is more, and a splice does not
// get past it. Urgent bytes are dropped, as by any other reader, unless another one
// comes before they are read.
func TestUrgentData(t *testing.T) {
	l := oneLoop(t)
	for _, size := range []int{6, 300_000} {
		src, in1 := pair(t, l)
		dst, out := pair(t, l)
		in(t, l, func() { src.Forward(dst, func() { _, _ = io.Copy(dst, src); _ = dst.Close() }) })
		sent := bytes.ReplaceAll(pattern(10, size), []byte("!"), []byte("."))
		donec := make(chan struct{})
		go func() {
			defer close(donec)
			raw, _ := in1.SyscallConn()
			for range 20 {
				_, _ = in1.Write(sent)
				_ = raw.Write(func(fd uintptr) bool { return unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) == nil })
			}
			_ = in1.CloseWrite()
		}()
		got, err := io.ReadAll(out)
		got = bytes.ReplaceAll(got, []byte("!"), nil)
		if want := bytes.Repeat(sent, 20); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d of %d bytes, %v", len(got), len(want), err)
		}
		await(t, "the sender", donec)
		_ = src.Close()
	}
}

// A read from a Unix socket stops short where a message carries descriptors.
func TestShortReadsOfUnixSockets(t *testing.T) {
	l := oneLoop(t)
	ln, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	var src *Conn
	in(t, l, func() { src, err = l.DialUnix(t.Context(), ln.Addr().String(), wait) })
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	dst, out := pair(t, l)
	in(t, l, func() { src.Forward(dst, func() { _, _ = io.Copy(dst, src) }) })
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	rights := unix.UnixRights(int(null.Fd()))
	before := descriptors(t)
	for range 20 {
		in(t, l, func() {
			_, _, _ = peer.(*net.UnixConn).WriteMsgUnix([]byte("with"), rights, nil)
			_, _ = peer.Write([]byte("without"))
		})
		wantBytes(t, out, "withwithout")
	}
	if n := descriptors(t); n > before {
		t.Errorf("%d descriptors were taken in", n-before)
	}
	_ = src.Close()
}

// Trap 6: what the loop has read and the other side did not take must be written
// before anything else, although no more arrives. Bulk must not be spliced past it.
func TestLeftoverIsWritten(t *testing.T) {
	l := oneLoop(t)
	for _, size := range []int{9, bufferSize, bufferSize + 53, 1 << 20} {
		src, in1 := pair(t, l)
		dst, out := pair(t, l)
		sent := pattern(6, size)
		go func() { _, _ = in1.Write(sent); _ = in1.CloseWrite() }()
		in(t, l, func() { src.OnReadable(nil); _ = l.Sleep(20 * time.Millisecond) })
		filled := 0
		in(t, l, func() { // the destination's socket is full, and the loop does not know
			filled = fill(dst)
			src.Forward(dst, func() { _, _ = io.Copy(dst, src); _ = dst.Close() })
		})
		eventually(t, "the loop has read", func() bool { return src.BytesRead() >= int64(min(size, bufferSize)) })
		in(t, l, func() { _ = l.Sleep(20 * time.Millisecond) })
		if _, err := io.CopyN(io.Discard, out, int64(filled)); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(out); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("got %d of %d bytes, %v", len(got), len(sent), err)
		}
		_ = src.Close()
	}
}

// fill writes to the socket until it is full, and returns how much that was.
func fill(c *Conn) (filled int) {
	raw, _ := c.SyscallConn()
	_ = raw.Control(func(fd uintptr) {
		for buf := make([]byte, 1000); ; {
			n, err := unix.Write(int(fd), buf)
			if err != nil {
				return
			}
			filled += n
		}
	})
	return filled
}

// Trap 10: the loops occupy as many processors as there were; the rest of the
// program needs one more.
func TestProcsAreRaised(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	g, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if n := runtime.GOMAXPROCS(0); len(g.Loops()) != before || n != before+1 {
		t.Errorf("%d loops and GOMAXPROCS %d, want %d and %d", len(g.Loops()), n, before, before+1)
	}
	_ = g.Close()
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("GOMAXPROCS is %d after Close, want %d", n, before)
	}
}

// The first pipes are large, then there are small ones, then none: bulk is copied.
func TestPipesRunOut(t *testing.T) {
	l := oneLoop(t)
	var taken []*pipe
	in(t, l, func() {
		for range MaxPipes {
			p := l.takePipe()
			if p == nil {
				t.Error("too few pipes")
				return
			}
			taken = append(taken, p)
		}
		if l.takePipe() != nil {
			t.Errorf("more than %d pipes", MaxPipes)
		}
	})
	if len(taken) == MaxPipes && (taken[0].size != largePipe || taken[MaxPipes-1].size != smallPipe) {
		t.Errorf("the sizes are %d and %d", taken[0].size, taken[MaxPipes-1].size)
	}
	src, in1 := pair(t, l)
	dst, out := pair(t, l)
	sent := pattern(6, 8<<20)
	l.Go(func() { _, _ = io.Copy(dst, src); _ = dst.Close() })
	go func() { _, _ = in1.Write(sent); _ = in1.CloseWrite() }()
	if got, err := io.ReadAll(out); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d of %d bytes without a pipe, %v", len(got), len(sent), err)
	}
	in(t, l, func() {
		for _, p := range taken {
			l.givePipe(p)
		}
		if len(l.pipes) != sparePipes {
			t.Errorf("%d pipes are kept", len(l.pipes))
		}
	})
	in(t, l, func() { _ = l.Sleep(time.Millisecond) })
}

// A Group keeps to its own limit of pipes.
func TestFewPipes(t *testing.T) {
	l := newGroup(t, Config{Loops: 1, Pipes: 1}).Loops()[0]
	in(t, l, func() {
		p := l.takePipe()
		if p == nil || l.takePipe() != nil {
			t.Error("not one pipe")
		}
		if p != nil {
			p.close()
		}
	})
}

// OnBulk is called when a direction turns out to be bulk, and while that goes on: a
// receive buffer that was bounded only at the beginning would grow later.
func TestOnBulk(t *testing.T) {
	calls := 0
	g := newGroup(t, Config{Loops: 1, OnBulk: func(dst, src *Conn) { calls++ }})
	addr := relayed(t, g, func(conn net.Conn) { _, _ = conn.Write(make([]byte, 8<<20)) })
	if n, err := io.Copy(io.Discard, dial(t, addr)); n != 8<<20 || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	in(t, g.Loops()[0], func() {
		if calls < 2 || calls > 8 {
			t.Errorf("OnBulk was called %d times for 8 MiB", calls)
		}
	})
}

// A pipe that is not needed any more is closed after a while: the system gives a user
// few.
func TestSparePipesEnd(t *testing.T) {
	g := newGroup(t, Config{Loops: 1})
	addr := relayed(t, g, func(conn net.Conn) { _, _ = conn.Write(make([]byte, 8<<20)) })
	if n, err := io.Copy(io.Discard, dial(t, addr)); n != 8<<20 || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	eventually(t, "there is no pipe", func() bool { return g.pipes.total() == 0 })
}
