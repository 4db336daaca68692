package l4

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// setReusePort lets another process of the same user bind the socket's address.
func setReusePort(c syscall.RawConn) error {
	var failed error
	if err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("set SO_REUSEPORT: %w", failed)
	}
	return nil
}

// steer makes the kernel send all new connections of the group to the listener with
// that index. Listeners are numbered in the order in which they began to listen.
// If there is no such index, the kernel chooses one by a hash.
//
// The program is one instruction, "return index". It applies to the whole group and
// replaces the one that another member has attached.
func (l *Shared) steer(index uint32) error {
	program := [...]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: index}}
	return l.control(func(fd uintptr) error {
		err := unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
		if err != nil {
			return fmt.Errorf("set SO_ATTACH_REUSEPORT_CBPF: %w", err)
		}
		return nil
	})
}

// others returns the inodes of the listeners that share the address.
func (l *Shared) others() ([]uint64, error) {
	var own unix.Stat_t
	if err := l.control(func(fd uintptr) error { return unix.Fstat(int(fd), &own) }); err != nil {
		return nil, err
	}
	for _, path := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		file, err := os.Open(path)
		if os.IsNotExist(err) {
			continue // no IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("look for other listeners: %w", err)
		}
		all := listeners(file)
		_ = file.Close()
		if others, found := sharing(all, own.Ino); found {
			return others, nil
		}
	}
	return nil, fmt.Errorf("look for other listeners: not even this one is in /proc/self/net")
}

// listener is one line of /proc/net/tcp.
type listener struct {
	addr  string // as the file has it
	uid   string
	inode uint64
}

// sharing returns the inodes of the other listeners with the address and user of the
// one with that inode, and whether that one was found.
func sharing(all []listener, inode uint64) (others []uint64, found bool) {
	var one listener
	for _, l := range all {
		if l.inode == inode {
			one, found = l, true
		}
	}
	for _, l := range all {
		if found && l.addr == one.addr && l.uid == one.uid && l.inode != inode {
			others = append(others, l.inode)
		}
	}
	return others, found
}

// stateListen is the state of a listener in /proc/net/tcp, which lists listeners
// first.
const stateListen = "0A"

// listeners reads the listeners at the beginning of /proc/net/tcp or tcp6.
func listeners(r io.Reader) (all []listener) {
	lines := bufio.NewScanner(r)
	lines.Scan() // column titles
	for lines.Scan() {
		// sl local_address rem_address st queues timer retransmits uid timeout inode
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[3] != stateListen {
			break
		}
		inode, err := strconv.ParseUint(f[9], 10, 64)
		if err == nil {
			all = append(all, listener{addr: f[1], uid: f[7], inode: inode})
		}
	}
	return all
}
