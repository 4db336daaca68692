//go:build linux

package e2e

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// noticed is the time within which a peer's silence is noticed: a user timeout of
// a minute, or 30 s and 3 probes 10 s apart, with what the kernel's timers and a
// loaded machine add.
const noticed = 90 * time.Second

// TestLostHost lets a host vanish that backends and clients are on: from one
// moment on, all packets from and to it are lost without a word. Whoever was
// connected to it through fourseven is reset, whether bytes were under way, from
// either side, or none, and nothing is left of it.
func TestLostHost(t *testing.T) {
	t.Parallel()
	lb, alive, gone := newNamespace(t, "lb"), newNamespace(t, "alive"), newNamespace(t, "gone")
	toAlive, toGone := link{lb, "alive", "10.47.1.1"}, link{lb, "gone", "10.47.2.1"}
	fromAlive, fromGone := link{alive, "lb", "10.47.1.2"}, link{gone, "lb", "10.47.2.2"}
	plug(t, toAlive, fromAlive)
	plug(t, toGone, fromGone)
	goneBackend, aliveBackend := gone.listen(t, "10.47.2.2:8001"), alive.listen(t, "10.47.1.2:8001")
	p := listening(t, within(lb, fourseven(quick(
		"LB_L4_LISTEN=0.0.0.0:9000", "LB_BACKENDS=10.47.2.2:8001,10.47.1.2:8001", "LB_HEALTH_CHECK=off"))))
	sockets := p.sockets()

	// The backends take turns: every other connection is from the host that stays to
	// the backend that goes, and the others are the other way round.
	var pairs []*pair
	for _, sends := range []string{"nobody", "the one that stays", "the one that goes"} {
		client, backend := connect(t, alive.dial(t, "10.47.1.1:9000"), goneBackend)
		pairs = append(pairs, &pair{name: "backend gone, sending: " + sends, sends: sends, stays: client, goes: backend})
		client, backend = connect(t, gone.dial(t, "10.47.2.1:9000"), aliveBackend)
		pairs = append(pairs, &pair{name: "client gone, sending: " + sends, sends: sends, stays: backend, goes: client})
	}
	for _, c := range pairs {
		c.run(t)
	}
	for _, c := range pairs {
		testkit.Eventually(t, "bytes to be under way", func() bool { return c.sends == "nobody" || c.moved.Load() > 1<<20 })
	}

	toGone.lose(t, fromGone.addr)
	fromGone.lose(t, toGone.addr)
	began := time.Now()
	for _, c := range pairs {
		_ = c.stays.SetDeadline(began.Add(noticed))
	}
	for _, c := range pairs {
		<-c.endc
		after := c.ended.Sub(began).Round(time.Second)
		t.Logf("%s: noticed after %s", c.name, after)
		if !errors.Is(c.end, syscall.ECONNRESET) {
			t.Errorf("%s: ended after %s with %v, want a reset within %s", c.name, after, c.end, noticed)
		}
	}
	testkit.Eventually(t, "all sockets to be closed", func() bool { return p.sockets() == sockets })
}

// pair is the two ends of a connection through fourseven.
type pair struct {
	name        string
	sends       string // who does
	stays, goes net.Conn
	moved       atomic.Int64 // bytes that were read at either end

	endc  chan struct{} // closed when the end that stays has ended
	end   error         // of its reading, and of its sending
	ended time.Time
}

// run receives at both ends, and sends at one of them or none. It ends with the
// test.
func (c *pair) run(t *testing.T) {
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_, _ = c.stays.Close(), c.goes.Close()
		wg.Wait()
	})
	c.endc = make(chan struct{})
	wg.Go(func() { _ = c.receive(c.goes) })
	if c.sends == "the one that goes" {
		wg.Go(func() { _ = send(c.goes) })
	}
	wg.Go(func() {
		defer close(c.endc)
		sentc := make(chan error, 1)
		if c.sends == "the one that stays" {
			wg.Go(func() { sentc <- send(c.stays) })
		} else {
			sentc <- nil
		}
		err := c.receive(c.stays)
		c.ended = time.Now()
		// The kernel tells of a reset once: the other one gets an end or EPIPE.
		c.end = errors.Join(err, <-sentc)
	})
}

func (c *pair) receive(conn net.Conn) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		c.moved.Add(int64(n))
		if err != nil {
			return err
		}
	}
}

// send sends until the connection breaks, at a rate that costs this machine
// little.
func send(conn net.Conn) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	buf := make([]byte, 128<<10)
	for range tick.C {
		if _, err := conn.Write(buf); err != nil {
			return err
		}
	}
	panic("a ticker does not end")
}
