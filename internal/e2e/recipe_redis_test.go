//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// TestRedisSentinel runs the recipe for Redis with Sentinel. When the master dies,
// clients follow Sentinel's choice; when it comes back and claims to be master, it gets
// nobody; and the password of the probe is shown nowhere.
func TestRedisSentinel(t *testing.T) {
	sentinel := testkit.Need(t, "redis-sentinel", "redis-sentinel")
	testkit.Need(t, "redis-server", "redis-server")
	testkit.Need(t, "redis-cli", "redis-tools")
	t.Parallel()
	one, two := &guardedRedis{host: testkit.Host()}, &guardedRedis{host: testkit.Host()}
	one.start(t)
	two.start(t, "--replicaof", one.host, "6379")
	testkit.Eventually(t, "the replica", func() bool { return strings.Contains(two.do(t, two.addr(), "ROLE"), "connected") })

	secret := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(secret, []byte(`AUTH `+redisPassword+`\r\nROLE\r\n`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lb := runRecipe(t, recipe(t, "redis-sentinel", "redis1:", one.host+":", "redis2:", two.host+":", "/run/secrets/redis-probe", secret))
	one.want(t, lb.l4)
	lb.awaitHealthy(margin, one.addr())
	lb.awaitOutput(1, `level=WARN msg="backend down" backend=`+two.addr())
	lb.awaitOutput(1, `$5\\r\\nslave\\r\\n`) // what the replica answered
	one.do(t, lb.l4, "SET", "key", "value")
	testkit.Eventually(t, "the value on the replica", func() bool { return two.do(t, two.addr(), "GET", "key") == "value" })

	watch := startSentinel(t, sentinel, one)
	testkit.Eventually(t, "Sentinel to know the replica", func() bool {
		out, _ := redisCommand(t, "redis-cli", watch.addr(), "SENTINEL", "REPLICAS", "m").CombinedOutput()
		return strings.Contains(string(out), two.host)
	})
	one.kill()
	lb.awaitOutput(1, `level=WARN msg="active backend moved" backend=`+two.addr()+" was="+one.addr())
	two.want(t, lb.l4)
	two.do(t, lb.l4, "SET", "key", "newer")

	watch.kill() // nobody tells the old master that there is another
	one.start(t)
	lb.awaitOutput(1, `msg="healthy set" up=2 of=2`)
	for range 20 {
		two.want(t, lb.l4)
	}
	if got := two.do(t, lb.l4, "GET", "key"); got != "newer" {
		t.Errorf("the value is %q", got)
	}
	if n := lb.outputCount("active backend moved"); n != 1 {
		t.Errorf("%d moves", n)
	}
	for where, text := range map[string]string{"log": lb.output(), "API": mustAsk(t, lb.admin, "/api/backends") + mustAsk(t, lb.admin, "/api/config")} {
		if strings.Contains(text, redisPassword) {
			t.Errorf("the password is in the %s", where)
		}
	}
}

const redisPassword = "correct-horse"

// guardedRedis is a Redis with a password, at the usual port of a host of its own.
type guardedRedis struct {
	*process
	host string
}

func (r *guardedRedis) addr() string { return net.JoinHostPort(r.host, "6379") }

func (r *guardedRedis) start(t *testing.T, args ...string) {
	t.Helper()
	r.process = start(t, exec.Command("redis-server", append([]string{"--bind", r.host, "--port", "6379", "--save", "", "--appendonly", "no",
		"--requirepass", redisPassword, "--masterauth", redisPassword, "--replica-announce-ip", r.host, "--repl-diskless-sync-delay", "0", "--dir", t.TempDir()}, args...)...))
	r.awaitOutput(1, "Ready to accept connections")
}

// do runs a command at an address.
func (r *guardedRedis) do(t *testing.T, addr string, args ...string) string {
	t.Helper()
	cmd := redisCommand(t, "redis-cli", addr, args...)
	cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+redisPassword)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("redis-cli %s: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// want wants a new connection to reach this server.
func (r *guardedRedis) want(t *testing.T, addr string) {
	t.Helper()
	if got := r.do(t, addr, "CONFIG", "GET", "bind"); got != "bind\n"+r.host {
		t.Errorf("reached %q, want %s", got, r.host)
	}
}

// startSentinel starts a sentinel that decides alone, and soon.
func startSentinel(t *testing.T, sentinel string, master *guardedRedis) *guardedSentinel {
	t.Helper()
	s := &guardedSentinel{host: testkit.Host()}
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, `bind %s
port 26379
sentinel monitor m %s 6379 1
sentinel auth-pass m %s
sentinel down-after-milliseconds m 1000
sentinel failover-timeout m 10000
`, s.host, master.host, redisPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	s.process = start(t, exec.Command(sentinel, file))
	awaitListener(t, s.process, s.addr())
	return s
}

type guardedSentinel struct {
	*process
	host string
}

func (s *guardedSentinel) addr() string { return net.JoinHostPort(s.host, "26379") }
