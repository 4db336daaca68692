//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"fourseven/internal/testkit"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace: a host of its own, as far as packets go.
type namespace string

// newNamespace makes a namespace that ends with the test, or skips it without the
// right to do so.
func newNamespace(t *testing.T, name string) namespace {
	t.Helper()
	testkit.Need(t, "ip", "iproute2")
	n := namespace(fmt.Sprintf("fourseven-%d-%s", os.Getpid(), name))
	if out, err := exec.Command("ip", "netns", "add", string(n)).CombinedOutput(); err != nil {
		testkit.Missing(t, fmt.Sprintf("the right to make a network namespace (%v: %s)", err, out))
	}
	t.Cleanup(func() { output(t, exec.Command("ip", "netns", "del", string(n))) })
	n.ip(t, "link", "set", "lo", "up")
	return n
}

func (n namespace) ip(t *testing.T, args ...string) {
	t.Helper()
	output(t, exec.Command("ip", append([]string{"-n", string(n)}, args...)...))
}

// link is one end of a cable between two namespaces.
type link struct {
	namespace
	device, addr string
}

// plug lays a cable, with these addresses at its ends.
func plug(t *testing.T, a, b link) {
	t.Helper()
	a.ip(t, "link", "add", a.device, "type", "veth", "peer", "name", b.device, "netns", string(b.namespace))
	for _, l := range []link{a, b} {
		l.ip(t, "addr", "add", l.addr+"/24", "dev", l.device)
		l.ip(t, "link", "set", l.device, "up")
	}
}

// lose makes all packets from the link to an address get lost: they carry the
// hardware address of nobody. Neither end is told.
func (l link) lose(t *testing.T, to string) {
	t.Helper()
	l.ip(t, "neigh", "replace", to, "lladdr", "02:00:00:00:00:99", "nud", "permanent", "dev", l.device)
}

func (n namespace) listen(t *testing.T, addr string) (ln net.Listener) {
	t.Helper()
	n.within(t, func() (err error) {
		ln, err = net.Listen("tcp4", addr)
		return err
	})
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func (n namespace) listenPacket(t *testing.T, addr string) (conn net.PacketConn) {
	t.Helper()
	n.within(t, func() (err error) {
		conn, err = net.ListenPacket("udp4", addr)
		return err
	})
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (n namespace) dial(t *testing.T, addr string) (conn net.Conn) {
	t.Helper()
	n.within(t, func() (err error) {
		conn, err = net.DialTimeout("tcp4", addr, testkit.Patience)
		return err
	})
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// within runs a function on a thread that is in the namespace. The sockets that it
// opens stay there.
func (n namespace) within(t *testing.T, do func() error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = home.Close() }()
	there, err := os.Open("/var/run/netns/" + string(n))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = there.Close() }()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	err = do()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(err) // the thread is lost among the hosts
	}
	if err != nil {
		t.Fatal(err)
	}
}

// within returns the command that runs a command in a namespace.
func within(n namespace, cmd *exec.Cmd) *exec.Cmd {
	in := exec.Command("ip", append([]string{"netns", "exec", string(n)}, cmd.Args...)...)
	in.Env = cmd.Env
	return in
}

// connect returns a client's connection, and the backend's end of it.
func connect(t *testing.T, client net.Conn, ln net.Listener) (_, backend net.Conn) {
	t.Helper()
	_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(testkit.Patience))
	backend, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	return client, backend
}
