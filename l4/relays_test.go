package l4

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// silent is a backend that reads and says nothing.
func silent(conn *net.TCPConn) { _, _ = io.Copy(io.Discard, conn) }

func TestIdleTimeoutCoversBothDirections(t *testing.T) {
	const idle = 1500 * time.Millisecond
	p := start(t, &Server{Relays: Relays{Limits: Limits{IdleTimeout: idle}}}, backend(t, silent))
	talks, quiet := p.dial(t), p.dial(t)
	// One side that goes on sending keeps the whole connection.
	for began := time.Now(); time.Since(began) < 2*idle; time.Sleep(idle / 30) {
		if _, err := talks.Write([]byte("x")); err != nil {
			t.Fatalf("cut after %s although it was not idle: %v", time.Since(began), err)
		}
	}
	wantReset(t, quiet, "")
	p.wantEnding(t, Idle)
	p.wantEnding(t, Idle) // the other, once it is silent
}

func TestHalfCloseTimeout(t *testing.T) {
	p := start(t, &Server{Relays: Relays{Limits: Limits{HalfCloseTimeout: time.Second}}}, backend(t, func(conn *net.TCPConn) {
		_, _ = io.Copy(io.Discard, conn) // sees the end, and never ends its own stream
		_, _ = conn.Write([]byte("x"))
		_, _ = io.Copy(io.Discard, conn)
		<-t.Context().Done()
	}))
	open, half := p.dial(t), p.dial(t)
	_ = half.CloseWrite()
	wantReset(t, half, "x")
	p.wantEnding(t, HalfCloseTimeout)
	exchangeable(t, open)
}

// exchangeable fails if the connection was cut.
func exchangeable(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); err == nil || !err.(net.Error).Timeout() {
		t.Errorf("read: %v, want the connection open and silent", err)
	}
}

func TestMaxAgeIsSpread(t *testing.T) {
	const age = 2 * time.Second
	p := start(t, &Server{Relays: Relays{Limits: Limits{MaxAge: age}}}, backend(t, echo))
	began := time.Now()
	conn := p.dial(t)
	for time.Since(began) < age/2 {
		exchange(t, conn, "x")
		time.Sleep(20 * time.Millisecond)
	}
	wantReset(t, conn, "")
	p.wantEnding(t, MaxAge)
	if d := time.Since(began); d < age*9/10 {
		t.Errorf("cut at %s, want %s or later", d, age*9/10)
	}
	low, high := age, age
	for range 1000 {
		low, high = min(low, spread(age)), max(high, spread(age))
	}
	if low < age*9/10 || high > age*11/10 || high-low < age/10 {
		t.Errorf("ages from %s to %s", low, high)
	}
}

func TestBytesGrowWhileTheConnectionLives(t *testing.T) {
	p := start(t, &Server{}, backend(t, echo))
	conn := p.dial(t)
	exchange(t, conn, strings.Repeat("x", 1000))
	testkit.Eventually(t, "1000 bytes are counted each way while it lives", func() bool {
		received, sent := p.Relays.Bytes()
		return received == 1000 && sent == 1000
	})
	_ = conn.CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
	_ = conn.Close()
	if rec := p.wantEnding(t, EOF); rec.Received != 1000 || rec.Sent != 1000 || rec.Backend == "" || rec.Whole < rec.Dial {
		t.Errorf("record %+v", rec)
	}
	if received, sent := p.Relays.Bytes(); received != 1000 || sent != 1000 {
		t.Errorf("received %d and sent %d after it ended, want 1000 of each", received, sent)
	}
}

// pipes returns how many pipe ends the process holds.
func pipes(t testing.TB) (n int) {
	t.Helper()
	for _, fd := range links(t) {
		if strings.HasPrefix(fd, "pipe:") {
			n++
		}
	}
	return n
}

func links(t testing.TB) (all []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc")
	}
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil {
			all = append(all, to)
		}
	}
	return all
}
