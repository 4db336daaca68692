package l4

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"fourseven/health"
)

// Listen listens on host:port or unix:/path. Accepted TCP sockets inherit keepalive
// and the other options of TuneSocket.
//
// A Unix socket may have a mode, as in unix:/path;mode=0660: who may connect, as chmod(1)
// has it. Without one the process's umask decides. A socket that no process listens on is
// replaced.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	network, addr := health.SplitAddr(addr)
	lc := listenConfig()
	if network != "unix" {
		return lc.Listen(ctx, network, addr)
	}
	path, mode, err := SplitMode(addr)
	if err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	if mode == 0 {
		return lc.Listen(ctx, network, path)
	}
	return listenMode(ctx, path, mode)
}

// SplitMode splits the path of a Unix socket from the mode that may stand behind it. The
// mode is 0 if there is none.
func SplitMode(addr string) (path string, mode os.FileMode, err error) {
	path, option, found := strings.Cut(addr, ";")
	if !found {
		return path, 0, nil
	}
	digits, ok := strings.CutPrefix(option, "mode=")
	bits, err := strconv.ParseUint(digits, 8, 32)
	if !ok || err != nil || bits == 0 || bits > 0o777 {
		return path, 0, fmt.Errorf("%s: expected mode=0660 or another octal mode", option)
	}
	return path, os.FileMode(bits), nil
}

// listenMode makes a Unix socket that has its mode from the start, so that it is never
// open to more than the mode allows.
func listenMode(ctx context.Context, path string, mode os.FileMode) (net.Listener, error) {
	lc := listenConfig()
	lc.Control = func(_, _ string, c syscall.RawConn) error {
		var failed error
		// Linux gives the file the socket's own mode, less the umask: unix(7), bind.
		err := c.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), uint32(mode)) })
		return errors.Join(err, failed)
	}
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil { // gives what the umask took
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
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
