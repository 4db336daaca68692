//go:build linux

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// statementTimeout bounds a statement. A commit that waits for a replica which was
// promoted waits for ever, until its connection is cut.
const statementTimeout = 4 * testkit.Patience

// sqlLoad is clients that write and read through fourseven while another server becomes
// the primary.
type sqlLoad struct {
	t       *testing.T
	rw, ro  string
	load    *load
	writes  *writes
	reads   *tally
	old     *psqlSession   // of the primary
	readers []*psqlSession // of the replicas
}

// startSQLLoad starts the clients, and returns when they have written to the primary.
func startSQLLoad(t *testing.T, lb *multi, primary string) *sqlLoad {
	t.Helper()
	l := &sqlLoad{t: t, rw: lb.at["rw l4"], ro: lb.at["ro l4"], load: newLoad()}
	l.sql(l.rw, "CREATE TABLE IF NOT EXISTS t (n int PRIMARY KEY)")
	l.old = startPsql(t, l.rw)
	if got := l.old.ask("SELECT inet_server_addr()"); got != primary {
		t.Errorf("writes go to %s, want %s", got, primary)
	}
	l.readers = []*psqlSession{startPsql(t, l.ro), startPsql(t, l.ro)} // one on each replica
	for _, r := range l.readers {
		if got := r.ask("SELECT inet_server_addr()"); got == primary {
			t.Error("reads go to the primary")
		}
	}
	first, _ := strconv.ParseInt(l.sql(l.rw, "SELECT coalesce(max(n), 0) FROM t"), 10, 64)
	l.writes = &writes{t: t, addr: l.rw}
	l.writes.next.Store(first)
	for range 3 {
		l.load.wg.Go(func() { l.writes.until(l.load) })
	}
	l.reads = &tally{t: t, kind: "read"}
	l.load.wg.Go(func() {
		for l.load.pause(time.Millisecond) {
			_, err := psql(statementTimeout, l.ro, "SELECT 1")
			l.reads.count(err)
		}
	})
	l.awaitWrites()
	return l
}

func (l *sqlLoad) awaitWrites() {
	l.t.Helper()
	before := l.writes.acknowledged()
	testkit.Within(l.t, statementTimeout, "20 writes", func() bool { return l.writes.acknowledged() >= before+20 })
}

// stop stops the clients, once they have written to the primary that is wanted now. No
// write that was acknowledged may be lost, the connections of the old primary must be
// gone, and clients that read must not have noticed anything.
func (l *sqlLoad) stop(primary string) {
	l.t.Helper()
	l.awaitWrites()
	l.load.stop()
	if _, err := l.old.try("SELECT 1"); err == nil {
		l.t.Error("a client still talks to the old primary")
	}
	for i, r := range l.readers {
		if got := r.ask("SELECT 1"); got != "1" {
			l.t.Errorf("reader %d: %s", i, got)
		}
	}
	if got := l.sql(l.rw, "SELECT inet_server_addr()"); got != primary {
		l.t.Errorf("writes go to %s, want %s", got, primary)
	}
	stored := strings.Fields(l.sql(l.rw, "SELECT n FROM t"))
	l.writes.wantIn(stored)
	l.t.Logf("%d writes acknowledged, %d failed, %d stored; %d reads", l.writes.acknowledged(), l.writes.failed.Load(), len(stored), l.reads.done.Load())
}

func (l *sqlLoad) sql(addr, statement string) string {
	l.t.Helper()
	out, err := psql(statementTimeout, addr, statement)
	if err != nil {
		l.t.Fatalf("%s: %v", statement, err)
	}
	return out
}

func psqlCommand(ctx context.Context, addr string, args ...string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(addr)
	cmd := exec.CommandContext(ctx, "psql", append([]string{"-XAtq", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", port, "-U", "postgres", "-d", "postgres"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// psql runs one statement in a session of its own.
func psql(limit time.Duration, addr, statement string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out, err := psqlCommand(ctx, addr, "-c", statement).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// psqlSession is a psql that stays connected. It is safe for concurrent use.
type psqlSession struct {
	t   *testing.T
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

func startPsql(t *testing.T, addr string) *psqlSession {
	t.Helper()
	cmd := psqlCommand(t.Context(), addr)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	s := &psqlSession{t: t, in: in, out: bufio.NewReader(out)}
	s.ask("SELECT 1")
	return s
}

// try runs a statement and returns what it prints. The error is of a session that ended.
func (s *psqlSession) try(statement string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.WriteString(s.in, statement+";\n\\echo .\n"); err != nil {
		return "", err
	}
	var text strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == ".\n" {
			return strings.TrimSpace(text.String()), nil
		}
		text.WriteString(line)
	}
}

func (s *psqlSession) ask(statement string) string {
	s.t.Helper()
	got, err := s.try(statement)
	if err != nil {
		s.t.Errorf("%s: %v", statement, err)
	}
	return got
}

// writes are inserts, each in a session of its own.
type writes struct {
	t      *testing.T
	addr   string
	next   atomic.Int64
	failed atomic.Int64

	mu  sync.Mutex
	all []int64 // that were acknowledged
}

func (w *writes) until(load *load) {
	for load.pause(time.Millisecond) {
		n := w.next.Add(1)
		if _, err := psql(statementTimeout, w.addr, "INSERT INTO t VALUES ("+strconv.FormatInt(n, 10)+")"); err != nil {
			w.failed.Add(1) // stored or not: the client does not know
			load.pause(50 * time.Millisecond)
			continue
		}
		w.mu.Lock()
		w.all = append(w.all, n)
		w.mu.Unlock()
	}
}

func (w *writes) acknowledged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all)
}

func (w *writes) wantIn(stored []string) {
	w.t.Helper()
	there := map[string]bool{}
	for _, n := range stored {
		there[n] = true
	}
	for _, n := range w.all {
		if !there[strconv.FormatInt(n, 10)] {
			w.t.Errorf("write %d was acknowledged and is lost", n)
		}
	}
}
