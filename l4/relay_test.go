package l4

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
)

// exchange sends a text and wants it back.
func exchange(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatalf("write: %v", err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("read %q, %v, want %q", got, err, text)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

func TestHalfCloseFromTheClient(t *testing.T) {
	answer := random(1 << 20)
	gotc := make(chan string, 1)
	p := start(t, &Server{}, backend(t, func(conn *net.TCPConn) {
		got, _ := io.ReadAll(conn)
		gotc <- string(got)
		_, _ = conn.Write(answer)
	}))
	conn := p.dial(t)
	_, _ = io.WriteString(conn, "question")
	_ = conn.CloseWrite()
	if got := <-gotc; got != "question" {
		t.Errorf("the backend got %q", got)
	}
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, answer) {
		t.Errorf("%d bytes of %d after the half-close, %v", len(got), len(answer), err)
	}
	_ = conn.Close()
	p.wantEnding(t, EOF)
}

func TestHalfCloseFromTheBackend(t *testing.T) {
	sent := random(1 << 20)
	gotc := make(chan []byte, 1)
	p := start(t, &Server{}, backend(t, func(conn *net.TCPConn) {
		_, _ = io.WriteString(conn, "greeting")
		_ = conn.CloseWrite()
		got, _ := io.ReadAll(conn)
		gotc <- got
	}))
	conn := p.dial(t)
	if got, err := io.ReadAll(conn); err != nil || string(got) != "greeting" {
		t.Fatalf("read %q, %v", got, err)
	}
	if _, err := conn.Write(sent); err != nil {
		t.Fatalf("write after the backend's half-close: %v", err)
	}
	_ = conn.CloseWrite()
	if got := <-gotc; !bytes.Equal(got, sent) {
		t.Errorf("the backend got %d bytes of %d", len(got), len(sent))
	}
}

// Pins that truncated data never looks complete: a reset arrives as a reset,
// after all bytes that came before it.
func TestBackendResetReachesTheClient(t *testing.T) {
	for _, n := range []int{0, 5, 100 << 10} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			text := strings.Repeat("x", n)
			p := start(t, &Server{}, backend(t, func(conn *net.TCPConn) {
				// A reset that comes before connect has returned is a refusal.
				_, _ = io.ReadFull(conn, make([]byte, 1))
				_, _ = io.WriteString(conn, text)
				awaitAcked(t, conn)
				Reset(conn)
			}))
			conn := p.dial(t)
			_, _ = io.WriteString(conn, "?")
			wantReset(t, conn, text)
			p.wantEnding(t, BackendReset)
		})
	}
}

func TestClientResetReachesTheBackend(t *testing.T) {
	type seen struct {
		text string
		err  error
	}
	seenc := make(chan seen, 1)
	p := start(t, &Server{}, backend(t, func(conn *net.TCPConn) {
		got, err := io.ReadAll(conn)
		seenc <- seen{string(got), err}
	}))
	conn := p.dial(t)
	text := strings.Repeat("y", 100<<10)
	_, _ = io.WriteString(conn, text)
	awaitAcked(t, conn)
	Reset(conn)
	if got := <-seenc; got.err == nil || got.text != text {
		t.Errorf("the backend got %d bytes and %v, want %d and a reset", len(got.text), got.err, len(text))
	}
	p.wantEnding(t, ClientReset)
}

// Many connections with bulk both ways at once: every byte arrives, in order.
func TestBulkIsExact(t *testing.T) {
	p := start(t, &Server{}, backend(t, echo))
	data := random(8 << 20)
	want := sha256.Sum256(data)
	var wg sync.WaitGroup
	for range 8 {
		conn := p.dial(t)
		wg.Go(func() {
			_, _ = conn.Write(data)
			_ = conn.CloseWrite()
		})
		wg.Go(func() {
			h := sha256.New()
			if _, err := io.Copy(h, conn); err != nil || [32]byte(h.Sum(nil)) != want {
				t.Errorf("what came back differs: %v", err)
			}
		})
	}
	wg.Wait()
}

// Pins that a client which leaves with a reset after its end of stream is
// noticed although nobody reads from it any more and the backend is silent.
func TestResetAfterHalfClose(t *testing.T) {
	brokec := make(chan error, 1)
	endc := make(chan struct{})
	p := start(t, &Server{}, backend(t, func(conn *net.TCPConn) {
		_, _ = io.Copy(io.Discard, conn)
		close(endc)
		raw, _ := conn.SyscallConn()
		_ = raw.Read(func(fd uintptr) bool { err := socketError(fd); brokec <- err; return err != nil })
	}))
	conn := p.dial(t)
	_ = conn.CloseWrite()
	<-endc
	Reset(conn)
	p.wantEnding(t, ClientReset)
	for err := range brokec {
		if err != nil {
			return
		}
	}
}

// Pins that what the backend said before it broke is delivered although writing
// to it has failed meanwhile.
func TestLastWordsOfABrokenBackend(t *testing.T) {
	p := start(t, &Server{}, backend(t, func(conn *net.TCPConn) {
		_, _ = io.ReadFull(conn, make([]byte, 1))
		_, _ = io.WriteString(conn, "too much")
		raw, _ := conn.SyscallConn()
		for unread := 0; unread == 0; { // all that matters is that there is some
			if raw.Control(func(fd uintptr) { unread = waiting(fd) }) != nil {
				return
			}
		}
		_ = conn.Close() // with unread data: the kernel sends a reset
	}))
	for range 200 {
		conn := p.dial(t)
		_, _ = conn.Write(random(256 << 10))
		got, err := io.ReadAll(conn)
		if err == nil {
			t.Errorf("a clean end after %q", got)
		}
		p.wantEnding(t, BackendReset)
	}
}
