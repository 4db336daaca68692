package l4

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// secureClient is a client of a server that ends TLS, before its handshake.
func secureClient(t testing.TB, p *proxy, config *tls.Config) *tls.Conn {
	t.Helper()
	conn := tls.Client(p.dial(t), config)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ending returns a Server that ends TLS, and the settings of its clients.
func ending(t testing.TB) (*Server, *tls.Config) {
	t.Helper()
	ca := testkit.NewAuthority(t)
	pair := ca.Issue(t, "lb.example.com").TLS(t)
	srv := &Server{TLS: &TLSServer{Config: &tls.Config{Certificates: []tls.Certificate{pair}}}}
	return srv, &tls.Config{RootCAs: ca.Pool(), ServerName: "lb.example.com"}
}

// eachVersion runs a test with TLS 1.2 and 1.3, which end streams and set up keys in
// different ways.
func eachVersion(t *testing.T, test func(t *testing.T, srv *Server, client *tls.Config)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			srv, client := ending(t)
			client.MinVersion, client.MaxVersion = version, version
			test(t, srv, client)
		})
	}
}

// Pins that small and large messages arrive, both ways at once, and are counted exactly
// and in plain bytes.
func TestTLSMovesBytes(t *testing.T) {
	eachVersion(t, func(t *testing.T, srv *Server, client *tls.Config) {
		p := start(t, srv, backend(t, echo))
		conn := secureClient(t, p, client)
		exchange(t, conn, "small")
		sent := random(5<<20 + 1)
		go func() { _, _ = conn.Write(sent) }()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("the bytes differ, or %v", err)
		}
		exchange(t, conn, "small again")
		_ = conn.Close()
		rec := p.wantEnding(t, EOF)
		want := int64(len(sent) + len("small") + len("small again"))
		if rec.Received != want || rec.Sent != want || rec.TLS.ServerName != "lb.example.com" || rec.TLS.Version == "" {
			t.Errorf("record %+v, want %d bytes each way", rec, want)
		}
		if stats := srv.Stats(); stats.Received != want || stats.Sent != want {
			t.Errorf("stats %+v", stats)
		}
	})
}

// Many connections on few loops, with both fibers of each busy: what one direction does
// must not hold up the other.
func TestTLSManyConnections(t *testing.T) {
	const conns, size = 32, 300 << 10
	srv, client := ending(t)
	p := start(t, srv, backend(t, echo))
	sent := random(size)
	var wg sync.WaitGroup
	for range conns {
		conn := secureClient(t, p, client)
		wg.Go(func() { _, _ = conn.Write(sent) })
		wg.Go(func() {
			got := make([]byte, size)
			if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("the bytes differ, or %v", err)
			}
			_ = conn.Close()
		})
	}
	wg.Wait()
	for range conns {
		p.wantEnding(t, EOF)
	}
}

// Pins that a client's end of stream reaches the backend, and that the rest of what the
// backend sends still reaches the client, as a whole stream.
func TestTLSHalfCloseFromTheClient(t *testing.T) {
	eachVersion(t, func(t *testing.T, srv *Server, client *tls.Config) {
		answer := random(1 << 20)
		gotc := make(chan string, 1)
		p := start(t, srv, backend(t, func(conn *net.TCPConn) {
			got, _ := io.ReadAll(conn)
			gotc <- string(got)
			_, _ = conn.Write(answer)
		}))
		conn := secureClient(t, p, client)
		_, _ = io.WriteString(conn, "question")
		_ = conn.CloseWrite()
		_ = conn.NetConn().(*net.TCPConn).CloseWrite()
		if got := <-gotc; got != "question" {
			t.Errorf("the backend got %q", got)
		}
		wantWhole(t, conn, answer)
		p.wantEnding(t, EOF)
	})
}

func TestTLSHalfCloseFromTheBackend(t *testing.T) {
	eachVersion(t, func(t *testing.T, srv *Server, client *tls.Config) {
		gotc := make(chan string, 1)
		p := start(t, srv, backend(t, func(conn *net.TCPConn) {
			_, _ = io.WriteString(conn, "greeting")
			_ = conn.CloseWrite()
			got, _ := io.ReadAll(conn)
			gotc <- string(got)
		}))
		conn := secureClient(t, p, client)
		wantWhole(t, conn, []byte("greeting"))
		_, _ = io.WriteString(conn, "more")
		_ = conn.Close()
		if got := <-gotc; got != "more" {
			t.Errorf("the backend got %q", got)
		}
		p.wantEnding(t, EOF)
	})
}

// wantWhole reads a stream that must end with close_notify. tls.Conn takes a bare FIN
// for that, so it is looked for in what the socket receives.
func wantWhole(t *testing.T, conn *tls.Conn, want []byte) {
	t.Helper()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	// After close_notify tls.Conn reads no more, after a FIN it asks the socket again.
	if n, err := conn.NetConn().Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("behind close_notify: %d bytes, %v", n, err)
	}
}

// bareFIN is a client's connection that ends its stream by a FIN alone.
func bareFIN(conn *tls.Conn) { _ = conn.NetConn().(*net.TCPConn).CloseWrite() }

// Pins that a stream cut by anybody on the way never looks complete: a FIN without
// close_notify reaches the backend as a reset, after what came before it.
func TestTLSTruncationIsAReset(t *testing.T) {
	eachVersion(t, func(t *testing.T, srv *Server, client *tls.Config) {
		errc := make(chan error, 1)
		p := start(t, srv, backend(t, func(conn *net.TCPConn) {
			got, err := io.ReadAll(conn)
			if string(got) != "cut" {
				t.Errorf("the backend got %q", got)
			}
			errc <- err
		}))
		conn := secureClient(t, p, client)
		_, _ = io.WriteString(conn, "cut")
		bareFIN(conn)
		if err := <-errc; !isReset(err) {
			t.Errorf("the backend's stream ended with %v, want a reset", err)
		}
		p.wantEnding(t, ClientReset)
	})
}

// Pins that a backend's reset reaches a client of TLS as a reset, without close_notify.
func TestTLSBackendResetReachesTheClient(t *testing.T) {
	eachVersion(t, func(t *testing.T, srv *Server, client *tls.Config) {
		p := start(t, srv, backend(t, func(conn *net.TCPConn) {
			_, _ = io.WriteString(conn, "cut")
			_, _ = conn.Read(make([]byte, 1))
			Reset(conn)
		}))
		conn := secureClient(t, p, client)
		if _, err := io.ReadFull(conn, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "x")
		if _, err := conn.Read(make([]byte, 1)); !isReset(err) {
			t.Errorf("the client's stream ended with %v, want a reset", err)
		}
		p.wantEnding(t, BackendReset)
	})
}

func isReset(err error) bool { return err != nil && strings.Contains(err.Error(), "reset by peer") }

// Pins that bytes changed on the way end the connection with an alert, and reach nobody.
func TestTLSChangedBytes(t *testing.T) {
	gotc := make(chan string, 1)
	srv, client := ending(t)
	p := start(t, srv, backend(t, func(conn *net.TCPConn) {
		got, _ := io.ReadAll(conn)
		gotc <- string(got)
	}))
	between := &meddler{Conn: p.dial(t)}
	conn := tls.Client(between, client)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	between.meddles = true
	_, _ = io.WriteString(conn, "changed on the way")
	if got := <-gotc; got != "" {
		t.Errorf("the backend got %q", got)
	}
	p.wantEnding(t, ClientReset)
}

// meddler changes the last byte of each write.
type meddler struct {
	net.Conn
	meddles bool
}

func (m *meddler) Write(p []byte) (int, error) {
	if m.meddles {
		p = bytes.Clone(p)
		p[len(p)-1] ^= 1
	}
	return m.Conn.Write(p)
}

// Pins how handshakes fail: each client is told why as far as TLS can say it, no backend is
// dialled, and the ending is tls_handshake.
func TestTLSHandshakeFails(t *testing.T) {
	tests := []struct {
		name   string
		client func(t *testing.T, conn *net.TCPConn, config *tls.Config) error
		want   string
	}{
		{"no common version", func(_ *testing.T, conn *net.TCPConn, config *tls.Config) error {
			config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
			return tls.Client(conn, config).Handshake()
		}, "protocol version not supported"},
		{"the client refuses the certificate", func(_ *testing.T, conn *net.TCPConn, config *tls.Config) error {
			config.ServerName = "another.example.com"
			return tls.Client(conn, config).Handshake()
		}, "certificate is valid for"},
		{"no TLS", func(_ *testing.T, conn *net.TCPConn, _ *tls.Config) error {
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			_, err := conn.Read(make([]byte, 1))
			return err
		}, "reset by peer"},
		{"half a hello, and an end", func(_ *testing.T, conn *net.TCPConn, _ *tls.Config) error {
			_, _ = conn.Write([]byte{22, 3, 1, 2, 0, 1, 0})
			_ = conn.CloseWrite()
			_, err := conn.Read(make([]byte, 1))
			return err
		}, "EOF"},
		{"half a hello, and nothing", func(_ *testing.T, conn *net.TCPConn, _ *tls.Config) error {
			_, _ = conn.Write([]byte{22, 3, 1, 2, 0, 1, 0})
			_, err := conn.Read(make([]byte, 1))
			return err
		}, "reset by peer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv, client := ending(t)
			srv.TLS.Timeout = time.Second
			shakenc := make(chan Handshake, 1)
			srv.TLS.Shaken = func(h Handshake) { shakenc <- h }
			p := start(t, srv, backend(t, func(*net.TCPConn) { t.Error("the backend was dialled") }))
			conn := p.dial(t)
			if err := tt.client(t, conn, client); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the client's error is %v, want %s", err, tt.want)
			}
			_ = conn.Close()
			p.wantEnding(t, TLSHandshake)
			if h := <-shakenc; h != HandshakeFailed {
				t.Errorf("handshake %s", h)
			}
		})
	}
}

// Pins that the length of what a client names does not make log lines and PROXY headers
// as long: that of a server, and its protocols in the error.
func TestTLSLongNames(t *testing.T) {
	srv, client := ending(t)
	var logged bytes.Buffer
	srv.TLS.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	srv.TLS.Config.NextProtos = []string{"one"}
	p := start(t, srv, backend(t, echo))
	client.InsecureSkipVerify = true
	client.ServerName = strings.Repeat("a", 60<<10)
	conn := secureClient(t, p, client)
	exchange(t, conn, "small")
	_ = conn.Close()
	if rec := p.wantEnding(t, EOF); rec.TLS.ServerName != "" {
		t.Errorf("the record has a name of %d bytes", len(rec.TLS.ServerName))
	}
	client.ServerName = "lb.example.com"
	for range 200 {
		client.NextProtos = append(client.NextProtos, strings.Repeat("p", 250))
	}
	if err := tls.Client(p.dial(t), client).Handshake(); err == nil {
		t.Error("a client with other protocols got in")
	}
	p.wantEnding(t, TLSHandshake)
	if n := logged.Len(); n == 0 || n > 2<<10 {
		t.Errorf("%d bytes were logged", n)
	}
}

// Pins that a client that connects and leaves, as probes of a port do, is no failed
// handshake.
func TestTLSProbeOfThePort(t *testing.T) {
	srv, _ := ending(t)
	srv.TLS.Shaken = func(h Handshake) { t.Errorf("handshake %s", h) }
	p := start(t, srv, backend(t, echo))
	_ = p.dial(t).Close()
	p.wantEnding(t, EOF)
}

// Pins that a client that does nothing holds up no other one, and that a shutdown which
// runs out of time ends its handshake.
func TestTLSSilentClients(t *testing.T) {
	srv, client := ending(t)
	p := start(t, srv, backend(t, echo))
	for range 20 {
		_, _ = p.dial(t).Write([]byte{22, 3, 1})
	}
	exchange(t, secureClient(t, p, client), "not held up")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = p.stop(ctx)
	for range 21 {
		p.wantEnding(t, Drain)
	}
}

// Pins that bytes which come in the same segment as the end of the handshake are not
// lost, and neither are those of many records at once.
func TestTLSBytesBehindTheHandshake(t *testing.T) {
	eachVersion(t, func(t *testing.T, srv *Server, client *tls.Config) {
		p := start(t, srv, backend(t, echo))
		for range 20 {
			held := &holder{TCPConn: p.dial(t)}
			conn := tls.Client(held, client)
			held.holds = true
			// TLS 1.3's client sends its last flight together with this; 1.2's waits first.
			go func() {
				for i := range 50 {
					_, _ = fmt.Fprintf(conn, "%02d", i)
				}
				held.flush()
			}()
			got := make([]byte, 100)
			if _, err := io.ReadFull(conn, got); err != nil || string(got[:6]) != "000102" || string(got[98:]) != "49" {
				t.Fatalf("read %q, %v", got, err)
			}
			_ = conn.Close()
		}
	})
}

// holder gathers writes between two reads, so that they leave as one.
type holder struct {
	*net.TCPConn
	mu    sync.Mutex
	holds bool
	held  []byte
}

func (h *holder) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = append(h.held, p...)
	return len(p), nil
}

func (h *holder) Read(p []byte) (int, error) {
	h.flush()
	return h.TCPConn.Read(p)
}

func (h *holder) flush() {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, _ = h.TCPConn.Write(h.held)
	h.held = nil
}

// Pins that records which arrive byte by byte are put together, also those of the hello.
func TestTLSByteByByte(t *testing.T) {
	srv, client := ending(t)
	p := start(t, srv, backend(t, echo))
	conn := tls.Client(&dribbler{p.dial(t)}, client)
	exchange(t, conn, "byte by byte")
	exchange(t, conn, "again")
}

// dribbler writes single bytes.
type dribbler struct{ *net.TCPConn }

func (d *dribbler) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.TCPConn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// Pins that a session is resumed, and counted as that.
func TestTLSResumption(t *testing.T) {
	eachVersion(t, func(t *testing.T, srv *Server, client *tls.Config) {
		shakenc := make(chan Handshake, 2)
		srv.TLS.Shaken = func(h Handshake) { shakenc <- h }
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		p := start(t, srv, backend(t, echo))
		for _, want := range []Handshake{HandshakeFull, HandshakeResumed} {
			conn := secureClient(t, p, client)
			exchange(t, conn, "x") // TLS 1.3's ticket comes behind the handshake
			_ = conn.Close()
			if h := <-shakenc; h != want {
				t.Errorf("handshake %s, want %s", h, want)
			}
		}
	})
}

// Pins that a reader that stops reading stops its sender, and that a relay without bytes
// ends by its idle time.
func TestTLSIdleTimeout(t *testing.T) {
	srv, client := ending(t)
	srv.Relays.Limits.IdleTimeout = 200 * time.Millisecond
	p := start(t, srv, backend(t, echo))
	conn := secureClient(t, p, client)
	exchange(t, conn, "x")
	if _, err := conn.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("%v, want a reset", err)
	}
	p.wantEnding(t, Idle)
}

// Pins that a client that asks for new keys again and again, and reads nothing, is cut
// off: each request adds a response to what waits to be sent.
func TestTLSKeyUpdatesAreBounded(t *testing.T) {
	w := &wire{}
	_, err := w.Write(make([]byte, queueMax))
	if err == nil {
		_, err = w.Write([]byte("x"))
	}
	if !errors.Is(err, errQueueFull) {
		t.Errorf("error %v", err)
	}
}
