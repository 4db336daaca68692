//go:build linux

package e2e

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
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
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableCompression: true}}
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

// whose asks each address in turn, and returns the numbers of the backends that
// answered.
func whose(t *testing.T, addrs ...string) string {
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
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	return conn.(*net.TCPConn)
}

// wantResetAtOnce wants a new connection to be reset within a second.
func wantResetAtOnce(t *testing.T, addr string) {
	t.Helper()
	began := time.Now()
	n, err := -1, error(nil)
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err == nil {
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(patience))
		n, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d bytes, %v, want a reset", n, err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("reset after %s, want at once", took)
	}
}
