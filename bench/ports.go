package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// reservation is a socket that is bound to a loopback address and does not listen.
// Until it is closed nobody else is given the address, neither a listener on port 0
// nor a connection of the load; but a program that sets SO_REUSEADDR too, as all peers
// do, can listen there.
type reservation struct {
	fd   int
	addr string
}

func reserve() (reservation, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return reservation{}, fmt.Errorf("socket: %w", err)
	}
	r := reservation{fd: fd}
	if r.addr, err = bindReusable(fd); err != nil {
		r.close()
		return reservation{}, err
	}
	return r, nil
}

func bindReusable(fd int) (addr string, err error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return "", fmt.Errorf("setsockopt SO_REUSEADDR: %w", err)
	}
	loopback := [4]byte{127, 0, 0, 1}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: loopback}); err != nil {
		return "", fmt.Errorf("bind: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return "", fmt.Errorf("getsockname: %w", err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port), nil
}

func (r reservation) close() { _ = unix.Close(r.fd) }

func (b *bed) keepReserved(r reservation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved = append(b.reserved, r)
}

// reserveListeners returns an address for each name, which stay reserved until the bed
// is closed. It is safe for concurrent use.
func (b *bed) reserveListeners(names []string) (listeners, error) {
	addrs := listeners{}
	for _, name := range names {
		r, err := reserve()
		if err != nil {
			return nil, fmt.Errorf("reserve an address: %w", err)
		}
		b.keepReserved(r)
		addrs[name] = []string{r.addr}
	}
	return addrs, nil
}
