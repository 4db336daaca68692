package health

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What a socket is set to. A peer that vanished is noticed within about a minute:
// by keepalive while the connection is silent, by the user timeout while data is
// in flight.
const (
	keepAliveIdle     = 30 * time.Second
	keepAliveInterval = 10 * time.Second
	keepAliveCount    = 3
	// UserTimeout is how long sent data may stay unacknowledged (RFC 5482).
	UserTimeout = time.Minute
)

// UnsentMax bounds what waits in a socket's send queue for the peer's window, so
// that a reader that stalls stalls its sender instead of filling our memory.
const UnsentMax = 512 << 10

var socketOptions = [...]struct {
	name              string
	level, opt, value int
}{
	{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
	{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAliveIdle.Seconds())},
	{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAliveInterval.Seconds())},
	{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveCount},
	{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(UserTimeout.Milliseconds())},
	{"TCP_NOTSENT_LOWAT", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, UnsentMax},
}

// TuneSocket sets what every TCP socket of the program has in common: keepalive,
// user timeout and a bounded send queue. It is made for the Control field of
// net.Dialer and of net.ListenConfig: accepted sockets inherit it from the
// listener without a system call of their own.
func TuneSocket(network, _ string, c syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) {
		for _, o := range &socketOptions {
			if err := unix.SetsockoptInt(int(fd), o.level, o.opt, o.value); err != nil {
				failed = fmt.Errorf("set %s: %w", o.name, err)
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return failed
}
