package l7_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"fourseven/internal/testkit"
	"fourseven/l7"
)

// TestCounted pins what is counted for the backend of a request: its response by the class
// of its status, and a failure only if the backend is at fault.
func TestCounted(t *testing.T) {
	silent := func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }
	status := func(code int) func(*testing.T) string {
		return func(t *testing.T) string {
			return httpBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		}
	}
	raw := func(answer string) func(*testing.T) string {
		return func(t *testing.T) string { return rawBackend(t, answer) }
	}
	const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
	for _, tt := range []struct {
		name      string
		backend   func(*testing.T) string
		configure func(*l7.Server)
		request   string
		leaves    bool // the client does, without reading
		responses [5]uint64
		failed    uint64
	}{
		{name: "ok", backend: status(204), request: get, responses: [5]uint64{0, 1}},
		{name: "redirect", backend: status(301), request: get, responses: [5]uint64{0, 0, 1}},
		{name: "not found", backend: status(404), request: get, responses: [5]uint64{0, 0, 0, 1}},
		{name: "error", backend: status(503), request: get, responses: [5]uint64{0, 0, 0, 0, 1}},
		{name: "interim responses do not count", backend: raw("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), request: get, responses: [5]uint64{0, 1}},
		{name: "upgraded", backend: func(t *testing.T) string { return scriptedBackend(t, switching) }, request: upgrade, responses: [5]uint64{1}},
		{name: "malformed", backend: raw("nonsense\r\n\r\n"), request: get, failed: 1},
		{name: "no response", backend: raw(""), request: post, failed: 1},
		{name: "no response, and no other backend", backend: raw(""), request: get, failed: 1},
		{name: "broken off", backend: raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), request: get, responses: [5]uint64{0, 1}, failed: 1},
		{name: "too slow", backend: func(t *testing.T) string { return scriptedBackend(t, silent) }, request: get,
			configure: func(s *l7.Server) { s.BackendTimeout = 100 * time.Millisecond }, failed: 1},
		{name: "the client left", backend: func(t *testing.T) string { return scriptedBackend(t, silent) }, request: get, leaves: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r records
			p := startProxy(t, recorded(&r, tt.configure), tt.backend(t))
			b := p.Pool.Backends()[0]
			nc := p.dial(t)
			_, _ = io.WriteString(nc, tt.request)
			if tt.leaves {
				testkit.Eventually(t, "the request is in flight", func() bool { n, inFlight := b.Requests(); return n == 0 && inFlight == 1 })
				_ = nc.SetLinger(0)
			} else {
				_ = nc.CloseWrite()
				_, _ = io.Copy(io.Discard, nc)
			}
			_ = nc.Close()
			next(t, r.served)
			next(t, r.ended)
			if got := b.Responses(); got != tt.responses {
				t.Errorf("responses %v, want %v", got, tt.responses)
			}
			if got := b.FailedRequests(); got != tt.failed {
				t.Errorf("%d failed, want %d", got, tt.failed)
			}
			sum := uint64(0)
			for _, n := range tt.responses {
				sum += n
			}
			if times := b.ResponseTimes(); times.Count() != sum {
				t.Errorf("%d response times, want %d", times.Count(), sum)
			}
			if dials := b.Connects(); dials.Count() != 1 {
				t.Errorf("%d dials, want 1", dials.Count())
			}
			if conns, open := b.Conns(); conns != 0 || open != 0 {
				t.Errorf("%d connections, %d open, want none: it was given a request", conns, open)
			}
			if n, inFlight := b.Requests(); n != 1 || inFlight != 0 {
				t.Errorf("%d requests, %d in flight, want 1 and none", n, inFlight)
			}
		})
	}
}

// Pins that a backend which broke before it responded has failed a request, although
// another one responded to it.
func TestCountedElsewhere(t *testing.T) {
	p := startProxy(t, nil, rawBackend(t, ""), httpBackend(t, answerOK))
	if resp, _ := p.do(t, get); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	both := p.Pool.Backends()
	if one, two := both[0].FailedRequests(), both[1].FailedRequests(); one != 1 || two != 0 {
		t.Errorf("%d and %d failures, want 1 and none", one, two)
	}
}

// Pins that the time of a response is the backend's: from when the request was complete to
// when the response began.
func TestCountedTime(t *testing.T) {
	const slow = 200 * time.Millisecond
	release := make(chan struct{})
	p := startProxy(t, nil, httpBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(slow) // is measured
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	b := p.Pool.Backends()[0]
	nc := p.dial(t)
	_, _ = io.WriteString(nc, get[:5])
	time.Sleep(2 * slow) // is not
	began := time.Now()
	_, _ = io.WriteString(nc, get[5:])
	counted := func() bool { times := b.ResponseTimes(); return times.Count() == 1 }
	testkit.Eventually(t, "the response is counted although it goes on", counted)
	if times, most := b.ResponseTimes(), time.Since(began); times.Sum < slow || times.Sum > most {
		t.Errorf("%v, want %v to %v", times.Sum, slow, most)
	}
	close(release)
	_ = nc.CloseWrite()
	_, _ = io.Copy(io.Discard, nc)
}

// Pins that the cheap statistics have all bytes: those of connections that are idle or have
// ended, and the latest of a response that goes on.
func TestRecentStats(t *testing.T) {
	const response = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
	release := make(chan struct{})
	p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
			_, _ = io.WriteString(nc, response+"abc")
			<-release
			_, _ = io.WriteString(nc, "def")
		}
	}))
	nc := p.dial(t)
	_, _ = io.WriteString(nc, get)
	has := func(what string, sent int) {
		t.Helper()
		testkit.Eventually(t, what, func() bool {
			exact, recent := p.Stats(), p.RecentStats()
			return exact == recent && recent.Received == int64(len(get)) && recent.Sent >= int64(sent-1) && recent.Sent <= int64(sent)
		})
	}
	head := len(response) + len(dateLine)
	has("half of the body", head+3)
	close(release)
	br := bufio.NewReader(nc)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	has("an idle connection", head+6)
	_ = nc.Close()
	testkit.Eventually(t, "the connection has ended", func() bool { return p.RecentStats().Active == 0 })
	has("none left", head+6)
}
