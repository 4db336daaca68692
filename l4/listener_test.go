package l4

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"fourseven/health"
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

// Pins that a listener which somebody else closes ends Serve with an error of its
// own. It was ErrServerClosed, so that a listener that died never ended the process.
func TestServeReportsAListenerThatDied(t *testing.T) {
	srv := &Server{Pool: health.NewPool()}
	t.Cleanup(func() { _ = srv.Shutdown(context.Background()) })
	ln := loopback(t)
	servec := serve(srv, ln)
	_ = ln.Close()
	if err := within(t, "Serve ends", servec); errors.Is(err, ErrServerClosed) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v, want net.ErrClosed", err)
	}
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
