package l7_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"fourseven/l7"
)

const expecting = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"

// TestContinue pins that a client which holds its body back until 100 is answered
// gets it: from the backend, or from us where the backend does not send it.
func TestContinue(t *testing.T) {
	for name, says := range map[string]string{"backend sends it": "HTTP/1.1 100 Continue\r\n\r\n", "backend ignores it": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
				br := bufio.NewReader(nc)
				for {
					req, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					_, _ = io.WriteString(nc, says)
					body, _ := io.ReadAll(req.Body)
					if string(body) == "hello" {
						_, _ = io.WriteString(nc, plainAnswer)
					}
				}
			}))
			nc := p.dial(t)
			br := bufio.NewReader(nc)
			for range 2 {
				_, _ = io.WriteString(nc, expecting)
				for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
					if line, err := br.ReadString('\n'); line != want {
						t.Fatalf("got %q, %v", line, err)
					}
				}
				_, _ = io.WriteString(nc, "hello")
				if _, body := readResponse(t, br, ""); body != "ok" {
					t.Errorf("got %q", body)
				}
			}
		})
	}
}

// TestContinueRefused pins that a final answer instead of 100 gets through, and
// that the connection, on which a body may follow or not, is closed.
func TestContinueRefused(t *testing.T) {
	p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno")
			_, _ = io.Copy(io.Discard, nc)
		}
	}))
	nc := p.dial(t)
	br := bufio.NewReader(nc)
	_, _ = io.WriteString(nc, expecting)
	resp, body := readResponse(t, br, "")
	if resp.StatusCode != 401 || body != "no" || !resp.Close {
		t.Errorf("got %d %q, close %v", resp.StatusCode, body, resp.Close)
	}
	if _, err := br.ReadByte(); err != io.EOF {
		t.Errorf("then %v, want the end", err)
	}
}

// TestTrustedProxy pins that what a trusted proxy says of its client is kept and
// its own address appended.
func TestTrustedProxy(t *testing.T) {
	seen := make(chan http.Header, 1)
	p := startProxy(t, func(s *l7.Server) {
		s.TrustedProxies.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, httpBackend(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }))
	p.do(t, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2, 3.3.3.3\r\n"+
		"X-Forwarded-Proto: https\r\nX-Forwarded-Host: outside\r\n\r\n")
	h := <-seen
	for name, want := range map[string]string{
		"X-Forwarded-For":   "1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1",
		"X-Forwarded-Proto": "https", "X-Forwarded-Host": "outside",
	} {
		if got := h[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	p.do(t, get)
	if h := <-seen; h.Get("X-Forwarded-For") != "127.0.0.1" || h.Get("X-Forwarded-Proto") != "http" || h.Get("X-Forwarded-Host") != "a" {
		t.Errorf("without fields of its own: %v", h)
	}
}

// TestTrustedProxyLookalikes pins that a field whose name differs from that of a trusted
// proxy's field only by underscores is not passed on: the proxy let its client's through,
// and to a backend that reads fields as CGI variables both are one.
func TestTrustedProxyLookalikes(t *testing.T) {
	seen := make(chan http.Header, 1)
	p := startProxy(t, func(s *l7.Server) {
		s.TrustedProxies.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, httpBackend(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }))
	stated := []string{"Forwarded", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host",
		"X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Client-Cert"}
	var request strings.Builder
	request.WriteString("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Real-IP, X-Forwarded-Port\r\n")
	for _, name := range stated {
		fmt.Fprintf(&request, "%s: proxy\r\n", name)
		for i := range name {
			if name[i] == '-' {
				fmt.Fprintf(&request, "%s_%s: client\r\n", name[:i], name[i+1:])
			}
		}
		if all := strings.ReplaceAll(name, "-", "_"); all != name {
			fmt.Fprintf(&request, "%s: client\r\n", strings.ToLower(all))
		}
	}
	p.do(t, request.String()+"\r\n")
	h := <-seen
	for name, values := range h {
		if strings.Contains(strings.Join(values, " "), "client") {
			t.Errorf("the backend got %s: %q", name, values)
		}
	}
	for _, name := range stated {
		if got := h.Get(name); !strings.HasPrefix(got, "proxy") {
			t.Errorf("%s: %q, want what the proxy states", name, got)
		}
	}
}

// TestExpectAnsweredAtTheEnd pins that a body whose last piece gets through while its
// upload is being ended leaves no ended connection to the next request.
func TestExpectAnsweredAtTheEnd(t *testing.T) {
	const size, last = 9000, 1000
	p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
		for br := bufio.NewReader(nc); ; {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if req.Method == "POST" { // answered when nearly all is here
				_, _ = io.CopyN(io.Discard, req.Body, size-last)
			}
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			_, _ = io.Copy(io.Discard, req.Body)
		}
	}))
	body := strings.Repeat("x", size)
	for range 1000 {
		nc := p.dial(t)
		_, _ = fmt.Fprintf(nc, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", size)
		_, _ = io.WriteString(nc, body[:size-last])
		_, _ = io.WriteString(nc, body[size-last:])
		resp, _ := readResponse(t, bufio.NewReader(nc), "POST /")
		_ = nc.Close()
		if next, _ := p.do(t, get); resp.StatusCode != 200 || next.StatusCode != 200 {
			t.Fatalf("status %d, then %d, want 200", resp.StatusCode, next.StatusCode)
		}
	}
}
