//go:build !portable

package loop

import (
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

func (c *Conn) network() string {
	if c.unix {
		return "unix"
	}
	return "tcp"
}

// RemoteAddrPort returns the address of a TCP peer, without allocating; zero for
// Unix sockets. Any goroutine may call it.
func (c *Conn) RemoteAddrPort() netip.AddrPort { return c.remote }

// RemoteAddr returns the peer's address. Any goroutine may call it.
func (c *Conn) RemoteAddr() net.Addr {
	if c.unix {
		addr := &net.UnixAddr{Net: "unix"}
		if c.path != nil {
			addr.Name = *c.path
		}
		return addr
	}
	return net.TCPAddrFromAddrPort(c.remote)
}

// LocalAddr returns the own address, which is unspecified once the connection is
// closed.
func (c *Conn) LocalAddr() net.Addr {
	var sa unix.RawSockaddrAny
	if c.fd >= 0 {
		length := uint32(unix.SizeofSockaddrAny)
		_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(c.fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&length)))
		if errno != 0 {
			sa.Addr.Family = unix.AF_UNSPEC
		}
	}
	if c.unix {
		return &net.UnixAddr{Net: "unix", Name: unixPath(&sa)}
	}
	return net.TCPAddrFromAddrPort(addrPort(&sa))
}

// unixPath returns the path of a Unix socket; empty if it has none. One in the
// abstract namespace begins with @.
func unixPath(sa *unix.RawSockaddrAny) string {
	if sa.Addr.Family != unix.AF_UNIX {
		return ""
	}
	raw := (*unix.RawSockaddrUnix)(unsafe.Pointer(sa))
	var path []byte
	for i, b := range raw.Path {
		if b == 0 && i > 0 {
			break
		}
		path = append(path, byte(b))
	}
	switch {
	case len(path) == 1 && path[0] == 0:
		return ""
	case path[0] == 0:
		path[0] = '@'
	}
	return string(path)
}

// addrPort converts the kernel's address.
func addrPort(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), hostOrder(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		ip := netip.AddrFrom16(in.Addr).Unmap()
		if in.Scope_id != 0 {
			ip = ip.WithZone(zoneName(in.Scope_id))
		}
		return netip.AddrPortFrom(ip, hostOrder(in.Port))
	}
	return netip.AddrPort{}
}

// rawAddr converts an address for the kernel.
func rawAddr(to netip.AddrPort) (sa unix.RawSockaddrAny, length uintptr) {
	ip := to.Addr().Unmap()
	if ip.Is4() {
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(&sa))
		*in = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: hostOrder(to.Port()), Addr: ip.As4()}
		return sa, unix.SizeofSockaddrInet4
	}
	in := (*unix.RawSockaddrInet6)(unsafe.Pointer(&sa))
	*in = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: hostOrder(to.Port()), Addr: ip.As16(), Scope_id: zoneID(ip.Zone())}
	return sa, unix.SizeofSockaddrInet6
}

// hostOrder turns a port from network order into the machine's, or back.
func hostOrder(port uint16) uint16 {
	p := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(p[0])<<8 | uint16(p[1])
}

func zoneName(id uint32) string {
	if ifi, err := net.InterfaceByIndex(int(id)); err == nil {
		return ifi.Name
	}
	return strconv.FormatUint(uint64(id), 10)
}

func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if ifi, err := net.InterfaceByName(zone); err == nil {
		return uint32(ifi.Index)
	}
	id, _ := strconv.ParseUint(zone, 10, 32)
	return uint32(id)
}
