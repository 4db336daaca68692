//go:build linux

package e2e

import (
	"fmt"
	"net"
	"syscall"
	"testing"

	"fourseven/internal/testkit"
)

func TestReadiness(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 1)[0]
	lb := serve(t, "LB_BACKENDS="+b.addr)
	ready := func() string {
		a, err := ask(lb.admin, "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %s", a.status, a.body)
	}
	if got := ready(); got != "200 ready\n" {
		t.Errorf("/readyz: got %q", got)
	}
	b.stop()
	testkit.Within(t, interval+fastInterval+margin, "/readyz to fail", func() bool { return ready() == "503 no backend is up\n" })
	if got := mustAsk(t, lb.admin, "/healthz"); got != "ok\n" {
		t.Errorf("/healthz: got %q", got)
	}
	b.start(t)
	testkit.Within(t, fastInterval+margin, "/readyz to pass", func() bool { return ready() == "200 ready\n" })
}

// TestSignalDuringFirstProbes pins that a signal need not wait for a backend
// that does not answer its first probe.
func TestSignalDuringFirstProbes(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	p := start(t, fourseven(quick("LB_BACKENDS="+ln.Addr().String(), "LB_HEALTH_TIMEOUT=10m")))
	probe, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = probe.Close() }()
	p.signal(syscall.SIGTERM)
	p.wantExit(exitOK)
}
