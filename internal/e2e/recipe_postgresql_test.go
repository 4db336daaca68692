//go:build linux

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"fourseven/internal/testkit"
)

// TestPostgreSQLFailover runs the recipe for PostgreSQL with Patroni: a primary and two
// streaming replicas, one of which is promoted under load while the old primary goes on
// and still claims to be one.
func TestPostgreSQLFailover(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	lb := servePostgreSQL(t, c.nodes[0].host, c.nodes[1].host, c.nodes[2].host)
	wantTexts(t, "the log", lb.output(), []string{
		`level=INFO msg="backend standby" service=rw backend=` + c.nodes[1].addr(), `GET /primary: status 503: standby`,
		`level=INFO msg="backend standby" service=ro backend=` + c.nodes[0].addr(),
		`msg="active backend" service=rw backend=` + c.nodes[0].addr(),
	})
	if text := lb.output(); strings.Contains(text, "backend down") || strings.Contains(text, "level=ERROR") {
		t.Errorf("a warning about nodes that work:\n%s", text)
	}
	load := startSQLLoad(t, lb, c.nodes[0].host)
	c.promote(t, 1)
	lb.awaitOutput(1, `level=WARN msg="active backend moved" service=rw backend=`+c.nodes[1].addr()+" was="+c.nodes[0].addr())
	load.stop(c.nodes[1].host)
	lb.awaitOutput(1, "msg=cut service=rw reason=backend_down backend="+c.nodes[0].addr())
	wantTexts(t, "/metrics", mustAsk(t, lb.admin, "/metrics"), []string{
		fmt.Sprintf(`lb_backend_active{backend=%q,service="rw"} 1`, c.nodes[1].addr()),
		fmt.Sprintf(`lb_backend_standby{backend=%q,service="rw"} 1`, c.nodes[0].addr()),
	})
}

// servePostgreSQL starts fourseven by the recipe, in front of these hosts.
func servePostgreSQL(t *testing.T, one, two, three string) *multi {
	t.Helper()
	return serveServices(t, recipe(t, "postgresql", "pg1:", one+":", "pg2:", two+":", "pg3:", three+":")...)
}

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
