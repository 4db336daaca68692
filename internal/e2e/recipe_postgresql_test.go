//go:build linux

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestPostgreSQLFailover runs the recipe for PostgreSQL with Patroni: a primary and two
// streaming replicas, one of which is promoted under load. No write that was acknowledged
// is lost, the old primary's connections are cut, and those who read notice nothing.
func TestPostgreSQLFailover(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	lb := serveServices(t, recipe(t, "postgresql", "pg1:", c.nodes[0].host+":", "pg2:", c.nodes[1].host+":", "pg3:", c.nodes[2].host+":")...)
	rw, ro := lb.at["rw l4"], lb.at["ro l4"]
	wantTexts(t, "the log", lb.output(), []string{
		`level=INFO msg="backend standby" service=rw backend=` + c.nodes[1].addr(), `GET /primary: status 503: standby`,
		`level=INFO msg="backend standby" service=ro backend=` + c.nodes[0].addr(),
		`msg="active backend" service=rw backend=` + c.nodes[0].addr(),
	})
	if text := lb.output(); strings.Contains(text, "backend down") || strings.Contains(text, "level=ERROR") {
		t.Errorf("a warning about nodes that work:\n%s", text)
	}
	c.sql(t, rw, "CREATE TABLE t (n int PRIMARY KEY)")

	old := startPsql(t, rw)
	if got := old.ask("SELECT inet_server_addr()"); got != c.nodes[0].host {
		t.Errorf("writes go to %s", got)
	}
	readers := []*psqlSession{startPsql(t, ro), startPsql(t, ro)} // one on each replica
	load := newLoad()
	writes := &writes{t: t, addr: rw}
	for range 3 {
		load.wg.Go(func() { writes.until(load) })
	}
	reads := &tally{t: t, kind: "read"}
	load.wg.Go(func() {
		for load.pause(time.Millisecond) {
			_, err := psql(rwTimeout, ro, "SELECT 1")
			reads.count(err)
		}
	})
	testkit.Eventually(t, "20 writes before", func() bool { return writes.acknowledged() >= 20 })

	c.promote(t, 1)
	lb.awaitOutput(1, `level=WARN msg="active backend moved" service=rw backend=`+c.nodes[1].addr()+" was="+c.nodes[0].addr())
	before := writes.acknowledged()
	testkit.Eventually(t, "20 writes after", func() bool { return writes.acknowledged() >= before+20 })
	load.stop()

	if _, err := old.try("SELECT 1"); err == nil {
		t.Error("a client still talks to the old primary")
	}
	lb.awaitOutput(1, "msg=cut service=rw reason=backend_down backend="+c.nodes[0].addr())
	for i, r := range readers {
		if got := r.ask("SELECT 1"); got != "1" {
			t.Errorf("reader %d: %s", i, got)
		}
	}
	stored := strings.Fields(c.sql(t, rw, "SELECT n FROM t"))
	if got := c.sql(t, rw, "SELECT inet_server_addr()"); got != c.nodes[1].host {
		t.Errorf("writes go to %s after the promotion", got)
	}
	writes.wantIn(stored)
	t.Logf("%d writes acknowledged, %d failed, %d stored; %d reads", writes.acknowledged(), writes.failed.Load(), len(stored), reads.done.Load())

	for _, want := range []string{
		fmt.Sprintf(`lb_backend_active{backend=%q,service="rw"} 1`, c.nodes[1].addr()),
		fmt.Sprintf(`lb_backend_standby{backend=%q,service="rw"} 1`, c.nodes[0].addr()),
	} {
		if !strings.Contains(mustAsk(t, lb.admin, "/metrics"), want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
}

// rwTimeout bounds a statement. A commit that waits for a replica which was promoted
// waits for ever, until its connection is cut.
const rwTimeout = 2 * testkit.Patience

// cluster is PostgreSQL servers, and what answers for each like Patroni.
type cluster struct {
	nodes  []*node
	leader atomic.Int32 // who has the lock
}

type node struct {
	*process
	host, dir string
	local     *psqlSession
}

func (n *node) addr() string { return net.JoinHostPort(n.host, "5432") }

func startCluster(t *testing.T) *cluster {
	t.Helper()
	bin := postgresBin(t)
	c := &cluster{}
	for i := range 3 {
		n := &node{host: testkit.Host(), dir: filepath.Join(serverDir(t), "data")}
		c.nodes = append(c.nodes, n)
		if i == 0 {
			output(t, unprivileged(exec.Command(filepath.Join(bin, "initdb"), "-D", n.dir, "-A", "trust", "-U", "postgres", "--no-sync", "--no-instructions")))
			appendTo(t, filepath.Join(n.dir, "pg_hba.conf"), "host all all 127.0.0.0/8 trust\nhost replication all 127.0.0.0/8 trust\n")
		} else {
			output(t, unprivileged(exec.Command(filepath.Join(bin, "pg_basebackup"), "-D", n.dir, "-R", "-X", "stream", "-c", "fast", "--no-sync",
				"-d", fmt.Sprintf("host=%s port=5432 user=postgres application_name=pg%d", c.nodes[0].host, i+1))))
		}
		c.start(t, bin, n)
	}
	// What is acknowledged is on the second node, too.
	first := c.nodes[0]
	first.local.ask("ALTER SYSTEM SET synchronous_standby_names = 'pg2'")
	first.local.ask("SELECT pg_reload_conf()")
	testkit.Eventually(t, "the replicas", func() bool {
		return first.local.ask("SELECT count(*) FILTER (WHERE state = 'streaming') || ' ' || count(*) FILTER (WHERE sync_state = 'sync') FROM pg_stat_replication") == "2 1"
	})
	return c
}

// start starts a node, and its agent.
func (c *cluster) start(t *testing.T, bin string, n *node) {
	t.Helper()
	n.process = start(t, unprivileged(exec.Command(filepath.Join(bin, "postgres"), "-D", n.dir, "-k", "", "-c", "listen_addresses="+n.host,
		"-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=50")))
	t.Cleanup(func() { n.endBy(syscall.SIGQUIT) }) // killed, it leaves shared memory behind
	testkit.Eventually(t, "PostgreSQL to answer", func() bool {
		if n.ended() {
			t.Fatalf("PostgreSQL ended:\n%s", n.output())
		}
		_, err := psql(testkit.Patience, n.addr(), "SELECT 1")
		return err == nil
	})
	n.local = startPsql(t, n.addr())
	i := len(c.nodes) - 1
	ln, err := net.Listen("tcp", net.JoinHostPort(n.host, "8008"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.answer(w, r, i) })}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
}

// answer answers as Patroni does: the primary is the one that runs as such and has the
// lock.
func (c *cluster) answer(w http.ResponseWriter, r *http.Request, i int) {
	recovering, err := c.nodes[i].local.try("SELECT pg_is_in_recovery()")
	ok := err == nil && (r.URL.Path == "/primary" && recovering == "f" && int(c.leader.Load()) == i ||
		r.URL.Path == "/replica" && recovering == "t")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// promote gives the lock to another node and promotes it. The old primary does not hear
// of it and goes on.
func (c *cluster) promote(t *testing.T, i int) {
	t.Helper()
	c.leader.Store(int32(i))
	if got := c.nodes[i].local.ask("SELECT pg_promote()"); got != "t" {
		t.Errorf("pg_promote: %s", got)
	}
}

func (c *cluster) sql(t *testing.T, addr, statement string) string {
	t.Helper()
	out, err := psql(rwTimeout, addr, statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return out
}

func postgresBin(t *testing.T) string {
	t.Helper()
	testkit.Need(t, "psql", "postgresql")
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_basebackup")
	if len(found) == 0 {
		testkit.Missing(t, "postgres, from the Debian package postgresql")
	}
	return filepath.Dir(found[len(found)-1])
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(readFile(t, path)+text), 0o600); err != nil {
		t.Fatal(err)
	}
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
		if _, err := psql(rwTimeout, w.addr, "INSERT INTO t VALUES ("+strconv.FormatInt(n, 10)+")"); err != nil {
			w.failed.Add(1) // stored or not: the client does not know
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
