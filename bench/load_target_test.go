package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// service is a reader's own service, which counts what it is sent.
type service struct {
	requests, now, most atomic.Int64
	odd                 atomic.Int64 // requests that are not as they should be
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	now := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	if r.Method != http.MethodGet || r.RequestURI != "/page?x=1" || !strings.HasPrefix(r.Host, "127.0.0.1:") {
		s.odd.Add(1)
	}
	_, _ = io.WriteString(w, strings.Repeat("chunked, because it is long. ", 1000))
}

// The load on a reader's service stays within the bounds in the warning, also through L4
// and L7.
func TestTargetIsSentNoMoreThanAnnounced(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := &service{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	var stdout, stderr bytes.Buffer
	args := []string{"-target", server.URL + "/page?x=1", "-requests", "40", "-rounds", "2", "-d", "1m"}
	if code := run(t.Context(), args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	if want := "warning: " + server.URL + "/page?x=1 is sent real load: up to 540 GET requests"; !strings.Contains(stderr.String(), want) {
		t.Errorf("no %q in %s", want, &stderr)
	}
	// 12 samples of 40; 54 to open connections, and 6 before the first sample.
	if n := s.requests.Load(); n < 480 || n > 540 {
		t.Errorf("%d requests", n)
	}
	if most, odd := s.most.Load(), s.odd.Load(); most > targetConns || odd > 0 {
		t.Errorf("%d requests at once, %d odd ones", most, odd)
	}
	for _, want := range []string{"L4 or L7 for your service?", "GET /page?x=1 of your service, 8 at a time", "\n  fourseven-l4 ", "or 40 operations"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in %s", want, &stdout)
		}
	}
}

func TestTargetThatFails(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"-target", server.URL}, io.Discard, &stderr); code != exitFailure {
		t.Errorf("exit code %d, want %d", code, exitFailure)
	}
	if want := "does not answer as expected: expected a status of 200 to 399, got 404 Not Found"; !strings.Contains(stderr.String(), want) {
		t.Errorf("no %q in %s", want, &stderr)
	}
}

// A budget is spent to the last operation and no further, whatever the time.
func TestBudgetBoundsTheLoad(t *testing.T) {
	t.Parallel()
	l := shortLoad(listenBackend(t), scenario{conns: 4, open: openEcho(dial)})
	l.duration, l.budget = time.Hour, newBudget(100)
	got, err := l.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.count != 100 || got.hist.TotalCount() != 100 {
		t.Errorf("%d operations, %d latencies, want 100", got.count, got.hist.TotalCount())
	}
}

func TestTCPTarget(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, send string
		serve      func(net.Conn)
		want       string // in the error, "" for none
	}{
		{"speaks first", "", func(c net.Conn) { _, _ = io.WriteString(c, "220 ready\r\n") }, ""},
		{"answers", "PING\r\n", func(c net.Conn) {
			buf := make([]byte, 6)
			_, _ = io.ReadFull(c, buf)
			_, _ = c.Write(buf)
		}, ""},
		{"says nothing", "", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }, "-send says what it is to be sent"},
		{"closes", "", func(net.Conn) {}, "closed the connection without sending anything"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr := listen(t, func(ln net.Listener) {
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					tt.serve(conn)
					_ = conn.Close()
				}
			})
			patience := 10 * time.Second
			if strings.Contains(tt.want, "-send") {
				patience = 200 * time.Millisecond
			}
			op, err := (&target{send: tt.send}).openAnswer(addr, time.Now().Add(patience))
			if err != nil {
				t.Fatal(err)
			}
			defer op.close()
			n, err := op.do()
			switch {
			case tt.want == "" && (n != 1 || err != nil):
				t.Errorf("got %d, %v", n, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}
