//go:build !portable

package loop

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// leavePoller takes a descriptor out of the epoll sets that it is in so far. That
// is the Go runtime's: a net.Listener is in it from the start, and for each new
// connection the kernel would also wake a thread that waits there, for nothing.
// Where /proc cannot be read, that is all that happens.
func leavePoller(fd int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		epfd, err := strconv.Atoi(e.Name())
		if err != nil || target != "anon_inode:[eventpoll]" || !watches(e.Name(), fd) {
			continue
		}
		_ = unix.EpollCtl(epfd, unix.EPOLL_CTL_DEL, fd, nil)
	}
}

// watches reports whether an epoll descriptor has fd in its set (proc(5), fdinfo).
func watches(epfd string, fd int) bool {
	info, err := os.ReadFile("/proc/self/fdinfo/" + epfd)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(info)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "tfd:" && fields[1] == strconv.Itoa(fd) {
			return true
		}
	}
	return false
}

// sourcePorts returns the range that the kernel picks source ports from.
func sourcePorts() (first, last uint16) {
	const first0, last0 = 1, 65535 // if it cannot be read
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) != 2 {
		return first0, last0
	}
	lo, errLo := strconv.ParseUint(fields[0], 10, 16)
	hi, errHi := strconv.ParseUint(fields[1], 10, 16)
	if errLo != nil || errHi != nil {
		return first0, last0
	}
	return uint16(lo), uint16(hi)
}
