//go:build linux

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fourseven/internal/testkit"
)

// TestMariaDB runs the recipe for MariaDB with a check at port 9200: a server that says
// by it that it wants no traffic, loses its clients to the other one.
func TestMariaDB(t *testing.T) {
	testkit.Need(t, "mariadb", "mariadb-client")
	t.Parallel()
	one, two := startMariaDB(t), startMariaDB(t)
	lb := runRecipe(t, recipe(t, "mariadb", "db1:", one.host+":", "db2:", two.host+":"))
	lb.awaitHealthy(margin, one.addr(), two.addr())
	for range 3 {
		if got := mariaDB(t, lb.l4, "SELECT @@bind_address"); got != one.host {
			t.Errorf("reached %s", got)
		}
	}
	kept := dial(t, lb.l4)
	if _, err := kept.Read(make([]byte, 1)); err != nil { // of the server's greeting
		t.Fatal(err)
	}
	mariaDB(t, one.addr(), "SET GLOBAL read_only = 1")
	lb.awaitHealthy(interval+fastInterval+margin, two.addr())
	lb.awaitOutput(1, `level=INFO msg="backend standby" backend=`+one.addr())
	wantReset(t, kept)
	if got := mariaDB(t, lb.l4, "SELECT @@bind_address"); got != two.host {
		t.Errorf("reached %s, want the one that may write", got)
	}
	mariaDB(t, one.addr(), "SET GLOBAL read_only = 0")
	lb.awaitHealthy(fastInterval+margin, one.addr(), two.addr())
	if got := mariaDB(t, lb.l4, "SELECT @@bind_address"); got != two.host {
		t.Errorf("reached %s after the other one came back", got)
	}
}

// mariaDBServer is a server, and what answers for it at port 9200.
type mariaDBServer struct {
	*process
	host string
}

func (s *mariaDBServer) addr() string { return net.JoinHostPort(s.host, "3306") }

func startMariaDB(t *testing.T) *mariaDBServer {
	t.Helper()
	mariadbd := testkit.Need(t, "mariadbd", "mariadb-server")
	s := &mariaDBServer{host: testkit.Host()}
	dir := serverDir(t)
	data, init := filepath.Join(dir, "data"), filepath.Join(dir, "init.sql")
	output(t, unprivileged(exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+data, "--skip-test-db", "--auth-root-authentication-method=normal")))
	if err := os.WriteFile(init, []byte("CREATE USER app@'%';\nGRANT ALL ON *.* TO app@'%';\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.process = start(t, unprivileged(exec.Command(mariadbd, "--no-defaults", "--datadir="+data, "--socket="+filepath.Join(dir, "sock"),
		"--pid-file="+filepath.Join(dir, "pid"), "--bind-address="+s.host, "--port=3306", "--init-file="+init,
		"--skip-name-resolve", "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0")))
	t.Cleanup(func() { s.endBy(syscall.SIGKILL) })
	testkit.Eventually(t, "MariaDB to answer", func() bool {
		if s.ended() {
			t.Fatalf("MariaDB ended:\n%s", s.output())
		}
		_, err := mariaDBCommand(t.Context(), s.addr(), "SELECT 1").CombinedOutput()
		return err == nil
	})
	ln, err := net.Listen("tcp", net.JoinHostPort(s.host, "9200"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go s.answerChecks(t.Context(), ln)
	return s
}

// answerChecks responds as the script clustercheck does behind xinetd: whatever the request
// is, before it has come, and to HEAD with a body too.
func (s *mariaDBServer) answerChecks(ctx context.Context, ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			status, text := "503 Service Unavailable", "Node is not synced.\r\n"
			readOnly, err := mariaDBCommand(ctx, s.addr(), "SELECT @@read_only").Output()
			if err == nil && strings.TrimSpace(string(readOnly)) == "0" {
				status, text = "200 OK", "Node is synced.\r\n"
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", status, len(text), text)
			_, _ = conn.Read(make([]byte, 1024)) // a close before could reset the connection
		}()
	}
}

func mariaDB(t *testing.T, addr, statement string) string {
	t.Helper()
	return output(t, mariaDBCommand(t.Context(), addr, statement))
}

func mariaDBCommand(ctx context.Context, addr, statement string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(addr)
	return exec.CommandContext(ctx, "mariadb", "--no-defaults", "--protocol=tcp", "--skip-ssl", "-h", host, "-P", port, "-u", "app", "-N", "-B", "-e", statement)
}
