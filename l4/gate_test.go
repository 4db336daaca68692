package l4

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"fourseven/health"
	"fourseven/internal/testkit"
)

func networks(list ...string) (all []netip.Prefix) {
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

// dialFrom connects from a loopback address. It returns nil if the reset was so
// fast that it met the dial.
func (p *proxy) dialFrom(t testing.TB, ip string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := d.Dial("tcp", p.addr)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(wait))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// comesIn reports whether a client from there gets through to the backend.
func comesIn(t *testing.T, p *proxy, ip string) bool {
	t.Helper()
	conn := p.dialFrom(t, ip)
	if conn == nil {
		return false
	}
	// A reset that the write meets is not told again to the read.
	_, err := io.WriteString(conn, "x")
	if err == nil {
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("from %s: %v, want an answer or a reset", ip, err)
	}
	return err == nil
}

func TestAllowAndDeny(t *testing.T) {
	tests := []struct {
		name        string
		allow, deny []netip.Prefix
		in, out     []string
	}{
		{"nothing set", nil, nil, []string{"127.0.0.1", "127.0.0.2"}, nil},
		{"allow", networks("127.0.0.2/32"), nil, []string{"127.0.0.2"}, []string{"127.0.0.1", "127.0.0.3"}},
		{"deny", nil, networks("127.0.0.2/31"), []string{"127.0.0.1"}, []string{"127.0.0.2", "127.0.0.3"}},
		{"deny wins", networks("127.0.0.0/8"), networks("127.0.0.2/32"), []string{"127.0.0.1"}, []string{"127.0.0.2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t, &Server{Gate: &Gate{Allow: tt.allow, Deny: tt.deny}}, backend(t, echo))
			for _, ip := range tt.in {
				if !comesIn(t, p, ip) {
					t.Errorf("%s is kept out", ip)
				}
			}
			for _, ip := range tt.out {
				if comesIn(t, p, ip) {
					t.Errorf("%s comes in", ip)
				}
				p.wantEnding(t, Denied)
			}
		})
	}
}

func TestMaxConnsPerIP(t *testing.T) {
	gate := &Gate{MaxConnsPerIP: 2}
	p := start(t, &Server{Gate: gate}, backend(t, echo))
	first, second := p.dialFrom(t, "127.0.0.2"), p.dialFrom(t, "127.0.0.2")
	exchange(t, first, "x")
	exchange(t, second, "x")
	if comesIn(t, p, "127.0.0.2") {
		t.Error("a third connection of two comes in")
	}
	if !comesIn(t, p, "127.0.0.3") {
		t.Error("another client is kept out")
	}
	Reset(first)
	testkit.Eventually(t, "a place is free", func() bool { return comesIn(t, p, "127.0.0.2") })
	_ = second.Close()
	testkit.Eventually(t, "only the one that comesIn left open is counted", func() bool {
		gate.mu.Lock()
		defer gate.mu.Unlock()
		return gate.conns[netip.MustParseAddr("127.0.0.2")] == 1
	})
}

// header is what a client says with a PROXY header and behind it.
func header(version byte, client, local string) []byte {
	var b bytes.Buffer
	h := proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client)),
		net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local)))
	_, _ = h.WriteTo(&b)
	return b.Bytes()
}

func TestProxyHeaderIn(t *testing.T) {
	v1, v2 := header(1, "192.0.2.7:1234", "192.0.2.1:80"), header(2, "[2001:db8::7]:1234", "[2001:db8::1]:80")
	tests := []struct {
		name   string
		head   []byte
		client string // the zero AddrPort: the connection's own
	}{
		{"v1", v1, "192.0.2.7:1234"},
		{"v2", v2, "[2001:db8::7]:1234"},
		{"v1 unknown", []byte("PROXY UNKNOWN\r\n"), ""},
		{"v2 local", append(slices.Clone(proxyproto.SIGV2), 0x20, 0, 0, 0), ""},
		{"v2 with TLVs", append(append(slices.Clone(proxyproto.SIGV2), 0x21, 0x11, 0, 12+5), []byte("\xc0\x00\x02\x07\xc0\x00\x02\x01\x04\xd2\x00\x50\x04\x00\x02ab")...), "192.0.2.7:1234"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t, &Server{Gate: &Gate{ProxyFrom: Peers{Networks: networks("127.0.0.0/8")}}}, backend(t, echo))
			conn := p.dial(t)
			// In one segment with the client's own first bytes, which must not be lost.
			_, _ = conn.Write(append(slices.Clone(tt.head), "hello"...))
			got := make([]byte, 5)
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
				t.Fatalf("echo %q, %v", got, err)
			}
			_ = conn.CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			want := tt.client
			if want == "" {
				want = conn.LocalAddr().String()
			}
			if rec := p.wantEnding(t, EOF); rec.Client.String() != want {
				t.Errorf("client %s, want %s", rec.Client, want)
			}
		})
	}
}

// Pins that a header may arrive byte by byte.
func TestProxyHeaderInPieces(t *testing.T) {
	for _, version := range []byte{1, 2} {
		p := start(t, &Server{Gate: &Gate{ProxyFrom: Peers{Networks: networks("127.0.0.0/8")}}}, backend(t, echo))
		conn := p.dial(t)
		_ = conn.SetNoDelay(true)
		for _, b := range header(version, "192.0.2.7:1234", "192.0.2.1:80") {
			_, _ = conn.Write([]byte{b})
		}
		exchange(t, conn, "hello")
	}
}

func TestBadProxyHeaderIsAReset(t *testing.T) {
	tests := map[string]string{
		"none":               "GET / HTTP/1.1\r\n",
		"other protocol":     "PROXY SCTP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"bad address":        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
		"v1 too long":        "PROXY TCP4 " + strings.Repeat("1", 200),
		"v2 too long":        string(proxyproto.SIGV2) + "\x21\x11\xff\xff",
		"v2 bad version":     string(proxyproto.SIGV2) + "\x31\x11\x00\x00",
		"v2 short addresses": string(proxyproto.SIGV2) + "\x21\x11\x00\x04abcd",
		"v2 bad signature":   "\r\n\r\n\x00\r\nQUIX\n\x21\x11\x00\x00",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			p := start(t, &Server{Gate: &Gate{ProxyFrom: Peers{Networks: networks("127.0.0.0/8")}}}, backend(t, echo))
			conn := p.dial(t)
			_, _ = io.WriteString(conn, text)
			wantReset(t, conn, "")
			p.wantEnding(t, ProxyHeader)
		})
	}
}

// Pins that the networks that must send a header are the only ones that may.
func TestProxyHeaderOfAStrangerIsData(t *testing.T) {
	p := start(t, &Server{Gate: &Gate{ProxyFrom: Peers{Networks: networks("192.0.2.0/24")}}}, backend(t, echo))
	exchange(t, p.dial(t), "PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\r\n")
}

// Pins that deny lists apply to the client that the header names.
func TestDenyAppliesToTheNamedClient(t *testing.T) {
	gate := &Gate{ProxyFrom: Peers{Networks: networks("127.0.0.0/8")}, Deny: networks("192.0.2.7/32")}
	p := start(t, &Server{Gate: gate}, backend(t, echo))
	conn := p.dial(t)
	_, _ = conn.Write(header(1, "192.0.2.7:1234", "192.0.2.1:80"))
	wantReset(t, conn, "")
	p.wantEnding(t, Denied)
}

func TestProxyHeaderOut(t *testing.T) {
	for _, version := range []byte{1, 2} {
		headc := make(chan []byte, 1)
		p := start(t, &Server{SendProxy: version}, backend(t, func(conn *net.TCPConn) {
			got, _ := io.ReadAll(conn)
			headc <- got
		}))
		conn := p.dial(t)
		_, _ = io.WriteString(conn, "hello")
		_ = conn.CloseWrite()
		want := string(header(version, conn.LocalAddr().String(), conn.RemoteAddr().String())) + "hello"
		if got := string(<-headc); got != want {
			t.Errorf("v%d: the backend got %q, want %q", version, got, want)
		}
	}
}

func FuzzHeaderSize(f *testing.F) {
	f.Add([]byte("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET /"))
	f.Add(append(slices.Clone(proxyproto.SIGV2), 0x21, 0x11, 0, 12, 1, 2, 3, 4))
	f.Add(header(2, "[2001:db8::7]:1234", "[2001:db8::1]:80"))
	f.Fuzz(func(t *testing.T, b []byte) {
		size, err := headerSize(b)
		if size < 0 || size > len(b) || err != nil && size != 0 {
			t.Fatalf("size %d of %d, %v", size, len(b), err)
		}
		// More bytes never change what was decided.
		if size > 0 {
			if again, err := headerSize(b[:size]); again != size || err != nil {
				t.Errorf("size %d, of the header alone %d, %v", size, again, err)
			}
		}
	})
}

func TestUnixListenerAndBackend(t *testing.T) {
	dir := t.TempDir()
	backendPath, path := filepath.Join(dir, "backend"), filepath.Join(dir, "front")
	ln, err := net.Listen("unix", backendPath)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn})
				_ = conn.Close()
			}()
		}
	}()
	// What a process that is gone has left behind.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()

	for _, tt := range []struct{ name, listen, backend string }{
		{"both", "unix:" + path, "unix:" + backendPath},
		{"backend", "127.0.0.1:0", "unix:" + backendPath},
		{"listener", "unix:" + path, backend(t, echo).Addr},
		{"IPv6", "[::1]:0", backend(t, echo).Addr},
	} {
		t.Run(tt.name, func(t *testing.T) {
			front, err := Listen(t.Context(), tt.listen)
			if err != nil {
				t.Fatal(err)
			}
			p := start(t, &Server{SendProxy: 0, Gate: &Gate{MaxConnsPerIP: 1}}, health.NewBackend(tt.backend))
			srv := &Server{Pool: p.Pool, Dialer: p.Dialer, Logger: p.Logger}
			donec := make(chan struct{})
			go func() { _ = srv.Serve(front); close(donec) }()
			conn, err := net.Dial(front.Addr().Network(), front.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(wait))
			data := random(1 << 20)
			go func() { _, _ = conn.Write(data) }()
			got := make([]byte, len(data))
			if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, data) {
				t.Errorf("the echo differs: %v", err)
			}
			_ = conn.Close()
			_ = srv.Shutdown(t.Context())
			<-donec
		})
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is left behind")
	}
}

func TestListenRefusesASocketInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := Listen(t.Context(), "unix:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if _, err := Listen(t.Context(), "unix:"+path); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second listener: %v", err)
	}
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), "unix:"+file); err == nil {
		t.Error("a file was replaced by a socket")
	}
	if got, _ := os.ReadFile(file); string(got) != "keep" {
		t.Error("the file is gone")
	}
}
