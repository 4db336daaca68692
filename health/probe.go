package health

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/pires/go-proxyproto"
)

// Probe asks one backend whether it works. It returns nil if it does, or else why
// not, in words for the log. The context bounds it.
type Probe func(ctx context.Context, b *Backend) error

// Via is how a probe connects to its backend. The zero value is by TCP to the port
// of the traffic.
type Via struct {
	// Port is asked instead of the traffic port, unless it is 0.
	Port int
	// Proxy is the version, 1 or 2, of the PROXY header that comes before anything
	// else, or 0 for none.
	Proxy byte
	// TLS makes a TLS handshake before the rest of the probe. The certificate is not
	// verified: a probe asks whether the backend works, and its identity is checked
	// by the clients, whose TLS goes through untouched. A name in the
	// backend's address is sent as server name (RFC 6066 section 3).
	TLS bool
}

// talk connects to the backend and calls f with the connection. Nothing that f does
// with it takes longer than the context.
func (v Via) talk(ctx context.Context, b *Backend, f func(net.Conn) error) error {
	conn, err := v.dial(ctx, b)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err = f(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %w", err, ctx.Err())
	}
	return err
}

// addr returns what to dial.
func (v Via) addr(b *Backend) (network, addr string) {
	network, addr = SplitAddr(b.Addr)
	if v.Port != 0 && network == "tcp" {
		host, _, _ := net.SplitHostPort(addr)
		addr = net.JoinHostPort(host, strconv.Itoa(v.Port))
	}
	return network, addr
}

// dial looks the backend's name up anew, and keeps the address that it reached
// for the dials of traffic.
func (v Via) dial(ctx context.Context, b *Backend) (net.Conn, error) {
	network, addr := v.addr(b)
	_, traffic := SplitAddr(b.Addr)
	host, trafficPort, _ := net.SplitHostPort(traffic)
	var nd net.Dialer
	conn, err := nd.DialContext(ctx, network, addr)
	if err != nil {
		return nil, &DialError{Addr: addr, Reason: reasonOf(err), Err: cause(err)}
	}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		b.remember(host, tcp.AddrPort().Addr(), trafficPort)
	}
	if err := writeProxyHeader(conn, v.Proxy); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if v.TLS {
		return handshake(ctx, conn, cmp.Or(b.Spec().Host, host))
	}
	return conn, nil
}

// writeProxyHeader sends the header of a connection that is the balancer's own: v2 has
// LOCAL for it, as the specification asks for (section 2.2). For v1 it recommends the
// connection's own addresses (section 2.1), since many servers refuse UNKNOWN.
func writeProxyHeader(conn net.Conn, version byte) error {
	var header *proxyproto.Header
	_, tcp := conn.RemoteAddr().(*net.TCPAddr)
	switch {
	case version == 0:
		return nil
	case version == 1 && tcp:
		header = proxyproto.HeaderProxyFromAddrs(version, conn.LocalAddr(), conn.RemoteAddr())
	default:
		header = proxyproto.HeaderProxyFromAddrs(version, nil, nil)
	}
	if _, err := header.WriteTo(conn); err != nil {
		return fmt.Errorf("send PROXY header: %w", cause(err))
	}
	return nil
}

// handshake closes conn if it fails.
func handshake(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	// Not verified: see Via. An address is no server name, and crypto/tls sends none.
	secured := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		err = fmt.Errorf("TLS handshake: %w", err)
		if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) {
			return nil, hinted{err, "LB_HEALTH_TLS=off if the backend does not expect TLS"}
		}
		return nil, err
	}
	return secured, nil
}

// remember keeps the address that a name led to. Literal addresses need none.
func (b *Backend) remember(host string, reached netip.Addr, port string) {
	if _, err := netip.ParseAddr(host); err == nil {
		return
	}
	n, _ := strconv.ParseUint(port, 10, 16)
	known := netip.AddrPortFrom(reached, uint16(n))
	b.resolved.Store(&known)
}
