package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
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
	// Port is asked instead of the traffic port, unless it is 0 or the backend's Spec
	// has a Check of its own.
	Port int
	// Proxy is the version, 1 or 2, of the PROXY header that comes before anything
	// else, or 0 for none.
	Proxy byte
	// ProxyTraffic sends no PROXY header to a backend whose Spec has a Check: the header
	// is that of the traffic.
	ProxyTraffic bool
	// TLS returns the handshake that comes before the rest of a probe, or nil for none. If
	// TLS is nil, there is none.
	TLS func(Target) *Handshake

	named string // the name in the Host field of an http probe
	http  bool
}

// longAgo is a deadline that ends waiting reads and writes at once.
var longAgo = time.Unix(1, 0)

// talk connects to the backend and calls f with the connection. Nothing that f does
// with it takes longer than the context.
func (v Via) talk(ctx context.Context, b *Backend, f func(net.Conn) error) error {
	conn, err := v.dial(ctx, b)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(longAgo) })
	defer stop()
	err = f(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %w", err, ctx.Err())
	}
	return err
}

// addr returns what is probed, as the list has it.
func (v Via) addr(b *Backend) (network, addr string) {
	network, addr = SplitAddr(b.Addr)
	check := b.Spec().Check
	if check.host() {
		return "tcp", string(check)
	}
	if network == "tcp" {
		addr = v.at(addr, check)
	}
	return network, addr
}

// at returns a TCP address of a backend with the port that is probed.
func (v Via) at(addr string, check Check) string {
	host, port, _ := net.SplitHostPort(addr)
	if v.Port != 0 {
		port = strconv.Itoa(v.Port)
	}
	return net.JoinHostPort(host, cmp.Or(string(check), port))
}

// dial connects to the backend as Backend.Dial does, but tries a name's addresses in their
// order, and keeps the one that it reached for the dials of traffic.
func (v Via) dial(ctx context.Context, b *Backend) (net.Conn, error) {
	_, addr := v.addr(b)
	conn, err := v.connect(ctx, b)
	if err != nil {
		return nil, &DialError{Addr: addr, Reason: reasonOf(err), Err: cause(err)}
	}
	return conn, nil
}

func (v Via) connect(ctx context.Context, b *Backend) (net.Conn, error) {
	spec := b.Spec()
	open := v.opener(b)
	if spec.Check.host() {
		conn, _, err := dialEach(ctx, spec.checked(), open)
		return conn, err
	}
	network, addr := SplitAddr(b.Addr)
	if network == "unix" {
		return open(ctx, network, addr)
	}
	addrs := *b.dialled.Load()
	if len(addrs) == 1 {
		return open(ctx, network, v.at(addrs[0], spec.Check))
	}
	probed := make([]string, len(addrs))
	for i, addr := range addrs {
		probed[i] = v.at(addr, spec.Check)
	}
	conn, i, err := dialEach(ctx, probed, open)
	if err == nil {
		b.reached.Store(&addrs[i])
	}
	return conn, err
}

// opener returns what opens a connection to an address of the backend, with all that comes
// before the probe itself.
func (v Via) opener(b *Backend) DialFunc {
	var nd net.Dialer
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := nd.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if err := writeProxyHeader(conn, v.proxy(b)); err != nil {
			_ = conn.Close()
			return nil, err
		}
		if h := v.handshake(b); h != nil {
			return h.shake(ctx, conn)
		}
		return conn, nil
	}
}

// proxy returns the version of the PROXY header to this backend.
func (v Via) proxy(b *Backend) byte {
	if v.ProxyTraffic && b.Spec().Check != "" {
		return 0
	}
	return v.Proxy
}

// handshake returns the TLS handshake with this backend, or nil for none.
func (v Via) handshake(b *Backend) *Handshake {
	if v.TLS == nil {
		return nil
	}
	spec := b.Spec()
	_, addr := v.addr(b)
	host, _, _ := net.SplitHostPort(addr) // none of a Unix socket
	if !spec.Check.host() {
		host = spec.ServerName()
	}
	return v.TLS(Target{Backend: b, Traffic: spec.Check == "" && v.Port == 0, Host: host, Named: v.named, HTTP: v.http})
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
