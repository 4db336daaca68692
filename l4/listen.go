package l4

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"fourseven/health"
)

// Listen listens on host:port or unix:/path. Accepted TCP sockets inherit keepalive
// and the other options of TuneSocket. A Unix socket that no process listens on is
// replaced.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	network, addr := health.SplitAddr(addr)
	if network == "unix" {
		if err := removeStale(addr); err != nil {
			return nil, err
		}
	}
	lc := listenConfig()
	return lc.Listen(ctx, network, addr)
}

func listenConfig() net.ListenConfig {
	lc := net.ListenConfig{
		KeepAlive: -1, // TuneSocket sets it, once
		Control:   TuneSocket,
	}
	// An MPTCP listener would hand out sockets that cannot splice.
	lc.SetMultipathTCP(false)
	return lc
}

// removeStale removes a socket that a process has left behind, and nothing else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil // nothing there, or a file that bind will report
	}
	conn, err := net.Dial("unix", path)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	if err == nil {
		_ = conn.Close()
	}
	return fmt.Errorf("listen unix %s: %w", path, syscall.EADDRINUSE)
}
