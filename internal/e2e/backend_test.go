//go:build linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/demo"
	"fourseven/internal/testkit"

	"github.com/coder/websocket"
)

// backend is an HTTP server in a process of its own: the demo's, with slow
// answers and echoes besides.
type backend struct {
	*process
	addr   string
	number int
}

// startBackends starts the backends 1 to n.
func startBackends(t *testing.T, n int) []*backend {
	t.Helper()
	var all []*backend
	for i := range n {
		b := &backend{addr: testkit.ReserveAddr(t), number: i + 1}
		b.start(t)
		all = append(all, b)
	}
	return all
}

// backendsOf returns the setting for these backends.
func backendsOf(all []*backend) string {
	var addrs []string
	for _, b := range all {
		addrs = append(addrs, b.addr)
	}
	return "LB_BACKENDS=" + strings.Join(addrs, ",")
}

// start starts the backend, again if it was stopped, on the address that it has.
func (b *backend) start(t *testing.T) {
	t.Helper()
	b.process = start(t, backendCommand(b.addr, b.number))
	b.awaitOutput(1, "listening")
}

func backendCommand(addr string, number int) *exec.Cmd {
	cmd := exec.Command(self, addr, strconv.Itoa(number))
	cmd.Env = append(os.Environ(), roleVariable+"="+roleBackend)
	return cmd
}

// runBackend is the process. SIGTERM ends it when it has answered what it was asked.
func runBackend(addr, number string) int {
	n, err := strconv.Atoi(number)
	if err != nil {
		return failed(err)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return failed(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", demo.Backend(n))
	mux.HandleFunc("/slow", answerSlowly)
	mux.HandleFunc("/reset", reset)
	mux.HandleFunc("/echo", echoBody)
	mux.HandleFunc("/tunnel", echoUpgraded)
	mux.HandleFunc("/websocket", echoMessages)
	mux.HandleFunc("/bulk", answerBulk)
	srv := &http.Server{Handler: signed(number, mux), ReadHeaderTimeout: testkit.Patience}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	donec := make(chan struct{})
	go func() {
		<-ctx.Done()
		_ = srv.Shutdown(context.Background())
		close(donec)
	}()
	fmt.Println("listening")
	_ = srv.Serve(ln)
	<-donec
	return exitOK
}

// slowBody is how long the body of a slow answer is.
const slowBody = 64 << 10

// answerSlowly takes the time in the query's head before the answer's head, and
// the time in its body for the rest.
func answerSlowly(w http.ResponseWriter, r *http.Request) {
	head, _ := time.ParseDuration(r.FormValue("head"))
	body, _ := time.ParseDuration(r.FormValue("body"))
	if !pause(r.Context(), head) {
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(slowBody))
	const parts = 64
	for i := range parts {
		_, _ = w.Write(make([]byte, slowBody/parts))
		_ = http.NewResponseController(w).Flush()
		if i < parts-1 && !pause(r.Context(), body/(parts-1)) {
			return
		}
	}
}

// reset breaks the connection.
func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

func echoBody(w http.ResponseWriter, r *http.Request) {
	if body, err := io.ReadAll(r.Body); err == nil {
		_, _ = w.Write(body)
	}
}

// echoUpgraded agrees on another protocol, in which it sends back what comes until
// its peer ends its stream.
func echoUpgraded(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "echo")
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.Copy(conn, buf)
}

// signed says in each answer which backend it is from.
func signed(number string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Backend", number)
		h.ServeHTTP(w, r)
	})
}

// echoMessages is a WebSocket server that sends back what it is sent.
func echoMessages(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		kind, text, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, text) != nil {
			return
		}
	}
}

// answerBulk answers with as many bytes of pattern as the query's size says.
func answerBulk(w http.ResponseWriter, r *http.Request) {
	size, _ := strconv.Atoi(r.FormValue("size"))
	w.Header().Set("Content-Length", strconv.Itoa(size))
	_, _ = io.CopyN(w, &pattern{}, int64(size))
}

// pattern is an endless stream of bytes, in which each stands for its place in it.
type pattern struct{ at uint32 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(p.at * 2654435761 >> 24)
		p.at++
	}
	return len(b), nil
}

// Write wants the bytes to be the next of the pattern.
func (p *pattern) Write(b []byte) (int, error) {
	want := make([]byte, len(b))
	at := p.at
	_, _ = p.Read(want)
	if !bytes.Equal(b, want) {
		return 0, fmt.Errorf("other bytes than were sent, between %d and %d", at, p.at)
	}
	return len(b), nil
}

// pause reports whether the time passed before the context was done.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
