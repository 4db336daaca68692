//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestUnixClients pins what clients over Unix sockets can be: those who have the file's
// mode, with a PROXY header that states the client, or with X-Forwarded-* that is kept.
func TestUnixClients(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "host %s, for %s", r.Host, r.Header.Get("X-Forwarded-For"))
	}))
	t.Cleanup(backend.Close)
	const v1 = "PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\r\n"
	for _, tt := range []struct {
		name, setting, sent, want string
	}{
		{"PROXY header", "LB_PROXY_PROTOCOL_FROM=unix", v1 + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "host a, for 192.0.2.7"},
		{"PROXY header, and no Host", "LB_PROXY_PROTOCOL_FROM=10.0.0.0/8,unix", v1 + "GET / HTTP/1.0\r\n\r\n", "host 192.0.2.1:80, for 192.0.2.7"},
		{"trusted", "LB_L7_TRUSTED_PROXIES=unix", "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.9\r\nConnection: close\r\n\r\n", "host a, for 192.0.2.9"},
		{"not trusted", "LB_L7_TRUSTED_PROXIES=127.0.0.0/8", "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.9\r\nConnection: close\r\n\r\n", "host a, for "},
		{"no Host", "LB_L7_TRUSTED_PROXIES=127.0.0.0/8", "GET / HTTP/1.0\r\n\r\n", "host localhost, for "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l4, l7 := filepath.Join(dir, "l4"), filepath.Join(dir, "l7")
			serve(t, "LB_BACKENDS="+backend.URL, "LB_L4_LISTEN=unix:"+l4+";mode=0606", "LB_L7_LISTEN=unix:"+l7, tt.setting)
			if info, err := os.Stat(l4); err != nil || info.Mode().Perm() != 0o606 {
				t.Errorf("%v, %v, want mode 0606", info.Mode(), err)
			}
			if got := overUnix(t, l7, tt.sent); !strings.HasSuffix(got, "\r\n\r\n"+tt.want) && !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if strings.HasPrefix(tt.sent, v1) {
				if got := overUnix(t, l4, tt.sent[:10]); got != "" {
					t.Errorf("half a header: got %q", got)
				}
			}
		})
	}
}

// overUnix sends bytes, ends the stream and returns what comes back.
func overUnix(t *testing.T, path, sent string) string {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(testkit.Patience))
	if _, err := io.WriteString(conn, sent); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.UnixConn).CloseWrite()
	began := time.Now()
	got, err := io.ReadAll(conn)
	if err != nil && len(got) > 0 {
		t.Errorf("%q, then %v", got, err)
	}
	if took := time.Since(began); took > 4*time.Second { // less than a PROXY header may take
		t.Errorf("answered after %s", took)
	}
	return string(got)
}
