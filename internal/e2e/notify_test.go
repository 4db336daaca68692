//go:build linux

package e2e

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestNotify pins what a service manager is told: that the program is ready when all
// listeners are open, and that it stops.
func TestNotify(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = manager.Close() }()
	_ = manager.SetDeadline(time.Now().Add(patience))
	cmd := fourseven(quick(backendsOf(startBackends(t, 1))))
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path)
	p := start(t, cmd)
	wantTold(t, manager, "READY=1")
	p.awaitSaid(1, "frontend=admin", patience)
	p.stop()
	wantTold(t, manager, "STOPPING=1")
}

func wantTold(t *testing.T, manager *net.UnixConn, want string) {
	t.Helper()
	text := make([]byte, 100)
	n, err := manager.Read(text)
	if got := string(text[:n]); err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
