package l4

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The options of a socket. A peer that vanished is noticed within about a minute:
// by keepalive while the connection is idle, by the user timeout while data is in
// flight.
const (
	keepAliveIdle     = 30 * time.Second
	keepAliveInterval = 10 * time.Second
	keepAliveCount    = 3
)

// unsentMax bounds the unsent bytes in a socket's send queue, so that a reader
// that stalls stalls its sender instead of filling our memory.
const unsentMax = 512 << 10

var socketOptions = [...]struct {
	name              string
	level, opt, value int
}{
	{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
	{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAliveIdle.Seconds())},
	{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAliveInterval.Seconds())},
	{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveCount},
	{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds())},
	{"TCP_NOTSENT_LOWAT", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMax},
}

// TuneSocket sets the options that all TCP sockets of the program share:
// keepalive, user timeout and a bounded send queue. It fits the Control field of
// net.Dialer and net.ListenConfig: accepted sockets inherit the options from
// their listener without a system call of their own.
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
