package health

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
)

// Probe asks one backend whether it works. It returns nil if it does, or else why
// not, in words for the log. The context bounds it.
type Probe func(ctx context.Context, b *Backend) error

// Via is how a probe connects to its backend. The zero value is by TCP to the port
// of the traffic.
type Via struct {
	// Port is asked instead of the traffic port, unless it is 0.
	Port int
	// TLS makes a TLS handshake before anything else. The certificate is not
	// verified: a probe asks whether the backend works, and its identity is checked
	// by the clients, whose TLS goes through untouched. A name in the
	// backend's address is sent as server name (RFC 6066 section 3).
	TLS bool
}

// TCPProbe passes if the backend accepts a connection, and the TLS handshake if
// there is one.
func TCPProbe(via Via) Probe {
	return func(ctx context.Context, b *Backend) error {
		conn, err := via.dial(ctx, b)
		if err != nil {
			return err
		}
		_ = conn.Close()
		return nil
	}
}

// HTTPProbe passes if the response to GET path has a status that accepts returns true
// for. Redirects are not followed.
func HTTPProbe(path string, accepts func(status int) bool, via Via) Probe {
	return func(ctx context.Context, b *Backend) error {
		transport := &http.Transport{
			DisableKeepAlives:  true,
			DisableCompression: true,
			// The error for a malformed response repeats it.
			MaxResponseHeaderBytes: 64 << 10,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return via.dial(ctx, b) // after the TLS handshake, if there is one
			},
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+hostOf(b)+path, nil)
		if err != nil {
			return fmt.Errorf("probe request: %w", err)
		}
		req.Header.Set("User-Agent", "fourseven-health-check")
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		// A short body is read so that the backend does not see a reset.
		_, _ = io.CopyN(io.Discard, resp.Body, 16<<10)
		if !accepts(resp.StatusCode) {
			return fmt.Errorf("GET %s: status %d", path, resp.StatusCode)
		}
		return nil
	}
}

// hostOf returns the Host field of a probe.
func hostOf(b *Backend) string {
	if network, addr := SplitAddr(b.Addr); network == "tcp" {
		return addr
	}
	return "localhost"
}

// dial looks the backend's name up anew, and keeps the address that it reached
// for the dials of traffic.
func (v Via) dial(ctx context.Context, b *Backend) (net.Conn, error) {
	network, addr := SplitAddr(b.Addr)
	host, trafficPort, _ := net.SplitHostPort(addr)
	if v.Port != 0 && network == "tcp" {
		addr = net.JoinHostPort(host, strconv.Itoa(v.Port))
	}
	var nd net.Dialer
	conn, err := nd.DialContext(ctx, network, addr)
	if err != nil {
		return nil, &DialError{Addr: addr, Reason: reasonOf(err), Err: cause(err)}
	}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		b.remember(host, tcp.AddrPort().Addr(), trafficPort)
	}
	if v.TLS {
		return handshake(ctx, conn, cmp.Or(b.Spec().Host, host))
	}
	return conn, nil
}

// handshake closes conn if it fails.
func handshake(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	// Not verified: see Via. An address is no server name, and crypto/tls sends none.
	secured := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
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
