//go:build linux

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// answer is what came back for one request.
type answer struct {
	status int
	header http.Header
	close  bool // the response has "Connection: close"
	body   string
}

// ask requests http://addr/path on a connection of its own.
func ask(addr, path string) (answer, error) {
	client := http.Client{Timeout: testkit.Patience, Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	return askOn(&client, "http://"+addr+path)
}

func askOn(client *http.Client, url string) (answer, error) {
	resp, err := client.Get(url)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, resp.Close, string(body)}, err
}

// mustAsk wants the status 200, and returns the body.
func mustAsk(t *testing.T, addr, path string) string {
	t.Helper()
	a, err := ask(addr, path)
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("http://%s%s: status %d %q, %v", addr, path, a.status, a.body, err)
	}
	return a.body
}

// servedBy asks each address in turn, and returns the numbers of the backends that
// answered.
func servedBy(t *testing.T, addrs ...string) string {
	t.Helper()
	var numbers strings.Builder
	for _, addr := range addrs {
		numbers.WriteString(strings.TrimSpace(strings.TrimPrefix(mustAsk(t, addr, "/"), "backend ")))
	}
	return numbers.String()
}

// repeat returns the addresses n times over.
func repeat(n int, addrs ...string) []string {
	var all []string
	for range n {
		all = append(all, addrs...)
	}
	return all
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, testkit.Patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * testkit.Patience))
	return conn.(*net.TCPConn)
}

// wantResetAtOnce wants a new connection to be reset without any waiting.
func wantResetAtOnce(t *testing.T, addr string) {
	t.Helper()
	began := time.Now()
	n, err := -1, error(nil)
	conn, err := net.DialTimeout("tcp", addr, testkit.Patience)
	if err == nil {
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(testkit.Patience))
		n, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d bytes, %v, want a reset", n, err)
	}
	if took := time.Since(began); took > margin {
		t.Errorf("reset after %s, want at once", took)
	}
}

func mustRequest(t *testing.T, addr, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	return req
}

// endless returns a connection whose response has begun and will not end.
func endless(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn := dial(t, addr)
	request(t, conn, "/slow?body=100h")
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func request(t *testing.T, conn net.Conn, path string) {
	t.Helper()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
}

// response reads a response with the status 200 and no other bytes after it.
func response(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return resp
}

// wantEnd waits for the end of a connection's stream.
func wantEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		t.Errorf("%d bytes, %v, want the end", n, err)
	}
}

func wantStatus(t *testing.T, conn net.Conn, status int) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != status {
		t.Fatalf("got %v, %v, want %d", resp, err, status)
	}
	_ = resp.Body.Close()
}

func wantReset(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
}

func wantEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	b := []byte{7}
	_, _ = conn.Write(b)
	if _, err := conn.Read(b); err != nil {
		t.Error(err)
	}
}

func switchProtocols(t *testing.T, conn net.Conn) {
	t.Helper()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
	wantStatus(t, conn, http.StatusSwitchingProtocols)
	wantEcho(t, conn)
}
