package l7_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"

	"github.com/tmaxmax/go-sse"
)

// TestSSE has a client library read a stream of events, of which the next is sent
// only when the one before has arrived: none waits for others to fill a buffer. The
// median delay is bounded too, against a buffer that is flushed by a timer.
func TestSSE(t *testing.T) {
	const events = 21
	arrivedc := make(chan struct{}, events)
	p := startProxy(t, nil, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range events {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", time.Now().UnixNano())
			w.(http.Flusher).Flush()
			select {
			case <-arrivedc:
			case <-r.Context().Done():
				return
			}
		}
	}))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var delays []time.Duration
	for event, err := range sse.Read(resp.Body, nil) {
		if err != nil {
			t.Fatal(err)
		}
		var sent int64
		if _, err := fmt.Sscan(event.Data, &sent); err != nil {
			t.Fatal(err)
		}
		delays = append(delays, time.Since(time.Unix(0, sent)))
		arrivedc <- struct{}{}
	}
	if len(delays) != events {
		t.Fatalf("%d events, want %d", len(delays), events)
	}
	slices.Sort(delays)
	if median := delays[events/2]; median > 250*time.Millisecond {
		t.Errorf("events took %s", median)
	}
}

// curl runs curl and returns what it printed. Without curl the test is skipped, in
// CI it fails.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testkit.Need(t, "curl", "curl"), append([]string{"-sS", "--max-time", "20"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("curl %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// TestCurl pins what a real client does with expectations, HTTP/1.0, uploads of
// either framing, HEAD, and trailers.
func TestCurl(t *testing.T) {
	p := startProxy(t, nil, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = fmt.Fprintf(w, "%s %s %d %v %v", r.Proto, r.Method, n, r.TransferEncoding, err)
		w.Header().Set("X-Sum", "42")
	}))
	file := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(file, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "http://" + p.addr + "/"
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"get", nil, "HTTP/1.1 GET 0 [] <nil>"},
		{"HTTP/1.0", []string{"--http1.0"}, "HTTP/1.1 GET 0 [] <nil>"},
		{"HTTP/1.0 upload", []string{"--http1.0", "-T", file}, "HTTP/1.1 PUT 3145728 [] <nil>"},
		{"upload", []string{"-T", file}, "HTTP/1.1 PUT 3145728 [] <nil>"},
		{"chunked upload", []string{"-T", file, "-H", "Transfer-Encoding: chunked"}, "HTTP/1.1 PUT 3145728 [chunked] <nil>"},
		{"upload with an expectation", []string{"-T", file, "-H", "Expect: 100-continue", "--expect100-timeout", "15"}, "HTTP/1.1 PUT 3145728 [] <nil>"},
		{"form", []string{"-d", "a=1&b=2"}, "HTTP/1.1 POST 7 [] <nil>"},
		{"two on one connection", []string{url}, "HTTP/1.1 GET 0 [] <nil>HTTP/1.1 GET 0 [] <nil>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := curl(t, append(test.args, url)...); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if head := curl(t, "-I", url); !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("HEAD: %q", head)
	}
	if all := curl(t, "-i", "--raw", url); !strings.HasSuffix(all, "0\r\nX-Sum: 42\r\n\r\n") {
		t.Errorf("trailers: %q", all)
	}
}
