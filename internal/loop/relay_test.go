package loop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain serves as a relay, for measurements, if LOOP_RELAY is set:
//
//	LOOP_RELAY=1 LB_BACKENDS=127.0.0.1:7000 LB_L4_LISTEN=127.0.0.1:9000 ./loop.test
func TestMain(m *testing.M) {
	if os.Getenv("LOOP_RELAY") != "" {
		if err := serveRelay(os.Getenv("LB_L4_LISTEN"), os.Getenv("LB_BACKENDS")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func serveRelay(listen, backend string) error {
	to, err := netip.ParseAddrPort(backend)
	if err != nil {
		return err
	}
	g, err := New(Config{})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	if _, err := serveOn(g, ln, func(c *Conn) { relayTo(c, to) }); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-ctx.Done()
	return g.Close()
}

// serveOn starts accept loops, one a loop, that serve each connection in a fiber.
func serveOn(g *Group, ln net.Listener, serve func(*Conn)) ([]*Listener, error) {
	views, err := g.Listen(ln)
	if err != nil {
		return nil, err
	}
	for _, v := range views {
		v.Loop().Go(func() {
			for {
				c, err := v.AcceptConn()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err != nil {
					_ = v.Loop().Sleep(5 * time.Millisecond)
					continue
				}
				c.Go(func() { serve(c) })
			}
		})
	}
	return views, nil
}

// relay is a small relay, as plain as with package net.
type relay struct {
	client, backend *Conn
	ended           int // directions whose end has been passed on
}

func relayTo(client *Conn, to netip.AddrPort) {
	backend, err := client.Loop().Dial(context.Background(), to, time.Minute)
	if err != nil {
		_ = client.Reset()
		return
	}
	r := &relay{client: client, backend: backend}
	r.wait(client, backend)
	r.wait(backend, client)
}

// wait leaves small messages to the loop, and has a fiber copy what is more.
func (r *relay) wait(src, dst *Conn) { src.Forward(dst, func() { r.copy(src, dst) }) }

// copy moves one direction until it ends or is idle.
func (r *relay) copy(src, dst *Conn) {
	_, err := io.Copy(dst, src)
	var op *net.OpError
	switch {
	case err == nil:
		r.passEnd(src, dst)
	case errors.Is(err, ErrIdle):
		r.wait(src, dst)
	case errors.Is(err, net.ErrClosed):
		r.reset()
	case errors.As(err, &op) && op.Op == "read":
		_ = dst.Flush()
		r.reset()
	default: // what dst sent before it broke is the other direction's, if that goes on
		if r.ended > 0 || src.Err() != nil {
			r.reset()
		}
	}
}

// passEnd passes on the end of the stream. The second one ends the relay.
func (r *relay) passEnd(src, dst *Conn) {
	if r.ended++; r.ended == 2 {
		_ = r.client.Close()
		_ = r.backend.Close()
		return
	}
	_ = dst.CloseWrite()
	src.OnReadable(r.reset) // it breaks, or the other direction closes it
}

func (r *relay) reset() {
	_ = r.client.Reset()
	_ = r.backend.Reset()
}
