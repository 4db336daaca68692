package health

import (
	"cmp"
	"context"
	"crypto/tls"
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
	// TLS makes a TLS handshake before the rest of the probe. The certificate is not
	// verified: a probe asks whether the backend works, and its identity is checked
	// by the clients, whose TLS goes through untouched. A name in the
	// backend's address is sent as server name (RFC 6066 section 3).
	TLS bool

	serverName string // instead of the address's
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
	if v.ProxyTraffic && b.Spec().Check != "" {
		v.Proxy = 0
	}
	if err := writeProxyHeader(conn, v.Proxy); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if v.TLS {
		host, _, _ := net.SplitHostPort(addr) // none of a Unix socket
		return handshake(ctx, conn, cmp.Or(v.serverName, b.Spec().Host, host))
	}
	return conn, nil
}

func (v Via) connect(ctx context.Context, b *Backend) (net.Conn, error) {
	var nd net.Dialer
	spec := b.Spec()
	if spec.Check.host() {
		conn, _, err := dialEach(ctx, spec.checked(), nd.DialContext)
		return conn, err
	}
	network, addr := SplitAddr(b.Addr)
	if network == "unix" {
		return nd.DialContext(ctx, network, addr)
	}
	addrs := *b.dialled.Load()
	if len(addrs) == 1 {
		return nd.DialContext(ctx, network, v.at(addrs[0], spec.Check))
	}
	probed := make([]string, len(addrs))
	for i, addr := range addrs {
		probed[i] = v.at(addr, spec.Check)
	}
	conn, i, err := dialEach(ctx, probed, nd.DialContext)
	if err == nil {
		b.reached.Store(&addrs[i])
	}
	return conn, err
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
