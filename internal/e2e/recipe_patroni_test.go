//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fourseven/internal/testkit"
)

// TestPatroni runs the recipe for PostgreSQL with Patroni itself, through a switchover
// that an operator asks for, and the death of the primary's machine.
func TestPatroni(t *testing.T) {
	t.Parallel()
	c := startPatroni(t)
	lb := servePostgreSQL(t, c.nodes[0].host, c.nodes[1].host, c.nodes[2].host)

	old := c.await("leader")
	load := startSQLLoad(t, lb, old.host)
	c.switchover(old)
	primary := c.awaitAnother(old)
	load.stop(primary.host)

	c.await("sync_standby") // until then, what is acknowledged is on one node alone
	testkit.Eventually(t, "two replicas", func() bool {
		return strings.Contains(mustAsk(t, lb.admin, "/metrics"), fmt.Sprintf("lb_backend_up{backend=%q,service=\"ro\"} 1", old.host+":5432"))
	})
	load = startSQLLoad(t, lb, primary.host)
	primary.die()
	load.stop(c.awaitAnother(primary).host)
	t.Logf("%d moves", lb.outputCount("active backend moved"))
}

// patroni is three nodes and the etcd in which they keep who is the leader.
type patroni struct {
	t     *testing.T
	nodes []*patroniNode
}

type patroniNode struct {
	*process
	name, host, dir string
}

func startPatroni(t *testing.T) *patroni {
	t.Helper()
	program := testkit.Need(t, "patroni", "patroni")
	etcd := testkit.Need(t, "etcd", "etcd-server")
	bin := postgresBin(t)
	c := &patroni{t: t}
	store, peers := "http://"+testkit.Host()+":2379", "http://"+testkit.Host()+":2380"
	p := start(t, unprivileged(exec.Command(etcd, "--data-dir", filepath.Join(serverDir(t), "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", store, "--advertise-client-urls", store,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers)))
	awaitListener(t, p, strings.TrimPrefix(store, "http://"))
	for i := range 3 {
		n := &patroniNode{name: "pg" + strconv.Itoa(i+1), host: testkit.Host(), dir: serverDir(t)}
		file := filepath.Join(n.dir, "patroni.yml")
		if err := os.WriteFile(file, []byte(n.config(store, bin)), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := unprivileged(exec.Command(program, file))
		cmd.Env = append(os.Environ(), "HOME="+n.dir)
		n.process = start(t, cmd)
		t.Cleanup(n.end)
		c.nodes = append(c.nodes, n)
	}
	testkit.Within(t, statementTimeout, "a leader and two replicas", func() bool {
		members := c.members()
		return len(members) == 3 && len(members["leader"]) == 1 && len(members["sync_standby"]) == 1 && len(members["replica"]) == 1
	})
	return c
}

// config returns the settings of a node: as fast as Patroni permits.
func (n *patroniNode) config(store, bin string) string {
	return strings.NewReplacer("NAME", n.name, "HOST", n.host, "DIR", n.dir, "STORE", store, "BIN", bin).Replace(`
scope: pg
name: NAME
restapi: {listen: "HOST:8008", connect_address: "HOST:8008"}
etcd3: {url: "STORE"}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    synchronous_mode: true
    postgresql: {use_pg_rewind: false, parameters: {fsync: "off", shared_buffers: 16MB, max_connections: 50}}
  initdb: [{auth: trust}, no-sync, {username: postgres}]
  pg_hba: ["host all all 127.0.0.0/8 trust", "host replication all 127.0.0.0/8 trust"]
postgresql:
  listen: "HOST:5432"
  connect_address: "HOST:5432"
  data_dir: DIR/data
  bin_dir: BIN
  pgpass: DIR/pgpass
  authentication: {superuser: {username: postgres}, replication: {username: postgres}}
  parameters: {unix_socket_directories: ""}
`)
}

// members returns the nodes by their role, if all of them run.
func (c *patroni) members() map[string][]*patroniNode {
	all := map[string][]*patroniNode{}
	for _, n := range c.nodes {
		resp, err := http.Get("http://" + n.host + ":8008/cluster")
		if err != nil {
			continue
		}
		var answer struct {
			Members []struct{ Name, Role, State string }
		}
		err = json.NewDecoder(resp.Body).Decode(&answer)
		_ = resp.Body.Close()
		if err != nil {
			continue
		}
		for _, m := range answer.Members {
			i := slices.IndexFunc(c.nodes, func(n *patroniNode) bool { return n.name == m.Name })
			if i >= 0 && (m.State == "running" || m.State == "streaming") {
				all[m.Role] = append(all[m.Role], c.nodes[i])
			}
		}
		return all
	}
	return all
}

// await waits until a node has the role, and returns it.
func (c *patroni) await(role string) (n *patroniNode) {
	c.t.Helper()
	testkit.Within(c.t, statementTimeout, "a "+role, func() bool {
		if found := c.members()[role]; len(found) > 0 {
			n = found[0]
		}
		return n != nil
	})
	return n
}

// awaitAnother waits until another node is the leader, and returns it.
func (c *patroni) awaitAnother(old *patroniNode) (n *patroniNode) {
	c.t.Helper()
	testkit.Within(c.t, statementTimeout, "another leader", func() bool {
		if found := c.members()["leader"]; len(found) > 0 {
			n = found[0]
		}
		return n != nil && n != old
	})
	return n
}

func (c *patroni) switchover(old *patroniNode) {
	c.t.Helper()
	resp, err := http.Post("http://"+old.host+":8008/switchover", "application/json", strings.NewReader(`{"leader": "`+old.name+`"}`))
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		c.t.Fatalf("switchover: %s %s", resp.Status, text)
	}
}

// die ends the node's processes without any of their work for a clean end. PostgreSQL
// is not killed, as it would leave shared memory behind.
func (n *patroniNode) die() {
	n.kill()
	n.signalPostgres(syscall.SIGQUIT)
}

// end stops the node, and its PostgreSQL with it.
func (n *patroniNode) end() {
	n.endBy(syscall.SIGTERM)
	n.signalPostgres(syscall.SIGQUIT)
}

func (n *patroniNode) signalPostgres(sig syscall.Signal) {
	text, err := os.ReadFile(filepath.Join(n.dir, "data", "postmaster.pid"))
	if err != nil {
		return // it does not run
	}
	pid, _, _ := strings.Cut(string(text), "\n")
	line, err := os.ReadFile("/proc/" + pid + "/cmdline")
	if err != nil || !strings.Contains(string(line), n.dir) {
		return // it ended, and left the file behind
	}
	if pid, err := strconv.Atoi(pid); err == nil && pid > 1 {
		_ = syscall.Kill(pid, sig)
	}
}
