package health

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
)

// Probe asks one backend whether it works. A nil error says that it does; any
// other says why not, in words that stand in the log as they are. The context
// bounds it.
type Probe func(ctx context.Context, b *Backend) error

// TCPProbe passes if the backend accepts a connection. A port other than 0 is
// asked instead of the traffic port.
func TCPProbe(port int) Probe {
	return func(ctx context.Context, b *Backend) error {
		conn, err := dialProbe(ctx, b, port)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// HTTPProbe passes if GET path answers with a status that accepts. Redirects are
// not followed. A port other than 0 is asked instead of the traffic port.
func HTTPProbe(path string, accepts func(status int) bool, port int) Probe {
	return func(ctx context.Context, b *Backend) error {
		transport := &http.Transport{
			DisableKeepAlives:  true,
			DisableCompression: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialProbe(ctx, b, port)
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

// hostOf returns what stands in the Host field of a probe.
func hostOf(b *Backend) string {
	if network, addr := SplitAddr(b.Addr); network == "tcp" {
		return addr
	}
	return "localhost"
}

// dialProbe looks the backend's name up anew, and keeps the address that it
// reached for the dials of traffic.
func dialProbe(ctx context.Context, b *Backend, port int) (net.Conn, error) {
	network, addr := SplitAddr(b.Addr)
	host, trafficPort, _ := net.SplitHostPort(addr)
	if port != 0 && network == "tcp" {
		addr = net.JoinHostPort(host, strconv.Itoa(port))
	}
	var nd net.Dialer
	conn, err := nd.DialContext(ctx, network, addr)
	if err != nil {
		return nil, &DialError{Addr: addr, Reason: reasonOf(err), Err: cause(err)}
	}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		b.remember(host, tcp.AddrPort().Addr(), trafficPort)
	}
	return conn, nil
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
