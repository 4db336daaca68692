package l4

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/internal/testkit"
)

// script is what one end of a connection does.
type script struct {
	bytes  int
	resets bool          // after its bytes, instead of ending its stream
	stall  time.Duration // before it reads
	chunk  int           // of a write
	pause  time.Duration // after a write
}

// scripts returns what the client and the backend of a connection do.
func scripts(seed uint64) (client, backend script) {
	r := rand.New(rand.NewPCG(seed, 1))
	one := func() script {
		s := script{chunk: 1 << r.IntN(18)}
		switch r.IntN(4) {
		case 0:
		case 1:
			s.bytes = r.IntN(200)
		default:
			s.bytes = r.IntN(600 << 10)
		}
		s.bytes = min(s.bytes, 400*s.chunk)
		if r.IntN(2) == 0 {
			s.pause = time.Duration(r.IntN(40)) * time.Millisecond
			s.bytes = min(s.bytes, 20*s.chunk)
		}
		s.resets = r.IntN(4) == 0
		if r.IntN(3) == 0 {
			s.stall = time.Duration(r.IntN(1500)) * time.Millisecond
		}
		return s
	}
	return one(), one()
}

// ended is how one end of a connection saw it end.
type ended struct {
	got   int
	clean bool
	err   error
}

// play follows a script on an end of a connection.
func play(conn *net.TCPConn, own script, ownSeed, otherSeed uint64) (e ended) {
	var writer sync.WaitGroup
	var broken error // the kernel tells of a reset once: here, and then the read sees an end
	writer.Go(func() {
		data := bytesOf(ownSeed, own.bytes)
		for len(data) > 0 {
			var n int
			if n, broken = conn.Write(data[:min(len(data), own.chunk)]); broken != nil {
				return
			}
			data = data[n:]
			time.Sleep(own.pause)
		}
		if own.resets {
			Reset(conn)
			return
		}
		broken = conn.CloseWrite()
	})
	time.Sleep(own.stall)
	got, err := io.ReadAll(conn)
	writer.Wait()
	_ = conn.Close()
	err = cmp.Or(err, broken)
	if string(got) != string(bytesOf(otherSeed, len(got))) {
		err = errors.New("the bytes are not those that were sent")
		return ended{len(got), false, err}
	}
	return ended{len(got), err == nil, err}
}

func bytesOf(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// verdict returns what is wrong with how an end saw the connection end, given what the
// other end did. An end of stream is a promise that all of it has come.
func verdict(saw ended, own, other script, cut bool) error {
	switch {
	case saw.clean && other.resets:
		return fmt.Errorf("a clean end after %d bytes, though the other end was reset after %d", saw.got, other.bytes)
	case saw.clean && saw.got != other.bytes:
		return fmt.Errorf("a clean end after %d bytes of %d", saw.got, other.bytes)
	case !saw.clean && !own.resets && !other.resets && !cut:
		return fmt.Errorf("%w after %d bytes of %d, though both ends were clean", saw.err, saw.got, other.bytes)
	}
	return nil
}

// Connections that send, stall, half-close, reset and are cut at any moment: each end
// sees the bytes that were sent, in order, and a clean end only after all of them; and
// nothing is left of any connection.
func TestStress(t *testing.T) {
	for _, cuts := range []bool{false, true} {
		t.Run(fmt.Sprintf("cuts %t", cuts), func(t *testing.T) { stress(t, cuts) })
	}
}

func stress(t *testing.T, cuts bool) {
	const conns, atOnce = 600, 150
	var mu sync.Mutex
	atBackend := map[uint64]ended{}
	var backends sync.WaitGroup
	b := backend(t, func(conn *net.TCPConn) {
		backends.Add(1)
		defer backends.Done()
		var head [8]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		seed := binary.LittleEndian.Uint64(head[:])
		_, own := scripts(seed)
		saw := play(conn, own, 2*seed+1, 2*seed)
		mu.Lock()
		defer mu.Unlock()
		atBackend[seed] = saw
	})
	slots := NewSlots(atOnce - 10)
	p := start(t, &Server{Slots: slots}, b)
	ctx, stop := context.WithCancel(t.Context())
	var cutter sync.WaitGroup
	if cuts {
		cutter.Go(func() {
			for ctx.Err() == nil {
				time.Sleep(rand.N(20 * time.Millisecond))
				short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				p.Relays.Close(short, b, 1+rand.IntN(500))
				cancel()
				p.Relays.Bytes()
			}
		})
	}
	var clients sync.WaitGroup
	turnc := make(chan struct{}, atOnce)
	base := rand.Uint64N(1 << 40)
	t.Logf("seeds from %d", base)
	atClient := make([]ended, conns)
	for i := range conns {
		turnc <- struct{}{}
		clients.Go(func() {
			defer func() { <-turnc }()
			seed := base + uint64(i)
			conn, err := net.Dial("tcp", p.addr)
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.SetDeadline(time.Now().Add(2 * wait))
			_, _ = conn.Write(binary.LittleEndian.AppendUint64(nil, seed))
			own, _ := scripts(seed)
			atClient[i] = play(conn.(*net.TCPConn), own, 2*seed, 2*seed+1)
		})
	}
	clients.Wait()
	stop()
	cutter.Wait()
	testkit.Eventually(t, "every connection is over", func() bool {
		return p.Active() == 0 && slots.Taken() == 0 && b.Active() == 0 && p.Relays.Open(b) == 0
	})
	backends.Wait()
	reasons := map[Ending]int{}
	for range conns {
		reasons[(<-p.endc).Reason]++
	}
	t.Logf("%d connections: %v", conns, reasons)
	mu.Lock()
	defer mu.Unlock()
	judge(t, base, atClient, atBackend, cuts)
	wantTotals(t, p, b)
}

func judge(t *testing.T, base uint64, atClient []ended, atBackend map[uint64]ended, cuts bool) {
	t.Helper()
	for i, saw := range atClient {
		seed := base + uint64(i)
		client, backend := scripts(seed)
		if err := verdict(saw, client, backend, cuts); err != nil {
			t.Errorf("client %d (%+v, %+v): %v", seed, client, backend, err)
		}
		saw, began := atBackend[seed]
		if !began { // it was reset before it said who it is
			continue
		}
		if err := verdict(saw, backend, client, cuts); err != nil {
			t.Errorf("backend %d (%+v, %+v): %v", seed, client, backend, err)
		}
	}
}

// wantTotals checks that all totals are the same once all is over.
func wantTotals(t *testing.T, p *proxy, b *health.Backend) {
	t.Helper()
	received, sent := p.Relays.Bytes()
	if in, out := b.Traffic().Received.Load(), b.Traffic().Sent.Load(); in != received || out != sent || in == 0 || out == 0 {
		t.Errorf("the backend's traffic is %d and %d, the relays' %d and %d", in, out, received, sent)
	}
}
