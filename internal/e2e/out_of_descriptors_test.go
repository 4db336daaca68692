//go:build linux

package e2e

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestOutOfDescriptors gives a process more clients than it has descriptors for.
func TestOutOfDescriptors(t *testing.T) {
	for _, frontend := range []string{"l4", "l7"} {
		t.Run(frontend, func(t *testing.T) {
			t.Parallel()
			outOfDescriptors(t, frontend)
		})
	}
}

func outOfDescriptors(t *testing.T, frontend string) {
	cmd := fourseven(quick(backendsOf(startBackends(t, 2)), "LB_LOG_LEVEL=debug"))
	cmd.Args = append([]string{"sh", "-c", `ulimit -n 128; exec "$0"`}, cmd.Args...)
	cmd.Path, _ = exec.LookPath("sh")
	lb := listening(t, cmd)
	addr := map[string]string{"l4": lb.l4, "l7": lb.l7}[frontend]
	var clients []*net.TCPConn
	for range 300 {
		conn := dial(t, addr)
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // kept alive; may be reset
		clients = append(clients, conn)
	}

	// What is saturated must not spin.
	const window = 3 * time.Second
	began, before := time.Now(), lb.cpuTime()
	<-time.After(window)
	if used, most := lb.cpuTime()-before, time.Since(began)/2; used > most {
		t.Errorf("used %s of processor time while saturated, want at most %s", used, most)
	}
	if lb.ended() {
		t.Fatal("ended")
	}
	// The limit that is derived from 128 descriptors is 31 clients.
	if n := lb.descriptors(); n < 31+16 {
		t.Errorf("%d descriptors: not saturated", n)
	}

	for _, conn := range clients {
		_ = conn.Close()
	}
	testkit.Within(t, time.Second+margin, "a new client to be served", func() bool {
		a, err := ask(addr, "/")
		return err == nil && a.status == http.StatusOK
	})
	for line := range strings.Lines(lb.output()) {
		if strings.Contains(line, "backend down") {
			t.Errorf("blamed a backend: %s", line)
		}
		if strings.Contains(line, "msg=accept ") && !strings.Contains(line, syscall.EMFILE.Error()) {
			t.Errorf("not named as what it is: %s", line)
		}
	}
}
