//go:build linux

package e2e

import (
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"fourseven/internal/testkit"
)

// TestIdleBackendConnsHaveABudget pins that unused connections to backends leave the
// descriptors that the derived limit of clients counts on: with 200 descriptors,
// source_hash and three backends, dials failed with EMFILE. Each wave of clients has
// another address, so that the waves use different backends.
func TestIdleBackendConnsHaveABudget(t *testing.T) {
	t.Parallel()
	cmd := fourseven(quick(backendsOf(startBackends(t, 3)), "LB_BALANCE=source_hash",
		"LB_L7_BACKEND_KEEPALIVE=1m", "LB_LOG_LEVEL=debug"))
	cmd.Args = append([]string{"sh", "-c", `ulimit -n 200; exec "$0"`}, cmd.Args...)
	cmd.Path, _ = exec.LookPath("sh")
	lb := listening(t, cmd)
	for wave := range 12 {
		client := clientFrom(net.IPv4(127, 0, 1, byte(wave+1)))
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if a, err := askOn(client, "http://"+lb.l7+"/slow?head=300ms"); err != nil || a.status != http.StatusOK {
					t.Errorf("wave %d: status %d, %v", wave, a.status, err)
				}
			})
		}
		wg.Wait()
	}
	for line := range strings.Lines(lb.output()) {
		if strings.Contains(line, syscall.EMFILE.Error()) {
			t.Error(line)
		}
	}
	if n := lb.descriptors(); n > 100 {
		t.Errorf("%d descriptors without clients", n)
	}
}

// clientFrom returns a client with that address, and a connection for each request.
func clientFrom(addr net.IP) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: addr}}
	return &http.Client{
		Timeout:   testkit.Patience,
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true},
	}
}
