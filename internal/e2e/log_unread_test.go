//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fourseven/internal/testkit"
)

// The tests of this file give the program a standard output that nobody reads.

// logFlush is how long the program may take at its end to write queued lines.
const logFlush = time.Second

// piped is a running fourseven servedBy log goes into a pipe.
type piped struct {
	*balancer
	log  *os.File // what the test may read
	part []byte   // of a line: what skip has read of it
}

// servePiped starts fourseven so that every connection is several lines.
func servePiped(t *testing.T, backends string) *piped {
	t.Helper()
	cmd := fourseven(quick(backends, "LB_LOG_LEVEL=debug", "LB_LOG_FORMAT=json", "LB_ACCESS_LOG=on"))
	r, w := pipe(t)
	defer func() { _ = w.Close() }()
	cmd.Stdout = w
	return &piped{balancer: ready(t, cmd), log: r}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r, w
}

// traffic makes n connections over L4 and n requests over L7, and returns how long
// they took.
func (p *piped) traffic(n int) time.Duration {
	p.t.Helper()
	client := http.Client{Timeout: testkit.Patience}
	defer client.CloseIdleConnections()
	path := "/" + strings.Repeat("x", 700) // makes long lines
	began := time.Now()
	for range n {
		if a, err := ask(p.l4, "/"); err != nil || a.status != http.StatusOK {
			p.t.Fatalf("L4: status %d, %v", a.status, err)
		}
		if a, err := askOn(&client, "http://"+p.l7+path); err != nil || a.status != http.StatusOK {
			p.t.Fatalf("L7: status %d, %v", a.status, err)
		}
	}
	return time.Since(began)
}

// skip reads the log until the read deadline. It may stop in the middle of a line.
func (p *piped) skip() {
	buf := make([]byte, 64<<10)
	for {
		n, err := p.log.Read(buf)
		p.part = append(p.part, buf[:n]...)
		p.part = p.part[bytes.LastIndexByte(p.part, '\n')+1:]
		if err != nil {
			return
		}
	}
}

// read reads the log to its end, and wants whole lines.
func (p *piped) read() []map[string]any {
	p.t.Helper()
	text, err := io.ReadAll(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	var lines []map[string]any
	for line := range strings.Lines(string(p.part) + string(text)) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil || !strings.HasSuffix(line, "\n") {
			p.t.Fatalf("%q is not a whole line: %v", line, err)
		}
		lines = append(lines, fields)
	}
	return lines
}

// told returns how many lines were dropped, once the admin pages agree on it: the
// last connections of a client may end after it.
func (p *piped) told() (dropped int) {
	p.t.Helper()
	testkit.Eventually(p.t, "status and metric to agree", func() bool {
		var status struct {
			Dropped int `json:"log_lines_dropped"`
		}
		if err := json.Unmarshal([]byte(mustAsk(p.t, p.admin, "/api/status")), &status); err != nil {
			p.t.Fatal(err)
		}
		dropped = status.Dropped
		metric := fmt.Sprintf("\nlb_log_lines_dropped_total %d\n", dropped)
		return strings.Contains(mustAsk(p.t, p.admin, "/metrics"), metric)
	})
	return dropped
}

// overflowing is how much traffic is more than the pipe and the queue can hold.
const overflowing = 1200

// TestUnreadLog pins that nobody waits for who reads the log: with a full pipe
// for standard output, thousands of connections and requests go on as fast as
// before, a dead backend is noticed, and SIGTERM ends the process.
func TestUnreadLog(t *testing.T) {
	both := startBackends(t, 2)
	lb := servePiped(t, backendsOf(both))
	donec := make(chan struct{})
	go func() {
		defer close(donec)
		lb.skip()
	}()
	free := lb.traffic(overflowing)
	_ = lb.log.SetReadDeadline(time.Now())
	<-donec
	lb.traffic(overflowing)
	stalled := lb.traffic(overflowing)
	t.Logf("%d connections and as many requests: %s while the log is read, %s when it has stalled", overflowing, free, stalled)
	if stalled > 3*free+margin { // one that waited would do so at each of the connections
		t.Errorf("took %s with a stalled log, and %s before", stalled, free)
	}
	if n := lb.told(); n == 0 {
		t.Error("no line was dropped")
	}
	both[0].kill()
	testkit.Within(t, interval+fastInterval+margin, "the second backend alone to answer", func() bool {
		return servedBy(t, repeat(4, lb.l4, lb.l7)...) == "22222222"
	})
	began := time.Now()
	lb.signal(syscall.SIGTERM)
	lb.wantExit(exitOK)
	if took := time.Since(began); took > logFlush+margin {
		t.Errorf("ended after %s, want at most %s", took, logFlush)
	}
	_ = lb.log.SetReadDeadline(time.Time{})
	if len(lb.read()) == 0 {
		t.Error("nothing is in the pipe: it was not full")
	}
}

// TestUnreadLogIsReadAgain pins that a reader which comes back gets whole lines,
// and that those which it misses are counted: all lines are accounted for.
func TestUnreadLogIsReadAgain(t *testing.T) {
	lb := servePiped(t, backendsOf(startBackends(t, 2)))
	lb.traffic(overflowing)
	linesc := make(chan []map[string]any, 1)
	go func() { linesc <- lb.read() }()
	lb.traffic(10) // after the gap
	told := lb.told()
	lb.stop()
	seen := map[string]int{}
	dropped := 0
	for _, line := range <-linesc {
		seen[line["msg"].(string)]++
		if n, ok := line["lines"].(float64); ok {
			dropped += int(n)
		}
	}
	t.Logf("dropped %d, seen %v", dropped, seen)
	if dropped == 0 || dropped != told || seen["stopped"] != 1 {
		t.Errorf("%d lines dropped and %d by the API, seen %v", dropped, told, seen)
	}
	const each = overflowing + 10
	if got := dropped + seen["connection"] + seen["connection ended"] + seen["request"]; got != 3*each {
		t.Errorf("%d lines seen or dropped, want %d: %v", got, 3*each, seen)
	}
}

// TestClosedLog pins that the end of who reads the log is not the end of the
// process, and costs it nothing.
func TestClosedLog(t *testing.T) {
	t.Parallel()
	lb := servePiped(t, backendsOf(startBackends(t, 2)))
	_ = lb.log.Close()
	lb.traffic(200)
	const window = 2 * time.Second
	before := lb.cpuTime()
	<-time.After(window)
	if used := lb.cpuTime() - before; used > window/4 {
		t.Errorf("used %s of processor time in %s of silence", used, window)
	}
	lb.stop()
	lb.wantExit(exitOK)
}

// TestFullOutputs pins that a process servedBy outputs are full from the start serves
// and ends, whatever it ends with.
func TestFullOutputs(t *testing.T) {
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = occupied.Close() })
	const backend = "LB_BACKENDS=127.0.0.1:1"
	for _, tt := range []struct {
		name     string
		args     []string
		settings []string
		signals  []syscall.Signal
		code     int
	}{
		{"SIGTERM", nil, []string{backend}, []syscall.Signal{syscall.SIGTERM}, exitOK},
		{"a second signal", nil, []string{backend, "LB_SHUTDOWN_DELAY=1h"}, []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}, exitOK},
		{"demo", []string{"demo"}, nil, []syscall.Signal{syscall.SIGINT}, exitOK},
		{"failure", nil, []string{backend, "LB_L4_LISTEN=" + occupied.Addr().String()}, nil, exitFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			admin := testkit.ReserveAddr(t)
			cmd := fourseven(append(quick("LB_ADMIN_LISTEN="+admin), tt.settings...), tt.args...)
			w := fullPipe(t)
			cmd.Stdout, cmd.Stderr = w, w
			p := start(t, cmd)
			for i, sig := range tt.signals {
				testkit.Eventually(t, "the process to have noticed", func() bool {
					a, err := ask(admin, "/readyz")
					return err == nil && (i == 0 || a.body == "draining\n")
				})
				if i == 0 {
					p.signal(sig)
				} else {
					p.signalAgain(sig)
				}
			}
			began := time.Now()
			p.wantExit(tt.code)
			if took := time.Since(began); took > 2*logFlush+margin {
				t.Errorf("ended after %s", took)
			}
		})
	}
}

// fullPipe returns the end for writing of a pipe that takes nothing more.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	_, w := pipe(t)
	t.Cleanup(func() { _ = w.Close() })
	raw, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var size int
	if cerr := raw.Control(func(fd uintptr) { size, err = unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	return w
}
