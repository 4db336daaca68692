//go:build linux

package e2e

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// singleThreaded is a backend that serves one connection at a time, and keeps it.
const singleThreaded = `
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '2')
        self.end_headers()
        self.wfile.write(b'ok')
    def log_message(self, *args):
        pass

host, port = sys.argv[1].split(':')
server = http.server.HTTPServer((host, int(port)), Handler)
print('listening', flush=True)
server.serve_forever()
`

// TestSingleThreadedBackend pins that a backend that serves one connection at a time
// stays up under traffic: our connection to it was kept and used again all the time, so
// that no probe was answered.
func TestSingleThreadedBackend(t *testing.T) {
	t.Parallel()
	python := testkit.Need(t, "python3", "python3")
	addr := testkit.ReserveAddr(t)
	backend := start(t, exec.Command(python, "-c", singleThreaded, addr))
	backend.awaitOutput(1, "listening")
	lb := serve(t, "LB_BACKENDS="+addr, "LB_HEALTH_PATH=/", "LB_HEALTH_TIMEOUT=2s")
	client := &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for end := time.Now().Add(8 * interval); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		resp, err := client.Get("http://" + lb.l7 + "/")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	for line := range strings.Lines(lb.output()) {
		if strings.Contains(line, "msg=probe") || strings.Contains(line, "backend down") {
			t.Error(line)
		}
	}
}
