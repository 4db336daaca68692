package loop

import (
	"net"
	"path/filepath"
	"testing"
)

// A connection of package net goes on in a loop, with what has arrived by then.
func TestAttach(t *testing.T) {
	tcp := listen(t)
	local, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = local.Close() }()
	for _, ln := range []net.Listener{tcp, local} {
		t.Run(ln.Addr().Network(), func(t *testing.T) {
			l := oneLoop(t)
			peer, err := net.Dial(ln.Addr().Network(), ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = peer.Close() }()
			nc, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			before := descriptors(t)
			write(t, peer, "hello")
			remote := nc.RemoteAddr().String()
			in(t, l, func() {
				c, err := l.Attach(nc)
				if err != nil {
					t.Error(err)
					return
				}
				buf := make([]byte, 5)
				if n, err := c.Read(buf); n != 5 || err != nil || string(buf) != "hello" {
					t.Errorf("read %q, %v", buf[:n], err)
				}
				if _, err := c.Write([]byte("there")); err != nil {
					t.Error(err)
				}
				if c.RemoteAddr().String() != remote || l.Conns() != 1 {
					t.Errorf("from %s, want %s; %d connections", c.RemoteAddr(), remote, l.Conns())
				}
			})
			wantBytes(t, peer, "there")
			if n := descriptors(t); n > before {
				t.Errorf("%d descriptors, %d before", n, before)
			}
			if err := l.Group().Close(); err != nil {
				t.Error(err)
			}
			if _, err := peer.Read(make([]byte, 1)); err == nil {
				t.Error("the connection outlives its group")
			}
		})
	}
}

// What has no descriptor cannot be taken over, and is left as it was.
func TestAttachRefuses(t *testing.T) {
	l := oneLoop(t)
	one, other := net.Pipe()
	defer func() { _ = one.Close(); _ = other.Close() }()
	in(t, l, func() {
		if _, err := l.Attach(one); err == nil || l.Conns() != 0 {
			t.Errorf("error %v, %d connections", err, l.Conns())
		}
	})
	go func() { _, _ = other.Write([]byte("x")) }()
	wantBytes(t, one, "x")
}
