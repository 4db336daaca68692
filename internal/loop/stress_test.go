package loop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// plan is what both ends of a connection do. It follows from its seed, which the
// client sends first, so that each end knows what the other one should.
type plan struct {
	seed     uint64
	up, down stretch
	cut      bool // from outside, at a random moment
}

// stretch is one direction's stream.
type stretch struct {
	seed   uint64
	size   int
	reset  bool // instead of an end
	stalls int  // pauses of the reader
	slow   int  // pauses of the writer
}

func newPlan(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 7))
	return plan{seed: seed, up: newStretch(r), down: newStretch(r), cut: r.IntN(10) == 0}
}

func newStretch(r *rand.Rand) stretch {
	sizes := [...]int{0, 1 + r.IntN(100), r.IntN(5000), r.IntN(100_000), r.IntN(100_000), 60_000 + r.IntN(20_000), r.IntN(3 << 20)}
	return stretch{
		seed: r.Uint64(), size: sizes[r.IntN(len(sizes))], reset: r.IntN(8) == 0,
		stalls: r.IntN(3) / 2 * r.IntN(4), slow: r.IntN(2) * r.IntN(6),
	}
}

// clean reports whether every byte has to arrive.
func (p plan) clean() bool { return !p.cut && !p.up.reset && !p.down.reset }

// send writes a stretch in random pieces. It reports whether the end was sent.
func (s stretch) send(conn *net.TCPConn) error {
	r := rand.New(rand.NewPCG(s.seed, 8))
	rest := pattern(s.seed, s.size)
	for len(rest) > 0 {
		n := min(1+r.IntN(1+len(rest)), len(rest))
		if s.slow > 0 && len(rest) > 1 {
			n = min(n, 1+len(rest)/2)
			s.slow--
			time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
		}
		if _, err := conn.Write(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if s.reset {
		resetNet(conn)
		return errReset
	}
	return conn.CloseWrite()
}

var errWrongEnd = errors.New("a clean end")

var errReset = errors.New("reset as planned")

// receive reads a stretch and compares every byte. What it returns is nil for all
// of it and a clean end.
func (s stretch) receive(t *testing.T, conn *net.TCPConn) error {
	r := rand.New(rand.NewPCG(s.seed, 9))
	want := pattern(s.seed, s.size)
	buf := make([]byte, 32<<10)
	for at := 0; ; {
		if s.stalls > 0 {
			s.stalls--
			time.Sleep(time.Duration(r.IntN(5000)) * time.Microsecond)
		}
		n, err := conn.Read(buf)
		if at+n > len(want) || !bytes.Equal(buf[:n], want[at:at+n]) {
			t.Errorf("wrong bytes after %d of %d", at, len(want))
			return io.ErrUnexpectedEOF
		}
		at += n
		if err == io.EOF && (at < len(want) || s.reset) {
			return fmt.Errorf("%w after %d of %d bytes, reset %t", errWrongEnd, at, len(want), s.reset)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// run plays one end of a connection.
func (p plan) run(t *testing.T, conn *net.TCPConn, out, in stretch, who string) {
	var wg sync.WaitGroup
	var sent, received error
	wg.Go(func() { sent = out.send(conn) })
	wg.Go(func() { received = in.receive(t, conn) })
	wg.Wait()
	if p.clean() && (sent != nil || received != nil) {
		t.Errorf("the %s of plan %d sent: %v, received: %v", who, p.seed, sent, received)
	}
	// The kernel tells of a reset once: if it has told the write, the read sees an end.
	if sent == nil && errors.Is(received, errWrongEnd) {
		t.Errorf("the %s of plan %d received: %v", who, p.seed, received)
	}
	_ = conn.Close()
}

// Thousands of connections send, stall, half-close, reset and are cut from outside
// at random moments. Every byte is compared, truncated data never looks complete,
// and nothing is left.
func TestStress(t *testing.T) {
	clients, rounds := 400, 12 // the race detector takes 8,128 goroutines
	if testing.Short() {
		clients, rounds = 100, 2
	}
	before := descriptors(t)
	g := newGroup(t, Config{})
	backend := listen(t)
	serve(t, backend, func(conn net.Conn) {
		var head [8]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return // cut, or reset, before
		}
		p := newPlan(binary.BigEndian.Uint64(head[:]))
		_ = conn.SetDeadline(time.Now().Add(2 * wait))
		p.run(t, conn.(*net.TCPConn), p.down, p.up, "backend")
	})
	front := listen(t)
	var live sync.Map // the relays' connections, by the client's address
	if _, err := serveOn(g, front, func(c *Conn) {
		live.Store(c.RemoteAddr().String(), c)
		relayTo(c, addrOf(backend))
	}); err != nil {
		t.Fatal(err)
	}
	var seeds atomic.Uint64
	seeds.Store(rand.Uint64())
	t.Logf("the first seed is %d", seeds.Load()+1)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range rounds {
				p := newPlan(seeds.Add(1))
				conn := dial(t, front.Addr().String())
				_ = conn.SetDeadline(time.Now().Add(2 * wait))
				local := conn.LocalAddr().String()
				if p.cut {
					time.AfterFunc(time.Duration(p.seed%20)*time.Millisecond, func() {
						if c, ok := live.Load(local); ok {
							_ = c.(*Conn).Reset()
						}
					})
				}
				var head [8]byte
				binary.BigEndian.PutUint64(head[:], p.seed)
				if _, err := conn.Write(head[:]); err == nil {
					p.run(t, conn, p.up, p.down, "client")
				}
				_ = conn.Close()
				live.Delete(local)
			}
		})
	}
	wg.Wait()
	wantNoConns(t, g)
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	_ = backend.Close()
	eventually(t, "the descriptors are closed", func() bool { return descriptors(t) <= before })
}

// FuzzScript plays a script on one relay: each byte is a step of the client, the
// backend or somebody outside. What the relay has taken in it passes on, in order,
// unless something broke.
func FuzzScript(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(pattern(seed, 1+int(seed)))
	}
	f.Add([]byte{0x10, 0x20, 0x03, 0x13})
	g := newGroup(f, Config{Loops: 1})
	backend, front := listen(f), listen(f)
	var mu sync.Mutex
	var current *Conn
	if _, err := serveOn(g, front, func(c *Conn) {
		mu.Lock()
		current = c
		mu.Unlock()
		relayTo(c, addrOf(backend))
	}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 64 {
			return
		}
		client := dial(t, front.Addr().String())
		accepted, err := backend.Accept()
		if err != nil {
			t.Fatal(err)
		}
		server := accepted.(*net.TCPConn)
		defer func() { _ = server.Close() }()
		_ = server.SetDeadline(time.Now().Add(wait))
		s := &scriptRun{t: t, ends: [2]*net.TCPConn{client, server}}
		for _, step := range script {
			if step&0x0f == 0x0f && step&0x30 == 0x30 {
				mu.Lock()
				_ = current.Reset()
				mu.Unlock()
				s.broken = true
			} else {
				s.step(step)
			}
			if s.broken {
				break
			}
		}
		s.finish()
		wantNoConns(t, g)
	})
}

// scriptRun is a script that runs between two ends.
type scriptRun struct {
	t       *testing.T
	ends    [2]*net.TCPConn
	pending [2][]byte // sent by an end, and not read by the other
	closed  [2]bool   // has ended its stream
	broken  bool
	count   byte
}

func (s *scriptRun) step(b byte) {
	from := int(b >> 4 & 1)
	to := 1 - from
	switch b & 7 {
	case 0, 1, 2, 3: // send
		if s.closed[from] {
			return
		}
		s.count++
		sent := bytes.Repeat([]byte{s.count}, 1<<(b>>4&15))
		if _, err := s.ends[from].Write(sent); err != nil {
			s.t.Errorf("write: %v", err)
		}
		s.pending[from] = append(s.pending[from], sent...)
	case 4, 5: // the other reads what there should be
		s.read(to)
	case 6:
		if s.closed[from] {
			return
		}
		s.closed[from] = true
		if err := s.ends[from].CloseWrite(); err != nil {
			s.t.Errorf("half-close: %v", err)
		}
	case 7:
		if b&0x80 != 0 {
			resetNet(s.ends[from])
			s.broken = true
		}
	}
}

func (s *scriptRun) read(by int) {
	want := s.pending[1-by]
	got := make([]byte, len(want))
	if n, err := io.ReadFull(s.ends[by], got); err != nil || !bytes.Equal(got, want) {
		s.t.Errorf("read %d of %d bytes, %v", n, len(want), err)
	}
	s.pending[1-by] = nil
}

// finish reads what is left. After a break that is a beginning of it, and no clean
// end; else all of it and a clean end.
func (s *scriptRun) finish() {
	for by, conn := range s.ends {
		if s.broken {
			got, err := io.ReadAll(conn)
			if want := s.pending[1-by]; !bytes.HasPrefix(want, got) {
				s.t.Errorf("read %d other bytes", len(got))
			}
			if err == nil && !s.closed[1-by] {
				s.t.Error("a break looks like a clean end")
			}
			_ = conn.Close()
			continue
		}
		if !s.closed[1-by] {
			_ = s.ends[1-by].CloseWrite()
		}
		s.read(by)
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			s.t.Errorf("read %d, %v, want the end", n, err)
		}
	}
	for _, conn := range s.ends {
		_ = conn.Close()
	}
}
