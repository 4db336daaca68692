package l4

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/internal/testkit"
)

func loopback(t *testing.T) net.Listener {
	t.Helper()
	ln, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// serve runs Serve and returns its error when it ends.
func serve(srv *Server, ln net.Listener) <-chan error {
	errc := make(chan error, 1)
	go func() { errc <- srv.Serve(ln) }()
	return errc
}

func within(t *testing.T, what string, errc <-chan error) error {
	t.Helper()
	select {
	case err := <-errc:
		return err
	case <-time.After(wait):
		t.Fatalf("not within %s: %s", wait, what)
		return nil
	}
}

// Pins that Serve ends with an error of its own when somebody else closes its event
// loops. When a listener died it was ErrServerClosed, so that the process went on
// without it.
func TestServeReportsLoopsThatDied(t *testing.T) {
	loops, err := NewLoops(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	srv := &Server{Pool: health.NewPool(), Loops: loops}
	t.Cleanup(func() { _ = srv.Shutdown(context.Background()) })
	ln := loopback(t)
	servec := serve(srv, ln)
	testkit.Eventually(t, "it is served", func() bool {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err == nil && srv.Stats().Connections > 0
	})
	_ = loops.Close()
	if err := within(t, "Serve ends", servec); errors.Is(err, ErrServerClosed) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v, want net.ErrClosed", err)
	}
}

// flaky is a listener whose first Accepts fail as they do without descriptors.
type flaky struct {
	net.Listener
	fails int
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.fails--; f.fails >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

// Pins that Accept survives failures, also outside the loops.
func TestAcceptSurvivesFailures(t *testing.T) {
	var failures atomic.Uint64
	l := &Listener{Listener: &flaky{Listener: loopback(t), fails: 4}, Failures: &failures}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	conn, err := l.Accept()
	if err != nil || failures.Load() != 4 {
		t.Fatalf("error %v, %d failures, want none and 4", err, failures.Load())
	}
	_ = conn.Close()
}

// Pins that one server serves several listeners, and that Shutdown ends them all.
// The second listener took the place of the first, which then was never closed.
func TestServeOnTwoListeners(t *testing.T) {
	pool := health.NewPool(backend(t, named("1")))
	pool.MarkAllUp()
	srv := &Server{Pool: pool}
	var servecs []<-chan error
	for range 2 {
		ln := loopback(t)
		servecs = append(servecs, serve(srv, ln))
		if got := ask(t, &proxy{addr: ln.Addr().String()}); got != "1" {
			t.Errorf("answer %q", got)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	for _, servec := range servecs {
		if err := within(t, "Serve ends", servec); !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	}
}

// Pins that Close ends an Accept that waits for a slot.
func TestListenerCloseAtTheLimit(t *testing.T) {
	slots := NewSlots(1)
	slots.Acquire(nil)
	l := &Listener{Listener: loopback(t), Slots: slots}
	errc := make(chan error, 1)
	go func() { _, err := l.Accept(); errc <- err }()
	_ = l.Close()
	if err := within(t, "Accept ends", errc); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept returned %v", err)
	}
	if n := slots.Taken(); n != 1 {
		t.Errorf("%d slots taken, want 1", n)
	}
}
