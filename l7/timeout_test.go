package l7_test

import (
	"bufio"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"fourseven/l7"
)

// short is a time-out that a test waits for. It is more than a busy machine's
// hiccups between two steps of a test.
const short = time.Second

func shortTimeouts(s *l7.Server) {
	s.HeaderTimeout, s.IdleTimeout, s.BackendTimeout = short, short, short
}

// TestTimeouts pins which time-out gives which answer, that none comes early, and
// that none is kept from coming by bytes that drip.
func TestTimeouts(t *testing.T) {
	silent := scriptedBackend(t, func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) })
	for _, test := range []struct {
		name, request string
		drips         bool
		status        int // 0: closed without a word
	}{
		{"nothing", "", false, 0},
		{"head that stops", "GET / HTTP/1.1\r\nHost: a\r\n", false, 408},
		{"head that drips", "GET / HTTP/1.1\r\nX: ", true, 408},
		{"backend that does not answer", get, false, 504},
		{"body that stops", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello", false, 408},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, shortTimeouts, silent)
			nc := p.dial(t)
			begun := time.Now()
			_, _ = io.WriteString(nc, test.request)
			if test.drips {
				go drip(nc, 50*time.Millisecond, 40, func() {})
			}
			resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
			switch {
			case test.status == 0 && err == nil, test.status != 0 && err != nil:
				t.Errorf("got %v, %v", resp, err)
			case err == nil && resp.StatusCode != test.status:
				t.Errorf("status %d, want %d", resp.StatusCode, test.status)
			}
			if d := time.Since(begun); d < short || d > 10*short {
				t.Errorf("after %s, want %s", d, short)
			}
		})
	}
}

// TestIdleTimeout pins that a connection between two requests is closed without a
// word, and not before its time.
func TestIdleTimeout(t *testing.T) {
	p := startProxy(t, shortTimeouts, scriptedBackend(t, func(nc net.Conn) { answerAll(nc, plainAnswer) }))
	nc := p.dial(t)
	br := bufio.NewReader(nc)
	_, _ = io.WriteString(nc, get)
	readResponse(t, br, get)
	begun := time.Now()
	if b, err := br.ReadByte(); err != io.EOF {
		t.Errorf("got %q, %v, want the end", b, err)
	}
	if d := time.Since(begun); d < short/2 || d > 10*short {
		t.Errorf("after %s, want %s", d, short)
	}
}

// TestStalledReader pins that a client that does not read its response is cut off.
func TestStalledReader(t *testing.T) {
	ended := make(chan struct{})
	p := startProxy(t, shortTimeouts, httpBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		for piece := make([]byte, 1<<16); ; {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	nc := p.dial(t)
	_, _ = io.WriteString(nc, get)
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the backend goes on for a client that does not read")
	}
}

// TestSlowloris pins that connections which drip their heads do not slow the
// others down beyond 1.5 times.
func TestSlowloris(t *testing.T) {
	p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) { answerAll(nc, plainAnswer) }))
	best := func() time.Duration {
		least := time.Duration(math.MaxInt64)
		for range 8 {
			begun := time.Now()
			for range 100 {
				p.do(t, get)
			}
			least = min(least, time.Since(begun))
		}
		return least
	}
	// A machine that is busy with something else at the wrong moment gets other tries;
	// slow clients that are to blame are there in every one.
	for try := 1; ; try++ {
		before := best()
		stop := dripHeads(t, p, 500)
		among := best()
		stop()
		alone := max(before, best())
		if among <= alone*3/2 {
			return
		}
		t.Logf("100 requests took %s, and %s among slow clients", alone, among)
		if try == 5 {
			t.Fatal("slow clients slow the others down")
		}
	}
}

// dripHeads opens connections on each of which a byte of a head is sent each second.
// It returns when all of them have sent one, with the function that closes them.
func dripHeads(t *testing.T, p *proxy, conns int) (stop func()) {
	t.Helper()
	var ended, dripping sync.WaitGroup
	stopc := make(chan struct{})
	for i := range conns {
		nc := p.dial(t)
		dripping.Add(1)
		ended.Go(func() {
			defer func() { _ = nc.Close() }()
			begun := sync.OnceFunc(dripping.Done)
			defer begun()
			pause := time.Second * time.Duration(i) / time.Duration(conns) // spread over the second
			for n := 0; n < len(get)-1; n++ {
				select {
				case <-stopc:
					return
				case <-time.After(pause):
				}
				if _, err := io.WriteString(nc, get[n:n+1]); err != nil {
					return
				}
				pause = time.Second
				begun()
			}
		})
	}
	dripping.Wait()
	return func() { close(stopc); ended.Wait() }
}
